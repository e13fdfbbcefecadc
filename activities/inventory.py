"""Stock: reserved, handed to who waits, given back, issued, received.

Every change is one conditional UPDATE of the counters and one movement, in the caller's
transaction. The stock row of a SKU at a location is locked first, SKUs in sorted order: it guards
the reservations and shortages there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Clock, Database
from activities.progress import lock_order, look, note, touch
from models.errors import DatabaseBusy, Refused
from models.messages import OrderStep, Released, StockFreed
from models.orders import Cancellation, Progress
from models.stock import (
    Assignment,
    MovementKind,
    Need,
    ReservationState,
    ShortageState,
    allocate,
)
from models.tables import (
    Location,
    Order,
    OrderLineRow,
    Reservation,
    Shortage,
    Stock,
    StockMovement,
)

Place = tuple[str, str]
"""SKU and location, in the order in which rows are locked."""


@dataclass(frozen=True)
class Change:
    """A change of one counter row; `movement_id` is its natural key, `cause` the fact behind it."""

    movement_id: str
    cause: str
    kind: MovementKind
    sku: str
    location: str
    on_hand: int = 0
    reserved: int = 0
    value_minor: int = 0
    order_id: str | None = None


def lock_stock(session: Session, places: Iterable[Place]) -> dict[Place, Stock]:
    """The stock rows of `places`, locked in sorted order; missing ones are made, empty."""
    locked: dict[Place, Stock] = {}
    for sku, location in sorted(set(places)):
        row = session.get(Stock, (sku, location), with_for_update=True)
        if row is None:
            row = Stock(sku=sku, location=location)
            session.add(row)
            session.flush()
        locked[sku, location] = row
    return locked


def move(session: Session, change: Change, now: datetime) -> None:
    """Apply `change` to the counters and write its movement.

    Raises DatabaseBusy where the counters don't allow it: the caller looked at older ones.
    """
    done = session.execute(
        update(Stock)
        .where(
            col(Stock.sku) == change.sku,
            col(Stock.location) == change.location,
            col(Stock.reserved) + change.reserved >= 0,
            col(Stock.on_hand) + change.on_hand >= col(Stock.reserved) + change.reserved,
            col(Stock.value_minor) + change.value_minor >= 0,
        )
        .values(
            on_hand=Stock.on_hand + change.on_hand,
            reserved=Stock.reserved + change.reserved,
            value_minor=Stock.value_minor + change.value_minor,
        )
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]  # a CursorResult for an UPDATE
        raise DatabaseBusy(f"stock of {change.sku} at {change.location} has changed meanwhile")
    session.add(
        StockMovement(
            movement_id=change.movement_id,
            cause=change.cause,
            sku=change.sku,
            location=change.location,
            kind=change.kind,
            on_hand_change=change.on_hand,
            reserved_change=change.reserved,
            value_change_minor=change.value_minor,
            order_id=change.order_id,
            recorded_at=now,
        )
    )


def fill_shortages(session: Session, place: Place, cause: str, now: datetime) -> None:
    """Turn open shortages of a locked place into reservations, first promised first served."""
    sku, location = place
    stock = session.get_one(Stock, place, populate_existing=True)
    available = stock.on_hand - stock.reserved
    for shortage in open_shortages(session, place):
        units = min(available, shortage.quantity - shortage.filled)
        if not units:
            break
        available -= units
        shortage.filled += units
        if shortage.filled == shortage.quantity:
            shortage.state = ShortageState.FILLED
        assignment = Assignment(
            line_no=shortage.line_no, sku=sku, location=location, quantity=units
        )
        reserve(session, shortage.order_id, assignment, cause, now)
        detail = f"{units} x {sku} at {location} ({cause})"
        note(session, shortage.order_id, "backorder_filled", detail, now)


def orders_served(session: Session, cause: str) -> tuple[str, ...]:
    """The orders that got stock by `cause`; the same answer however often it is asked."""
    session.flush()
    rows = session.exec(
        select(StockMovement.order_id)
        .where(StockMovement.cause == cause, StockMovement.kind == MovementKind.RESERVE)
        .order_by(col(StockMovement.order_id))
        .distinct()
    )
    return tuple(order_id for order_id in rows if order_id)


def open_shortages(session: Session, place: Place) -> list[Shortage]:
    """Who waits for a SKU at a location, in the order of the promises."""
    sku, location = place
    return list(
        session.exec(
            select(Shortage)
            .where(
                Shortage.sku == sku,
                Shortage.location == location,
                Shortage.state == ShortageState.OPEN,
            )
            .order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
        )
    )


def reserve(
    session: Session, order_id: str, assignment: Assignment, cause: str, now: datetime
) -> None:
    """Hold units for an order line; a later hold at the same location adds to the first."""
    key = (order_id, assignment.line_no, assignment.location)
    row = session.get(Reservation, key)
    if row is None:
        session.add(
            Reservation(
                order_id=order_id,
                line_no=assignment.line_no,
                location=assignment.location,
                sku=assignment.sku,
                quantity=assignment.quantity,
                state=ReservationState.HELD,
            )
        )
    else:
        row.quantity += assignment.quantity
    change = Change(
        movement_id=f"reserve:{order_id}:{assignment.line_no}:{assignment.location}:{cause}",
        cause=cause,
        kind=MovementKind.RESERVE,
        sku=assignment.sku,
        location=assignment.location,
        reserved=assignment.quantity,
        order_id=order_id,
    )
    move(session, change, now)


class Inventory:
    """The steps of allocation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    def allocate_stock(self, step: OrderStep) -> Progress:
        """Reserve what is there; what isn't becomes a shortage."""
        return self._database.transaction(lambda session: self._allocate(session, step.order_id))

    @activity.defn
    def release_stock(self, step: OrderStep) -> Released:
        """Give back what an order holds, and withdraw its shortages."""
        return self._database.transaction(lambda session: self._release(session, step.order_id))

    def _allocate(self, session: Session, order_id: str) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        if order.allocated or order.cancellation is not Cancellation.NONE:
            return look(session, order)
        locations = list(session.exec(select(Location.location).order_by(Location.location)))
        if not locations:
            raise Refused("no_location", "there is no location: import locations.csv, then retry")
        needs = [
            Need(line_no=line.line_no, sku=line.sku, quantity=line.quantity)
            for line in session.exec(select(OrderLineRow).where(OrderLineRow.order_id == order_id))
        ]
        available = _available(session, {need.sku for need in needs})
        plan = allocate(needs, available, locations)
        lock_stock(session, ((s.sku, s.location) for s in plan.shortages))
        for assignment in plan.reservations:
            reserve(session, order_id, assignment, "allocate", now)
        for shortage in plan.shortages:
            _open_shortage(session, order, shortage, now)
        order.allocated = True
        note(session, order_id, "allocated", _in_words(plan.reservations, plan.shortages), now)
        return touch(session, order, now)

    def _release(self, session: Session, order_id: str) -> Released:
        order, now = lock_order(session, order_id), self._clock()
        held = (ReservationState.HELD, ReservationState.PICKED)
        reservations = select(Reservation).where(
            Reservation.order_id == order_id, col(Reservation.state).in_(held)
        )
        shortages = select(Shortage).where(
            Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN
        )
        rows = [*session.exec(reservations), *session.exec(shortages)]
        places = {(row.sku, row.location) for row in rows}
        lock_stock(session, places)
        for shortage in session.exec(shortages.execution_options(populate_existing=True)):
            shortage.state = ShortageState.WITHDRAWN
        for row in session.exec(reservations.execution_options(populate_existing=True)):
            row.state = ReservationState.RELEASED
            _unreserve(session, row, now)
        session.flush()
        cause = f"release:{order_id}"
        for place in sorted(places):
            fill_shortages(session, place, cause, now)
        if places:
            note(session, order_id, "released", f"{len(places)} stock places", now)
        freed = StockFreed(cause=cause, orders=orders_served(session, cause))
        return Released(progress=touch(session, order, now), freed=freed)


def _available(session: Session, skus: set[str]) -> dict[tuple[str, str], int]:
    """Units a new order may take, by (location, sku): none while an older shortage waits."""
    rows = session.exec(select(Stock.sku, Stock.location).where(col(Stock.sku).in_(skus)))
    stock = lock_stock(session, rows)
    waiting = select(Shortage.sku, Shortage.location).where(
        col(Shortage.sku).in_(skus), Shortage.state == ShortageState.OPEN
    )
    taken = {(sku, location) for sku, location in session.exec(waiting)}
    return {
        (location, sku): 0 if (sku, location) in taken else row.on_hand - row.reserved
        for (sku, location), row in stock.items()
    }


def _open_shortage(session: Session, order: Order, short: Assignment, now: datetime) -> None:
    session.add(
        Shortage(
            shortage_id=f"{order.order_id}-{short.line_no}",
            order_id=order.order_id,
            line_no=short.line_no,
            sku=short.sku,
            location=short.location,
            quantity=short.quantity,
            state=ShortageState.OPEN,
            promised_at=now,
        )
    )


def _unreserve(session: Session, row: Reservation, now: datetime) -> None:
    change = Change(
        movement_id=f"release:{row.order_id}:{row.line_no}:{row.location}",
        cause=f"release:{row.order_id}",
        kind=MovementKind.RELEASE,
        sku=row.sku,
        location=row.location,
        reserved=-row.quantity,
        order_id=row.order_id,
    )
    move(session, change, now)


def _in_words(reserved: Iterable[Assignment], short: Iterable[Assignment]) -> str:
    parts = [f"{a.quantity} x {a.sku} at {a.location}" for a in reserved]
    parts += [f"{a.quantity} x {a.sku} short" for a in short]
    return ", ".join(parts)[:1_000]
