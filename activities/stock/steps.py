"""The steps that allocate stock to an order and release it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, false
from sqlmodel import Session, col, select

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.exchange_origin import exchange_origin
from activities.order_record.lines import order_lines
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.stock.backorders import fill_shortages, low_keys, set_newest_dates
from activities.stock.counters import Change, lock_stock, move, reserve
from activities.stock.notifications import notification_of_fills, orders_short_of
from models.errors import Refused
from models.messages.steps import Advanced, Notification, OrderStep, Released, StockKey
from models.orders import Delivery
from models.progress import Cancellation
from models.stock import (
    RESERVED,
    Allocation,
    Assignment,
    MovementKind,
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
    allocation = allocate_order(work, order)
    is_due = allocation is not None
    keys = keys_of(allocation) if allocation else _held_keys(work.session, step.order_id)
    return Advanced(
        progress=save_progress(work, order) if is_due else read_progress(work.session, order),
        notification=notification_of_low_stock(work, order, keys),
    )


def allocate_order(work: UnitOfWork, order: Order) -> Allocation | None:
    """Reserve stock for an order as `allocate_stock`.

    None if that is done already, or the order is cancelled.
    """
    if order.allocated or order.cancellation is not Cancellation.NONE:
        return None
    needs = [
        Need(line_no=line.line_no, sku=line.sku, quantity=line.quantity)
        for line in order_lines(work.session, order.order_id)
    ]
    cause = f"allocate:{order.allocation_no + 1}"
    allocation = allocate_or_backorder(work, order, needs, cause)
    order.allocated = True
    order.allocation_no += 1
    return allocation


def keys_of(allocation: Allocation) -> set[StockKey]:
    """Return where an allocation has reserved stock."""
    return {StockKey(sku=part.sku, location=part.location) for part in allocation.reservations}


def _held_keys(session: Session, order_id: str) -> set[StockKey]:
    held = select(Reservation.sku, Reservation.location).where(
        Reservation.order_id == order_id, Reservation.state == ReservationState.HELD
    )
    return {StockKey(sku=sku, location=location) for sku, location in session.exec(held)}


def notification_of_low_stock(
    work: UnitOfWork, order: Order, keys: Collection[StockKey]
) -> Notification:
    """Notify the replenishments of stock that an order brought to its reorder point or below."""
    low = _low_keys(work.session, keys, work.now.date())
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
    move(work, [_released(row, cause) for row in rows])
    rescheduled = fill_shortages(work, skus, cause)
    keys = [shortage.key for shortage in withdrawn]
    notification = notification_of_fills(work, cause, rescheduled, keys)
    return ReleasedStock(rows, withdrawn, notification)


def allocate_or_backorder(
    work: UnitOfWork, order: Order, needs: Sequence[Need], cause: str
) -> Allocation:
    """Reserve available units for an order's needs; the rest becomes shortages.

    Raises Refused where there is no location.
    """
    available = _available(work, {need.sku for need in needs})
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
    return allocation


def _available(work: UnitOfWork, skus: set[str]) -> dict[StockKey, int]:
    """Lock the stock of `skus`; return the units for a new order: none where one is short."""
    stock = lock_stock(work, skus)
    shortages = (
        select(Shortage.sku, Shortage.location)
        .where(col(Shortage.sku).in_(skus), Shortage.state == ShortageState.OPEN)
        .distinct()
    )
    short = {StockKey(sku=sku, location=at) for sku, at in work.session.exec(shortages)}
    return {key: 0 if key in short else row.on_hand - row.reserved for key, row in stock.items()}


def _origins(session: Session, order: Order) -> list[Origin]:
    """Return the locations that may serve an order, with their distances from its address.

    A collected order is served from its location only. Raises Refused where there is none.
    """
    country, postal_code = order.ship_to["country"], order.ship_to["postal_code"] or ""
    known = (col(Distance.location) == col(Location.location)) & (Distance.country == country)
    rows = session.exec(select(Location, Distance).outerjoin(Distance, known)).all()
    locations = {location.location: location for location, _ in rows}
    matching = [row for _, row in rows if row and postal_code.startswith(row.postal_prefix)]
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


def _low_keys(session: Session, keys: Collection[StockKey], today: date) -> list[StockKey]:
    """Return those of the keys whose stock is at or below the reorder point."""
    if not keys:
        return []
    low = (
        select(StockPolicy.sku, StockPolicy.location, StockPolicy.reorder_point)
        .join(
            Stock,
            (col(Stock.sku) == col(StockPolicy.sku))
            & (col(Stock.location) == col(StockPolicy.location)),
        )
        .where(
            (col(StockPolicy.order_quantity) > 0) | (col(StockPolicy.reorder_point) > 0),
            col(StockPolicy.sku).in_({key.sku for key in keys}),
            Stock.on_hand - Stock.reserved <= StockPolicy.reorder_point,
        )
    )
    points = {
        StockKey(sku=sku, location=location): reorder_point
        for sku, location, reorder_point in session.exec(low)
    }
    return low_keys(session, {key: points[key] for key in points if key in keys}, today)


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
    existing = {row.line_no: row for row in rows}
    for short in shortages:
        row = existing.get(short.line_no)
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


def _released(row: Reservation, cause: str) -> Change:
    return Change(
        movement_id=f"{cause}:{row.line_no}:{row.location}:{row.part}",
        cause=cause,
        kind=MovementKind.RELEASE,
        sku=row.sku,
        location=row.location,
        reserved=-row.quantity,
        order_id=row.order_id,
    )


def _in_words(reserved: Iterable[Assignment], short: Iterable[Assignment]) -> str:
    parts = [f"{part.quantity} x {part.sku} at {part.location}" for part in reserved]
    parts += [f"{part.quantity} x {part.sku} short" for part in short]
    return ", ".join(parts)[:1_000]
