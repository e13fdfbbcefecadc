"""Stock and value are conserved after every step, whatever is done in whatever order."""

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from models.stock import MovementKind
from tests.conftest import new_database
from tests.support import postgres
from tests.support.machine import ALL_THAT_HAPPENED, Warehouse, furnish
from tests.support.shop import unique

SURE = (MovementKind.RESERVE, MovementKind.RELEASE, MovementKind.RECEIPT, MovementKind.COUNT)
"""What must have happened, lest nothing was tested."""
QUICKLY = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,  # the small size is the same for everybody: it must reach what is SURE
    suppress_health_check=list(HealthCheck),
    database=None,
)
FULLY = settings(QUICKLY, derandomize=False, max_examples=200, stateful_step_count=50)


@pytest.mark.sized
def test_stock_and_value_are_conserved_on_sqlite(
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
    run_state_machine_as_test(lambda: Warehouse(copy), settings=FULLY if full else QUICKLY)
    assert {kind.value for kind in SURE} <= ALL_THAT_HAPPENED.keys()


@pytest.mark.sized
def test_stock_and_value_are_conserved_on_postgresql(
    request: pytest.FixtureRequest, postgresql_server: str, tmp_path: Path, full: bool
) -> None:
    """Each example works in a copy of one database."""
    template = new_database("postgresql", request, tmp_path)
    furnish(template, tmp_path / "csv")
    name = template.rpartition("/")[2]

    def copy() -> str:
        return postgres.create_database(postgresql_server, unique("machine"), template=name)

    size = settings(QUICKLY, max_examples=100 if full else 3)
    run_state_machine_as_test(lambda: Warehouse(copy), settings=size)
