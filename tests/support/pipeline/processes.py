"""Worker processes to be killed, and direct queries of their database meanwhile."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep

import psycopg

from activities.database.engine import with_driver
from tests.support.pipeline.forking import Program
from tests.support.pipeline.waiting import PATIENCE_S
from tests.support.pipeline.world import World

ROOT = Path(__file__).resolve().parents[3]
POLL_S = 0.0005
SHOWN_LINES = 30
SHOWN_CHARACTERS = 700


@dataclass
class WorkerProcess:
    """`python worker.py`, or another worker program, one process at a time."""

    world: World
    program: Path = ROOT / "worker.py"
    running: BaseProcess | None = field(default=None)

    @property
    def log(self) -> Path:
        """The log file of all runs."""
        return self.world.folder / "worker.log"

    def start(self, words: Sequence[str] = ()) -> None:
        """Start a process with these arguments; returns at once."""
        assert self.running is None, "one worker at a time"
        self.running = Program(
            self.program,
            words,
            self._environment(),
            self.world.folder,
            out=self.log,
            err=self.log,
        ).start()

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        if self.running is not None:
            self.running.kill()
            self.running.join()
            self.running = None

    def check(self) -> None:
        """Assert that the process hasn't ended by itself."""
        assert self.running is None or self.running.is_alive(), self.tail()

    def tail(self) -> str:
        """Return the end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else "(no log)"
        return "\n".join(line[:SHOWN_CHARACTERS] for line in text.splitlines()[-SHOWN_LINES:])

    def _environment(self) -> dict[str, str]:
        """Return the settings of the world; of our own environment only what programs need."""
        given = self.world.settings.model_dump(exclude_unset=True)
        settings = {name.upper(): str(value) for name, value in given.items()}
        config = self.world.client.config()["service_client"].config
        engine = {
            "TEMPORAL_ADDRESS": config.target_host,
            "TEMPORAL_NAMESPACE": self.world.client.namespace,
        }
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return inherited | settings | engine


Query = Callable[[str], list[tuple[object, ...]]]
"""Runs a SQL query without parameters."""


@contextmanager
def direct_queries(url: str) -> Iterator[Query]:
    """Open a connection to the tables that bypasses the pipeline, for fast polling."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, check_same_thread=False)) as file:
            yield lambda query: file.execute(query).fetchall()
    else:
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            yield lambda query: connection.execute(query.encode()).fetchall()


@contextmanager
def mails_locked(url: str) -> Iterator[None]:
    """Lock the table of mails against writes; on SQLite the whole database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")
    else:
        with psycopg.connect(_plain(url)) as connection:
            connection.execute("LOCK TABLE mails IN EXCLUSIVE MODE")
            yield
            connection.rollback()


def poll_until(happened: Callable[[], object]) -> None:
    """Poll within a millisecond until `happened`, in a thread of its own."""
    deadline = monotonic() + PATIENCE_S
    while not happened():
        assert monotonic() < deadline, "it never happened"
        sleep(POLL_S)


def _plain(url: str) -> str:
    return with_driver(url).replace("postgresql+psycopg://", "postgresql://")
