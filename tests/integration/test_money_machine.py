"""The books agree with the orders after every step, whatever is done in whatever order."""

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import new_database
from tests.support import postgres
from tests.support.shop import unique
from tests.support.till import ALL_THAT_HAPPENED, Bookkeeper, furnish

SURE = {"paid all", "issued", "cancelled", "charged back"}
"""What must have happened, lest nothing was tested."""
QUICKLY = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,  # the small size is the same for everybody: it must reach what is SURE
    suppress_health_check=list(HealthCheck),
    database=None,
)
FULLY = settings(QUICKLY, derandomize=False, max_examples=200, stateful_step_count=60)


@pytest.mark.sized
def test_the_ledger_says_what_the_orders_say_on_sqlite(
    request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    """Each example works in a copy of one file."""
    furnish(new_database("sqlite", request, tmp_path), tmp_path / "csv")
    numbers = itertools.count()

    def copy() -> str:
        file = tmp_path / f"{next(numbers)}.db"
        shutil.copy(tmp_path / "orders.db", file)
        return f"sqlite:///{file}"

    ALL_THAT_HAPPENED.clear()
    run_state_machine_as_test(lambda: Bookkeeper(copy), settings=FULLY if full else QUICKLY)
    assert ALL_THAT_HAPPENED.keys() >= SURE, ALL_THAT_HAPPENED


@pytest.mark.sized
def test_the_ledger_says_what_the_orders_say_on_postgresql(
    request: pytest.FixtureRequest, postgresql_server: str, tmp_path: Path, full: bool
) -> None:
    """Each example works in a copy of one database."""
    template = new_database("postgresql", request, tmp_path)
    furnish(template, tmp_path / "csv")
    name = template.rpartition("/")[2]

    def copy() -> str:
        return postgres.create_database(postgresql_server, unique("till"), template=name)

    size = settings(QUICKLY, max_examples=60 if full else 3)
    run_state_machine_as_test(lambda: Bookkeeper(copy), settings=size)
