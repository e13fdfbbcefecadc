"""Reversals: payments taken back by the payer's bank (chargebacks)."""

from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select

from activities.billing.credits import use_credit
from activities.billing.on_account import distribute_tax, tax_on_account
from activities.billing.refunds import (
    UNPAID,
    is_in_doubt,
    lock_refund,
    request_refunds,
    unpaid_refunds,
    withdraw_refund,
)
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import find_order, forget_known, save_progress
from models import billing_entries
from models.billing import (
    BEING_REFUNDED,
    Balance,
    SplitReversal,
    amount_problem,
    split_reversal,
)
from models.messages.facts import PaymentReversed
from models.money import Money, parse_amount
from models.refunds import RefundState, paid_by
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


def reverse_payment(work: UnitOfWork, reversal: PaymentReversal, payment: Payment) -> None:
    """Apply a valid reversal: it reduces the order's money, see `models.billing.split_reversal`.

    Without an amount all that is left of the payment is reversed.
    """
    fact, currency = PaymentReversed.model_validate(reversal.reported), payment.currency
    left_minor = payment.amount_minor - payment.reversed_minor
    amount_minor = parse_amount(fact.amount, currency) if fact.amount else left_minor
    reversal.amount_minor, reversal.currency = amount_minor, currency
    reversal.fee_minor = parse_amount(fact.fee, currency)
    order = find_order(work, payment.order_id) if payment.order_id else None
    reversal.order_id, reversal.applied_at = payment.order_id, work.now
    if order is None or payment.currency != order.currency:
        _reverse_unapplied(work, reversal, payment)
        return
    forget_known(work, order.order_id)
    stopped = _stop_refunds(work, order, payment, amount_minor)
    payment.reversed_minor += amount_minor
    payment.applied_minor = min(
        payment.applied_minor, payment.amount_minor - payment.reversed_minor
    )
    _reverse_applied(work, order, reversal, payment)
    if payment.amount_minor - payment.reversed_minor <= payment.applied_minor:
        payment.unmatched_reason = None
    reason = f"({reversal.reason})" if reversal.reason else ""
    detail = f"{money_of(order, amount_minor)} of {payment.payment_id} {reason}".strip()
    record_event(work, order.order_id, "payment_reversed", detail)
    for refund in stopped:
        hold_refund(work, order, refund)


def _stop_refunds(
    work: UnitOfWork, order: Order, payment: Payment, amount_minor: int
) -> list[Refund]:
    """Withdraw the refunds of a payment that are not paid, and others as far as the reversal needs
    their amounts: a reversal is met from what we owe the customer first.

    A refund in doubt may have been paid, and counts as paid.
    """
    stopped = []
    refunds = unpaid_refunds(work.session, order)
    for refund in sorted(refunds, key=lambda row: row.payment_id != payment.payment_id):
        is_its_own = refund.payment_id == payment.payment_id
        is_met = balance_of(order).owed_minor >= amount_minor
        if is_in_doubt(work.session, refund) or (is_met and not is_its_own):
            continue
        withdraw_refund(work, refund, order)
        stopped.append(refund)
    return stopped


def hold_refund(work: UnitOfWork, order: Order, stopped: Refund) -> None:
    """Reserve what is still owed of a stopped refund: an operator decides about it."""
    payment = work.session.get_one(Payment, stopped.payment_id, with_for_update=True)
    owed_minor = balance_of(order).owed_minor
    amount_minor = min(stopped.amount_minor, owed_minor, payment.left_minor)
    if amount_minor > 0:
        request_refunds(
            work,
            order,
            stopped.reason,
            amount_minor,
            payments=[payment],
            by=stopped.paid_by,
            state=RefundState.HELD,
        )


def _reverse_unapplied(work: UnitOfWork, reversal: PaymentReversal, payment: Payment) -> None:
    """Reverse a payment without an order; what was refunded of it is a loss.

    A refund that is not paid is withdrawn: the rest of the payment waits for an operator.
    """
    rows = select(Refund).where(
        Refund.payment_id == payment.payment_id, col(Refund.state).in_(UNPAID)
    )
    for refund in work.session.exec(rows).all():
        if not is_in_doubt(work.session, refund):
            withdraw_refund(work, refund, None)
    unapplied_minor = max(0, min(reversal.amount_minor, payment.left_minor))
    payment.reversed_minor += reversal.amount_minor
    if payment.left_minor <= 0 and payment.unmatched_reason != BEING_REFUNDED:
        payment.unmatched_reason = None
    lost_minor = reversal.amount_minor - unapplied_minor
    entry = billing_entries.reversal_entry(
        reversal.reversal_id,
        payment.currency,
        paid_by(payment.method).account,
        unapplied_minor=unapplied_minor,
        lost_minor=lost_minor,
        fee_minor=reversal.fee_minor,
        order_id=payment.order_id,
    )
    post(work, entry, occurred_at=reversal.recorded_at)


def _reverse_applied(
    work: UnitOfWork, order: Order, reversal: PaymentReversal, payment: Payment
) -> None:
    balance, rules = balance_of(order), work.rules.billing
    amount_minor, account = reversal.amount_minor, paid_by(payment.method).account
    if not balance.invoiced and not balance.cancelled:
        order.paid_minor -= amount_minor
        taxed_minor = order.taxed_minor - tax_on_account(order, rules)
        order.taxed_minor -= taxed_minor
        distribute_tax(work.session, order)
        entry = billing_entries.reversal_entry(
            reversal.reversal_id,
            order.currency,
            account,
            deposit_minor=amount_minor,
            taxed_minor=taxed_minor,
            fee_minor=reversal.fee_minor,
            order_id=order.order_id,
        )
        post(work, entry, occurred_at=reversal.recorded_at)
        return
    taken = _take_from_owed(work, order, balance, amount_minor)
    due_again_minor = taken.split.due_again_minor
    unpaid_minor = min(due_again_minor, order.paid_minor) if balance.invoiced else 0
    advance_minor = 0 if balance.cancelled else min(unpaid_minor, balance.advance_minor)
    order.paid_minor -= unpaid_minor
    order.reclaimed_minor += due_again_minor - unpaid_minor
    untaxed_minor = 0
    if advance_minor:
        untaxed_minor = order.taxed_minor - tax_on_account(order, rules)
        order.taxed_minor -= untaxed_minor
    entry = billing_entries.reversal_entry(
        reversal.reversal_id,
        order.currency,
        account,
        receivable_minor=due_again_minor - advance_minor,
        payable_minor=taken.split.payable_minor,
        deposit_minor=taken.split.deposit_minor + advance_minor,
        taxed_minor=taken.taxed_minor + untaxed_minor,
        fee_minor=reversal.fee_minor,
        order_id=order.order_id,
    )
    post(work, entry, occurred_at=reversal.recorded_at)


class _Taken(NamedTuple):
    """An amount taken from what we owe a customer, and the tax in it that is owed no longer."""

    split: SplitReversal
    taxed_minor: int


def _take_from_owed(work: UnitOfWork, order: Order, balance: Balance, amount_minor: int) -> _Taken:
    split = split_reversal(balance, amount_minor)
    from_deposit_minor = min(split.deposit_minor, order.deposit_minor)
    order.deposit_minor -= from_deposit_minor
    order.paid_minor -= split.deposit_minor - from_deposit_minor
    order.payable_minor -= split.payable_minor
    order.paid_minor -= split.payable_minor
    use_credit(work.session, order.order_id, split.payable_minor)
    taxed_minor = order.taxed_minor - min(
        order.taxed_minor, tax_on_account(order, work.rules.billing)
    )
    order.taxed_minor -= taxed_minor
    return _Taken(split, taxed_minor)


def offset_owed(work: UnitOfWork, order: Order) -> None:
    """Meet what is due from a customer with what is owed to them: a refund was not paid after all.

    The result is as if the refund had not been asked for when its payment was reversed.
    """
    balance = balance_of(order)
    amount_minor = min(balance.owed_minor, balance.receivable_minor)
    if not amount_minor:
        return
    reclaimed_minor = min(order.reclaimed_minor, amount_minor)
    order.reclaimed_minor -= reclaimed_minor
    order.paid_minor += amount_minor - reclaimed_minor
    taken = _take_from_owed(work, order, balance, amount_minor)
    entry = billing_entries.offset_entry(
        f"{order.order_id}:{order.version}",
        order.order_id,
        order.currency,
        payable_minor=taken.split.payable_minor,
        deposit_minor=taken.split.deposit_minor,
        taxed_minor=taken.taxed_minor,
    )
    post(work, entry)
    record_event(work, order.order_id, "offset", str(money_of(order, amount_minor)))


def withdraw_unpaid(work: UnitOfWork, refund: Refund, order: Order | None) -> None:
    """Withdraw a refund that is not paid, and meet what is due from the customer with it."""
    withdraw_refund(work, refund, order)
    if order is not None:
        offset_owed(work, order)
        return
    payment = work.session.get_one(Payment, refund.payment_id)
    lost_minor = min(refund.amount_minor, max(0, refund.amount_minor - payment.left_minor))
    entry = billing_entries.reversed_refund_entry(refund.refund_key, refund.currency, lost_minor)
    post(work, entry)
    if payment.left_minor <= 0:
        payment.unmatched_reason = None


def record_refused_refund(work: UnitOfWork, refund_key: str) -> None:
    """Withdraw a refund that the provider refused if the customer owes us: a payment was reversed
    while the provider was asked. What is still owed of it waits for an operator."""
    refund, order = lock_refund(work, refund_key)
    if refund.state is not RefundState.ASKED:
        return
    if order is None:
        payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
        if payment.left_minor < 0:
            withdraw_unpaid(work, refund, order)
    elif balance_of(order).receivable_minor:
        withdraw_unpaid(work, refund, order)
        hold_refund(work, order, refund)
        save_progress(work, order)
