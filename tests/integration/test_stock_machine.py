"""Stock and value are conserved after every step, whatever is done in whatever order."""

from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from models.stock import MovementKind
from tests.conftest import DATABASES
from tests.support.copies import copies, sized
from tests.support.machine import ALL_THAT_HAPPENED, Warehouse, furnish

SURE = (MovementKind.RESERVE, MovementKind.RELEASE, MovementKind.COUNT)
"""What must have happened, lest nothing was tested."""
SURE_AT_FULL_SIZE = (*SURE, MovementKind.RECEIPT)
"""A receipt takes a chain of rules, which few examples needn't find."""
EXAMPLES = {"sqlite": (40, 200), "postgresql": (3, 100)}
STEPS = (30, 50)


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_stock_and_value_are_conserved(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    copy = copies(kind, request, tmp_path, furnish)
    ALL_THAT_HAPPENED.clear()
    size = sized(full, examples=EXAMPLES[kind][full], steps=STEPS[full])
    run_state_machine_as_test(lambda: Warehouse(copy), settings=size)
    if kind == "sqlite":
        sure = SURE_AT_FULL_SIZE if full else SURE
        assert {kind.value for kind in sure} <= ALL_THAT_HAPPENED.keys(), ALL_THAT_HAPPENED
