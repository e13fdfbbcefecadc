"""The steps of receiving, on SQLite and without an engine: receipts, invoices and landed cost."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from activities.database.unit_of_work import UnitOfWork
from activities.operations.reconciliation import Reconciliation
from activities.purchasing import reading as purchasing_reading
from activities.purchasing.receiving import receive_goods
from activities.purchasing.steps import plan_purchases
from activities.purchasing.supplier_invoices import record_supplier_invoice
from activities.purchasing.supplier_reports import apply_acknowledgement, apply_ship_notice
from activities.purchasing.track_records import lead_times, track_records
from models.ledger import Account
from models.messages.facts import (
    GoodsReceived,
    GoodsShipped,
    InvoicedLine,
    PromisedLine,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.messages.nightly import CloseStep
from models.messages.steps import PlanStep, PurchaseStep, StockKey
from models.money import format_amount
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.masterdata import SupplierOffer
from models.tables.operations import Finding, RejectedMessageRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from tests.support.masterdata.shop import Document
from tests.support.purchasing.supply import BERLIN_C, buy, place, receipt
from tests.support.stock.machine import Warehouse
from tests.support.stock.setup import RULES


def refusal_of(warehouse: Warehouse, fact: GoodsReceived) -> str | None:
    """Return why API and CLI refuse a receipt."""
    return warehouse.database.read(
        lambda session: purchasing_reading.receipt_refusal(
            session, fact, RULES.purchasing, warehouse.now
        )
    )


# Accepted and rejected facts.


def test_receipt_in_the_future_is_refused(warehouse: Warehouse) -> None:
    """A difference of a day is accepted: clocks and time zones differ."""
    line = buy(warehouse, 4)
    late = receipt(line, 4, occurred_at=datetime(2099, 1, 1, tzinfo=UTC))
    refusal = refusal_of(warehouse, late)
    assert refusal
    assert refusal.startswith("occurred_at: 2099-01-01")
    for hours in (-100, 0, 23):
        fact = receipt(line, 4, occurred_at=warehouse.now + timedelta(hours=hours))
        assert refusal_of(warehouse, fact) is None


@pytest.mark.parametrize("days", [-30, 30_000])
def test_lead_time_of_a_misdated_receipt_is_zero(warehouse: Warehouse, days: int) -> None:
    """A receipt dated before its purchase order, or in the future."""
    line = buy(warehouse, 4)
    fact = receipt(line, 4, occurred_at=warehouse.now + timedelta(days=days))
    receive_goods.run(warehouse.database, fact)
    [recorded] = warehouse.read(select(GoodsReceipt))
    assert recorded.occurred_at <= warehouse.now
    observed = warehouse.database.read(lambda session: lead_times(session, ["C"]))
    assert observed == {BERLIN_C: [0]}
    [supplier] = warehouse.read(select(PurchaseOrder.supplier_id))
    records = warehouse.database.read(lambda session: track_records(session, [supplier]))
    assert records[supplier].mean_lead_time_days == 0


def test_lead_time_counts_calendar_days(warehouse: Warehouse) -> None:
    """Received the day after tomorrow, an hour earlier than it was sent: two days."""
    line = buy(warehouse, 4)
    warehouse.now += timedelta(days=2, hours=-1)
    receive_goods.run(warehouse.database, receipt(line, 4))
    observed = warehouse.database.read(lambda session: lead_times(session, ["C"]))
    assert observed == {BERLIN_C: [2]}
    [supplier] = warehouse.read(select(PurchaseOrder.supplier_id))
    records = warehouse.database.read(lambda session: track_records(session, [supplier]))
    assert records[supplier].mean_lead_time_days == 2


def tax_day(warehouse: Warehouse, entry_id: str) -> date:
    """Return the tax date of a journal entry."""
    query = select(col(JournalEntry.tax_date)).where(JournalEntry.entry_id == entry_id)
    [day] = warehouse.read(query)
    return day


def invoiced(line: PurchaseOrderLine, occurred_at: datetime) -> SupplierInvoiced:
    """Make an invoice for four units of a line, at ten cents more than ordered."""
    cost = format_amount(line.unit_cost_minor + 10, "EUR")
    lines = (InvoicedLine(sku=line.sku, quantity=4, unit_cost=cost),)
    return SupplierInvoiced(
        invoice_id="SI", po_id=line.po_id, currency="EUR", lines=lines, occurred_at=occurred_at
    )


@pytest.mark.parametrize(("days", "counts"), [(-2, -2), (-400, 0), (1, 0)])
def test_tax_date_of_goods_and_invoice_is_their_day(
    warehouse: Warehouse, days: int, counts: int
) -> None:
    """However late they are reported; an impossible day counts as today."""
    line = buy(warehouse, 4)
    at = warehouse.now + timedelta(days=days)
    day = warehouse.now.date() + timedelta(days=counts)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=at))
    record_supplier_invoice.run(warehouse.database, invoiced(line, at))
    assert tax_day(warehouse, "goods_receipt:R") == tax_day(warehouse, "supplier_invoice:SI") == day


def test_tax_date_of_an_invoice_before_its_goods_is_the_day_of_the_goods(
    warehouse: Warehouse,
) -> None:
    """Earlier, there were no received goods to clear."""
    line = buy(warehouse, 4)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=warehouse.now))
    record_supplier_invoice.run(
        warehouse.database, invoiced(line, warehouse.now - timedelta(days=4))
    )
    assert tax_day(warehouse, "supplier_invoice:SI") == warehouse.now.date()


def test_tax_date_of_an_unmatched_invoice_is_not_before_its_recording(warehouse: Warehouse) -> None:
    """Both are of two days ago; the invoice is reported today, the goods tomorrow."""
    line = buy(warehouse, 4)
    reported_at = warehouse.now
    before = reported_at - timedelta(days=2)
    record_supplier_invoice.run(warehouse.database, invoiced(line, before))
    warehouse.wait(1)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=before))
    assert tax_day(warehouse, "goods_receipt:R") == before.date()
    assert tax_day(warehouse, "supplier_invoice:SI") == reported_at.date()


def test_damaged_units_count_towards_the_tolerance_but_may_be_replaced(
    warehouse: Warehouse,
) -> None:
    """Of twenty ordered units, twenty-two may be received at once, damaged ones included."""
    line = buy(warehouse, 20)
    for quantity, damaged in ((1_000_000, 1_000_000), (23, 23), (23, 1), (23, 0)):
        refusal = refusal_of(warehouse, receipt(line, quantity, damaged=damaged))
        assert refusal
        assert refusal.startswith("quantity: 20 x C")
        assert f"22 more can be taken, not {quantity}" in refusal
    receive_goods.run(warehouse.database, receipt(line, 22, damaged=22))
    assert refusal_of(warehouse, receipt(line, 22, receipt_id="R2")) is None


@pytest.mark.parametrize("of_line", [True, False])
def test_expected_date_in_the_past_counts_as_no_date(warehouse: Warehouse, of_line: bool) -> None:
    """From a partner: the offer's date counts instead. API and CLI refuse it, naming the field."""
    line = buy(warehouse, 4)
    today = warehouse.now.date()
    passed = {"expected_date": (today - timedelta(days=40)).isoformat()}
    lines = [{"sku": "C", "quantity": 4, **passed}]
    fields: Document = {"acknowledgement_id": "K", "po_id": line.po_id}
    fields |= {"lines": lines} if of_line else passed
    fact = SupplierAcknowledged.model_validate(fields)
    refusal = warehouse.database.read(
        lambda session: purchasing_reading.acknowledgement_refusal(session, fact, today)
    )
    field = "lines.0.expected_date" if of_line else "expected_date"
    assert refusal == f"{field}: {passed['expected_date']} has passed"
    apply_acknowledgement.run(warehouse.database, fact)
    notice = GoodsShipped.model_validate({"notice_id": "N", "po_id": line.po_id, **passed})
    apply_ship_notice.run(warehouse.database, notice)
    plan = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    assert plan.open == (line.po_id,)
    [line] = warehouse.read(select(PurchaseOrderLine))
    assert line.expected_date == today + timedelta(days=3)


@pytest.mark.parametrize(
    ("price", "refused"),
    [("-1", "lines.0.unit_cost: -1 is below zero"), ("1.505", "lines.0.unit_cost: '1.505'"),
     ("a", "lines.0.unit_cost: 'a'")],
)  # fmt: skip
def test_acknowledgement_with_a_wrong_price_is_rejected(
    warehouse: Warehouse, price: str, refused: str
) -> None:
    line = buy(warehouse, 4)
    promise = PromisedLine(sku="C", quantity=4, unit_cost=price)
    fact = SupplierAcknowledged(acknowledgement_id="K", po_id=line.po_id, lines=(promise,))
    reason = warehouse.database.read(
        lambda session: purchasing_reading.acknowledgement_refusal(
            session, fact, warehouse.now.date()
        )
    )
    assert reason
    assert reason.startswith(refused)
    apply_acknowledgement.run(warehouse.database, fact)
    [rejected] = warehouse.read(select(RejectedMessageRow))
    assert rejected.reason == reason


def test_acknowledged_price_is_compared_with_the_ordered_one(warehouse: Warehouse) -> None:
    """An open purchase order with another price is a finding until a later one agrees."""
    unused: Any = None
    reconciliation = Reconciliation(warehouse.database, unused)
    line = buy(warehouse, 4)
    ordered = format_amount(line.unit_cost_minor, "EUR")
    dearer = format_amount(line.unit_cost_minor + 25, "EUR")
    for number, (price, messages) in enumerate(
        [(dearer, [f"ordered at {ordered} EUR and acknowledged at {dearer}"]), (ordered, [])]
    ):
        promise = PromisedLine(sku="C", quantity=4, unit_cost=price)
        fact = SupplierAcknowledged(
            acknowledgement_id=f"K{number}", po_id=line.po_id, lines=(promise,)
        )
        apply_acknowledgement.run(warehouse.database, fact)
        view = warehouse.database.read(
            lambda session: purchasing_reading.purchase_order(session, line.po_id)
        )
        assert view
        assert view.lines[0].acknowledged_unit_cost == price
        warehouse.now += timedelta(minutes=1)
        asyncio.run(reconciliation.compare_ledger(CloseStep(seen_at=warehouse.now)))
        seen = select(Finding).where(Finding.last_seen_at == warehouse.now)
        found = [row.message for row in warehouse.read(seen)]
        assert len(found) == len(messages)
        assert all(part in message for part, message in zip(messages, found, strict=True))


# Landed cost.


def freight_of(warehouse: Warehouse) -> tuple[int, list[int]]:
    """Return the freight of the purchase order, and the part posted by each receipt."""
    postings = select(JournalPosting).where(JournalPosting.account == Account.ACCRUED_FREIGHT.value)
    posted = warehouse.read(postings.order_by(JournalPosting.entry_id))
    [freight_minor] = warehouse.read(select(PurchaseOrder.freight_minor))
    return freight_minor, [-row.amount_minor for row in posted]


def buy_with_freight(warehouse: Warehouse) -> str:
    """Purchase ten C and a hundred A at equal unit costs in one order with freight; return its id."""

    def offer(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer))
        for sku in "AC":
            work.session.add(
                SupplierOffer(
                    supplier_id="X",
                    sku=sku,
                    unit_cost_minor=100,
                    currency="EUR",
                    minimum_quantity=10 if sku == "C" else 100,
                    pack_size=1,
                    lead_time_days=3,
                    freight_cost_minor=5_500,
                )
            )

    warehouse.database.transaction(offer)
    for sku, quantity in (("C", 10), ("A", 20)):
        place(warehouse, quantity, sku=sku)
        plan = plan_purchases.run(
            warehouse.database, PlanStep(key=StockKey(location="BER", sku=sku))
        )
    po_id = plan.send[0].po_id
    asyncio.run(warehouse.purchasing.send_purchase_order(PurchaseStep(po_id=po_id, sku="A")))
    return po_id


def test_received_goods_bear_the_freight_of_units_not_promised(warehouse: Warehouse) -> None:
    """Nine of ten units in two parts; the tenth and the other line are not promised."""
    po_id = buy_with_freight(warehouse)
    promised = (PromisedLine(sku="A", quantity=0), PromisedLine(sku="C", quantity=9))
    acknowledgement = SupplierAcknowledged(acknowledgement_id="K", po_id=po_id, lines=promised)
    apply_acknowledgement.run(warehouse.database, acknowledgement)
    fact = GoodsReceived(receipt_id="R1", po_id=po_id, sku="C", quantity=3)
    receive_goods.run(warehouse.database, fact)
    rest = fact.model_copy(update={"receipt_id": "R2", "quantity": 7, "damaged": 1})
    receive_goods.run(warehouse.database, rest)
    assert freight_of(warehouse) == (5_500, [1_833, 3_667])


def test_last_receipt_bears_the_freight_of_a_line_that_is_no_longer_promised(
    warehouse: Warehouse,
) -> None:
    """A tenth of C is received when the supplier withdraws the other line."""
    po_id = buy_with_freight(warehouse)
    fact = GoodsReceived(receipt_id="R1", po_id=po_id, sku="C", quantity=1)
    receive_goods.run(warehouse.database, fact)
    assert freight_of(warehouse) == (5_500, [50])
    nothing = (PromisedLine(sku="A", quantity=0),)
    acknowledgement = SupplierAcknowledged(acknowledgement_id="K", po_id=po_id, lines=nothing)
    apply_acknowledgement.run(warehouse.database, acknowledgement)
    rest = fact.model_copy(update={"receipt_id": "R2", "quantity": 9})
    receive_goods.run(warehouse.database, rest)
    assert freight_of(warehouse) == (5_500, [50, 5_450])


# Suppliers' documents.


def test_two_suppliers_may_use_the_same_document_numbers(warehouse: Warehouse) -> None:
    """Receipts and invoices of both are recorded once; a number that a supplier uses for another
    document is rejected."""
    units = buy(warehouse, 4).quantity
    first = select(PurchaseOrder.supplier_id).scalar_subquery()
    dear = delete(SupplierOffer).where(col(SupplierOffer.supplier_id) == first)
    warehouse.database.transaction(lambda work: work.session.execute(dear))
    for _ in range(2):
        place(warehouse, units)
        warehouse._buy(BERLIN_C, sends=True, again=False)
    orders = warehouse.read(select(PurchaseOrder).order_by(col(PurchaseOrder.created_at)))
    other = orders[1].supplier_id
    assert [o.supplier_id == other for o in orders] == [False, True, True]
    line = InvoicedLine(sku="C", quantity=units, unit_cost="0.10")
    for order in (*orders[:2], *orders[:2]):
        fields: dict[str, Any] = {"po_id": order.po_id}
        goods = GoodsReceived(receipt_id="DN-1", sku="C", quantity=units, **fields)
        receive_goods.run(warehouse.database, goods)
        invoice = SupplierInvoiced(invoice_id="1", currency="EUR", lines=(line,), **fields)
        record_supplier_invoice.run(warehouse.database, invoice)
    receipts = warehouse.read(select(GoodsReceipt))
    recorded = {row.receipt_id: row.po_id for row in receipts}
    assert recorded == {"DN-1": orders[0].po_id, f"{other}:DN-1": orders[1].po_id}
    invoices = warehouse.read(select(SupplierInvoice))
    assert {row.invoice_id for row in invoices} == {"1", f"{other}:1"}
    assert all(row.matched_at for row in invoices)
    assert warehouse.read(select(RejectedMessageRow)) == []

    wrong = goods.model_copy(update={"po_id": orders[2].po_id})
    receive_goods.run(warehouse.database, wrong)
    [rejected] = warehouse.read(select(RejectedMessageRow))
    assert rejected.reason == "receipt_id: known with other content"


def test_unmatched_invoice_is_a_finding_after_two_weeks(warehouse: Warehouse) -> None:
    """Until the rest of its goods is received."""
    line = buy(warehouse, 5)
    po_id = line.po_id
    asked = InvoicedLine(sku="C", quantity=line.quantity, unit_cost="0.11")
    fact = SupplierInvoiced(invoice_id="I", po_id=po_id, currency="EUR", lines=(asked,))
    receive_goods.run(warehouse.database, receipt(line, 3, damaged=1))
    record_supplier_invoice.run(warehouse.database, fact)

    def is_matched() -> bool:
        details = warehouse.database.read(lambda s: purchasing_reading.purchase_order(s, po_id))
        assert details
        [invoice] = details.invoices
        return invoice.matched_at is not None

    def findings() -> list[str]:
        asyncio.run(reconciliation.compare_ledger(CloseStep(seen_at=warehouse.now)))
        return [row.message for row in warehouse.read(select(Finding))]

    unused: Any = None  # this step doesn't ask the engine
    reconciliation = Reconciliation(warehouse.database, unused)
    assert not is_matched()
    assert findings() == []
    warehouse.wait(14)
    [message] = findings()
    assert message.startswith(
        f"supplier invoice I of {po_id} asks for {line.quantity} x C, 2 came and 1 damaged ones: "
    )
    rest = receipt(line, line.quantity - 2, receipt_id="R2")
    receive_goods.run(warehouse.database, rest)
    assert is_matched()


def test_unmatched_invoice_of_a_completed_purchase_order_is_a_finding_at_once(
    warehouse: Warehouse,
) -> None:
    """The supplier has promised fewer units than it invoices."""
    line = buy(warehouse, 5)
    asked = InvoicedLine(sku="C", quantity=line.quantity, unit_cost="0.11")
    fact = SupplierInvoiced(invoice_id="I", po_id=line.po_id, currency="EUR", lines=(asked,))
    record_supplier_invoice.run(warehouse.database, fact)
    receive_goods.run(warehouse.database, receipt(line, 3))
    promised = (PromisedLine(sku="C", quantity=3),)
    acknowledgement = SupplierAcknowledged(acknowledgement_id="K", po_id=line.po_id, lines=promised)
    apply_acknowledgement.run(warehouse.database, acknowledgement)
    unused: Any = None
    reconciliation = Reconciliation(warehouse.database, unused)
    asyncio.run(reconciliation.compare_ledger(CloseStep(seen_at=warehouse.now)))
    [finding] = warehouse.read(select(Finding))
    assert (finding.finding_id, finding.subject) == ("supplier_invoice:I", line.po_id)
    assert f"asks for {line.quantity} x C, 3 came: " in finding.message
