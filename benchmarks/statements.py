"""Record the SQL transactions of this process: their statements, and where they come from."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, Pool, event
from temporalio import activity

HOME = Path(__file__).parents[1]
PLUMBING = (str(HOME / "activities" / "database"), str(HOME / "benchmarks"), str(HOME / ".venv"))
"""Code that runs a transaction for another; no origin of a statement."""
KEY = "recorded transaction"
CONTROL = ("BEGIN", "PRAGMA")
"""Statements that are part of every transaction or connection; they are not counted."""


@dataclass(frozen=True)
class Statement:
    """A statement; one for many rows counts once."""

    sql: str
    rows: int
    origin: str
    """The function of this project that executes it; empty unless traced."""


@dataclass
class Transaction:
    """A transaction in progress, or its record after its end."""

    pool: Pool
    """Identifies the database object, and so the part of a process that uses it."""
    reads_only: bool
    is_glance: bool = False
    """Whether its statements run without BEGIN and COMMIT."""
    statements: list[Statement] = field(default_factory=list)
    step: str = ""
    """The step or the function that runs it; empty unless traced."""
    started_s: float = field(default_factory=perf_counter)
    elapsed_ms: float = 0.0


class Recorder:
    """Calls `ended` with each committed transaction of this process.

    `traced`: also record origins, which costs time.
    """

    def __init__(self, ended: Callable[[Transaction], None], traced: bool = False) -> None:
        self.traced = traced
        self._ended = ended

    def begin(self, connection: Connection) -> None:
        """Begin a record, before the transaction waits for a lock."""
        options = connection.get_execution_options()
        connection.info[KEY] = Transaction(
            connection.engine.pool,
            reads_only=bool(options.get("reads_only")),
            is_glance=options.get("isolation_level") == "AUTOCOMMIT",
        )

    def execute(
        self, connection: Connection, _cursor: Any, sql: str, parameters: Any, *rest: Any
    ) -> None:
        """Add a statement to its transaction."""
        transaction: Transaction | None = connection.info.get(KEY)
        if transaction is None or sql.startswith(CONTROL):
            return
        rows = len(parameters) if rest[-1] and isinstance(parameters, list) else 1
        origin = ""
        if self.traced:
            frames = list(project_frames(sys._getframe()))
            origin = " < ".join(frames[:2])
            transaction.step = transaction.step or _step(frames)
        transaction.statements.append(Statement(sql, rows, origin))

    def commit(self, connection: Connection) -> None:
        """Hand over the record of a committed transaction."""
        transaction: Transaction | None = connection.info.pop(KEY, None)
        if transaction is not None:
            transaction.elapsed_ms = (perf_counter() - transaction.started_s) * 1_000
            self._ended(transaction)

    def install(self) -> None:
        """Listen to every engine of this process."""
        for name, listener in self._listeners().items():
            event.listen(Engine, name, listener)

    def remove(self) -> None:
        """Stop listening."""
        for name, listener in self._listeners().items():
            event.remove(Engine, name, listener)

    def _listeners(self) -> dict[str, Callable[..., None]]:
        return {
            "begin": self.begin,
            "before_cursor_execute": self.execute,
            "commit": self.commit,
        }


@contextmanager
def recorded_transactions() -> Iterator[list[Transaction]]:
    """Record the committed transactions of the block, of every engine of this process."""
    transactions: list[Transaction] = []
    recorder = Recorder(transactions.append)
    recorder.install()
    try:
        yield transactions
    finally:
        recorder.remove()


def project_frames(frame: FrameType | None) -> Iterator[str]:
    """Name the functions of this project on a stack, the innermost first."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(str(HOME)) and not path.startswith(PLUMBING):
            yield f"{Path(path).relative_to(HOME)}:{frame.f_code.co_name}"
        frame = frame.f_back


def _step(frames: list[str]) -> str:
    """Name the step or, outside of one, the outermost function on the stack."""
    if activity.in_activity():
        return activity.info().activity_type
    return frames[-1] if frames else "?"
