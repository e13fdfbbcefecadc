"""Comparison of stock counters with movements and reservations, and with orders that are over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.purchasing.stock_review import next_skus
from models.findings import Counted, Difference, left_over_difference, stock_differences
from models.messages.nightly import CompareStep
from models.messages.steps import StockKey
from models.progress import FINAL_STAGES, Stage
from models.purchasing import OPEN_STATES
from models.stock import ReservationState, ShortageState
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Reservation, Shortage, Stock, StockMovement

RESERVED = (ReservationState.HELD, ReservationState.PICKED)


def compare_stock(session: Session, step: CompareStep) -> tuple[list[str], int, list[Difference]]:
    """Compare the stock of the next SKUs.

    Returns the SKUs, the number of stock keys compared, and the differences.
    """
    skus = next_skus(session, step.after, step.batch)
    counters = {
        row.key: Counted(on_hand=row.on_hand, reserved=row.reserved, value_minor=row.value_minor)
        for row in session.exec(select(Stock).where(col(Stock.sku).in_(skus)))
    }
    moved, reserved, nothing = _moved(session, skus), _reserved(session, skus), Counted()
    keys = sorted({*counters, *moved, *reserved})
    differences = [
        difference
        for key in keys
        for difference in stock_differences(
            *key.primary_key,
            counters.get(key, nothing),
            moved.get(key, nothing),
            reserved.get(key, 0),
        )
    ]
    return skus, len(keys), [*differences, *_left_over(session, skus)]


def awaited_keys(session: Session, skus: Sequence[str], before: datetime) -> list[StockKey]:
    """Read the stock keys whose replenishment has to run.

    These have open shortages, or units on order, from before the given time.
    """
    short = (
        select(Shortage.location, Shortage.sku)
        .join(Order, col(Order.order_id) == col(Shortage.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            Order.placed_at < before,
        )
    )
    purchased = (
        select(PurchaseOrder.location, PurchaseOrderLine.sku)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            col(PurchaseOrderLine.sku).in_(skus),
            col(PurchaseOrder.state).in_(OPEN_STATES),
            func.coalesce(PurchaseOrderLine.expected, PurchaseOrderLine.quantity)
            > col(PurchaseOrderLine.received),
            PurchaseOrder.created_at < before,
        )
    )
    keys = {*session.exec(short), *session.exec(purchased)}
    return [StockKey(location=location, sku=sku) for location, sku in sorted(keys)]


def _moved(session: Session, skus: Sequence[str]) -> dict[StockKey, Counted]:
    """Sum up the stock movements."""
    rows = session.execute(
        select(StockMovement.sku, StockMovement.location)
        .add_columns(
            func.sum(StockMovement.on_hand_change),
            func.sum(StockMovement.reserved_change),
            func.sum(StockMovement.value_change_minor),
        )
        .where(col(StockMovement.sku).in_(skus))
        .group_by(col(StockMovement.sku), col(StockMovement.location))
    )
    return {
        StockKey(sku=sku, location=location): Counted(
            on_hand=int(on_hand), reserved=int(reserved), value_minor=int(value)
        )
        for sku, location, on_hand, reserved, value in rows
    }


def _reserved(session: Session, skus: Sequence[str]) -> dict[StockKey, int]:
    """Sum up the reservations."""
    rows = session.exec(
        select(Reservation.sku, Reservation.location, func.sum(Reservation.quantity))
        .where(col(Reservation.sku).in_(skus), col(Reservation.state).in_(RESERVED))
        .group_by(col(Reservation.sku), col(Reservation.location))
    )
    return {StockKey(sku=sku, location=location): int(units) for sku, location, units in rows}


def _left_over(session: Session, skus: Sequence[str]) -> Iterable[Difference]:
    """Find units that are reserved for, or short of, orders that are over."""
    reserved = session.exec(
        select(Order, Reservation)
        .join(Reservation, col(Reservation.order_id) == col(Order.order_id))
        .where(
            col(Reservation.sku).in_(skus),
            col(Reservation.state).in_(RESERVED),
            col(Order.stage).in_(FINAL_STAGES),
        )
    )
    short = session.exec(
        select(Order, Shortage)
        .join(Shortage, col(Shortage.order_id) == col(Order.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            col(Order.stage).in_(FINAL_STAGES),
        )
    )
    units: dict[tuple[str, Stage, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for order, reservation in reserved:
        key = (order.order_id, order.stage, reservation.sku, reservation.location)
        units[key][0] += reservation.quantity
    for order, shortage in short:
        key = (order.order_id, order.stage, shortage.sku, shortage.location)
        units[key][1] += shortage.quantity - shortage.filled
    for key, (reserved_units, short_units) in sorted(units.items()):
        yield left_over_difference(*key, reserved_units, short_units)
