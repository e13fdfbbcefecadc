"""Rules of money: invoices, payments, credit notes, refunds, chargebacks, dunning, payouts."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlmodel import col, select

from activities.billing.dunning import review_dunning
from activities.billing.steps import (
    apply_payment,
    apply_refund_report,
    apply_reversal,
    issue_invoice,
    record_payout,
    record_unmatched_payment,
)
from activities.database.company import day_of
from activities.ledger import reading as ledger_reading
from models.billing import InvoiceAt
from models.messages.facts import PaymentReceived, PaymentRefunded, PaymentReversed, PayoutPaid
from models.messages.steps import OrderStep, PaymentStep, ReversalStep
from models.money import format_amount
from models.orders import OrderDocument
from models.refunds import RefundState
from models.tables.billing import InvoiceRow, Payment, Refund
from models.tables.orders import Order
from tests.support.billing.model import BillingModel
from tests.support.database.stateful import picks
from tests.support.masterdata import shop

UNMATCHED = col(Payment.order_id).is_(None)
ANY_PART: Mapping[str, Any] = {}
PARTS = ("a third", "all", "all but two cents", "too much")
"""Parts of the amount due."""


class PaymentRules(BillingModel):
    """The events of orders' money."""

    @rule(
        lines=st.lists(
            st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), min_size=1, max_size=3
        ),
        terms=st.sampled_from(["prepaid", "net30"]),
        customer=st.sampled_from(["ADA", "BOB"]),
        discount=st.sampled_from(["0", "3", "12.5"]),
        early=st.booleans(),
        invoice_at=st.sampled_from(InvoiceAt),
    )
    def place(
        self,
        lines: list[tuple[str, int]],
        terms: str,
        customer: str,
        discount: str,
        early: bool,
        invoice_at: InvoiceAt = InvoiceAt.ACCEPTANCE,
    ) -> None:
        """Place an order; on credit it is invoiced at once, or (`early`) later, or by delivery.

        The prices of every other order include tax.
        """
        self.invoice_at(invoice_at)
        document = shop.order(
            "",
            customer,
            order_id=self.next_id("O"),
            terms=terms,
            discount_percent=discount,
            prices_include_tax=len(self.read(select(Order))) % 2 == 0,
            lines=[{"sku": sku, "quantity": quantity} for sku, quantity in lines],
        )
        step = self.record(OrderDocument.model_validate(document))
        if terms == "net30" and not early:
            issue_invoice.run(self.database, step)

    @rule(pick=picks)
    def invoice(self, pick: int) -> None:
        """Invoice an order on credit that has no invoice yet."""
        invoiced = select(InvoiceRow.order_id)
        orders = select(Order).where(Order.terms == "net30", col(Order.order_id).not_in(invoiced))
        order = self.pick(orders, pick)
        if order is not None:
            issue_invoice.run(self.database, OrderStep(order_id=order.order_id))

    @rule(
        pick=picks,
        part=st.sampled_from(PARTS),
        twice=st.booleans(),
        method=st.sampled_from(["card", "cash", "transfer"]),
    )
    def pay(self, pick: int, part: str, twice: bool, method: str = "card") -> None:
        """Pay a part of an order in any stage."""
        order = self.pick(select(Order).order_by(Order.order_id), pick)
        if order is None:
            return
        due_minor = order.total_minor + order.fees_minor - order.paid_minor
        amount_minor = {
            "a third": due_minor // 3,
            "all": due_minor,
            "all but two cents": due_minor - 2,
            "too much": due_minor + 777,
        }[part]
        if amount_minor <= 0:
            return
        fact = PaymentReceived(
            payment_id=self.next_id("P"),
            order_id=order.order_id,
            amount=format_amount(amount_minor, "EUR"),
            currency="EUR",
            method=method,
            received_at=self.clock(),
        )
        for _ in range(1 + twice):
            apply_payment.run(self.database, PaymentStep(order_id=order.order_id, fact=fact))
        self.events[f"paid {part}"] += 1

    @rule(pick=picks, reversed_first=st.booleans(), refunded_first=st.booleans())
    def pay_unknown_order(
        self, pick: int, reversed_first: bool, refunded_first: bool = False
    ) -> None:
        """Record a payment for an unknown order; a reversal of it, and the report that all of it
        was refunded, may arrive before it."""
        payment_id = self.next_id("P")
        if reversed_first:
            fact = PaymentReversed(
                reversal_id=self.next_id("RV"), payment_id=payment_id, amount="1.00", currency="EUR"
            )
            apply_reversal.run(self.database, ReversalStep(order_id=None, fact=fact))
        if refunded_first:
            refunded = PaymentRefunded(
                refund_id=self.next_id("RF"),
                payment_id=payment_id,
                amount=f"{1 + pick}.10",
                currency="EUR",
            )
            apply_refund_report.run(self.database, refunded)
        record_unmatched_payment.run(
            self.database,
            PaymentReceived(
                payment_id=payment_id, order_id="NOBODY", amount=f"{1 + pick}.10", currency="EUR"
            ),
        )

    @rule(pick=picks, order_pick=picks)
    def assign(self, pick: int, order_pick: int) -> None:
        """Assign an unmatched payment to an order."""
        payment = self.pick(select(Payment).where(UNMATCHED), pick)
        order = self.pick(select(Order), order_pick)
        if payment is not None and order is not None:
            self.command(
                "assign", kind="assign", payment_id=payment.payment_id, order_id=order.order_id
            )

    @rule(
        pick=picks,
        amount=st.sampled_from([None, "0.01", "3.33", "50.00"]),
        keep=st.booleans(),
        part=st.sampled_from([{}, {"line_no": 1}, {"line_no": 2}, {"rate_percent": "7"}]),
    )
    def credit(
        self, pick: int, amount: str | None, keep: bool, part: Mapping[str, Any] = ANY_PART
    ) -> None:
        """Credit an amount of an invoice, of a line or rate of it, or all; `keep`: no refund."""
        invoice = self.pick(select(InvoiceRow), pick)
        if invoice is not None:
            self.command(
                "credit",
                kind="credit",
                invoice_number=invoice.number,
                amount=amount,
                refund=not keep,
                **part,
            )

    @rule(
        pick=picks,
        amount=st.sampled_from([None, "0.01", "5.00"]),
        payment_pick=st.none() | picks,
        by=st.sampled_from([None, "cash", "transfer"]),
    )
    def refund(
        self, pick: int, amount: str | None, payment_pick: int | None = None, by: str | None = None
    ) -> None:
        """Refund an amount to an order's customer, or all that is due to them; of one payment, or
        `by` hand."""
        order = self.pick(select(Order), pick)
        if order is None:
            return
        payment = None
        if payment_pick is not None:
            of_order = select(Payment).where(Payment.order_id == order.order_id)
            payment = self.pick(of_order, payment_pick)
        self.command(
            f"refund {'by hand' if by else 'asked'}",
            kind="refund",
            order_id=order.order_id,
            amount=amount,
            payment_id=payment.payment_id if payment else None,
            paid_by=by,
        )

    @rule(pick=picks, by=st.sampled_from([None, "cash", "transfer"]))
    def refund_payment(self, pick: int, by: str | None = None) -> None:
        """Refund an unmatched payment."""
        payment = self.pick(select(Payment).where(UNMATCHED), pick)
        if payment is not None:
            self.command("refund payment", kind="refund", payment_id=payment.payment_id, paid_by=by)

    @rule(refuses=st.booleans(), is_silent=st.booleans())
    def change_provider(self, refuses: bool, is_silent: bool) -> None:
        """Let the provider refuse refunds, give no answer, or pay them again."""
        self.provider.refuses, self.provider.is_silent = refuses, is_silent

    @rule(pick=picks)
    def retry_refunds(self, pick: int) -> None:
        """Pay the refunds of an order that wait, as an operator's retry does."""
        order = self.pick(select(Order), pick)
        if order is not None:
            keys = select(Refund.refund_key).where(Refund.order_id == order.order_id)
            self.pay_refunds(self.read(keys))

    @rule(pick=picks)
    def withdraw_refund(self, pick: int) -> None:
        """Withdraw a refund that is not paid."""
        unpaid = select(Refund).where(col(Refund.state).in_((RefundState.ASKED, RefundState.HELD)))
        refund = self.pick(unpaid.order_by(Refund.refund_key), pick)
        if refund is None:
            return
        target = (
            {"order_id": refund.order_id} if refund.order_id else {"payment_id": refund.payment_id}
        )
        self.command("withdraw", kind="withdraw_refund", number=refund.number, **target)

    @rule(pick=picks, some=st.booleans(), twice=st.booleans())
    def charge_back(self, pick: int, some: bool, twice: bool) -> None:
        """Reverse the rest of a payment, or (`some`) half of it, with a fee."""
        payment = self.pick(select(Payment), pick)
        if payment is None:
            return
        left_minor = payment.amount_minor - payment.reversed_minor
        amount_minor = left_minor // 2 if some else left_minor
        if amount_minor <= 0:
            return
        fact = PaymentReversed(
            reversal_id=self.next_id("RV"),
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            amount=format_amount(amount_minor, "EUR"),
            currency="EUR",
            fee="7.50",
            occurred_at=self.clock(),
        )
        for _ in range(1 + twice):
            apply_reversal.run(self.database, ReversalStep(order_id=payment.order_id, fact=fact))
        self.events["charged back"] += 1

    @rule(days=st.integers(1, 40), pick=picks)
    def remind(self, days: int, pick: int) -> None:
        """Advance the time by some days and review the dunning of an order."""
        today = self.database.read(lambda s: day_of(s, self.now))
        self.ageings[today] = self.database.read(partial(ledger_reading.ageing, today=today))
        self.now += timedelta(days=days)
        order = self.pick(select(Order), pick)
        if order is not None:
            review = review_dunning.run(self.database, OrderStep(order_id=order.order_id))
            self.events["reminded"] += review.remind is not None

    @rule(pick=picks)
    def write_off(self, pick: int) -> None:
        """Write off the receivable of an order."""
        order = self.pick(select(Order), pick)
        if order is not None:
            self.command("write off", kind="write_off", order_id=order.order_id)

    @rule(amount=st.integers(0, 10_000), fee=st.integers(0, 99))
    def pay_out(self, amount: int, fee: int) -> None:
        """Record a payout of the provider, in minor units."""
        record_payout.run(
            self.database,
            PayoutPaid(
                payout_id=self.next_id("PO"),
                amount=format_amount(amount, "EUR"),
                fee=format_amount(fee, "EUR"),
                currency="EUR",
            ),
        )

    @rule(days=st.integers(1, 20))
    def close(self, days: int) -> None:
        """Close the period that ended some days ago."""
        through = (self.now - timedelta(days=days)).date()
        self.command("close", kind="close_period", through=through)
