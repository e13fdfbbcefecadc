"""Engine and transactions, for SQLite and PostgreSQL."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlmodel import Session

from activities.database.unit_of_work import Clock, UnitOfWork, utc_now
from models.errors import DatabaseBusy, DatabaseUnavailable, Unavailable
from models.rules import Rules

BUSY_TIMEOUT_S = 2.0
"""How long a transaction waits for SQLite's write lock, in seconds: less than the time of a
database step, so that a busy database is reported as such and not as a timeout."""
BUSY_POLL_S = 0.002
"""The interval between attempts to get that lock. SQLite's own waits grow to 0.1 seconds, which
would starve a process that writes rarely beside one that writes all the time."""
READERS = 4
"""Threads that read."""
WRITERS = 8
"""Threads that write to PostgreSQL. SQLite has one writer at a time, so a process has one thread
that writes to it: others queue for the thread, in order of arrival, not for the lock."""

PRAGMAS: tuple[str, ...] = (
    "journal_mode=WAL",
    "foreign_keys=ON",
    "synchronous=FULL",  # a committed step is not executed again
    "recursive_triggers=ON",  # REPLACE fires the triggers that keep tables append-only
)
UNDEFINED_TABLE = "42P01"
RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}

Result = TypeVar("Result")


class KeepingSession(Session):
    """A session that keeps its rows until it ends: what was read once is not read again."""


@event.listens_for(KeepingSession, "loaded_as_persistent")
@event.listens_for(KeepingSession, "pending_to_persistent")
def _keep(session: Session, row: object) -> None:
    """Refer to a row; the session itself forgets rows that nothing else refers to."""
    session.info.setdefault("rows", []).append(row)


class Database:
    """A database with rules and clock of its transactions; safe to share between threads."""

    def __init__(self, url: str, rules: Rules, clock: Clock = utc_now) -> None:
        self.url = with_driver(url)
        self.rules = rules
        self.clock = clock
        is_sqlite = make_url(self.url).get_backend_name() == "sqlite"
        self._writer, reader = (_create_sqlite if is_sqlite else _create_postgresql)(self.url)
        self._reader = reader.execution_options(reads_only=True)
        self._glancer = self._reader.execution_options(isolation_level="AUTOCOMMIT")
        writers = 1 if is_sqlite else WRITERS
        self._write_threads = ThreadPoolExecutor(writers, thread_name_prefix="write")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="read")

    def transaction(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `change` in a unit of work, and commit all of it or nothing.

        `change` checks whether it was done before: it runs once more where another transaction
        inserted the same unique key in between.
        Raises DatabaseBusy for a conflict that another attempt can resolve, DatabaseUnavailable.
        """

        def begin(session: Session) -> Result:
            work = UnitOfWork(session, self.rules, self.clock)
            result = change(work)
            work.write_appended()
            return result

        try:
            return self._run(KeepingSession(self._writer, expire_on_commit=False), begin)
        except IntegrityError:
            return self._run(KeepingSession(self._writer, expire_on_commit=False), begin)

    async def transaction_async(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `transaction` in a background thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_threads, self.transaction, change)

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work`, which only reads, on one consistent view. Raises as `transaction`."""
        return self._run(Session(self._reader, expire_on_commit=False), work)

    async def glance_async(self, work: Callable[[Session], Result]) -> Result:
        """Run `work`, a few reads each of which is consistent in itself, without a transaction."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._read_threads, lambda: self._run(Session(self._glancer), work)
        )

    async def read_async(self, work: Callable[[Session], Result]) -> Result:
        """Run `read` in a background thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, self.read, work)

    def close(self) -> None:
        """End the threads once they are idle, and close the connections."""
        self._write_threads.shutdown()
        self._read_threads.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    @staticmethod
    def _run(session: Session, work: Callable[[Session], Result]) -> Result:
        try:
            with session, session.begin():
                return work(session)
        except (OperationalError, ProgrammingError) as error:
            unavailable = _unavailable(error)
            if unavailable is None:
                raise
            raise unavailable from error


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


def _create_postgresql(url: str) -> tuple[Engine, Engine]:
    """Create the engine that writes, and the view of it that only reads, consistently."""
    writer = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return writer, reader


def _create_sqlite(url: str) -> tuple[Engine, Engine]:
    """Create the engine that writes, on one connection, and the one that reads."""
    create_folder(url)
    connect_args = {"timeout": BUSY_TIMEOUT_S}
    writer = create_engine(url, connect_args=connect_args, pool_size=1, max_overflow=0)
    reader = create_engine(url, connect_args=connect_args, pool_size=READERS, max_overflow=20)
    for engine in (writer, reader):
        event.listen(engine, "connect", _prepare_sqlite)
    event.listen(writer, "connect", _do_not_wait)
    event.listen(writer, "begin", _begin_writing)
    event.listen(reader, "begin", _begin_reading)
    return writer, reader


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set up a connection of the driver, without its own transactions (see `_begin_writing`)."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _do_not_wait(connection: Any, _record: object) -> None:
    """Turn off the driver's wait for locks (see `_begin_writing`)."""
    connection.execute("PRAGMA busy_timeout=0")


def _begin_writing(connection: Connection) -> None:
    """Begin a transaction with the write lock, as a later upgrade would not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "database is locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_POLL_S)
        else:
            return


def _begin_reading(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN")


def _unavailable(error: DBAPIError) -> Unavailable | None:
    """Return the error for a fault that another attempt may resolve; None for a wrong statement."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    if sqlstate in RETRYABLE_SQLSTATES or "database is locked" in text:
        return DatabaseBusy(text)
    if sqlstate == UNDEFINED_TABLE or "no such table" in text:
        return DatabaseUnavailable(f"{text}; `python -m tools.prepare` creates the tables")
    return DatabaseUnavailable(text) if isinstance(error, OperationalError) else None
