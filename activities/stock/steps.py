"""Inventory: the steps that allocate stock to an order and give it back."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, false
from sqlmodel import Session, col, select

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.exchange_origin import replaced_by
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.stock.backorders import (
    date_newest,
    fill_shortages,
    orders_served,
    places_relieved,
    positions,
    waiting_orders,
)
from activities.stock.counters import Change, lock_stock, move, reserve
from models.errors import Refused
from models.messages.steps import Allocated, Notification, OrderStep, Released, StockKey
from models.orders import Delivery
from models.progress import Cancellation
from models.stock import (
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

IN_THE_COUNTRY_KM, ABROAD_KM = 1_000, 10_000
"""Stand in for a distance that `distances.csv` doesn't give."""


@step
def allocate_stock(work: UnitOfWork, step: OrderStep) -> Allocated:
    """Reserve what is there; what isn't becomes a shortage."""
    order = lock_order(work, step.order_id)
    if order.allocated or order.cancellation is not Cancellation.NONE:
        low = _low_places(work.session, step.order_id, work.now.date())
        return Allocated(
            progress=read_progress(work.session, order), notification=_echo(step.order_id, low)
        )
    needs = [
        Need(line_no=line.line_no, sku=line.sku, quantity=line.quantity)
        for line in work.session.exec(
            select(OrderLineRow).where(OrderLineRow.order_id == step.order_id)
        )
    ]
    order.allocated = True
    order.allocation_no += 1
    allocate_or_backorder(work, order, needs, f"allocate:{order.allocation_no}")
    low = _low_places(work.session, step.order_id, work.now.date())
    return Allocated(progress=save_progress(work, order), notification=_echo(step.order_id, low))


@step
def release_stock(work: UnitOfWork, step: OrderStep) -> Released:
    """Give back what an order holds, and withdraw its shortages. Of an exchange, the order that
    was paid and the return are to look: they have got a credit note."""
    order = lock_order(work, step.order_id)
    cause = f"release:{step.order_id}:{order.allocation_no}"
    held = col(Reservation.state).in_((ReservationState.HELD, ReservationState.PICKED))
    freed = release_reservations(work, order, held, cause)
    notification = freed.notification
    if skus := {row.sku for row in freed.rows} | {short.sku for short in freed.waiting}:
        record_event(work, step.order_id, "released", ", ".join(sorted(skus))[:1_000])
    elif order.allocated:  # released before: whose wait that has changed isn't known any more
        ordered = select(OrderLineRow.sku).where(OrderLineRow.order_id == step.order_id)
        redated = waiting_orders(work.session, work.session.exec(ordered))
        withdrawn_before = select(Shortage).where(
            Shortage.order_id == step.order_id, Shortage.state == ShortageState.WITHDRAWN
        )
        notification = _echo_of(work, work.session.exec(withdrawn_before).all(), cause, redated)
    replaced = replaced_by(work.session, step.order_id)
    if replaced is not None:
        orders = (*notification.orders, replaced.paid_id)
        returns = (replaced.settlement.return_id,)
        notification = notification.model_copy(update={"orders": orders, "returns": returns})
    return Released(progress=save_progress(work, order), notification=notification)


class ReleasedStock(NamedTuple):
    """What an order held and what it waited for, until now; and who is to be told."""

    rows: Sequence[Reservation]
    waiting: Sequence[Shortage]
    notification: Notification
    now: datetime


def release_reservations(
    work: UnitOfWork,
    order: Order,
    which: ColumnElement[bool],
    cause: str,
    *,
    keeps_shortages: bool = False,
) -> ReleasedStock:
    """Those of an order's reservations go to who waits for them, or are free; what it is short of,
    it waits for no more, unless it `keeps_shortages`."""
    reservations = select(Reservation).where(Reservation.order_id == order.order_id, which)
    shortages = select(Shortage).where(
        Shortage.order_id == order.order_id, Shortage.state == ShortageState.OPEN
    )
    if keeps_shortages:
        shortages = shortages.where(false())
    skus = {row.sku for row in (*work.session.exec(reservations), *work.session.exec(shortages))}
    lock_stock(work, skus)
    waiting = work.session.exec(shortages.execution_options(populate_existing=True)).all()
    for shortage in waiting:
        shortage.state, shortage.problem = ShortageState.WITHDRAWN, None
    rows = work.session.exec(reservations.execution_options(populate_existing=True)).all()
    for row in rows:
        row.state = ReservationState.RELEASED
    move(work, [_given_back(row, cause) for row in rows])
    redated = fill_shortages(work, skus, cause)
    return ReleasedStock(rows, waiting, _echo_of(work, waiting, cause, redated), work.now)


def _echo_of(
    work: UnitOfWork, waiting: Sequence[Shortage], cause: str, redated: tuple[str, ...]
) -> Notification:
    withdrawn = tuple(StockKey(location=s.location, sku=s.sku) for s in waiting)
    places = tuple(dict.fromkeys((*withdrawn, *places_relieved(work, cause))))
    return Notification(cause=cause, orders=orders_served(work, cause, redated), places=places)


def allocate_or_backorder(
    work: UnitOfWork,
    order: Order,
    needs: Sequence[Need],
    cause: str,
) -> datetime:
    """Reserve what is there for an order's needs; what isn't becomes a shortage. Returns when."""
    available = _available(work, {need.sku for need in needs})
    split = order.delivery is Delivery.PARTIAL
    plan = allocate(needs, available, _origins(work.session, order), split)
    lock_stock(work, (), ((s.sku, s.location) for s in plan.shortages))
    held = [(order.order_id, assignment) for assignment in plan.reservations]
    reserve(work, held, cause)
    opened = _open_shortages(work, order, plan.shortages)
    words = _in_words(plan.reservations, plan.shortages)
    record_event(work, order.order_id, "allocated", words)
    date_newest(work, opened)
    return work.now


def _echo(order_id: str, places: Sequence[StockKey]) -> Notification:
    return Notification(cause=f"allocate:{order_id}", places=tuple(places))


def _available(work: UnitOfWork, skus: set[str]) -> dict[tuple[str, str], int]:
    """Units a new order may take, by (location, sku): none while an older shortage waits."""
    stock = lock_stock(work, skus)
    waiting = (
        select(Shortage.sku, Shortage.location)
        .where(col(Shortage.sku).in_(skus), Shortage.state == ShortageState.OPEN)
        .distinct()
    )
    taken = {(sku, location) for sku, location in work.session.exec(waiting)}
    return {
        (location, sku): 0 if (sku, location) in taken else row.on_hand - row.reserved
        for (sku, location), row in stock.items()
    }


def _origins(session: Session, order: Order) -> list[Origin]:
    """Every location, or the one where the order is handed over, with its distance from where the
    order goes. Raises Refused."""
    country, postal_code = order.ship_to["country"], order.ship_to["postal_code"] or ""
    rows = session.exec(select(Distance).where(Distance.country == country))
    fitting = [row for row in rows if postal_code.startswith(row.postal_prefix)]
    fitting.sort(key=lambda row: len(row.postal_prefix))
    distances = {row.location: row.distance_km for row in fitting}
    origins = [
        Origin(
            location=place.location,
            distance=distances.get(
                place.location, IN_THE_COUNTRY_KM if place.country == country else ABROAD_KM
            ),
            cost_minor=place.handling_cost_minor,
        )
        for place in session.exec(select(Location))
        if order.location in (None, place.location)
    ]
    if not origins and order.location:
        message = f"there is no location {order.location}: import it, then retry"
        raise Refused("no_location", message)
    if not origins:
        raise Refused("no_location", "there is no location: import locations.csv, then retry")
    return origins


def _low_places(session: Session, order_id: str, today: date) -> list[StockKey]:
    """Where this order holds stock that is at or below its reorder point."""
    held = select(Reservation.sku, Reservation.location).where(
        Reservation.order_id == order_id, Reservation.state == ReservationState.HELD
    )
    low = (
        select(StockPolicy.sku, StockPolicy.location, StockPolicy.reorder_point)
        .join(
            Stock,
            (col(Stock.sku) == col(StockPolicy.sku))
            & (col(Stock.location) == col(StockPolicy.location)),
        )
        .where(
            (col(StockPolicy.order_quantity) > 0) | (col(StockPolicy.reorder_point) > 0),
            col(StockPolicy.sku).in_(held.with_only_columns(col(Reservation.sku))),
            Stock.on_hand - Stock.reserved <= StockPolicy.reorder_point,
        )
    )
    ours = set(session.exec(held))
    points = {
        (sku, location): reorder_point
        for sku, location, reorder_point in session.exec(low)
        if (sku, location) in ours
    }
    return [
        StockKey(location=place[1], sku=place[0])
        for place, units in sorted(positions(session, points, today).items())
        if units <= points[place]
    ]


def _open_shortages(
    work: UnitOfWork,
    order: Order,
    shortages: Sequence[Assignment],
) -> list[Shortage]:
    """A line's shortage is one row, however often its order is allocated. Where it waits already,
    it waits for so much more, at the same place and under the same promise."""
    opened = []
    known = {
        row.line_no: row
        for row in work.session.exec(select(Shortage).where(Shortage.order_id == order.order_id))
    }
    for short in shortages:
        row = known.get(short.line_no) or Shortage(
            shortage_id=f"{order.order_id}-{short.line_no}",
            order_id=order.order_id,
            line_no=short.line_no,
            sku=short.sku,
            location=short.location,
            quantity=short.quantity,
            state=ShortageState.OPEN,
            promised_at=work.now,
        )
        if short.line_no in known and row.state is ShortageState.OPEN:
            row.quantity += short.quantity
        else:
            row.location, row.quantity, row.filled = short.location, short.quantity, 0
            row.state, row.promised_at = ShortageState.OPEN, work.now
        work.session.add(row)
        opened.append(row)
    return opened


def _given_back(row: Reservation, cause: str) -> Change:
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
    parts = [f"{a.quantity} x {a.sku} at {a.location}" for a in reserved]
    parts += [f"{a.quantity} x {a.sku} short" for a in short]
    return ", ".join(parts)[:1_000]
