"""Suppliers' invoices: matched with purchase order and receipts, then posted.

An invoice stays unmatched until all its goods are received.
"""

from collections import Counter
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import reject_fact
from activities.purchasing.purchase_orders import complete_purchase, supplier_document_id
from activities.stock.counters import Change, lock_stock, move
from models import ledger
from models.errors import DatabaseBusy
from models.messages.facts import InvoicedLine, SupplierInvoiced
from models.messages.steps import Notification
from models.money import MAX_AMOUNT_MINOR, parse_amount
from models.purchasing import PurchaseOrderState
from models.stock import MovementKind
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Stock


@step
def record_supplier_invoice(work: UnitOfWork, fact: SupplierInvoiced) -> Notification:
    """Record a supplier's invoice once, and post it where its goods are received."""
    mark_applied(work, fact)
    order = work.session.get(PurchaseOrder, fact.po_id or "")
    locked = {line.sku for line in fact.lines or ()}
    if order is not None:
        locked |= unmatched_skus(work.session, order)
    lock_stock(work, locked)
    if order is not None:
        work.session.refresh(order, with_for_update=True)
        work.restart_clock()
    invoice_id, earlier = supplier_document_id(
        work.session, SupplierInvoice, fact.invoice_id, order
    )
    if earlier is not None:
        if not _same_content(earlier, fact):
            reject_fact(work, fact.po_id or "", fact, "invoice_id: known with other content")
    elif order is None:
        reject_fact(work, fact.po_id or "", fact, "po_id: no such purchase order")
    elif problem := _why_not_accept(work, fact, order):
        reject_fact(work, order.po_id, fact, problem)
    else:
        work.session.add(_invoice(work, invoice_id, fact, order))
        match_invoices(work, order, locked, fact.occurred_at or work.now)
        complete_purchase(work, order)
    return Notification(cause=f"supplier-invoice:{invoice_id}")


def _same_content(invoice: SupplierInvoice, fact: SupplierInvoiced) -> bool:
    lines = [line.model_dump(mode="json") for line in fact.lines or ()]
    content = (invoice.po_id, invoice.currency, invoice.lines)
    return content == (fact.po_id, fact.currency, lines)


def _why_not_accept(work: UnitOfWork, fact: SupplierInvoiced, order: PurchaseOrder) -> str | None:
    """Return why an invoice can never match, its field first; None where it may."""
    if order.state is PurchaseOrderState.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if fact.currency != order.currency:
        return f"currency: {order.po_id} is in {order.currency}"
    if not fact.lines:
        return "lines: missing"
    invoiced, amount_minor = Counter[str](), 0
    for invoiced_line in fact.lines:
        if work.session.get(PurchaseOrderLine, (order.po_id, invoiced_line.sku)) is None:
            return f"lines: {invoiced_line.sku} isn't on {order.po_id}"
        try:
            cost_minor = parse_amount(invoiced_line.unit_cost, order.currency)
        except ValueError as error:
            return f"unit_cost: {error}"
        invoiced[invoiced_line.sku] += invoiced_line.quantity
        amount_minor += cost_minor * invoiced_line.quantity
        if cost_minor < 0 or amount_minor > MAX_AMOUNT_MINOR:
            return f"unit_cost: {invoiced_line.unit_cost} is out of range"
    unmatched = Counter[str]()
    for invoice in _unmatched(work.session, order):
        unmatched.update({sku: units for sku, (units, _) in invoiced_by_sku(invoice).items()})
    for sku, units in invoiced.items():
        line = work.session.get_one(PurchaseOrderLine, (order.po_id, sku), populate_existing=True)
        left = work.rules.purchasing.most_units(line.quantity) - line.invoiced - unmatched[sku]
        if units > left:
            return f"quantity: {units} x {sku} are invoiced, {max(0, left)} can still be owed"
    return None


def _invoice(
    work: UnitOfWork, invoice_id: str, fact: SupplierInvoiced, order: PurchaseOrder
) -> SupplierInvoice:
    invoice = SupplierInvoice(
        invoice_id=invoice_id,
        po_id=order.po_id,
        currency=order.currency,
        amount_minor=0,
        difference_minor=0,
        lines=[line.model_dump(mode="json") for line in fact.lines or ()],
        recorded_at=work.now,
    )
    for sku, (units, asked_minor) in invoiced_by_sku(invoice).items():
        line = work.session.get_one(PurchaseOrderLine, (order.po_id, sku))
        invoice.amount_minor += asked_minor
        invoice.difference_minor += asked_minor - units * line.unit_cost_minor
    return invoice


def invoiced_by_sku(invoice: SupplierInvoice) -> dict[str, tuple[int, int]]:
    """Return the units and the amount in minor units that an invoice asks for, by SKU."""
    totals: dict[str, tuple[int, int]] = {}
    for line in map(InvoicedLine.model_validate, invoice.lines):
        units, amount_minor = totals.get(line.sku, (0, 0))
        line_minor = line.quantity * parse_amount(line.unit_cost, invoice.currency)
        totals[line.sku] = (units + line.quantity, amount_minor + line_minor)
    return totals


def unmatched_skus(session: Session, order: PurchaseOrder) -> set[str]:
    """Return the SKUs of a purchase order's unmatched invoices."""
    return {sku for invoice in _unmatched(session, order) for sku in invoiced_by_sku(invoice)}


def _unmatched(session: Session, order: PurchaseOrder) -> list[SupplierInvoice]:
    """Read the unmatched invoices of a purchase order, the earliest first."""
    rows = session.exec(
        select(SupplierInvoice)
        .where(SupplierInvoice.po_id == order.po_id, col(SupplierInvoice.matched_at).is_(None))
        .order_by(col(SupplierInvoice.recorded_at), col(SupplierInvoice.invoice_id))
    )
    return list(rows)


def match_invoices(
    work: UnitOfWork, order: PurchaseOrder, locked: set[str], invoiced_at: datetime | None = None
) -> None:
    """Post the unmatched invoices whose goods are all received.

    The tax date is the later one of goods and invoice. `invoiced_at`: when an invoice that is just
    recorded was issued; earlier ones count from their recording. Raises DatabaseBusy where an
    invoice names a SKU that isn't `locked`: it was recorded meanwhile.
    """
    for invoice in _unmatched(work.session, order):
        totals = invoiced_by_sku(invoice)
        if not totals.keys() <= locked:
            raise DatabaseBusy(f"invoice {invoice.invoice_id} was recorded meanwhile")
        lines = {sku: work.session.get_one(PurchaseOrderLine, (order.po_id, sku)) for sku in totals}
        if all(n <= lines[sku].received - lines[sku].invoiced for sku, (n, _) in totals.items()):
            issued_at = invoiced_at or invoice.recorded_at
            happened = max(issued_at, _last_receipt_at(work.session, order))
            _post(work, invoice, order, lines, happened)


def _last_receipt_at(session: Session, order: PurchaseOrder) -> datetime:
    last = select(func.max(GoodsReceipt.occurred_at)).where(GoodsReceipt.po_id == order.po_id)
    return session.exec(last).one()


def _post(
    work: UnitOfWork,
    invoice: SupplierInvoice,
    order: PurchaseOrder,
    lines: dict[str, PurchaseOrderLine],
    happened: datetime,
) -> None:
    """Post an invoice: the price of the purchase order clears the received goods.

    A difference is cost of the goods: inventory for units on hand, cost of goods sold for the rest.
    """
    held_minor = 0
    for sku, (units, asked_minor) in sorted(invoiced_by_sku(invoice).items()):
        difference_minor = asked_minor - units * lines[sku].unit_cost_minor
        held_minor += _revalue(work, invoice, order, sku, units, difference_minor)
        lines[sku].invoiced += units
    invoice.matched_at = work.now
    entry = ledger.supplier_invoice_entry(
        invoice.invoice_id,
        order.currency,
        received_minor=invoice.amount_minor - invoice.difference_minor,
        asked_minor=invoice.amount_minor,
        held_minor=held_minor,
    )
    post(work, entry, occurred_at=happened)


def _revalue(
    work: UnitOfWork,
    invoice: SupplierInvoice,
    order: PurchaseOrder,
    sku: str,
    units: int,
    difference_minor: int,
) -> int:
    """Add the part of a price difference for units on hand to the value of the stock.

    Returns that part in minor units. The value of the stock never goes below zero.
    """
    stock = work.session.get_one(Stock, (sku, order.location), populate_existing=True)
    held = min(units, stock.on_hand)
    part_minor = max(difference_minor * held // units, -stock.value_minor) if held else 0
    if part_minor:
        change = Change(
            movement_id=f"supplier-invoice:{invoice.invoice_id}:{sku}",
            cause=f"supplier-invoice:{invoice.invoice_id}",
            kind=MovementKind.REVALUE,
            sku=sku,
            location=order.location,
            value_minor=part_minor,
        )
        move(work, [change])
    return part_minor
