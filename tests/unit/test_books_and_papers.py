"""What customers and people read says what the books say: the real steps, on SQLite and without an
engine."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from activities.billing import reading as billing_reading
from activities.billing.invoicing import invoice_of
from activities.billing.steps import (
    apply_payment,
    apply_reversal,
    issue_invoice,
    record_unmatched_payment,
)
from activities.ledger import reading as ledger_reading
from activities.shipping.steps import apply_dispatch, plan_shipments
from models.billing import CreditNote, Invoice
from models.messages.facts import PaymentReceived, PaymentReversed, ShipmentDispatched
from models.messages.steps import DispatchStep, OrderStep, PaymentStep, ReversalStep
from models.orders import OrderDocument, ShipmentState
from models.tables.billing import CreditNoteRow, Refund
from models.tables.ledger import JournalEntry
from models.tables.orders import Order
from tests.support.shop import SHIP_TO
from tests.support.stateful import BEGIN
from tests.support.till import BILLING_RULES, Bookkeeper


def place(till: Bookkeeper, sku: str, quantity: int, terms: str = "prepaid") -> OrderStep:
    """An order of O-1 for one line."""
    document = {
        "order_id": "O-1",
        "channel": "online",
        "customer": "ADA",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": terms,
        "lines": [{"sku": sku, "quantity": quantity}],
    }
    return till.record(OrderDocument.model_validate(document))


def pay(till: Bookkeeper, amount: str, received_at: datetime | None = None) -> None:
    """Money for O-1."""
    fact = PaymentReceived(
        payment_id=till.next_id("P"),
        order_id="O-1",
        amount=amount,
        currency="EUR",
        received_at=received_at,
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))


def invoice(till: Bookkeeper) -> Invoice:
    """That of O-1."""
    issued = till.database.read(lambda session: invoice_of(session, "O-1"))
    assert issued is not None
    return issued


def accounts(till: Bookkeeper) -> dict[str, str]:
    """The debit balance of each account, by its code."""
    view = till.database.read(ledger_reading.trial_balance)
    return {row.code: row.debit for row in view.accounts}


def test_an_invoice_waives_what_the_books_forgive(till: Bookkeeper) -> None:
    """Too little to ask for by two cents: the invoice is settled, and says how."""
    place(till, "C", 1)
    pay(till, "119.98")
    issued = invoice(till)
    assert (issued.paid_minor, issued.waived_minor, issued.due_minor) == (11_998, 2, 0)
    assert accounts(till)["5110"] == "0.02"


def test_an_invoice_of_before_there_was_waiving_waives_nothing(till: Bookkeeper) -> None:
    """It reads as it was stored."""
    place(till, "C", 1)
    pay(till, "120.00")
    stored = invoice(till).model_dump(mode="json")
    assert stored.pop("waived_minor") == 0
    assert Invoice.model_validate(stored) == invoice(till)


@pytest.mark.parametrize("keep", [True, False])
def test_a_credit_note_says_what_becomes_of_the_money(till: Bookkeeper, keep: bool) -> None:
    """What isn't refunded is kept, on paper and as shown."""
    place(till, "A", 10)
    pay(till, "118.88")
    till.issue_goods(pick=0)
    till.command(
        "credit",
        kind="credit",
        invoice_number=invoice(till).number,
        amount="50.00",
        refund=not keep,
    )
    [row] = till.read(select(CreditNoteRow))
    refunds = till.read(select(Refund))
    given_back, kept = ("0.00", "50.00") if keep else ("50.00", "0.00")
    shown = till.database.read(lambda session: billing_reading.bill(session, row.number))
    assert shown is not None
    assert (shown.refund, shown.kept) == (given_back, kept)
    assert [refund.amount_minor for refund in refunds] == ([] if keep else [5_000])


def test_a_credit_note_of_before_there_was_keeping_reads_as_it_was(till: Bookkeeper) -> None:
    place(till, "C", 1)
    pay(till, "120.00")
    till.issue_goods(pick=0)
    till.command("credit", kind="credit", invoice_number=invoice(till).number)
    [row] = till.read(select(CreditNoteRow))
    before = {name: value for name, value in row.content.items() if name != "kept_minor"}
    assert CreditNote.model_validate(before).refund_minor == 12_000


@pytest.mark.parametrize("closed", [False, True])
def test_revenue_counts_for_the_day_the_goods_left(till: Bookkeeper, closed: bool) -> None:
    """However late the carrier tells; where that period is closed, in the first that is open."""
    step = place(till, "A", 10, "net30")
    issue_invoice.run(till.database, step)
    planned = plan_shipments.run(till.database, step).in_state(ShipmentState.PLANNED)
    left = till.now + timedelta(days=1)
    till.now += timedelta(days=3)
    if closed:
        till.command("close", kind="close_period", through=left.date())
    fact = ShipmentDispatched(
        event_id="E", order_id="O-1", shipment_id=planned[0], occurred_at=left
    )
    apply_dispatch.run(till.database, DispatchStep(order_id="O-1", fact=fact))
    [entry] = till.read(
        select(JournalEntry).where(JournalEntry.entry_id == f"goods_issue:{planned[0]}")
    )
    assert entry.tax_date == left.date()
    assert entry.posting_date == left.date() + timedelta(days=closed)


def tax_days(till: Bookkeeper) -> dict[str, int]:
    """How many days after the beginning each entry of O-1 counts for, by its kind."""
    of_order = select(JournalEntry).where(JournalEntry.order_id == "O-1")
    rows = till.read(of_order.order_by(JournalEntry.entry_id))
    return {row.entry_id.partition(":")[0]: (row.tax_date - BEGIN.date()).days for row in rows}


@pytest.mark.parametrize(
    ("on_account", "days", "taxed"),
    [(True, (1, 3), 3), (True, (3, 1), 3), (True, (1, 2), 2), (False, (1, 2), 5)],
)
def test_the_tax_of_an_invoice_falls_due_when_its_order_was_paid(
    till: Bookkeeper, on_account: bool, days: tuple[int, int], taxed: int
) -> None:
    """2006/112/EC art. 65: the payment comes before the invoice, which is of the day of issue; not
    where tax falls due with invoices only. Nothing is used before it came."""
    till.use(BILLING_RULES.model_copy(update={"tax_on_account": on_account}))
    place(till, "A", 10)
    till.now += timedelta(days=5)
    for amount, day in zip(("18.88", "99.98"), days, strict=True):
        pay(till, amount, BEGIN + timedelta(days=day))
    issued = invoice(till)
    assert issued.issued_on == till.now.date()
    assert tax_days(till) == {"payment": days[1], "invoice": taxed, "write_off": taxed}


def test_money_that_is_assigned_pays_its_order_on_that_day(till: Bookkeeper) -> None:
    """Until then nobody knew what it was for."""
    place(till, "A", 10)
    fact = PaymentReceived(payment_id="U", order_id="NOBODY", amount="118.88", currency="EUR")
    record_unmatched_payment.run(till.database, fact)
    till.now += timedelta(days=5)
    till.command("assign", kind="assign", payment_id="U", order_id="O-1")
    assert tax_days(till) == {"matched": 5, "invoice": 5}


def test_an_invoice_on_credit_is_taxed_on_its_day(till: Bookkeeper) -> None:
    """What was paid before keeps its own day."""
    step = place(till, "A", 10, "net30")
    till.now += timedelta(days=5)
    pay(till, "18.88", BEGIN)
    issue_invoice.run(till.database, step)
    assert tax_days(till) == {"payment": 0, "invoice": 5}


def test_money_that_was_taken_back_in_part_is_shown_and_assigned_as_what_is_left(
    till: Bookkeeper,
) -> None:
    """The payer's bank has taken back the rest."""
    place(till, "C", 1)
    fact = PaymentReceived(payment_id="U", order_id="NOBODY", amount="100.00", currency="EUR")
    record_unmatched_payment.run(till.database, fact)
    back = PaymentReversed(reversal_id="R", payment_id="U", amount="60.00", currency="EUR")
    apply_reversal.run(till.database, ReversalStep(order_id=None, fact=back))
    [shown] = till.database.read(billing_reading.unmatched_payments)
    assert (shown.amount, shown.applied, shown.reversed) == ("100.00", "0.00", "60.00")
    done = till.command("assign", kind="assign", payment_id="U", order_id="O-1")
    assert done.message == "40.00 EUR of U are assigned to O-1"
    [order] = till.read(select(Order))
    assert order.paid_minor == 4_000


def test_a_payment_on_account_is_of_the_day_that_was_posted(till: Bookkeeper) -> None:
    """A day to come, or long ago, is a mistake of who says so: it counts as the day it was told."""
    step = place(till, "A", 10, "net30")
    yesterday, told = till.now - timedelta(days=1), till.now.date()
    for day in (yesterday, datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
        pay(till, "10.00", day)
    till.now += timedelta(days=5)
    issue_invoice.run(till.database, step)
    received = sorted(payment.received_on for payment in invoice(till).on_account)
    assert received == [yesterday.date(), told, told]
    rows = till.read(select(JournalEntry).where(col(JournalEntry.entry_id).startswith("payment:")))
    assert sorted(row.tax_date for row in rows) == received
