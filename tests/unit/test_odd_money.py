"""Money at the edges: charges in doubt, money for an order that was over, cents that come late."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from activities.billing.steps import (
    Billing,
    apply_authorisation,
    apply_payment,
    apply_reversal,
    credit_invoice,
    lapse_authorisation,
    record_unmatched_payment,
)
from activities.masterdata.importing import import_folder
from activities.orders.steps import start_cancelling
from activities.stock.steps import release_stock
from models.billing import BillingRules
from models.messages.facts import PaymentAuthorised, PaymentReceived, PaymentReversed
from models.messages.partners import CaptureDemand
from models.messages.requests import CancelRequest
from models.messages.steps import (
    AuthorisationStep,
    CancelOrder,
    OrderStep,
    PaymentStep,
    ReversalStep,
)
from models.orders import OrderDocument
from models.progress import Cancellation, Progress
from models.tables.billing import InvoiceRow, Payment
from models.tables.ledger import JournalEntry
from models.tables.operations import RejectedMessageRow
from models.tables.orders import Order
from tests.support.machine import Provider
from tests.support.shop import SHIP_TO, write_csv
from tests.support.till import RULES, Bookkeeper

TEN_OF_A = [("A", 10)]
"""99.90 and 18.98 of tax."""


class Deaf(Provider):
    """It charges cards, and its first answer gets lost."""

    def __init__(self) -> None:
        super().__init__()
        self.charged: list[str] = []

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """See `Payments`."""
        if key not in self.charged:
            self.charged.append(key)
            raise TimeoutError
        return f"pay-{demand.authorisation_id}"


def placed(till: Bookkeeper, order_id: str, lines: list[tuple[str, int]], **said: Any) -> OrderStep:
    """A prepaid order."""
    document = {
        "order_id": order_id,
        "channel": "online",
        "customer": "ADA",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": "prepaid",
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
    }
    return till.record(OrderDocument.model_validate(document | said))


def paid(till: Bookkeeper, order_id: str, amount: str) -> Progress:
    """Money comes, told under an id of its own."""
    fact = PaymentReceived(
        payment_id=till.next_id("P"), order_id=order_id, amount=amount, currency="EUR"
    )
    return apply_payment.run(till.database, PaymentStep(order_id=order_id, fact=fact))


def taken_back(till: Bookkeeper, order_id: str, payment_id: str) -> None:
    """The payer's bank takes a payment back."""
    fact = PaymentReversed(
        reversal_id=till.next_id("V"), payment_id=payment_id, order_id=order_id, currency="EUR"
    )
    apply_reversal.run(till.database, ReversalStep(order_id=order_id, fact=fact))


def expired(till: Bookkeeper, step: OrderStep) -> None:
    """It wasn't paid in time: cancelled, and what came is given back."""
    request = CancelRequest(reason="not paid in time", actor="deadline")
    late = CancelOrder(order_id=step.order_id, request=request, unless_paid=True)
    assert start_cancelling.run(till.database, late).accepted
    release_stock.run(till.database, step)
    till.give_back(step.order_id)


def takes_up_again(till: Bookkeeper) -> None:
    """Late money takes an order up again."""
    policy = RULES.policy.model_copy(update={"late_money": "reallocate"})
    till.database.rules = replace(RULES, policy=policy, billing=BillingRules())


def authorised(till: Bookkeeper, step: OrderStep, authorisation_id: str, amount: str) -> Progress:
    """A card stands for so much, for a week."""
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


def test_a_charge_in_doubt_is_asked_for_again_though_the_card_stands_for_it_no_longer(
    till: Bookkeeper,
) -> None:
    """Else another authorisation is asked for, and the card is charged twice."""
    deaf = Deaf()
    till.billing = Billing(till.database, deaf)
    step = placed(till, "K1", TEN_OF_A, payment_method="card", capture="at_dispatch")
    authorised(till, step, "A1", "118.88")
    till.now += timedelta(days=7, seconds=-5)
    with pytest.raises(TimeoutError):
        asyncio.run(till.billing.capture_payment(step))
    till.now += timedelta(seconds=10)
    assert lapse_authorisation.run(till.database, step).authorised_until is not None
    assert asyncio.run(till.billing.capture_payment(step)).paid_in_full
    assert deaf.charged == ["K1/capture/A1/1"]


def test_a_card_that_stands_for_too_little_is_told(till: Bookkeeper) -> None:
    step = placed(till, "K2", TEN_OF_A, payment_method="card", capture="at_dispatch")
    assert not authorised(till, step, "A1", "118.87").secured
    [odd] = till.read(select(RejectedMessageRow))
    assert odd.reason == "amount: 118.87 EUR are authorised, 118.88 EUR are due"
    assert authorised(till, step, "A2", "118.88").secured


def test_bills_are_numbered_on_where_a_company_takes_the_default_ones_place(
    till: Bookkeeper, tmp_path: Path
) -> None:
    for number in (1, 2):
        placed(till, f"D{number}", TEN_OF_A)
        assert paid(till, f"D{number}", "118.88").invoice_number == f"INV-2026-{number:06d}"
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


def test_an_order_that_is_owed_for_is_not_taken_up_again(till: Bookkeeper) -> None:
    """What was given back was taken back too: late money, however much, is given back."""
    takes_up_again(till)
    step = placed(till, "R1", TEN_OF_A)
    paid(till, "R1", "40.00")
    expired(till, step)
    taken_back(till, "R1", "P0001")
    for amount in ("118.88", "200.00"):
        assert paid(till, "R1", amount).cancellation is Cancellation.DONE


def test_an_invoice_says_nothing_of_money_that_was_given_back_before(till: Bookkeeper) -> None:
    takes_up_again(till)
    step = placed(till, "R2", TEN_OF_A)
    paid(till, "R2", "40.00")
    expired(till, step)
    assert paid(till, "R2", "118.88").invoice_number
    [invoice] = till.read(select(InvoiceRow))
    assert invoice.content["on_account"] == []


def test_tax_on_account_is_that_of_the_payments_that_stand(till: Bookkeeper) -> None:
    """To the cent, whichever of them was taken back."""
    for order_id, gone in (("T1", 1), ("T2", 2)):
        placed(till, order_id, TEN_OF_A)
        before = till.number
        for _ in range(2):
            paid(till, order_id, "10.00")
        taken_back(till, order_id, f"P{before + gone:04d}")
        payments = till.read(select(Payment).where(Payment.order_id == order_id))
        [order] = till.read(select(Order).where(Order.order_id == order_id))
        taxed = {row.payment_id: row.taxed_minor for row in payments}
        assert sorted(taxed.values()) == [0, 160]
        assert taxed[f"P{before + gone:04d}"] == 0
        assert order.taxed_minor == 160


def test_cents_that_came_one_by_one_before_their_order_recover_what_was_forgiven(
    till: Bookkeeper,
) -> None:
    till.use(BillingRules(tolerance="0.03"))
    for amount in ("118.85", "0.01", "0.01"):
        fact = PaymentReceived(
            payment_id=till.next_id("P"), order_id="W1", amount=amount, currency="EUR"
        )
        record_unmatched_payment.run(till.database, fact)
    placed(till, "W1", TEN_OF_A)
    [order] = till.read(select(Order))
    assert (order.paid_minor, order.forgiven_minor) == (11_887, 1)


def test_money_in_another_currency_dates_no_invoice(till: Bookkeeper) -> None:
    """The tax counts for the day on which the order was paid, in its own currency."""
    placed(till, "F1", TEN_OF_A)
    for days, currency in ((1, "USD"), (4, "EUR")):
        fact = PaymentReceived(
            payment_id=till.next_id("P"),
            order_id="F1",
            amount="118.88",
            currency=currency,
            received_at=till.now - timedelta(days=days),
        )
        apply_payment.run(till.database, PaymentStep(order_id="F1", fact=fact))
    invoice = select(JournalEntry.tax_date).where(col(JournalEntry.entry_id).startswith("invoice:"))
    assert till.read(invoice) == [till.now.date() - timedelta(days=4)]
