"""Documents agree with the ledger: the real steps, on SQLite and without an engine."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from activities.billing import reading as billing_reading
from activities.billing.invoicing import invoices_of
from activities.billing.steps import (
    apply_payment,
    apply_reversal,
    issue_invoice,
    record_unmatched_payment,
)
from activities.ledger import reading as ledger_reading
from activities.shipping.steps import apply_dispatch, plan_shipments
from models.billing import CreditNote, Invoice, InvoiceAt
from models.messages.facts import PaymentReceived, PaymentReversed, ShipmentDispatched
from models.messages.steps import DispatchStep, OrderStep, PaymentStep, ReversalStep
from models.orders import OrderDocument
from models.progress import ShipmentState
from models.tables.billing import CreditNoteRow, Refund
from models.tables.ledger import JournalEntry
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import BILLING_RULES
from tests.support.database.stateful import BEGIN
from tests.support.masterdata.shop import order


def place(till: Bookkeeper, sku: str, quantity: int, terms: str = "prepaid") -> OrderStep:
    """Record order O-1 with one line."""
    document = order(sku, "ADA", quantity, order_id="O-1", terms=terms)
    return till.record(OrderDocument.model_validate(document))


def pay(till: Bookkeeper, amount: str, received_at: datetime | None = None) -> None:
    """Record a payment of O-1."""
    fact = PaymentReceived(
        payment_id=till.next_id("P"),
        order_id="O-1",
        amount=amount,
        currency="EUR",
        received_at=received_at,
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))


def invoice(till: Bookkeeper) -> Invoice:
    """Return the invoice of O-1."""
    [issued] = till.database.read(lambda session: invoices_of(session, "O-1"))
    return issued


def accounts(till: Bookkeeper) -> dict[str, str]:
    """Return the debit balance of each account by code."""
    view = till.database.read(ledger_reading.trial_balance)
    return {row.code: row.debit for row in view.accounts}


def test_invoice_waives_underpayment_written_off_in_ledger(till: Bookkeeper) -> None:
    """An underpayment of two cents is within the tolerance."""
    place(till, "C", 1)
    pay(till, "119.98")
    issued = invoice(till)
    assert (issued.paid_minor, issued.waived_minor, issued.due_minor) == (11_998, 2, 0)
    assert accounts(till)["5110"] == "0.02"


def test_fully_paid_invoice_waives_nothing(till: Bookkeeper) -> None:
    place(till, "C", 1)
    pay(till, "120.00")
    assert invoice(till).waived_minor == 0


@pytest.mark.parametrize("refund", [True, False])
def test_credit_note_shows_refunded_or_kept_amount(till: Bookkeeper, refund: bool) -> None:
    place(till, "A", 10)
    pay(till, "118.88")
    till.issue_goods(pick=0)
    till.command(
        "credit",
        kind="credit",
        invoice_number=invoice(till).number,
        amount="50.00",
        refund=refund,
    )
    [row] = till.read(select(CreditNoteRow))
    amounts_minor = till.read(select(Refund.amount_minor))
    shown = till.database.read(lambda session: billing_reading.bill(session, row.number))
    assert shown is not None
    assert (shown.refund, shown.kept) == (("50.00", "0.00") if refund else ("0.00", "50.00"))
    assert amounts_minor == ([5_000] if refund else [])


def test_credit_note_of_paid_invoice_refunds_total(till: Bookkeeper) -> None:
    place(till, "C", 1)
    pay(till, "120.00")
    till.issue_goods(pick=0)
    till.command("credit", kind="credit", invoice_number=invoice(till).number)
    [row] = till.read(select(CreditNoteRow))
    assert CreditNote.model_validate(row.content).refund_minor == 12_000


@pytest.mark.parametrize("closed", [False, True])
def test_revenue_counts_for_day_of_goods_issue(till: Bookkeeper, closed: bool) -> None:
    """A late report counts for the day of dispatch, or for the first open day after it."""
    step = place(till, "A", 10, "net30")
    issue_invoice.run(till.database, step)
    planned = plan_shipments.run(till.database, step).in_state(ShipmentState.PLANNED)
    dispatched_at = till.now + timedelta(days=1)
    till.now += timedelta(days=3)
    if closed:
        till.command("close", kind="close_period", through=dispatched_at.date())
    fact = ShipmentDispatched(
        event_id="E", order_id="O-1", shipment_id=planned[0], occurred_at=dispatched_at
    )
    apply_dispatch.run(till.database, DispatchStep(order_id="O-1", fact=fact))
    [entry] = till.read(
        select(JournalEntry).where(JournalEntry.entry_id == f"goods_issue:{planned[0]}")
    )
    assert entry.tax_date == dispatched_at.date()
    assert entry.posting_date == dispatched_at.date() + timedelta(days=closed)


def tax_days(till: Bookkeeper) -> dict[str, int]:
    """Return the tax date of each entry of O-1, in days after the start, by kind of entry."""
    of_order = select(JournalEntry).where(JournalEntry.order_id == "O-1")
    rows = till.read(of_order.order_by(JournalEntry.entry_id))
    return {row.entry_id.partition(":")[0]: (row.tax_date - BEGIN.date()).days for row in rows}


@pytest.mark.parametrize(
    ("on_account", "days", "taxed"),
    [(True, (1, 3), 3), (True, (3, 1), 3), (True, (1, 2), 2), (False, (1, 2), 5)],
)
def test_invoice_is_taxed_on_day_of_last_payment(
    till: Bookkeeper, on_account: bool, days: tuple[int, int], taxed: int
) -> None:
    """With tax due on payments (2006/112/EC art. 65); otherwise on the day of issue."""
    till.use(BILLING_RULES.model_copy(update={"tax_on_account": on_account}))
    place(till, "A", 10)
    till.now += timedelta(days=5)
    for amount, day in zip(("18.88", "99.98"), days, strict=True):
        pay(till, amount, BEGIN + timedelta(days=day))
    issued = invoice(till)
    assert issued.issued_on == till.now.date()
    assert tax_days(till) == {"payment": days[1], "invoice": taxed, "write_off": taxed}


def test_assigned_payment_is_applied_on_day_of_assignment(till: Bookkeeper) -> None:
    place(till, "A", 10)
    fact = PaymentReceived(payment_id="U", order_id="UNKNOWN", amount="118.88", currency="EUR")
    record_unmatched_payment.run(till.database, fact)
    till.now += timedelta(days=5)
    till.command("assign", kind="assign", payment_id="U", order_id="O-1")
    assert tax_days(till) == {"matched": 5, "invoice": 5}


def test_credit_sale_is_taxed_on_day_of_invoice(till: Bookkeeper) -> None:
    """A payment before the invoice keeps its own tax date."""
    till.invoice_at(InvoiceAt.ACCEPTANCE)
    step = place(till, "A", 10, "net30")
    till.now += timedelta(days=5)
    pay(till, "18.88", BEGIN)
    issue_invoice.run(till.database, step)
    assert tax_days(till) == {"payment": 0, "invoice": 5}


def test_only_unreversed_part_of_payment_is_assigned(till: Bookkeeper) -> None:
    place(till, "C", 1)
    fact = PaymentReceived(payment_id="U", order_id="UNKNOWN", amount="100.00", currency="EUR")
    record_unmatched_payment.run(till.database, fact)
    reversal = PaymentReversed(reversal_id="R", payment_id="U", amount="60.00", currency="EUR")
    apply_reversal.run(till.database, ReversalStep(order_id=None, fact=reversal))
    [shown] = till.database.read(billing_reading.unmatched_payments)
    assert (shown.amount, shown.applied, shown.reversed) == ("100.00", "0.00", "60.00")
    done = till.command("assign", kind="assign", payment_id="U", order_id="O-1")
    assert done.message == "40.00 EUR of U are assigned to O-1"
    [order] = till.read(select(Order))
    assert order.paid_minor == 4_000


def test_invoice_shows_tax_dates_of_payments_on_account(till: Bookkeeper) -> None:
    """A payment dated in the future or long ago counts for the day of its report."""
    till.invoice_at(InvoiceAt.ACCEPTANCE)
    step = place(till, "A", 10, "net30")
    yesterday, reported_on = till.now - timedelta(days=1), till.now.date()
    for day in (yesterday, datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
        pay(till, "10.00", day)
    till.now += timedelta(days=5)
    issue_invoice.run(till.database, step)
    received = sorted(payment.received_on for payment in invoice(till).on_account)
    assert received == [yesterday.date(), reported_on, reported_on]
    rows = till.read(select(JournalEntry).where(col(JournalEntry.entry_id).startswith("payment:")))
    assert sorted(row.tax_date for row in rows) == received
