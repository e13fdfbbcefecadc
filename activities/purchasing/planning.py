"""Planning: the units of a SKU to purchase for a location, and the supplier.

The decisions are pure rules: `models.replenishment.restock` gives the quantity,
`models.purchasing.compare_offers` the supplier, with price breaks. A planned line is added to the
purchase order that collects lines for the supplier and the location.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.database.company import get_company
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import draw_number, lock_series
from activities.purchasing.offers import read_offers
from activities.purchasing.proposals import end_proposal, is_approved, is_first_purchase, propose
from activities.purchasing.purchase_orders import Purchase, lines_of, reason_of, select_purchases
from activities.purchasing.track_records import track_records
from activities.stock.backorders import Incoming, incoming
from models.approvals import ProposalState, why_approval
from models.cover import Due, Missing, first_late, uncovered
from models.messages.steps import StockKey
from models.offers import ComparedOffer, Comparison, Offer, Requirement, TrackRecord, compare_offers
from models.purchasing import PurchaseOrderState, Reason
from models.replenishment import position, restock
from models.stock import ShortageState
from models.tables.masterdata import Product
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine, PurchaseProposal
from models.tables.stock import Shortage, Stock, StockPolicy


class Planned(NamedTuple):
    """Why units aren't purchased, how many of them orders are short of, and whether an operator's
    approval is missing."""

    problem: str | None = None
    unmet: int = 0
    awaits_approval: bool = False


def lock_offers(work: UnitOfWork, key: StockKey) -> None:
    """Lock the number series of all suppliers of a SKU: before any purchase order is locked."""
    offers = read_offers(work.session, [key.sku])
    for supplier_id in sorted({offer.supplier_id for offer in offers}):
        lock_series(work, _series(supplier_id, key))
    work.restart_clock()


def plan_line(work: UnitOfWork, key: StockKey, *, again: bool) -> "Planned":
    """Plan a purchase of the units that are short, or to restock, and not on order.

    Replaces the line that was planned before. Returns why units aren't purchased, and how many of
    them orders are short of. `again`: propose a rejected purchase once more.
    """
    emptied = _delete_planned_lines(work, key)
    planned = _plan_new_line(work, key, again=again)
    for order in emptied:
        if not lines_of(work.session, order.po_id):
            work.session.delete(order)
    return planned


def _delete_planned_lines(work: UnitOfWork, key: StockKey) -> list[PurchaseOrder]:
    """Delete the lines of a SKU that were not sent; return their purchase orders."""
    planned = work.session.exec(
        select_purchases(key)
        .where(PurchaseOrder.state == PurchaseOrderState.PLANNED)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for _, line in planned:
        work.session.delete(line)
    work.session.flush()
    return [order for order, _ in planned]


def _plan_new_line(work: UnitOfWork, key: StockKey, *, again: bool) -> "Planned":
    session, today = work.session, work.today
    due = incoming(session, key, today)
    on_order = sum(one.units for one in due)
    short_rows = _shortages(session, key)
    needed = sum(row.quantity - row.filled for row, _ in short_rows)
    stock = session.get_one(Stock, key.primary_key)
    level = position(
        on_hand=stock.on_hand, on_order=on_order, reserved=stock.reserved, backordered=needed
    )
    policy, proposal = _read_policy(session, key)
    market = _Market(work, key)
    cover = _cover(market, short_rows, due)
    short, order_ids, needed_by = cover.short, cover.orders, cover.needed_by
    low = _units_to_restock(session, level + short, policy) if policy else 0
    if not short + low:
        if proposal is not None:
            end_proposal(work, key)
        return Planned()
    requirement = Requirement(sku=key.sku, short=short, restock=low, needed_by=needed_by)
    comparison = market.compare(requirement, cover.late)
    if comparison.chosen is None:
        return Planned(_no_supplier(session, key, comparison), short)
    problem = None
    if why := _why_approval(work, key, requirement, comparison.chosen, policy):
        problem = propose(work, key, comparison.chosen, why, again=again)
        requirement = requirement.model_copy(update={"restock": 0})
        comparison = market.compare(requirement, cover.late)
        only_short = comparison.chosen
        if not short or only_short is None:
            return Planned(problem, 0, awaits_approval=True)
        if _why_approval(work, key, requirement, only_short, policy):
            rejected = (
                f"the purchase of {short} x {key.sku} that are short is rejected: "
                f"`replenish {key.sku}` proposes it again"
            )
            return Planned(problem or rejected, short, awaits_approval=True)
    reason = Reason(
        orders=order_ids,
        short=short,
        restock=requirement.restock,
        position=level,
        reorder_point=policy.reorder_point if policy else None,
        demand_a_day=policy.demand_a_day if policy else None,
        lead_time_days=policy.lead_time_days if policy else None,
        comparison=comparison,
    )
    assert comparison.chosen is not None
    _add_line(work, key, comparison.chosen, market.offers, reason)
    return Planned(problem, 0, awaits_approval=problem is not None)


def _read_policy(
    session: Session, key: StockKey
) -> tuple[StockPolicy | None, PurchaseProposal | None]:
    """Read the policy and the proposal of a SKU for a location, in one statement."""
    row = session.exec(
        select(StockPolicy, PurchaseProposal)
        .select_from(Stock)
        .outerjoin(
            StockPolicy,
            (col(StockPolicy.sku) == Stock.sku) & (col(StockPolicy.location) == Stock.location),
        )
        .outerjoin(
            PurchaseProposal,
            (col(PurchaseProposal.sku) == Stock.sku)
            & (col(PurchaseProposal.location) == Stock.location),
        )
        .where(Stock.sku == key.sku, Stock.location == key.location)
    ).one()
    return row[0], row[1]


def _why_approval(
    work: UnitOfWork,
    key: StockKey,
    requirement: Requirement,
    chosen: ComparedOffer,
    policy: StockPolicy | None,
) -> str | None:
    """Return why a purchase waits for an operator; None: it doesn't, or it is approved."""
    session, rules = work.session, work.rules.approvals
    why = why_approval(
        rules,
        requirement,
        chosen,
        is_first=chosen.quantity > requirement.short and is_first_purchase(session, key),
        demand_a_day=policy.demand_a_day if policy else None,
        others=_collected(session, key, chosen.supplier_id) if rules.value is not None else (),
    )
    return None if why is None or is_approved(session, key, chosen) else why


def _collected(session: Session, key: StockKey, supplier_id: str) -> list[ComparedOffer]:
    """Return the purchases of other SKUs that the purchase order to a supplier has collected.

    Approved ones don't count: an operator has seen them.
    """
    approved = (
        select(PurchaseProposal.sku)
        .where(
            PurchaseProposal.sku == PurchaseOrderLine.sku,
            PurchaseProposal.location == key.location,
            PurchaseProposal.state == ProposalState.APPROVED,
        )
        .exists()
    )
    lines = session.exec(
        select(PurchaseOrderLine)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(PurchaseOrderLine.po_id))
        .where(
            PurchaseOrder.supplier_id == supplier_id,
            PurchaseOrder.location == key.location,
            PurchaseOrder.state == PurchaseOrderState.PLANNED,
            PurchaseOrderLine.sku != key.sku,
            ~approved,
        )
    )
    return list(filter(None, (reason_of(line).comparison.chosen for line in lines)))


def _units_to_restock(session: Session, level: int, policy: StockPolicy) -> int:
    """Return the units to purchase for stock; none of a product no longer sold or bought."""
    units = restock(level, policy.reorder_point, policy.order_quantity, policy.safety_stock)
    if not units:
        return 0
    product = session.get_one(Product, policy.sku)
    return units if product.is_sold and product.is_bought else 0


def _add_line(
    work: UnitOfWork,
    key: StockKey,
    chosen: ComparedOffer,
    offers: Iterable[Offer],
    reason: Reason,
) -> None:
    order = _collecting_order(work, key, chosen.supplier_id)
    duty_ppm = next(offer.duty_ppm for offer in offers if chosen.is_of(offer))
    work.session.add(
        PurchaseOrderLine(
            po_id=order.po_id,
            sku=key.sku,
            quantity=chosen.quantity,
            unit_cost_minor=chosen.unit_cost_minor,
            duty_ppm=duty_ppm,
            expected_date=None,
            reason=reason.model_dump(mode="json"),
        )
    )
    order.freight_minor = freight_of(lines_of(work.session, order.po_id))


def _collecting_order(work: UnitOfWork, key: StockKey, supplier_id: str) -> PurchaseOrder:
    """Return the purchase order that collects lines for a supplier and a location, or a new one.

    The lock of its number series (`lock_offers`) prevents a second one.
    """
    series = _series(supplier_id, key)
    collecting = work.session.exec(
        select(PurchaseOrder)
        .where(
            PurchaseOrder.supplier_id == supplier_id,
            PurchaseOrder.location == key.location,
            PurchaseOrder.state == PurchaseOrderState.PLANNED,
        )
        .with_for_update()
    ).first()
    if collecting is not None:
        return collecting
    order = PurchaseOrder(
        po_id=f"{series}-{draw_number(work, series)}",
        supplier_id=supplier_id,
        location=key.location,
        currency=get_company(work.session).currency,
        state=PurchaseOrderState.PLANNED,
        reason="",
        created_at=work.now,
        collects_until=work.now + work.rules.purchasing.window,
    )
    work.session.add(order)
    work.session.flush()
    return order


def _series(supplier_id: str, key: StockKey) -> str:
    return f"PO-{supplier_id}-{key.location}"


def freight_of(lines: Iterable[PurchaseOrderLine]) -> int:
    """Return the freight of a purchase order: the highest of its offers, as each covers it all."""
    chosen = [reason_of(line).comparison.chosen for line in lines]
    return max((offer.freight_minor for offer in chosen if offer), default=0)


class _Cover(NamedTuple):
    """Units that goods due don't cover, the orders that are short of them, and their first promise.

    `late`: suppliers whose goods are due after a promise, with the reason not to ask them again.
    """

    short: int
    orders: tuple[str, ...]
    needed_by: date | None
    late: Mapping[str, str]


def _cover(
    market: "_Market",
    rows: Sequence[tuple[Shortage, date | None]],
    due: Sequence[Incoming],
) -> _Cover:
    """Match goods due with shortages by date, the first promised first.

    Goods due after a promise don't cover it where another supplier delivers earlier.
    """
    missing = [Missing(row.quantity - row.filled, promised) for row, promised in rows]
    coming = [Due(one.units, one.expected_date) for one in due]
    late, earliest = {}, None
    if late_from := first_late(missing, coming):
        late = {
            one.supplier_id: f"{one.po_id} is due on {one.expected_date} only"
            for one in due
            if one.expected_date and one.expected_date >= late_from
        }
        earliest = market.earliest(late)
    left = uncovered(missing, coming, earliest)
    short = [row for row, units in zip(rows, left, strict=True) if units]
    is_late = sum(left) > sum(uncovered(missing, coming, None))
    return _Cover(
        sum(left),
        tuple(dict.fromkeys(row.order_id for row, _ in short)),
        min((promised for _, promised in short if promised), default=None),
        late if is_late else {},
    )


def _shortages(session: Session, key: StockKey) -> list[tuple[Shortage, date | None]]:
    """Read the open shortages at a location, the first promised first, with the promised days."""
    rows = session.exec(
        select(Shortage, col(Order.promised_date))
        .join(Order, col(Order.order_id) == col(Shortage.order_id))
        .where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
        )
        .order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
    )
    return list(rows)


class _Market:
    """The offers for a SKU, the suppliers' track records, and those who failed: read once."""

    def __init__(self, work: UnitOfWork, key: StockKey) -> None:
        self._work = work
        self._key = key

    @cached_property
    def offers(self) -> Sequence[Offer]:
        """The offers for the SKU."""
        return read_offers(self._work.session, [self._key.sku])

    @cached_property
    def _records(self) -> Mapping[str, TrackRecord]:
        return track_records(self._work.session, {offer.supplier_id for offer in self.offers})

    @cached_property
    def _failed(self) -> Mapping[str, str]:
        return _failed_suppliers(self._work, self._key)

    def compare(self, requirement: Requirement, late: Mapping[str, str]) -> Comparison:
        """Compare the offers; suppliers that failed or are `late` are not chosen."""
        excluded = {**self._failed, **late}
        return compare_offers(requirement, self.offers, self._records, self._work.today, excluded)

    def earliest(self, late: Mapping[str, str]) -> date | None:
        """Return the day on which a purchase from another supplier arrives; None: from none."""
        one_unit = Requirement(sku=self._key.sku, short=1, restock=0, needed_by=None)
        rows = self.compare(one_unit, late).rows
        return min((row.expected_date for row in rows if row.why_not is None), default=None)


def _failed_suppliers(work: UnitOfWork, key: StockKey) -> Mapping[str, str]:
    """Return the suppliers that failed within the rest period, and why each is not asked.

    If an operator has named another one since, all others aren't asked, until that one fails too.
    """
    since = work.now - work.rules.purchasing.rest
    recent = [
        (order, line)
        for order, line in failed_purchases(work.session, key)
        if line.failed_at and line.failed_at >= since
    ]
    failed = {
        order.supplier_id: f"{order.po_id}: {order.ended_reason or _promised(line)}"
        for order, line in recent
    }
    named = next((line.reassigned_to for _, line in reversed(recent) if line.reassigned_to), None)
    if named is None or named in failed:
        return failed
    offers = read_offers(work.session, [key.sku])
    others = {offer.supplier_id for offer in offers} - {named}
    return {**dict.fromkeys(sorted(others), f"{named} was named by an operator"), **failed}


def _promised(line: PurchaseOrderLine) -> str:
    return f"promised {line.expected or 0} of {line.quantity}"


def failed_purchases(session: Session, key: StockKey) -> list[Purchase]:
    """Read the purchases of which a supplier did not promise or deliver all units."""
    failed = col(PurchaseOrderLine.failed_at).is_not(None)
    return list(session.exec(select_purchases(key).where(failed)))


def _no_supplier(session: Session, key: StockKey, comparison: Comparison) -> str:
    """Describe the units that can't be purchased, the suppliers considered, and the remedy."""
    tried = "; ".join(f"{row.supplier_id}: {row.why_not}" for row in comparison.rows)
    requirement, sku = comparison.requirement, key.sku
    if not session.get_one(Product, sku).is_bought:
        return (
            f"{requirement.short} x {sku} are short at {key.location} and {sku} is no longer "
            "bought: import the product with is_bought true and retry the order, or cancel the "
            "rest of the order"
        )
    if requirement.short:
        need, remedy = f"{requirement.short} x {sku} are short at {key.location}", "retry the order"
    else:
        need = f"{requirement.restock} x {sku} are to be restocked at {key.location}"
        remedy = f"run `replenish {sku}`"
    supply = f"no supplier is left ({tried})" if tried else "no supplier offers them"
    return f"{need} and {supply}: import an offer, then {remedy}"
