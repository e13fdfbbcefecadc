"""Engine and transactions, for SQLite and PostgreSQL."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlmodel import Session
from temporalio import activity

from activities.database.unit_of_work import Clock, UnitOfWork, utc_now
from models.errors import DatabaseBusy, DatabaseUnavailable, Unavailable
from models.rules import Rules

BUSY_TIMEOUT_S = 1.0
"""How long SQLite waits for a lock, in seconds: less than the two of a database step, so that a
busy database is reported as such and not as a timeout."""

PRAGMAS = (
    "journal_mode=WAL",
    "foreign_keys=ON",
    "synchronous=FULL",  # a committed step is not executed again
    "recursive_triggers=ON",  # REPLACE fires the triggers that keep tables append-only
)
UNDEFINED_TABLE = "42P01"
RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}

Result = TypeVar("Result")


class Database:
    """A database with rules and clock of its transactions; safe to share between threads."""

    def __init__(self, url: str, rules: Rules, clock: Clock = utc_now) -> None:
        self.url = with_driver(url)
        self.rules = rules
        self.clock = clock
        self._engine = _create(self.url)
        self._reader = self._engine.execution_options(**_reader_options(self._engine))

    def transaction(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `change` in a unit of work, and commit all of it or nothing.

        `change` checks whether it was done before: it runs once more where another transaction
        inserted the same unique key in between.
        Raises DatabaseBusy for a conflict that another attempt can resolve, DatabaseUnavailable.
        """

        def begin(session: Session) -> Result:
            return change(UnitOfWork(session, self.rules, self.clock))

        try:
            return self._run(self._engine, begin)
        except IntegrityError:
            return self._run(self._engine, begin)

    async def transaction_async(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `transaction` in a background thread."""
        return await asyncio.to_thread(self.transaction, change)

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work`, which only reads, on one consistent view. Raises as `transaction`."""
        return self._run(self._reader, work)

    async def read_async(self, work: Callable[[Session], Result]) -> Result:
        """Run `read` in a background thread."""
        return await asyncio.to_thread(self.read, work)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @staticmethod
    def _run(engine: Engine, work: Callable[[Session], Result]) -> Result:
        try:
            with (
                _shielded(),
                Session(engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                return work(session)
        except (OperationalError, ProgrammingError) as error:
            unavailable = _unavailable(error)
            if unavailable is None:
                raise
            raise unavailable from error


def _shielded() -> AbstractContextManager[None]:
    """Delay the cancellation of a step until its transaction has ended.

    The SDK cancels a step after its timeout by an exception in its thread. Within the driver that
    would break the connection, and lose the result of a transaction that waited for a lock. After
    the transaction it does no harm, as the next attempt finds the change done.
    """
    return activity.shield_thread_cancel_exception() if activity.in_activity() else nullcontext()


def with_driver(url: str) -> str:
    """Return the URL with the driver for PostgreSQL, psycopg 3."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def create_folder(url: str) -> None:
    """Create the folder of a SQLite database. Raises DatabaseUnavailable."""
    if make_url(url).get_backend_name() != "sqlite":
        return
    file = make_url(url).database
    try:
        Path(file or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"cannot create the folder of {file}: {error}") from error


def _create(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    create_folder(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _reader_options(engine: Engine) -> dict[str, Any]:
    """Return the options of a consistent view without writes; for SQLite see `_begin_sqlite`."""
    options: dict[str, Any] = {"reads_only": True}
    if engine.dialect.name != "sqlite":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return options


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set up a connection of the driver, without its own transactions (see `_begin_sqlite`)."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; a writer takes the lock first, as a later upgrade would not wait."""
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _unavailable(error: DBAPIError) -> Unavailable | None:
    """Return the error for a fault that another attempt may resolve; None for a wrong statement."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    if sqlstate in RETRYABLE_SQLSTATES or "database is locked" in text:
        return DatabaseBusy(text)
    if sqlstate == UNDEFINED_TABLE or "no such table" in text:
        return DatabaseUnavailable(f"{text}; `python -m tools.prepare` creates the tables")
    return DatabaseUnavailable(text) if isinstance(error, OperationalError) else None
