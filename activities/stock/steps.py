"""The steps that allocate stock to an order and release it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, bindparam, false
from sqlalchemy import select as select_columns
from sqlmodel import Session, and_, col, select

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.exchange_origin import exchange_origin
from activities.order_record.lines import goods_lines
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.stock.backorders import fill_shortages, low_keys, set_newest_dates
from activities.stock.counters import lock_stock, move, release_of, reserve
from activities.stock.notifications import notification_of_fills, orders_short_of
from models.addresses import comparable_postal_code
from models.errors import Refused
from models.messages.steps import Advanced, Notification, OrderStep, Released, StockKey
from models.orders import Delivery
from models.progress import Cancellation
from models.stock import (
    RESERVED,
    Allocation,
    Assignment,
    Need,
    Origin,
    ReservationState,
    ShortageState,
    allocate,
)
from models.tables.masterdata import Distance, Location
from models.tables.orders import Order, OrderLineRow
from models.tables.stock import Reservation, Shortage, Stock, StockPolicy

DOMESTIC_KM, ABROAD_KM = 1_000, 10_000
"""Distances of a location for which `distances.csv` has none."""


@step
def allocate_stock(work: UnitOfWork, step: OrderStep) -> Advanced:
    """Reserve stock for an order; units that are not available become shortages.

    Notifies the replenishments of stock at or below its reorder point. Raises Refused where there
    is no location.
    """
    order = lock_order(work, step.order_id)
    allocated = allocate_order(work, order)
    if allocated is not None:
        progress, low = save_progress(work, order), allocated.low
    else:
        progress, low = read_progress(work.session, order), low_keys_held(work, step.order_id)
    return Advanced(progress=progress, notification=notification_of_low_stock(order, low))


class Allocated(NamedTuple):
    """An allocation, and where it brought the stock to its reorder point or below."""

    allocation: Allocation
    low: Sequence[StockKey]


def allocate_order(work: UnitOfWork, order: Order) -> Allocated | None:
    """Reserve stock for an order as `allocate_stock`.

    None if that is done already, or the order is cancelled.
    """
    if order.allocated or order.cancellation is not Cancellation.NONE:
        return None
    needs = [
        Need(line_no=line.line_no, sku=line.sku, quantity=line.quantity)
        for line in goods_lines(work.session, order.order_id)
    ]
    cause = f"allocate:{order.allocation_no + 1}"
    if needs:
        allocated = allocate_or_backorder(work, order, needs, cause)
    else:
        allocated = Allocated(Allocation(reservations=(), shortages=()), ())
    order.allocated = True
    order.allocation_no += 1
    return allocated


def notification_of_low_stock(order: Order, low: Iterable[StockKey]) -> Notification:
    """Notify the replenishments of stock that an order brought to its reorder point or below."""
    return Notification(cause=f"allocate:{order.order_id}", stock_keys=tuple(low))


@step
def release_stock(work: UnitOfWork, step: OrderStep) -> Released:
    """Release an order's reservations, and withdraw its shortages.

    For a cancelled exchange, also notify the original order and its return: a credit note was
    issued to them.
    """
    order = lock_order(work, step.order_id)
    cause = f"release:{step.order_id}:{order.allocation_no}"
    freed = release_reservations(work, order, col(Reservation.state).in_(RESERVED), cause)
    notification = freed.notification
    if skus := {row.sku for row in freed.rows} | {row.sku for row in freed.waiting}:
        record_event(work, step.order_id, "released", ", ".join(sorted(skus))[:1_000])
    elif order.allocated:
        notification = _notification_of_release(work, order, cause)
    replaced = exchange_origin(work.session, step.order_id)
    if replaced is not None:
        orders = (*notification.orders, replaced.paid_id)
        returns = (replaced.settlement.return_id,)
        notification = notification.model_copy(update={"orders": orders, "returns": returns})
    return Released(progress=save_progress(work, order), notification=notification)


def _notification_of_release(work: UnitOfWork, order: Order, cause: str) -> Notification:
    """Repeat the notification of a release already made.

    The orders it served are no longer known, so every order short of these SKUs is notified.
    """
    skus = select(OrderLineRow.sku).where(OrderLineRow.order_id == order.order_id)
    withdrawn = select(Shortage).where(
        Shortage.order_id == order.order_id, Shortage.state == ShortageState.WITHDRAWN
    )
    short = orders_short_of(work.session, work.session.exec(skus))
    keys = [row.key for row in work.session.exec(withdrawn)]
    return notification_of_fills(work, cause, short, keys)


class ReleasedStock(NamedTuple):
    """The released reservations of an order, its withdrawn shortages, and the notification."""

    rows: Sequence[Reservation]
    waiting: Sequence[Shortage]
    notification: Notification


def release_reservations(
    work: UnitOfWork,
    order: Order,
    which: ColumnElement[bool],
    cause: str,
    *,
    keeps_shortages: bool = False,
) -> ReleasedStock:
    """Release an order's reservations that match `which`, and fill the shortages of other orders.

    Withdraws the order's open shortages, unless it `keeps_shortages`.
    """
    reservations = select(Reservation).where(Reservation.order_id == order.order_id, which)
    shortages = select(Shortage).where(
        Shortage.order_id == order.order_id, Shortage.state == ShortageState.OPEN
    )
    if keeps_shortages:
        shortages = shortages.where(false())
    skus = {row.sku for row in (*work.session.exec(reservations), *work.session.exec(shortages))}
    lock_stock(work, skus)
    withdrawn = work.session.exec(shortages.execution_options(populate_existing=True)).all()
    for shortage in withdrawn:
        shortage.state, shortage.problem = ShortageState.WITHDRAWN, None
    rows = work.session.exec(reservations.execution_options(populate_existing=True)).all()
    for row in rows:
        row.state = ReservationState.RELEASED
    move(work, [release_of(row, row.quantity, cause) for row in rows])
    rescheduled = fill_shortages(work, skus, cause)
    keys = [shortage.key for shortage in withdrawn]
    notification = notification_of_fills(work, cause, rescheduled, keys)
    return ReleasedStock(rows, withdrawn, notification)


def allocate_or_backorder(
    work: UnitOfWork, order: Order, needs: Sequence[Need], cause: str
) -> Allocated:
    """Reserve available units for an order's needs; the rest becomes shortages.

    Raises Refused where there is no location.
    """
    stock = _read_stock(work, {need.sku for need in needs})
    available = {key: row.units for key, row in stock.items()}
    is_split = order.delivery is Delivery.PARTIAL
    allocation = allocate(needs, available, _origins(work.session, order), is_split)
    if allocation.shortages:
        lock_stock(work, (), (short.key for short in allocation.shortages))
    assignments = [(order.order_id, part) for part in allocation.reservations]
    reserve(work, assignments, cause, is_first=not order.allocation_no)
    opened = _open_shortages(work, order, allocation.shortages)
    text = _in_words(allocation.reservations, allocation.shortages)
    record_event(work, order.order_id, "allocated", text)
    set_newest_dates(work, opened)
    taken: dict[StockKey, int] = defaultdict(int)
    for part in allocation.reservations:
        taken[StockKey(sku=part.sku, location=part.location)] += part.quantity
    points = {
        key: row.reorder_point
        for key, row in stock.items()
        if row.reorder_point is not None
        and key in taken
        and row.free - taken[key] <= row.reorder_point
    }
    return Allocated(allocation, low_keys(work.session, points, work.today))


class _StockRow(NamedTuple):
    """Stock that an order may take: `units`, none before a shortage, of those that are `free`."""

    units: int
    free: int
    reorder_point: int | None


def _read_stock(work: UnitOfWork, skus: set[str]) -> dict[StockKey, _StockRow]:
    """Lock the stock of `skus`, and read it with its shortages and reorder points."""
    stock = lock_stock(work, skus)
    found = {}
    for sku, location, short, reorder_point in work.session.execute(_STOCK, {"skus": list(skus)}):
        key = StockKey(sku=sku, location=location)
        free = stock[key].on_hand - stock[key].reserved
        found[key] = _StockRow(0 if short else free, free, reorder_point)
    return found


_SAME_KEY = (col(Stock.sku) == col(StockPolicy.sku)) & (
    col(Stock.location) == col(StockPolicy.location)
)
_HAS_REORDER_POINT = (col(StockPolicy.order_quantity) > 0) | (col(StockPolicy.reorder_point) > 0)
_STOCK = (
    select_columns(
        col(Stock.sku),
        col(Stock.location),
        select(Shortage.shortage_id)
        .where(
            Shortage.sku == Stock.sku,
            Shortage.location == Stock.location,
            Shortage.state == ShortageState.OPEN,
        )
        .exists(),
        col(StockPolicy.reorder_point),
    )
    .outerjoin(StockPolicy, _SAME_KEY & _HAS_REORDER_POINT)
    .where(col(Stock.sku).in_(bindparam("skus", expanding=True)))
)
_LOCATIONS = select(Location, Distance).outerjoin(
    Distance,
    (col(Distance.location) == col(Location.location))
    & (col(Distance.country) == bindparam("country", type_=String)),
)


def _origins(session: Session, order: Order) -> list[Origin]:
    """Return the locations that may serve an order, with their distances from its address.

    A collected order is served from its location only. Raises Refused where there is none.
    """
    country = order.ship_to["country"]
    postal_code = comparable_postal_code(order.ship_to["postal_code"])
    rows = session.exec(_LOCATIONS, params={"country": country}).all()
    locations = {location.location: location for location, _ in rows}
    matching = [
        row
        for _, row in rows
        if row and postal_code.startswith(comparable_postal_code(row.postal_prefix))
    ]
    matching.sort(key=lambda row: len(row.postal_prefix))
    distances = {row.location: row.distance_km for row in matching}
    origins = [
        Origin(
            location=row.location,
            distance=distances.get(
                row.location, DOMESTIC_KM if row.country == country else ABROAD_KM
            ),
            cost_minor=row.handling_cost_minor,
        )
        for row in locations.values()
        if order.location in (None, row.location)
    ]
    if not origins and order.location:
        message = f"there is no location {order.location}: import it, then retry"
        raise Refused("no_location", message)
    if not origins:
        raise Refused("no_location", "there is no location: import locations.csv, then retry")
    return origins


def low_keys_held(work: UnitOfWork, order_id: str) -> list[StockKey]:
    """Return where an order reserves stock that is at or below its reorder point."""
    reserved = and_(Reservation.sku == Stock.sku, Reservation.location == Stock.location)
    rows = work.session.exec(
        select(Stock.sku, Stock.location, StockPolicy.reorder_point)
        .join(Reservation, reserved)
        .join(StockPolicy, _SAME_KEY & _HAS_REORDER_POINT)
        .where(
            Reservation.order_id == order_id,
            col(Reservation.state).in_(RESERVED),
            Stock.on_hand - Stock.reserved <= StockPolicy.reorder_point,
        )
    )
    points = {StockKey(sku=sku, location=at): point for sku, at, point in rows}
    return low_keys(work.session, points, work.today)


def _open_shortages(
    work: UnitOfWork, order: Order, shortages: Sequence[Assignment]
) -> list[Shortage]:
    """Record shortages, one row for each order line.

    If the line has an open shortage, units are added to it; its location and promise date stay.
    """
    if not shortages:
        return []
    opened = []
    rows = work.session.exec(select(Shortage).where(Shortage.order_id == order.order_id))
    existing = {(row.line_no, row.sku): row for row in rows}
    for short in shortages:
        row = existing.get((short.line_no, short.sku))
        if row is None:
            row = Shortage(
                shortage_id=f"{order.order_id}-{short.line_no}",
                order_id=order.order_id,
                line_no=short.line_no,
                sku=short.sku,
                location=short.location,
                quantity=short.quantity,
                state=ShortageState.OPEN,
                promised_at=work.now,
            )
        elif row.state is ShortageState.OPEN:
            row.quantity += short.quantity
        else:
            row.location, row.quantity, row.filled = short.location, short.quantity, 0
            row.state, row.promised_at = ShortageState.OPEN, work.now
        work.session.add(row)
        opened.append(row)
    return opened


def _in_words(reserved: Iterable[Assignment], short: Iterable[Assignment]) -> str:
    parts = [f"{part.quantity} x {part.sku} at {part.location}" for part in reserved]
    parts += [f"{part.quantity} x {part.sku} short" for part in short]
    return ", ".join(parts)[:1_000]
