"""Subscriptions: created, changed, and their delivery started."""

import uuid

from pydantic import JsonValue

import engine
from activities.events import subscriptions
from activities.events.feed import EventFeed
from intake.connection import Connection
from models.errors import FieldError, InvalidInput
from models.messages.parsing import parse_subscription
from models.subscriptions import DeliveryStep, check_subscription, workflow_id_of
from models.views.subscriptions import NewSecretView, SubscriptionView
from workflows.subscriptions import SubscriptionWorkflow


class SubscriptionIntake(Connection):
    """Create and change subscriptions to events."""

    async def subscribe(self, sent: JsonValue, private: bool) -> NewSecretView:
        """Create a subscription and start its delivery. Raises InvalidInput, Conflict.

        `private`: addresses of private networks are allowed.
        """
        document = parse_subscription(sent)
        check_subscription(document, private)
        subscription_id = document.subscription_id or uuid.uuid4().hex[:12]
        after = document.after
        if after is None:
            after = await EventFeed(self._database).newest()
        row = await self._database.transaction_async(
            lambda work: subscriptions.create(work, subscription_id, document, after)
        )
        await self._wake(subscription_id)
        view = await self.subscription(subscription_id)
        return NewSecretView(subscription=view, secret=row.secret)

    async def subscription(self, subscription_id: str) -> SubscriptionView:
        """Read a subscription. Raises NotFound."""
        return await self._read(
            lambda session: subscriptions.view_of(
                session, subscriptions.find(session, subscription_id)
            )
        )

    async def rotate_secret(self, subscription_id: str) -> NewSecretView:
        """Give a subscription a new secret. Raises NotFound, Refused."""
        row = await self._database.transaction_async(
            lambda work: subscriptions.rotate(work, subscription_id)
        )
        view = await self.subscription(subscription_id)
        return NewSecretView(subscription=view, secret=row.secret)

    async def pause_subscription(self, subscription_id: str) -> SubscriptionView:
        """Stop deliveries until they are resumed. Raises NotFound."""
        await self._database.transaction_async(
            lambda work: subscriptions.pause(work, subscription_id, "paused by an operator")
        )
        return await self._changed(subscription_id)

    async def resume_subscription(self, subscription_id: str) -> SubscriptionView:
        """Deliver again at once, also to a receiver that failed. Raises NotFound, Refused."""
        await self._database.transaction_async(
            lambda work: subscriptions.resume(work, subscription_id)
        )
        return await self._changed(subscription_id)

    async def remove_subscription(self, subscription_id: str) -> SubscriptionView:
        """End a subscription. Raises NotFound."""
        await self._database.transaction_async(
            lambda work: subscriptions.remove(work, subscription_id)
        )
        return await self._changed(subscription_id)

    async def resend_letters(self, subscription_id: str, event: int | None) -> SubscriptionView:
        """Send dead letters again, one event or all. Raises NotFound, Refused, InvalidInput."""
        found = await self._database.transaction_async(
            lambda work: subscriptions.resend(work, subscription_id, event)
        )
        if event is not None and not found:
            reason = f"{event} is no dead letter of {subscription_id}"
            raise InvalidInput([FieldError("event", reason)])
        return await self._changed(subscription_id)

    async def _changed(self, subscription_id: str) -> SubscriptionView:
        await self._wake(subscription_id)
        return await self.subscription(subscription_id)

    async def _wake(self, subscription_id: str) -> None:
        """Have the workflow look at its subscription; starts it if none runs."""
        await engine.reach(
            self._client.start_workflow(
                SubscriptionWorkflow.run,
                DeliveryStep(subscription_id=subscription_id),
                id=workflow_id_of(subscription_id),
                task_queue=engine.TASK_QUEUE,
                start_signal="wake",
                static_summary=f"Deliver events to subscription {subscription_id}",
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )
