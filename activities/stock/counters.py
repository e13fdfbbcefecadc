"""The counters of stock, changed together with reservations and movements.

Every change is one conditional UPDATE of the counters and one movement, in the caller's
transaction. The rows of a SKU at all its locations are locked first, SKUs in sorted order: the
locks protect its reservations and shortages too.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.unit_of_work import UnitOfWork
from models.errors import DatabaseBusy
from models.messages.steps import StockKey
from models.stock import Assignment, MovementKind, ReservationState
from models.tables.stock import Reservation, Stock, StockMovement

_LOCK_STOCK = (
    select(Stock)
    .where(col(Stock.sku).in_(bindparam("skus", expanding=True)))
    .order_by(col(Stock.sku), col(Stock.location))
    .with_for_update()
)
_UPDATE_COUNTERS = (
    update(Stock)
    .where(
        col(Stock.sku) == bindparam("key_sku"),
        col(Stock.location) == bindparam("key_location"),
        col(Stock.reserved) + bindparam("more_reserved") >= 0,
        col(Stock.on_hand) + bindparam("more_on_hand")
        >= col(Stock.reserved) + bindparam("more_reserved"),
        col(Stock.value_minor) + bindparam("more_value") >= 0,
    )
    .values(
        on_hand=col(Stock.on_hand) + bindparam("more_on_hand"),
        reserved=col(Stock.reserved) + bindparam("more_reserved"),
        value_minor=col(Stock.value_minor) + bindparam("more_value"),
    )
)


@dataclass(frozen=True)
class Change:
    """A change of one row of counters: units, and value in minor units.

    `movement_id` is its natural key, `cause` the fact or command behind it.
    """

    movement_id: str
    cause: str
    kind: MovementKind
    sku: str
    location: str
    on_hand: int = 0
    reserved: int = 0
    value_minor: int = 0
    order_id: str | None = None
    reason: str | None = None
    actor: str | None = None


def lock_stock(
    work: UnitOfWork, skus: Iterable[str], keys: Iterable[StockKey] = ()
) -> dict[StockKey, Stock]:
    """Lock the stock rows of `skus`, and of the SKUs of `keys`, at all locations.

    Rows are locked in sorted order. An empty row is added for each of `keys` that has none.
    """
    keys = set(keys)
    locked: dict[StockKey, Stock] = {}
    for some in chunks(sorted({*skus, *(key.sku for key in keys)})):
        rows = work.session.exec(
            _LOCK_STOCK, params={"skus": some}, execution_options={"populate_existing": True}
        )
        locked |= {row.key: row for row in rows}
    for key in sorted(keys - locked.keys()):
        locked[key] = Stock(sku=key.sku, location=key.location)
        work.session.add(locked[key])
    work.session.flush()
    work.restart_clock()
    return locked


def move(work: UnitOfWork, changes: Sequence[Change]) -> None:
    """Apply `changes` to the counters and record their movements.

    Raises DatabaseBusy where the counters do not allow a change: the caller read older ones.
    """
    if not changes:
        return
    work.session.flush()
    connection = work.session.connection()
    connection.execute(insert(StockMovement), [_movement(work, change) for change in changes])
    updated = connection.execute(_UPDATE_COUNTERS, [_counters(change) for change in changes])
    if updated.rowcount != len(changes):
        stock = ", ".join(f"{c.sku} at {c.location}" for c in changes[:3])
        raise DatabaseBusy(f"stock of {stock} has changed meanwhile")
    for row in work.session.identity_map.values():
        if isinstance(row, Stock):
            work.session.expire(row)


def _movement(work: UnitOfWork, change: Change) -> dict[str, object]:
    return {
        "movement_id": change.movement_id,
        "cause": change.cause,
        "sku": change.sku,
        "location": change.location,
        "kind": change.kind,
        "on_hand_change": change.on_hand,
        "reserved_change": change.reserved,
        "value_change_minor": change.value_minor,
        "order_id": change.order_id,
        "reason": change.reason,
        "actor": change.actor,
        "recorded_at": work.now,
    }


def _counters(change: Change) -> dict[str, object]:
    return {
        "key_sku": change.sku,
        "key_location": change.location,
        "more_on_hand": change.on_hand,
        "more_reserved": change.reserved,
        "more_value": change.value_minor,
    }


def reserve(
    work: UnitOfWork,
    assignments: Sequence[tuple[str, Assignment]],
    cause: str,
    *,
    is_first: bool = False,
) -> None:
    """Reserve units for lines of orders; each assignment comes with the id of its order.

    Units are added to the line's reservation at the same location, unless that is picked already:
    then they are a further part. `is_first`: the orders have no reservations yet.
    """
    order_ids = set() if is_first else {order_id for order_id, _ in assignments}
    existing = _reservations(work.session, order_ids)
    for order_id, assignment in assignments:
        parts = existing[order_id, assignment.line_no, assignment.location]
        part = next(
            (
                row
                for row in parts
                if row.sku == assignment.sku and row.state in _EXTENSIBLE and not row.shipment_id
            ),
            None,
        )
        if part is None:
            row = Reservation(
                order_id=order_id,
                line_no=assignment.line_no,
                location=assignment.location,
                part=len(parts) + 1,
                sku=assignment.sku,
                quantity=assignment.quantity,
                state=ReservationState.HELD,
            )
            parts.append(row)
            work.session.add(row)
        elif part.state is ReservationState.RELEASED:
            part.quantity, part.state = assignment.quantity, ReservationState.HELD
        else:
            part.quantity += assignment.quantity
    changes = [
        Change(
            movement_id=f"reserve:{order_id}:{a.line_no}:{a.location}:{cause}",
            cause=cause,
            kind=MovementKind.RESERVE,
            sku=a.sku,
            location=a.location,
            reserved=a.quantity,
            order_id=order_id,
        )
        for order_id, a in assignments
    ]
    move(work, changes)


_EXTENSIBLE = (ReservationState.HELD, ReservationState.RELEASED)
"""The states in which a reservation without a shipment accepts further units."""


def _reservations(
    session: Session, order_ids: set[str]
) -> dict[tuple[str, int, str], list[Reservation]]:
    """Read the reservations of each line at each location, by part; a missing key is empty."""
    found: dict[tuple[str, int, str], list[Reservation]] = defaultdict(list)
    for some in chunks(sorted(order_ids)):
        rows = select(Reservation).where(col(Reservation.order_id).in_(some))
        for row in session.exec(rows.order_by(col(Reservation.part))):
            found[row.order_id, row.line_no, row.location].append(row)
    return found


def release_of(row: Reservation, units: int, cause: str) -> Change:
    """Build the change that makes reserved units of a reservation available again."""
    return Change(
        movement_id=f"{cause}:{row.line_no}:{row.location}:{row.part}",
        cause=cause,
        kind=MovementKind.RELEASE,
        sku=row.sku,
        location=row.location,
        reserved=-units,
        order_id=row.order_id,
    )
