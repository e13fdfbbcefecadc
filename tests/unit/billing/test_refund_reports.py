"""What the payment provider reports about refunds: made, also in its own dashboard, or failed."""

from itertools import permutations

import pytest
from sqlmodel import select

from activities.billing import reading as billing_reading
from activities.billing.steps import (
    apply_payment,
    apply_refund_failure,
    apply_refund_report,
    record_unmatched_payment,
)
from activities.operations.money_comparison import compare_money
from activities.order_record.balance import balance_of
from models.billing import Balance
from models.errors import PartnerUnavailable
from models.messages.facts import PaymentReceived, PaymentRefunded, RefundFailed
from models.messages.steps import PaymentStep
from models.orders import OrderDocument
from models.tables.billing import EarlyRefundReport, InvoiceRow, Refund
from models.tables.operations import RejectedMessageRow
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.masterdata.shop import order as shop_order


@pytest.fixture
def number(till: Bookkeeper) -> str:
    """The number of the invoice of order O-1: delivered, 120.00 paid by card as P1."""
    till.record(OrderDocument.model_validate(shop_order("C", "ADA", order_id="O-1")))
    fact = PaymentReceived(
        payment_id="P1",
        order_id="O-1",
        amount="120.00",
        currency="EUR",
        method="card",
        received_at=till.clock(),
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))
    till.issue_goods(pick=0)
    [invoice] = till.read(select(InvoiceRow))
    return invoice.number


def credit(till: Bookkeeper, number: str, *, keep: bool = False) -> None:
    """Credit 50.00 of the invoice."""
    done = till.command(
        "credit", kind="credit", invoice_number=number, amount="50.00", refund=not keep
    )
    assert done.refusal is None, done


def report(till: Bookkeeper, refund_id: str, amount: str = "50.00", payment: str = "P1") -> None:
    """Report a refund, twice."""
    fact = PaymentRefunded(refund_id=refund_id, payment_id=payment, amount=amount, currency="EUR")
    for _ in range(2):
        apply_refund_report.run(till.database, fact)


def fail(till: Bookkeeper, refund_id: str) -> None:
    """Report a failed refund, twice; the provider has its money back."""
    refunds = till.provider.refunds
    till.provider.refunds = {key: row for key, row in refunds.items() if _named(key) != refund_id}
    for _ in range(2):
        fact = RefundFailed(refund_id=refund_id, reason="account closed")
        apply_refund_failure.run(till.database, fact)


def refunds(till: Bookkeeper) -> list[tuple[int, str]]:
    """Read amount and state of each refund."""
    rows = till.read(select(Refund).order_by(Refund.refund_key))
    return [(row.amount_minor, row.state.value) for row in rows]


def balance(till: Bookkeeper) -> Balance:
    """Read the balance of O-1; the accounts equal the payments and refunds."""
    assert till.database.read(compare_money) == []
    return balance_of(till.read(select(Order))[0])


def rejected(till: Bookkeeper) -> list[str]:
    """Read why messages were rejected."""
    return [row.reason for row in till.read(select(RejectedMessageRow))]


def refund_id(till: Bookkeeper) -> str:
    """Return the provider's id of the only refund."""
    [refund] = till.read(select(Refund))
    return refund.refund_id or ""


def test_failed_refund_is_owed_again_and_waits_for_an_operator(
    till: Bookkeeper, number: str
) -> None:
    """Its posting is reversed once; it is paid again under another key."""
    credit(till, number)
    assert refunds(till) == [(5_000, "refunded")]
    fail(till, refund_id(till))
    assert refunds(till) == [(5_000, "held")]
    problem = till.progress_of("O-1").money_problem
    assert problem is not None
    assert problem.code == "refund_held"
    assert problem.message.startswith("refund 1 of 50.00 EUR was not paid (account closed)")
    till.assert_invariants()
    done = till.command("again", kind="refund", order_id="O-1", payment_id="P1")
    assert done.refusal is None, done
    assert refunds(till) == [(5_000, "withdrawn"), (5_000, "refunded")]
    assert till.progress_of("O-1").money_problem is None
    assert balance(till).owed_minor == 0


@pytest.mark.parametrize("kind", ["by hand", "withdrawn"])
def test_failed_refund_is_paid_by_hand_or_withdrawn(
    till: Bookkeeper, number: str, kind: str
) -> None:
    credit(till, number)
    fail(till, refund_id(till))
    if kind == "by hand":
        fields = {"kind": "refund", "paid_by": "transfer", "payment_id": "P1"}
    else:
        fields = {"kind": "withdraw_refund"}
    assert till.command(kind, order_id="O-1", **fields).refusal is None
    assert balance(till).owed_minor == (0 if kind == "by hand" else 5_000)


def test_report_of_a_refund_that_was_asked_for_is_that_refund(
    till: Bookkeeper, number: str
) -> None:
    """Before or after the provider's answer, which counts once."""
    till.provider.is_silent = True
    credit(till, number)
    report(till, "RF-9")
    assert refunds(till) == [(5_000, "refunded")]
    till.provider.is_silent = False
    till.pay_refunds(["O-1/refund/1"])
    assert (refunds(till), refund_id(till)) == ([(5_000, "refunded")], "RF-9")
    assert till.provider.refunds == {}
    report(till, "RF-9")
    assert (balance(till).owed_minor, rejected(till)) == (0, [])
    report(till, "RF-9", "10.00")
    assert set(rejected(till)) == {"refund_id: known with other content"}


def test_refund_made_at_the_provider_is_recorded_if_it_is_owed(
    till: Bookkeeper, number: str
) -> None:
    """Any other is rejected, with the way out; sent again after it, it is recorded."""
    report(till, "RF-1")
    [reason, *_] = rejected(till)
    assert (
        "the provider gave 50.00 EUR of P1 back, and 0.00 EUR is owed: credit the invoice" in reason
    )
    assert refunds(till) == []
    credit(till, number, keep=True)
    report(till, "RF-1")
    assert (refunds(till), balance(till).owed_minor) == ([(5_000, "refunded")], 0)
    assert till.provider.refunds == {}


def test_refund_of_a_payment_without_an_order_fails(till: Bookkeeper) -> None:
    """It is listed again, and can be refunded again."""
    fact = PaymentReceived(
        payment_id="U", order_id="UNKNOWN", amount="30.00", currency="EUR", method="card"
    )
    record_unmatched_payment.run(till.database, fact)
    report(till, "RF-1", "30.00", "U")
    assert refunds(till) == [(3_000, "refunded")]
    fail(till, "RF-1")
    [row] = till.database.read(billing_reading.unmatched_payments)
    assert (row.reason, row.refunded) == ("its refund failed: account closed", "0.00")
    till.command("again", kind="refund", payment_id="U")
    assert refunds(till) == [(3_000, "withdrawn"), (3_000, "refunded")]
    assert till.database.read(compare_money) == []


def test_reports_before_their_payment_are_kept(till: Bookkeeper) -> None:
    """Each once: the refund is recorded with its payment, and its failure with the refund."""
    fail(till, "RF-1")
    report(till, "RF-1", "30.00", "U")
    report(till, "RF-1", "31.00", "U")
    assert set(rejected(till)) == {"refund_id: known with other content"}
    assert refunds(till) == []
    fact = PaymentReceived(
        payment_id="U", order_id="UNKNOWN", amount="30.00", currency="EUR", method="card"
    )
    record_unmatched_payment.run(till.database, fact)
    assert refunds(till) == [(3_000, "withdrawn")]
    assert till.read(select(EarlyRefundReport)) == []
    [row] = till.database.read(billing_reading.unmatched_payments)
    assert row.reason == "its refund failed: account closed"
    assert till.database.read(compare_money) == []


def test_refund_reported_before_its_payment_is_rejected_if_nothing_is_owed(
    till: Bookkeeper,
) -> None:
    till.record(OrderDocument.model_validate(shop_order("C", "ADA", order_id="O-1")))
    report(till, "RF-1")
    assert rejected(till) == []
    fact = PaymentReceived(
        payment_id="P1", order_id="O-1", amount="120.00", currency="EUR", method="card"
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))
    [reason] = rejected(till)
    assert "the provider gave 50.00 EUR of P1 back, and 0.00 EUR is owed" in reason
    assert (refunds(till), balance(till).due_minor) == ([], 0)


@pytest.mark.parametrize(
    "facts", list(permutations(("refunded", "failed", "answered"))), ids="-".join
)
def test_refund_failed_after_it_was_paid_is_held_in_any_order_after_its_payment(
    till: Bookkeeper, number: str, facts: tuple[str, ...]
) -> None:
    """A failure before the answer for its refund waits: the engine repeats its step after it."""
    till.provider.is_silent = True
    credit(till, number)
    till.provider.is_silent = False
    is_early = facts[0] == "failed"
    for fact in (*facts, "failed") if is_early else facts:
        if fact == "refunded":
            report(till, _named("O-1/refund/1/1"))
        elif is_early and not any(state == "refunded" for _, state in refunds(till)):
            with pytest.raises(PartnerUnavailable, match=r"O-1/refund/1 comes first"):
                fail(till, _named("O-1/refund/1/1"))
        elif fact == "failed":
            fail(till, _named("O-1/refund/1/1"))
        else:
            till.pay_refunds(["O-1/refund/1"])
    assert (refunds(till), rejected(till)) == ([(5_000, "held")], [])
    till.assert_invariants()


def _named(key: str) -> str:
    """Return the provider's id of the refund with this key."""
    return f"rf-{key}".replace("/", ".")
