"""Comparison of open orders with what they hold and lack."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.operations.delivery_comparison import compare_deliveries
from models.findings import Difference, line_difference, unnotified_order
from models.messages.nightly import CompareStep
from models.progress import FINAL_STAGES, Cancellation, Stage
from models.stock import SERVING, ShortageState
from models.tables.orders import Order, OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage
from models.tax import ProductKind


@dataclass(frozen=True)
class OpenOrder:
    """An open order, as read at one moment."""

    order_id: str
    workflow_id: str
    stage: Stage
    version: int


@dataclass(frozen=True)
class Recall:
    """A shipment that is being recalled from its carrier, for a command."""

    order_id: str
    shipment_id: str
    command_id: str


def compare_orders(session: Session, step: CompareStep) -> tuple[list[OpenOrder], list[Difference]]:
    """Compare the next open orders with their reservations, shortages and invoices."""
    rows = session.exec(
        select(Order)
        .where(Order.order_id > step.after, col(Order.stage).not_in(FINAL_STAGES))
        .order_by(Order.order_id)
        .limit(step.batch)
    ).all()
    allocated = [
        row.order_id for row in rows if row.allocated and row.cancellation is Cancellation.NONE
    ]
    orders = [OpenOrder(row.order_id, row.workflow_id, row.stage, row.version) for row in rows]
    differences = [*_compare_lines(session, allocated), *_unnotified(session, rows)]
    return orders, [*differences, *compare_deliveries(session, rows)]


def open_recalls(session: Session, order_ids: Sequence[str], before: datetime) -> list[Recall]:
    """Read the recalls that these orders have waited for since `before`."""
    query = (
        select(Shipment.order_id, Shipment.shipment_id, Shipment.called_back_by)
        .join(Order, col(Order.order_id) == col(Shipment.order_id))
        .where(
            col(Shipment.order_id).in_(order_ids),
            col(Shipment.called_back_by).is_not(None),
            Order.updated_at < before,
        )
    )
    return [Recall(*row) for row in session.exec(query)]


def _unnotified(session: Session, orders: Sequence[Order]) -> Iterable[Difference]:
    """Find orders that wait for stock although nothing of them is short."""
    waiting = [row.order_id for row in orders if row.stage is Stage.AWAITING_STOCK]
    short = session.exec(
        select(Shortage.order_id).where(
            col(Shortage.order_id).in_(waiting), Shortage.state == ShortageState.OPEN
        )
    )
    for order_id in sorted({*waiting} - {*short}):
        yield unnotified_order(order_id)


def _compare_lines(session: Session, order_ids: Sequence[str]) -> Iterable[Difference]:
    """Compare the ordered units of each line with its reserved, shipped and short units."""
    held = session.exec(
        select(Reservation.order_id, Reservation.line_no, func.sum(Reservation.quantity))
        .where(
            col(Reservation.order_id).in_(order_ids),
            col(Reservation.state).in_(SERVING),
        )
        .group_by(col(Reservation.order_id), col(Reservation.line_no))
    )
    short = session.exec(
        select(
            Shortage.order_id,
            Shortage.line_no,
            func.sum(col(Shortage.quantity) - col(Shortage.filled)),
        )
        .where(col(Shortage.order_id).in_(order_ids), Shortage.state == ShortageState.OPEN)
        .group_by(col(Shortage.order_id), col(Shortage.line_no))
    )
    units_held = {(order_id, line_no): int(units) for order_id, line_no, units in held}
    units_short = {(order_id, line_no): int(units) for order_id, line_no, units in short}
    lines = select(OrderLineRow).where(
        col(OrderLineRow.order_id).in_(order_ids), OrderLineRow.kind == ProductKind.GOODS
    )
    for line in session.exec(lines):
        key = (line.order_id, line.line_no)
        difference = line_difference(
            *key, line.sku, line.quantity, units_held.get(key, 0), units_short.get(key, 0)
        )
        if difference:
            yield difference
