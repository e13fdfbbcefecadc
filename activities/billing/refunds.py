"""Refunds: an amount is reserved in the order's money before the provider is asked.

So no amount is refunded twice, whatever happens during the call to the provider.
"""

from sqlalchemy import func
from sqlmodel import select

from activities.billing.payments import clear_unmatched
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of, requested_refunds
from activities.order_record.progress import FOR_CHANGE, save_progress
from models import billing_entries
from models.billing import BEING_REFUNDED, RefundState
from models.messages.partners import RefundDemand
from models.money import Money, format_amount
from models.tables.billing import CreditNoteRow, Payment, Refund
from models.tables.orders import Order


def request_refund(
    work: UnitOfWork, order: Order, reason: str, amount_minor: int | None = None
) -> Refund | None:
    """Reserve a refund of `amount_minor` (None: all that is owed); None if nothing is owed.

    Raises ValueError for more than is owed.
    """
    balance = balance_of(work.session, order)
    refund_minor = balance.owed_minor if amount_minor is None else amount_minor
    if refund_minor > balance.owed_minor:
        owed = money_of(order, balance.owed_minor)
        raise ValueError(f"is more than the {owed} owed to the customer")
    if refund_minor <= 0:
        return None
    payable_minor = min(refund_minor, balance.owed_payable_minor)
    if balance.cancelled:
        order.refunded_minor += refund_minor
    else:
        order.refunded_minor += payable_minor
        order.deposit_minor -= refund_minor - payable_minor
    taxed_minor, order.taxed_minor = order.taxed_minor, 0
    count = select(func.count()).select_from(Refund).where(Refund.order_id == order.order_id)
    refund = Refund(
        refund_key=f"{order.order_id}/refund/{work.session.exec(count).one() + 1}",
        order_id=order.order_id,
        amount_minor=refund_minor,
        payable_minor=payable_minor,
        taxed_minor=taxed_minor,
        currency=order.currency,
        reason=reason,
        state=RefundState.ASKED,
        asked_at=work.now,
    )
    work.session.add(refund)
    work.session.flush()
    return refund


def request_credit_refund(
    work: UnitOfWork, order: Order, credit_note: CreditNoteRow, reason: str
) -> tuple[Refund | None, str]:
    """Reserve the refund of a credit note's paid part; returns it with a summary of both."""
    owed_minor = min(credit_note.total_minor, balance_of(work.session, order).owed_payable_minor)
    refund = request_refund(work, order, reason, owed_minor)
    summary = f"{credit_note.number} credits {money_of(order, credit_note.total_minor)}"
    if refund is not None:
        summary += f"; {money_of(order, refund.amount_minor)} are being refunded"
    return refund, summary


def request_payment_refund(work: UnitOfWork, payment: Payment, reason: str) -> Refund:
    """Reserve the refund of a payment without an order, or in another currency than its order."""
    refund = Refund(
        refund_key=f"payment-{payment.payment_id}/refund/1",
        payment_id=payment.payment_id,
        amount_minor=payment.amount_minor - payment.reversed_minor,
        currency=payment.currency,
        reason=reason,
        state=RefundState.ASKED,
        asked_at=work.now,
    )
    payment.unmatched_reason = BEING_REFUNDED
    work.session.add(refund)
    work.session.flush()
    return refund


def request_cancellation_refund(work: UnitOfWork, order: Order) -> Refund | None:
    """Return the requested refund of a cancelled order, or reserve one of all that is owed."""
    requested = requested_refunds(work.session, order)
    return requested[0] if requested else request_refund(work, order, order.cancel_reason)


def refund_demand(refund: Refund) -> RefundDemand:
    """Build the demand to the provider; without an order it names the payment."""
    return RefundDemand(
        order_id=refund.order_id or refund.payment_id or "",
        amount=format_amount(refund.amount_minor, refund.currency),
        currency=refund.currency,
        reason=refund.reason or "refund",
    )


def record_refund(work: UnitOfWork, refund_key: str, refund_id: str) -> None:
    """Record a refund paid by the provider once, with its ledger entry."""
    refund = work.session.get_one(Refund, refund_key, with_for_update=True)
    if refund.state is RefundState.REFUNDED:
        return
    refund.state, refund.refund_id, refund.refunded_at = RefundState.REFUNDED, refund_id, work.now
    free_minor = refund.amount_minor - refund.payable_minor
    entry = billing_entries.refund_entry(
        refund_key,
        refund.order_id,
        refund.currency,
        payable_minor=refund.payable_minor,
        deposit_minor=free_minor if refund.order_id else 0,
        taxed_minor=refund.taxed_minor,
        unapplied_minor=0 if refund.order_id else free_minor,
    )
    post(work, entry)
    order_id = refund.order_id
    if order_id is None:
        payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
        payment.unmatched_reason = None
        order_id = payment.order_id
    if order_id is not None:
        _record_in_order(work, order_id, refund)


def _record_in_order(work: UnitOfWork, order_id: str, refund: Refund) -> None:
    order = work.session.get_one(Order, order_id, with_for_update=FOR_CHANGE)
    balance = balance_of(work.session, order)
    if refund.order_id and balance.owed_minor == balance.owed_payable_minor:
        clear_unmatched(work.session, order)
    money = Money(amount_minor=refund.amount_minor, currency=refund.currency)
    record_event(work, order_id, "refunded", str(money))
    save_progress(work, order)
