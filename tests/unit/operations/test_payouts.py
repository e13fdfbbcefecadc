"""Payouts of the provider beyond what it has collected are findings from the second night on."""

from datetime import timedelta

import pytest

from activities.billing.steps import apply_reversal, record_payout, record_unmatched_payment
from activities.operations.ledger_comparison import compare_ledger
from models.messages.facts import PaymentReceived, PaymentReversed, PayoutPaid
from models.messages.steps import ReversalStep
from tests.support.billing.machine import Bookkeeper

DAY = timedelta(days=1, seconds=1)


def pay_out(till: Bookkeeper, amount: str, fee: str = "0", currency: str = "EUR") -> None:
    """Record a payout."""
    fact = PayoutPaid(payout_id=till.next_id("PO"), amount=amount, fee=fee, currency=currency)
    record_payout.run(till.database, fact)


def collect(till: Bookkeeper, amount: str, method: str = "card") -> str:
    """Record a payment without an order; returns its id."""
    fact = PaymentReceived(
        payment_id=till.next_id("P"), amount=amount, currency="EUR", method=method
    )
    record_unmatched_payment.run(till.database, fact)
    return fact.payment_id


def findings(till: Bookkeeper) -> list[str]:
    """Compare the ledger; returns the messages about payouts."""
    found = till.database.read(lambda s: compare_ledger(s, till.now, till.now))
    return [one.message for one in found if one.finding_id.startswith("payouts:")]


@pytest.mark.parametrize(
    ("amount", "fee", "currency", "message"),
    [
        ("1000000.00", "0", "EUR", "it has paid out 1000000.00 EUR and collected 10.00:"),
        ("10.00", "0.01", "EUR", "it has paid out 10.01 EUR and collected 10.00:"),
        ("1.00", "0", "USD", "it has paid out 1.00 USD and collected 0.00:"),
    ],
)
def test_payout_that_nobody_paid_is_a_finding(
    till: Bookkeeper, amount: str, fee: str, currency: str, message: str
) -> None:
    """Money at the till and on the bank account was not collected by the provider."""
    collect(till, "10.00")
    collect(till, "20.00", "cash")
    collect(till, "20.00", "wire")
    pay_out(till, amount, fee, currency)
    assert findings(till) == []
    till.now += DAY
    [found] = findings(till)
    assert message in found


def test_payout_before_its_payment_is_no_finding(till: Bookkeeper) -> None:
    pay_out(till, "10.00")
    assert findings(till) == []
    collect(till, "10.00")
    till.now += DAY
    assert findings(till) == []


def test_money_taken_back_after_its_payout_is_no_finding(till: Bookkeeper) -> None:
    """The provider takes it with a payout below zero, or keeps it of the next one."""
    payment_id = collect(till, "10.00")
    pay_out(till, "9.50", "0.50")
    fact = PaymentReversed(reversal_id="V", payment_id=payment_id, fee="15.00")
    apply_reversal.run(till.database, ReversalStep(order_id=None, fact=fact))
    till.now += DAY
    assert findings(till) == []
    pay_out(till, "-25.00")
    till.now += DAY
    assert findings(till) == []
