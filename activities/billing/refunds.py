"""Refunds: each goes back to a payment, and is reserved in the order's money before it is paid.

So no amount is refunded twice, whatever happens during the call to the provider, and no payment
gets back more than it brought. A refund that is not paid can be withdrawn: its amount is owed
again, as if it had never been asked for.
"""

from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.credits import give_back, keep_again
from activities.billing.on_account import clear_unmatched, payments_of
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import recorded_request
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of, requested_refunds
from activities.order_record.progress import lock_order, save_progress
from models import billing_entries
from models.billing import BEING_REFUNDED
from models.messages.partners import RefundDemand
from models.money import Money, format_amount
from models.refunds import (
    PaidBy,
    Refundable,
    RefundState,
    paid_by,
    refund_parts,
    split_over_payments,
)
from models.tables.billing import CreditBalance, CreditNoteRow, Payment, Refund
from models.tables.orders import Order

UNPAID = (RefundState.ASKED, RefundState.HELD)
"""The states of refunds that are reserved and not paid."""


def request_refunds(
    work: UnitOfWork,
    order: Order,
    reason: str,
    amount_minor: int | None = None,
    *,
    payments: Sequence[Payment] | None = None,
    credit_note: str | None = None,
    by: PaidBy | None = None,
    state: RefundState = RefundState.ASKED,
) -> list[Refund]:
    """Reserve refunds of `amount_minor` (None: all that is owed), one for each payment.

    They go back to `payments` in their order, by default to all of the order, the newest first; by
    the way each payment came, or `by` another. `credit_note`: the one whose amount is given back.
    Returns none if nothing is owed. Raises ValueError for more than is owed, or than these payments
    have left.
    """
    balance = balance_of(order)
    wanted_minor = balance.owed_minor if amount_minor is None else amount_minor
    if wanted_minor > balance.owed_minor:
        owed = money_of(order, balance.owed_minor)
        raise ValueError(f"is more than the {owed} owed to the customer")
    if wanted_minor <= 0:
        return []
    chosen = newest_payments(work.session, order) if payments is None else payments
    shares = split_over_payments(
        wanted_minor, [Refundable(row.payment_id, row.left_minor) for row in chosen]
    )
    left_minor = sum(share_minor for _, share_minor in shares)
    if amount_minor is not None and left_minor < wanted_minor:
        left = money_of(order, left_minor)
        raise ValueError(f"is more than the {left} that these payments brought and still have")
    parts = refund_parts(
        shares,
        payable_minor=balance.owed_payable_minor,
        deposit_minor=order.deposit_minor,
        free_minor=balance.owed_minor - balance.owed_payable_minor,
        taxed_minor=order.taxed_minor if balance.cancelled else 0,
    )
    by_id, number = {row.payment_id: row for row in chosen}, _last_number(work.session, order)
    refunds = []
    for part in parts:
        number += 1
        payment = by_id[part.payment_id]
        payment.refunded_minor += part.amount_minor
        order.refunded_minor += part.amount_minor - part.deposit_minor
        order.deposit_minor -= part.deposit_minor
        order.taxed_minor -= part.taxed_minor
        given: dict[str, int] = {}
        if part.payable_minor:
            given = give_back(work.session, order.order_id, part.payable_minor, credit_note)
        refund = Refund(
            refund_key=f"{order.order_id}/refund/{number}",
            order_id=order.order_id,
            number=number,
            **part._asdict(),
            credits=given,
            currency=order.currency,
            reason=reason,
            paid_by=by or paid_by(payment.method),
            state=state,
            asked_at=work.now,
        )
        work.session.add(refund)
        refunds.append(refund)
    work.session.flush()
    return refunds


def newest_payments(session: Session, order: Order) -> list[Payment]:
    """Return the payments of an order in its currency, the newest first."""
    return list(reversed(payments_of(session, order)))


def _last_number(session: Session, order: Order) -> int:
    last = select(func.max(Refund.number)).where(Refund.order_id == order.order_id)
    return session.exec(last).one() or 0


def request_credit_refund(
    work: UnitOfWork, order: Order, credit_note: CreditNoteRow, reason: str
) -> tuple[list[Refund], str]:
    """Reserve the refund of a credit note's paid part; returns it with a summary of both."""
    balance = work.session.get_one(CreditBalance, credit_note.number)
    refunds = request_refunds(
        work, order, reason, balance.kept_minor, credit_note=credit_note.number
    )
    summary = f"{credit_note.number} credits {money_of(order, credit_note.total_minor)}"
    if refunds:
        refunded = money_of(order, sum(refund.amount_minor for refund in refunds))
        summary += f"; {refunded} are being refunded"
    return refunds, summary


def request_payment_refund(
    work: UnitOfWork, payment: Payment, reason: str, by: PaidBy | None = None
) -> Refund:
    """Reserve the refund of a payment without an order, or in another currency than its order."""
    last = select(func.max(Refund.number)).where(Refund.payment_id == payment.payment_id)
    number = (work.session.exec(last).one() or 0) + 1
    refund = Refund(
        refund_key=f"payment-{payment.payment_id}/refund/{number}",
        number=number,
        payment_id=payment.payment_id,
        amount_minor=payment.left_minor,
        currency=payment.currency,
        reason=reason,
        paid_by=by or paid_by(payment.method),
        state=RefundState.ASKED,
        asked_at=work.now,
    )
    payment.refunded_minor += refund.amount_minor
    payment.unmatched_reason = BEING_REFUNDED
    work.session.add(refund)
    work.session.flush()
    return refund


def request_cancellation_refunds(work: UnitOfWork, order: Order) -> list[Refund]:
    """Return the requested refunds of a cancelled order, with those of all that is owed."""
    request_refunds(work, order, order.cancel_reason)
    return list(requested_refunds(work.session, order))


def refund_demand(refund: Refund) -> RefundDemand:
    """Build the demand to the provider; without an order it names the payment twice."""
    return RefundDemand(
        order_id=refund.order_id or refund.payment_id,
        payment_id=refund.payment_id,
        amount=format_amount(refund.amount_minor, refund.currency),
        currency=refund.currency,
        reason=refund.reason or "refund",
    )


def money_of_refund(refund: Refund) -> Money:
    """Return the amount of a refund."""
    return Money(amount_minor=refund.amount_minor, currency=refund.currency)


def unpaid_refunds(session: Session, order: Order) -> list[Refund]:
    """Read the refunds of an order that are reserved and not paid, the newest first."""
    rows = select(Refund).where(Refund.order_id == order.order_id, col(Refund.state).in_(UNPAID))
    return list(session.exec(rows.order_by(col(Refund.number).desc())).all())


def is_in_doubt(session: Session, refund: Refund) -> bool:
    """Return whether the provider was asked for a refund, and its answer isn't known."""
    return recorded_request(session, refund.refund_key, RefundDemand)[1] is not None


def lock_refund(work: UnitOfWork, refund_key: str) -> tuple[Refund, Order | None]:
    """Lock a refund, after its order if it has one."""
    order_id = work.session.get_one(Refund, refund_key).order_id
    order = lock_order(work, order_id) if order_id is not None else None
    work.session.flush()
    refund = work.session.get_one(Refund, refund_key, with_for_update=True, populate_existing=True)
    return refund, order


def withdraw_refund(work: UnitOfWork, refund: Refund, order: Order | None) -> None:
    """Withdraw a refund that is not paid: its amount is owed again."""
    assert refund.state in UNPAID, refund.refund_key
    refund.state = RefundState.WITHDRAWN
    payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
    payment.refunded_minor -= refund.amount_minor
    if order is None:
        payment.unmatched_reason = "its refund was withdrawn"
        return
    order.refunded_minor -= refund.amount_minor - refund.deposit_minor
    order.deposit_minor += refund.deposit_minor
    order.taxed_minor += refund.taxed_minor
    keep_again(work.session, order.order_id, refund.credits)
    detail = f"{money_of_refund(refund)} of {refund.payment_id} (refund {refund.number})"
    record_event(work, order.order_id, "refund_withdrawn", detail)


def post_refund(work: UnitOfWork, refund: Refund, *, failed: bool = False) -> None:
    """Post a refund that was paid, or (`failed`) was not paid after all."""
    free_minor = refund.amount_minor - refund.payable_minor
    entry = billing_entries.refund_entry(
        refund.refund_key,
        refund.order_id,
        refund.currency,
        refund.paid_by.account,
        payable_minor=refund.payable_minor,
        deposit_minor=free_minor if refund.order_id else 0,
        taxed_minor=refund.taxed_minor,
        unapplied_minor=0 if refund.order_id else free_minor,
        failed=failed,
    )
    post(work, entry)


def record_refund(work: UnitOfWork, refund_key: str, refund_id: str) -> None:
    """Record a refund that was paid once, with its ledger entry; also if it has failed since."""
    refund, order = lock_refund(work, refund_key)
    if refund.state is RefundState.REFUNDED or refund.refund_id == refund_id:
        return
    assert refund.state is RefundState.ASKED, f"{refund_key} is {refund.state}"
    refund.state, refund.refund_id, refund.refunded_at = RefundState.REFUNDED, refund_id, work.now
    post_refund(work, refund)
    if order is not None:
        balance = balance_of(order)
        if balance.owed_minor == balance.owed_payable_minor:
            clear_unmatched(work.session, order)
    else:
        payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
        payment.unmatched_reason = None
        order = lock_order(work, payment.order_id) if payment.order_id else None
    if order is not None:
        detail = f"{money_of_refund(refund)} of {refund.payment_id} {refund.paid_by}"
        record_event(work, order.order_id, "refunded", detail)
        save_progress(work, order)
