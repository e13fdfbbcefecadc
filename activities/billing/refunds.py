"""Refunds: what is given back is taken out of the order's money first, then the provider is asked.

So nothing is promised twice, whatever happens while the provider is being asked.
"""

from sqlalchemy import func
from sqlmodel import Session, select

from activities.billing.payments import check_all_applied
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import asked_refunds, balance_of, money_of
from activities.order_record.progress import FOR_CHANGE, save_progress
from models import ledger
from models.billing import BEING_GIVEN_BACK, RefundState
from models.messages.partners import RefundDemand
from models.money import Money, format_amount
from models.tables.billing import CreditNoteRow, Payment, Refund
from models.tables.orders import Order


def ask_back(
    work: UnitOfWork, order: Order, reason: str, amount_minor: int | None = None
) -> Refund | None:
    """Take `amount_minor` (None: all of it) of what we owe the customer, to give it back; None
    where we owe nothing. Raises ValueError for more than we owe."""
    balance = balance_of(work.session, order)
    wanted_minor = balance.owed_minor if amount_minor is None else amount_minor
    if wanted_minor > balance.owed_minor:
        owed = money_of(order, balance.owed_minor)
        raise ValueError(f"is more than the {owed} that we owe the customer")
    if wanted_minor <= 0:
        return None
    payable_minor = min(wanted_minor, balance.owed_payable_minor)
    if balance.cancelled:
        order.refunded_minor += wanted_minor
    else:
        order.refunded_minor += payable_minor
        order.deposit_minor -= wanted_minor - payable_minor
    taxed_minor, order.taxed_minor = order.taxed_minor, 0
    count = select(func.count()).select_from(Refund).where(Refund.order_id == order.order_id)
    refund = Refund(
        refund_key=f"{order.order_id}/refund/{work.session.exec(count).one() + 1}",
        order_id=order.order_id,
        amount_minor=wanted_minor,
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


def ask_credit_back(
    work: UnitOfWork,
    order: Order,
    credit_note: CreditNoteRow,
    reason: str,
) -> tuple[Refund | None, str]:
    """What of a credit note we owe the customer, to give it back (None: nothing, it wasn't paid);
    and both in words."""
    owed_minor = min(credit_note.total_minor, balance_of(work.session, order).owed_payable_minor)
    refund = ask_back(work, order, reason, owed_minor) if owed_minor else None
    words = f"{credit_note.number} credits {money_of(order, credit_note.total_minor)}"
    if refund is not None:
        words += f"; {money_of(order, refund.amount_minor)} are being given back"
    return refund, words


def ask_payment_back(
    work: UnitOfWork,
    payment: Payment,
    reason: str,
) -> Refund:
    """Give back what of a payment has no order, or is in another currency than its order."""
    refund = Refund(
        refund_key=f"payment-{payment.payment_id}/refund/1",
        payment_id=payment.payment_id,
        amount_minor=payment.amount_minor - payment.reversed_minor,
        currency=payment.currency,
        reason=reason,
        state=RefundState.ASKED,
        asked_at=work.now,
    )
    payment.unmatched_reason = BEING_GIVEN_BACK
    work.session.add(refund)
    work.session.flush()
    return refund


def demand_of(session: Session, refund: Refund) -> RefundDemand:
    """What the provider is asked; money without an order goes by its payment's id."""
    return RefundDemand(
        order_id=refund.order_id or refund.payment_id or "",
        amount=format_amount(refund.amount_minor, refund.currency),
        currency=refund.currency,
        reason=refund.reason or "refund",
    )


def next_refund(
    work: UnitOfWork,
    order: Order,
) -> Refund | None:
    """What a cancelled order's customer is to get back next: what is being asked for already, else
    all that is owed."""
    asked = asked_refunds(work.session, order)
    return asked[0] if asked else ask_back(work, order, order.cancel_reason)


def given_back(
    work: UnitOfWork,
    refund_key: str,
    refund_id: str,
) -> None:
    """The provider has given the money back: posted, once."""
    refund = work.session.get_one(Refund, refund_key, with_for_update=True)
    if refund.state is RefundState.REFUNDED:
        return
    refund.state, refund.refund_id, refund.refunded_at = RefundState.REFUNDED, refund_id, work.now
    free_minor = refund.amount_minor - refund.payable_minor
    entry = ledger.refund_entry(
        refund_key,
        refund.order_id,
        refund.currency,
        payable_minor=refund.payable_minor,
        deposit_minor=free_minor if refund.order_id else 0,
        taxed_minor=refund.taxed_minor,
        unapplied_minor=0 if refund.order_id else free_minor,
    )
    post(work, entry)
    if refund.order_id is None:
        payment = work.session.get_one(Payment, refund.payment_id, with_for_update=True)
        payment.unmatched_reason = None
        order_id = payment.order_id
    else:
        order_id = refund.order_id
    if order_id is not None:
        _tell_order(work, order_id, refund)


def _tell_order(
    work: UnitOfWork,
    order_id: str,
    refund: Refund,
) -> None:
    order = work.session.get_one(Order, order_id, with_for_update=FOR_CHANGE)
    balance = balance_of(work.session, order)
    if refund.order_id and balance.owed_minor == balance.owed_payable_minor:
        check_all_applied(work.session, order)
    money = Money(amount_minor=refund.amount_minor, currency=refund.currency)
    record_event(work, order_id, "refunded", str(money))
    save_progress(work, order)
