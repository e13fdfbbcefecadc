"""Stock of an amended order: units that it no longer needs are released, others are reserved."""

from collections.abc import Mapping, Sequence

from sqlmodel import col, select

from activities.database.unit_of_work import UnitOfWork
from activities.stock.backorders import fill_shortages
from activities.stock.counters import Change, lock_stock, move, release_of
from activities.stock.notifications import notification_of_fills
from activities.stock.steps import allocate_or_backorder
from models.messages.steps import Notification
from models.pricing import PricedLine
from models.stock import Need, ReservationState, ShortageState
from models.tables.orders import Order
from models.tables.stock import Reservation, Shortage


def change_units(
    work: UnitOfWork,
    order: Order,
    lines: Sequence[PricedLine],
    before: Mapping[str, int],
    wanted: Mapping[str, int],
    cause: str,
) -> Notification:
    """Release and reserve units of an allocated order, whose lines have one SKU each.

    Units that are short are given back first, then reserved ones.
    """
    if not order.allocated:
        return Notification(cause=cause)
    lock_stock(work, set(wanted))
    keys, changes = [], []
    for sku, quantity in sorted(wanted.items()):
        surplus = before.get(sku, 0) - quantity
        if surplus > 0:
            shortages = _open_shortages(work, order, sku)
            keys += [row.key for row in shortages]
            surplus = _lower_shortages(shortages, surplus)
            changes += _lower_reservations(work, order, sku, surplus, cause)
    move(work, changes)
    work.session.flush()
    released = {change.sku for change in changes}
    rescheduled = fill_shortages(work, {*released, *(key.sku for key in keys)}, cause)
    needs = [
        Need(line_no=line.line_no, sku=line.sku, quantity=line.quantity - before.get(line.sku, 0))
        for line in lines
        if line.quantity > before.get(line.sku, 0)
    ]
    if needs:
        keys += allocate_or_backorder(work, order, needs, f"{cause}:more").low
        work.session.flush()
        keys += [row.key for need in needs for row in _open_shortages(work, order, need.sku)]
    return notification_of_fills(work, cause, rescheduled, keys)


def _open_shortages(work: UnitOfWork, order: Order, sku: str) -> Sequence[Shortage]:
    rows = select(Shortage).where(
        Shortage.order_id == order.order_id,
        Shortage.sku == sku,
        Shortage.state == ShortageState.OPEN,
    )
    return work.session.exec(rows.execution_options(populate_existing=True)).all()


def _lower_shortages(rows: Sequence[Shortage], surplus: int) -> int:
    """Lower shortages by units that aren't needed any more; return how many of them are left."""
    for row in rows:
        missing = row.quantity - row.filled
        if surplus >= missing:
            row.state, row.problem = ShortageState.WITHDRAWN, None
        else:
            row.quantity -= surplus
        surplus = max(0, surplus - missing)
    return surplus


def _lower_reservations(
    work: UnitOfWork, order: Order, sku: str, surplus: int, cause: str
) -> list[Change]:
    """Lower held reservations by units that aren't needed any more; return the stock movements."""
    rows = select(Reservation).where(
        Reservation.order_id == order.order_id,
        Reservation.sku == sku,
        Reservation.state == ReservationState.HELD,
    )
    changes = []
    for row in work.session.exec(rows.order_by(col(Reservation.location), col(Reservation.part))):
        units = min(surplus, row.quantity)
        if not units:
            break
        surplus -= units
        if units == row.quantity:
            row.state = ReservationState.RELEASED
        else:
            row.quantity -= units
        changes.append(release_of(row, units, cause))
    return changes
