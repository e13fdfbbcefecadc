"""The ledger equals the orders after every step, in any order of events."""

from pathlib import Path

import pytest

from tests.conftest import DATABASES
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import furnish
from tests.support.database.stateful import copies, explore

REQUIRED = {
    *("paid all", "issued", "cancelled", "charged back", "credit", "refund payment", "reminded"),
    *("delivered", "returned whole", "returned some", "return refunded", "refund_shipment"),
    *("exchanged", "refund asked", "refund by hand", "refund account_closed", "withdraw"),
}
"""Events that must happen in some example."""
EXAMPLES = {"sqlite": (6, 100), "postgresql": (2, 30)}
STEPS = (25, 50)
"""At small and at full size."""


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_ledger_equals_orders_in_any_order_of_events(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    explore(
        Bookkeeper,
        copies(kind, request, tmp_path, furnish),
        full=full,
        examples=EXAMPLES[kind][full],
        steps=STEPS[full],
        required=REQUIRED if kind == "sqlite" else (),
    )
