"""Dunning: reminders of invoices that are overdue, each with its fee."""

from datetime import UTC, date, datetime, time, timedelta

from sqlmodel import select

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from activities.order_record.progress import lock_order, read_progress, save_progress
from models import ledger
from models.billing import minor_units
from models.messages.steps import DunningReview, OrderStep
from models.progress import Cancellation
from models.tables.billing import InvoiceRow, Reminder
from models.tables.orders import Order


@step
def review_dunning(work: UnitOfWork, step: OrderStep) -> DunningReview:
    """Record the reminder that is due, if one is, with its fee; and say when the next will be.

    One at a time: after a long sleep each level is reminded of by itself."""
    order = lock_order(work, step.order_id)
    invoice = work.session.exec(
        select(InvoiceRow).where(InvoiceRow.order_id == step.order_id)
    ).one_or_none()
    due_on = invoice.due_on if invoice else None
    owed_minor = balance_of(work.session, order).due_minor
    levels, level = work.rules.billing.dunning, order.dunning_level
    over = order.cancellation is not Cancellation.NONE or not owed_minor
    if due_on is None or over or level >= len(levels):
        return DunningReview(progress=read_progress(work.session, order))
    remind_on = due_on + timedelta(days=levels[level].days)
    if work.now.date() < remind_on:
        return DunningReview(
            progress=read_progress(work.session, order), look_in=_until(remind_on, work.now)
        )
    fee_minor = minor_units(levels[level].fee, order.currency)
    _remind(work, order, level + 1, fee_minor)
    return DunningReview(progress=save_progress(work, order), remind=level + 1)


def _remind(
    work: UnitOfWork,
    order: Order,
    level: int,
    fee_minor: int,
) -> None:
    order.dunning_level = level
    order.fees_minor += fee_minor
    due_minor = balance_of(work.session, order).due_minor
    work.session.add(
        Reminder(
            order_id=order.order_id,
            level=level,
            fee_minor=fee_minor,
            due_minor=due_minor,
            reminded_on=work.now.date(),
        )
    )
    entry = ledger.dunning_fee_entry(order.order_id, level, order.currency, fee_minor)
    post(work, entry)
    due = money_of(order, due_minor)
    fee = money_of(order, fee_minor)
    detail = f"level {level}, {due} are due" + (f", {fee} of it for this" if fee_minor else "")
    record_event(work, order.order_id, "reminded", detail)


def _until(day: date, now: datetime) -> float:
    """Seconds until a day begins."""
    return max(1.0, (datetime.combine(day, time(), tzinfo=UTC) - now).total_seconds())
