"""The open amounts of invoices, read from the tables."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import func, literal, union_all
from sqlalchemy import select as select_columns
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from activities.order_record.balance import balance_of
from models.open_invoices import InvoiceClaim, open_amounts
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment, Reminder
from models.tables.orders import Order

WITHOUT_CONTENT = defer(InvoiceRow.content)  # type: ignore[arg-type]  # SQLModel types columns as their values
"""The content of an invoice is too large to read for sums."""


def open_by_invoice(session: Session, order: Order) -> dict[str, int]:
    """Return the open amount of each invoice of an order in minor units, by its number."""
    rows = invoice_rows(session, [order.order_id])
    return open_by_invoices(session, [order], rows)[order.order_id]


def invoice_rows(session: Session, order_ids: Collection[str]) -> Mapping[str, list[InvoiceRow]]:
    """Read the invoices of orders, without their content."""
    rows = select(InvoiceRow).where(col(InvoiceRow.order_id).in_(order_ids))
    by_order: dict[str, list[InvoiceRow]] = defaultdict(list)
    for row in session.exec(rows.options(WITHOUT_CONTENT)):
        by_order[row.order_id].append(row)
    return by_order


def open_by_invoices(
    session: Session, orders: Sequence[Order], rows: Mapping[str, Sequence[InvoiceRow]]
) -> dict[str, dict[str, int]]:
    """Return the open amounts of the invoices of orders, by order and number.

    `rows`: the invoices by order.

    Of an order with one invoice it is all of its receivable.
    """
    several = [order_id for order_id, of_order in rows.items() if len(of_order) > 1]
    sums = _sums(session, several)
    found = {}
    for order in orders:
        claims = [
            InvoiceClaim(
                number=row.number,
                due_on=row.due_on or row.issued_on,
                total_minor=row.total_minor,
                credited_minor=sums["credited", row.number],
                named_minor=sums["named", row.number],
                fees_minor=sums["fees", row.number],
            )
            for row in sorted(rows[order.order_id], key=lambda row: row.number)
        ]
        receivable_minor = balance_of(order).receivable_minor
        if len(claims) == 1:
            found[order.order_id] = {claims[0].number: receivable_minor}
        else:
            found[order.order_id] = open_amounts(claims, receivable_minor)
    return found


def reminder_levels(session: Session, numbers: Collection[str]) -> dict[str, int]:
    """Return the number of reminders of each of these invoices that has any."""
    levels = (
        select(Reminder.invoice_number, func.max(Reminder.level))
        .where(col(Reminder.invoice_number).in_(numbers))
        .group_by(col(Reminder.invoice_number))
    )
    return dict(session.exec(levels).all())


def _sums(session: Session, order_ids: Collection[str]) -> Counter[tuple[str, str]]:
    """Sum credit notes, payments that name an invoice, and fees of orders, by kind and invoice.

    Nothing is read without orders.
    """
    sums = Counter[tuple[str, str]]()
    if not order_ids:
        return sums
    columns = {
        "credited": (
            CreditNoteRow.order_id,
            CreditNoteRow.invoice_number,
            CreditNoteRow.total_minor,
        ),
        "named": (Payment.order_id, Payment.invoice_number, Payment.applied_minor),
        "fees": (Reminder.order_id, Reminder.invoice_number, Reminder.fee_minor),
    }
    statement = union_all(
        *(
            select_columns(literal(kind), col(number), func.sum(col(amount)))
            .where(col(order_id).in_(order_ids), col(number).is_not(None))
            .group_by(col(number))
            for kind, (order_id, number, amount) in columns.items()
        )
    )
    for kind, number, amount in session.execute(statement):
        sums[kind, number] = int(amount)
    return sums
