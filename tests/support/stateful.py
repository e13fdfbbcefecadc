"""What hypothesis's machines share: each example works in a copy of one furnished database, which
is quick, at a time of its own; and afterwards a test can tell that it tested something."""

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from activities.database.engine import Database
from models.rules import Rules
from tests.conftest import new_database
from tests.support import postgres
from tests.support.shop import unique

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
picks = st.integers(0, 1_000)
"""Which of what is there: taken modulo its number."""
_ALL_THAT_HAPPENED: Counter[str] = Counter()
"""In all examples of the machine that runs."""


class Machine(RuleBasedStateMachine):
    """A database, a clock and ids of its own; `happened` counts what did."""

    def __init__(self, new_database: Callable[[], str], rules: Rules) -> None:
        super().__init__()
        self.database = Database(new_database(), rules, self.clock)
        self.now = BEGIN
        self.number = 0
        self.happened: Counter[str] = Counter()

    def teardown(self) -> None:
        """Add up what happened, and give the connections back."""
        _ALL_THAT_HAPPENED.update(self.happened)
        self.database.close()

    def clock(self) -> datetime:
        """No two looks at it see the same."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def next_id(self, prefix: str) -> str:
        """In the order of time."""
        self.number += 1
        return f"{prefix}{self.number:04d}"

    def read(self, query: Any) -> list[Any]:
        """All rows of a query."""
        return self.database.read(lambda session: list(session.exec(query)))

    def pick(self, query: Any, pick: int) -> Any | None:
        """One of a query's rows."""
        rows = self.read(query)
        return rows[pick % len(rows)] if rows else None


def explore(
    machine: Callable[[Callable[[], str]], Machine],
    copy: Callable[[], str],
    *,
    full: bool,
    examples: int,
    steps: int,
    sure: Collection[str] = (),
) -> None:
    """Run so many examples of so many steps. What is `sure` must have happened, lest nothing was
    tested. The small size isn't random, so that it tells everybody the same; the full one is."""
    size = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not full,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    _ALL_THAT_HAPPENED.clear()
    run_state_machine_as_test(lambda: machine(copy), settings=size)
    missing = {what for what in sure if not _ALL_THAT_HAPPENED[what]}
    assert not missing, _ALL_THAT_HAPPENED


def copies(
    kind: str, request: pytest.FixtureRequest, folder: Path, furnish: Callable[[str, Path], None]
) -> Callable[[], str]:
    """What makes copies of a database of `kind`, migrated and furnished; each call a URL."""
    url = new_database(kind, request, folder)
    furnish(url, folder / "csv")
    if kind == "sqlite":
        numbers = itertools.count()

        def file() -> str:
            copy = folder / f"{next(numbers)}.db"
            shutil.copy(folder / "orders.db", copy)
            return f"sqlite:///{copy}"

        return file
    server, name = request.getfixturevalue("postgresql_server"), url.rpartition("/")[2]
    return lambda: postgres.create_database(server, unique("machine"), template=name)
