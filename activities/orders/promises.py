"""Promises: what the customer of an order is told about its date, and what the customer accepts."""

from datetime import UTC, datetime, time

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.progress import lock_order, read_progress, save_progress
from models.messages.steps import Accepted, AcceptStep, OrderStep, PromiseReview
from models.progress import Cancellation, stage
from models.promises import (
    Letter,
    LetterKind,
    Promise,
    accept,
    review,
)
from models.tables.orders import Order

A_DAY_S = 86_400.0
"""A promise is looked at as often at least, whether or not anybody told of a change."""


@step
def review_promise(work: UnitOfWork, step: OrderStep) -> PromiseReview:
    """Decide what the customer is told now that the date of the goods is what it is. What was
    decided stays: again, the same letter comes back."""
    order = lock_order(work, step.order_id)
    progress, before = read_progress(work.session, order), _promise(order)
    if not progress.backordered or order.cancellation is not Cancellation.NONE:
        if order.stage is not stage(progress):  # its goods came, and nobody told it
            progress = save_progress(work, order)
        return PromiseReview(progress=progress, letter=None, look_in=A_DAY_S, lapsed=False)
    found = review(before, progress.expected_date, work.now.date(), work.rules.policy.promises)
    if found.promise != before:
        _write(order, found.promise)
        if found.promise.letter and found.promise.letter != before.letter:
            event = f"{found.promise.letter.kind}_told"
            record_event(work, step.order_id, event, _in_words(found.promise.letter))
        progress = save_progress(work, order)
    look_in = A_DAY_S
    if found.look_on is not None:
        due = datetime.combine(found.look_on, time(), tzinfo=UTC) - work.now
        look_in = min(look_in, max(0.0, due.total_seconds()))
    return PromiseReview(
        progress=progress,
        letter=found.promise.standing_letter,
        look_in=look_in,
        lapsed=found.lapsed,
    )


@step
def accept_delay(work: UnitOfWork, step: AcceptStep) -> Accepted:
    """The customer accepts the delay: the promise moves to the date that was told."""
    order = lock_order(work, step.order_id)
    progress = read_progress(work.session, order)
    accepted = accept(_promise(order)) if progress.consent_by else None
    if accepted is None or order.cancellation is not Cancellation.NONE:
        message = "there is no delay that waits to be accepted"
        return Accepted(accepted=False, message=message, progress=progress)
    _write(order, accepted)
    until = f"until {accepted.promised}" if accepted.promised else "without a date"
    record_event(work, order.order_id, "delay_accepted", f"by {step.request.actor}, {until}")
    message = f"the delay is accepted, {until}"
    return Accepted(accepted=True, message=message, progress=save_progress(work, order))


def _promise(order: Order) -> Promise:
    """Read the order's promise from its columns."""
    return Promise(
        promised=order.promised_date,
        told=order.told_date,
        delays=order.delay_notices,
        consent_by=order.consent_by,
        letter=Letter.model_validate(order.letter) if order.letter else None,
    )


def _write(order: Order, promise: Promise) -> None:
    order.promised_date, order.told_date = promise.promised, promise.told
    order.delay_notices, order.consent_by = promise.delays, promise.consent_by
    order.letter = promise.letter.model_dump(mode="json") if promise.letter else None


def _in_words(letter: Letter) -> str:
    when = f"expected {letter.expected}" if letter.expected else "no date is known"
    if letter.kind is LetterKind.BACKORDER:
        return when
    silence = f"to be accepted by {letter.answer_by}" if letter.answer_by else "silence is consent"
    return f"{when}, {letter.promised} was promised; {silence}"
