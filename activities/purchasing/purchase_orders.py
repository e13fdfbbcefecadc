"""Purchase orders: their lines, their dates, and the states they go through."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import TypeVar

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import EventDetails, record_events
from activities.stock.backorders import due_units
from activities.stock.counters import lock_stock
from activities.stock.notifications import orders_short_of
from models.messages.steps import Notification, StockKey
from models.purchasing import PurchaseOrderState as State
from models.purchasing import Reason
from models.stock import ShortageState
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Shortage

UNANSWERED = (State.SENDING, State.SENT)
"""The states in which an acknowledgement is awaited."""
Document = TypeVar("Document", GoodsReceipt, SupplierInvoice)
"""A document of a supplier, numbered by the supplier."""
Purchase = tuple[PurchaseOrder, PurchaseOrderLine]
"""A purchase order with its line of one SKU."""


def lock_purchase(
    work: UnitOfWork, po_id: str
) -> tuple[PurchaseOrder | None, list[PurchaseOrderLine]]:
    """Lock the stock of a purchase order's SKUs, then the purchase order; return its lines too."""
    lock_stock(work, {line.sku for line in lines_of(work.session, po_id)})
    order = work.session.get(PurchaseOrder, po_id, with_for_update=True, populate_existing=True)
    work.restart_clock()
    return order, lines_of(work.session, po_id)


def select_purchases(key: StockKey) -> Select[PurchaseOrder, PurchaseOrderLine]:
    """Select the purchase orders of a SKU for a location, with its line, the earliest first."""
    return (
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(PurchaseOrderLine.sku == key.sku, PurchaseOrder.location == key.location)
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
    )


def lines_of(session: Session, po_id: str) -> list[PurchaseOrderLine]:
    """Read the lines of a purchase order, by SKU."""
    rows = session.exec(
        select(PurchaseOrderLine)
        .where(PurchaseOrderLine.po_id == po_id)
        .order_by(col(PurchaseOrderLine.sku))
        .execution_options(populate_existing=True)
    )
    return list(rows)


def keys_of(order: PurchaseOrder, lines: Iterable[PurchaseOrderLine]) -> tuple[StockKey, ...]:
    """Return the stock keys for which a purchase order was sent."""
    return tuple(StockKey(location=order.location, sku=line.sku) for line in lines)


def reason_of(line: PurchaseOrderLine) -> Reason:
    """Return why a line was purchased."""
    return Reason.model_validate(line.reason)


def quoted_date(line: PurchaseOrderLine) -> date | None:
    """Return the date that the offer promised: it counts until the supplier names one."""
    chosen = reason_of(line).comparison.chosen
    return chosen.expected_date if chosen else None


def expected_date_of(order: PurchaseOrder, line: PurchaseOrderLine) -> date | None:
    """Return the date on which a line is expected: the supplier's, or else the offer's."""
    return line.expected_date or order.expected_date or quoted_date(line)


def record_sent(work: UnitOfWork, order: PurchaseOrder) -> None:
    """Record once that the supplier has a purchase order, and note it for the orders it serves.

    Any report of the supplier proves it: the answer to the request may be lost.
    """
    if order.sent_at is not None:
        return
    order.sent_at = work.now
    if order.state is State.SENDING:
        order.state = State.SENT
    served = select(Shortage).where(
        Shortage.po_id == order.po_id, Shortage.state == ShortageState.OPEN
    )
    parts: EventDetails = defaultdict(list)
    about = f"{order.po_id} from {order.supplier_id}"
    for shortage in work.session.exec(served.order_by(col(Shortage.shortage_id))):
        text = f"{shortage.quantity - shortage.filled} x {shortage.sku}"
        parts[shortage.order_id, "bought", about].append(text)
    record_events(work, parts)


def complete_purchase(work: UnitOfWork, order: PurchaseOrder) -> None:
    """Set a purchase order without due units to received, or to invoiced once all of it is."""
    lines = lines_of(work.session, order.po_id)
    if any(due_units(line) for line in lines):
        return
    if order.state.is_open:
        order.state = State.RECEIVED
    if order.state is State.RECEIVED and all(line.invoiced >= line.received for line in lines):
        order.state, order.ended_at = State.INVOICED, work.now


def end_purchase(work: UnitOfWork, po_id: str, state: State, reason: str) -> Notification:
    """End a purchase order without its goods, and notify the replenishments of its SKUs."""
    order, lines = lock_purchase(work, po_id)
    assert order is not None, f"{po_id} was planned"
    if order.state.is_open:
        order.state, order.ended_reason, order.ended_at = state, reason[:500], work.now
        for line in lines:
            line.failed_at = work.now if due_units(line) else None
    return Notification(cause=f"{po_id}-{state}", stock_keys=keys_of(order, lines))


def supplier_document_id(
    session: Session, table: type[Document], number: str, order: PurchaseOrder | None
) -> tuple[str, Document | None]:
    """Return the id of a supplier's document, and the document that was recorded under it.

    The id is the supplier's number, or `SUPPLIER:number` where another supplier has used that.
    """
    earlier = session.get(table, number)
    if earlier is None or order is None:
        return number, earlier
    if session.get_one(PurchaseOrder, earlier.po_id).supplier_id == order.supplier_id:
        return number, earlier
    qualified = f"{order.supplier_id}:{number}"
    return qualified, session.get(table, qualified)


def repeated_notification(session: Session, po_id: str, cause: str) -> Notification:
    """Notify again of a report that was applied: all orders short of the purchase order's SKUs."""
    order = session.get(PurchaseOrder, po_id)
    if order is None:
        return Notification(cause=cause)
    lines = lines_of(session, po_id)
    return Notification(
        cause=cause,
        orders=orders_short_of(session, [line.sku for line in lines], order.location),
        stock_keys=keys_of(order, lines),
    )


def notification_of_sent(session: Session, po_id: str) -> Notification:
    """Notify the orders whose shortage a purchase order completes."""
    orders = session.exec(
        select(Shortage.order_id)
        .where(Shortage.po_id == po_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.order_id))
        .distinct()
    )
    return Notification(cause=po_id, orders=tuple(orders))
