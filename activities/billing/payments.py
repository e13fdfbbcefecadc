"""Settling: what money does for its order, in the caller's transaction."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.invoicing import issue, recover, tax_relief
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, invoice_number, money_of
from activities.order_record.progress import FOR_CHANGE
from models import billing, ledger
from models.billing import BEING_GIVEN_BACK, BillingRules
from models.ledger import Account
from models.messages.facts import PaymentReceived
from models.money import MAX_AMOUNT_MINOR, decimals, parse_amount, round_half_up
from models.progress import Cancellation
from models.promises import promised_date
from models.tables.billing import Payment, PaymentReversal, Refund
from models.tables.ledger import JournalEntry
from models.tables.orders import Order

MORE_THAN_DUE = "more than was due"


def record_payment(
    work: UnitOfWork,
    order: Order,
    fact: PaymentReceived,
) -> None:
    """Money for an order that wants it: what is due first, the rest is a deposit."""
    assert fact.amount is not None
    amount_minor = parse_amount(fact.amount, order.currency)
    payment = Payment(
        payment_id=fact.payment_id,
        order_id=order.order_id,
        claimed_order_id=fact.order_id,
        amount_minor=amount_minor,
        currency=order.currency,
        method=fact.method,
        applied_minor=0,
        received_at=fact.received_at or work.now,
    )
    work.session.add(payment)
    invoiced = _apply(work, order, payment)
    entry = ledger.payment_entry(
        fact.payment_id,
        order.currency,
        receivable_minor=payment.applied_minor if invoiced else 0,
        deposit_minor=amount_minor - (payment.applied_minor if invoiced else 0),
        taxed_minor=payment.taxed_minor,
        order_id=order.order_id,
    )
    post(work, entry, payment.received_at.date())
    detail = f"{money_of(order, amount_minor)} by {fact.method} ({fact.payment_id})"
    record_event(work, order.order_id, "payment_received", detail)
    close_if_paid(work, order)
    reverse_early_payment(work, payment)


def apply_payment_to(work: UnitOfWork, order: Order, payment: Payment, why: str) -> None:
    """Money that had no order is this one's."""
    payment.order_id, payment.unmatched_reason = order.order_id, None
    invoiced = _apply(work, order, payment)
    free_minor = payment.amount_minor - payment.reversed_minor
    receivable_minor = payment.applied_minor if invoiced else 0
    entry = ledger.matched_entry(
        payment.payment_id,
        order.order_id,
        order.currency,
        receivable_minor=receivable_minor,
        deposit_minor=free_minor - receivable_minor,
        taxed_minor=payment.taxed_minor,
    )
    post(work, entry)
    detail = f"{money_of(order, free_minor)}, {why} ({payment.payment_id})"
    record_event(work, order.order_id, "payment_received", detail)
    close_if_paid(work, order)


def _apply(
    work: UnitOfWork,
    order: Order,
    payment: Payment,
) -> bool:
    """Spread a payment over what is due, what was written off, and the customer's deposit; whether
    there is an invoice. While there is none, and the order isn't paid in full, its part of the tax
    falls due."""
    balance, free_minor = (
        balance_of(work.session, order),
        payment.amount_minor - payment.reversed_minor,
    )
    due_minor = 0 if balance.cancelled else balance.due_minor  # then it will be given back
    if balance.invoiced and not balance.cancelled:
        recovered_minor = max(0, min(free_minor - due_minor, order.forgiven_minor))
        recover(work, order, recovered_minor)
        due_minor += recovered_minor
    split = billing.split_payment(free_minor, due_minor)
    payment.applied_minor = split.applied_minor
    order.paid_minor += split.applied_minor
    order.deposit_minor += split.deposit_minor
    if split.deposit_minor:
        cancelled = order.cancellation is Cancellation.DONE
        payment.unmatched_reason = "the order is cancelled" if cancelled else MORE_THAN_DUE
    if not balance.invoiced and split.applied_minor < due_minor - _tolerance(
        order, work.rules.billing
    ):
        taxed_minor = _on_account(order, work.rules.billing)
        payment.taxed_minor = taxed_minor - order.taxed_minor
        order.taxed_minor = taxed_minor
    return balance.invoiced


def _on_account(order: Order, rules: BillingRules) -> int:
    tax_minor = order.total_minor - order.net_minor
    return rules.on_account_minor(order.paid_minor, order.total_minor, tax_minor)


def _tolerance(order: Order, rules: BillingRules) -> int:
    return rules.tolerance_minor(order.currency)


def close_if_paid(
    work: UnitOfWork,
    order: Order,
) -> None:
    """An order that is paid gets its invoice; what is missing within the tolerance is forgiven.
    Both count for the day on which it was paid, if tax falls due with payments."""
    due_minor = balance_of(work.session, order).due_minor
    if (
        due_minor > _tolerance(order, work.rules.billing)
        or order.cancellation is not Cancellation.NONE
    ):
        return
    paid_on = _paid_on(work.session, order) if work.rules.billing.tax_on_account else None
    order.forgiven_minor += due_minor  # an invoice is for who has paid enough
    issue(work, order, waived_minor=due_minor, taxed_on=paid_on)
    order.forgiven_minor -= due_minor
    if due_minor:
        order.difference_minor += due_minor
        write_off_receivable(work, order, Account.PAYMENT_DIFFERENCES, due_minor, paid_on)
        detail = f"{money_of(order, due_minor)}: too little to ask for"
        record_event(work, order.order_id, "difference_forgiven", detail)


def _paid_on(session: Session, order: Order) -> date | None:
    """The day of the last entry of an order that is paid now: the invoice uses no deposit before it
    is there."""
    last = select(func.max(JournalEntry.tax_date)).where(
        JournalEntry.order_id == order.order_id, JournalEntry.currency == order.currency
    )
    return session.exec(last).one()


def write_off_receivable(
    work: UnitOfWork,
    order: Order,
    account: Account,
    amount_minor: int,
    happened: date | None = None,
) -> None:
    """What won't come is forgiven and posted, with the tax that is owed no longer."""
    tax_minor = (
        tax_relief(work.session, order, amount_minor) if work.rules.billing.bad_debt_relief else 0
    )
    order.forgiven_minor += amount_minor
    order.relieved_minor += tax_minor
    entry = ledger.write_off_entry(
        f"{order.order_id}:{order.version}",
        order.order_id,
        order.currency,
        account,
        amount_minor=amount_minor,
        tax_minor=tax_minor,
    )
    post(work, entry, happened)


def apply_deposit(
    work: UnitOfWork,
    order: Order,
) -> None:
    """Money that came while the order was being cancelled, or after, settles it after all."""
    used_minor = min(order.deposit_minor, balance_of(work.session, order).due_minor)
    if used_minor <= 0:
        return
    order.deposit_minor -= used_minor
    order.paid_minor += used_minor
    _mark_as_used(work.session, order, used_minor)
    key = f"{order.order_id}:{order.version}"
    if invoice_number(work.session, order.order_id) is not None:
        post(work, ledger.deposit_entry(key, order.order_id, order.currency, used_minor))
    elif order.paid_minor < order.total_minor - _tolerance(order, work.rules.billing):
        more_minor = _on_account(order, work.rules.billing) - order.taxed_minor
        order.taxed_minor += more_minor
        entry = ledger.on_account_entry(key, order.order_id, order.currency, more_minor)
        post(work, entry)
    record_event(work, order.order_id, "deposit_used", str(money_of(order, used_minor)))
    close_if_paid(work, order)


def _mark_as_used(session: Session, order: Order, used_minor: int) -> None:
    waiting = select(Payment).where(
        Payment.order_id == order.order_id,
        Payment.currency == order.currency,
        col(Payment.unmatched_reason).is_not(None),
    )
    rest_minor = used_minor
    for payment in session.exec(
        waiting.order_by(col(Payment.received_at), col(Payment.payment_id))
    ):
        free_minor = payment.amount_minor - payment.reversed_minor - payment.applied_minor
        part_minor = min(rest_minor, free_minor)
        payment.applied_minor += part_minor
        rest_minor -= part_minor
        payment.unmatched_reason = None if part_minor == free_minor else MORE_THAN_DUE


def check_all_applied(session: Session, order: Order) -> None:
    """Whatever was more than was due has been given back."""
    for payment in _payments(session, order):
        payment.unmatched_reason = None


def apply_early_payments(
    work: UnitOfWork,
    order: Order,
) -> None:
    """Money that named this order before it was placed is its own; there is no invoice yet."""
    waiting = select(Payment).where(
        Payment.claimed_order_id == order.order_id,
        col(Payment.order_id).is_(None),
        col(Payment.unmatched_reason).is_not(None),
        Payment.unmatched_reason != BEING_GIVEN_BACK,
    )
    for payment in work.session.exec(waiting.order_by(col(Payment.payment_id)).with_for_update()):
        if payment.currency == order.currency:
            apply_payment_to(work, order, payment, "before the order")
            order.version += 1  # each is a change of its own
        else:
            payment.order_id = order.order_id
            payment.unmatched_reason = in_another_currency(order)


def resume_order(
    work: UnitOfWork,
    order: Order,
) -> None:
    """An order that wasn't paid in time is paid now: as if it had just been placed. What was given
    back before is no money of its own any more."""
    in_hand_minor = balance_of(work.session, order).owed_minor
    order.cancellation, order.cancel_reason, order.expired = Cancellation.NONE, "", False
    order.allocated = False
    order.paid_minor, order.deposit_minor, order.refunded_minor = 0, in_hand_minor, 0
    for payment in _payments(work.session, order):
        payment.taxed_minor = 0
    order.promised_date = promised_date(
        work.now.date(), order.requested_delivery_date, work.rules.policy.promises
    )
    order.told_date, order.consent_by, order.delay_notices = None, None, 0
    detail = f"{money_of(order, in_hand_minor)} came after all: the order is taken up again"
    record_event(work, order.order_id, "late_money", detail)
    apply_deposit(work, order)


def in_another_currency(order: Order) -> str:
    """Why money of an order has no use."""
    return f"the order is in {order.currency}"


def record_unmatched(
    work: UnitOfWork,
    fact: PaymentReceived,
    order_id: str | None,
    reason: str,
) -> None:
    """Record money that has no use: posted as unapplied, and listed."""
    assert fact.amount is not None
    assert fact.currency is not None
    amount_minor = parse_amount(fact.amount, fact.currency)
    payment = Payment(
        payment_id=fact.payment_id,
        order_id=order_id,
        claimed_order_id=fact.order_id,
        amount_minor=amount_minor,
        currency=fact.currency,
        method=fact.method,
        applied_minor=0,
        unmatched_reason=reason,
        received_at=fact.received_at or work.now,
    )
    work.session.add(payment)
    entry = ledger.payment_entry(
        fact.payment_id, fact.currency, unapplied_minor=amount_minor, order_id=order_id
    )
    post(work, entry, payment.received_at.date())
    work.session.flush()
    reverse_early_payment(work, payment)


def reverse_payment(
    work: UnitOfWork,
    reversal: PaymentReversal,
    payment: Payment,
) -> None:
    """The payer's bank has taken a payment back: see `models.billing.take_back`."""
    amount_minor = min(reversal.amount_minor, payment.amount_minor - payment.reversed_minor)
    order = work.session.get(Order, payment.order_id or "", with_for_update=FOR_CHANGE)
    payment.reversed_minor += amount_minor
    reversal.order_id, reversal.applied_at = payment.order_id, work.now
    if order is None or payment.currency != order.currency:
        entry = _take_unused(work.session, reversal, payment, amount_minor)
    else:
        entry = _take_from_order(work, order, reversal, payment, amount_minor)
        if payment.amount_minor - payment.reversed_minor <= payment.applied_minor:
            payment.unmatched_reason = None
        why = f"({reversal.reason})" if reversal.reason else ""
        detail = f"{money_of(order, amount_minor)} of {payment.payment_id} {why}".strip()
        record_event(work, order.order_id, "payment_reversed", detail)
    post(work, entry, reversal.recorded_at.date())


def _take_unused(
    session: Session, reversal: PaymentReversal, payment: Payment, amount_minor: int
) -> ledger.Entry:
    """Money that has no order; what is (being) given back is lost."""
    given_back = select(Refund.refund_key).where(Refund.payment_id == payment.payment_id)
    if session.exec(given_back).first() is not None:
        return ledger.loss_entry(
            reversal.reversal_id,
            payment.currency,
            amount_minor=amount_minor,
            fee_minor=reversal.fee_minor,
        )
    if payment.reversed_minor == payment.amount_minor:
        payment.unmatched_reason = None
    return ledger.reversal_entry(
        reversal.reversal_id,
        payment.currency,
        unapplied_minor=amount_minor,
        fee_minor=reversal.fee_minor,
        order_id=payment.order_id,
    )


def _take_from_order(
    work: UnitOfWork,
    order: Order,
    reversal: PaymentReversal,
    payment: Payment,
    amount_minor: int,
) -> ledger.Entry:
    balance = balance_of(work.session, order)
    payment.applied_minor = min(
        payment.applied_minor, payment.amount_minor - payment.reversed_minor
    )
    if not balance.invoiced and not balance.cancelled:
        order.paid_minor -= amount_minor
        taxed_minor = order.taxed_minor - _on_account(order, work.rules.billing)
        order.taxed_minor -= taxed_minor
        _share_tax(work.session, order)
        return ledger.reversal_entry(
            reversal.reversal_id,
            order.currency,
            deposit_minor=amount_minor,
            taxed_minor=taxed_minor,
            fee_minor=reversal.fee_minor,
            order_id=order.order_id,
        )
    taken = billing.take_back(balance, amount_minor)
    from_deposit_minor = min(taken.deposit_minor, order.deposit_minor)
    order.deposit_minor -= from_deposit_minor
    order.paid_minor -= taken.deposit_minor - from_deposit_minor
    order.payable_minor -= taken.payable_minor
    order.paid_minor -= taken.payable_minor
    again_minor = min(taken.due_again_minor, order.paid_minor) if balance.invoiced else 0
    order.paid_minor -= again_minor
    order.reclaimed_minor += taken.due_again_minor - again_minor
    taxed_minor = order.taxed_minor - min(order.taxed_minor, _on_account(order, work.rules.billing))
    order.taxed_minor -= taxed_minor
    return ledger.reversal_entry(
        reversal.reversal_id,
        order.currency,
        receivable_minor=taken.due_again_minor,
        payable_minor=taken.payable_minor,
        deposit_minor=taken.deposit_minor,
        taxed_minor=taxed_minor,
        fee_minor=reversal.fee_minor,
        order_id=order.order_id,
    )


def _share_tax(session: Session, order: Order) -> None:
    """The tax that fell due with payments is that of those that stand: in the order they came, each
    the tax of all until then less that of those before it."""
    paid_minor = shared_minor = 0
    for payment in _payments(session, order):
        paid_minor += payment.applied_minor
        until_minor = round_half_up(order.taxed_minor * paid_minor, order.paid_minor or 1)
        payment.taxed_minor = until_minor - shared_minor
        shared_minor = until_minor


def _payments(session: Session, order: Order) -> Sequence[Payment]:
    """Of an order, in its currency, as they came."""
    rows = select(Payment).where(
        Payment.order_id == order.order_id, Payment.currency == order.currency
    )
    return session.exec(rows.order_by(col(Payment.received_at), col(Payment.payment_id))).all()


def reverse_early_payment(
    work: UnitOfWork,
    payment: Payment,
) -> None:
    """A reversal may be known before its payment is."""
    work.session.flush()
    waiting = select(PaymentReversal).where(
        PaymentReversal.payment_id == payment.payment_id,
        col(PaymentReversal.applied_at).is_(None),
        PaymentReversal.currency == payment.currency,
    )
    for reversal in work.session.exec(waiting.order_by(col(PaymentReversal.reversal_id))):
        reverse_payment(work, reversal, payment)


def unusable(fact: PaymentReceived, currency: str) -> str | None:
    """Why the fact isn't a payment: what is missing or wrong. None: it is one."""
    if fact.amount is None:
        return "amount: missing"
    try:
        decimals(fact.currency or currency)
        amount_minor = parse_amount(fact.amount, fact.currency or currency)
    except ValueError as error:
        return f"amount: {error}"
    if fact.currency is None:
        return "currency: missing"
    return None if 0 < amount_minor <= MAX_AMOUNT_MINOR else "amount: not above zero"
