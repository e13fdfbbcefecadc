"""Engine and transactions, for SQLite and PostgreSQL alike."""

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
"""Below a database step's two seconds, so that a busy database is told apart from a slow one."""

PRAGMAS = (
    "journal_mode=WAL",
    "foreign_keys=ON",
    "synchronous=FULL",  # the engine takes a step for done once we have committed
    "recursive_triggers=ON",  # REPLACE fires the triggers that keep the record append-only
)
UNDEFINED_TABLE = "42P01"
RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}

In = TypeVar("In")
Result = TypeVar("Result")


class Database:
    """The tables of one database; safe to share between threads."""

    def __init__(self, url: str, rules: Rules, clock: Clock = utc_now) -> None:
        self.url = normalised(url)
        self.rules = rules
        self.clock = clock
        self._engine = _create(self.url)
        self._reader = self._engine.execution_options(**_reader_options(self._engine))

    def transaction(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `change` in a unit of work and commit; all of it happens or nothing.

        `change` checks whether it was done before. Where another transaction took the same unique
        key in between, it runs once more and finds what the winner did.
        Raises DatabaseBusy for conflicts that another try can resolve.
        """

        def begin(session: Session) -> Result:
            return change(UnitOfWork(session, self.rules, self.clock))

        try:
            return self._run(self._engine, begin)
        except IntegrityError:
            return self._run(self._engine, begin)

    async def transaction_async(self, change: Callable[[UnitOfWork], Result]) -> Result:
        """Run `transaction` in a thread, so that nothing else waits for it."""
        return await asyncio.to_thread(self.transaction, change)

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work`, which only reads, on one consistent view."""
        return self._run(self._reader, work)

    async def read_async(self, work: Callable[[Session], Result]) -> Result:
        """As `read`, in a thread: nobody else waits for it."""
        return await asyncio.to_thread(self.read, work)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def run(self, step: Callable[[UnitOfWork, In], Result], argument: In) -> Result:
        """Run a step with its argument in a transaction."""
        return self.transaction(lambda work: step(work, argument))

    @staticmethod
    def _run(engine: Engine, work: Callable[[Session], Result]) -> Result:
        try:
            with (
                _undisturbed(),
                Session(engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                return work(session)
        except (OperationalError, ProgrammingError) as error:
            unavailable = _unavailable(error)
            if unavailable is None:
                raise
            raise unavailable from error


def _undisturbed() -> AbstractContextManager[None]:
    """The SDK ends a step that is out of time by an exception in its thread, wherever that is: in
    the middle of the driver it breaks the connection, and what waited for a lock would have waited
    in vain. So it comes after the transaction, which the next attempt finds done."""
    return activity.shield_thread_cancel_exception() if activity.in_activity() else nullcontext()


def normalised(url: str) -> str:
    """Name the driver that we ship: plain `postgresql://` means psycopg 3."""
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
    """A reader sees one moment, and writes nothing; see `_begin_sqlite` for SQLite's."""
    options: dict[str, Any] = {"reads_only": True}
    if engine.dialect.name != "sqlite":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return options


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """`connection` is the driver's own. We begin transactions ourselves (`_begin_sqlite`)."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: upgrading a reader later fails instead of waiting."""
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _unavailable(error: DBAPIError) -> Unavailable | None:
    """What trying again may mend; None: the statement is wrong, and stays so."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    if sqlstate in RETRYABLE_SQLSTATES or "database is locked" in text:
        return DatabaseBusy(text)
    if sqlstate == UNDEFINED_TABLE or "no such table" in text:
        return DatabaseUnavailable(f"{text}; `python -m tools.prepare` makes the tables")
    return DatabaseUnavailable(text) if isinstance(error, OperationalError) else None
