"""Goods issue: goods leave our hands, or come back into stock, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from activities.billing.services import recognise_services
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.lines import order_lines, reservations_of
from activities.stock.backorders import fill_shortages
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import orders_filled_by
from models import ledger
from models.messages.steps import StockKey
from models.money import round_half_up
from models.progress import ShipmentProblem, ShipmentState
from models.shipping import is_by_hand
from models.stock import MovementKind, ReservationState, issue_cost
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tables.stock import Reservation

FINAL_STATES = (ReservationState.SHIPPED, ReservationState.WRITTEN_OFF)
UNISSUED_STATES = (ReservationState.HELD, ReservationState.PICKED)


def issue_goods(work: UnitOfWork, order: Order, shipment: Shipment) -> None:
    """Issue the goods of a shipment: lower the stock, and post revenue and cost in one entry, as of
    the day on which they left."""
    reservations = reservations_of(work.session, order.order_id)
    rows = sorted(
        (row for row in reservations if _is_unissued(row, shipment)),
        key=lambda row: (row.sku, row.line_no),
    )
    stock = lock_stock(work, {row.sku for row in rows})
    left = {key: (row.value_minor, row.on_hand) for key, row in stock.items()}
    _recognise_revenue(work.session, order, reservations, rows)
    changes = []
    for row in rows:
        value_minor, on_hand = left[row.key]
        row.cost_minor = issue_cost(value_minor, on_hand, row.quantity)
        left[row.key] = (value_minor - row.cost_minor, on_hand - row.quantity)
        changes.append(_issue(row, shipment.shipment_id))
        row.state = ReservationState.SHIPPED
    move(work, changes)
    entry = ledger.goods_issue_entry(
        shipment.shipment_id,
        order.order_id,
        order.currency,
        revenue_minor=sum(row.revenue_minor for row in rows),
        cost_minor=sum(row.cost_minor for row in rows),
    )
    post(work, entry, occurred_at=shipment.dispatched_at)
    recognise_services(work, order, shipment.dispatched_at)


def _issue(row: Reservation, shipment_id: str) -> Change:
    return Change(
        movement_id=f"issue:{shipment_id}:{row.line_no}:{row.part}",
        cause=f"issue:{shipment_id}",
        kind=MovementKind.ISSUE,
        sku=row.sku,
        location=row.location,
        on_hand=-row.quantity,
        reserved=-row.quantity,
        value_minor=-row.cost_minor,
        order_id=row.order_id,
    )


def recognise_revenue(session: Session, order: Order, rows: Sequence[Reservation]) -> None:
    """Recognise each reservation's share of its line's net, when it leaves or is cancelled.

    Shares are cumulated, then rounded: over all units of a line they are exactly its net. Of an
    order that is invoiced by delivery, units that never leave have none.
    """
    of_order = select(Reservation).where(Reservation.order_id == order.order_id)
    _recognise_revenue(session, order, session.exec(of_order), rows)


def _recognise_revenue(
    session: Session,
    order: Order,
    reservations: Iterable[Reservation],
    rows: Sequence[Reservation],
) -> None:
    lines = {line.line_no: line for line in order_lines(session, order.order_id)}
    recognised: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in reservations:
        never_left = row.state is ReservationState.WRITTEN_OFF and row.shipment_id is None
        if row.state not in FINAL_STATES or (order.invoiced_by_delivery and never_left):
            continue
        units, revenue_minor = recognised[row.line_no]
        recognised[row.line_no] = (units + row.quantity, revenue_minor + row.revenue_minor)
    for row in rows:
        line, (units, revenue_minor) = lines[row.line_no], recognised[row.line_no]
        units += row.quantity
        row.revenue_minor = round_half_up(line.net_minor * units, line.quantity) - revenue_minor
        recognised[row.line_no] = (units, revenue_minor + row.revenue_minor)


def _is_unissued(row: Reservation, shipment: Shipment) -> bool:
    return row.shipment_id == shipment.shipment_id and row.state in UNISSUED_STATES


def cancel_shipment(work: UnitOfWork, shipment: Shipment) -> None:
    """Cancel a shipment before goods issue: its goods stay reserved, for another shipment."""
    set_cancelled(work, shipment)
    for row in unissued(work.session, shipment.shipment_id):
        row.state, row.shipment_id = ReservationState.HELD, None
    work.session.flush()


def set_cancelled(work: UnitOfWork, shipment: Shipment) -> None:
    """Set a shipment to cancelled. An operator cancels what an operator has booked."""
    shipment.state = ShipmentState.CANCELLED
    if is_by_hand(shipment.booking_id):
        shipment.problem = ShipmentProblem.BOOKED_BY_HAND
        record_event(work, shipment.order_id, shipment.problem, shipment.shipment_id)


def unissued(session: Session, shipment_id: str) -> list[Reservation]:
    """Return the reservations of a shipment before goods issue."""
    return list(
        session.exec(
            select(Reservation).where(
                Reservation.shipment_id == shipment_id,
                col(Reservation.state).in_(UNISSUED_STATES),
            )
        )
    )


def restock(work: UnitOfWork, changes: Sequence[Change]) -> tuple[str, ...]:
    """Restock goods at their cost, and fill open shortages with them.

    All `changes` have one cause. Returns the orders to notify: those that got stock or another
    expected date.
    """
    if not changes:
        return ()
    cause = changes[0].cause
    lock_stock(work, (), {StockKey(sku=change.sku, location=change.location) for change in changes})
    move(work, changes)
    redated = fill_shortages(work, {change.sku for change in changes}, cause)
    return orders_filled_by(work, cause, redated)
