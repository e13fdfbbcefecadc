"""How one step is run: what is retried, what waits for a person, and what stops it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from activities.database.step import Step
    from models.messages.attention import Attention
    from models.messages.policy import Policy
    from models.messages.requests import CommandOutcome

In = TypeVar("In")
Out = TypeVar("Out")
PartnerStep = Callable[[Any, In], Awaitable[Out]]
"""A method of an activity class; `Any`: the class, which the worker knows."""

LOCAL_TIMEOUT = timedelta(seconds=2)
LOCAL_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(milliseconds=500),
    maximum_attempts=3,
)
DATABASE_TIMEOUT = timedelta(seconds=10)
MAXIMUM_BACKOFF = timedelta(minutes=1)
SPENT = (ActivityError, ApplicationError, TimedOut)
"""What a local activity ends with: a time-out is an ActivityError, but on replay bare."""
BESIDE_THE_CALL = timedelta(seconds=5)
"""What a partner step needs for its own transactions, beside the call."""


class Stopped(Exception):  # nothing went wrong
    """The steps were told to stop: the order is being cancelled."""


class RefusedStep(Exception):
    """A step met a definite no; only a person, or another way, can go on from there."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention.message)
        self.attention = attention


class AttentionBoard:
    """What waits for a person, by step. The oldest is shown; a retry is for all of them."""

    def __init__(self, show: Callable[[Attention | None], Awaitable[None]]) -> None:
        self._show = show
        self._waiting: dict[str, Attention] = {}
        self.retries = 0
        self.policy = Policy(payment_deadline=0, partner_timeout=10, attention_after_attempts=5)

    @property
    def attention(self) -> Attention | None:
        """What is shown now."""
        return next(iter(self._waiting.values()), None)

    async def raise_attention(self, step: str, attention: Attention) -> None:
        """Show that `step` waits for a person."""
        await self._change(step, attention)

    async def clear_attention(self, step: str) -> None:
        """It waits no longer; again does nothing."""
        if step in self._waiting:
            await self._change(step, None)

    def retry(self) -> CommandOutcome:
        """A person wants what waits to be tried again."""
        if self.attention is None:
            return CommandOutcome(accepted=False, message="nothing waits for a retry")
        self.retries += 1
        return CommandOutcome(accepted=True, message=f"trying again: {self.attention.code}")

    async def clear_all(self) -> None:
        """What waited for a person doesn't any more: the order takes another way."""
        for step in list(self._waiting):
            await self.clear_attention(step)

    async def _change(self, step: str, attention: Attention | None) -> None:
        before = self.attention
        if attention is None:
            del self._waiting[step]
        else:
            self._waiting[step] = attention
        if self.attention != before:
            await self._show(self.attention)


class Steps:
    """Runs steps until they are done, unless `stops` says to stop."""

    def __init__(self, board: AttentionBoard, stops: Callable[[], bool]) -> None:
        self._board = board
        self._stops = stops

    async def database(self, step: Step[In, Out], argument: In, summary: str) -> Out:
        """A transaction: as a local activity; when that is spent, as an ordinary one that
        operators can see. A refusal is shown as attention and tried again on command."""
        while True:
            self._check()
            try:
                result = await run_database_step(step, argument, summary)
            except RefusedStep as refusal:
                await self.attend(summary, refusal.attention)
            else:
                self._check()
                return result

    async def partner(self, step: PartnerStep[In, Out], argument: In, summary: str) -> Out:
        """A call to a partner. A refusal is shown as attention and tried again on command."""
        while True:
            try:
                return await self.ask(step, argument, summary)
            except RefusedStep as refusal:
                await self.attend(summary, refusal.attention)

    async def ask(self, step: PartnerStep[In, Out], argument: In, summary: str) -> Out:
        """As `partner`, but a refusal is raised as RefusedStep.

        A partner that doesn't answer is asked again for as long as it takes; after the policy's
        number of attempts that is shown as attention too, and a retry asks at once.
        """
        attempts = self._board.policy.attention_after_attempts
        while True:
            self._check()
            handle = self._start(step, argument, summary, attempts)
            await self._wait_for(self._end_of(handle, asks_on=not attempts))
            if not handle.done() or self._stops():
                await _end(handle)
                continue
            try:
                result = await handle
            except ActivityError as error:
                failure = _failure(error)
                if failure.non_retryable:
                    raise RefusedStep(_attention(failure)) from error
                await self._board.raise_attention(summary, _silence(summary, failure))
                attempts = 0
            else:
                await self._board.clear_attention(summary)
                return result

    async def attend(
        self, step: str, attention: Attention, mended: Callable[[], bool] = lambda: False
    ) -> None:
        """Show `attention` until somebody commands a retry, or it is `mended`."""
        retries = self._board.retries
        await self._board.raise_attention(step, attention)
        await self.until(lambda: self._board.retries != retries or mended(), "Waiting for a person")
        await self._board.clear_attention(step)

    async def until(
        self, condition: Callable[[], bool], summary: str, seconds: float | None = None
    ) -> bool:
        """Wait for `condition`; False where `seconds` went by first. Raises Stopped."""
        timeout = None if seconds is None else timedelta(seconds=seconds)
        try:
            await workflow.wait_condition(
                lambda: condition() or self._stops(), timeout=timeout, timeout_summary=summary
            )
        except TimeoutError:
            return condition()
        self._check()
        return True

    def _check(self) -> None:
        if self._stops():
            raise Stopped

    def _end_of(self, handle: workflow.ActivityHandle[Any], asks_on: bool) -> Callable[[], bool]:
        """Done; or, where it would ask on for ever, a person wants it asked at once."""
        retries = self._board.retries
        return lambda: handle.done() or (asks_on and self._board.retries != retries)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        await workflow.wait_condition(lambda: condition() or self._stops())

    def _start(
        self, step: PartnerStep[In, Out], argument: In, summary: str, attempts: int
    ) -> workflow.ActivityHandle[Out]:
        policy = self._board.policy
        return workflow.start_activity_method(
            step,
            argument,
            start_to_close_timeout=timedelta(seconds=policy.partner_timeout) + BESIDE_THE_CALL,
            retry_policy=RetryPolicy(maximum_interval=MAXIMUM_BACKOFF, maximum_attempts=attempts),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )


async def run_database_step(step: Step[In, Out], argument: In, summary: str) -> Out:
    """One transaction, see `Steps.database`. Raises RefusedStep."""
    try:
        result: Out = await workflow.execute_local_activity(
            step.name,
            argument,
            result_type=step.output_type,
            start_to_close_timeout=LOCAL_TIMEOUT,
            retry_policy=LOCAL_RETRIES,
            summary=summary,
        )
    except SPENT as error:
        failure = _failure(error)
        if failure.non_retryable:
            raise RefusedStep(_attention(failure)) from error
    else:
        return result
    try:
        result = await workflow.execute_activity(
            step.name,
            argument,
            result_type=step.output_type,
            start_to_close_timeout=DATABASE_TIMEOUT,
            retry_policy=RetryPolicy(maximum_interval=MAXIMUM_BACKOFF),
            summary=summary,
        )
    except ActivityError as error:
        raise RefusedStep(_attention(_failure(error))) from error
    return result


async def _end(handle: workflow.ActivityHandle[Any]) -> None:
    """Cancel a call and wait until it is certain that it runs no longer."""
    handle.cancel()
    await workflow.wait_condition(handle.done)
    if not handle.cancelled():
        handle.exception()  # looked at; what the call came to is asked again or undone


def _failure(error: BaseException) -> ApplicationError:
    """The application's own failure inside the engine's; a time-out counts as retryable."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError):
            return cause
        last, cause = cause, cause.__cause__
    return ApplicationError(str(last), type="timeout")


def _attention(failure: ApplicationError) -> Attention:
    return Attention(code=failure.type or "failed", message=failure.message)


def _silence(summary: str, failure: ApplicationError) -> Attention:
    return Attention(
        code=failure.type or "partner_unavailable",
        message=f"{summary}: {failure.message}; trying on, a retry tries at once",
    )
