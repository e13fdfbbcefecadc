"""Promises: what the customer of an order is told about its date, and what the customer accepts."""

from datetime import UTC, datetime, time

from sqlmodel import Session
from temporalio import activity

from activities.database.engine import Clock, Database
from activities.progress import lock_order, look, note, touch
from models.messages import Accepted, AcceptStep, OrderStep, PromiseReview
from models.orders import Cancellation, stage
from models.promises import (
    Letter,
    LetterKind,
    Promise,
    PromisePolicy,
    accept,
    review,
)
from models.tables import Order

A_DAY_S = 86_400.0
"""A promise is looked at as often at least, whether or not anybody told of a change."""


class Promises:
    """The steps of an order that waits for goods."""

    def __init__(self, database: Database, clock: Clock, policy: PromisePolicy) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    @activity.defn
    def review_promise(self, step: OrderStep) -> PromiseReview:
        """Decide what the customer is told now that the date of the goods is what it is. What was
        decided stays: again, the same letter comes back."""
        return self._database.transaction(lambda session: self._review(session, step.order_id))

    @activity.defn
    def accept_delay(self, step: AcceptStep) -> Accepted:
        """The customer accepts the delay: the promise moves to the date that was told."""
        return self._database.transaction(lambda session: self._accept(session, step))

    def _review(self, session: Session, order_id: str) -> PromiseReview:
        order, now = lock_order(session, order_id), self._clock()
        progress, before = look(session, order), _promise(order)
        if not progress.backordered or order.cancellation is not Cancellation.NONE:
            if order.stage is not stage(progress):  # its goods came, and nobody told it
                progress = touch(session, order, now)
            return PromiseReview(progress=progress, letter=None, look_in=A_DAY_S, lapsed=False)
        found = review(before, progress.expected_date, now.date(), self._policy)
        if found.promise != before:
            _write(order, found.promise)
            if found.promise.letter and found.promise.letter != before.letter:
                event = f"{found.promise.letter.kind}_told"
                note(session, order_id, event, _in_words(found.promise.letter), now)
            progress = touch(session, order, now)
        look_in = A_DAY_S
        if found.look_on is not None:
            due = datetime.combine(found.look_on, time(), tzinfo=UTC) - now
            look_in = min(look_in, max(0.0, due.total_seconds()))
        return PromiseReview(
            progress=progress,
            letter=found.promise.standing_letter,
            look_in=look_in,
            lapsed=found.lapsed,
        )

    def _accept(self, session: Session, step: AcceptStep) -> Accepted:
        order, now = lock_order(session, step.order_id), self._clock()
        progress = look(session, order)
        accepted = accept(_promise(order)) if progress.consent_by else None
        if accepted is None or order.cancellation is not Cancellation.NONE:
            message = "there is no delay that waits to be accepted"
            return Accepted(accepted=False, message=message, progress=progress)
        _write(order, accepted)
        until = f"until {accepted.promised}" if accepted.promised else "without a date"
        note(session, order.order_id, "delay_accepted", f"by {step.request.actor}, {until}", now)
        message = f"the delay is accepted, {until}"
        return Accepted(accepted=True, message=message, progress=touch(session, order, now))


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
