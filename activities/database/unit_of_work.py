"""The unit of work: one transaction in progress."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sqlmodel import Session

from models.rules import Rules

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC: the clock of every process outside of tests."""
    return datetime.now(UTC)


@dataclass
class UnitOfWork:
    """One transaction in progress: its session, its time and the configured rules.

    Functions that write take it as their first argument; functions that only read take a session.
    """

    session: Session
    rules: Rules
    clock: Clock

    @cached_property
    def now(self) -> datetime:
        """The time of the transaction, in UTC: read from the clock once, at the first use.

        Take locks before the first use, so that a transaction that waits for a lock is dated after
        the one that holds it.
        """
        return self.clock()
