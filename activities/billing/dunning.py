"""Dunning: reminders of overdue invoices, each with its fee."""

from datetime import timedelta

from activities.billing.invoicing import invoice_of
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import lock_order, read_progress, save_progress
from models.billing import minor_units
from models.billing_entries import dunning_fee_entry
from models.messages.steps import DunningReview, OrderStep
from models.progress import Cancellation
from models.tables.billing import Reminder
from models.tables.orders import Order

WHILE_FEES_ALONE = timedelta(days=7)
"""The time until the next review, while nothing but fees is due."""


@step
def review_dunning(work: UnitOfWork, step: OrderStep) -> DunningReview:
    """Record the reminder that is due, with its fee, or return the wait until the next one.

    Records at most one level: after a long interruption each level is a reminder of its own.
    While fees alone are due there is none: each would add another fee.
    """
    order = lock_order(work, step.order_id)
    invoice = invoice_of(work.session, step.order_id)
    due_on = invoice.due_on if invoice else None
    due_minor = balance_of(work.session, order).due_minor
    levels, level = work.rules.billing.dunning, order.dunning_level
    over = order.cancellation is not Cancellation.NONE or not due_minor
    if due_on is None or over or level >= len(levels):
        return DunningReview(progress=read_progress(work.session, order))
    remind_on = due_on + timedelta(days=levels[level].days)
    if work.today < remind_on:
        return DunningReview(
            progress=read_progress(work.session, order),
            review_in_s=max(1.0, (work.start_of(remind_on) - work.now).total_seconds()),
        )
    if due_minor <= order.fees_minor:  # a reversal may make more of it due again
        return DunningReview(
            progress=read_progress(work.session, order),
            review_in_s=WHILE_FEES_ALONE.total_seconds(),
        )
    fee_minor = minor_units(levels[level].fee, order.currency)
    _record_reminder(work, order, level + 1, fee_minor)
    return DunningReview(progress=save_progress(work, order), remind=level + 1)


def _record_reminder(work: UnitOfWork, order: Order, level: int, fee_minor: int) -> None:
    order.dunning_level = level
    order.fees_minor += fee_minor
    due_minor = balance_of(work.session, order).due_minor
    work.session.add(
        Reminder(
            order_id=order.order_id,
            level=level,
            fee_minor=fee_minor,
            due_minor=due_minor,
            reminded_on=work.today,
        )
    )
    post(work, dunning_fee_entry(order.order_id, level, order.currency, fee_minor))
    detail = f"level {level}, {money_of(order, due_minor)} due"
    if fee_minor:
        detail += f", of which {money_of(order, fee_minor)} for this reminder"
    record_event(work, order.order_id, "reminded", detail)
