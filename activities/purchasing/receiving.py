"""Receiving: goods from suppliers come into stock and go to who waits; their invoices are matched
with order and receipt."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import reject_fact
from activities.purchasing.steps import UNANSWERED, note_sent, settle
from activities.stock.backorders import (
    due_units,
    fill_shortages,
    orders_served,
    places_relieved,
    waiting_orders,
)
from activities.stock.counters import Change, lock_stock, move
from models import ledger
from models.errors import DatabaseBusy
from models.messages.facts import GoodsReceived, InvoicedLine, SupplierInvoiced
from models.messages.steps import Notification, StockKey
from models.money import MAX_AMOUNT_MINOR, parse_amount
from models.purchasing import (
    Arrived,
    BuyingPolicy,
    PurchaseOrderState,
    freight_of_arrived,
    landed_value,
)
from models.stock import MovementKind
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Stock


@step
def receive_goods(work: UnitOfWork, fact: GoodsReceived) -> Notification:
    """Take goods into stock, post them, and hand them to who waits; once per receipt."""
    mark_applied(work, fact)
    order, line = _line(work.session, fact.po_id, fact.sku)
    if order is None or line is None:
        reason = "po_id, sku: no such line"
        reject_fact(work, fact.po_id or "", fact, reason)
        return Notification(cause=f"receipt:{fact.receipt_id}")
    locked = {line.sku, *_asked_for(_unmatched(work.session, order))}
    here = StockKey(location=order.location, sku=line.sku)
    lock_stock(work, locked, [here])
    work.session.refresh(order, with_for_update=True)
    work.session.refresh(line, with_for_update=True)
    receipt_id, known = supplier_document_id(work.session, GoodsReceipt, fact.receipt_id, order)
    cause = f"receipt:{receipt_id}"
    redated: tuple[str, ...] = ()
    if known is not None:
        _note_difference(work, known, fact)
        redated = waiting_orders(work.session, [line.sku])
    elif problem := why_not_receive(fact, order, line, work.rules.buying):
        reject_fact(work, order.po_id, fact, problem)
    else:
        note_sent(work, order)
        if order.state in UNANSWERED:
            order.state = PurchaseOrderState.SHIPPED
        _take_in(work, receipt_id, fact, order, line)
        redated = fill_shortages(work, [line.sku], cause)
        _match(work, order, locked, fact)
        settle(work, order)
    places = (here, *places_relieved(work, cause))
    orders = orders_served(work, cause, redated)
    return Notification(cause=cause, orders=orders, places=places)


@step
def record_supplier_invoice(work: UnitOfWork, fact: SupplierInvoiced) -> Notification:
    """Match a supplier's invoice with what was ordered and received; post it, once."""
    mark_applied(work, fact)
    order = work.session.get(PurchaseOrder, fact.po_id or "")
    waiting = _asked_for(_unmatched(work.session, order)) if order else set()
    locked = waiting | {line.sku for line in fact.lines or ()}
    lock_stock(work, locked)
    if order is not None:
        work.session.refresh(order, with_for_update=True)
    invoice_id, known = supplier_document_id(work.session, SupplierInvoice, fact.invoice_id, order)
    if known is not None:
        if _content(known) != _content_told(fact):
            reason = "invoice_id: known with other content"
            reject_fact(work, fact.po_id or "", fact, reason)
    elif order is None:
        reason = "po_id: no such purchase order"
        reject_fact(work, fact.po_id or "", fact, reason)
    elif problem := _why_not_owe(work, fact, order):
        reject_fact(work, order.po_id, fact, problem)
    else:
        work.session.add(_recorded(work, invoice_id, fact, order))
        _match(work, order, locked, fact)
        settle(work, order)
    return Notification(cause=f"supplier-invoice:{invoice_id}")


def _take_in(
    work: UnitOfWork,
    receipt_id: str,
    fact: GoodsReceived,
    order: PurchaseOrder,
    line: PurchaseOrderLine,
) -> None:
    assert fact.quantity is not None
    good = fact.quantity - fact.damaged
    value = landed_value(
        line.received,
        good,
        line.unit_cost_minor,
        _freight_borne(work.session, order, line, good),
        line.duty_ppm,
    )
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
    post(work, entry, fact.occurred_at.date() if fact.occurred_at else None)
    line.received += good
    line.damaged += fact.damaged
    work.session.flush()


def _why_not_owe(work: UnitOfWork, fact: SupplierInvoiced, order: PurchaseOrder) -> str | None:
    """Why an invoice can't be right, whatever is still to come; None: it may be."""
    if order.state is PurchaseOrderState.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if fact.currency != order.currency:
        return f"currency: {order.po_id} is in {order.currency}"
    if not fact.lines:
        return "lines: missing"
    waiting = Counter[str]()
    for invoice in _unmatched(work.session, order):
        waiting.update({sku: units for sku, (units, _) in asked_by(invoice).items()})
    asked, amount_minor = Counter[str](), 0
    for told in fact.lines:
        if work.session.get(PurchaseOrderLine, (order.po_id, told.sku)) is None:
            return f"lines: {told.sku} isn't on {order.po_id}"
        try:
            cost_minor = parse_amount(told.unit_cost, order.currency)
        except ValueError as error:
            return f"unit_cost: {error}"
        asked[told.sku] += told.quantity
        amount_minor += cost_minor * told.quantity
        if cost_minor < 0 or amount_minor > MAX_AMOUNT_MINOR:
            return f"unit_cost: {told.unit_cost} is out of range"
    for sku, units in asked.items():
        line = work.session.get_one(PurchaseOrderLine, (order.po_id, sku), populate_existing=True)
        left = work.rules.buying.most_units(line.quantity) - line.invoiced - waiting[sku]
        if units > left:
            return f"quantity: {units} x {sku} are invoiced, {max(0, left)} can still be owed"
    return None


def _match(
    work: UnitOfWork,
    order: PurchaseOrder,
    locked: set[str],
    fact: GoodsReceived | SupplierInvoiced,
) -> None:
    """Post the invoices whose goods are here, as of the day on which both were; one that came
    before its goods waits for them.

    Raises DatabaseBusy where one names a SKU that isn't locked: it came a moment ago.
    """
    work.session.flush()
    for invoice in _unmatched(work.session, order):
        totals = asked_by(invoice)
        if not totals.keys() <= locked:
            raise DatabaseBusy(f"invoice {invoice.invoice_id} has come meanwhile")
        lines = {sku: work.session.get_one(PurchaseOrderLine, (order.po_id, sku)) for sku in totals}
        if all(n <= lines[sku].received - lines[sku].invoiced for sku, (n, _) in totals.items()):
            is_new = isinstance(fact, SupplierInvoiced)
            came = (fact.occurred_at or work.now) if is_new else invoice.recorded_at
            happened = max(came, _last_came(work.session, order))
            _post_invoice(work, invoice, order, lines, happened.date())


def _post_invoice(
    work: UnitOfWork,
    invoice: SupplierInvoice,
    order: PurchaseOrder,
    lines: dict[str, PurchaseOrderLine],
    happened: date,
) -> None:
    """The goods' own price clears what was received; a difference is cost of the goods: of
    those still held to the inventory, of the rest to cost of goods sold."""
    held_minor = 0
    for sku, (units, asked_minor) in sorted(asked_by(invoice).items()):
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
    post(work, entry, happened)
    work.session.flush()


def _last_came(session: Session, order: PurchaseOrder) -> datetime:
    """When the last of a purchase order's goods came."""
    last = select(func.max(GoodsReceipt.occurred_at)).where(GoodsReceipt.po_id == order.po_id)
    return session.exec(last).one()


def _revalue(
    work: UnitOfWork,
    invoice: SupplierInvoice,
    order: PurchaseOrder,
    sku: str,
    units: int,
    difference_minor: int,
) -> int:
    """Put the units' share of a price difference that is still on hand into the stock's value;
    returns it. The stock is never worth less than nothing."""
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


Paper = TypeVar("Paper", GoodsReceipt, SupplierInvoice)


def supplier_document_id(
    session: Session, table: type[Paper], given: str, order: PurchaseOrder | None
) -> tuple[str, Paper | None]:
    """The id under which a supplier's receipt or invoice is kept, and what is known by it: the one
    that it gives, or, where another supplier has used that, its own in front: `SUPPLIER:id`."""
    known = session.get(table, given)
    if known is None or order is None:
        return given, known
    if session.get_one(PurchaseOrder, known.po_id).supplier_id == order.supplier_id:
        return given, known
    own = f"{order.supplier_id}:{given}"
    return own, session.get(table, own)


def why_not_receive(
    fact: GoodsReceived, order: PurchaseOrder, line: PurchaseOrderLine, buying: BuyingPolicy
) -> str | None:
    """Why a receipt can't be taken; None: it can. Raises nothing."""
    if order.state is PurchaseOrderState.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if fact.quantity is None or fact.quantity < 1:
        return "quantity: missing, or not above zero"
    if fact.damaged > fact.quantity:
        return f"damaged: {fact.damaged} of {fact.quantity} units can't be"
    most = buying.most_units(line.quantity) - line.received
    if fact.quantity > most:
        return (
            f"quantity: {line.quantity} x {line.sku} were ordered with {order.po_id} and "
            f"{line.received} came: {max(0, most)} more can be taken, not {fact.quantity}"
        )
    if fact.quantity > MAX_AMOUNT_MINOR // max(1, line.unit_cost_minor):
        return "quantity: its value is out of range"
    return None


def _line(
    session: Session, po_id: str | None, sku: str | None
) -> tuple[PurchaseOrder | None, PurchaseOrderLine | None]:
    return (
        session.get(PurchaseOrder, po_id or ""),
        session.get(PurchaseOrderLine, (po_id or "", sku or "")),
    )


def _freight_borne(
    session: Session, order: PurchaseOrder, line: PurchaseOrderLine, good: int
) -> int:
    """What so many good units of a line bear of the order's freight: what all goods so far should
    bear, less what the earlier ones have taken."""
    if not good:
        return 0
    receipts = select(func.sum(GoodsReceipt.value_minor)).where(GoodsReceipt.po_id == order.po_id)
    taken_minor = int(session.exec(receipts).one() or 0)
    arrived = []
    for row in session.exec(
        select(PurchaseOrderLine)
        .where(PurchaseOrderLine.po_id == order.po_id)
        .execution_options(populate_existing=True)
    ):
        earlier = landed_value(0, row.received, row.unit_cost_minor, 0, row.duty_ppm)
        taken_minor -= earlier.total_minor
        now = good if row.sku == line.sku else 0
        due = max(0, due_units(row) - now) if order.state.is_open else 0
        cost_minor = row.unit_cost_minor
        arrived.append(Arrived(unit_cost_minor=cost_minor, received=row.received + now, due=due))
    return max(0, freight_of_arrived(order.freight_minor, arrived) - taken_minor)


def _unmatched(session: Session, order: PurchaseOrder) -> list[SupplierInvoice]:
    """The invoices of a purchase order whose goods aren't all here yet, the earliest first."""
    rows = session.exec(
        select(SupplierInvoice)
        .where(SupplierInvoice.po_id == order.po_id, col(SupplierInvoice.matched_at).is_(None))
        .order_by(col(SupplierInvoice.recorded_at), col(SupplierInvoice.invoice_id))
    )
    return list(rows)


def _recorded(
    work: UnitOfWork,
    invoice_id: str,
    fact: SupplierInvoiced,
    order: PurchaseOrder,
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
    for sku, (units, asked_minor) in asked_by(invoice).items():
        line = work.session.get_one(PurchaseOrderLine, (order.po_id, sku))
        invoice.amount_minor += asked_minor
        invoice.difference_minor += asked_minor - units * line.unit_cost_minor
    return invoice


def asked_by(invoice: SupplierInvoice) -> dict[str, tuple[int, int]]:
    """Units and minor units that an invoice asks for, by SKU."""
    totals: dict[str, tuple[int, int]] = {}
    for told in map(InvoicedLine.model_validate, invoice.lines):
        units, amount_minor = totals.get(told.sku, (0, 0))
        asked_minor = told.quantity * parse_amount(told.unit_cost, invoice.currency)
        totals[told.sku] = (units + told.quantity, amount_minor + asked_minor)
    return totals


def _asked_for(invoices: Iterable[SupplierInvoice]) -> set[str]:
    return {sku for invoice in invoices for sku in asked_by(invoice)}


def _content(known: SupplierInvoice) -> tuple[object, ...]:
    return known.po_id, known.currency, known.lines


def _content_told(fact: SupplierInvoiced) -> tuple[object, ...]:
    return fact.po_id, fact.currency, [line.model_dump(mode="json") for line in fact.lines or ()]


def _note_difference(
    work: UnitOfWork,
    known: GoodsReceipt,
    fact: GoodsReceived,
) -> None:
    """The same receipt again is nothing; with other content it is odd."""
    same = (known.po_id, known.sku, known.quantity, known.damaged)
    if same != (fact.po_id, fact.sku, fact.quantity, fact.damaged):
        reason = "receipt_id: known with other content"
        reject_fact(work, fact.po_id or "", fact, reason)
