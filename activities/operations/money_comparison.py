"""Comparison of the accounts of money with payments, reversals, refunds, payouts and claims."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.findings import Difference, money_difference, payout_difference
from models.ledger import Account
from models.money import format_amount
from models.refunds import PaidBy, RefundState, paid_by
from models.tables.billing import Payment, PaymentReversal, Payout, Refund
from models.tables.ledger import JournalPosting
from models.tables.shipping import Claim

Sums = Counter[tuple[Account, str]]
"""Amounts in minor units, by account and currency."""
ACCOUNTS = tuple(by.account for by in PaidBy)


def compare_money(session: Session) -> list[Difference]:
    """Compare till, bank and the provider's clearing with the rows that moved their money."""
    posted, moved = _posted(session), _moved(session)
    return [
        money_difference(
            account,
            currency,
            format_amount(posted[account, currency], currency),
            format_amount(moved[account, currency], currency),
        )
        for account, currency in sorted({*posted, *moved})
        if posted[account, currency] != moved[account, currency]
    ]


def compare_payouts(session: Session, before: datetime) -> list[Difference]:
    """Compare the provider's payouts from before `before` with all that it has collected.

    Payouts may be reported before their payments. Refunds and reversals don't count: they may
    exceed the rest of the payments until the provider takes money from our bank account.
    """
    payouts = (
        select(Payout.currency, func.sum(Payout.amount_minor + Payout.fee_minor))
        .where(Payout.recorded_at < before)
        .group_by(col(Payout.currency))
        .order_by(Payout.currency)
    )
    received = select(Payment.method, Payment.currency, func.sum(Payment.amount_minor)).group_by(
        col(Payment.method), col(Payment.currency)
    )
    collected = Counter[str]()
    for method, currency, amount_minor in session.exec(received):
        if paid_by(method) is PaidBy.PROVIDER:
            collected[currency] += int(amount_minor)
    return [
        payout_difference(
            currency,
            format_amount(int(paid_minor), currency),
            format_amount(collected[currency], currency),
        )
        for currency, paid_minor in session.exec(payouts)
        if int(paid_minor) > collected[currency]
    ]


def _posted(session: Session) -> Sums:
    rows = (
        select(
            JournalPosting.account, JournalPosting.currency, func.sum(JournalPosting.amount_minor)
        )
        .where(col(JournalPosting.account).in_([account.value for account in ACCOUNTS]))
        .group_by(col(JournalPosting.account), col(JournalPosting.currency))
    )
    sums = Sums()
    for account, currency, amount_minor in session.exec(rows):
        sums[Account(account), currency] += int(amount_minor)
    return sums


def _moved(session: Session) -> Sums:
    sums = Sums()
    for account, currency, amount_minor in _movements(session):
        sums[account, currency] += amount_minor
    return sums


def _movements(session: Session) -> Iterable[tuple[Account, str, int]]:
    received = select(
        Payment.method, Payment.currency, func.sum(Payment.amount_minor - Payment.reversed_minor)
    ).group_by(col(Payment.method), col(Payment.currency))
    for method, currency, amount_minor in session.exec(received):
        yield paid_by(method).account, currency, int(amount_minor)
    fees = (
        select(Payment.method, PaymentReversal.currency, func.sum(PaymentReversal.fee_minor))
        .join(Payment, col(Payment.payment_id) == col(PaymentReversal.payment_id))
        .where(col(PaymentReversal.applied_at).is_not(None))
        .group_by(col(Payment.method), col(PaymentReversal.currency))
    )
    for method, currency, amount_minor in session.exec(fees):
        yield paid_by(method).account, currency, -int(amount_minor)
    refunded = (
        select(Refund.paid_by, Refund.currency, func.sum(Refund.amount_minor))
        .where(Refund.state == RefundState.REFUNDED)
        .group_by(col(Refund.paid_by), col(Refund.currency))
    )
    for by, currency, amount_minor in session.exec(refunded):
        yield PaidBy(by).account, currency, -int(amount_minor)
    payouts = select(
        Payout.currency, func.sum(Payout.amount_minor), func.sum(Payout.fee_minor)
    ).group_by(col(Payout.currency))
    for currency, amount_minor, fee_minor in session.exec(payouts):
        yield Account.BANK, currency, int(amount_minor)
        yield Account.CASH_CLEARING, currency, -int(amount_minor) - int(fee_minor)
    claims = (
        select(Claim.currency, func.sum(Claim.settled_minor))
        .where(col(Claim.settled_minor).is_not(None))
        .group_by(col(Claim.currency))
    )
    for currency, settled_minor in session.exec(claims):
        yield Account.BANK, currency, int(settled_minor or 0)
