"""Stock and value are conserved after every step, whatever is done in whatever order."""

from pathlib import Path

import pytest

from models.stock import MovementKind
from tests.conftest import DATABASES
from tests.support.machine import Warehouse, furnish
from tests.support.stateful import copies, explore

MOVED = (MovementKind.RESERVE, MovementKind.RELEASE, MovementKind.ISSUE, MovementKind.RECEIPT)
SURE = (
    *(*MOVED, MovementKind.COUNT, MovementKind.RETURN, "a later part", "reship lost", "restock"),
    *("cancel_rest", "called back", "exchange", "exchange settled", "recovered", "settle_claim"),
)
EXAMPLES = {"sqlite": (4, 200), "postgresql": (2, 100)}
STEPS = (28, 50)


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_stock_and_value_are_conserved(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    explore(
        Warehouse,
        copies(kind, request, tmp_path, furnish),
        full=full,
        examples=EXAMPLES[kind][full],
        steps=STEPS[full],
        sure=SURE if kind == "sqlite" else (),
    )
