"""The books agree with the orders after every step, whatever is done in whatever order."""

from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import DATABASES
from tests.support.copies import copies, sized
from tests.support.till import ALL_THAT_HAPPENED, Bookkeeper, furnish

SURE = {"paid all", "issued", "cancelled", "charged back", "credit", "refund payment", "reminded"}
"""What must have happened, lest nothing was tested."""
EXAMPLES = {"sqlite": (8, 100), "postgresql": (2, 30)}
STEPS = (25, 50)


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_the_ledger_says_what_the_orders_say(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    copy = copies(kind, request, tmp_path, furnish)
    ALL_THAT_HAPPENED.clear()
    size = sized(full, examples=EXAMPLES[kind][full], steps=STEPS[full])
    run_state_machine_as_test(lambda: Bookkeeper(copy), settings=size)
    if kind == "sqlite":
        assert ALL_THAT_HAPPENED.keys() >= SURE, ALL_THAT_HAPPENED
