"""The unit of work: one transaction in progress."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

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

    _now: datetime | None = field(default=None, init=False)

    @property
    def now(self) -> datetime:
        """The time of the transaction, in UTC: read from the clock at the first use."""
        if self._now is None:
            self._now = self.clock()
        return self._now

    def restart_clock(self) -> None:
        """Read the clock again at the next use of `now`.

        Every function that locks orders, stock or purchases calls it. A transaction that waited for
        a lock is dated after the one that held it: promises are kept in the order of their dates.
        """
        self._now = None
