"""Delivery of events to subscribers: at least once, and in order for each order."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from temporalio import activity

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.events import subscriptions
from activities.events.feed import EventFeed
from activities.events.reading import read_events
from activities.gateways.receivers import Answer, Receivers
from models.errors import Unavailable
from models.events import Event, Filter
from models.subscriptions import (
    DELIVER,
    GIVE_UP_AFTER,
    REFUSED_TRIES,
    DeliveryResult,
    DeliveryStep,
    SubscriptionState,
    Verdict,
    signing_secrets,
)
from models.tables.events import Subscription

MINUTES_S = 600
"""How long one step delivers, if the receiver answers."""
BATCH = 100
"""The most events between two notes of what is delivered: after a crash they are sent again."""
ORDERS_AT_ONCE = 8
"""Orders whose events are posted at a time, each in its order."""


class ReceiverUnavailable(Unavailable):
    """A receiver fails: the step is tried again, later each time."""

    def __init__(self, message: str) -> None:
        super().__init__("receiver_unavailable", message)


class EventDelivery:
    """The step that delivers the events of a subscription."""

    def __init__(self, database: Database, receivers: Receivers) -> None:
        self._database = database
        self._receivers = receivers
        self._feed = EventFeed(database)

    @activity.defn(name=DELIVER)
    async def deliver(self, step: DeliveryStep) -> DeliveryResult:
        """Deliver events for some minutes, or until the subscription is paused or removed.

        Raises ReceiverUnavailable if the receiver fails at the first event: the engine tries again.
        """
        row, until = await self._row(step.subscription_id), time.monotonic() + MINUTES_S
        wanted, began_at = Filter(types=tuple(row.types)), row.delivered_no
        async with aclosing(self._feed.follow(row.delivered_no, wanted)) as batches:
            async for events in batches:
                activity.heartbeat()
                for begin in range(0, len(events) or 1, BATCH):
                    row = await self._row(step.subscription_id)
                    if row.state != SubscriptionState.ACTIVE:
                        return _result(row)
                    await self._send_letters(row)
                    failure = await self._send(row, events[begin : begin + BATCH])
                    if failure is not None:
                        return await self._end(step.subscription_id, began_at, failure)
                if time.monotonic() > until or activity.is_worker_shutdown():
                    break
        return _result(await self._row(step.subscription_id))

    async def _end(self, subscription_id: str, began_at: int, failure: str) -> DeliveryResult:
        """End with a failure of the receiver. Raises ReceiverUnavailable if nothing got through."""
        await self._note(lambda w: subscriptions.record_failure(w, subscription_id, failure))
        row = await self._row(subscription_id)
        if row.state == SubscriptionState.ACTIVE and row.delivered_no == began_at:
            if not _fails_for_days(row, self._database.clock()):
                raise ReceiverUnavailable(f"{row.url}: {failure}")
            await self._pause(row, f"its receiver failed for {GIVE_UP_AFTER.days} days: {failure}")
            row = await self._row(subscription_id)
        return _result(row)

    async def _send(self, row: Subscription, events: Sequence[Event]) -> str | None:
        """Post events, those of some orders at a time, and record how far it got.

        Returns why the receiver failed, if it did.
        """
        if not events:
            return None
        by_order: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_order[event.subject].append(event)
        free = asyncio.Semaphore(ORDERS_AT_ONCE)

        async def send_order(of_order: Sequence[Event]) -> tuple[int, str] | None:
            """Post the events of an order; return the first that failed, and why."""
            async with free:
                for event in of_order:
                    failure = await self._post(row, event)
                    if failure is not None:
                        return event.number, failure
            return None

        results = await asyncio.gather(*map(send_order, by_order.values()))
        failed = min((result for result in results if result), default=None)
        reached = failed[0] - 1 if failed else events[-1].number
        if reached > row.delivered_no:
            await self._note(
                lambda work: subscriptions.record_delivered(work, row.subscription_id, reached)
            )
        return failed[1] if failed else None

    async def _post(self, row: Subscription, event: Event) -> str | None:
        """Post an event; return why the receiver fails, None if that is done with."""
        answer = await self._answer(row, event)
        activity.heartbeat()
        match answer.verdict:
            case Verdict.DELIVERED:
                return None
            case Verdict.GONE:
                await self._pause(row, answer.reason)
            case Verdict.REFUSED if activity.info().attempt >= REFUSED_TRIES:
                await self._note(
                    lambda work: subscriptions.record_dead(
                        work, row.subscription_id, event.number, answer.reason
                    )
                )
                return None
            case _:
                pass
        return answer.reason

    async def _send_letters(self, row: Subscription) -> None:
        """Send dead letters again for which an operator asked."""
        numbers = await self._database.read_async(
            lambda session: subscriptions.letters_to_send(session, row.subscription_id)
        )
        for number in numbers:
            await self._send_letter(row, number)

    async def _send_letter(self, row: Subscription, number: int) -> None:
        """Send a dead letter once; it stays one if it is refused again."""
        [event] = await self._database.read_async(
            lambda session: read_events(session, number - 1, number, 1)
        )
        answer = await self._answer(row, event)
        if answer.verdict is Verdict.DELIVERED:
            await self._note(lambda w: subscriptions.drop_dead(w, row.subscription_id, number))
            return
        await self._note(
            lambda work: subscriptions.record_dead(work, row.subscription_id, number, answer.reason)
        )

    async def _answer(self, row: Subscription, event: Event) -> Answer:
        now = datetime.now(UTC)  # receivers compare it with their clock
        secrets = signing_secrets(row.secret, row.old_secret, row.old_until, now)
        return await self._receivers.post(row.url, event, secrets, now)

    async def _pause(self, row: Subscription, reason: str) -> None:
        await self._note(lambda work: subscriptions.pause(work, row.subscription_id, reason))

    async def _row(self, subscription_id: str) -> Subscription:
        return await self._database.read_async(
            lambda session: subscriptions.find(session, subscription_id)
        )

    async def _note(self, change: Callable[[UnitOfWork], None]) -> None:
        await self._database.transaction_async(change)


def _result(row: Subscription) -> DeliveryResult:
    return DeliveryResult(state=SubscriptionState(row.state))


def _fails_for_days(row: Subscription, now: datetime) -> bool:
    """Check whether the receiver has failed for so long that it is dead."""
    return row.failing_since is not None and now - row.failing_since >= GIVE_UP_AFTER
