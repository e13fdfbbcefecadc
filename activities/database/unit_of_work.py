"""The unit of work: one transaction in progress."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from models.rules import Rules

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC: the clock of every process outside of tests."""
    return datetime.now(UTC)


def insertion(session: Session, table: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that may say what to do on a conflict, for the session's database."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(table) if is_postgresql else sqlite.insert(table)


@dataclass
class UnitOfWork:
    """One transaction in progress: its session, its time and the configured rules.

    Functions that write take it as their first argument; functions that only read take a session.
    """

    session: Session
    rules: Rules
    clock: Clock
    locked: set[str] = field(default_factory=set, init=False)
    """Ids of the orders that this transaction has locked."""

    _now: datetime | None = field(default=None, init=False)
    _appended: dict[type[SQLModel], list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )

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

    def insert_new(self, row: SQLModel) -> bool:
        """Insert a row, unless there is one with its key; return whether it was new."""
        table = type(row)
        columns = {name: value for name, value in row.model_dump().items() if value is not None}
        key = next(iter(inspect(table).primary_key))
        into = insertion(self.session, table).values(columns)
        added = self.session.execute(into.on_conflict_do_nothing().returning(key))
        return added.first() is not None

    def append(self, table: type[SQLModel], **columns: object) -> None:
        """Insert a row that this transaction doesn't read again, with the others of its table: in
        one statement at the end, or at `write_appended`."""
        self._appended[table].append(columns)

    def write_appended(self) -> None:
        """Insert the rows that were appended, after what the session has changed."""
        if not self._appended:
            return
        self.session.flush()
        for table, rows in self._appended.items():
            self.session.execute(insert(table), rows)
        self._appended.clear()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done inside if it raises, and nothing else."""
        self.write_appended()
        try:
            with self.session.begin_nested():
                yield
                self.write_appended()
        finally:
            self._appended.clear()
            self.locked.clear()  # PostgreSQL releases the locks that were taken inside, if undone
