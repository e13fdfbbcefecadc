"""The base of the hypothesis state machines: a database, a clock and ids for each example.

Each example works on a copy of one filled database, which is quick. Counted events prove afterwards
that the examples covered the intended cases.
"""

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlmodel.sql.expression import SelectOfScalar

from activities.database.engine import Database
from models.rules import Rules
from tests.conftest import new_database
from tests.support.database import postgres
from tests.support.masterdata.shop import unique

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
Row = TypeVar("Row")
picks = st.integers(0, 1_000)
"""The index of a row, modulo the number of rows."""
_EVENTS_OF_ALL_EXAMPLES: Counter[str] = Counter()


class Machine(RuleBasedStateMachine):
    """A database with a clock and ids of its own; `events` counts what happened."""

    def __init__(self, new_database: Callable[[], str], rules: Rules) -> None:
        super().__init__()
        self.database = Database(new_database(), rules, self.clock)
        self.now = BEGIN
        self.number = 0
        self.events: Counter[str] = Counter()

    def teardown(self) -> None:
        """Add up the events and close the database."""
        _EVENTS_OF_ALL_EXAMPLES.update(self.events)
        self.database.close()

    def clock(self) -> datetime:
        """Advance the time by a millisecond and return it: no two readings are equal."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def next_id(self, prefix: str) -> str:
        """Return a new id; ids sort by the time at which they were made."""
        self.number += 1
        return f"{prefix}{self.number:04d}"

    def read(self, query: SelectOfScalar[Row]) -> list[Row]:
        """Read all rows of a query."""
        return self.database.read(lambda session: list(session.exec(query)))

    def pick(self, query: SelectOfScalar[Row], pick: int) -> Row | None:
        """Read one row of a query, by index modulo the number of rows; None without rows."""
        rows = self.read(query)
        return rows[pick % len(rows)] if rows else None

    def assert_invariants(self) -> None:
        """Assert all invariants, in a test that calls the rules itself."""
        for invariant in self.invariants:
            invariant.function(self)


def explore(
    machine: Callable[[Callable[[], str]], Machine],
    copy: Callable[[], str],
    *,
    full: bool,
    examples: int,
    steps: int,
    required: Collection[str] = (),
) -> None:
    """Run `examples` of `steps` rules each. Every `required` event must have happened.

    The small size runs the same examples every time; the full size runs random ones.
    """
    size = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not full,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    _EVENTS_OF_ALL_EXAMPLES.clear()
    factory: Any = lambda: machine(copy)  # noqa: E731 - typed as a class, used as a function
    run_state_machine_as_test(factory, settings=size)
    missing = set(required) - set(+_EVENTS_OF_ALL_EXAMPLES)
    assert not missing, _EVENTS_OF_ALL_EXAMPLES


def copies(
    kind: str, request: pytest.FixtureRequest, folder: Path, furnish: Callable[[str, Path], None]
) -> Callable[[], str]:
    """Return a function that copies a migrated and filled database and returns the copy's URL.

    `furnish` fills the database at a URL, with a folder for its CSV files.
    """
    url = new_database(kind, request, folder)
    furnish(url, folder / "csv")
    if kind == "sqlite":
        numbers = itertools.count()

        def copy_file() -> str:
            copy = folder / f"{next(numbers)}.db"
            shutil.copy(folder / "orders.db", copy)
            return f"sqlite:///{copy}"

        return copy_file
    server, name = request.getfixturevalue("postgresql_server"), url.rpartition("/")[2]
    return lambda: postgres.create_database(server, unique("machine"), template=name)
