"""Reports of the payment provider about refunds: made, also in its own dashboard, or failed."""

from sqlmodel import col, select

from activities.billing.on_account import lock_payment_id
from activities.billing.refunds import (
    UNPAID,
    is_in_doubt,
    lock_refund,
    money_of_refund,
    post_refund,
    record_refund,
    request_payment_refund,
    request_refunds,
    withdraw_refund,
)
from activities.billing.reversals import hold_refund, withdraw_unpaid
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import record_refusal, recorded_request
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import find_order, save_progress
from models.billing import BEING_REFUNDED, MORE_THAN_DUE, amount_problem
from models.errors import PartnerUnavailable
from models.messages.facts import PaymentRefunded, RefundFailed, type_of
from models.messages.partners import RefundDemand
from models.messages.steps import Notification
from models.money import Money, parse_amount
from models.refunds import PaidBy, RefundState
from models.tables.billing import EarlyRefundReport, Payment, Refund
from models.tables.orders import Order

_CONTENT = ("payment_id", "amount", "currency")


def record_failed_refund(work: UnitOfWork, fact: RefundFailed) -> Notification:
    """Reverse the posting of a refund that was not paid, once: it is owed again.

    That of an order is held until an operator decides. A payment without one waits to be refunded
    again. Raises PartnerUnavailable for an unknown refund while the answer for one is not recorded:
    it may be this one, and the report is applied after the answer. Otherwise the report is kept
    until the refund is reported.
    """
    _lock_refund_id(work, fact.refund_id)
    # Read before the refund: the answer may be recorded between the two.
    in_doubt = _refunds_in_doubt(work, fact.payment_id)
    known = work.session.exec(select(Refund).where(Refund.refund_id == fact.refund_id)).first()
    if known is None:
        if in_doubt:
            raise PartnerUnavailable(
                f"refund {fact.refund_id} failed and isn't known yet: the provider's answer for "
                f"{', '.join(in_doubt)} comes first"
            )
        return _keep(work, fact)
    refund, order = lock_refund(work, known.refund_key)
    if refund.state is not RefundState.REFUNDED:  # the same report again
        return _notification(fact, refund)
    refund.state, refund.refunded_at = RefundState.HELD, None
    attempt, asked = recorded_request(work.session, refund.refund_key, RefundDemand)
    if asked is not None:
        record_refusal(work, refund.refund_key, attempt)
    post_refund(work, refund, failed=True)
    why = fact.reason or "without a reason"
    payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
    if order is None:
        withdraw_refund(work, refund, None)
        payment.unmatched_reason = f"its refund failed: {why}"
        return _notification(fact, refund)
    detail = f"{money_of_refund(refund)} of {refund.payment_id} ({refund.number}): {why}"
    record_event(work, order.order_id, "refund_failed", detail)
    payment.refund_failed = why
    if refund.deposit_minor:
        payment.unmatched_reason = MORE_THAN_DUE
    if balance_of(order).receivable_minor:
        withdraw_unpaid(work, refund, order)
        hold_refund(work, order, refund)
    save_progress(work, order)
    return _notification(fact, refund)


def _refunds_in_doubt(work: UnitOfWork, payment_id: str | None) -> list[str]:
    """Read the keys of the refunds, of a payment if it is given, whose answer isn't recorded."""
    rows = select(Refund).where(Refund.paid_by == PaidBy.PROVIDER, col(Refund.state).in_(UNPAID))
    if payment_id:
        rows = rows.where(Refund.payment_id == payment_id)
    found = work.session.exec(rows.order_by(Refund.refund_key)).all()
    return [row.refund_key for row in found if is_in_doubt(work.session, row)]


def record_reported_refund(work: UnitOfWork, fact: PaymentRefunded) -> Notification:
    """Record a refund that the provider made, once: as the one that was asked for, or as another
    one of what is owed. Any other waits for an operator.

    A report that comes before its payment is kept until that is recorded.
    """
    problem = amount_problem(fact.amount, fact.currency, "amount", least=1)
    if not problem and not fact.payment_id:
        problem = "payment_id: missing"
    _lock_refund_id(work, fact.refund_id)
    lock_payment_id(work, fact.payment_id)
    payment = work.session.get(Payment, fact.payment_id or "")
    if payment is not None and payment.currency != fact.currency:
        problem = problem or f"currency: the payment was in {payment.currency}"
    if problem:
        return _rejected(work, fact, problem)
    if payment is None:
        return _keep(work, fact)
    assert fact.amount is not None
    assert fact.currency is not None
    amount_minor = parse_amount(fact.amount, fact.currency)
    order = find_order(work, payment.order_id) if payment.order_id else None
    if order is not None and order.currency != payment.currency:
        order = None
    known = work.session.exec(select(Refund).where(Refund.refund_id == fact.refund_id)).first()
    if known is not None:
        if (known.payment_id, known.amount_minor) != (payment.payment_id, amount_minor):
            return _rejected(work, fact, "refund_id: known with other content")
        return _notification(fact, known)
    refund = _asked_for(work, payment, amount_minor)
    refund = refund or _new(work, fact, order, payment, amount_minor)
    if refund is None:
        owed = money_of(order, balance_of(order).owed_minor) if order else "nothing"
        given = Money(amount_minor=amount_minor, currency=payment.currency)
        reason = (
            f"amount: the provider gave {given} of {fact.payment_id} back, and {owed} is "
            "owed: credit the invoice with `credit-note ... --keep`, then send the report again"
        )
        return _rejected(work, fact, reason)
    if refund.state is RefundState.HELD:
        refund.state = RefundState.ASKED
    record_refund(work, refund.refund_key, fact.refund_id)
    failed = work.session.get(EarlyRefundReport, f"payment.refund_failed:{fact.refund_id}")
    if failed is not None:
        work.session.delete(failed)
        return record_failed_refund(work, RefundFailed.model_validate(failed.reported))
    return _notification(fact, refund)


def _lock_refund_id(work: UnitOfWork, refund_id: str) -> None:
    """Let another report about a refund, which may not be recorded yet, wait for this one."""
    work.lock_name(f"refund:{refund_id}")


def _keep(work: UnitOfWork, fact: PaymentRefunded | RefundFailed) -> Notification:
    """Keep a report until its payment is recorded, or (failed) its refund is reported."""
    report_id, reported = f"{type_of(fact)}:{fact.refund_id}", fact.model_dump(mode="json")
    known = work.session.get(EarlyRefundReport, report_id)
    if known is None:
        report = EarlyRefundReport(
            report_id=report_id,
            type=type_of(fact),
            payment_id=fact.payment_id,
            reported=reported,
            recorded_at=work.now,
        )
        work.session.add(report)
    elif any(known.reported[name] != reported[name] for name in _CONTENT if name in reported):
        reject_fact(
            work, fact.payment_id or fact.refund_id, fact, "refund_id: known with other content"
        )
    return Notification(cause=fact.refund_id)


def _asked_for(work: UnitOfWork, payment: Payment, amount_minor: int) -> Refund | None:
    """Find the unpaid refund that this one is: one in doubt first, then the oldest."""
    rows = select(Refund).where(
        Refund.payment_id == payment.payment_id,
        Refund.amount_minor == amount_minor,
        Refund.paid_by == PaidBy.PROVIDER,
        col(Refund.state).in_(UNPAID),
    )
    found = work.session.exec(rows.order_by(col(Refund.number))).all()
    ranked = sorted(found, key=lambda row: not is_in_doubt(work.session, row))
    return ranked[0] if ranked else None


def _new(
    work: UnitOfWork,
    fact: PaymentRefunded,
    order: Order | None,
    payment: Payment,
    amount_minor: int,
) -> Refund | None:
    """Reserve a refund that was made at the provider, if its amount is owed; None: it isn't."""
    reason = fact.reason or "refunded at the provider"
    if order is not None:
        try:
            [refund] = request_refunds(
                work, order, reason, amount_minor, payments=[payment], by=PaidBy.PROVIDER
            )
        except ValueError:
            return None
        return refund
    free = payment.unmatched_reason not in (None, BEING_REFUNDED)
    if not free or payment.left_minor != amount_minor:
        return None
    return request_payment_refund(work, payment, reason, PaidBy.PROVIDER)


def _rejected(work: UnitOfWork, fact: PaymentRefunded, reason: str) -> Notification:
    payment = work.session.get(Payment, fact.payment_id or "")
    subject = (payment.order_id if payment else None) or fact.payment_id or fact.refund_id
    reject_fact(work, subject, fact, reason)
    return Notification(cause=fact.refund_id)


def _notification(fact: PaymentRefunded | RefundFailed, refund: Refund) -> Notification:
    orders = (refund.order_id,) if refund.order_id else ()
    return Notification(cause=fact.refund_id, orders=orders, refunds=(refund.refund_key,))
