"""Planning: the units of a SKU to purchase for a location, and the supplier.

The decisions are pure rules: `models.replenishment.restock` gives the quantity,
`models.purchasing.compare_offers` the supplier, with price breaks. A planned line is added to the
purchase order that collects lines for the supplier and the location.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.database.company import get_company
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import draw_number, lock_series
from activities.purchasing.offers import read_offers
from activities.purchasing.proposals import end_proposal, is_approved, is_first_purchase, propose
from activities.purchasing.purchase_orders import Purchase, lines_of, reason_of, select_purchases
from activities.purchasing.track_records import track_records
from activities.stock.backorders import backordered, incoming, open_shortages
from models.approvals import why_approval
from models.messages.steps import StockKey
from models.purchasing import (
    ComparedOffer,
    Comparison,
    Offer,
    PurchaseOrderState,
    Reason,
    Requirement,
    compare_offers,
)
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
    for offer in read_offers(work.session, [key.sku]):
        lock_series(work, _series(offer.supplier_id, key))
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
    on_order = sum(one.units for one in incoming(session, key, today))
    needed = backordered(session, key)
    stock = session.get_one(Stock, key.primary_key)
    level = position(
        on_hand=stock.on_hand, on_order=on_order, reserved=stock.reserved, backordered=needed
    )
    policy, proposal = _read_policy(session, key)
    short = max(0, needed - on_order)
    low = _units_to_restock(session, level + short, policy) if policy else 0
    if not short + low:
        if proposal is not None:
            end_proposal(work, key)
        return Planned()
    order_ids = _orders_not_covered(session, key, on_order)
    needed_by = _needed_by(session, key, order_ids)
    requirement = Requirement(sku=key.sku, short=short, restock=low, needed_by=needed_by)
    offers = read_offers(session, [key.sku])
    records = track_records(session, {offer.supplier_id for offer in offers})
    excluded = _failed_suppliers(work, key)
    comparison = compare_offers(requirement, offers, records, today, excluded)
    if comparison.chosen is None:
        return Planned(_no_supplier(session, key, comparison), short)
    problem = None
    if why := _why_approval(work, key, requirement, comparison.chosen, policy):
        problem = propose(work, key, comparison.chosen, why, again=again)
        requirement = requirement.model_copy(update={"restock": 0})
        comparison = compare_offers(requirement, offers, records, today, excluded)
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
    _add_line(work, key, comparison.chosen, offers, reason)
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
    )
    return None if why is None or is_approved(session, key, chosen) else why


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
    duties_ppm = {offer.supplier_id: offer.duty_ppm for offer in offers}
    work.session.add(
        PurchaseOrderLine(
            po_id=order.po_id,
            sku=key.sku,
            quantity=chosen.quantity,
            unit_cost_minor=chosen.unit_cost_minor,
            duty_ppm=duties_ppm[chosen.supplier_id],
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


def _orders_not_covered(session: Session, key: StockKey, on_order: int) -> tuple[str, ...]:
    """Return the orders that stay short after `on_order` units, which go to the first promised."""
    orders = []
    for shortage in open_shortages(session, [key.sku]):
        if shortage.key != key:
            continue
        missing = shortage.quantity - shortage.filled
        if missing > on_order:
            orders.append(shortage.order_id)
        on_order = max(0, on_order - missing)
    return tuple(dict.fromkeys(orders))


def _needed_by(session: Session, key: StockKey, order_ids: Iterable[str]) -> date | None:
    """Return the earliest promised date of these orders, which are short of a SKU."""
    ours = set(order_ids)
    short = (
        select(Order.order_id, col(Order.promised_date))
        .join(Shortage, col(Shortage.order_id) == col(Order.order_id))
        .where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
        )
    )
    promised = [day for order_id, day in session.exec(short) if day and order_id in ours]
    return min(promised, default=None)


def _failed_suppliers(work: UnitOfWork, key: StockKey) -> Mapping[str, str]:
    """Return the suppliers that failed within the rest period, and why each is not asked."""
    since = work.now - work.rules.purchasing.rest
    return {
        order.supplier_id: f"{order.po_id}: {order.ended_reason or _promised(line)}"
        for order, line in failed_purchases(work.session, key)
        if line.failed_at and line.failed_at >= since
    }


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
