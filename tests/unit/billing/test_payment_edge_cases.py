"""Edge cases of payments: captures in doubt, late payments, payments of cents, other currencies."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from activities.billing.payment_calls import PaymentCalls
from activities.billing.payment_requests import request_call, requested_minor
from activities.billing.payments import record_unmatched
from activities.billing.steps import (
    apply_authorisation,
    apply_payment,
    apply_reversal,
    credit_invoice,
    lapse_authorisation,
    record_unmatched_payment,
)
from activities.database.inbox import store_fact
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import record_request
from activities.masterdata.importing import import_folder
from activities.orders.steps import start_cancelling
from activities.stock.steps import allocate_stock, release_stock
from models.billing import BillingRules
from models.messages.facts import PaymentAuthorised, PaymentReceived, PaymentReversed
from models.messages.partners import CaptureDemand, PaymentDemand
from models.messages.requests import CancelRequest
from models.messages.steps import (
    AuthorisationStep,
    CancelOrder,
    OrderStep,
    PaymentStep,
    ReversalStep,
)
from models.orders import OrderDocument
from models.progress import Cancellation, Progress, Stage
from models.tables.billing import InvoiceRow, Payment, PaymentReversal
from models.tables.ledger import JournalEntry
from models.tables.operations import AuditRow, RejectedMessageRow
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import RULES
from tests.support.gateways.partners import Provider
from tests.support.masterdata.shop import SHIP_TO, write_csv

TEN_OF_A = [("A", 10)]
"""118.88 EUR, of which 18.98 are tax."""


class LostAnswer(Provider):
    """A provider that charges cards, and whose first answer gets lost."""

    def __init__(self) -> None:
        super().__init__()
        self.charged: list[str] = []

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """See `Payments`."""
        if key not in self.charged:
            self.charged.append(key)
            raise TimeoutError
        return f"pay-{demand.authorisation_id}"


def place(
    till: Bookkeeper, order_id: str, lines: list[tuple[str, int]], **fields: Any
) -> OrderStep:
    """Record a prepaid order."""
    document = {
        "order_id": order_id,
        "channel": "online",
        "customer": "ADA",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": "prepaid",
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
    }
    return till.record(OrderDocument.model_validate(document | fields))


def pay(till: Bookkeeper, order_id: str, amount: str) -> Progress:
    """Record a payment under a new id."""
    fact = PaymentReceived(
        payment_id=till.next_id("P"), order_id=order_id, amount=amount, currency="EUR"
    )
    return apply_payment.run(till.database, PaymentStep(order_id=order_id, fact=fact))


def reverse(till: Bookkeeper, order_id: str, payment_id: str) -> None:
    """Record the reversal of a payment."""
    fact = PaymentReversed(
        reversal_id=till.next_id("V"), payment_id=payment_id, order_id=order_id, currency="EUR"
    )
    apply_reversal.run(till.database, ReversalStep(order_id=order_id, fact=fact))


def expire(till: Bookkeeper, step: OrderStep) -> None:
    """Cancel an order at its payment deadline and refund its payments."""
    request = CancelRequest(reason="not paid in time", actor="deadline")
    cancel = CancelOrder(order_id=step.order_id, request=request, unless_paid=True)
    assert start_cancelling.run(till.database, cancel).accepted
    release_stock.run(till.database, step)
    till.give_back(step.order_id)


def reinstate_on_late_payment(till: Bookkeeper) -> None:
    """Configure that late payments reinstate their orders."""
    policy = RULES.policy.model_copy(update={"late_money": "reallocate"})
    till.database.rules = replace(RULES, policy=policy, billing=BillingRules())


def authorise(till: Bookkeeper, step: OrderStep, authorisation_id: str, amount: str) -> Progress:
    """Record a card's authorisation, valid for a week."""
    fact = PaymentAuthorised(
        authorisation_id=authorisation_id,
        order_id=step.order_id,
        amount=amount,
        currency="EUR",
        expires_at=till.now + timedelta(days=7),
    )
    return apply_authorisation.run(
        till.database, AuthorisationStep(order_id=step.order_id, fact=fact)
    )


def test_capture_in_doubt_is_repeated_after_authorisation_expires(till: Bookkeeper) -> None:
    """Another authorisation instead could charge the customer twice."""
    provider = LostAnswer()
    till.billing = PaymentCalls(till.database, provider)
    step = place(till, "K1", TEN_OF_A, payment_method="card", capture="at_dispatch")
    authorise(till, step, "A1", "118.88")
    till.now += timedelta(days=7, seconds=-5)
    with pytest.raises(TimeoutError):
        asyncio.run(till.billing.capture_payment(step))
    till.now += timedelta(seconds=10)
    assert lapse_authorisation.run(till.database, step).authorised_until is not None
    assert asyncio.run(till.billing.capture_payment(step)).paid_in_full
    assert provider.charged == ["K1/capture/A1/1"]


def test_authorisation_below_amount_due_does_not_secure_the_order(till: Bookkeeper) -> None:
    """Unless a payment comes for the rest, before or after it."""
    step = place(till, "K2", TEN_OF_A, payment_method="card", capture="at_dispatch")
    assert not authorise(till, step, "A1", "118.87").secured
    assert till.read(select(RejectedMessageRow)) == []
    [detail] = till.read(select(AuditRow.detail).where(AuditRow.event == "payment_authorised"))
    assert detail.startswith("118.87 EUR until ")
    assert detail.endswith(", below the 118.88 EUR due")
    assert pay(till, "K2", "0.01").secured


def test_company_import_continues_number_series(till: Bookkeeper, tmp_path: Path) -> None:
    """The imported company replaces the default one; numbers stay gapless."""
    for number in (1, 2):
        place(till, f"D{number}", TEN_OF_A)
        assert pay(till, f"D{number}", "118.88").invoice_number == f"INV-2026-{number:06d}"
        folder = tmp_path / f"company-{number}"
        folder.mkdir()
        company = {"legal_entity": "northwind", "name": "Northwind", "city": "Berlin"}
        address = {"street": "X 1", "postal_code": "10115", "country": "DE", "currency": "EUR"}
        write_csv(folder, "company.csv", [company | address])
        import_folder(till.database, folder)
        request = CancelRequest(reason="not wanted", actor="ann")
        assert start_cancelling.run(
            till.database, CancelOrder(order_id=f"D{number}", request=request)
        ).accepted
        credit_invoice.run(till.database, OrderStep(order_id=f"D{number}"))
    numbers = till.read(
        select(JournalEntry.entry_id).where(col(JournalEntry.entry_id).startswith("credit_note:"))
    )
    assert sorted(numbers) == [f"credit_note:CN-2026-{number:06d}" for number in (1, 2)]


def test_reversal_after_refund_prevents_reinstatement(till: Bookkeeper) -> None:
    """The reversed amount is due, so that any later payment is refunded."""
    reinstate_on_late_payment(till)
    step = place(till, "R1", TEN_OF_A)
    pay(till, "R1", "40.00")
    expire(till, step)
    reverse(till, "R1", "P0001")
    for amount in ("118.88", "200.00"):
        assert pay(till, "R1", amount).cancellation is Cancellation.DONE


def test_invoice_lists_no_payment_refunded_before_reinstatement(till: Bookkeeper) -> None:
    reinstate_on_late_payment(till)
    step = place(till, "R2", TEN_OF_A)
    pay(till, "R2", "40.00")
    expire(till, step)
    assert pay(till, "R2", "118.88").invoice_number
    [invoice] = till.read(select(InvoiceRow))
    assert invoice.content["on_account"] == []


def test_tax_on_account_excludes_reversed_payments(till: Bookkeeper) -> None:
    """Exactly to the cent, whichever payment is reversed."""
    for order_id, which in (("T1", 1), ("T2", 2)):
        place(till, order_id, TEN_OF_A)
        before = till.number
        for _ in range(2):
            pay(till, order_id, "10.00")
        reverse(till, order_id, f"P{before + which:04d}")
        payments = till.read(select(Payment).where(Payment.order_id == order_id))
        [order] = till.read(select(Order).where(Order.order_id == order_id))
        taxed = {row.payment_id: row.taxed_minor for row in payments}
        assert sorted(taxed.values()) == [0, 160]
        assert taxed[f"P{before + which:04d}"] == 0
        assert order.taxed_minor == 160


def test_payments_of_cents_before_their_order_reverse_waived_difference(till: Bookkeeper) -> None:
    till.use(BillingRules(tolerance="0.03"))
    for amount in ("118.85", "0.01", "0.01"):
        fact = PaymentReceived(
            payment_id=till.next_id("P"), order_id="W1", amount=amount, currency="EUR"
        )
        record_unmatched_payment.run(till.database, fact)
    place(till, "W1", TEN_OF_A)
    [order] = till.read(select(Order))
    assert (order.paid_minor, order.forgiven_minor) == (11_887, 1)


def test_payment_in_another_currency_does_not_date_invoice(till: Bookkeeper) -> None:
    """Its tax date is the day of the last payment in the order's currency."""
    place(till, "F1", TEN_OF_A)
    for days, currency in ((1, "USD"), (4, "EUR")):
        fact = PaymentReceived(
            payment_id=till.next_id("P"),
            order_id="F1",
            amount="118.88",
            currency=currency,
            received_at=till.now - timedelta(days=days),
        )
        apply_payment.run(till.database, PaymentStep(order_id="F1", fact=fact))
    invoice = select(col(JournalEntry.tax_date)).where(
        col(JournalEntry.entry_id).startswith("invoice:")
    )
    assert till.read(invoice) == [till.now.date() - timedelta(days=4)]


def reverse_early(till: Bookkeeper, **fields: Any) -> None:
    """Report a reversal of payment EARLY, which isn't known yet, without naming an order."""
    fact = PaymentReversed(reversal_id=till.next_id("V"), payment_id="EARLY", **fields)
    apply_reversal.run(till.database, ReversalStep(order_id=None, fact=fact))


def pay_early(till: Bookkeeper, order_id: str | None, amount: str = "118.88") -> Payment:
    """Record payment EARLY."""
    fact = PaymentReceived(payment_id="EARLY", order_id=order_id, amount=amount, currency="EUR")
    if order_id is None:
        record_unmatched_payment.run(till.database, fact)
    else:
        apply_payment.run(till.database, PaymentStep(order_id=order_id, fact=fact))
    [payment] = till.read(select(Payment).where(Payment.payment_id == "EARLY"))
    return payment


@pytest.mark.parametrize(
    ("reported", "reversed_minor"),
    [
        ([{}], 11_888),
        ([{"currency": "EUR"}], 11_888),
        ([{"fee": "7.50"}], 11_888),
        ([{"amount": "18.88"}], 1_888),
        ([{"amount": "18.880", "currency": "EUR"}, {"amount": "100"}], 11_888),
        ([{}, {"amount": "18.88"}], 11_888),
    ],
    ids=str,
)
@pytest.mark.parametrize("order_id", ["E1", None])
def test_early_reversal_is_kept_and_applied_with_its_payment(
    till: Bookkeeper,
    reported: list[dict[str, str]],
    reversed_minor: int,
    order_id: str | None,
) -> None:
    """Amount and currency may follow from the payment; the whole one takes what others leave."""
    place(till, "E1", TEN_OF_A)
    for fields in reported:
        reverse_early(till, **fields)
    payment = pay_early(till, order_id)
    assert payment.reversed_minor == reversed_minor
    assert till.read(select(RejectedMessageRow)) == []
    [order] = till.read(select(Order))
    assert order.paid_minor == (11_888 - reversed_minor if order_id else 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"currency": "USD"}, "currency: the payment was in EUR"),
        ({"amount": "118.89"}, "amount: only 118.88 EUR of the payment can be reversed"),
        ({"amount": "1.001"}, "amount: '1.001' has more than 2 decimals"),
        ({"fee": "7.505"}, "fee: '7.505' has more than 2 decimals"),
    ],
)
def test_early_reversal_that_contradicts_its_payment_is_rejected_then(
    till: Bookkeeper, fields: dict[str, str], reason: str
) -> None:
    """An operator sees it with the order; it is not kept in silence for ever."""
    place(till, "E2", TEN_OF_A)
    reverse_early(till, **fields)
    assert pay_early(till, "E2").reversed_minor == 0
    [rejected] = till.read(select(RejectedMessageRow))
    assert (rejected.subject, rejected.reason) == ("E2", reason)


def test_repeated_early_reversal_is_one_and_other_content_is_rejected(till: Bookkeeper) -> None:
    facts = [
        *[PaymentReversed(reversal_id="V1", payment_id="EARLY", amount="5.00")] * 2,
        PaymentReversed(reversal_id="V1", payment_id="EARLY", currency="EUR"),
        PaymentReversed(reversal_id="V1", payment_id="EARLY", amount="6.00"),
        PaymentReversed(reversal_id="V1", payment_id="OTHER"),
    ]
    for fact in facts:
        apply_reversal.run(till.database, ReversalStep(order_id=None, fact=fact))
    assert len(till.read(select(PaymentReversal))) == 1
    rejected = till.read(select(RejectedMessageRow.reason))
    assert rejected == ["reversal_id: known with other content"] * 2


def webhook(till: Bookkeeper, order_id: str, webhook_id: str) -> None:
    """Receive a webhook about payment WON of 118.88, and apply it if it is still to be applied."""
    fact = PaymentReceived(payment_id="WON", order_id=order_id, amount="118.88", currency="EUR")
    if not till.database.transaction(lambda work: store_fact(work, "payments", webhook_id, fact)):
        return
    if order_id == "NOBODY":
        record_unmatched_payment.run(till.database, fact)
    else:
        apply_payment.run(till.database, PaymentStep(order_id=order_id, fact=fact))


@pytest.mark.parametrize("order_id", ["V1", "NOBODY"])
def test_payment_reported_again_after_its_reversal_is_rejected_once(
    till: Bookkeeper, order_id: str
) -> None:
    """It may be money of a won dispute: the reason says what to do, and nothing is posted."""
    place(till, "V1", TEN_OF_A)
    for webhook_id in ("W1", "W2"):
        webhook(till, order_id, webhook_id)
    fact = PaymentReversed(reversal_id="V", payment_id="WON")
    apply_reversal.run(till.database, ReversalStep(order_id=None, fact=fact))
    entries = till.read(select(JournalEntry.entry_id))
    for webhook_id in ("W1", "W2"):
        webhook(till, order_id, webhook_id)
    assert till.read(select(RejectedMessageRow)) == []
    for webhook_id in ("W3", "W4", "W3"):
        webhook(till, order_id, webhook_id)
    [rejected] = till.read(select(RejectedMessageRow))
    assert rejected.subject == order_id
    assert rejected.reason.startswith("payment_id: 118.88 EUR of this payment were reversed; ")
    assert "a payment id of its own" in rejected.reason
    assert till.read(select(JournalEntry.entry_id)) == entries


def test_step_repeated_after_a_reversal_rejects_nothing(till: Bookkeeper) -> None:
    """Its payment was applied, and the answer got lost."""
    place(till, "V2", TEN_OF_A)
    webhook(till, "V2", "W1")
    reverse(till, "V2", "WON")
    fact = PaymentReceived(payment_id="WON", order_id="V2", amount="118.88", currency="EUR")
    progress = apply_payment.run(till.database, PaymentStep(order_id="V2", fact=fact))
    assert not progress.paid_in_full
    assert till.read(select(RejectedMessageRow)) == []


@pytest.mark.parametrize("currency", [None, "EUR"])
def test_fee_of_reversal_is_in_the_payment_s_currency(
    till: Bookkeeper, currency: str | None
) -> None:
    place(till, "V3", TEN_OF_A)
    webhook(till, "V3", "W1")
    for fee in ("7.505", "7.50"):
        fact = PaymentReversed(
            reversal_id=till.next_id("V"), payment_id="WON", currency=currency, fee=fee
        )
        apply_reversal.run(till.database, ReversalStep(order_id="V3", fact=fact))
    [reason] = till.read(select(RejectedMessageRow.reason))
    assert reason == "fee: '7.505' has more than 2 decimals"
    [reversal] = till.read(select(PaymentReversal))
    assert (reversal.fee_minor, reversal.currency) == (750, "EUR")


def test_cancelled_amended_order_waits_for_the_smallest_request(till: Bookkeeper) -> None:
    """A request that an amendment replaced may be the one that was paid."""
    step = place(till, "ORD-AMENDED", TEN_OF_A)

    def ask(work: UnitOfWork) -> int:
        order = work.session.get_one(Order, step.order_id)
        order.amendments = 2
        for number, amount in enumerate(("150.00", "100.00", "120.00"), start=1):
            demand = PaymentDemand(
                order_id=step.order_id, amount=amount, currency="EUR", due_date=work.today
            )
            record_request(work, request_call(step.order_id, number), demand)
        work.session.flush()
        return requested_minor(work.session, order)

    assert till.database.transaction(ask) == 10_000


def test_reversal_received_before_its_payment_and_applied_after_it_changes_the_order(
    till: Bookkeeper,
) -> None:
    """It names no order, as its payment wasn't known then: the payment's order is unpaid again."""
    step = place(till, "L1", TEN_OF_A)
    allocate_stock.run(till.database, step)
    assert pay_early(till, "L1").order_id == "L1"
    [paid] = till.read(select(Order))
    fact = PaymentReversed(reversal_id="V", payment_id="EARLY")
    progress = apply_reversal.run(till.database, ReversalStep(order_id=None, fact=fact))
    [order] = till.read(select(Order))
    assert progress is not None
    assert (progress.order_id, progress.version) == ("L1", order.version)
    assert (paid.stage, order.stage) == (Stage.DISPATCHING, Stage.AWAITING_PAYMENT)
    assert order.version > paid.version


def test_payment_recorded_without_its_order_in_the_same_moment_is_applied(till: Bookkeeper) -> None:
    """The order read its report as waiting, and applies it when it is recorded as unmatched."""
    place(till, "M1", TEN_OF_A)
    fact = PaymentReceived(payment_id="M", order_id="M1", amount="118.88", currency="EUR")
    till.database.transaction(lambda work: record_unmatched(work, fact, None, "no such order"))
    for _ in range(2):
        apply_payment.run(till.database, PaymentStep(order_id="M1", fact=fact))
    [payment], [order] = till.read(select(Payment)), till.read(select(Order))
    assert (payment.order_id, payment.unmatched_reason) == ("M1", None)
    assert (order.paid_minor, order.deposit_minor) == (11_888, 0)
