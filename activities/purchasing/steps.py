"""Purchasing: what is short, or runs low, is bought; a supplier's word gives the orders a date."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Database
from activities.database.inbox import mark_applied, was_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import call_idempotently
from activities.gateways.suppliers import Suppliers
from activities.ledger.posting import draw_number, lock_series
from activities.order_record.audit import Parts, record_events, reject_fact
from activities.purchasing.track_records import track_records
from activities.stock.backorders import (
    backordered,
    date_shortages,
    due_units,
    incoming,
    open_shortages,
    still_ahead,
    waiting_orders,
)
from activities.stock.counters import lock_stock
from models.errors import PartnerRefused
from models.messages.facts import GoodsShipped, SupplierAcknowledged
from models.messages.partners import SupplierLine, SupplierOrder
from models.messages.steps import (
    Notification,
    PlannedSend,
    PlanStep,
    PurchasePlan,
    PurchaseStep,
    StockKey,
)
from models.money import format_amount
from models.purchasing import (
    ComparedOffer,
    Comparison,
    Offer,
    PurchaseOrderState,
    Reason,
    Requirement,
    compare,
)
from models.replenishment import position, restock
from models.stock import ShortageState
from models.tables.masterdata import Company, SupplierOffer
from models.tables.operations import AuditRow
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Shortage, Stock, StockPolicy

State = PurchaseOrderState
UNANSWERED = (State.SENDING, State.SENT)
LOOK_AGAIN = timedelta(days=1)
"""After which what nobody brings is looked at again."""


@step
def apply_acknowledgement(work: UnitOfWork, fact: SupplierAcknowledged) -> Notification:
    """The supplier confirms, all or in part, or refuses: who waits gets a date. One that has
    passed is none."""
    if was_applied(work.session, fact):
        return _told_before(work.session, fact.po_id or "", fact.acknowledgement_id)
    mark_applied(work, fact)
    order, lines = _spoken_of(work, fact)
    said_at = min(fact.occurred_at or work.now, work.now)
    if order is None or (order.acknowledged_at and said_at < order.acknowledged_at):
        return Notification(cause=fact.acknowledgement_id)
    before = [_waiting(work, StockKey(sku=line.sku, location=order.location)) for line in lines]
    is_news = order.told_at is None or said_at >= order.told_at
    order.acknowledged_at = said_at
    on_all = still_ahead(fact.expected_date, work.now.date())
    promised = {line.sku: line for line in fact.lines or ()}
    for line in lines:
        promise = promised.pop(line.sku, None)
        if promise is not None or not fact.lines:
            units = line.quantity if promise is None else promise.quantity
            line.expected = max(line.received, min(units, line.quantity))
            is_less = line.expected < line.quantity
            line.let_down_at = (line.let_down_at or work.now) if is_less else None
        if is_news:
            on = still_ahead(promise.expected_date, work.now.date()) if promise else None
            line.expected_date = on or on_all or _quoted_date(line)
    if promised:
        reason = f"lines: {', '.join(promised)} aren't on {order.po_id}"
        reject_fact(work, order.po_id, fact, reason)
    if is_news:
        order.expected_date, order.told_at = on_all or order.expected_date, said_at
    if all(line.expected == 0 for line in lines) and is_news and order.state.is_open:
        order.state, order.ended_at = State.REFUSED, work.now
        order.ended_reason = "refused: it promises nothing"
    elif order.state in UNANSWERED:
        order.state = State.ACKNOWLEDGED
    settle(work, order)
    return _echo(work, order, lines, before, fact.acknowledgement_id)


@step
def apply_ship_notice(work: UnitOfWork, fact: GoodsShipped) -> Notification:
    """The supplier has shipped: who waits gets a better date."""
    if was_applied(work.session, fact):
        return _told_before(work.session, fact.po_id or "", fact.notice_id)
    mark_applied(work, fact)
    order, lines = _spoken_of(work, fact)
    if order is None:
        return Notification(cause=fact.notice_id)
    before = [_waiting(work, StockKey(sku=line.sku, location=order.location)) for line in lines]
    said_at = min(fact.occurred_at or work.now, work.now)
    if order.state in (*UNANSWERED, State.ACKNOWLEDGED):
        order.state = State.SHIPPED
    if order.told_at is None or said_at >= order.told_at:
        order.told_at = said_at
        on_all = still_ahead(fact.expected_date, work.now.date())
        order.expected_date = on_all or order.expected_date
        for line in lines:
            line.expected_date = on_all or line.expected_date or _quoted_date(line)
    return _echo(work, order, lines, before, fact.notice_id)


def _cover(
    work: UnitOfWork,
    key: StockKey,
) -> tuple[str | None, int]:
    """Write the line that buys what isn't bought yet; returns why nobody brings it, and how
    many units that leaves orders short of."""
    dropped = _drop_planned(work, key)
    problem, unmet = _buy(work, key)
    for order in dropped:
        if not _lines(work.session, order.po_id):
            work.session.delete(order)
    return problem, unmet


def _buy(
    work: UnitOfWork,
    key: StockKey,
) -> tuple[str | None, int]:
    today = work.now.date()
    coming = sum(i.units for i in incoming(work.session, key, today))
    short = max(0, backordered(work.session, key) - coming)
    stock = work.session.get_one(Stock, key.primary_key)
    level = position(
        on_hand=stock.on_hand,
        on_order=coming,
        reserved=stock.reserved,
        backordered=backordered(work.session, key),
    )
    review = work.session.get(StockPolicy, key.primary_key)
    more = _restock(level + short, review) if review else 0
    if not short + more:
        return None, 0
    waiting = _not_covered(_open_at(work.session, key), coming)
    requirement = Requirement(
        sku=key.sku,
        short=short,
        restock=more,
        needed_by=_needed_by(work.session, key, waiting),
    )
    offers = offers_of(work.session, [key.sku])
    comparison = compare(
        requirement,
        offers,
        track_records(work.session, {o.supplier_id for o in offers}),
        today,
        _let_down(work, key, work.now - work.rules.buying.rest),
    )
    if comparison.chosen is None:
        return _no_offer(requirement, key, comparison), short
    reason = Reason(
        orders=waiting,
        short=short,
        restock=more,
        position=level,
        reorder_point=review.reorder_point if review else None,
        demand_a_day=review.demand_a_day if review else None,
        lead_time_days=review.lead_time_days if review else None,
        comparison=comparison,
    )
    duties = {o.supplier_id: o.duty_ppm for o in offers}
    _write_line(work, key, comparison.chosen, duties[comparison.chosen.supplier_id], reason)
    return None, 0


def _write_line(
    work: UnitOfWork,
    key: StockKey,
    choice: ComparedOffer,
    duty_ppm: int,
    reason: Reason,
) -> None:
    order = _collecting(work, key, choice)
    work.session.add(
        PurchaseOrderLine(
            po_id=order.po_id,
            sku=key.sku,
            quantity=choice.quantity,
            unit_cost_minor=choice.unit_cost_minor,
            duty_ppm=duty_ppm,
            expected_date=None,
            reason=reason.model_dump(mode="json"),
        )
    )
    order.freight_minor = _freight(_lines(work.session, order.po_id))


def _collecting(
    work: UnitOfWork,
    key: StockKey,
    choice: ComparedOffer,
) -> PurchaseOrder:
    """The purchase order that collects lines for this supplier and location, or a new one."""
    series = _series(choice.supplier_id, key)  # locked: nobody else makes one meanwhile
    known = work.session.exec(
        select(PurchaseOrder)
        .where(
            PurchaseOrder.supplier_id == choice.supplier_id,
            PurchaseOrder.location == key.location,
            PurchaseOrder.state == State.PLANNED,
        )
        .with_for_update()
    ).first()
    if known is not None:
        return known
    order = PurchaseOrder(
        po_id=f"{series}-{draw_number(work, series)}",
        supplier_id=choice.supplier_id,
        location=key.location,
        currency=work.session.exec(select(Company.currency)).one(),
        state=State.PLANNED,
        reason="",
        created_at=work.now,
        collects_until=work.now + work.rules.buying.window,
    )
    work.session.add(order)
    work.session.flush()
    return order


def _close_lines(work: UnitOfWork, step: PurchaseStep) -> SupplierOrder | None:
    """What is to be sent, from now on unchanged; None where there is nothing (more) to send,
    or where the replenishment of another SKU is sending it."""
    order = _lock(work, step.po_id)
    if order is None or order.reference is not None or not order.state.is_open:
        return None
    lines = _lines(work.session, order.po_id)
    if order.state is State.PLANNED:
        if not lines:
            work.session.delete(order)
            return None
        order.state, order.sender_sku = State.SENDING, step.sku
        order.acknowledge_by = work.now + work.rules.buying.acknowledge_within
        order.freight_minor = _freight(lines)
        order.reason = "; ".join(_why(line) for line in lines)[:1_000]
    return _as_sent(order, lines) if order.sender_sku == step.sku else None


def _sent(work: UnitOfWork, po_id: str, reference: str) -> Notification:
    order = work.session.get_one(PurchaseOrder, po_id, with_for_update=True)
    if order.reference is None:
        order.reference = reference
        note_sent(work, order)
    return _waiting_for(work.session, po_id)


def _spoken_of(
    work: UnitOfWork, fact: SupplierAcknowledged | GoodsShipped
) -> tuple[PurchaseOrder | None, list[PurchaseOrderLine]]:
    """The purchase order that a supplier speaks of and its lines, with their stock locked; none
    where what it says is of no use: that is kept as odd."""
    subject = fact.po_id or ""
    lock_stock(work, {line.sku for line in _lines(work.session, subject)})
    order = _lock(work, subject)
    lines, problem = _lines(work.session, subject), None
    if order is None:
        problem = "po_id: no such purchase order"
    elif order.state is State.PLANNED:
        problem = f"po_id: {order.po_id} hasn't been sent yet"
    elif order.state in (State.LAPSED, State.REFUSED, State.CANCELLED, State.CLOSED):
        problem = f"too late: {order.po_id} is {order.state}, {order.ended_reason or ''}"
    elif isinstance(fact, SupplierAcknowledged) and _rest_was_given_up(order, lines):
        problem = f"too late: {order.po_id} is {order.state}: nothing more is expected of it"
    if problem or order is None:
        reject_fact(work, subject, fact, problem or "")
        return None, []
    note_sent(work, order)
    return order, lines


def _end(work: UnitOfWork, po_id: str, state: State, reason: str) -> Notification:
    """We no longer count on a purchase order: every place of it looks for another offer."""
    lock_stock(work, {line.sku for line in _lines(work.session, po_id)})
    order = work.session.get_one(PurchaseOrder, po_id, with_for_update=True)
    lines = _lines(work.session, po_id)
    if order.state.is_open:
        order.state, order.ended_reason, order.ended_at = state, reason[:500], work.now
        for line in lines:
            line.let_down_at = work.now if due_units(line) else None
    keys = [StockKey(location=order.location, sku=line.sku) for line in lines]
    return Notification(cause=f"{po_id}-{state}", places=tuple(keys))


def _echo(
    work: UnitOfWork,
    order: PurchaseOrder,
    lines: Sequence[PurchaseOrderLine],
    before: Sequence["Waiting"],
    cause: str,
) -> Notification:
    date_shortages(work, {line.sku for line in lines})
    after = [_waiting(work, StockKey(sku=line.sku, location=order.location)) for line in lines]
    changed = [o for b, a in zip(before, after, strict=True) for o in _changed(b, a)]
    places = tuple(StockKey(location=order.location, sku=line.sku) for line in lines)
    return Notification(cause=cause, orders=tuple(dict.fromkeys(changed)), places=places)


@step
def plan_purchases(work: UnitOfWork, step: PlanStep) -> PurchasePlan:
    """Plan what is to be bought for a place; nothing is sent yet, so a plan may change."""
    key = step.place
    lock_stock(work, _lapsing_skus(work, key), [key])
    for offer in offers_of(work.session, [key.sku]):
        lock_series(work, _series(offer.supplier_id, key))  # before any purchase order
    if step.again:
        for _, line in _let_down_lines(work, key):
            line.let_down_at = None
    before = _waiting(work, key)
    others = _end_overdue(work, key)
    problem, unmet = _cover(work, key)
    redated = date_shortages(work, [key.sku])
    for shortage in open_shortages(work.session, [key.sku]):
        if shortage.location == key.location and shortage.po_id is None:
            shortage.problem = problem if unmet else None
    changed = _changed(before, _waiting(work, key))
    news = _with_news(work, key, step.since)
    orders = _lines_at(work, key)
    told = tuple(dict.fromkeys([*changed, *redated, *news]))
    notification = Notification(cause="plan", orders=told, places=tuple(others))
    return PurchasePlan(
        send=tuple(_sends(orders, key.sku)),
        open=tuple(o.po_id for o, line in orders if o.state.is_open and due_units(line)),
        unmet=unmet,
        problem=problem,
        look_at=_next_look(work, orders, problem),
        made_at=work.now,
        notification=notification,
        policy=work.rules.policy,
    )


def _end_overdue(
    work: UnitOfWork,
    key: StockKey,
) -> list[StockKey]:
    """Count no longer on what wasn't acknowledged in time, nor on the rest of what is late."""
    keys: list[StockKey] = []
    for order, line in _lines_at(work, key):
        late_from = _late_from(work, order, line)
        if order.state in UNANSWERED and order.acknowledge_by and order.acknowledge_by <= work.now:
            reason = "no acknowledgement in time"
            keys += _end(work, order.po_id, State.LAPSED, reason).places
        elif order.state.is_open and due_units(line) and late_from and late_from <= work.now:
            line.expected, line.let_down_at = line.received, work.now
            order.ended_reason = f"overdue: expected on {_date_of(order, line)}"
            _give_up(work, order)
    return [other for other in keys if other != key]


def _late_from(work: UnitOfWork, order: PurchaseOrder, line: PurchaseOrderLine) -> datetime | None:
    expected = _date_of(order, line)
    if expected is None:
        return None
    midnight = datetime.combine(expected, datetime.min.time(), tzinfo=order.created_at.tzinfo)
    return midnight + timedelta(days=1) + work.rules.buying.receipt_grace


def _next_look(
    work: UnitOfWork,
    orders: Sequence[tuple[PurchaseOrder, PurchaseOrderLine]],
    problem: str | None,
) -> datetime | None:
    """When something is due that nobody tells us of. A `problem` is looked at every day: an
    offer may have been imported, or the stock may run low no longer."""
    times = [work.now + LOOK_AGAIN] if problem else []
    times += [
        order.acknowledge_by
        for order, _ in orders
        if order.state in UNANSWERED and order.acknowledge_by
    ]
    for order, line in orders:
        late_from = _late_from(work, order, line)
        if order.state.is_open and due_units(line) and late_from:
            times += [late_from - work.rules.buying.receipt_grace, late_from]
    return min((t for t in times if t > work.now), default=None)


class Purchasing:
    """The steps of replenishment that decide and buy."""

    def __init__(self, database: Database, suppliers: Suppliers) -> None:
        self._database = database
        self._suppliers = suppliers

    @activity.defn
    async def send_purchase_order(self, step: PurchaseStep) -> Notification:
        """Send a planned purchase order to its supplier, once. Its refusal is an answer too."""
        order = await self._database.transaction_async(lambda work: _close_lines(work, step))
        if order is None:  # sent before; the activity may have failed after that
            return await self._database.read_async(lambda session: _answered(session, step.po_id))
        try:
            _, reference = await call_idempotently(
                self._database, f"{step.po_id}/send/1", order, self._suppliers.send
            )
        except PartnerRefused as refusal:
            reason = f"refused: {refusal.message}"
            return await self._database.transaction_async(
                lambda work: _end(work, step.po_id, State.REFUSED, reason),
            )
        return await self._database.transaction_async(
            lambda work: _sent(work, step.po_id, reference)
        )


Waiting = dict[str, tuple[str, object, object]]
"""Shortage id -> order, date and problem as the order knows them."""


def note_sent(
    work: UnitOfWork,
    order: PurchaseOrder,
) -> None:
    """The supplier has it, by its answer or by another sign of life (its answer may be lost):
    the history of those who wait for it says so, once."""
    if order.sent_at is not None:
        return
    order.sent_at = work.now
    if order.state is State.SENDING:
        order.state = State.SENT
    waiting = select(Shortage).where(
        Shortage.po_id == order.po_id, Shortage.state == ShortageState.OPEN
    )
    parts: Parts = defaultdict(list)
    about = f"{order.po_id} from {order.supplier_id}"
    for shortage in work.session.exec(waiting.order_by(col(Shortage.shortage_id))):
        words = f"{shortage.quantity - shortage.filled} x {shortage.sku}"
        parts[shortage.order_id, "bought", about].append(words)
    record_events(work, parts)


def settle(
    work: UnitOfWork,
    order: PurchaseOrder,
) -> None:
    """After goods or an invoice came, or the rest was given up: what the order's state is now."""
    work.session.flush()
    lines = _lines(work.session, order.po_id)
    if any(due_units(line) for line in lines):
        return
    if order.state.is_open:
        order.state = State.RECEIVED
    if order.state is State.RECEIVED and all(line.invoiced >= line.received for line in lines):
        order.state, order.ended_at = State.INVOICED, work.now


def _give_up(
    work: UnitOfWork,
    order: PurchaseOrder,
) -> None:
    """The rest of it isn't expected any more; where nothing came at all, it has lapsed."""
    work.session.flush()
    lines = _lines(work.session, order.po_id)
    if any(due_units(line) or line.received for line in lines):
        settle(work, order)
    else:
        order.state, order.ended_at = State.LAPSED, work.now


def _rest_was_given_up(order: PurchaseOrder, lines: Iterable[PurchaseOrderLine]) -> bool:
    """Whether nothing more is expected of it, and less came than was ordered."""
    return not order.state.is_open and any(line.received < line.quantity for line in lines)


def _waiting_for(session: Session, po_id: str) -> Notification:
    """The orders that a purchase order brings something to."""
    session.flush()
    orders = session.exec(
        select(Shortage.order_id)
        .where(Shortage.po_id == po_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.order_id))
        .distinct()
    )
    return Notification(cause=po_id, orders=tuple(orders))


def _answered(session: Session, po_id: str) -> Notification:
    """What the supplier's answer came to, asked again: who waits for it, or, where it is over, the
    places that look for another offer."""
    order = session.get(PurchaseOrder, po_id)
    if order is not None and order.state.has_failed:
        return _told_before(session, po_id, f"{po_id}-{order.state}")
    return _waiting_for(session, po_id)


def _told_before(session: Session, po_id: str, cause: str) -> Notification:
    """Whom a fact concerns that was applied before: all that wait where its goods go."""
    order = session.get(PurchaseOrder, po_id)
    if order is None:
        return Notification(cause=cause)
    skus = [line.sku for line in _lines(session, po_id)]
    return Notification(
        cause=cause,
        orders=waiting_orders(session, skus, order.location),
        places=tuple(StockKey(location=order.location, sku=sku) for sku in skus),
    )


def _with_news(work: UnitOfWork, key: StockKey, since: datetime | None) -> tuple[str, ...]:
    """The orders at a place whose wait has changed after `since`, by their history, or that nobody
    serves; None: all that wait. So a plan that is made again, as its first answer was lost, tells
    whom the first one meant to tell."""
    if since is None:
        return waiting_orders(work.session, [key.sku], key.location)
    work.session.flush()
    dated = (
        select(AuditRow.order_id)
        .where(
            AuditRow.order_id == Shortage.order_id,
            col(AuditRow.event).in_(("backorder_dated", "backorder_undated")),
            AuditRow.recorded_at > since,
        )
        .exists()
    )
    rows = work.session.exec(
        select(Shortage.order_id)
        .where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
            dated | col(Shortage.problem).is_not(None),
        )
        .order_by(col(Shortage.order_id))
        .distinct()
    )
    return tuple(rows)


def _waiting(work: UnitOfWork, key: StockKey) -> Waiting:
    work.session.flush()
    return {
        s.shortage_id: (s.order_id, s.expected_date, s.problem) for s in _open_at(work.session, key)
    }


def _changed(before: Waiting, after: Waiting) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v[0] for k, v in after.items() if before.get(k) != v))


def _open_at(session: Session, key: StockKey) -> list[Shortage]:
    return [s for s in open_shortages(session, [key.sku]) if s.location == key.location]


def _restock(level: int, review: StockPolicy) -> int:
    return restock(level, review.reorder_point, review.order_quantity, review.safety_stock)


def _not_covered(waiting: Iterable[Shortage], coming: int) -> tuple[str, ...]:
    """The orders that so many units on order leave short, first promised, first served."""
    orders = []
    for shortage in waiting:
        missing = shortage.quantity - shortage.filled
        if missing > coming:
            orders.append(shortage.order_id)
        coming = max(0, coming - missing)
    return tuple(dict.fromkeys(orders))


def _needed_by(session: Session, key: StockKey, order_ids: Iterable[str]) -> date | None:
    """The earliest date that was promised to one of these orders, which wait at a place."""
    ours = set(order_ids)
    waiting = (
        select(Order.order_id, col(Order.promised_date))
        .join(Shortage, col(Shortage.order_id) == col(Order.order_id))
        .where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
        )
    )
    promised = [day for order_id, day in session.exec(waiting) if day and order_id in ours]
    return min(promised, default=None)


def _no_offer(wanted: Requirement, key: StockKey, comparison: Comparison) -> str:
    """Why nobody brings what orders are short of, or else what runs low."""
    tried = "; ".join(f"{row.supplier_id}: {row.why_not}" for row in comparison.rows)
    short = f"{wanted.short} x {wanted.sku} are short at {key.location}"
    low = f"{wanted.restock} x {wanted.sku} are to be restocked at {key.location}"
    again = "retry the order" if wanted.short else f"look again with `replenish {wanted.sku}`"
    return (
        f"{short if wanted.short else low} and "
        + (f"no supplier is left ({tried})" if tried else "no supplier offers them")
        + f": import an offer, then {again}"
    )


def _drop_planned(work: UnitOfWork, key: StockKey) -> list[PurchaseOrder]:
    """Whatever was planned for a place and not sent is planned anew; where it was planned."""
    orders = work.session.exec(
        select(PurchaseOrder)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            PurchaseOrderLine.sku == key.sku,
            PurchaseOrder.location == key.location,
            PurchaseOrder.state == State.PLANNED,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for order in orders:
        work.session.delete(work.session.get_one(PurchaseOrderLine, (order.po_id, key.sku)))
    work.session.flush()
    return list(orders)


def _lapsing_skus(
    work: UnitOfWork,
    key: StockKey,
) -> set[str]:
    """The SKUs of a place's purchase orders that nobody has acknowledged in time: they lapse
    together, so all are locked at once."""
    ours, beside = aliased(PurchaseOrderLine), aliased(PurchaseOrderLine)
    rows = work.session.exec(
        select(beside.sku)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(beside.po_id))
        .join(ours, col(ours.po_id) == col(beside.po_id))
        .where(
            ours.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrder.state).in_(UNANSWERED),
            col(PurchaseOrder.acknowledge_by) <= work.now,
        )
    )
    return set(rows)


def _series(supplier_id: str, key: StockKey) -> str:
    return f"PO-{supplier_id}-{key.location}"


def _freight(lines: Sequence[PurchaseOrderLine]) -> int:
    """Of a purchase order: the dearest of its offers', as each is for all of it."""
    chosen = [_reason_of(line).comparison.chosen for line in lines]
    return max((choice.freight_minor for choice in chosen if choice), default=0)


def _reason_of(line: PurchaseOrderLine) -> Reason:
    return Reason.model_validate(line.reason)


def _quoted_date(line: PurchaseOrderLine) -> date | None:
    """When it would be here by the offer: stands in where the supplier says nothing."""
    chosen = _reason_of(line).comparison.chosen
    return chosen.expected_date if chosen else None


def _date_of(order: PurchaseOrder, line: PurchaseOrderLine) -> date | None:
    return line.expected_date or order.expected_date or _quoted_date(line)


def _lines_at(work: UnitOfWork, key: StockKey) -> list[tuple[PurchaseOrder, PurchaseOrderLine]]:
    """The purchase orders of a place that aren't over, or were closed with goods still due, each
    with its line, locked."""
    work.session.flush()
    rows = work.session.exec(
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            PurchaseOrderLine.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrder.state).not_in((State.CLOSED, State.INVOICED))
            | (
                (col(PurchaseOrder.state) == State.CLOSED)
                & col(PurchaseOrderLine.let_down_at).is_not(None)
            ),
        )
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [(order, line) for order, line in rows]


def _sends(
    orders: Sequence[tuple[PurchaseOrder, PurchaseOrderLine]], sku: str
) -> Iterator[PlannedSend]:
    for order, _ in orders:
        if order.state is State.PLANNED:
            yield PlannedSend(po_id=order.po_id, at=order.collects_until)
        elif order.state is State.SENDING and order.sender_sku == sku:
            yield PlannedSend(po_id=order.po_id, at=order.created_at)


def _let_down_lines(
    work: UnitOfWork, key: StockKey
) -> list[tuple[PurchaseOrder, PurchaseOrderLine]]:
    work.session.flush()
    rows = work.session.exec(
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            PurchaseOrderLine.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrderLine.let_down_at).is_not(None),
        )
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
    )
    return list(rows)


def _let_down(work: UnitOfWork, key: StockKey, since: datetime) -> dict[str, str]:
    """Suppliers that have not promised or brought what we asked for, lately, and why each isn't
    asked."""
    return {
        order.supplier_id: f"{order.po_id}: {order.ended_reason or _promised(line)}"
        for order, line in _let_down_lines(work, key)
        if line.let_down_at and line.let_down_at >= since
    }


def _promised(line: PurchaseOrderLine) -> str:
    return f"promised {line.expected or 0} of {line.quantity}"


def offers_of(session: Session, skus: Iterable[str]) -> list[Offer]:
    """What suppliers offer of `skus` in our currency."""
    currency = select(Company.currency).scalar_subquery()
    rows = session.exec(
        select(SupplierOffer).where(
            col(SupplierOffer.sku).in_(list(skus)), col(SupplierOffer.currency) == currency
        )
    )
    return [Offer.model_validate(row.model_dump()) for row in rows]


def _lock(work: UnitOfWork, po_id: str) -> PurchaseOrder | None:
    return work.session.get(PurchaseOrder, po_id, with_for_update=True, populate_existing=True)


def _lines(session: Session, po_id: str) -> list[PurchaseOrderLine]:
    rows = session.exec(
        select(PurchaseOrderLine)
        .where(PurchaseOrderLine.po_id == po_id)
        .order_by(col(PurchaseOrderLine.sku))
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _why(line: PurchaseOrderLine) -> str:
    return f"{line.sku}: {_reason_of(line).in_words()}"


def _as_sent(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine]) -> SupplierOrder:
    return SupplierOrder(
        po_id=order.po_id,
        supplier_id=order.supplier_id,
        location=order.location,
        currency=order.currency,
        lines=tuple(
            SupplierLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_cost=format_amount(line.unit_cost_minor, order.currency),
            )
            for line in lines
        ),
    )
