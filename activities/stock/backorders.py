"""Backorders: open shortages, the stock that fills them, and the dates that are expected.

All functions that write need the locks of the SKUs' stock rows (`counters.lock_stock`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import EventDetails, record_events
from activities.stock.counters import reserve
from models import replenishment
from models.messages.steps import StockKey
from models.orders import Delivery
from models.purchasing import OPEN_STATES
from models.stock import SERVING, Assignment, ShortageState
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Reservation, Shortage, Stock


@dataclass
class Incoming:
    """Units of a purchase order that are due at a location."""

    po_id: str
    supplier_id: str
    units: int
    expected_date: date | None
    sent: bool


def open_shortages(session: Session, skus: Iterable[str]) -> list[Shortage]:
    """Read the open shortages of `skus`, the first promised first."""
    rows = session.exec(
        select(Shortage)
        .where(col(Shortage.sku).in_(list(skus)), Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
    )
    return list(rows)


def fill_shortages(work: UnitOfWork, skus: Iterable[str], cause: str) -> tuple[str, ...]:
    """Reserve available units for open shortages, first promised first, and date the rest.

    Units at a location go first to the shortages at that location: those elsewhere have a purchase
    of their own there. Remaining units go to the others: from a location that covers a shortage in
    full, or, for an order with partial delivery, from any. Returns the orders whose expected date
    changed.
    """
    skus = sorted(set(skus))
    rows = work.session.exec(
        select(Stock.sku, Stock.location, Stock.on_hand - Stock.reserved).where(
            col(Stock.sku).in_(skus)
        )
    )
    free = {StockKey(sku=sku, location=at): units for sku, at, units in rows if units > 0}
    filled: list[tuple[str, Assignment]] = []
    shortages = open_shortages(work.session, skus) if free else []
    for shortage in shortages:
        filled += _fill(shortage, shortage.location, free)
    for shortage in shortages:
        for location in _other_locations(work.session, shortage, free):
            filled += _fill(shortage, location, free)
    reserve(work, filled, cause)
    parts: EventDetails = defaultdict(list)
    for order_id, part in filled:
        text = f"{part.quantity} x {part.sku} at {part.location}"
        parts[order_id, "backorder_filled", cause].append(text)
    record_events(work, parts)
    return set_expected_dates(work, skus)


def _other_locations(session: Session, shortage: Shortage, free: dict[StockKey, int]) -> list[str]:
    """Return the other locations that may fill the rest of a shortage."""
    missing = shortage.quantity - shortage.filled
    others = sorted(
        (key for key in free if key.sku == shortage.sku), key=lambda key: (-free[key], key.location)
    )
    if not missing or not others:
        return []
    order = session.get_one(Order, shortage.order_id)
    if order.location is not None:
        return []
    if order.delivery is Delivery.PARTIAL:
        return [key.location for key in others]
    complete = [key.location for key in others if free[key] >= missing]
    may_move = complete and not shortage.filled and not _has_reservation(session, shortage)
    return complete[:1] if may_move else []


def _has_reservation(session: Session, shortage: Shortage) -> bool:
    """Return whether a location already serves a part of the line."""
    reserved = select(Reservation.order_id).where(
        Reservation.order_id == shortage.order_id,
        Reservation.line_no == shortage.line_no,
        col(Reservation.state).in_(SERVING),
    )
    return session.exec(reserved).first() is not None


def _fill(
    shortage: Shortage, location: str, free: dict[StockKey, int]
) -> list[tuple[str, Assignment]]:
    """Assign the free units of a location to a shortage; returned with the order's id, if any."""
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


def set_expected_dates(work: UnitOfWork, skus: Iterable[str]) -> tuple[str, ...]:
    """Set for each open shortage of `skus` the purchase order that completes it, and its date.

    The earliest units go to the first promised. Returns the orders whose expected date changed.
    """
    shortages = open_shortages(work.session, skus)
    before = {row.shortage_id: row.expected_date for row in shortages}
    parts: EventDetails = defaultdict(list)
    if shortages:
        coming = incoming_of(work.session, {row.sku for row in shortages}, work.today)
        for key, rows in _by_key(shortages).items():
            _set_dates(rows, coming.get(key, []), parts)
    record_events(work, parts)
    changed = (row.order_id for row in shortages if row.expected_date != before[row.shortage_id])
    return tuple(dict.fromkeys(changed))


def set_newest_dates(work: UnitOfWork, newest: Sequence[Shortage]) -> None:
    """Set the expected dates of the shortages promised last; the earlier ones keep theirs.

    So the cost of an order does not grow with the number of orders before it.
    """
    if not newest:
        return
    by_key = _by_key(sorted(newest, key=lambda row: row.shortage_id))
    skus = {key.sku for key in by_key}
    coming = incoming_of(work.session, skus, work.today)
    short = _backordered(work.session, skus)
    parts: EventDetails = defaultdict(list)
    for key, rows in by_key.items():
        earlier = short[key] - sum(row.quantity - row.filled for row in rows)
        left = coming.get(key, [])
        while earlier and left:
            earlier -= _take(earlier, left)
        _set_dates(rows, left, parts)
    record_events(work, parts)


def _by_key(shortages: Iterable[Shortage]) -> dict[StockKey, list[Shortage]]:
    grouped: dict[StockKey, list[Shortage]] = defaultdict(list)
    for shortage in shortages:
        grouped[shortage.key].append(shortage)
    return grouped


def _set_dates(shortages: Sequence[Shortage], coming: list[Incoming], parts: EventDetails) -> None:
    for shortage in shortages:
        missing, last = shortage.quantity - shortage.filled, None
        while missing and coming:
            last = coming[0]
            missing -= _take(missing, coming)
        _set_date(shortage, last if not missing else None, parts)


def _take(units: int, coming: list[Incoming]) -> int:
    """Take up to `units` from the first of `coming`, and drop it once it is used up."""
    taken = min(units, coming[0].units)
    coming[0].units -= taken
    if not coming[0].units:
        coming.pop(0)
    return taken


def _set_date(shortage: Shortage, completing: Incoming | None, parts: EventDetails) -> None:
    po_id = completing.po_id if completing else None
    expected = completing.expected_date if completing else None
    order_id, text = shortage.order_id, f"{shortage.quantity - shortage.filled} x {shortage.sku}"
    if completing and completing.sent and po_id != shortage.po_id:
        parts[order_id, "bought", completing.po_id].append(text)
    if po_id and expected and expected != shortage.expected_date:
        parts[order_id, "backorder_dated", f"expected {expected}, {po_id}"].append(text)
    if shortage.expected_date and not expected:
        parts[order_id, "backorder_undated", "no date any more"].append(text)
    if (shortage.po_id, shortage.expected_date) != (po_id, expected):
        shortage.po_id, shortage.expected_date = po_id, expected
    if po_id and shortage.problem:
        shortage.problem = None


def incoming(session: Session, key: StockKey, today: date) -> list[Incoming]:
    """Read the units due from purchase orders, the earliest first.

    A date before `today` counts as no date; units without a date are last.
    """
    return incoming_of(session, [key.sku], today).get(key, [])


def incoming_of(
    session: Session, skus: Iterable[str], today: date
) -> dict[StockKey, list[Incoming]]:
    """Read the units due of `skus` at all locations, as `incoming` does."""
    rows = session.exec(
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(col(PurchaseOrderLine.sku).in_(set(skus)), col(PurchaseOrder.state).in_(OPEN_STATES))
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
    )
    coming: dict[StockKey, list[Incoming]] = defaultdict(list)
    for order, line in rows:
        if units := due_units(line):
            expected = unless_passed(line.expected_date or order.expected_date, today)
            coming[StockKey(sku=line.sku, location=order.location)].append(
                Incoming(
                    order.po_id,
                    order.supplier_id,
                    units,
                    expected,
                    sent=order.sent_at is not None,
                )
            )
    return {
        key: sorted(found, key=lambda one: one.expected_date or date.max)
        for key, found in coming.items()
    }


def due_units(line: PurchaseOrderLine) -> int:
    """Return the units of a purchase order line that are promised and not received."""
    promised = line.quantity if line.expected is None else line.expected
    return max(0, promised - line.received)


def unless_passed(expected: date | None, today: date) -> date | None:
    """Return an expected date, or None where it lies before `today`."""
    return expected if expected is None or expected >= today else None


def low_keys(session: Session, points: Mapping[StockKey, int], today: date) -> list[StockKey]:
    """Return the stock keys whose position is at or below their reorder point in `points`."""
    levels = _positions(session, points.keys(), today) if points else {}
    return sorted(key for key, units in levels.items() if units <= points[key])


def _positions(session: Session, keys: Collection[StockKey], today: date) -> dict[StockKey, int]:
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
    """Return the units of all open shortages at a location."""
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
    return {StockKey(sku=sku, location=at): int(units) for sku, at, units in rows}
