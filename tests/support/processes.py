"""Real worker processes, to be killed; and what their database says meanwhile."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep

import psycopg

from activities.database.engine import normalised
from tests.support.forking import Program
from tests.support.waiting import PATIENCE_S
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
GLANCE_S = 0.0005
SHOWN_LINES = 30
SHOWN_OF_LINE = 700


@dataclass
class WorkerProcess:
    """`python worker.py`; one runs at a time."""

    world: World
    running: BaseProcess | None = field(default=None)

    @property
    def log(self) -> Path:
        """What all its runs have written."""
        return self.world.folder / "worker.log"

    def start(self) -> None:
        """Start a new process; returns at once."""
        assert self.running is None, "one worker at a time"
        self.running = Program(
            ROOT / "worker.py",
            (),
            self._environment(),
            self.world.folder,
            out=self.log,
            err=self.log,
        ).start()

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        if self.running is not None:
            self.running.kill()
            self.running.join()
            self.running = None

    def check(self) -> None:
        """It runs, or is killed: it hasn't ended by itself."""
        assert self.running is None or self.running.is_alive(), self.tail()

    def tail(self) -> str:
        """The end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else "(no log)"
        return "\n".join(line[:SHOWN_OF_LINE] for line in text.splitlines()[-SHOWN_LINES:])

    def _environment(self) -> dict[str, str]:
        """What the world sets, and of our own environment only what programs need."""
        said = self.world.settings.model_dump(exclude_unset=True)
        settings = {name.upper(): str(value) for name, value in said.items()}
        config = self.world.client.config()["service_client"].config
        engine = {
            "TEMPORAL_ADDRESS": config.target_host,
            "TEMPORAL_NAMESPACE": self.world.client.namespace,
        }
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return inherited | settings | engine


Question = Callable[[str], list[tuple[object, ...]]]
"""Runs a query without parameters against the tables, on a connection of its own."""


@contextmanager
def asking(url: str) -> Iterator[Question]:
    """Ask the tables directly, as fast as one can: nothing of the pipeline is in between."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, check_same_thread=False)) as file:
            yield lambda query: file.execute(query).fetchall()
    else:
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            yield lambda query: connection.execute(query.encode()).fetchall()


@contextmanager
def no_mail_recorded(url: str) -> Iterator[None]:
    """Nobody writes to the table of mails as long as the block lasts.

    On SQLite that is: nobody writes anything.
    """
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


def watch_until(happened: Callable[[], object]) -> None:
    """Look so often that one is there in the very moment; for a thread of its own."""
    patience = monotonic() + PATIENCE_S
    while not happened():
        assert monotonic() < patience, "it never happened"
        sleep(GLANCE_S)


def _plain(url: str) -> str:
    return normalised(url).replace("postgresql+psycopg://", "postgresql://")
