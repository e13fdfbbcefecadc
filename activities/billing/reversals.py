"""Reversals: payments taken back by the payer's bank (chargebacks)."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from activities.billing.on_account import distribute_tax, tax_on_account
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import FOR_CHANGE, forget_known
from models import billing_entries
from models.billing import amount_problem, split_reversal
from models.ledger import Entry
from models.messages.facts import PaymentReversed
from models.money import Money, parse_amount
from models.tables.billing import Payment, PaymentReversal, Refund
from models.tables.orders import Order


def reversal_problem(
    fact: PaymentReversed, payment: Payment | None, order: Order | None
) -> str | None:
    """Check a reported reversal; None: it is valid.

    What a reversal before its payment leaves open is checked when the payment is recorded.
    """
    if not fact.payment_id:
        return "payment_id: missing"
    if payment is None:
        return _early_problem(fact)
    if order is not None and payment.order_id != order.order_id:
        return f"payment_id: {fact.payment_id} isn't a payment of {order.order_id}"
    currency = fact.currency or payment.currency
    if currency != payment.currency:
        return f"currency: the payment was in {payment.currency}"
    problem = amount_problem(fact.fee, currency, "fee", least=0)
    if fact.amount is not None:
        problem = problem or amount_problem(fact.amount, currency, "amount", least=1)
    left_minor = payment.amount_minor - payment.reversed_minor
    if problem:
        return problem
    if not left_minor or (fact.amount and parse_amount(fact.amount, currency) > left_minor):
        left = Money(amount_minor=left_minor, currency=currency)
        return f"amount: only {left} of the payment can be reversed"
    return None


def _early_problem(fact: PaymentReversed) -> str | None:
    if not fact.currency:
        return None
    problem = amount_problem(fact.fee, fact.currency, "fee", least=0)
    if fact.amount is not None:
        problem = problem or amount_problem(fact.amount, fact.currency, "amount", least=1)
    return problem


def new_reversal(fact: PaymentReversed, now: datetime) -> PaymentReversal:
    """Build the row of a valid reversal, which is not applied yet."""
    return PaymentReversal(
        reversal_id=fact.reversal_id,
        payment_id=fact.payment_id or "",
        order_id=fact.order_id,
        reason=fact.reason,
        recorded_at=fact.occurred_at or now,
        reported=fact.model_dump(mode="json"),
    )


def early_reversals(session: Session, payment: Payment) -> Sequence[PaymentReversal]:
    """Read the reversals that were reported before their payment, whole ones last.

    One without an amount takes back what others leave of the payment, whatever their order.
    """
    waiting = select(PaymentReversal).where(
        PaymentReversal.payment_id == payment.payment_id,
        col(PaymentReversal.applied_at).is_(None),
    )
    rows = session.exec(waiting.order_by(col(PaymentReversal.reversal_id))).all()
    return sorted(rows, key=lambda row: row.reported["amount"] is None)


def apply_early_reversals(
    work: UnitOfWork, payment: Payment, reversals: Sequence[PaymentReversal]
) -> None:
    """Apply reversals that were reported before their payment, which is recorded now."""
    if reversals:
        work.session.flush()
    for reversal in reversals:
        fact = PaymentReversed.model_validate(reversal.reported)
        if problem := reversal_problem(fact, payment, None):
            reject_fact(work, payment.order_id or "", fact, problem)
        else:
            reverse_payment(work, reversal, payment)


def reverse_payment(work: UnitOfWork, reversal: PaymentReversal, payment: Payment) -> None:
    """Apply a valid reversal: it reduces the order's money, see `models.billing.split_reversal`.

    Without an amount all that is left of the payment is reversed.
    """
    fact, currency = PaymentReversed.model_validate(reversal.reported), payment.currency
    left_minor = payment.amount_minor - payment.reversed_minor
    amount_minor = parse_amount(fact.amount, currency) if fact.amount else left_minor
    reversal.amount_minor, reversal.currency = amount_minor, currency
    reversal.fee_minor = parse_amount(fact.fee, currency)
    order = work.session.get(Order, payment.order_id or "", with_for_update=FOR_CHANGE)
    payment.reversed_minor += amount_minor
    reversal.order_id, reversal.applied_at = payment.order_id, work.now
    if order is None or payment.currency != order.currency:
        entry = _reverse_unapplied(work.session, reversal, payment, amount_minor)
    else:
        entry = _reverse_applied(work, order, reversal, payment, amount_minor)
        if payment.amount_minor - payment.reversed_minor <= payment.applied_minor:
            payment.unmatched_reason = None
        reason = f"({reversal.reason})" if reversal.reason else ""
        detail = f"{money_of(order, amount_minor)} of {payment.payment_id} {reason}".strip()
        record_event(work, order.order_id, "payment_reversed", detail)
    post(work, entry, occurred_at=reversal.recorded_at)


def _reverse_unapplied(
    session: Session, reversal: PaymentReversal, payment: Payment, amount_minor: int
) -> Entry:
    """Reverse a payment without an order; a payment that is (being) refunded is a loss."""
    refunds = select(Refund.refund_key).where(Refund.payment_id == payment.payment_id)
    if session.exec(refunds).first() is not None:
        return billing_entries.reversal_loss_entry(
            reversal.reversal_id,
            payment.currency,
            amount_minor=amount_minor,
            fee_minor=reversal.fee_minor,
        )
    if payment.reversed_minor == payment.amount_minor:
        payment.unmatched_reason = None
    return billing_entries.reversal_entry(
        reversal.reversal_id,
        payment.currency,
        unapplied_minor=amount_minor,
        fee_minor=reversal.fee_minor,
        order_id=payment.order_id,
    )


def _reverse_applied(
    work: UnitOfWork,
    order: Order,
    reversal: PaymentReversal,
    payment: Payment,
    amount_minor: int,
) -> Entry:
    forget_known(work, order.order_id)
    balance, rules = balance_of(work.session, order), work.rules.billing
    payment.applied_minor = min(
        payment.applied_minor, payment.amount_minor - payment.reversed_minor
    )
    if not balance.invoiced and not balance.cancelled:
        order.paid_minor -= amount_minor
        taxed_minor = order.taxed_minor - tax_on_account(order, rules)
        order.taxed_minor -= taxed_minor
        distribute_tax(work.session, order)
        return billing_entries.reversal_entry(
            reversal.reversal_id,
            order.currency,
            deposit_minor=amount_minor,
            taxed_minor=taxed_minor,
            fee_minor=reversal.fee_minor,
            order_id=order.order_id,
        )
    split = split_reversal(balance, amount_minor)
    from_deposit_minor = min(split.deposit_minor, order.deposit_minor)
    order.deposit_minor -= from_deposit_minor
    order.paid_minor -= split.deposit_minor - from_deposit_minor
    order.payable_minor -= split.payable_minor
    order.paid_minor -= split.payable_minor
    unpaid_minor = min(split.due_again_minor, order.paid_minor) if balance.invoiced else 0
    order.paid_minor -= unpaid_minor
    order.reclaimed_minor += split.due_again_minor - unpaid_minor
    taxed_minor = order.taxed_minor - min(order.taxed_minor, tax_on_account(order, rules))
    order.taxed_minor -= taxed_minor
    return billing_entries.reversal_entry(
        reversal.reversal_id,
        order.currency,
        receivable_minor=split.due_again_minor,
        payable_minor=split.payable_minor,
        deposit_minor=split.deposit_minor,
        taxed_minor=taxed_minor,
        fee_minor=reversal.fee_minor,
        order_id=order.order_id,
    )
