"""A clock for a worker that only the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from models.days import moment_of
from tests.support.masterdata.shop import TIMEZONE, today
from tests.support.pipeline.world import World

TODAY = today()


class Hands:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def end_of(self, day: date) -> None:
        """Move to the last second of a day at the company."""
        self.now = moment_of(TIMEZONE, day, time(23, 59, 59))

    def begin(self, day: date) -> None:
        """Move to the first second of a day at the company."""
        self.now = moment_of(TIMEZONE, day, time(0, 0, 1))


@asynccontextmanager
async def working(world: World, **changes: Any) -> AsyncIterator[Hands]:
    """Run a worker with a clock to move; `changes` are settings."""
    hands = Hands()
    async with world.worker(hands, **changes):
        yield hands


def in_days(days: int) -> date:
    """Return the day so many days from today."""
    return TODAY + timedelta(days=days)
