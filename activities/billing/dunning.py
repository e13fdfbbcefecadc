"""Dunning: reminders of overdue invoices, each with its fee."""

from datetime import date, timedelta
from typing import NamedTuple

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.open_invoices import invoice_rows, open_by_invoice, reminder_levels
from activities.order_record.progress import lock_order, read_progress, save_progress
from models.billing import minor_units
from models.billing_entries import dunning_fee_entry
from models.messages.steps import DunningReview, OrderStep
from models.progress import Cancellation
from models.tables.billing import InvoiceRow, Reminder
from models.tables.orders import Order

WHILE_FEES_ALONE = timedelta(days=7)
"""The time until the next review, while nothing but fees is due."""


class _Due(NamedTuple):
    """The next reminder of an invoice, and the day from which it is due."""

    remind_on: date
    level: int
    invoice: InvoiceRow


@step
def review_dunning(work: UnitOfWork, step: OrderStep) -> DunningReview:
    """Record the reminder that is due, with its fee, or return the wait until the next one.

    Records at most one: after a long interruption each level of each invoice is a reminder of its
    own. While fees alone are due there is none: each would add another fee.
    """
    order = lock_order(work, step.order_id)
    due = _next_reminder(work, order)
    if due is None:
        return DunningReview(progress=read_progress(work.session, order))
    if work.today < due.remind_on:
        return DunningReview(
            progress=read_progress(work.session, order),
            review_in_s=max(1.0, (work.start_of(due.remind_on) - work.now).total_seconds()),
        )
    if balance_of(order).receivable_minor <= order.fees_minor:  # a reversal may make more of it due
        return DunningReview(
            progress=read_progress(work.session, order),
            review_in_s=WHILE_FEES_ALONE.total_seconds(),
        )
    _record_reminder(work, order, due)
    return DunningReview(
        progress=save_progress(work, order), invoice_number=due.invoice.number, remind=due.level
    )


def _next_reminder(work: UnitOfWork, order: Order) -> _Due | None:
    """Find the first reminder that an open invoice of an order still gets."""
    levels = work.rules.billing.dunning
    if order.cancellation is not Cancellation.NONE or not balance_of(order).receivable_minor:
        return None
    rows = invoice_rows(work.session, [order.order_id])[order.order_id]
    open_minor = open_by_invoice(work.session, order)
    sent = reminder_levels(work.session, [row.number for row in rows])
    found = [
        _Due(row.due_on + timedelta(days=levels[level].days), level + 1, row)
        for row in rows
        if row.due_on
        and open_minor[row.number]
        and (level := sent.get(row.number, 0)) < len(levels)
    ]
    return min(found, key=lambda due: (due.remind_on, due.invoice.number), default=None)


def _record_reminder(work: UnitOfWork, order: Order, due: _Due) -> None:
    number, level = due.invoice.number, due.level
    fee_minor = minor_units(work.rules.billing.dunning[level - 1].fee, order.currency)
    due_minor = open_by_invoice(work.session, order)[number] + fee_minor
    order.fees_minor += fee_minor
    work.session.add(
        Reminder(
            invoice_number=number,
            level=level,
            order_id=order.order_id,
            fee_minor=fee_minor,
            due_minor=due_minor,
            reminded_on=work.today,
        )
    )
    post(work, dunning_fee_entry(order.order_id, number, level, order.currency, fee_minor))
    detail = f"{number}, level {level}, {money_of(order, due_minor)} due"
    if fee_minor:
        detail += f", of which {money_of(order, fee_minor)} for this reminder"
    record_event(work, order.order_id, "reminded", detail)
