"""Refunds: to the payments they came from, the way they came, once, and not what was reversed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from activities.billing import reading as billing_reading
from activities.billing.steps import (
    apply_payment,
    apply_reversal,
    credit_invoice,
    record_unmatched_payment,
)
from activities.order_record.balance import balance_of
from activities.orders.steps import start_cancelling
from activities.stock.steps import release_stock
from models.billing import Balance
from models.errors import Refused
from models.messages.commands.results import CommandResult
from models.messages.facts import PaymentReceived, PaymentReversed
from models.messages.requests import CancelRequest
from models.messages.steps import CancelOrder, OrderStep, PaymentStep, RefundStep, ReversalStep
from models.orders import OrderDocument
from models.refunds import (
    PaidBy,
    Refundable,
    RefundState,
    paid_by,
    refund_parts,
    split_over_payments,
)
from models.tables.billing import CreditBalance, InvoiceRow, Payment, Refund
from models.tables.ledger import JournalPosting
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.gateways.partners import Provider
from tests.support.masterdata.shop import order as shop_order


@pytest.fixture
def provider(till: Bookkeeper) -> Provider:
    """The provider of the test's billing."""
    return till.provider


def order(till: Bookkeeper, *payments: tuple[str, str], sku: str = "C", quantity: int = 1) -> None:
    """Deliver order O-1 of 120.00 (without tax), paid by `payments`: method and amount."""
    document = shop_order(sku, "ADA", quantity, order_id="O-1")
    till.record(OrderDocument.model_validate(document))
    for number, (method, amount) in enumerate(payments, start=1):
        pay(till, f"P{number}", amount, method)


def delivered(till: Bookkeeper, *payments: tuple[str, str]) -> str:
    """Deliver the paid order O-1; returns the number of its invoice."""
    order(till, *payments)
    till.issue_goods(pick=0)
    [invoice] = till.read(select(InvoiceRow))
    return invoice.number


def pay(till: Bookkeeper, payment_id: str, amount: str, method: str = "card") -> None:
    """Record a payment of O-1."""
    fact = PaymentReceived(
        payment_id=payment_id,
        order_id="O-1",
        amount=amount,
        currency="EUR",
        method=method,
        received_at=till.clock(),
    )
    apply_payment.run(till.database, PaymentStep(order_id="O-1", fact=fact))


def reverse(till: Bookkeeper, payment_id: str, amount: str | None = None) -> None:
    """Record the reversal of a payment of O-1."""
    fact = PaymentReversed(
        reversal_id=till.next_id("V"), payment_id=payment_id, order_id="O-1", amount=amount
    )
    apply_reversal.run(till.database, ReversalStep(order_id="O-1", fact=fact))


def credit(till: Bookkeeper, number: str, amount: str, *, refund: bool = True) -> CommandResult:
    """Credit an amount of an invoice."""
    return till.command(
        "credit", kind="credit", invoice_number=number, amount=amount, refund=refund
    )


def cancel(till: Bookkeeper) -> None:
    """Cancel O-1, up to its refunds."""
    request = CancelRequest(reason="not wanted")
    assert start_cancelling.run(
        till.database, CancelOrder(order_id="O-1", request=request)
    ).accepted
    credit_invoice.run(till.database, OrderStep(order_id="O-1"))
    release_stock.run(till.database, OrderStep(order_id="O-1"))


def refunds(till: Bookkeeper) -> list[tuple[str, int, str, str]]:
    """List the refunds of O-1: payment, amount, way and state."""
    rows = till.read(select(Refund).order_by(Refund.number))  # type: ignore[arg-type]
    return [(r.payment_id, r.amount_minor, r.paid_by.value, r.state.value) for r in rows]


def balance(till: Bookkeeper) -> Balance:
    """Read the balance of O-1."""
    return till.database.read(lambda s: balance_of(s.get_one(Order, "O-1")))


def credit_uses(till: Bookkeeper) -> list[tuple[int, int, int]]:
    """List what was given back, used and kept of each credit note."""
    rows = till.read(select(CreditBalance).order_by(CreditBalance.number))
    return [(row.refunded_minor, row.used_minor, row.kept_minor) for row in rows]


def money(till: Bookkeeper) -> dict[str, int]:
    """Sum the postings of clearing, till and bank."""
    sums: dict[str, int] = {}
    for row in till.read(select(JournalPosting)):
        if row.account in ("1000", "1010", "1100"):
            sums[row.account] = sums.get(row.account, 0) + row.amount_minor
    return sums


# Where a refund goes


CARD_AND_TRANSFER = (("card", "60.00"), ("transfer", "60.00"))


def test_refund_goes_back_to_each_payment_newest_first(
    till: Bookkeeper, provider: Provider
) -> None:
    """The provider is asked for the card's part only, and named the payment."""
    number = delivered(till, *CARD_AND_TRANSFER)
    credit(till, number, "80.00")
    assert refunds(till) == [
        ("P2", 6_000, "transfer", "asked"),
        ("P1", 2_000, "provider", "refunded"),
    ]
    [demand] = provider.refunds.values()
    assert (demand.payment_id, demand.amount) == ("P1", "20.00")
    till.command("by hand", kind="refund", order_id="O-1", paid_by="transfer")
    assert refunds(till)[2] == ("P2", 6_000, "transfer", "refunded")
    assert money(till) == {"1000": 0, "1100": 4_000}


@pytest.mark.parametrize(("payment", "amount"), [("P1", "60.00"), ("P2", "60.00"), ("P1", "0.01")])
def test_operator_says_to_which_payment_a_refund_goes(
    till: Bookkeeper, provider: Provider, payment: str, amount: str
) -> None:
    number = delivered(till, ("card", "60.00"), ("card", "60.00"))
    credit(till, number, "80.00", refund=False)
    till.command("to one", kind="refund", order_id="O-1", payment_id=payment, amount=amount)
    cents = int(amount.replace(".", ""))
    assert refunds(till) == [(payment, cents, "provider", "refunded")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"payment_id": "P1", "amount": "60.01"}, "is more than the 60.00 EUR that these payments"),
        ({"amount": "80.01"}, "is more than the 80.00 EUR owed to the customer"),
        ({"payment_id": "P9"}, "'P9' isn't a payment of O-1"),
    ],
)
def test_refund_is_at_most_what_a_payment_brought(
    till: Bookkeeper, provider: Provider, fields: dict[str, str], reason: str
) -> None:
    number = delivered(till, ("card", "60.00"), ("card", "60.00"))
    credit(till, number, "80.00", refund=False)
    done = till.command("too much", kind="refund", order_id="O-1", **fields)
    assert done.refusal is not None
    assert reason in done.refusal.reason
    assert refunds(till) == []


def test_cancelled_order_refunds_each_payment_the_way_it_came(
    till: Bookkeeper, provider: Provider
) -> None:
    """The card's refund is not kept back by the one in cash, which waits for an operator."""
    order(till, ("card", "60.00"), ("cash", "60.00"))
    cancel(till)
    with pytest.raises(Refused) as refusal:
        asyncio.run(till.billing.refund_payment(OrderStep(order_id="O-1")))
    assert refusal.value.code == "refund_by_hand"
    assert "pay 60.00 EUR back in cash" in refusal.value.message
    assert "`refund O-1 --paid-by cash`" in refusal.value.message
    assert refunds(till) == [
        ("P2", 6_000, "cash", "asked"),
        ("P1", 6_000, "provider", "refunded"),
    ]
    till.command("by hand", kind="refund", order_id="O-1", paid_by="cash")
    till.give_back("O-1")
    assert money(till) == {"1010": 0, "1100": 0}
    assert not balance(till).owed_minor


def test_refused_refund_is_recorded_as_paid_by_hand(till: Bookkeeper, provider: Provider) -> None:
    """Once: a retry pays nothing on top."""
    number = delivered(till, ("card", "120.00"))
    provider.refuses = True
    credit(till, number, "50.00")
    done = till.command("by hand", kind="refund", order_id="O-1", paid_by="cash", amount="20.00")
    assert done.message == "20.00 EUR are recorded as paid back in cash; 30.00 EUR more are owed"
    provider.refuses = False
    till.pay_refunds(["O-1/refund/1"])
    assert provider.refunds == {}
    till.command("refund", kind="refund", order_id="O-1")
    assert [row for row in refunds(till) if row[3] == "refunded"] == [
        ("P1", 2_000, "cash", "refunded"),
        ("P1", 3_000, "provider", "refunded"),
    ]
    assert money(till) == {"1010": -2_000, "1100": 9_000}


def test_refused_refund_is_withdrawn_and_owed_again(till: Bookkeeper, provider: Provider) -> None:
    number = delivered(till, ("card", "120.00"))
    provider.refuses = True
    credit(till, number, "50.00")
    assert till.command("refund", kind="refund", order_id="O-1").refusal is not None
    assert balance(till).owed_minor == 0
    till.command("withdraw", kind="withdraw_refund", order_id="O-1")
    assert (balance(till).owed_minor, credit_uses(till)) == (5_000, [(0, 0, 5_000)])
    provider.refuses = False
    till.pay_refunds(["O-1/refund/1"])
    assert refunds(till) == [("P1", 5_000, "provider", "withdrawn")]


def test_refund_in_doubt_is_neither_withdrawn_nor_recorded_by_hand(
    till: Bookkeeper, provider: Provider
) -> None:
    number = delivered(till, ("card", "120.00"))
    provider.is_silent = True
    credit(till, number, "50.00")
    for kind, fields in (("withdraw_refund", {}), ("refund", {"paid_by": "cash"})):
        done = till.command(kind, kind=kind, order_id="O-1", **fields)
        assert done.refusal is not None
        assert "not answered yet" in done.refusal.reason
    provider.is_silent = False
    till.pay_refunds(["O-1/refund/1"])
    assert refunds(till) == [("P1", 5_000, "provider", "refunded")]


def test_payment_without_an_order_goes_back_by_hand(till: Bookkeeper, provider: Provider) -> None:
    fact = PaymentReceived(
        payment_id="U", order_id="NOBODY", amount="30.00", currency="EUR", method="cash"
    )
    record_unmatched_payment.run(till.database, fact)
    till.command("refund", kind="refund", payment_id="U")
    assert refunds(till) == [("U", 3_000, "cash", "asked")]
    till.command("by hand", kind="refund", payment_id="U", paid_by="cash")
    assert refunds(till)[1] == ("U", 3_000, "cash", "refunded")
    assert money(till) == {"1010": 0}
    assert till.database.read(billing_reading.unmatched_payments) == []


# Reversals of payments whose refunds have not gone out


def test_refused_refund_is_not_given_when_its_payment_is_reversed(
    till: Bookkeeper, provider: Provider
) -> None:
    """Due is what the customer keeps; a retry after the write-off pays nothing on top."""
    number = delivered(till, ("card", "120.00"))
    provider.refuses = True
    credit(till, number, "50.00")
    reverse(till, "P1")
    assert (balance(till).due_minor, balance(till).owed_minor) == (7_000, 0)
    assert credit_uses(till) == [(0, 5_000, 0)]
    till.command("write off", kind="write_off", order_id="O-1")
    provider.refuses = False
    till.pay_refunds(["O-1/refund/1"])
    assert provider.refunds == {}
    assert money(till) == {"1100": 0}


def test_rest_of_a_stopped_refund_waits_for_an_operator(
    till: Bookkeeper, provider: Provider
) -> None:
    number = delivered(till, ("card", "120.00"))
    provider.refuses = True
    credit(till, number, "50.00")
    reverse(till, "P1", "30.00")
    assert refunds(till) == [
        ("P1", 5_000, "provider", "withdrawn"),
        ("P1", 2_000, "provider", "held"),
    ]
    problem = till.progress_of("O-1").money_problem
    assert problem is not None
    assert problem.code == "refund_held"
    assert "`refund O-1 --payment P1`" in problem.message
    provider.refuses = False
    till.pay_refunds(["O-1/refund/1", "O-1/refund/2"])
    assert provider.refunds == {}
    till.command("all the same", kind="refund", order_id="O-1", payment_id="P1")
    assert refunds(till)[2:] == [("P1", 2_000, "provider", "refunded")]
    assert till.progress_of("O-1").money_problem is None


def test_reversal_is_met_from_a_refund_of_another_payment_that_is_not_paid(
    till: Bookkeeper, provider: Provider
) -> None:
    number = delivered(till, ("card", "60.00"), ("card", "60.00"))
    provider.refuses = True
    credit(till, number, "60.00")
    assert refunds(till) == [("P2", 6_000, "provider", "asked")]
    reverse(till, "P1", "40.00")
    assert balance(till).due_minor == 0
    assert refunds(till)[1:] == [("P2", 2_000, "provider", "held")]


@pytest.mark.parametrize("is_refused", [False, True])
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_reversal_while_a_refund_is_in_doubt_ends_as_if_it_came_before(
    till: Bookkeeper, provider: Provider, is_cancelled: bool, is_refused: bool
) -> None:
    """Paid, it has gone back twice and is due; refused, it is neither given nor owed."""
    provider.is_silent = True
    if is_cancelled:
        order(till, ("card", "120.00"))
        cancel(till)
        till.give_back("O-1")
        refunded = 12_000
    else:
        number = delivered(till, ("card", "120.00"))
        credit(till, number, "50.00")
        refunded = 5_000
    reverse(till, "P1")
    provider.is_silent, provider.refuses = False, is_refused
    till.pay_refunds(["O-1/refund/1"])
    kept = 0 if is_cancelled else 7_000
    due = kept if is_refused else kept + refunded
    assert (balance(till).receivable_minor, balance(till).owed_minor) == (due, 0)
    assert money(till) == {"1100": 0 if is_refused else -refunded}


# Credit notes: kept, given back, used


def test_refund_of_a_credit_note_gives_back_only_its_own_amount(
    till: Bookkeeper, provider: Provider
) -> None:
    """20.00 stay the customer's credit, then 5.00 are credited and given back."""
    number = delivered(till, ("card", "120.00"))
    credit(till, number, "20.00", refund=False)
    credit(till, number, "5.00")
    assert refunds(till) == [("P1", 500, "provider", "refunded")]
    assert credit_uses(till) == [(0, 0, 2_000), (500, 0, 0)]
    first = till.read(select(CreditBalance.number))[0]
    shown = till.database.read(lambda s: billing_reading.bill(s, first))
    assert shown is not None
    assert (shown.refund, shown.kept, shown.used) == ("0.00", "20.00", "0.00")
    till.command("some", kind="refund", order_id="O-1", amount="15.00")
    reverse(till, "P1", "2.00")
    shown = till.database.read(lambda s: billing_reading.bill(s, first))
    assert shown is not None
    assert (shown.refund, shown.kept, shown.used) == ("15.00", "3.00", "2.00")


# Pure rules


@pytest.mark.parametrize(
    ("method", "by"),
    [
        ("cash", PaidBy.CASH),
        ("transfer", PaidBy.TRANSFER),
        *((method, PaidBy.CASH) for method in ("Cash", "CASH", " cash ")),
        *((method, PaidBy.TRANSFER) for method in ("Transfer", "bank_transfer", "Bank Transfer")),
        *(
            (method, PaidBy.TRANSFER)
            for method in ("BankTransfer", "bank-transfer", "credit_transfer")
        ),
        *((method, PaidBy.TRANSFER) for method in ("wire", "Wire-Transfer", "SEPA_transfer")),
        *((method, PaidBy.PROVIDER) for method in ("card", "unknown", "paypal", "")),
        *((method, PaidBy.PROVIDER) for method in ("sepa_debit", "cash app", "provider transfer")),
    ],
)
def test_each_method_has_one_way_and_account(method: str, by: PaidBy) -> None:
    assert paid_by(method) is by
    assert len({one.account for one in PaidBy}) == len(PaidBy)


amounts = st.integers(-100, 1_000)


@given(amount=st.integers(0, 5_000), left=st.lists(amounts, max_size=6))
def test_no_payment_gets_back_more_than_is_left_of_it(amount: int, left: list[int]) -> None:
    payments = [Refundable(str(number), one) for number, one in enumerate(left)]
    shares = split_over_payments(amount, payments)
    assert sum(share for _, share in shares) == min(amount, sum(max(0, one) for one in left))
    for payment_id, share in shares:
        assert 0 < share <= left[int(payment_id)]


@given(
    shares=st.lists(st.integers(1, 1_000), min_size=1, max_size=6),
    payable=st.integers(0, 3_000),
    deposit=st.integers(0, 3_000),
    taxed=st.integers(0, 500),
)
def test_refunds_share_credit_notes_deposits_and_tax_exactly(
    shares: list[int], payable: int, deposit: int, taxed: int
) -> None:
    total = sum(shares)
    payable = min(payable, total)
    parts = refund_parts(
        [(str(number), share) for number, share in enumerate(shares)],
        payable_minor=payable,
        deposit_minor=deposit,
        free_minor=total - payable,
        taxed_minor=taxed if total > payable else 0,
    )
    assert sum(part.payable_minor for part in parts) == payable
    assert sum(part.deposit_minor for part in parts) == min(deposit, total - payable)
    assert sum(part.taxed_minor for part in parts) == (taxed if total > payable else 0)
    assert all(min(part) >= 0 for part in (part[1:] for part in parts))


def test_withdrawn_refund_takes_no_state_of_a_paid_one(
    till: Bookkeeper, provider: Provider
) -> None:
    """A repeated call after the withdrawal pays nothing, and one after the payment nothing more."""
    number = delivered(till, ("card", "120.00"))
    credit(till, number, "50.00")
    asyncio.run(till.billing.pay_refund(RefundStep(refund_key="O-1/refund/1")))
    assert len(provider.refunds) == 1
    assert till.command("late", kind="withdraw_refund", order_id="O-1").refusal is not None
    [refund] = till.read(select(Refund))
    assert refund.state is RefundState.REFUNDED
    [payment] = till.read(select(Payment))
    assert payment.left_minor == 7_000
