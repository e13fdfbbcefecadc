"""Surplus units of an order: short or reserved units that it no longer needs."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.stock.backorders import fill_shortages
from activities.stock.counters import lock_stock, move, release_of
from activities.stock.notifications import notification_of_fills
from models.messages.steps import Notification, StockKey
from models.stock import ReservationState, ShortageState
from models.tables.orders import Order, OrderLineRow
from models.tables.stock import Reservation, Shortage


class Waiting(NamedTuple):
    """The open shortages and held reservations of a line, locked."""

    line: OrderLineRow
    short: Sequence[Shortage]
    held: Sequence[Reservation]

    @property
    def missing(self) -> int:
        """The units that are short."""
        return sum(row.quantity - row.filled for row in self.short)

    @property
    def units(self) -> int:
        """The units that are short, or reserved and not packed."""
        return self.missing + sum(row.quantity for row in self.held)


def lock_waiting(work: UnitOfWork, order: Order, line: OrderLineRow) -> Waiting:
    """Lock the stock of a line's SKU, and read its units that have not been packed."""
    lock_stock(work, {line.sku})
    shortages = select(Shortage).where(
        Shortage.order_id == order.order_id,
        Shortage.line_no == line.line_no,
        Shortage.state == ShortageState.OPEN,
    )
    held = select(Reservation).where(
        Reservation.order_id == order.order_id,
        Reservation.line_no == line.line_no,
        Reservation.state == ReservationState.HELD,
    )
    held = held.order_by(col(Reservation.location), col(Reservation.part))
    return Waiting(
        line,
        work.session.exec(shortages.execution_options(populate_existing=True)).all(),
        work.session.exec(held.execution_options(populate_existing=True)).all(),
    )


def release_surplus(
    work: UnitOfWork, waiting: Waiting, surplus: int, cause: str
) -> tuple[list[Reservation], Notification]:
    """Release units of a line that are not needed: those that are short first, then reserved ones.

    Returns them as released parts of the line, and the notification.
    """
    parts = _parts(work.session, waiting.line)
    rows: list[Reservation] = []
    changes = []
    for short in waiting.short:
        missing = short.quantity - short.filled
        units = min(surplus, missing)
        if not units:
            break
        surplus -= units
        if units == missing:
            short.state, short.problem = ShortageState.WITHDRAWN, None
        else:
            short.quantity -= units
        rows.append(_part(waiting.line, short.location, units, parts))
    for row in waiting.held:
        units = min(surplus, row.quantity)
        if not units:
            break
        surplus -= units
        released = row
        if units < row.quantity:
            row.quantity -= units
            released = _part(waiting.line, row.location, units, parts)
        released.state = ReservationState.RELEASED
        rows.append(released)
        changes.append(release_of(released, released.quantity, cause))
    assert not surplus, "no more than the units that wait"
    work.session.add_all(rows)
    move(work, changes)
    work.session.flush()
    rescheduled = fill_shortages(work, {waiting.line.sku}, cause)
    keys = [StockKey(sku=row.sku, location=row.location) for row in waiting.short]
    return rows, notification_of_fills(work, cause, rescheduled, keys)


def backordered_units(session: Session, shortages: Sequence[Shortage]) -> list[Reservation]:
    """Return the backordered units as released parts of their lines."""
    return [
        _part(short, short.location, short.quantity - short.filled, _parts(session, short))
        for short in shortages
    ]


def _part(
    line: OrderLineRow | Shortage, location: str, units: int, parts: Counter[str]
) -> Reservation:
    """Make a further part of a line at a location, which is released."""
    parts[location] += 1
    return Reservation(
        order_id=line.order_id,
        line_no=line.line_no,
        location=location,
        part=parts[location],
        sku=line.sku,
        quantity=units,
        state=ReservationState.RELEASED,
    )


def _parts(session: Session, line: OrderLineRow | Shortage) -> Counter[str]:
    """Count the parts of a line by location."""
    rows = select(Reservation.location).where(
        Reservation.order_id == line.order_id, Reservation.line_no == line.line_no
    )
    return Counter(session.exec(rows))
