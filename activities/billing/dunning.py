"""Dunning: reminders of invoices that are overdue, each with its fee."""

from datetime import UTC, date, datetime, time, timedelta

from sqlmodel import Session, select
from temporalio import activity

from activities.database.engine import Clock, Database
from activities.ledger.posting import post
from activities.order_record.audit import note
from activities.order_record.progress import balance_of, lock_order, look, money_of, touch
from models import ledger
from models.billing import BillingRules, minor_units
from models.messages.steps import DunningReview, OrderStep
from models.orders import Cancellation
from models.tables.billing import InvoiceRow, Reminder
from models.tables.orders import Order


class Dunning:
    """The steps of a receivable that isn't paid."""

    def __init__(self, database: Database, clock: Clock, rules: BillingRules) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules

    @activity.defn
    def review_dunning(self, step: OrderStep) -> DunningReview:
        """Record the reminder that is due, if one is, with its fee; and say when the next will be.

        One at a time: after a long sleep each level is reminded of by itself."""
        return self._database.transaction(lambda session: self._review(session, step.order_id))

    def _review(self, session: Session, order_id: str) -> DunningReview:
        order, now = lock_order(session, order_id), self._clock()
        invoice = session.exec(
            select(InvoiceRow).where(InvoiceRow.order_id == order_id)
        ).one_or_none()
        due_on = invoice.due_on if invoice else None
        owed_minor = balance_of(session, order).due_minor
        levels, level = self._rules.dunning, order.dunning_level
        over = order.cancellation is not Cancellation.NONE or not owed_minor
        if due_on is None or over or level >= len(levels):
            return DunningReview(progress=look(session, order))
        remind_on = due_on + timedelta(days=levels[level].days)
        if now.date() < remind_on:
            return DunningReview(progress=look(session, order), look_in=_until(remind_on, now))
        fee_minor = minor_units(levels[level].fee, order.currency)
        self._remind(session, order, level + 1, fee_minor, now)
        return DunningReview(progress=touch(session, order, now), remind=level + 1)

    def _remind(
        self, session: Session, order: Order, level: int, fee_minor: int, now: datetime
    ) -> None:
        order.dunning_level = level
        order.fees_minor += fee_minor
        due_minor = balance_of(session, order).due_minor
        session.add(
            Reminder(
                order_id=order.order_id,
                level=level,
                fee_minor=fee_minor,
                due_minor=due_minor,
                reminded_on=now.date(),
            )
        )
        entry = ledger.dunning_fee_entry(order.order_id, level, order.currency, fee_minor)
        post(session, entry, now)
        due = money_of(order, due_minor)
        fee = money_of(order, fee_minor)
        detail = f"level {level}, {due} are due" + (f", {fee} of it for this" if fee_minor else "")
        note(session, order.order_id, "reminded", detail, now)


def _until(day: date, now: datetime) -> float:
    """Seconds until a day begins."""
    return max(1.0, (datetime.combine(day, time(), tzinfo=UTC) - now).total_seconds())
