"""The steps of a replenishment: plan the purchases of a SKU for a location, and send them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Database
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import call_idempotently
from activities.gateways.suppliers import Suppliers
from activities.purchasing.planning import failed_purchases, freight_of, lock_offers, plan_line
from activities.purchasing.purchase_orders import (
    UNANSWERED,
    Purchase,
    complete_purchase,
    end_purchase,
    expected_date_of,
    lines_of,
    notification_of_sent,
    reason_of,
    record_sent,
    repeated_notification,
    select_purchases,
)
from activities.stock.backorders import due_units, open_shortages, set_expected_dates
from activities.stock.counters import lock_stock
from activities.stock.notifications import changed_shortages, orders_short_of, read_shortages
from models.errors import PartnerRefused
from models.messages.partners import SupplierCancellation, SupplierLine, SupplierOrder
from models.messages.steps import (
    Notification,
    PlannedSend,
    PlanStep,
    PurchasePlan,
    PurchaseStep,
    StockKey,
)
from models.money import format_amount
from models.purchasing import PurchaseOrderState as State
from models.stock import ShortageState
from models.tables.masterdata import Location, Supplier
from models.tables.operations import AuditRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Shortage
from models.working_days import Calendar, after_working_time

REVIEW_EVERY = timedelta(days=1)
"""The interval of planning again while no supplier is left."""


@step
def plan_purchases(work: UnitOfWork, step: PlanStep) -> PurchasePlan:
    """Plan the purchases of a SKU for a location; a planned line changes until it is sent.

    Purchase orders that were not acknowledged in time end, and overdue units are no longer counted.
    """
    key = step.key
    lock_stock(work, _lapsing_skus(work, key), [key])
    lock_offers(work, key)
    if step.again:
        for _, line in failed_purchases(work.session, key):
            line.failed_at = None
    before = read_shortages(work.session, [key.sku])
    others = _end_overdue(work, key)
    problem, unmet, awaits_approval = plan_line(work, key, again=step.again)
    set_expected_dates(work, [key.sku])
    for shortage in open_shortages(work.session, [key.sku]):
        if shortage.key == key and shortage.po_id is None:
            shortage.problem = problem if unmet else None
    changed = [short.order_id for short in changed_shortages(work.session, before)]
    orders = dict.fromkeys([*changed, *_orders_with_news(work.session, key, step.since)])
    purchases = _purchases(work.session, key)
    return PurchasePlan(
        send=tuple(_sends(purchases, key.sku)),
        open=tuple(o.po_id for o, line in purchases if o.state.is_open and due_units(line)),
        unmet=unmet,
        problem=problem,
        awaits_approval=awaits_approval,
        review_at=_next_review(work, purchases, problem),
        made_at=work.now,
        notification=Notification(cause="plan", orders=tuple(orders), stock_keys=tuple(others)),
        policy=work.rules.policy,
    )


def _lapsing_skus(work: UnitOfWork, key: StockKey) -> set[str]:
    """Return all SKUs of the purchase orders that lapse now: they are locked together."""
    ours, theirs = aliased(PurchaseOrderLine), aliased(PurchaseOrderLine)
    rows = work.session.exec(
        select(theirs.sku)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(theirs.po_id))
        .join(ours, col(ours.po_id) == col(theirs.po_id))
        .where(
            ours.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrder.state).in_(UNANSWERED),
            col(PurchaseOrder.acknowledge_by) <= work.now,
        )
    )
    return set(rows)


def _end_overdue(work: UnitOfWork, key: StockKey) -> list[StockKey]:
    """Lapse unacknowledged purchase orders, and complete overdue ones.

    Returns the other stock keys of the lapsed purchase orders.
    """
    keys: list[StockKey] = []
    for order, line in _purchases(work.session, key):
        late_from = _late_from(work, order, line)
        if order.state in UNANSWERED and order.acknowledge_by and order.acknowledge_by <= work.now:
            reason = "no acknowledgement in time"
            keys += end_purchase(work, order.po_id, State.LAPSED, reason).stock_keys
        elif order.state.is_open and due_units(line) and late_from and late_from <= work.now:
            line.expected, line.failed_at = line.received, work.now
            order.ended_reason = f"overdue: expected on {expected_date_of(order, line)}"
            _complete_overdue(work, order)
    return [other for other in keys if other != key]


def _complete_overdue(work: UnitOfWork, order: PurchaseOrder) -> None:
    """Complete a purchase order of which no more is expected; without any goods, it lapses."""
    lines = lines_of(work.session, order.po_id)
    if any(due_units(line) or line.received for line in lines):
        complete_purchase(work, order)
    else:
        order.state, order.ended_at = State.LAPSED, work.now


def _late_from(work: UnitOfWork, order: PurchaseOrder, line: PurchaseOrderLine) -> datetime | None:
    """Return the end of the expected day, and of the grace period after it."""
    expected = expected_date_of(order, line)
    if expected is None:
        return None
    return work.start_of(expected + timedelta(days=1)) + work.rules.purchasing.receipt_grace


def _next_review(
    work: UnitOfWork, purchases: Iterable[Purchase], problem: str | None
) -> datetime | None:
    """Return the next time at which a purchase may be late; with a `problem`, at most a day."""
    times = [work.now + REVIEW_EVERY] if problem else []
    for order, line in purchases:
        if order.state in UNANSWERED and order.acknowledge_by:
            times.append(order.acknowledge_by)
        late_from = _late_from(work, order, line)
        if order.state.is_open and due_units(line) and late_from:
            times += [late_from - work.rules.purchasing.receipt_grace, late_from]
    return min((time for time in times if time > work.now), default=None)


def _purchases(session: Session, key: StockKey) -> list[Purchase]:
    """Lock and read the purchases of a SKU for a location that may still bring goods.

    Includes those that were closed with units due.
    """
    rows = session.exec(
        select_purchases(key)
        .where(
            col(PurchaseOrder.state).not_in((State.CLOSED, State.INVOICED))
            | (
                (col(PurchaseOrder.state) == State.CLOSED)
                & col(PurchaseOrderLine.failed_at).is_not(None)
            )
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _sends(purchases: Iterable[Purchase], sku: str) -> Iterable[PlannedSend]:
    for order, _ in purchases:
        if order.state is State.PLANNED:
            yield PlannedSend(po_id=order.po_id, at=order.collects_until)
        elif order.state is State.SENDING and order.sender_sku == sku:
            yield PlannedSend(po_id=order.po_id, at=order.created_at)


def _orders_with_news(session: Session, key: StockKey, since: datetime | None) -> tuple[str, ...]:
    """Return the orders to notify of an earlier plan, whose answer may be lost.

    Those whose expected date changed after `since`, by their history, and those that no supplier
    serves. Without `since`, all that are short.
    """
    if since is None:
        return orders_short_of(session, [key.sku], key.location)
    rescheduled = (
        select(AuditRow.order_id)
        .where(
            AuditRow.order_id == Shortage.order_id,
            col(AuditRow.event).in_(("backorder_dated", "backorder_undated")),
            AuditRow.recorded_at > since,
        )
        .exists()
    )
    rows = session.exec(
        select(Shortage.order_id)
        .where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
            rescheduled | col(Shortage.problem).is_not(None),
        )
        .order_by(col(Shortage.order_id))
        .distinct()
    )
    return tuple(rows)


class Purchasing:
    """The partner step of a replenishment: sending purchase orders to suppliers."""

    def __init__(self, database: Database, suppliers: Suppliers) -> None:
        self._database = database
        self._suppliers = suppliers

    @activity.defn
    async def send_purchase_order(self, step: PurchaseStep) -> Notification:
        """Send a planned purchase order to its supplier once, or end it where it is refused.

        Sends nothing where the replenishment of another SKU is sending it.
        """
        order = await self._database.transaction_async(lambda work: _start_sending(work, step))
        if order is None:
            return await self._database.read_async(lambda session: _answered(session, step.po_id))
        try:
            _, reference = await call_idempotently(
                self._database, f"{step.po_id}/send/1", order, self._suppliers.send
            )
        except PartnerRefused as refusal:
            reason = f"refused: {refusal.message}"
            return await self._database.transaction_async(
                lambda work: end_purchase(work, step.po_id, State.REFUSED, reason),
            )
        return await self._database.transaction_async(
            lambda work: _record_reference(work, step.po_id, reference)
        )

    @activity.defn
    async def cancel_purchase_order(self, step: PurchaseStep) -> None:
        """Cancel a purchase order with its supplier once; note it where the supplier refuses."""
        supplier_id = await self._database.read_async(
            lambda session: session.get_one(PurchaseOrder, step.po_id).supplier_id
        )
        try:
            await call_idempotently(
                self._database,
                f"{step.po_id}/cancel/1",
                SupplierCancellation(po_id=step.po_id, supplier_id=supplier_id),
                self._suppliers.cancel_order,
            )
        except PartnerRefused as refusal:
            message = refusal.message
            await self._database.transaction_async(
                lambda work: _note_not_cancelled(work, step.po_id, message)
            )


def _note_not_cancelled(work: UnitOfWork, po_id: str, message: str) -> None:
    """Note that a supplier sends the goods of a closed purchase order all the same."""
    order = work.session.get_one(PurchaseOrder, po_id, with_for_update=True)
    order.ended_reason = f"{order.ended_reason}; not cancelled by its supplier: {message}"[:500]


def _start_sending(work: UnitOfWork, step: PurchaseStep) -> SupplierOrder | None:
    """Fix the lines of a purchase order and return its request; None: nothing is to be sent."""
    found = work.session.exec(
        select(PurchaseOrder, Location, Supplier.country)
        .join(Location, col(Location.location) == col(PurchaseOrder.location))
        .join(Supplier, col(Supplier.supplier_id) == col(PurchaseOrder.supplier_id))
        .where(PurchaseOrder.po_id == step.po_id)
        .with_for_update(of=PurchaseOrder)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return None
    order, location, supplier_country = found
    if order.reference is not None or not order.state.is_open:
        return None
    lines = lines_of(work.session, order.po_id)
    if order.state is State.PLANNED:
        if not lines:
            work.session.delete(order)
            return None
        order.state, order.sender_sku = State.SENDING, step.sku
        order.acknowledge_by = _acknowledge_by(work, location, supplier_country)
        order.freight_minor = freight_of(lines)
        reasons = (f"{line.sku}: {reason_of(line).in_words()}" for line in lines)
        order.reason = "; ".join(reasons)[:1_000]
    return _request(order, lines) if order.sender_sku == step.sku else None


def _acknowledge_by(work: UnitOfWork, location: Location, supplier_country: str) -> datetime:
    """Return when a supplier's time to acknowledge is over, without weekends and holidays."""
    calendar = Calendar(
        timezone=location.timezone,
        country=location.country,
        region=location.region,
        weekend=location.weekend,
    )
    span = work.rules.purchasing.acknowledge_within
    return after_working_time(calendar, supplier_country, work.now, span)


def _request(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine]) -> SupplierOrder:
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


def _record_reference(work: UnitOfWork, po_id: str, reference: str) -> Notification:
    order = work.session.get_one(PurchaseOrder, po_id, with_for_update=True)
    if order.reference is None:
        order.reference = reference
        record_sent(work, order)
    return notification_of_sent(work.session, po_id)


def _answered(session: Session, po_id: str) -> Notification:
    """Notify again of the supplier's answer: the orders served, or where the goods are missing."""
    order = session.get(PurchaseOrder, po_id)
    if order is not None and order.state.has_failed:
        return repeated_notification(session, po_id, f"{po_id}-{order.state}")
    return notification_of_sent(session, po_id)
