"""The ageing of receivables: what customers owe on each invoice, by days overdue."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.company import day_of
from activities.ledger.past_receivables import OpenAmount, account_balances, open_at
from activities.order_record.balance import RECEIVABLE_MINOR, balance_of
from activities.order_record.open_invoices import (
    invoice_rows,
    open_by_invoices,
    reminder_levels,
)
from models.money import format_amount
from models.tables.billing import InvoiceRow
from models.tables.orders import Order
from models.views.ledger import (
    Ageing,
    AgeingBucket,
    CurrencyAgeing,
    CustomerAgeing,
    OpenInvoice,
)

BUCKETS_DAYS = (
    (0, AgeingBucket.CURRENT),
    (30, AgeingBucket.TO_30),
    (60, AgeingBucket.TO_60),
    (90, AgeingBucket.TO_90),
)
"""The last day overdue of each bucket."""
LARGE_COLUMNS = (Order.document, Order.letter)
"""Columns too large to read for sums."""


def read_ageing(session: Session, today: date, as_of: date | None) -> Ageing:
    """Read the receivables by days overdue, now or at the end of the day `as_of`."""
    day = as_of or today
    amounts = _open_now(session) if as_of is None else open_at(session, as_of)
    open_invoices = sorted(
        ((_open_invoice(session, found, day), found.amount_minor) for found in amounts),
        key=lambda row: (row[0].customer_id, row[0].due, row[0].invoice_number),
    )
    by_customer: dict[tuple[str, str], dict[AgeingBucket, int]] = defaultdict(_empty_buckets)
    by_currency: dict[str, dict[AgeingBucket, int]] = defaultdict(_empty_buckets)
    for view, amount_minor in open_invoices:
        by_customer[view.customer_id, view.currency][view.bucket] += amount_minor
        by_currency[view.currency][view.bucket] += amount_minor
    ledger = account_balances(session, as_of)
    currencies = sorted({*by_currency, *(currency for currency, minor in ledger.items() if minor)})
    return Ageing(
        today=day,
        equals_ledger=all(
            sum(by_currency[currency].values()) == ledger[currency] for currency in currencies
        ),
        totals=tuple(
            CurrencyAgeing(
                currency=currency,
                buckets=_formatted(by_currency[currency], currency),
                total=format_amount(sum(by_currency[currency].values()), currency),
                ledger=format_amount(ledger[currency], currency),
            )
            for currency in currencies
        ),
        customers=tuple(
            CustomerAgeing(
                customer_id=customer_id,
                currency=currency,
                buckets=_formatted(buckets, currency),
                total=format_amount(sum(buckets.values()), currency),
            )
            for (customer_id, currency), buckets in by_customer.items()
        ),
        invoices=tuple(view for view, _ in open_invoices),
    )


def _open_now(session: Session) -> Iterator[OpenAmount]:
    """Read the open amount of each invoice that has one.

    Includes orders without an invoice whose refunded payment was reversed as well.
    """
    query = (
        select(Order)
        .where((RECEIVABLE_MINOR > 0) | (col(Order.reclaimed_minor) > 0))
        .options(*(defer(column) for column in LARGE_COLUMNS))  # type: ignore[arg-type]  # SQLModel types columns as their values
    )
    orders = [row for row in session.exec(query) if balance_of(row).receivable_minor > 0]
    for batch in chunks(orders):
        rows = invoice_rows(session, [order.order_id for order in batch])
        open_minor = open_by_invoices(session, batch, rows)
        levels = reminder_levels(session, [row.number for found in rows.values() for row in found])
        for order in batch:
            for invoice in rows[order.order_id]:
                amount_minor = open_minor[order.order_id][invoice.number]
                if amount_minor:
                    yield _of_order(order, invoice, amount_minor, levels.get(invoice.number, 0))
            if not rows[order.order_id]:
                yield _of_order(order, None, balance_of(order).receivable_minor, 0)


def _of_order(
    order: Order, invoice: InvoiceRow | None, amount_minor: int, level: int
) -> OpenAmount:
    return OpenAmount(
        order_id=order.order_id,
        customer_id=order.customer_id,
        placed_at=order.placed_at,
        currency=order.currency,
        invoice=invoice,
        amount_minor=amount_minor,
        level=level,
    )


def _open_invoice(session: Session, found: OpenAmount, day: date) -> OpenInvoice:
    invoice = found.invoice
    issued = invoice.issued_on if invoice else day_of(session, found.placed_at)
    due = (invoice.due_on if invoice else None) or issued
    days_overdue = max(0, (day - due).days)
    return OpenInvoice(
        customer_id=found.customer_id,
        order_id=found.order_id,
        invoice_number=invoice.number if invoice else "",
        issued=issued,
        due=due,
        days_overdue=days_overdue,
        bucket=_bucket(days_overdue),
        currency=found.currency,
        amount=format_amount(found.amount_minor, found.currency),
        dunning_level=found.level,
    )


def _bucket(days_overdue: int) -> AgeingBucket:
    within = (bucket for days, bucket in BUCKETS_DAYS if days_overdue <= days)
    return next(within, AgeingBucket.OVER_90)


def _empty_buckets() -> dict[AgeingBucket, int]:
    return dict.fromkeys(AgeingBucket, 0)


def _formatted(buckets: Mapping[AgeingBucket, int], currency: str) -> dict[AgeingBucket, str]:
    return {bucket: format_amount(minor, currency) for bucket, minor in buckets.items()}
