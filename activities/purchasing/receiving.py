"""Receiving: goods of suppliers go into stock at their landed cost, and to open shortages."""

from sqlalchemy import func
from sqlmodel import Session, select

from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import reject_fact
from activities.purchasing.purchase_orders import (
    UNANSWERED,
    complete_purchase,
    lines_of,
    record_sent,
    supplier_document_id,
)
from activities.purchasing.supplier_invoices import match_invoices, unmatched_skus
from activities.stock.backorders import due_units, fill_shortages
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import notification_of_fills, orders_short_of
from models import ledger
from models.messages.facts import GoodsReceived
from models.messages.steps import Notification, StockKey
from models.money import MAX_AMOUNT_MINOR
from models.purchasing import (
    ArrivedUnits,
    PurchaseOrderState,
    PurchasingPolicy,
    freight_of_arrived,
    landed_value,
)
from models.stock import MovementKind
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine


@step
def receive_goods(work: UnitOfWork, fact: GoodsReceived) -> Notification:
    """Take received goods into stock once per receipt, post them, and fill shortages."""
    mark_applied(work, fact)
    order = work.session.get(PurchaseOrder, fact.po_id or "")
    line = work.session.get(PurchaseOrderLine, (fact.po_id or "", fact.sku or ""))
    if order is None or line is None:
        reject_fact(work, fact.po_id or "", fact, "po_id, sku: no such line")
        return Notification(cause=f"receipt:{fact.receipt_id}")
    key = StockKey(location=order.location, sku=line.sku)
    locked = {line.sku, *unmatched_skus(work.session, order)}
    lock_stock(work, locked, [key])
    work.session.refresh(order, with_for_update=True)
    work.session.refresh(line, with_for_update=True)
    work.restart_clock()
    receipt_id, earlier = supplier_document_id(work.session, GoodsReceipt, fact.receipt_id, order)
    cause = f"receipt:{receipt_id}"
    rescheduled: tuple[str, ...] = ()
    if earlier is not None:
        _reject_other_content(work, earlier, fact)
        rescheduled = orders_short_of(work.session, [line.sku])
    elif problem := receipt_problem(fact, order, line, work.rules.purchasing):
        reject_fact(work, order.po_id, fact, problem)
    else:
        record_sent(work, order)
        if order.state in UNANSWERED:
            order.state = PurchaseOrderState.SHIPPED
        _record_receipt(work, receipt_id, fact, order, line)
        rescheduled = fill_shortages(work, [line.sku], cause)
        match_invoices(work, order, locked)
        complete_purchase(work, order)
    return notification_of_fills(work, cause, rescheduled, [key])


def _record_receipt(
    work: UnitOfWork,
    receipt_id: str,
    fact: GoodsReceived,
    order: PurchaseOrder,
    line: PurchaseOrderLine,
) -> None:
    """Record a receipt, its stock movement and its journal entry; damaged units are no stock."""
    assert fact.quantity is not None
    good = fact.quantity - fact.damaged
    freight_minor = _freight_borne(work.session, order, line, good)
    value = landed_value(line.received, good, line.unit_cost_minor, freight_minor, line.duty_ppm)
    work.session.add(
        GoodsReceipt(
            receipt_id=receipt_id,
            po_id=order.po_id,
            sku=line.sku,
            location=order.location,
            quantity=fact.quantity,
            damaged=fact.damaged,
            value_minor=value.total_minor,
            occurred_at=min(fact.occurred_at or work.now, work.now),
        )
    )
    change = Change(
        movement_id=f"receipt:{receipt_id}",
        cause=f"receipt:{receipt_id}",
        kind=MovementKind.RECEIPT,
        sku=line.sku,
        location=order.location,
        on_hand=good,
        value_minor=value.total_minor,
    )
    if good:
        move(work, [change])
    entry = ledger.receipt_entry(
        receipt_id,
        order.currency,
        goods_minor=value.goods_minor,
        freight_minor=value.freight_minor + value.duty_minor,
    )
    post(work, entry, occurred_at=fact.occurred_at)
    line.received += good
    line.damaged += fact.damaged


def _freight_borne(
    session: Session, order: PurchaseOrder, line: PurchaseOrderLine, good: int
) -> int:
    """Return the freight in minor units that `good` units of a line bear.

    All goods received so far bear a share; the earlier receipts took theirs.
    """
    if not good:
        return 0
    receipts = select(func.sum(GoodsReceipt.value_minor)).where(GoodsReceipt.po_id == order.po_id)
    taken_minor = int(session.exec(receipts).one() or 0)
    arrived = []
    for row in lines_of(session, order.po_id):
        earlier = landed_value(0, row.received, row.unit_cost_minor, 0, row.duty_ppm)
        taken_minor -= earlier.total_minor
        now = good if row.sku == line.sku else 0
        due = max(0, due_units(row) - now) if order.state.is_open else 0
        units = ArrivedUnits(
            unit_cost_minor=row.unit_cost_minor, received=row.received + now, due=due
        )
        arrived.append(units)
    return max(0, freight_of_arrived(order.freight_minor, arrived) - taken_minor)


def receipt_problem(
    fact: GoodsReceived, order: PurchaseOrder, line: PurchaseOrderLine, policy: PurchasingPolicy
) -> str | None:
    """Return why a receipt is rejected, its field first; None where it is accepted."""
    if order.state is PurchaseOrderState.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if fact.quantity is None or fact.quantity < 1:
        return "quantity: missing, or not above zero"
    if fact.damaged > fact.quantity:
        return f"damaged: {fact.damaged} is more than the quantity, {fact.quantity}"
    most = policy.most_units(line.quantity) - line.received
    if fact.quantity > most:
        return (
            f"quantity: {line.quantity} x {line.sku} were ordered with {order.po_id} and "
            f"{line.received} were received: {max(0, most)} more can be taken, not {fact.quantity}"
        )
    if fact.quantity > MAX_AMOUNT_MINOR // max(1, line.unit_cost_minor):
        return "quantity: its value is out of range"
    return None


def _reject_other_content(work: UnitOfWork, earlier: GoodsReceipt, fact: GoodsReceived) -> None:
    """Reject a receipt that reuses the id of an earlier one; ignore a repeated one."""
    content = (earlier.po_id, earlier.sku, earlier.quantity, earlier.damaged)
    if content != (fact.po_id, fact.sku, fact.quantity, fact.damaged):
        reject_fact(work, fact.po_id or "", fact, "receipt_id: known with other content")
