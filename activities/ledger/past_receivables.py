"""Receivables at the end of a past day, by the postings until then.

Rows of orders hold current amounts only. The ledger has the receivable of each order on each day,
and the entries of that day tell which of its invoices, credit notes, fees and payments counted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.order_record.open_invoices import invoice_rows
from models.ledger import Account
from models.open_invoices import InvoiceClaim, open_amounts
from models.tables.billing import (
    CreditNoteRow,
    InvoiceRow,
    Payment,
    PaymentReversal,
    Reminder,
)
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.orders import Order

IS_RECEIVABLE = col(JournalPosting.account) == Account.ACCOUNTS_RECEIVABLE.value


class OpenAmount(NamedTuple):
    """What a customer owes on an invoice, or for an order without one."""

    order_id: str
    customer_id: str
    placed_at: datetime
    currency: str
    invoice: InvoiceRow | None
    amount_minor: int
    level: int
    """The number of reminders."""


def account_balances(session: Session, as_of: date | None) -> dict[str, int]:
    """Return the balance of Accounts receivable by currency, now or at the end of a day."""
    query = (
        select(JournalPosting.currency, func.sum(JournalPosting.amount_minor))
        .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
        .where(IS_RECEIVABLE, *([col(JournalEntry.posting_date) <= as_of] if as_of else []))
        .group_by(col(JournalPosting.currency))
    )
    return defaultdict(int, {currency: int(minor) for currency, minor in session.exec(query)})


def open_at(session: Session, as_of: date) -> Iterator[OpenAmount]:
    """Read the open amount of each invoice at the end of a day.

    An amount below zero, without an invoice, was paid on a day before that of the invoice.
    """
    query = (
        select(
            col(JournalEntry.order_id),
            col(JournalPosting.currency),
            func.sum(JournalPosting.amount_minor),
        )
        .join(JournalPosting, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
        .where(
            IS_RECEIVABLE,
            col(JournalEntry.posting_date) <= as_of,
            col(JournalEntry.order_id).is_not(None),
        )
        .group_by(col(JournalEntry.order_id), col(JournalPosting.currency))
        .having(func.sum(JournalPosting.amount_minor) != 0)
    )
    for batch in chunks(session.exec(query).all()):
        past = _Past(session, [order_id or "" for order_id, _, _ in batch], as_of)
        for order_id, currency, minor in batch:
            yield from past.open_amounts(order_id or "", currency, int(minor))


class _Past:
    """The invoices of some orders as they were at the end of a day."""

    def __init__(self, session: Session, order_ids: Sequence[str], as_of: date) -> None:
        """Read the rows of the orders, and the ids of their entries until that day."""
        entries = session.exec(
            select(col(JournalEntry.entry_id), col(JournalEntry.posting_date)).where(
                col(JournalEntry.order_id).in_(order_ids)
            )
        ).all()
        self.posted = {entry_id for entry_id, day in entries if day <= as_of}
        self.later = {entry_id for entry_id, day in entries if day > as_of}
        self.orders = {
            order_id: (customer_id, placed_at)
            for order_id, customer_id, placed_at in session.exec(
                select(Order.order_id, Order.customer_id, Order.placed_at).where(
                    col(Order.order_id).in_(order_ids)
                )
            )
        }
        self.invoices = {
            order_id: [row for row in rows if f"invoice:{row.number}" in self.posted]
            for order_id, rows in invoice_rows(session, order_ids).items()
        }
        self.credited = self._credited(session, order_ids)
        self.named = self._named(session, order_ids)
        self.fees, self.levels = self._reminders(session, order_ids, as_of)

    def open_amounts(self, order_id: str, currency: str, minor: int) -> Iterator[OpenAmount]:
        """Distribute the receivable of an order over its invoices."""
        if order_id not in self.orders:
            return
        invoices = {row.number: row for row in self.invoices.get(order_id, ())}
        if minor < 0 or not invoices:
            yield self._open(order_id, currency, None, minor)
            return
        claims = [
            InvoiceClaim(
                number=number,
                due_on=row.due_on or row.issued_on,
                total_minor=row.total_minor,
                credited_minor=self.credited[number],
                named_minor=self.named[number],
                fees_minor=self.fees[number],
            )
            for number, row in sorted(invoices.items())
        ]
        for number, amount_minor in open_amounts(claims, minor).items():
            if amount_minor:
                yield self._open(order_id, currency, invoices[number], amount_minor)

    def _open(
        self, order_id: str, currency: str, invoice: InvoiceRow | None, amount_minor: int
    ) -> OpenAmount:
        level = self.levels[invoice.number] if invoice else 0
        return OpenAmount(order_id, *self.orders[order_id], currency, invoice, amount_minor, level)

    def _credited(self, session: Session, order_ids: Sequence[str]) -> Mapping[str, int]:
        sums: dict[str, int] = defaultdict(int)
        notes = session.exec(
            select(
                CreditNoteRow.number, CreditNoteRow.invoice_number, CreditNoteRow.total_minor
            ).where(col(CreditNoteRow.order_id).in_(order_ids))
        )
        for number, invoice_number, total_minor in notes:
            if f"credit_note:{number}" in self.posted:
                sums[invoice_number] += total_minor
        return sums

    def _named(self, session: Session, order_ids: Sequence[str]) -> Mapping[str, int]:
        """Sum payments that name an invoice, with what was reversed of them after the day."""
        payments = session.exec(
            select(Payment).where(
                col(Payment.order_id).in_(order_ids), col(Payment.invoice_number).is_not(None)
            )
        ).all()
        sums: dict[str, int] = defaultdict(int)
        if not payments:
            return sums
        reversed_later: dict[str, int] = defaultdict(int)
        for row in session.exec(
            select(PaymentReversal).where(
                col(PaymentReversal.payment_id).in_([row.payment_id for row in payments])
            )
        ):
            if f"reversal:{row.reversal_id}" in self.later:
                reversed_later[row.payment_id] += row.amount_minor
        for payment in payments:
            matched, received = f"matched:{payment.payment_id}", f"payment:{payment.payment_id}"
            known = self.posted | self.later
            if (matched if matched in known else received) in self.posted:
                amount_minor = payment.applied_minor + reversed_later[payment.payment_id]
                sums[payment.invoice_number or ""] += min(amount_minor, payment.amount_minor)
        return sums

    def _reminders(
        self, session: Session, order_ids: Sequence[str], as_of: date
    ) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Sum the fees of reminders, and count the reminders, by invoice."""
        fees: dict[str, int] = defaultdict(int)
        levels: dict[str, int] = defaultdict(int)
        for row in session.exec(select(Reminder).where(col(Reminder.order_id).in_(order_ids))):
            if f"dunning_fee:{row.invoice_number}:{row.level}" in self.posted:
                fees[row.invoice_number] += row.fee_minor
            if row.reminded_on <= as_of:
                levels[row.invoice_number] = max(levels[row.invoice_number], row.level)
        return fees, levels
