"""Commands on refunds: ask for them, record those paid by hand, withdraw those not paid."""

from collections.abc import Sequence
from typing import NoReturn

from sqlmodel import Session, col, select

from activities.billing.refunds import (
    UNPAID,
    is_in_doubt,
    money_of_refund,
    newest_payments,
    record_refund,
    request_payment_refund,
    request_refunds,
    unpaid_refunds,
    withdraw_refund,
)
from activities.billing.reversals import withdraw_unpaid
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import find_order, read_progress, save_progress
from activities.order_record.targets import target_amount, target_order, why_paused
from models.billing import BEING_REFUNDED
from models.messages.commands.base import MONEY_REFUSED, UNKNOWN, refuse
from models.messages.commands.billing import IssueRefund, WithdrawRefund
from models.messages.commands.results import CommandResult, FollowUp
from models.progress import Cancellation
from models.refunds import PaidBy, RefundState, paid_by
from models.tables.billing import Payment, Refund
from models.tables.orders import Order


@executes(IssueRefund)
def issue_refund(work: UnitOfWork, command: IssueRefund) -> CommandResult:
    """Refund what is owed to an order's customer, or a payment without an order."""
    if command.order_id is not None:
        return _refund_order(work, command, command.order_id)
    return _refund_payment(work, command, command.payment_id or "")


def _refund_order(work: UnitOfWork, command: IssueRefund, order_id: str) -> CommandResult:
    order = target_order(work, order_id)
    if read_progress(work.session, order).is_paused:
        refuse("order_id", why_paused(order_id), MONEY_REFUSED)
    by = PaidBy(command.paid_by) if command.paid_by else None
    amount_minor = None
    if command.amount is not None:
        amount_minor = target_amount(command.amount, order.currency, "amount", MONEY_REFUSED)
    payments = newest_payments(work.session, order)
    if command.payment_id is not None:
        payments = [row for row in payments if row.payment_id == command.payment_id]
        if not payments:
            reason = f"{command.payment_id!r} isn't a payment of {order.order_id}"
            refuse("payment_id", reason, UNKNOWN)
    elif by is not None:
        payments = _paid_in_the_same_way(payments, by, is_all=amount_minor is None)
    is_targeted = command.payment_id is not None or by is not None
    if order.cancellation is not Cancellation.NONE and not is_targeted:
        _refuse_cancelled(work.session, order)
    withdrawn = _reopen(work, order, payments, by_hand=by is not None)
    try:
        refunds = request_refunds(
            work, order, command.reason, amount_minor, payments=payments, by=by
        )
    except ValueError as error:
        refuse("amount", str(error), MONEY_REFUSED)
    if not refunds:
        _refuse_nothing_owed(work.session, order, payments)
    money = money_of(order, sum(refund.amount_minor for refund in refunds))
    record_event(work, order.order_id, "refund_asked", f"{money} by {command.actor}")
    message = f"{money} are being refunded"
    if by is not None:
        for refund in refunds:
            record_refund(work, refund.refund_key, command.command_id)
        message = f"{money} are recorded as paid back {by}"
    left_minor = balance_of(order).owed_minor
    if left_minor:
        message += f"; {money_of(order, left_minor)} more are owed"
    save_progress(work, order)
    keys = tuple(refund.refund_key for refund in refunds)
    return CommandResult.done(
        command,
        message,
        orders=[order.order_id],
        refunds=[refund.refund_key for refund in withdrawn],
        follow_up=FollowUp(order_id=order.order_id, refund_keys=keys),
    )


def _paid_in_the_same_way(
    payments: Sequence[Payment], by: PaidBy, *, is_all: bool
) -> list[Payment]:
    """Return the payments that came the same way first; without an amount only these, if any."""
    same = [row for row in payments if paid_by(row.method) is by]
    if is_all and any(row.amount_minor > row.reversed_minor for row in same):
        return same
    return same + [row for row in payments if row not in same]


def _reopen(
    work: UnitOfWork, order: Order, payments: Sequence[Payment], *, by_hand: bool
) -> list[Refund]:
    """Withdraw refunds of payments that wait for this operator, to ask for them anew.

    These are held ones, and, if this one is paid `by_hand`, those that no provider may be paying.
    """
    payment_ids = {row.payment_id for row in payments}
    withdrawn = []
    for refund in unpaid_refunds(work.session, order):
        waits = refund.state is RefundState.HELD or by_hand
        if refund.payment_id not in payment_ids or not waits:
            continue
        if not is_in_doubt(work.session, refund):
            withdraw_refund(work, refund, order)
            withdrawn.append(refund)
    return withdrawn


def _refuse_cancelled(session: Session, order: Order) -> NoReturn:
    reason = (
        f"{order.order_id} is (being) cancelled: its payments are refunded automatically; record "
        "what was paid by hand with `--paid-by cash` or `--paid-by transfer`"
    )
    held = [row for row in unpaid_refunds(session, order) if row.state is RefundState.HELD]
    if held:
        reason += f", or refund a held one with `--payment {held[0].payment_id}`"
    refuse("order_id", reason, MONEY_REFUSED)


def _refuse_nothing_owed(session: Session, order: Order, payments: Sequence[Payment]) -> NoReturn:
    payment_ids = {row.payment_id for row in payments}
    unpaid = [row for row in unpaid_refunds(session, order) if row.payment_id in payment_ids]
    reason = f"nothing is owed to the customer of {order.order_id}"
    if unpaid:
        first = unpaid[-1]
        reason = (
            f"{money_of_refund(first)} of {first.payment_id} are being refunded already (refund "
            f"{first.number}): `retry` asks again, `refund ... --paid-by` records it as paid by "
            "hand, `refunds withdraw` withdraws it"
        )
        if is_in_doubt(session, first):
            reason = (
                f"the provider was asked to refund {money_of_refund(first)} of {first.payment_id} "
                "and has not answered yet: `retry` asks again under the same key"
            )
    elif balance_of(order).owed_minor:
        reason = "these payments have gone back in full: name another one with `--payment`"
    refuse("order_id", reason, MONEY_REFUSED)


def _refund_payment(work: UnitOfWork, command: IssueRefund, payment_id: str) -> CommandResult:
    by = PaidBy(command.paid_by) if command.paid_by else None
    withdrawn = _reopen_payment(work, payment_id) if by is not None else []
    payment = unapplied_payment(work.session, payment_id)
    refund = request_payment_refund(work, payment, command.reason, by)
    money = money_of_refund(refund)
    message = f"{money} of {payment.payment_id} are being refunded"
    if by is not None:
        record_refund(work, refund.refund_key, command.command_id)
        message = f"{money} of {payment.payment_id} are recorded as paid back {by}"
    order = find_order(work, payment.order_id) if payment.order_id else None
    if order is not None:
        save_progress(work, order)
    return CommandResult.done(
        command,
        message,
        orders=[order.order_id] if order is not None else [],
        refunds=[row.refund_key for row in withdrawn],
        follow_up=FollowUp(order_id=payment.order_id, refund_keys=(refund.refund_key,)),
    )


def _reopen_payment(work: UnitOfWork, payment_id: str) -> list[Refund]:
    """Withdraw the refund of a payment without an order that no provider may be paying."""
    refunds = [
        refund
        for refund in _unpaid_of_payment(work.session, payment_id)
        if not is_in_doubt(work.session, refund)
    ]
    for refund in refunds:
        withdraw_refund(work, refund, None)
    return refunds


def _unpaid_of_payment(session: Session, payment_id: str) -> Sequence[Refund]:
    rows = select(Refund).where(
        Refund.payment_id == payment_id,
        col(Refund.order_id).is_(None),
        col(Refund.state).in_(UNPAID),
    )
    return session.exec(rows.order_by(col(Refund.number))).all()


def unapplied_payment(session: Session, payment_id: str) -> Payment:
    """Lock a payment without an order, or in another currency than its order.

    Raises CommandRefused for any other payment, and for one that is (being) refunded.
    """
    payment = session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        refuse("payment_id", f"there is no payment {payment_id!r}", UNKNOWN)
    order = session.get(Order, payment.order_id) if payment.order_id else None
    applied = order is not None and order.currency == payment.currency
    if applied or payment.unmatched_reason is None:
        reason = f"{payment_id} is used already" + (f" for {order.order_id}" if order else "")
        if applied and payment.unmatched_reason:
            reason += f": `refund {payment.order_id}` refunds the excess"
        refuse("payment_id", reason, MONEY_REFUSED)
    if payment.unmatched_reason == BEING_REFUNDED:
        refuse("payment_id", f"{payment_id} is being refunded already", MONEY_REFUSED)
    return payment


@executes(WithdrawRefund)
def withdraw(work: UnitOfWork, command: WithdrawRefund) -> CommandResult:
    """Withdraw a refund that was asked for and is not paid: its amount is owed again."""
    if command.order_id is not None:
        order: Order | None = target_order(work, command.order_id)
        assert order is not None
        unpaid: Sequence[Refund] = unpaid_refunds(work.session, order)
        target = command.order_id
    else:
        order, target = None, command.payment_id or ""
        unpaid = _unpaid_of_payment(work.session, target)
    refund = _chosen(unpaid, command.number, target)
    if is_in_doubt(work.session, refund):
        reason = (
            f"the provider was asked for refund {refund.number} and has not answered yet, so it "
            "may have been paid: `retry` asks again under the same key"
        )
        refuse("number", reason, MONEY_REFUSED)
    withdraw_unpaid(work, refund, order)
    if order is not None:
        save_progress(work, order)
    return CommandResult.done(
        command,
        f"refund {refund.number} of {money_of_refund(refund)} is withdrawn",
        orders=[order.order_id] if order is not None else [],
        refunds=[refund.refund_key],
    )


def _chosen(unpaid: Sequence[Refund], number: int | None, target: str) -> Refund:
    """Return the refund of this number, by default the only one. Raises CommandRefused."""
    numbers = ", ".join(str(row.number) for row in sorted(unpaid, key=lambda row: row.number))
    if not unpaid:
        refuse("number", f"{target} has no refund that is not paid", MONEY_REFUSED)
    if number is None and len(unpaid) > 1:
        refuse("number", f"{target} has several that are not paid: {numbers}", MONEY_REFUSED)
    found = [row for row in unpaid if number in (None, row.number)]
    if not found:
        refuse("number", f"{target} has no unpaid refund {number}, only: {numbers}", MONEY_REFUSED)
    return found[0]
