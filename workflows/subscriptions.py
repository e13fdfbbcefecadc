"""Subscription: events are delivered as they come, for as long as it lasts."""

from datetime import timedelta

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from models.subscriptions import (
        DELIVER,
        DeliveryResult,
        DeliveryStep,
        SubscriptionState,
    )

STEP_TIMEOUT = timedelta(minutes=30)
HEARTBEAT_TIMEOUT = timedelta(minutes=2)
RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=2,
    maximum_interval=timedelta(hours=6),
)
"""A receiver that fails is tried after 5 seconds, later each time, at last every 6 hours."""


@workflow.defn
class SubscriptionWorkflow:
    """The delivery of events to one receiver."""

    def __init__(self) -> None:
        self._woken = False

    @workflow.run
    async def run(self, step: DeliveryStep) -> None:
        """Deliver until the subscription is removed; wait while it is paused."""
        state = SubscriptionState.ACTIVE
        while state is not SubscriptionState.REMOVED:
            if state is SubscriptionState.PAUSED:
                await workflow.wait_condition(lambda: self._woken)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(step)
            state = await self._deliver(step)
            workflow.set_current_details(f"subscription {step.subscription_id}: {state}")

    async def _deliver(self, step: DeliveryStep) -> SubscriptionState:
        """Deliver for some minutes; a signal ends it, also while it waits for its next attempt."""
        self._woken = False
        delivery = workflow.start_activity(
            *(DELIVER, step),
            result_type=DeliveryResult,
            start_to_close_timeout=STEP_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"Deliver events to {step.subscription_id}",
        )
        await workflow.wait_condition(lambda: self._woken or delivery.done())
        if not delivery.done():
            delivery.cancel()
        try:
            result: DeliveryResult = await delivery
        except ActivityError as error:
            if not is_cancelled_exception(error):
                raise
            return SubscriptionState.ACTIVE
        return result.state

    @workflow.signal
    def wake(self, _request: JsonValue = None, *_more: JsonValue) -> None:
        """Look at the subscription again, as it was changed. Accepts any arguments."""
        self._woken = True
