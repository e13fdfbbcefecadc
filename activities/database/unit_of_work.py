"""The unit of work: one transaction in progress."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Insert, String, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from activities.database.company import day_of, start_of
from activities.database.kept import forget_all
from models.audit import BY_ITSELF, Origin
from models.rules import Rules

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC: the clock of every process outside of tests."""
    return datetime.now(UTC)


def insertion(dialect: str, table: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that may say what to do on a conflict, for a database of this dialect."""
    begin = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return begin(table_of(table))


NAME_LOCK = func.pg_advisory_xact_lock(
    func.hashtextextended(bindparam("locked_name", type_=String), 0)
).label("name_lock")
"""Locks the name `locked_name` on PostgreSQL, for statements that do more than that."""


@cache
def _insert_into(table: type[SQLModel]) -> Insert:
    """Build the INSERT of a table once: building takes longer than executing."""
    return table_of(table).insert()


@cache
def _insert_new_into(table: type[SQLModel], dialect: str) -> Insert:
    """Build the INSERT of a row that may exist, once for each database."""
    into = insertion(dialect, table).on_conflict_do_nothing().inline()
    return into.execution_options(preserve_rowcount=True)


def table_of(table: type[SQLModel]) -> Table:
    """Return the table of a model, for statements without the ORM."""
    return SQLModel.metadata.tables[str(table.__tablename__)]


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
    locked_names: set[str] = field(default_factory=set, init=False)
    """Names that this transaction has locked: see `lock_name`."""
    origin: Origin = field(default=BY_ITSELF, init=False)
    """Who caused this transaction: the origin of what it records in audit trails."""

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

    @property
    def today(self) -> date:
        """The day of the transaction at the company."""
        return self.day_of(self.now)

    def day_of(self, moment: datetime) -> date:
        """Return the day of a moment at the company."""
        return day_of(self.session, moment)

    def start_of(self, day: date) -> datetime:
        """Return the moment at which a day begins at the company."""
        return start_of(self.session, day)

    def end_of(self, day: date) -> datetime:
        """Return the last second of a day at the company."""
        return self.start_of(day + timedelta(days=1)) - timedelta(seconds=1)

    def restart_clock(self) -> None:
        """Read the clock again at the next use of `now`.

        Every function that locks orders, stock or purchases calls it. A transaction that waited for
        a lock is dated after the one that held it: promises are kept in the order of their dates.
        """
        self._now = None

    def lock_name(self, name: str) -> None:
        """Wait until no other transaction has locked this name, and lock it until this one ends.

        For rows that may not exist yet. On SQLite, transactions that write wait for each other.
        """
        if self.on_postgresql and name not in self.locked_names:
            self.session.connection().execute(select(NAME_LOCK), {"locked_name": name})
            self.locked_names.add(name)

    @property
    def on_postgresql(self) -> bool:
        """Whether the transaction is one of PostgreSQL, where others write at the same time."""
        return self.session.get_bind().dialect.name == "postgresql"

    def insert_new(self, table: type[SQLModel], **columns: object) -> bool:
        """Insert a row, unless there is one with its key; return whether it was new."""
        self.session.flush()
        connection = self.session.connection()
        into = _insert_new_into(table, connection.dialect.name)
        given = {name: value for name, value in columns.items() if value is not None}
        return connection.execute(into, given).rowcount == 1

    def append(self, table: type[SQLModel], **columns: object) -> None:
        """Insert a row that this transaction doesn't read again, with the others of its table: in
        one statement at the end, or at `write_appended`."""
        self._appended[table].append(columns)

    def write_appended(self) -> None:
        """Insert the rows that were appended, after what the session has changed."""
        if not self._appended:
            return
        self.session.flush()
        connection = self.session.connection()
        for table, rows in self._appended.items():
            connection.execute(_insert_into(table), rows)
        self._appended.clear()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done inside if it raises, and nothing else."""
        self.write_appended()
        is_kept = False
        try:
            with self.session.begin_nested():
                yield
                self.write_appended()
            is_kept = True
        finally:
            if not is_kept:
                forget_all(self.session)
            self._appended.clear()
            self.locked_names.clear()
            self.locked.clear()  # PostgreSQL releases the locks that were taken inside, if undone
