"""The feed of events in one API process: one reader of the database for all subscribers.

It reads while somebody is subscribed, and keeps the latest events in memory. A subscriber that is
further behind reads from the database by itself, so a slow one takes no memory.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

from activities.database.engine import Database
from activities.events.reading import Mark, read_events, read_mark
from models.errors import Unavailable
from models.events import Event, EventPage, Filter

KEPT = 2_000
"""Events in memory."""
BATCH = 500
"""The most events of one read."""
INTERVAL_S = 0.25
"""Between two looks at the database."""
KEEP_ALIVE_S = 15.0
"""The longest silence of a stream: proxies close what is silent for longer."""
SETTLE_S = 1.0
"""The longest wait of a page for transactions that are about to end."""


class EventFeed:
    """The events of all orders, in the order of their numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._earlier: Mark | None = None
        self._settled = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._kept_after = 0
        """`_kept` has all events above this number, up to `_reached`."""
        self._reached = 0
        self._changed = asyncio.Condition()
        self._subscribers = 0
        self._reader: asyncio.Task[None] | None = None

    async def page(self, after: int, limit: int, wanted: Filter) -> EventPage:
        """Read a page of events above the number `after`.

        `next` is the last number looked at: a page without an event of a filter moves on, too.
        """
        settled = await self._settle()
        found = await self._read(after, settled, limit + 1, wanted)
        if len(found) > limit:
            events = tuple(found[:limit])
            return EventPage(events=events, next=events[-1].number, more=True)
        return EventPage(events=tuple(found), next=max(after, settled), more=False)

    async def newest(self) -> int:
        """Return the number after which events are new."""
        return await self._settle()

    async def follow(self, after: int, wanted: Filter) -> AsyncGenerator[list[Event], None]:
        """Yield events above the number `after` as they come; an empty list in a long silence."""
        with self._subscription() as reader:
            while True:
                events, after = await self._next(after, wanted)
                if events:
                    yield events
                    continue
                if reader.done():
                    reader.result()
                if not await self._wait_beyond(after):
                    yield []

    async def _next(self, after: int, wanted: Filter) -> tuple[list[Event], int]:
        """Return the next wanted events above `after`, and the last number looked at."""
        reached = self._reached
        if after >= self._kept_after:
            new = [event for event in self._kept if event.number > after]
            return [event for event in new if wanted.matches(event)], max(after, reached)
        events = await self._read(after, reached, BATCH, wanted)
        return events, events[-1].number if len(events) == BATCH else reached

    async def _wait_beyond(self, after: int) -> bool:
        """Wait for events above the number `after`; return False after a long silence."""
        try:
            async with asyncio.timeout(KEEP_ALIVE_S), self._changed:
                await self._changed.wait_for(lambda: self._reached > after)
        except TimeoutError:
            return False
        return True

    @contextmanager
    def _subscription(self) -> Iterator[asyncio.Task[None]]:
        """Run the reader while somebody is subscribed."""
        if self._reader is None:
            self._kept.clear()
            self._reached = self._kept_after = 0
            self._reader = asyncio.create_task(self._read_on())
        reader = self._reader
        self._subscribers += 1
        try:
            yield reader
        finally:
            self._subscribers -= 1
            if not self._subscribers:
                reader.cancel()
                self._reader = None

    async def _read_on(self) -> None:
        """Read new events for all subscribers; without a database, try again."""
        while True:
            with suppress(Unavailable):
                await self._advance(await self._look())
            await asyncio.sleep(INTERVAL_S)

    async def _advance(self, settled: int) -> None:
        """Read the events up to a number into memory; at first only note that they are there."""
        while self._reached < settled:
            events: list[Event] = []
            if self._reached:
                events = await self._read(self._reached, settled, BATCH)
            else:
                self._kept_after = settled
            for event in events:
                if len(self._kept) == KEPT:
                    self._kept_after = self._kept[0].number
                self._kept.append(event)
            async with self._changed:
                self._reached = events[-1].number if len(events) == BATCH else settled
                self._changed.notify_all()

    async def _settle(self) -> int:
        """Return a number at or above which no entry is missing, as new as can be had at once."""
        mark = await self._database.read_async(read_mark)
        deadline = time.monotonic() + SETTLE_S
        later = mark
        while not later.covers(mark) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            later = await self._database.read_async(read_mark)
        if later.covers(mark):
            self._settled = max(self._settled, mark.number)
        return self._settled

    async def _look(self) -> int:
        """Look once; return the highest number below which no entry is missing."""
        mark = await self._database.read_async(read_mark)
        if self._earlier is None or mark.covers(self._earlier):
            if self._earlier is not None:
                self._settled = max(self._settled, self._earlier.number)
            self._earlier = mark
        if mark.covers(mark):
            self._settled = max(self._settled, mark.number)
        return self._settled

    async def _read(
        self, after: int, until: int, limit: int, wanted: Filter | None = None
    ) -> list[Event]:
        return await self._database.read_async(
            lambda session: read_events(session, after, until, limit, wanted)
        )
