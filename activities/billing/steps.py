"""Billing steps: invoices, card authorisations, payments, reversals and payouts."""

from activities.billing.cards import (
    authorisation_problem,
    lapse_authorisations,
    record_authorisation,
)
from activities.billing.exchanges import credit_cancelled_exchange
from activities.billing.invoicing import (
    create_invoice,
    credit_amount,
    gross_minor,
    invoices_of,
    uncredited_taxes,
)
from activities.billing.on_account import find_payment, lock_payment_id
from activities.billing.payments import (
    apply_early_payments,
    currency_mismatch,
    record_payment,
    record_unmatched,
    reinstate_order,
)
from activities.billing.recognised import reverse_recognised
from activities.billing.refund_reports import record_failed_refund, record_reported_refund
from activities.billing.reversals import new_reversal, reversal_problem, reverse_payment
from activities.database.duplicates import conflict
from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.balance import balance_of, invoice_numbers, money_of
from activities.order_record.progress import find_order, lock_order, read_progress, save_progress
from models.billing import amount_problem, reinstates
from models.billing_entries import payout_entry
from models.messages.facts import (
    PaymentAuthorised,
    PaymentReceived,
    PaymentRefunded,
    PaymentReversed,
    PayoutPaid,
    RefundFailed,
)
from models.messages.steps import (
    AuthorisationStep,
    Notification,
    OrderStep,
    PaymentStep,
    ReversalStep,
)
from models.money import Money, parse_amount
from models.progress import Cancellation, Progress
from models.tables.billing import Payment, PaymentReversal, Payout
from models.tables.orders import Order


@step
def issue_invoice(work: UnitOfWork, step: OrderStep) -> Progress:
    """Number and post the invoice of a whole order once."""
    order = lock_order(work, step.order_id)
    if order.cancellation is not Cancellation.NONE or not create_invoice(work, order):
        return read_progress(work.session, order)
    return save_progress(work, order)


@step
def credit_invoice(work: UnitOfWork, step: OrderStep) -> Progress:
    """Credit a cancelled order's invoices once; undoes `issue_invoice`.

    For an exchange it credits the paid order for the units that won't be sent.
    """
    order = lock_order(work, step.order_id)
    credited = credit_cancelled_exchange(work, order)
    invoices = invoices_of(work.session, order.order_id)
    for invoice in invoices:
        if gross_minor(uncredited_taxes(work.session, invoice)):
            credit_amount(work, order, invoice, order.cancel_reason)
            credited = True
    if invoices:
        reverse_recognised(work, order)
    return save_progress(work, order) if credited else read_progress(work.session, order)


@step
def apply_authorisation(work: UnitOfWork, step: AuthorisationStep) -> Progress:
    """Record a card's authorisation once; it posts nothing."""
    fact, order = step.fact, lock_order(work, step.order_id)
    mark_applied(work, fact)
    problem = _wrong_order(fact, order.order_id) or authorisation_problem(order, fact)
    if problem:
        reject_fact(work, order.order_id, fact, problem)
    else:
        record_authorisation(work, order, fact)
    return save_progress(work, order)


@step
def lapse_authorisation(work: UnitOfWork, step: OrderStep) -> Progress:
    """Expire the order's authorisations that are past their validity."""
    order = lock_order(work, step.order_id)
    if lapse_authorisations(work, order):
        return save_progress(work, order)
    return read_progress(work.session, order)


@step
def apply_payment(work: UnitOfWork, step: PaymentStep) -> Progress:
    """Record a payment of an order once; a full payment issues the invoice."""
    return _apply_to_order(work, step.order_id, step.fact)


@step
def record_unmatched_payment(work: UnitOfWork, payment: PaymentReceived) -> None:
    """Record a payment without an order once: it is posted as unapplied, and listed."""
    order_id = payment.order_id or ""
    known = work.session.get(Payment, payment.payment_id)
    if known is None and find_order(work, order_id) is not None:  # placed in the meantime
        _apply_to_order(work, order_id, payment)
        return
    is_new = mark_applied(work, payment)
    problem = _payment_problem(known, order_id, payment)
    if problem := problem or _won_problem(known, is_new=is_new):
        reject_fact(work, order_id, payment, problem)
    elif known is None:
        record_unmatched(work, payment, None, "no such order")


def _apply_to_order(work: UnitOfWork, order_id: str, fact: PaymentReceived) -> Progress:
    order = lock_order(work, order_id)
    is_new = mark_applied(work, fact)
    known = find_payment(work, order, fact.payment_id)
    problem = _wrong_order(fact, order_id) or _payment_problem(known, order_id, fact)
    if problem := problem or _won_problem(known, is_new=is_new):
        reject_fact(work, order_id, fact, problem)
    elif known is None and fact.currency != order.currency:
        reason = currency_mismatch(order)
        record_unmatched(work, fact, order_id, reason)
        record_event(work, order_id, "payment_unmatched", f"{fact.payment_id}: {reason}")
    elif known is not None and known.order_id is None:  # recorded just before the order was
        apply_early_payments(work, order)
    elif known is None:
        owed_minor = balance_of(order).owed_minor
        record_payment(work, order, fact)
        if order.cancellation is Cancellation.DONE:
            _use_late_money(work, order, owed_minor)
    return save_progress(work, order)


def _use_late_money(work: UnitOfWork, order: Order, owed_minor: int) -> None:
    """Reinstate a cancelled order with its late payment, or leave that as a deposit to refund."""
    in_hand_minor = balance_of(order).owed_minor
    if reinstates(
        work.rules.policy.late_money,
        expired=order.expired,
        invoiced=bool(invoice_numbers(work.session, order.order_id)),
        owed_minor=owed_minor,
        reclaimed_minor=order.reclaimed_minor,
        received_minor=in_hand_minor - owed_minor,
        total_minor=order.total_minor,
    ):
        reinstate_order(work, order)
        return
    detail = f"{money_of(order, in_hand_minor)}: the order is cancelled, a refund follows"
    record_event(work, order.order_id, "late_money", detail)


@step
def apply_reversal(work: UnitOfWork, step: ReversalStep) -> Progress | None:
    """Record a reversal once, with its order if it has one: that of the payment if it names none.

    A reversal reported before its payment is applied when the payment is recorded.
    """
    fact, order = step.fact, find_order(work, step.order_id or "")
    mark_applied(work, fact)
    lock_payment_id(work, fact.payment_id)
    known = work.session.get(PaymentReversal, fact.reversal_id)
    payment = work.session.get(Payment, fact.payment_id or "", with_for_update=True)
    if order is None and payment is not None:  # recorded since the reversal was received
        order = find_order(work, payment.order_id or "")
    if known is not None:
        problem = _reversal_conflict(known, fact)
    else:
        problem = reversal_problem(fact, payment, order)
    if problem:
        reject_fact(work, order.order_id if order else step.order_id or "", fact, problem)
    elif known is None:
        reversal = new_reversal(fact, work.now)
        work.session.add(reversal)
        if payment is not None:
            reverse_payment(work, reversal, payment)
    return save_progress(work, order) if order is not None else None


@step
def apply_refund_report(work: UnitOfWork, fact: PaymentRefunded) -> Notification:
    """Record once a refund that the provider reports; notify the order concerned."""
    mark_applied(work, fact)
    return record_reported_refund(work, fact)


@step
def apply_refund_failure(work: UnitOfWork, fact: RefundFailed) -> Notification:
    """Record once that a paid refund failed; notify the order concerned."""
    mark_applied(work, fact)
    return record_failed_refund(work, fact)


@step
def record_payout(work: UnitOfWork, fact: PayoutPaid) -> None:
    """Record a payout and its fee once."""
    mark_applied(work, fact)
    problem = amount_problem(fact.amount, fact.currency, "amount", least=None)
    problem = problem or amount_problem(fact.fee, fact.currency, "fee", least=0)
    if problem:
        reject_fact(work, fact.payout_id, fact, problem)
        return
    assert fact.amount is not None
    assert fact.currency is not None
    amount_minor = parse_amount(fact.amount, fact.currency)
    fee_minor = parse_amount(fact.fee, fact.currency)
    known = work.session.get(Payout, fact.payout_id)
    if known is not None:
        content = {"amount_minor": amount_minor, "fee_minor": fee_minor, "currency": fact.currency}
        if problem := conflict(known, "payout_id", **content):
            reject_fact(work, fact.payout_id, fact, problem)
        return
    work.session.add(
        Payout(
            payout_id=fact.payout_id,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=fact.currency,
            recorded_at=work.now,
        )
    )
    entry = payout_entry(
        fact.payout_id, fact.currency, amount_minor=amount_minor, fee_minor=fee_minor
    )
    post(work, entry, occurred_at=fact.occurred_at)


def _wrong_order(fact: PaymentReceived | PaymentAuthorised, order_id: str) -> str | None:
    if fact.order_id in (None, order_id):
        return None
    return f"order_id: names {fact.order_id}, received by {order_id}"


def _payment_problem(known: Payment | None, order_id: str, fact: PaymentReceived) -> str | None:
    """Check a reported payment; None: it is valid, or repeats the recorded one."""
    if known is None:
        return amount_problem(fact.amount, fact.currency, "amount", least=1)
    if fact.amount is None:
        return None
    return conflict(
        known,
        "payment_id",
        order_id=known.order_id if order_id == known.claimed_order_id else order_id,
        amount_minor=_valid_amount(fact.amount, fact.currency),
        currency=fact.currency,
    )


def _won_problem(known: Payment | None, *, is_new: bool) -> str | None:
    """Check a payment that is reported again after a reversal; None: it is not.

    It may be the money of a won dispute, or the first report once more: an operator decides.
    `is_new`: this report was received after the payment was applied.
    """
    if known is None or not known.reversed_minor or not is_new:
        return None
    taken = Money(amount_minor=known.reversed_minor, currency=known.currency)
    return (
        f"payment_id: {taken} of this payment were reversed; money that came back has a payment id "
        "of its own: report it under that, or record it with `pay`"
    )


def _reversal_conflict(known: PaymentReversal, fact: PaymentReversed) -> str | None:
    """Compare a reported reversal with the recorded one; what it leaves out is unchanged."""
    if known.applied_at is None:
        recorded = PaymentReversed.model_validate(known.reported)
        content = {name: getattr(fact, name) for name in ("payment_id", "amount", "currency")}
        given = {name: value for name, value in content.items() if value is not None}
        if recorded.currency is None:
            given.pop("currency", None)
        repeated = all(getattr(recorded, name) == value for name, value in given.items())
        return None if repeated else "reversal_id: known with other content"
    currency, unchanged = fact.currency or known.currency, fact.amount is None
    return conflict(
        known,
        "reversal_id",
        payment_id=fact.payment_id or known.payment_id,
        amount_minor=known.amount_minor if unchanged else _valid_amount(fact.amount, currency),
        currency=currency,
    )


def _valid_amount(text: str | None, currency: str | None) -> int | None:
    if amount_problem(text, currency, "amount", least=1):
        return None
    return parse_amount(text or "", currency or "")
