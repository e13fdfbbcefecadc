"""Goods issue: goods leave our hands, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.stock.counters import Change, lock_stock, move
from models import ledger
from models.money import round_half_up
from models.progress import ShipmentState
from models.stock import MovementKind, ReservationState, issue_cost
from models.tables.orders import Order, OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation


def issue_goods(
    work: UnitOfWork,
    order: Order,
    shipment: Shipment,
) -> None:
    """Goods issue: stock down, reservation shipped, revenue and cost posted in one entry, as of the
    day the goods left."""
    rows = sorted(picked(work.session, shipment.shipment_id), key=lambda r: (r.sku, r.line_no))
    stock = lock_stock(work, {row.sku for row in rows})
    there = {place: (row.value_minor, row.on_hand) for place, row in stock.items()}
    recognise(work.session, order.order_id, rows)
    changes = []
    for row in rows:
        value_minor, on_hand = there[row.sku, row.location]
        row.cost_minor = issue_cost(value_minor, on_hand, row.quantity)
        there[row.sku, row.location] = (value_minor - row.cost_minor, on_hand - row.quantity)
        changes.append(_issued(row, shipment.shipment_id))
        row.state = ReservationState.SHIPPED
    move(work, changes)
    entry = ledger.goods_issue_entry(
        shipment.shipment_id,
        order.order_id,
        order.currency,
        revenue_minor=sum(row.revenue_minor for row in rows),
        cost_minor=sum(row.cost_minor for row in rows),
    )
    left_on = shipment.dispatched_at.date() if shipment.dispatched_at else None
    post(work, entry, left_on)


def _issued(row: Reservation, shipment_id: str) -> Change:
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


def recognise(session: Session, order_id: str, leaving: Sequence[Reservation]) -> None:
    """The revenue of what leaves, or never will: over all units of a line exactly the line's
    net."""
    lines = {
        line.line_no: line
        for line in session.exec(select(OrderLineRow).where(OrderLineRow.order_id == order_id))
    }
    gone: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    posted = (ReservationState.SHIPPED, ReservationState.FORGONE)
    for row in session.exec(
        select(Reservation).where(
            Reservation.order_id == order_id, col(Reservation.state).in_(posted)
        )
    ):
        units, revenue_minor = gone[row.line_no]
        gone[row.line_no] = (units + row.quantity, revenue_minor + row.revenue_minor)
    for row in leaving:
        line, (units, revenue_minor) = lines[row.line_no], gone[row.line_no]
        units += row.quantity
        row.revenue_minor = round_half_up(line.net_minor * units, line.quantity) - revenue_minor
        gone[row.line_no] = (units, revenue_minor + row.revenue_minor)


def put_back(work: UnitOfWork, shipment: Shipment) -> None:
    """A shipment that hasn't left won't: its goods are held as before it was planned."""
    shipment.state = ShipmentState.CANCELLED
    for row in picked(work.session, shipment.shipment_id):
        row.state, row.shipment_id = ReservationState.HELD, None
    work.session.flush()


def picked(session: Session, shipment_id: str) -> list[Reservation]:
    """What a shipment has that hasn't left."""
    return list(
        session.exec(
            select(Reservation).where(
                Reservation.shipment_id == shipment_id,
                col(Reservation.state).in_([ReservationState.HELD, ReservationState.PICKED]),
            )
        )
    )
