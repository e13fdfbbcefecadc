"""Stock and value are conserved after every step, in any order of events."""

from pathlib import Path

import pytest

from models.stock import MovementKind
from tests.conftest import DATABASES
from tests.support.database.stateful import copies, explore
from tests.support.stock.machine import Warehouse
from tests.support.stock.setup import furnish

MOVED = (MovementKind.RESERVE, MovementKind.RELEASE, MovementKind.ISSUE, MovementKind.RECEIPT)
REQUIRED = (
    *(*MOVED, MovementKind.COUNT, MovementKind.RETURN, "later part", "reship lost", "restock"),
    *("cancel_rest", "recalled", "exchange", "exchange settled", "recovered", "settle_claim"),
)
"""Events that must happen in some example."""
EXAMPLES = {"sqlite": (4, 200), "postgresql": (2, 100)}
STEPS = (28, 50)
"""At small and at full size."""


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_stock_and_value_are_conserved_in_any_order_of_events(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    explore(
        Warehouse,
        copies(kind, request, tmp_path, furnish),
        full=full,
        examples=EXAMPLES[kind][full],
        steps=STEPS[full],
        required=REQUIRED if kind == "sqlite" else (),
    )
