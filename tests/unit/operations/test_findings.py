"""Test the differences of reconciliation, and the demand window and lot size of stock review."""

from datetime import date
from decimal import Decimal

import pytest

from models.findings import Counted, inventory_difference, line_difference, stock_differences
from models.replenishment import ReviewPolicy, lot_size, observed_window

POLICY = ReviewPolicy(
    window_days=90,
    service_level_ppm=950_000,
    order_cost=Decimal("25.00"),
    holding_cost_ppm=200_000,
)
TODAY = date(2026, 7, 31)
AGREED = Counted(on_hand=5, reserved=2, value_minor=500)


def ids(counters: Counted, moved: Counted, held: int) -> set[str]:
    """Compare a stock key; return the kinds of differences."""
    found = stock_differences("S", "BER", counters, moved, held)
    assert all(f.finding_id.endswith(":S:BER") and "S at BER" in f.message for f in found)
    return {f.finding_id.partition(":")[0] for f in found}


@pytest.mark.parametrize(
    ("counters", "moved", "held", "differs"),
    [
        (AGREED, AGREED, 2, set()),
        (Counted(), Counted(), 0, set()),
        (AGREED, AGREED, 3, {"reservations"}),
        (AGREED, AGREED.model_copy(update={"on_hand": 6}), 2, {"on_hand"}),
        (AGREED, AGREED.model_copy(update={"reserved": 1}), 2, {"reserved"}),
        (AGREED, AGREED.model_copy(update={"value_minor": 499}), 2, {"value"}),
        (Counted(), AGREED, 2, {"reservations", "on_hand", "reserved", "value"}),
        (Counted(on_hand=1, reserved=2), Counted(on_hand=1, reserved=2), 2, {"negative"}),
        (Counted(on_hand=-1), Counted(on_hand=-1), 0, {"negative"}),
    ],
)
def test_each_difference_of_a_stock_key_is_found(
    counters: Counted, moved: Counted, held: int, differs: set[str]
) -> None:
    """And no other one."""
    assert ids(counters, moved, held) == differs


def test_line_is_either_reserved_or_short() -> None:
    """No unit is missing in both, and none is in both."""
    assert line_difference("A", 1, "S", 5, 3, 2) is None
    for held, short in ((3, 1), (3, 3)):
        found = line_difference("A", 1, "S", 5, held, short)
        assert found is not None
        assert (found.finding_id, found.subject) == ("line:A:1", "A")


def test_inventory_account_equals_stock_value() -> None:
    """To the minor unit."""
    assert inventory_difference("EUR", 100, 100) is None
    found = inventory_difference("EUR", 100, 99)
    assert found is not None
    assert "100" in found.message
    assert "99" in found.message


@pytest.mark.parametrize(
    ("first_day", "window"),
    [
        (None, (date(2026, 7, 30), 0)),
        (TODAY, (TODAY, 28)),
        (date(2026, 7, 30), (date(2026, 7, 30), 28)),
        (date(2026, 7, 21), (date(2026, 7, 30), 28)),
        (date(2026, 7, 2), (date(2026, 7, 30), 29)),
        (date(2020, 1, 1), (date(2026, 7, 30), 90)),
    ],
)
def test_demand_is_observed_over_whole_days_except_on_first_day(
    first_day: date | None, window: tuple[date, int]
) -> None:
    """A new shop counts as one without sales before, for the missing part of four weeks."""
    assert observed_window(first_day, TODAY, 90) == window


def lot(units_ordered: int, days: int, value_minor: int, units: int, currency: str = "EUR") -> int:
    """Compute the lot size by the policy."""
    return lot_size(
        POLICY,
        currency,
        units_ordered=units_ordered,
        days=days,
        value_minor=value_minor,
        units=units,
    )


@pytest.mark.parametrize(
    ("units_ordered", "days", "value_minor", "units", "expected"),
    [
        (8, 1, 6_000, 1, 110),  # sqrt(2 * 2920 * 25 / 12) = 110.3
        (8, 1, 60_000, 10, 110),  # the same unit
        (720, 90, 6_000, 1, 110),
        (100, 10, 1, 10, 30_208),  # a tenth of a cent each: sqrt(2 * 3650 * 25 / 0.0002) = 30207.6
        (0, 90, 6_000, 1, 0),
        (8, 0, 6_000, 1, 0),
        (8, 1, 0, 1, 0),
    ],
)
def test_order_quantity_follows_from_unit_value(
    units_ordered: int, days: int, value_minor: int, units: int, expected: int
) -> None:
    """Also for a value below one minor unit; without demand or value it is zero."""
    assert lot(units_ordered, days, value_minor, units) == expected


def test_order_cost_has_whole_units_in_currency_without_decimals() -> None:
    """25.00 is 25 yen, as it is 25 euros."""
    assert lot(8, 1, 60, 1, "JPY") == lot(8, 1, 6_000, 1, "EUR")
