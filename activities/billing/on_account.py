"""Payments on account: payments before the invoice, whose tax falls due with them.

The source is 2006/112/EC art. 65.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.database.kept import keep, kept
from activities.database.unit_of_work import NAME_LOCK, UnitOfWork
from activities.ledger.posting import tax_date_of
from activities.order_record.balance import balance_of
from models.billing import BillingRules, OnAccount
from models.money import round_half_up
from models.tables.billing import Payment
from models.tables.orders import Order

EARLIER_PAYMENTS = "earlier payments"
_WITH_OTHERS = (col(Payment.payment_id) == bindparam("payment_id", type_=String)) | (
    col(Payment.order_id) == bindparam("order_id", type_=String)
)
_READ = select(Payment).where(_WITH_OTHERS)
_LOCK_AND_READ = (
    select(Payment)
    .select_from(select(NAME_LOCK).subquery())
    .join(Payment, _WITH_OTHERS, isouter=True)
)


def lock_payment_id(work: UnitOfWork, payment_id: str | None) -> None:
    """Let what is recorded about a payment, which may not be recorded yet, wait for this."""
    work.lock_name(_lock_of(payment_id))


def _lock_of(payment_id: str | None) -> str:
    return f"payment:{payment_id}"


def find_payment(work: UnitOfWork, order: Order, payment_id: str) -> Payment | None:
    """Read a payment, lock its id, and read whether the order has received others."""
    bound, statement = {"payment_id": payment_id, "order_id": order.order_id}, _READ
    if work.on_postgresql:  # the lock comes with the rows: a payment costs no further statement
        statement, bound["locked_name"] = _LOCK_AND_READ, _lock_of(payment_id)
        work.locked_names.add(_lock_of(payment_id))
    rows = [row for row in work.session.exec(statement, params=bound) if row is not None]
    has_others = any(row.order_id == order.order_id for row in rows)
    keep(work.session, EARLIER_PAYMENTS, order.order_id, has_others)
    return next((row for row in rows if row.payment_id == payment_id), None)


def has_earlier_payments(session: Session, order: Order) -> bool:
    """Return whether an order may have payments before the one that is being recorded."""
    return kept(session, EARLIER_PAYMENTS, order.order_id) is not False


def payments_of(session: Session, order: Order) -> Sequence[Payment]:
    """Return the payments of an order in its currency, in the order received."""
    rows = select(Payment).where(
        Payment.order_id == order.order_id, Payment.currency == order.currency
    )
    return session.exec(rows.order_by(col(Payment.received_at), col(Payment.payment_id))).all()


def clear_unmatched(session: Session, order: Order) -> None:
    """Mark all payments of an order as used, after its excess was refunded."""
    for payment in payments_of(session, order):
        payment.unmatched_reason = None


def tax_on_account(order: Order, rules: BillingRules) -> int:
    """Return the tax, in minor units, due with an order's payments on account."""
    balance = balance_of(order)
    return rules.on_account_minor(
        balance.advance_minor,
        balance.uninvoiced_minor,
        balance.tax_minor - balance.invoiced_tax_minor,
    )


def distribute_tax(session: Session, order: Order) -> None:
    """Distribute an order's tax on account over its remaining payments, by cumulated share."""
    paid_minor = distributed_minor = 0
    for payment in payments_of(session, order):
        paid_minor += payment.applied_minor
        until_minor = round_half_up(order.taxed_minor * paid_minor, order.paid_minor or 1)
        payment.taxed_minor = until_minor - distributed_minor
        distributed_minor = until_minor


def payments_on_account(
    work: UnitOfWork, order: Order, advance_minor: int, used_minor: int, taxed_minor: int
) -> Iterator[OnAccount]:
    """List the payments on account that an invoice deducts, the oldest first.

    It uses `used_minor` of the order's `advance_minor`, and `taxed_minor` of the tax that fell due
    with them.
    """
    if taxed_minor <= 0:
        return
    work.session.flush()
    payments = payments_of(work.session, order)
    if order.invoiced_by_delivery:
        parts = _used_parts(payments, advance_minor, used_minor, taxed_minor)
    else:
        parts = [(row, row.applied_minor, row.taxed_minor) for row in payments]
    for row, amount_minor, tax_minor in parts:
        if tax_minor > 0:
            received_on = tax_date_of(
                work, f"matched:{row.payment_id}", f"payment:{row.payment_id}"
            )
            yield OnAccount(
                payment_id=row.payment_id,
                received_on=received_on,
                amount_minor=amount_minor,
                tax_minor=tax_minor,
            )


def _used_parts(
    payments: Sequence[Payment], advance_minor: int, used_minor: int, taxed_minor: int
) -> list[tuple[Payment, int, int]]:
    """Return the parts of payments that an invoice uses, each with its share of the tax.

    The advance is what was paid last; of that, what was paid first is used first.
    """
    skipped_minor = sum(row.applied_minor for row in payments) - advance_minor
    parts, taken_minor, taxed_until_minor = [], 0, 0
    for row in payments:
        skips_minor = min(skipped_minor, row.applied_minor)
        skipped_minor -= skips_minor
        amount_minor = min(row.applied_minor - skips_minor, used_minor - taken_minor)
        taken_minor += amount_minor
        until_minor = round_half_up(taxed_minor * taken_minor, used_minor or 1)
        parts.append((row, amount_minor, until_minor - taxed_until_minor))
        taxed_until_minor = until_minor
    return parts
