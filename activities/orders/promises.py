"""Promises: notices to the customer about an order's date, and the customer's consent to delays."""

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.progress import lock_order, read_progress, save_progress
from models.messages.steps import AcceptOutcome, AcceptStep, OrderStep, PromiseReview
from models.progress import Cancellation, stage
from models.promises import Letter, LetterKind, Promise, accept, review
from models.tables.orders import Order

REVIEW_S = 86_400.0
"""The longest time between two reviews of a promise, in seconds."""


@step
def review_promise(work: UnitOfWork, step: OrderStep) -> PromiseReview:
    """Review the promise of a backordered order, and return the letter to send, if any.

    A repeated review returns the same letter.
    """
    order = lock_order(work, step.order_id)
    progress, before = read_progress(work.session, order), _promise(order)
    if not progress.backordered or order.cancellation is not Cancellation.NONE:
        if order.stage is not stage(progress):  # its goods arrived, and no notification did
            progress = save_progress(work, order)
        return PromiseReview(progress=progress, letter=None, review_in_s=REVIEW_S, lapsed=False)
    reviewed = review(before, progress.expected_date, work.today, work.rules.policy.promises)
    if reviewed.promise != before:
        _save_promise(order, reviewed.promise)
        if reviewed.promise.letter and reviewed.promise.letter != before.letter:
            event = f"{reviewed.promise.letter.kind}_notified"
            record_event(work, step.order_id, event, _describe(reviewed.promise.letter))
        progress = save_progress(work, order)
    review_in_s = REVIEW_S
    if reviewed.review_on is not None:
        due = work.start_of(reviewed.review_on) - work.now
        review_in_s = min(review_in_s, max(0.0, due.total_seconds()))
    return PromiseReview(
        progress=progress,
        letter=reviewed.promise.standing_letter,
        review_in_s=review_in_s,
        lapsed=reviewed.lapsed,
    )


@step
def accept_delay(work: UnitOfWork, step: AcceptStep) -> AcceptOutcome:
    """Record the customer's consent: the promise moves to the date in the last letter."""
    work.origin = step.request.origin
    order = lock_order(work, step.order_id)
    progress = read_progress(work.session, order)
    accepted = accept(_promise(order)) if progress.consent_by else None
    if accepted is None or order.cancellation is not Cancellation.NONE:
        message = "there is no delay that waits to be accepted"
        return AcceptOutcome(accepted=False, message=message, progress=progress)
    _save_promise(order, accepted)
    until = f"until {accepted.promised}" if accepted.promised else "without a date"
    record_event(work, order.order_id, "delay_accepted", f"by {step.request.actor}, {until}")
    message = f"the delay is accepted, {until}"
    return AcceptOutcome(accepted=True, message=message, progress=save_progress(work, order))


def _promise(order: Order) -> Promise:
    return Promise(
        promised=order.promised_date,
        notified=order.notified_date,
        delays=order.delay_notices,
        consent_by=order.consent_by,
        letter=Letter.model_validate(order.letter) if order.letter else None,
    )


def _save_promise(order: Order, promise: Promise) -> None:
    order.promised_date, order.notified_date = promise.promised, promise.notified
    order.delay_notices, order.consent_by = promise.delays, promise.consent_by
    order.letter = promise.letter.model_dump(mode="json") if promise.letter else None


def _describe(letter: Letter) -> str:
    when = f"expected {letter.expected}" if letter.expected else "no date is known"
    if letter.kind is LetterKind.BACKORDER:
        return when
    silence = f"to be accepted by {letter.answer_by}" if letter.answer_by else "silence is consent"
    return f"{when}, {letter.promised} was promised; {silence}"
