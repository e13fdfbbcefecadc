"""Backorders: who waits for which SKU, who gets what has arrived, and what date they are given.

Everything here happens under the locks of the SKUs' stock rows (`stock.lock_stock`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import Parts, record_events
from activities.stock.counters import reserve
from models import replenishment
from models.messages.steps import StockKey
from models.orders import Delivery
from models.purchasing import OPEN_STATES
from models.stock import SERVING, Assignment, MovementKind, ShortageState
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Reservation, Shortage, Stock, StockMovement


@dataclass
class Incoming:
    """Units that a purchase order is still to bring to a place."""

    po_id: str
    units: int
    expected_date: date | None
    sent: bool


def open_shortages(session: Session, skus: Iterable[str]) -> list[Shortage]:
    """Who waits for any of `skus`, in the order of the promises."""
    rows = session.exec(
        select(Shortage)
        .where(col(Shortage.sku).in_(list(skus)), Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
    )
    return list(rows)


def waiting_orders(
    session: Session, skus: Iterable[str], location: str | None = None
) -> tuple[str, ...]:
    """The orders that wait for any of `skus`, anywhere or at a location: whom a step tells that
    runs again after its commit, as it can't know any more whose wait it has changed. Whoever has
    nothing new only looks."""
    waiting = open_shortages(session, skus)
    at = [s.order_id for s in waiting if location in (None, s.location)]
    return tuple(dict.fromkeys(at))


def fill_shortages(
    work: UnitOfWork,
    skus: Iterable[str],
    cause: str,
) -> tuple[str, ...]:
    """Turn open shortages into reservations, first promised first served, and date the rest.
    Returns the orders whose date is another now.

    What has come to a location is first for those who wait there: they were promised it, and for
    those who wait elsewhere something is bought there. What is left then goes to them: to a
    location that has all of it; an order that may be delivered in parts takes any part.
    """
    skus = sorted(set(skus))
    work.session.flush()
    rows = work.session.exec(
        select(Stock.sku, Stock.location, Stock.on_hand - Stock.reserved).where(
            col(Stock.sku).in_(skus)
        )
    )
    free = {StockKey(sku=sku, location=place): units for sku, place, units in rows if units > 0}
    given: list[tuple[str, Assignment]] = []
    waiting = open_shortages(work.session, skus) if free else []
    for shortage in waiting:
        given += _fill(shortage, shortage.location, free)
    for shortage in waiting if free else ():
        for location in _elsewhere(work.session, shortage, free):
            given += _fill(shortage, location, free)
    reserve(work, given, cause)
    parts: Parts = defaultdict(list)
    for order_id, part in given:
        words = f"{part.quantity} x {part.sku} at {part.location}"
        parts[order_id, "backorder_filled", cause].append(words)
    record_events(work, parts)
    return date_shortages(work, skus)


def _elsewhere(session: Session, shortage: Shortage, free: dict[StockKey, int]) -> list[str]:
    """The other locations that may serve what a shortage still lacks."""
    missing = shortage.quantity - shortage.filled
    others = sorted(
        (key for key in free if key.sku == shortage.sku),
        key=lambda key: (-free[key], key.location),
    )
    if not missing or not others:
        return []
    order = session.get_one(Order, shortage.order_id)
    if order.location is not None:
        return []
    if order.delivery is Delivery.PARTIAL:
        return [key.location for key in others]
    has_all = [key.location for key in others if free[key] >= missing]
    whole = has_all and not shortage.filled and not _holds_some(session, shortage)
    return has_all[:1] if whole else []


def _holds_some(session: Session, shortage: Shortage) -> bool:
    """Whether a line has stock somewhere already: it isn't torn apart."""
    held = select(Reservation.order_id).where(
        Reservation.order_id == shortage.order_id,
        Reservation.line_no == shortage.line_no,
        col(Reservation.state).in_(SERVING),
    )
    return session.exec(held).first() is not None


def _fill(
    shortage: Shortage, location: str, free: dict[StockKey, int]
) -> list[tuple[str, Assignment]]:
    """What a location gives to a shortage, with the order's id; nothing where it has nothing."""
    key = StockKey(sku=shortage.sku, location=location)
    units = min(free.get(key, 0), shortage.quantity - shortage.filled)
    if not units:
        return []
    free[key] -= units
    if not free[key]:
        del free[key]
    shortage.filled += units
    if shortage.filled == shortage.quantity:
        shortage.state, shortage.problem = ShortageState.FILLED, None
    part = Assignment(line_no=shortage.line_no, sku=shortage.sku, location=location, quantity=units)
    return [(shortage.order_id, part)]


def orders_served(work: UnitOfWork, cause: str, redated: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The orders that got stock by `cause`, the same however often it is asked; and `redated`."""
    work.session.flush()
    rows = work.session.exec(
        select(StockMovement.order_id)
        .where(StockMovement.cause == cause, StockMovement.kind == MovementKind.RESERVE)
        .order_by(col(StockMovement.order_id))
        .distinct()
    )
    return tuple(dict.fromkeys([*(order_id for order_id in rows if order_id), *redated]))


def places_relieved(work: UnitOfWork, cause: str) -> tuple[StockKey, ...]:
    """Where orders waited that got stock of another location by `cause`: less is to be bought
    there. The same answer however often it is asked."""
    work.session.flush()
    rows = work.session.exec(
        select(Shortage.location, Shortage.sku)
        .join(StockMovement, col(StockMovement.order_id) == col(Shortage.order_id))
        .where(
            StockMovement.cause == cause,
            StockMovement.kind == MovementKind.RESERVE,
            StockMovement.sku == Shortage.sku,
            StockMovement.location != Shortage.location,
        )
        .order_by(col(Shortage.sku), col(Shortage.location))
        .distinct()
    )
    return tuple(StockKey(location=location, sku=sku) for location, sku in rows)


def incoming(session: Session, key: StockKey, today: date) -> list[Incoming]:
    """What purchase orders are still to bring to a place, the earliest first; a date that has
    passed is none."""
    return incoming_of(session, [key.sku], today).get(key, [])


def incoming_of(
    session: Session, skus: Iterable[str], today: date
) -> dict[StockKey, list[Incoming]]:
    """As `incoming`, of all places of `skus`; a place that nothing comes to isn't there."""
    session.flush()
    rows = session.exec(
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(col(PurchaseOrderLine.sku).in_(set(skus)), col(PurchaseOrder.state).in_(OPEN_STATES))
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
    )
    coming: dict[StockKey, list[Incoming]] = defaultdict(list)
    for order, line in rows:
        if units := due_units(line):
            expected = still_ahead(line.expected_date or order.expected_date, today)
            coming[StockKey(sku=line.sku, location=order.location)].append(
                Incoming(order.po_id, units, expected, sent=order.sent_at is not None)
            )
    return {
        key: sorted(found, key=lambda i: i.expected_date or date.max)
        for key, found in coming.items()
    }


def position(session: Session, key: StockKey, today: date) -> int:
    """On hand and on order, less what is reserved and backordered."""
    return positions(session, [key], today)[key]


def positions(session: Session, keys: Iterable[StockKey], today: date) -> dict[StockKey, int]:
    """As `position`, of each of `keys`."""
    keys = set(keys)
    skus = {key.sku for key in keys}
    coming, short = incoming_of(session, skus, today), _backordered(session, skus)
    rows = session.exec(select(Stock).where(col(Stock.sku).in_(skus)))
    stock = {row.key: row for row in rows}
    return {
        key: replenishment.position(
            on_hand=stock[key].on_hand if key in stock else 0,
            on_order=sum(one.units for one in coming.get(key, ())),
            reserved=stock[key].reserved if key in stock else 0,
            backordered=short.get(key, 0),
        )
        for key in keys
    }


def backordered(session: Session, key: StockKey) -> int:
    """Units that orders are short of at a place."""
    return _backordered(session, {key.sku}).get(key, 0)


def _backordered(session: Session, skus: Iterable[str]) -> dict[StockKey, int]:
    rows = session.exec(
        select(
            Shortage.sku,
            Shortage.location,
            func.sum(col(Shortage.quantity) - col(Shortage.filled)),
        )
        .where(col(Shortage.sku).in_(skus), col(Shortage.state) == ShortageState.OPEN)
        .group_by(col(Shortage.sku), col(Shortage.location))
    )
    return {StockKey(sku=sku, location=place): int(units) for sku, place, units in rows}


def due_units(line: PurchaseOrderLine) -> int:
    """Units of a line that are still to come."""
    promised = line.quantity if line.expected is None else line.expected
    return max(0, promised - line.received)


def date_shortages(
    work: UnitOfWork,
    skus: Iterable[str],
) -> tuple[str, ...]:
    """Give each open shortage the purchase order that completes it, and its date: what comes
    first goes to who was promised first. Returns the orders whose date is another now."""
    open_now = open_shortages(work.session, skus)
    before = {s.shortage_id: s.expected_date for s in open_now}
    waiting: dict[StockKey, list[Shortage]] = defaultdict(list)
    for shortage in open_now:
        waiting[shortage.key].append(shortage)
    coming = (
        incoming_of(work.session, {key.sku for key in waiting}, work.now.date()) if waiting else {}
    )
    parts: Parts = defaultdict(list)
    for key, shortages in waiting.items():
        _date(shortages, coming.get(key, []), parts)
    record_events(work, parts)
    work.session.flush()
    changed = (s.order_id for s in open_now if s.expected_date != before[s.shortage_id])
    return tuple(dict.fromkeys(changed))


def date_newest(
    work: UnitOfWork,
    newest: Sequence[Shortage],
) -> None:
    """As `date_shortages`, for shortages that were promised after all others: those keep what they
    have, so that the cost doesn't grow with them."""
    if not newest:
        return
    ours: dict[StockKey, list[Shortage]] = defaultdict(list)
    for shortage in sorted(newest, key=lambda s: s.shortage_id):
        ours[shortage.key].append(shortage)
    skus = {key.sku for key in ours}
    work.session.flush()
    coming, short = (
        incoming_of(work.session, skus, work.now.date()),
        _backordered(work.session, skus),
    )
    parts: Parts = defaultdict(list)
    for key, shortages in ours.items():
        older = short[key] - sum(s.quantity - s.filled for s in shortages)
        rest = coming.get(key, [])
        while older and rest:
            older -= _take(older, rest)
        _date(shortages, rest, parts)
    record_events(work, parts)
    work.session.flush()


def _take(units: int, coming: list[Incoming]) -> int:
    """So many of `units` as the first of `coming` has; what has nothing left isn't coming."""
    taken = min(units, coming[0].units)
    coming[0].units -= taken
    if not coming[0].units:
        coming.pop(0)
    return taken


def _date(waiting: Sequence[Shortage], coming: list[Incoming], parts: Parts) -> None:
    for shortage in waiting:
        missing, last = shortage.quantity - shortage.filled, None
        while missing and coming:
            last = coming[0]
            missing -= _take(missing, coming)
        completes = last if not missing else None
        _set_date(shortage, completes, parts)


def _set_date(shortage: Shortage, completes: Incoming | None, parts: Parts) -> None:
    po_id = completes.po_id if completes else None
    expected = completes.expected_date if completes else None
    order_id, words = shortage.order_id, f"{shortage.quantity - shortage.filled} x {shortage.sku}"
    if completes and completes.sent and po_id != shortage.po_id:
        parts[order_id, "bought", completes.po_id].append(words)
    if po_id and expected and expected != shortage.expected_date:
        parts[order_id, "backorder_dated", f"expected {expected}, {po_id}"].append(words)
    if shortage.expected_date and not expected:
        parts[order_id, "backorder_undated", "no date any more"].append(words)
    if (shortage.po_id, shortage.expected_date) != (po_id, expected):
        shortage.po_id, shortage.expected_date = po_id, expected
    if po_id and shortage.problem:
        shortage.problem = None


def still_ahead(expected: date | None, today: date) -> date | None:
    """A date that has passed is none."""
    return expected if expected is None or expected >= today else None
