"""Reminders: for an amount due beyond fees, never for fees alone."""

from datetime import timedelta

import pytest
from sqlmodel import select

from activities.billing.dunning import WHILE_FEES_ALONE, review_dunning
from activities.billing.steps import apply_payment, apply_reversal, issue_invoice
from models.billing import DunningLevel
from models.messages.facts import PaymentReceived, PaymentReversed
from models.messages.steps import DunningReview, OrderStep, PaymentStep, ReversalStep
from models.orders import OrderDocument
from models.tables.billing import InvoiceRow, Reminder
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import BILLING_RULES
from tests.support.masterdata import shop

STEP = OrderStep(order_id="O-1")
LEVELS = (
    DunningLevel(days=7),
    DunningLevel(days=14, fee="5.00"),
    DunningLevel(days=28, fee="10.00"),
)


@pytest.fixture
def overdue(till: Bookkeeper) -> Bookkeeper:
    """An invoice of 120.00, reminded twice: 125.00 are due, and the third reminder is too."""
    till.use(BILLING_RULES.model_copy(update={"dunning": LEVELS}))
    document = shop.order("C", "ADA", order_id="O-1", terms="net30")
    issue_invoice.run(till.database, till.record(OrderDocument.model_validate(document)))
    till.issue_goods(pick=0)
    for days in (38, 7):
        till.now += timedelta(days=days)
        assert review(till).remind
    till.now += timedelta(days=14)
    return till


def review(till: Bookkeeper) -> DunningReview:
    """Review the dunning of O-1."""
    return review_dunning.run(till.database, STEP)


def pay(till: Bookkeeper, amount: str) -> None:
    """Record payment P of O-1."""
    fact = PaymentReceived(payment_id="P", order_id="O-1", amount=amount, currency="EUR")
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))


def credit(till: Bookkeeper, amount: str) -> None:
    """Credit an amount of the invoice."""
    [invoice] = till.read(select(InvoiceRow))
    done = till.command("credit", kind="credit", invoice_number=invoice.number, amount=amount)
    assert done.refusal is None


def assert_not_reminded(till: Bookkeeper) -> None:
    """Check that no reminder and no fee is added, now and at the next review."""
    for _ in range(2):
        found = review(till)
        assert (found.remind, found.review_in_s) == (None, WHILE_FEES_ALONE.total_seconds())
        till.now += WHILE_FEES_ALONE
    [order] = till.read(select(Order))
    assert order.fees_minor == 500
    assert len(till.read(select(Reminder))) == 2


@pytest.mark.parametrize(
    ("paid", "credited"), [("120.00", None), ("124.00", None), (None, "120.00"), ("70.00", "50.00")]
)
def test_fees_alone_get_no_reminder(
    overdue: Bookkeeper, paid: str | None, credited: str | None
) -> None:
    if paid:
        pay(overdue, paid)
    if credited:
        credit(overdue, credited)
    assert_not_reminded(overdue)


def test_a_cent_beyond_fees_gets_a_reminder(overdue: Bookkeeper) -> None:
    pay(overdue, "119.99")
    assert review(overdue).remind == 3


def test_reversal_of_all_but_the_fee_is_reminded_again(overdue: Bookkeeper) -> None:
    pay(overdue, "120.00")
    assert_not_reminded(overdue)
    fact = PaymentReversed(reversal_id="V", payment_id="P")
    apply_reversal.run(overdue.database, ReversalStep(order_id="O-1", fact=fact))
    assert review(overdue).remind == 3
