"""Returnable: which units of an order may come back."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.commands import (
    RETURN_REFUSED,
    ReturnedUnits,
    refuse,
)
from models.orders import ShipmentState
from models.returns import ReturnState
from models.stock import ReservationState
from models.tables import (
    Order,
    Reservation,
    ReturnLine,
    ReturnRow,
    Shipment,
)

Units = list[tuple[int, str, int]]
"""Line, SKU and how many of it."""


def returnable(
    session: Session, order: Order, wanted: Sequence[ReturnedUnits], since: datetime | None
) -> Units:
    """Which units of which lines come back: at most what was delivered (`since` then), less what
    came back already, or is on its way. Raises NoChange."""
    delivered = _delivered(session, order.order_id, since)
    ever = _delivered(session, order.order_id, None)
    coming = _coming(session, order.order_id)
    units: dict[tuple[int, str], int] = {}
    for number, one in enumerate(wanted):
        missing = one.quantity
        for (line_no, sku), count in sorted(delivered.items()):
            if sku != one.sku:
                continue
            free = count - coming.get(line_no, 0) - units.get((line_no, sku), 0)
            taken = max(0, min(missing, free))
            if taken:
                units[line_no, sku] = units.get((line_no, sku), 0) + taken
                missing -= taken
        if missing:
            were = sum(count for (_, sku), count in ever.items() if sku == one.sku)
            fitting = one.quantity - missing
            reason = f"{fitting} x {one.sku} of {order.order_id} may come back"
            if (
                were
                and since is not None
                and were > sum(count for (_, sku), count in delivered.items() if sku == one.sku)
            ):
                reason += f": what was delivered before {since:%Y-%m-%d} may not any more"
            elif not were:
                reason += ": none was delivered"
            refuse(
                f"lines.{number}.quantity" if were else f"lines.{number}.sku",
                reason,
                RETURN_REFUSED,
            )
    return [(line_no, sku, count) for (line_no, sku), count in sorted(units.items())]


def room(session: Session, order_id: str) -> dict[int, int]:
    """By line, delivered units that neither came back nor are to come."""
    coming = _coming(session, order_id)
    return {
        line_no: units - coming.get(line_no, 0)
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


def _coming(session: Session, order_id: str) -> dict[int, int]:
    """By line, units that came back, or are to come."""
    found: dict[int, int] = {}
    rows = session.exec(
        select(ReturnLine, ReturnRow.state)
        .join(ReturnRow, col(ReturnRow.return_id) == col(ReturnLine.return_id))
        .where(ReturnRow.order_id == order_id)
    )
    for line, state in rows:
        units = line.received if ReturnState(state).is_over else line.quantity
        found[line.line_no] = found.get(line.line_no, 0) + units
    return found
