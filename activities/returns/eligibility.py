"""Returnable: which units of an order may come back."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NoReturn

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.messages.commands import RETURN_REFUSED, ReturnedUnits, refuse
from models.progress import ShipmentState
from models.returns import ReturnState
from models.stock import ReservationState
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation

Units = list[tuple[int, str, int]]
"""Line, SKU and how many of it."""


def returnable(
    session: Session, order: Order, wanted: Sequence[ReturnedUnits], since: datetime | None
) -> Units:
    """Which units of which lines come back: at most what was delivered (`since` then), less what
    came back already, or is (or was lost) on its way. Raises CommandRefused."""
    delivered, coming = _delivered(session, order.order_id, since), _coming(session, order.order_id)
    units = Counter[tuple[int, str]]()
    for number, one in enumerate(wanted):
        missing = one.quantity
        for (line_no, sku), count in sorted(delivered.items()):
            free = count - coming[line_no] - units[line_no, sku] if sku == one.sku else 0
            taken = max(0, min(missing, free))
            units[line_no, sku] += taken
            missing -= taken
        if missing:
            _refuse(session, order, one, number, one.quantity - missing, since)
    return [(line_no, sku, count) for (line_no, sku), count in sorted(units.items()) if count]


def _refuse(
    session: Session,
    order: Order,
    wanted: ReturnedUnits,
    number: int,
    fitting: int,
    since: datetime | None,
) -> NoReturn:
    """Say how many may come back, and why no more. Raises CommandRefused."""
    ever = _of_sku(_delivered(session, order.order_id, None), wanted.sku)
    lately = _of_sku(_delivered(session, order.order_id, since), wanted.sku)
    reason = f"{fitting} x {wanted.sku} of {order.order_id} may come back"
    if not ever:
        refuse(f"lines.{number}.sku", f"{reason}: none was delivered", RETURN_REFUSED)
    if since is not None and lately < ever:
        reason += f": what was delivered before {since:%Y-%m-%d} may not any more"
    lost = sum(
        line.lost for line, _ in returned_lines(session, order.order_id) if line.sku == wanted.sku
    )
    if lost:
        reason += f"; {lost} were lost on their way: `stock adjust` takes in what turns up"
    refuse(f"lines.{number}.quantity", reason, RETURN_REFUSED)


def _of_sku(units: Mapping[tuple[int, str], int], sku: str) -> int:
    return sum(count for (_, of), count in units.items() if of == sku)


def returnable_units(session: Session, order_id: str) -> dict[int, int]:
    """By line, delivered units that neither came back nor are to come."""
    coming = _coming(session, order_id)
    return {
        line_no: units - coming[line_no]
        for (line_no, _), units in _delivered(session, order_id, None).items()
    }


def _delivered(
    session: Session, order_id: str, since: datetime | None
) -> dict[tuple[int, str], int]:
    arrived = (
        select(Reservation.line_no, Reservation.sku, func.sum(Reservation.quantity))
        .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
        .where(
            Reservation.order_id == order_id,
            Reservation.state == ReservationState.SHIPPED,
            Shipment.state == ShipmentState.DELIVERED,
        )
        .group_by(col(Reservation.line_no), col(Reservation.sku))
    )
    if since is not None:
        arrived = arrived.where(col(Shipment.delivered_at) >= since)
    return {(line_no, sku): int(units) for line_no, sku, units in session.exec(arrived)}


def returned_lines(session: Session, order_id: str) -> Iterator[tuple[ReturnLine, ReturnState]]:
    """The lines of all returns of an order, and the state of each one's return."""
    rows = (
        select(ReturnLine, ReturnRow)
        .join(ReturnRow, col(ReturnRow.return_id) == col(ReturnLine.return_id))
        .where(ReturnRow.order_id == order_id)
    )
    return ((line, row.state) for line, row in session.exec(rows))


def _coming(session: Session, order_id: str) -> Counter[int]:
    """By line, units that came back, were lost on their way, or are to come."""
    found = Counter[int]()
    for line, state in returned_lines(session, order_id):
        found[line.line_no] += line.received + line.lost if state.is_over else line.quantity
    return found
