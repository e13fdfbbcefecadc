"""What becomes of money that comes for a cancelled order."""

from typing import Any, Literal

import pytest

from models.billing import LateMoney, late_money

REVIVED: dict[str, Any] = {
    "expired": True,
    "invoiced": False,
    "kept": True,
    "owed_minor": 0,
    "received_minor": 119,
    "total_minor": 119,
}


def test_an_order_that_expired_is_taken_up_again_where_that_is_wished() -> None:
    assert late_money("reallocate", **REVIVED) is LateMoney.REALLOCATE
    assert late_money("refund", **REVIVED) is LateMoney.REFUND


@pytest.mark.parametrize(
    "but",
    [
        {"expired": False},
        {"invoiced": True},
        {"kept": False},
        {"owed_minor": 1},
        {"received_minor": 118},
    ],
    ids=str,
)
@pytest.mark.parametrize("wish", ["refund", "reallocate"])
def test_every_other_money_is_given_back(
    wish: Literal["refund", "reallocate"], but: dict[str, Any]
) -> None:
    """Cancelled by a person, billed before, no document, being refunded already, too little."""
    assert late_money(wish, **(REVIVED | but)) is LateMoney.REFUND
