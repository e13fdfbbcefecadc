"""Eligibility: which units of an order can be returned."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NoReturn

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.company import start_of
from activities.order_record.lines import order_lines
from models.messages.commands.base import RETURN_REFUSED, refuse
from models.messages.commands.returns import ReturnedUnits
from models.progress import ShipmentState
from models.returns import ReturnState
from models.stock import ReservationState
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation

LineUnits = list[tuple[int, str, int]]
"""Order line number, SKU and units."""


def assign_to_lines(
    session: Session, order_id: str, wanted: Sequence[ReturnedUnits], since: date | None
) -> LineUnits:
    """Assign units that come back to the lines of their order.

    A line takes at most the units delivered (after `since`), less those that came back, were lost
    on the way back, or are expected with another return. Raises CommandRefused.
    """
    delivered, claimed = _delivered(session, order_id, since), _claimed(session, order_id)
    units = Counter[tuple[int, str]]()
    for number, one in enumerate(wanted):
        missing = one.quantity
        for (line_no, sku), count in sorted(delivered.items()):
            free = count - claimed[line_no] - units[line_no, sku] if sku == one.sku else 0
            taken = max(0, min(missing, free))
            units[line_no, sku] += taken
            missing -= taken
        if missing:
            _refuse(session, order_id, one, number, one.quantity - missing, since)
    return [(line_no, sku, count) for (line_no, sku), count in sorted(units.items()) if count]


def _refuse(
    session: Session,
    order_id: str,
    wanted: ReturnedUnits,
    number: int,
    returnable: int,
    since: date | None,
) -> NoReturn:
    """Refuse a line of a request, with the number of returnable units and the reason."""
    ever = _of_sku(_delivered(session, order_id, None), wanted.sku)
    lately = _of_sku(_delivered(session, order_id, since), wanted.sku)
    reason = f"{returnable} x {wanted.sku} of {order_id} can be returned"
    if any(line.sku == wanted.sku and not line.is_goods for line in order_lines(session, order_id)):
        way_out = "`credit-note INVOICE AMOUNT` credits its price"
        reason = f"{wanted.sku} is a service: it can't be sent back; {way_out}"
        refuse(f"lines.{number}.sku", reason, RETURN_REFUSED)
    if not ever:
        refuse(f"lines.{number}.sku", f"{reason}: none was delivered", RETURN_REFUSED)
    if since is not None and lately < ever:
        reason += f": the return period of units delivered before {since} is over"
    lost = sum(line.lost for line, _ in returned_lines(session, order_id) if line.sku == wanted.sku)
    if lost:
        reason += f"; {lost} were lost on the way back: `stock adjust` records units that turn up"
    refuse(f"lines.{number}.quantity", reason, RETURN_REFUSED)


def _of_sku(units: Mapping[tuple[int, str], int], sku: str) -> int:
    return sum(count for (_, of), count in units.items() if of == sku)


def returnable_by_line(session: Session, order_id: str) -> dict[int, int]:
    """Return by line the delivered units that neither came back nor are expected."""
    claimed = _claimed(session, order_id)
    return {
        line_no: units - claimed[line_no]
        for (line_no, _), units in _delivered(session, order_id, None).items()
    }


def _delivered(session: Session, order_id: str, since: date | None) -> dict[tuple[int, str], int]:
    """Count the delivered units by line and SKU."""
    rows = (
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
        rows = rows.where(col(Shipment.delivered_at) >= start_of(session, since))
    return {(line_no, sku): int(units) for line_no, sku, units in session.exec(rows)}


def returned_lines(session: Session, order_id: str) -> Iterator[tuple[ReturnLine, ReturnState]]:
    """Read the lines of all returns of an order, each with the state of its return."""
    rows = (
        select(ReturnLine, ReturnRow)
        .join(ReturnRow, col(ReturnRow.return_id) == col(ReturnLine.return_id))
        .where(ReturnRow.order_id == order_id)
    )
    return ((line, row.state) for line, row in session.exec(rows))


def _claimed(session: Session, order_id: str) -> Counter[int]:
    """Count, by line, the units that came back, were lost on the way back, or are expected."""
    units = Counter[int]()
    for line, state in returned_lines(session, order_id):
        units[line.line_no] += line.received + line.lost if state.is_over else line.quantity
    return units
