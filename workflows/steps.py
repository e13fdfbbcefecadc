"""Steps: how a workflow runs one, retries it, waits for an operator, and stops."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from activities.database.step import Step
    from models.messages.attention import Attention
    from workflows.attention import AttentionBoard

In = TypeVar("In")
Out = TypeVar("Out")
PartnerStep = Callable[[Any, In], Awaitable[Out]]
"""A method of an activity class; `Any`: the class, of which only the worker has an instance."""

DatabaseStep = Step[In, Out] | PartnerStep[In, Out]
"""A transaction, or a phase: transactions and the calls between them."""

Start = Callable[[timedelta | None, int], workflow.ActivityHandle[Out]]
"""Starts an ordinary activity, which is tried within a time and that number of times."""

LOCAL_TIMEOUT = timedelta(seconds=8)
"""Time for two transactions on a busy database, and the calls between them."""
LOCAL_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(milliseconds=500),
    maximum_attempts=3,
)
DATABASE_TIMEOUT = timedelta(seconds=10)
MAXIMUM_BACKOFF = timedelta(minutes=1)
LOCAL_FAILURES = (ActivityError, ApplicationError, TimedOut)
"""Failures of a local activity. A time-out is an ActivityError at first and bare on replay."""
TRANSACTIONS_OF_A_CALL = timedelta(seconds=5)
"""Time for the transactions of a partner step, in addition to the call."""


class Stopped(Exception):  # nothing went wrong
    """The steps must not go on: the order is being cancelled, or they became needless."""


class RefusedStep(Exception):
    """A step was refused for a reason that retrying can't change."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention.message)
        self.attention = attention


class UnfinishedStep(Exception):  # it is tried again
    """A transaction failed three times for a reason that may pass."""


class Steps:
    """A runner of steps: it retries each until it is done. Its methods raise Stopped once `stops`
    holds. While the order `is_paused`, none starts, calls are cancelled, and waits don't end."""

    def __init__(
        self,
        board: AttentionBoard,
        stops: Callable[[], bool],
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._board = board
        self._stops = stops
        self._is_paused = is_paused

    async def run_database_step(
        self, step: DatabaseStep[In, Out], argument: In, summary: str
    ) -> Out:
        """Run a transaction, or a phase. A refusal waits for an operator's retry."""
        while True:
            await self._until_free()
            try:
                result = await self._run_transaction(step, argument, summary)
            except RefusedStep as refusal:
                await self.wait_for_operator(summary, refusal.attention)
            else:
                self._check()
                return result

    async def call_partner(
        self,
        step: PartnerStep[In, Out],
        argument: In,
        summary: str,
        refusal: Attention | None = None,
    ) -> Out:
        """Run an ordinary activity. A refusal waits for an operator's retry.

        `refusal`: the answer that a phase got to the same call just before.
        """
        if refusal is not None:
            await self.wait_for_operator(summary, refusal)
        while True:
            try:
                return await self.call_partner_or_raise(step, argument, summary)
            except RefusedStep as refusal:
                await self.wait_for_operator(summary, refusal.attention)

    async def call_partner_or_raise(
        self, step: PartnerStep[In, Out], argument: In, summary: str
    ) -> Out:
        """Run an ordinary activity. Raises RefusedStep.

        A partner that doesn't answer is called without limit.
        """
        return await self._run_visibly(partial(self._start_call, step, argument, summary), summary)

    async def _run_transaction(
        self, step: DatabaseStep[In, Out], argument: In, summary: str
    ) -> Out:
        """Run a transaction as a local activity; one that fails goes on as an ordinary one."""
        try:
            return await _run_locally(step, argument, summary)
        except UnfinishedStep:
            start = partial(_start_transaction, step, argument, summary)
            return await self._run_visibly(start, summary)

    async def _run_visibly(self, start: Start[Out], summary: str) -> Out:
        """Run an ordinary activity until it is done. Raises RefusedStep.

        After the policy's number of attempts, or its time, a failing one becomes an attention. It
        is tried without limit then. An operator's retry tries at once.
        """
        policy = self._board.policy
        within: timedelta | None = timedelta(seconds=policy.attention_after)
        while True:
            await self._until_free()
            handle = start(within, policy.attention_after_attempts if within else 0)
            self._board.trying.append(summary)
            await self._wait_for_end(handle)
            self._board.trying.remove(summary)
            if not handle.done() or self._stops():
                await _cancel(handle)
                continue
            try:
                result = await handle
            except ActivityError as error:
                failure = _application_error(error)
                if failure.non_retryable:
                    raise RefusedStep(_attention(failure)) from error
                await self._board.raise_attention(summary, _no_answer(summary, failure))
                within = None
            else:
                await self._board.clear_attention(summary)
                return result

    async def wait_for_operator(
        self, key: str, attention: Attention, is_resolved: Callable[[], bool] = lambda: False
    ) -> None:
        """Show an attention until an operator retries, or it `is_resolved` without one."""
        retries = self._board.retries
        await self._board.raise_attention(key, attention)
        await self.wait_until(lambda: self._board.retries != retries or is_resolved())
        await self._board.clear_attention(key)

    async def wait_until(
        self, condition: Callable[[], bool], seconds: float | None = None, summary: str = ""
    ) -> bool:
        """Wait for a condition, at most for `seconds`. Return whether it holds. Raises Stopped.

        `summary` names the timer in the Temporal UI.
        """
        timeout = None if seconds is None else timedelta(seconds=seconds)
        try:
            await workflow.wait_condition(
                lambda: (condition() and not self._is_paused()) or self._stops(),
                timeout=timeout,
                timeout_summary=summary,
            )
        except TimeoutError:
            if self._is_paused():
                await self._until_free()
            return condition()
        self._check()
        return True

    def _check(self) -> None:
        if self._stops():
            raise Stopped

    async def _until_free(self) -> None:
        """Wait while the order is paused."""
        self._check()
        if self._is_paused():
            await workflow.wait_condition(lambda: not self._is_paused() or self._stops())
            self._check()

    async def _wait_for_end(self, handle: workflow.ActivityHandle[Any]) -> None:
        """Wait until an activity is done. A pause or an operator's retry ends the wait."""
        retries = self._board.retries
        await workflow.wait_condition(
            lambda: (
                handle.done()
                or self._board.retries != retries
                or self._stops()
                or self._is_paused()
            )
        )

    def _start_call(
        self,
        step: PartnerStep[In, Out],
        argument: In,
        summary: str,
        within: timedelta | None,
        attempts: int,
    ) -> workflow.ActivityHandle[Out]:
        """Start a call, of at most `attempts` `within` a time; 0 and None: without limit."""
        timeout = timedelta(seconds=self._board.policy.partner_timeout)
        return workflow.start_activity_method(
            step,
            argument,
            schedule_to_close_timeout=within,
            start_to_close_timeout=timeout + TRANSACTIONS_OF_A_CALL,
            retry_policy=RetryPolicy(maximum_interval=MAXIMUM_BACKOFF, maximum_attempts=attempts),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )


async def run_database_step(step: DatabaseStep[In, Out], argument: In, summary: str) -> Out:
    """Run a transaction, or a phase, as a local activity. Raises RefusedStep.

    After three failed attempts it runs as an ordinary activity, which operators can see. Unlike
    that of `Steps`, it is never reported as attention: it may be what shows one.
    """
    try:
        return await _run_locally(step, argument, summary)
    except UnfinishedStep:
        handle: workflow.ActivityHandle[Out] = _start_transaction(step, argument, summary)
    try:
        return await handle
    except ActivityError as error:
        raise RefusedStep(_attention(_application_error(error))) from error


async def _run_locally(step: DatabaseStep[In, Out], argument: In, summary: str) -> Out:
    """Run a transaction as a local activity. Raises RefusedStep, UnfinishedStep."""
    name, output = _name_and_output(step)
    try:
        result: Out = await workflow.execute_local_activity(
            name,
            argument,
            result_type=output,
            start_to_close_timeout=LOCAL_TIMEOUT,
            retry_policy=LOCAL_RETRIES,
            summary=summary,
        )
    except LOCAL_FAILURES as error:
        failure = _application_error(error)
        if failure.non_retryable:
            raise RefusedStep(_attention(failure)) from error
        raise UnfinishedStep from error
    return result


def _start_transaction(
    step: DatabaseStep[In, Out],
    argument: In,
    summary: str,
    within: timedelta | None = None,
    _attempts: int = 0,
) -> workflow.ActivityHandle[Out]:
    """Start a transaction as an ordinary activity, tried `within` a time; None: without limit."""
    name, output = _name_and_output(step)
    return workflow.start_activity(
        name,
        argument,
        result_type=output,
        schedule_to_close_timeout=within,
        start_to_close_timeout=DATABASE_TIMEOUT,
        retry_policy=RetryPolicy(maximum_interval=MAXIMUM_BACKOFF),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )


def _name_and_output(step: DatabaseStep[In, Out]) -> tuple[Any, Any]:
    """Return what the engine knows a step by, and the type of its result; `Any`: as it takes it."""
    return (step.name, step.output_type) if isinstance(step, Step) else (step, None)


async def _cancel(handle: workflow.ActivityHandle[Any]) -> None:
    """Cancel a call and wait until it is certain that it no longer runs."""
    handle.cancel()
    await workflow.wait_condition(handle.done)
    if not handle.cancelled():
        handle.exception()  # retrieved, so that it isn't logged; the call is repeated or undone


def _application_error(error: BaseException) -> ApplicationError:
    """Return the application's error inside Temporal's. A time-out counts as retryable."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError):
            return cause
        last, cause = cause, cause.__cause__
    return ApplicationError(str(last), type="timeout")


def _attention(failure: ApplicationError) -> Attention:
    return Attention(code=failure.type or "failed", message=failure.message)


def _no_answer(summary: str, failure: ApplicationError) -> Attention:
    return Attention(
        code=failure.type or "partner_unavailable",
        message=f"{summary}: {failure.message}; still trying, a retry tries at once",
    )
