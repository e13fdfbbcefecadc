"""The books agree with the orders after every step, whatever is done in whatever order."""

from pathlib import Path

import pytest

from tests.conftest import DATABASES
from tests.support.stateful import copies, explore
from tests.support.till import Bookkeeper, furnish

SURE = {
    *("paid all", "issued", "cancelled", "charged back", "credit", "refund payment", "reminded"),
    *("delivered", "returned whole", "returned some", "return refunded", "refund_shipment"),
    "exchanged",
}
EXAMPLES = {"sqlite": (6, 100), "postgresql": (2, 30)}
STEPS = (25, 50)


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_the_ledger_says_what_the_orders_say(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    explore(
        Bookkeeper,
        copies(kind, request, tmp_path, furnish),
        full=full,
        examples=EXAMPLES[kind][full],
        steps=STEPS[full],
        sure=SURE if kind == "sqlite" else (),
    )
