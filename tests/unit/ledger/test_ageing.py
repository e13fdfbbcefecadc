"""The ageing of receivables: now, and at the end of past days."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from models.progress import Cancellation, ShipmentState
from models.shipping import FreightMode
from models.tables.billing import (
    CreditNoteRow,
    InvoiceRow,
    Payment,
    PaymentReversal,
    Reminder,
)
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.views.ledger import Ageing, AgeingBucket
from tests.support.ledger.journal import (
    CASH,
    RECEIVABLE,
    REVENUE,
    TODAY,
    book,
    copy_database,
    import_customers,
    owe,
)


@pytest.fixture
def customers(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database with two customers."""
    opened = copy_database(migrated_file, tmp_path)
    import_customers(opened, tmp_path)
    yield opened
    opened.close()


def ageing(database: Database) -> Ageing:
    """Return the ageing as of today."""
    return database.read(lambda s: ledger_reading.ageing(s, TODAY))


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-1, "current"),
        (0, "current"),
        (1, "1-30"),
        (30, "1-30"),
        (31, "31-60"),
        (60, "31-60"),
        (61, "61-90"),
        (90, "61-90"),
        (91, "over 90"),
        (4000, "over 90"),
    ],
)
def test_invoice_is_in_bucket_of_its_days_overdue(
    customers: Database, days: int, bucket: str
) -> None:
    owe(customers, "O-1", TODAY - timedelta(days=days))
    view = ageing(customers)
    [row] = view.invoices
    assert (row.bucket, row.days_overdue, row.amount) == (bucket, max(0, days), "100.00")
    [total] = view.totals
    assert {name: amount for name, amount in total.buckets.items() if amount != "0.00"} == {
        AgeingBucket(bucket): "100.00"
    }
    assert (total.total, total.ledger, view.equals_ledger) == ("100.00", "100.00", True)


def test_invoice_without_due_date_is_due_when_issued(customers: Database) -> None:
    owe(customers, "O-1", None)
    [row] = ageing(customers).invoices
    assert (row.due, row.issued, row.bucket) == (date(2026, 5, 1), date(2026, 5, 1), "61-90")


def test_receivable_is_invoiced_amount_less_payments_and_credits(customers: Database) -> None:
    """Fees and cancelled orders are included; refunds that we owe are not receivables."""
    owe(customers, "PART", TODAY, paid_minor=4_000)
    owe(customers, "PAID", TODAY, paid_minor=10_000)
    owe(customers, "FEES", TODAY, fees_minor=500)
    owe(customers, "GONE", TODAY, forgiven_minor=10_000)
    owe(customers, "BACK", TODAY, credited_minor=3_000, payable_minor=0)
    owe(customers, "REFUND", TODAY, paid_minor=10_000, credited_minor=3_000, payable_minor=3_000)
    owe(customers, "NOTYET", TODAY, invoiced=False)
    owe(customers, "CANCELLED", TODAY, cancellation=Cancellation.DONE, fees_minor=1)
    view = ageing(customers)
    assert {row.order_id: row.amount for row in view.invoices} == {
        "PART": "60.00",
        "FEES": "105.00",
        "BACK": "70.00",
        "CANCELLED": "100.01",
    }
    assert view.equals_ledger


def test_ageing_has_totals_by_customer_and_currency(customers: Database) -> None:
    owe(customers, "O-1", TODAY - timedelta(days=40))
    owe(customers, "O-2", TODAY, customer_id="C-2")
    owe(customers, "O-3", TODAY)
    view = ageing(customers)
    assert [row.order_id for row in view.invoices] == ["O-1", "O-3", "O-2"]
    assert [(row.customer_id, row.total) for row in view.customers] == [
        ("C-1", "200.00"),
        ("C-2", "100.00"),
    ]
    assert view.totals[0].buckets[AgeingBucket.TO_60] == "100.00"
    assert view.totals[0].total == "300.00"


def test_ageing_shows_difference_from_ledger(customers: Database) -> None:
    """In both directions, and in a currency without open invoices."""
    owe(customers, "O-1", TODAY, posted=False)
    assert not ageing(customers).equals_ledger
    book(customers, "invoice:O-1", RECEIVABLE, REVENUE, 10_000)
    assert ageing(customers).equals_ledger
    book(customers, "x", RECEIVABLE, REVENUE, 5, currency="USD")
    view = ageing(customers)
    assert not view.equals_ledger
    assert [(row.currency, row.total, row.ledger) for row in view.totals] == [
        ("EUR", "100.00", "100.00"),
        ("USD", "0.00", "0.05"),
    ]


PAST = [
    (date(2026, 4, 30), {}, 0, "current"),
    (date(2026, 5, 1), {"O-1": "100.00"}, 0, "current"),
    (date(2026, 5, 20), {"O-1": "40.00"}, 0, "current"),
    (date(2026, 6, 10), {"O-1": "45.00", "O-2": "10.00"}, 1, "1-30"),
    (TODAY, {"O-2": "10.00"}, 0, ""),
]


@pytest.mark.parametrize(("at", "owed", "level", "bucket"), PAST)
def test_ageing_of_a_past_day_is_by_the_postings_until_then(
    customers: Database, at: date, owed: dict[str, str], level: int, bucket: str
) -> None:
    """Payments, fees and reminders of later days don't count."""
    due = date(2026, 5, 31)
    owe(customers, "O-1", due, posted=False, paid_minor=10_500, fees_minor=500)
    owe(customers, "O-2", due, customer_id="C-2", posted=False, total_minor=1_000)
    receivable = [
        ("invoice:INV-O-1", "O-1", 10_000, date(2026, 5, 1)),
        ("payment:1", "O-1", -6_000, date(2026, 5, 20)),
        ("dunning_fee:INV-O-1:1", "O-1", 500, date(2026, 6, 10)),
        ("invoice:INV-O-2", "O-2", 1_000, date(2026, 6, 1)),
        ("payment:2", "O-1", -4_500, date(2026, 6, 20)),
    ]
    for entry_id, order_id, minor, day in receivable:
        debit, credit = (RECEIVABLE, REVENUE) if minor > 0 else (CASH, RECEIVABLE)
        book(customers, entry_id, debit, credit, abs(minor), day, order_id=order_id)
    reminder = Reminder(
        invoice_number="INV-O-1",
        order_id="O-1",
        level=1,
        fee_minor=500,
        due_minor=4_500,
        reminded_on=date(2026, 6, 10),
    )
    customers.transaction(lambda work: work.session.add(reminder))
    view = customers.read(lambda s: ledger_reading.ageing(s, TODAY, at))
    assert {row.order_id: row.amount for row in view.invoices} == owed
    assert (view.today, view.equals_ledger) == (at, True)
    if bucket and owed:
        row = view.invoices[0]
        assert (row.order_id, row.due, row.dunning_level, row.bucket) == ("O-1", due, level, bucket)
    if at == TODAY:
        assert view == ageing(customers)


def test_past_ageing_shows_postings_without_an_order(customers: Database) -> None:
    book(customers, "x", RECEIVABLE, REVENUE, 500, order_id="O-9")
    view = customers.read(lambda s: ledger_reading.ageing(s, TODAY, TODAY))
    assert (view.equals_ledger, view.totals[0].total, view.totals[0].ledger) == (
        False,
        "0.00",
        "5.00",
    )


DELIVERIES = [
    (date(2026, 5, 1), {"INV-O-1": "100.00"}),
    (date(2026, 5, 10), {"INV-O-1": "100.00", "INV-2": "50.00"}),
    (date(2026, 5, 12), {"INV-O-1": "100.00", "INV-2": "20.00"}),  # it named the second
    (date(2026, 5, 14), {"INV-O-1": "90.00", "INV-2": "20.00"}),  # a credit note of the first
    (date(2026, 5, 16), {"INV-O-1": "50.00", "INV-2": "20.00"}),  # the first is due first
    (date(2026, 5, 18), {"INV-O-1": "50.00", "INV-2": "50.00"}),  # the named payment is reversed
    (date(2026, 5, 20), {"INV-2": "30.00"}),  # 70.00 are written off
    (date(2026, 5, 22), {}),
]


@pytest.mark.parametrize(("day", "owed"), DELIVERIES)
def test_past_ageing_is_by_invoice_of_each_delivery(
    customers: Database, day: date, owed: dict[str, str]
) -> None:
    """Credit notes, payments, reversals and write-offs of later days don't count."""
    owe(
        *(customers, "O-1", date(2026, 5, 31)),
        posted=False,
        credited_minor=1_000,
        paid_minor=7_000,
        forgiven_minor=7_000,
    )
    events = [
        ("invoice:INV-O-1", 10_000), ("invoice:INV-2", 5_000), ("payment:P-2", -3_000),
        ("credit_note:CN-1", -1_000), ("payment:P-1", -4_000), ("reversal:R-1", 3_000),
        ("write_off:O-1:9", -7_000), ("payment:P-3", -3_000),
    ]  # fmt: skip
    for (entry_id, minor), (posted_on, _) in zip(events, DELIVERIES, strict=True):
        debit, credit = (RECEIVABLE, REVENUE) if minor > 0 else (CASH, RECEIVABLE)
        book(customers, entry_id, debit, credit, abs(minor), posted_on)
    customers.transaction(_record_second_delivery)
    view = customers.read(lambda s: ledger_reading.ageing(s, TODAY, day))
    assert {row.invoice_number: row.amount for row in view.invoices} == owed
    assert view.equals_ledger


def _record_second_delivery(work: UnitOfWork) -> None:
    """Record invoice INV-2, a reversed payment that names it, and a credit note of the first."""
    work.session.get_one(Order, "O-1").invoiced_minor = 15_000
    common: dict[str, Any] = {"order_id": "O-1", "currency": "EUR"}
    shipment = Shipment(
        shipment_id="SH-2",
        order_id="O-1",
        location="BER",
        mode=FreightMode.PARCEL,
        mode_reason="",
        weight_g=1,
        state=ShipmentState.DISPATCHED,
        planned_at=work.now,
    )
    work.session.add(shipment)
    work.session.flush()
    work.session.add(
        InvoiceRow(
            **common,
            number="INV-2",
            shipment_id="SH-2",
            customer_id="C-1",
            net_minor=5_000,
            total_minor=5_000,
            issued_on=date(2026, 5, 10),
            due_on=date(2026, 6, 9),
            content={},
        )
    )
    work.session.add(
        CreditNoteRow(
            **common,
            number="CN-1",
            invoice_number="INV-O-1",
            net_minor=1_000,
            total_minor=1_000,
            reason="",
            issued_on=date(2026, 5, 14),
            content={},
        )
    )
    for payment_id, invoice_number in (("P-1", None), ("P-2", "INV-2")):
        work.session.add(
            Payment(
                **common,
                payment_id=payment_id,
                invoice_number=invoice_number,
                amount_minor=3_000,
                method="transfer",
                applied_minor=0,
                reversed_minor=3_000,
                received_at=work.now,
            )
        )
    work.session.add(
        PaymentReversal(
            **common,
            reversal_id="R-1",
            payment_id="P-2",
            amount_minor=3_000,
            reason="",
            recorded_at=work.now,
            reported={},
            applied_at=work.now,
        )
    )
