"""Payments: money received, applied to its order or recorded as unmatched."""

from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.early_reports import apply_early_reports, early_reports
from activities.billing.invoicing import create_invoice
from activities.billing.on_account import has_earlier_payments, payments_of, tax_on_account
from activities.billing.receivables import reverse_write_off, write_off_receivable
from activities.billing.refunds import unpaid_refunds
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from models import billing_entries
from models.billing import BEING_REFUNDED, MORE_THAN_DUE
from models.ledger import Account
from models.messages.facts import PaymentReceived
from models.money import parse_amount
from models.progress import Cancellation
from models.promises import promised_date
from models.refunds import paid_by
from models.tables.billing import Payment
from models.tables.ledger import JournalEntry
from models.tables.orders import Order


def record_payment(work: UnitOfWork, order: Order, fact: PaymentReceived) -> None:
    """Record a payment for an order in its currency: the amount due first, the rest a deposit."""
    payment = _new_payment(work, fact, order.order_id)
    early = early_reports(work, payment.payment_id)
    with work.session.no_autoflush:  # the order's row is written once, with all that follows
        _record_payment(work, order, fact, payment)
    apply_early_reports(work, payment, early)


def _record_payment(
    work: UnitOfWork, order: Order, fact: PaymentReceived, payment: Payment
) -> None:
    work.session.add(payment)
    receivable_minor = _apply(work, order, payment)
    entry = billing_entries.payment_entry(
        payment.payment_id,
        order.currency,
        paid_by(payment.method).account,
        receivable_minor=receivable_minor,
        deposit_minor=payment.amount_minor - receivable_minor,
        taxed_minor=payment.taxed_minor,
        order_id=order.order_id,
    )
    paid_on = post(work, entry, occurred_at=payment.received_at)
    detail = f"{money_of(order, payment.amount_minor)} by {fact.method} ({payment.payment_id})"
    record_event(work, order.order_id, "payment_received", detail)
    invoice_if_paid(work, order, paid_on)


def match_payment(work: UnitOfWork, order: Order, payment: Payment, cause: str) -> None:
    """Assign an unmatched payment to an order and apply it."""
    payment.order_id, payment.unmatched_reason = order.order_id, None
    receivable_minor = _apply(work, order, payment)
    free_minor = payment.amount_minor - payment.reversed_minor
    entry = billing_entries.matched_entry(
        payment.payment_id,
        order.order_id,
        order.currency,
        receivable_minor=receivable_minor,
        deposit_minor=free_minor - receivable_minor,
        taxed_minor=payment.taxed_minor,
    )
    post(work, entry)
    detail = f"{money_of(order, free_minor)}, {cause} ({payment.payment_id})"
    record_event(work, order.order_id, "payment_received", detail)
    invoice_if_paid(work, order)


def record_unmatched(
    work: UnitOfWork, fact: PaymentReceived, order_id: str | None, reason: str
) -> None:
    """Record a payment that can't be applied: it is posted as unapplied, and listed."""
    payment = _new_payment(work, fact, order_id)
    payment.unmatched_reason = reason
    work.session.add(payment)
    entry = billing_entries.payment_entry(
        payment.payment_id,
        payment.currency,
        paid_by(payment.method).account,
        unapplied_minor=payment.amount_minor,
        order_id=order_id,
    )
    post(work, entry, occurred_at=payment.received_at)
    apply_early_reports(work, payment, early_reports(work, payment.payment_id))


def _new_payment(work: UnitOfWork, fact: PaymentReceived, order_id: str | None) -> Payment:
    assert fact.amount is not None
    assert fact.currency is not None
    return Payment(
        payment_id=fact.payment_id,
        order_id=order_id,
        claimed_order_id=fact.order_id,
        invoice_number=fact.invoice_number,
        amount_minor=parse_amount(fact.amount, fact.currency),
        currency=fact.currency,
        method=fact.method,
        applied_minor=0,
        received_at=fact.received_at or work.now,
    )


def _apply(work: UnitOfWork, order: Order, payment: Payment) -> int:
    """Apply a payment to the amount due, then to write-offs; the rest is a deposit.

    Returns the part that pays the receivable, in minor units. The rest is a payment on account: its
    share of the tax falls due, unless the payment issues the invoice of the order.
    """
    balance, rules = balance_of(order), work.rules.billing
    free_minor = payment.amount_minor - payment.reversed_minor
    due_minor = 0 if balance.cancelled else balance.due_minor  # all of it will be refunded
    receivable_minor = min(balance.receivable_minor, due_minor) if balance.invoiced else 0
    if balance.invoiced and not balance.cancelled:
        recovered_minor = max(0, min(free_minor - receivable_minor, order.forgiven_minor))
        reverse_write_off(work, order, recovered_minor)
        due_minor += recovered_minor
        receivable_minor += recovered_minor
    payment.applied_minor = min(free_minor, due_minor)
    order.paid_minor += payment.applied_minor
    order.deposit_minor += free_minor - payment.applied_minor
    if payment.applied_minor < free_minor:
        cancelled = order.cancellation is Cancellation.DONE
        payment.unmatched_reason = "the order is cancelled" if cancelled else MORE_THAN_DUE
    is_short = payment.applied_minor < due_minor - rules.tolerance_minor(order.currency)
    if order.invoiced_by_delivery or (is_short and not balance.invoiced):
        taxed_minor = tax_on_account(order, rules)
        payment.taxed_minor = taxed_minor - order.taxed_minor
        order.taxed_minor = taxed_minor
    return min(payment.applied_minor, receivable_minor)


def invoice_if_paid(work: UnitOfWork, order: Order, paid_on: date | None = None) -> None:
    """Issue the invoice of an order that is paid, and waive an underpayment in the tolerance.

    Where deliveries are invoiced, only invoiced amounts are waived. If tax falls due with payments,
    both count for the day of the last payment. `paid_on`: that of the payment which is being
    recorded.
    """
    rules, balance = work.rules.billing, balance_of(order)
    by_delivery = order.invoiced_by_delivery
    due_minor = balance.receivable_minor if by_delivery else balance.due_minor
    if (
        due_minor > rules.tolerance_minor(order.currency)
        or order.cancellation is not Cancellation.NONE
        or (by_delivery and not due_minor)
    ):
        return
    if not rules.tax_on_account:
        paid_on = None
    elif paid_on is None or has_earlier_payments(work.session, order):
        paid_on = _last_paid_on(work, order)
    order.forgiven_minor += due_minor  # the invoice is composed as of a paid order
    create_invoice(work, order, waived_minor=due_minor, taxed_on=paid_on)
    order.forgiven_minor -= due_minor
    if due_minor:
        order.difference_minor += due_minor
        write_off_receivable(work, order, Account.PAYMENT_DIFFERENCES, due_minor, paid_on)
        detail = f"{money_of(order, due_minor)}: within the tolerance"
        record_event(work, order.order_id, "difference_forgiven", detail)


def _last_paid_on(work: UnitOfWork, order: Order) -> date | None:
    """Read the tax date of the order's last entry: its invoice applies no later payment."""
    work.write_appended()
    last = select(func.max(JournalEntry.tax_date)).where(
        JournalEntry.order_id == order.order_id, JournalEntry.currency == order.currency
    )
    return work.session.exec(last).one()


def apply_deposit(work: UnitOfWork, order: Order) -> None:
    """Apply the deposit of an order to its amount due."""
    rules, before = work.rules.billing, balance_of(order)
    used_minor = min(order.deposit_minor, before.due_minor)
    if used_minor <= 0:
        return
    order.deposit_minor -= used_minor
    order.paid_minor += used_minor
    _apply_unmatched(work.session, order, used_minor)
    key = f"{order.order_id}:{order.version}"
    settled_minor = min(used_minor, before.receivable_minor) if before.invoiced else 0
    entry = billing_entries.deposit_entry(key, order.order_id, order.currency, settled_minor)
    post(work, entry)
    is_short = order.paid_minor < order.total_minor - rules.tolerance_minor(order.currency)
    if order.invoiced_by_delivery or (is_short and not before.invoiced):
        added_minor = tax_on_account(order, rules) - order.taxed_minor
        order.taxed_minor += added_minor
        entry = billing_entries.on_account_entry(key, order.order_id, order.currency, added_minor)
        post(work, entry)
    record_event(work, order.order_id, "deposit_used", str(money_of(order, used_minor)))
    invoice_if_paid(work, order)


def _apply_unmatched(session: Session, order: Order, used_minor: int) -> None:
    """Mark `used_minor` of an order's unmatched payments as applied, oldest first."""
    rest_minor = used_minor
    for payment in payments_of(session, order):
        if payment.unmatched_reason is None:
            continue
        free_minor = payment.amount_minor - payment.reversed_minor - payment.applied_minor
        part_minor = min(rest_minor, free_minor)
        payment.applied_minor += part_minor
        rest_minor -= part_minor
        payment.unmatched_reason = None if part_minor == free_minor else MORE_THAN_DUE


def apply_early_payments(work: UnitOfWork, order: Order) -> None:
    """Apply payments received before the order existed; there is no invoice yet."""
    waiting = select(Payment).where(
        Payment.claimed_order_id == order.order_id,
        col(Payment.order_id).is_(None),
        col(Payment.unmatched_reason).is_not(None),
        Payment.unmatched_reason != BEING_REFUNDED,
    )
    for payment in work.session.exec(waiting.order_by(col(Payment.payment_id)).with_for_update()):
        if payment.currency == order.currency:
            match_payment(work, order, payment, "before the order")
            order.version += 1  # the keys of its entries name the version
        else:
            payment.order_id = order.order_id
            payment.unmatched_reason = currency_mismatch(order)


def reinstate_order(work: UnitOfWork, order: Order) -> None:
    """Reinstate an order whose payment came after its deadline, as if it had just been placed.

    Payments that were refunded before don't count any more.
    """
    in_hand_minor = balance_of(order).owed_minor
    for refund in unpaid_refunds(work.session, order):
        refund.deposit_minor = refund.amount_minor  # a deposit again if it is withdrawn
    order.cancellation, order.cancel_reason, order.expired = Cancellation.NONE, "", False
    order.allocated = False
    order.paid_minor, order.deposit_minor, order.refunded_minor = 0, in_hand_minor, 0
    for payment in payments_of(work.session, order):
        payment.taxed_minor = 0
    order.promised_date = promised_date(
        work.today, order.requested_delivery_date, work.rules.policy.promises
    )
    order.notified_date, order.consent_by, order.delay_notices = None, None, 0
    detail = f"{money_of(order, in_hand_minor)} after the deadline: the order is reinstated"
    record_event(work, order.order_id, "late_money", detail)
    apply_deposit(work, order)


def currency_mismatch(order: Order) -> str:
    """Return the reason for an unmatched payment in another currency than its order."""
    return f"the order is in {order.currency}"
