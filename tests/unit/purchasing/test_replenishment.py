"""Replenishment: the examples of textbooks, and properties of the formulas."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.replenishment import (
    Demand,
    LeadTime,
    LeadTimeSource,
    Promisable,
    available_to_promise,
    demand,
    demand_of_window,
    economic_order_quantity,
    is_reordered,
    lead_time,
    position,
    reorder_point,
    restock,
    safety_stock,
    service_factor,
)

TODAY = date(2026, 3, 2)

units = st.integers(0, 1_000)
some_days = st.integers(-5, 30).map(lambda days: TODAY + timedelta(days=days))
some_receipts = st.lists(st.tuples(some_days, units), max_size=6)
some_promises = st.lists(st.tuples(st.none() | some_days, units), max_size=6)


def demand_of(mean: float, deviation: float, days: int = 30) -> Demand:
    """Make a daily demand."""
    return Demand(days=days, mean=mean, deviation=deviation)


def lead_time_of(mean: float, deviation: float = 0.0) -> LeadTime:
    """Make an observed lead time."""
    return LeadTime(mean_days=mean, deviation_days=deviation, source=LeadTimeSource.OBSERVED)


def day(number: int) -> date:
    """Return the day `number` days from today."""
    return TODAY + timedelta(days=number)


def promisable(
    available: int, receipts: list[tuple[date, int]], promised: list[tuple[date | None, int]]
) -> list[tuple[int, int]]:
    """Return the units available to promise, by days from today."""
    rows = available_to_promise(available, receipts, promised, TODAY)
    return [((row.day - TODAY).days, row.units) for row in rows]


def test_demand_by_example() -> None:
    """2, 4, 4, 4, 5, 5, 7, 9: mean 40/8 = 5; squares 9+1+1+1+0+0+4+16 = 32; sqrt(32/7)."""
    found = demand([2, 4, 4, 4, 5, 5, 7, 9])
    assert (found.days, found.mean) == (8, 5.0)
    assert found.deviation == pytest.approx(2.13809, abs=1e-5)


@pytest.mark.parametrize(("days", "mean"), [([], 0.0), ([7], 7.0), ([0], 0.0), ([3, 3, 3], 3.0)])
def test_demand_of_no_day_or_one_day_has_no_deviation(days: list[int], mean: float) -> None:
    assert demand(days) == Demand(days=len(days), mean=mean, deviation=0.0)


def test_days_without_demand_count() -> None:
    """Days outside the window do not."""
    sold = {day(0): 6, day(-2): 3, day(-3): 100, day(1): 100}
    assert demand_of_window(sold, TODAY, 3) == demand([6, 0, 3])
    assert demand_of_window(sold, TODAY, 0) == demand([])


@given(days=st.lists(units, max_size=30), shuffle=st.randoms(use_true_random=False))
def test_demand_equals_exact_arithmetic_in_any_order(days: list[int], shuffle: Random) -> None:
    found = demand(days)
    assert demand(shuffle.sample(days, len(days))) == found
    if len(days) > 1:
        mean = Fraction(sum(days), len(days))
        variance = sum((d - mean) ** 2 for d in days) / (len(days) - 1)
        assert found.mean == float(mean)
        assert found.deviation == pytest.approx(sqrt(variance))


@pytest.mark.parametrize(
    ("observed", "quoted", "expected"),
    [
        ([4, 8], 99, (6.0, sqrt(8), LeadTimeSource.OBSERVED)),
        ([4], 99, (4.0, 0.0, LeadTimeSource.OBSERVED)),
        ([-3, 3], None, (1.5, sqrt(4.5), LeadTimeSource.OBSERVED)),
        ([], 5, (5.0, 0.0, LeadTimeSource.QUOTED)),
        ([], 0, (0.0, 0.0, LeadTimeSource.QUOTED)),
        ([], None, (None, 0.0, LeadTimeSource.UNKNOWN)),
    ],
)
def test_lead_times_by_example(
    observed: list[int], quoted: int | None, expected: tuple[float | None, float, LeadTimeSource]
) -> None:
    mean, deviation, source = expected
    lead = lead_time(observed, quoted)
    assert (lead.mean_days, lead.source) == (mean, source)
    assert lead.deviation_days == pytest.approx(deviation)


@pytest.mark.parametrize(
    ("ppm", "z"), [(950_000, 1.645), (990_000, 2.326), (900_000, 1.282), (500_000, 0.0)]
)
def test_service_factors_equal_the_normal_table(ppm: int, z: float) -> None:
    assert service_factor(ppm) == pytest.approx(z, abs=5e-4)


@pytest.mark.parametrize("ppm", [-1, 0, 499_999, 1_000_000])
def test_service_level_outside_its_range_is_an_error(ppm: int) -> None:
    with pytest.raises(ValueError, match="service level"):
        service_factor(ppm)


def test_safety_stock_for_varying_demand_equals_chopra_and_meindl() -> None:
    """Supply Chain Management, safety inventory, B&M's: 2,500 a week, deviation 500, 2 weeks.

    500 * sqrt(2) = 707.1; 90 %: 1.2816 * 707.1 = 906.2; 95 %: 1.6449 * 707.1 = 1,163.1.
    """
    weekly, lead = demand_of(2_500, 500), lead_time_of(2)
    assert safety_stock(service_factor(900_000), weekly, lead) == pytest.approx(906.2, abs=0.05)
    assert safety_stock(service_factor(950_000), weekly, lead) == pytest.approx(1_163.1, abs=0.05)
    point = reorder_point(service_factor(900_000), weekly, lead)
    assert (point.units, point.safety_units) == (5_000 + 907, 907)


def test_safety_stock_for_varying_lead_time_equals_chopra_and_meindl() -> None:
    """The same, Dell: 2,500 a day, deviation 500, 7 days, deviation 7; 90 %.

    7 * 500^2 = 1,750,000; 2,500^2 * 7^2 = 306,250,000; sqrt(308,000,000) = 17,549.9;
    1.28155 * 17,549.9 = 22,491.
    """
    safety = safety_stock(service_factor(900_000), demand_of(2_500, 500), lead_time_of(7, 7))
    assert safety == pytest.approx(22_491, abs=1)


@pytest.mark.parametrize(
    ("z", "daily", "lead", "point"),
    [
        # 15 * 2 + 1.28 * 5 * sqrt(2) = 30 + 9.05
        (1.28, demand_of(15, 5), lead_time_of(2), 40),
        # 10 * 6 + 2.055 * 10 * 3 = 60 + 61.65
        (2.055, demand_of(10, 0), lead_time_of(6, 3), 122),
        # 150 * 5 + 1.65 * sqrt(5 * 16^2 + 150^2 * 1^2) = 750 + 1.65 * sqrt(23,780) = 750 + 254.4 (1,004 in the book: not rounded up)
        (1.65, demand_of(150, 16), lead_time_of(5, 1), 1_005),
    ],
)
def test_reorder_points_equal_heizer_and_render(
    z: float, daily: Demand, lead: LeadTime, point: int
) -> None:
    """Operations Management, probabilistic models: demand varies, lead time varies, both do."""
    assert reorder_point(z, daily, lead).units == point


def test_reorder_point_of_carpet_store_equals_taylor() -> None:
    """Introduction to Management Science: 30 yards a day, deviation 5, 10 days, z = 1.65.

    30 * 10 + 1.65 * 5 * sqrt(10) = 300 + 26.1.
    """
    point = reorder_point(1.65, demand_of(30, 5), lead_time_of(10))
    assert (point.units, point.safety_units) == (327, 27)
    assert point.reason == "30.00 units a day over 30 days, observed lead time 10.0 days"


def test_reorder_point_without_lead_time_is_zero() -> None:
    point = reorder_point(1.645, demand_of(10, 5), lead_time([], None))
    assert (point.units, point.safety_units, point.reason) == (0, 0, "lead time unknown")


def test_reorder_point_without_demand_is_zero() -> None:
    assert reorder_point(1.645, demand([0] * 90), lead_time_of(10, 4)).units == 0
    assert reorder_point(1.645, demand([]), lead_time_of(10, 4)).units == 0


def test_single_observations_need_no_safety_stock() -> None:
    point = reorder_point(2.326, demand([3]), lead_time([4], None))
    assert (point.units, point.safety_units) == (12, 0)


def test_rounding_error_of_floats_adds_no_unit() -> None:
    """3 * 0.1 is a little more than 0.3, and 30 times that is 9 units, not 10."""
    assert 30 * (3 * 0.1) > 9
    assert reorder_point(0.0, demand_of(3 * 0.1, 0), lead_time_of(30)).units == 9


@given(
    days=st.lists(units, max_size=20),
    took=st.lists(st.integers(0, 60), max_size=10),
    quoted=st.none() | st.integers(0, 60),
    levels=st.tuples(st.integers(500_000, 999_999), st.integers(500_000, 999_999)),
)
def test_reorder_point_covers_lead_time_and_grows_with_service_level(
    days: list[int], took: list[int], quoted: int | None, levels: tuple[int, int]
) -> None:
    daily, lead = demand(days), lead_time(took, quoted)
    low, high = (reorder_point(service_factor(ppm), daily, lead) for ppm in sorted(levels))
    assert 0 <= low.safety_units <= high.safety_units
    assert low.units <= high.units
    if lead.mean_days is not None:
        assert low.units >= ceil(round(daily.mean * lead.mean_days, 6))


def test_economic_order_quantities_equal_the_textbooks() -> None:
    """Heizer and Render, Sharp: D 1,000, S $10, H $0.50: sqrt(2 * 1,000 * 10 / 0.5) = 200.

    Chopra and Meindl, Best Buy: D 12,000, S $4,000, H 0.2 * $500 = $100: sqrt(960,000) = 979.8.
    """
    assert economic_order_quantity(1_000, 1_000, 50) == 200
    assert economic_order_quantity(12_000, 400_000, 10_000) == 980


@pytest.mark.parametrize(
    ("wanted", "order", "hold", "lot"),
    [(0, 10, 10, 0), (10, 10, 0, 0), (10, 0, 10, 1), (1, 1, 1_000, 1), (9, 1, 8, 2), (2, 1, 4, 1)],
)
def test_economic_order_quantities_at_the_limits(
    wanted: int, order: int, hold: int, lot: int
) -> None:
    """No demand; free holding; free ordering; less than 1; 1.5 is 2; exactly 1."""
    assert economic_order_quantity(wanted, order, hold) == lot


@given(wanted=st.integers(1, 10**9), order=st.integers(0, 10**12), hold=st.integers(1, 10**12))
def test_economic_order_quantity_is_the_nearest_whole_root(
    wanted: int, order: int, hold: int
) -> None:
    """(lot - 1/2)^2 <= 2DS/H < (lot + 1/2)^2, in integers."""
    lot = economic_order_quantity(wanted, order, hold)
    scaled = 8 * wanted * order
    assert lot >= 1
    assert scaled < (2 * lot + 1) ** 2 * hold
    if lot > 1:
        assert (2 * lot - 1) ** 2 * hold <= scaled


def test_position_is_on_hand_and_on_order_less_reserved_and_backordered() -> None:
    assert position(on_hand=10, on_order=20, reserved=4, backordered=9) == 17


@pytest.mark.parametrize(
    ("level", "point", "lot", "safety", "bought"),
    [
        (51, 50, 20, 5, 0),
        (50, 50, 20, 5, 20),
        (20, 50, 20, 5, 31),
        (0, 50, 0, 10, 60),
        (50, 50, 0, 10, 10),
        (50, 50, 0, 0, 1),
        (0, 0, 0, 0, 0),
        (-3, 0, 0, 0, 0),
        (0, 0, 20, 0, 20),
    ],
)
def test_restocked_units_by_example(
    level: int, point: int, lot: int, safety: int, bought: int
) -> None:
    """Position above and at the reorder point; a lot that isn't enough; free holding; no demand; a
    lead time of no days."""
    assert restock(level, point, lot, safety) == bought


@given(
    level=st.integers(-100, 100),
    point=st.integers(0, 100),
    lot=st.integers(0, 100),
    safety=st.integers(0, 100),
)
def test_restocked_units_raise_the_position_above_the_reorder_point(
    level: int, point: int, lot: int, safety: int
) -> None:
    """None are bought where the position is above it, or the SKU is not reordered."""
    bought = restock(level, point, lot, safety)
    if bought:
        assert level <= point < level + bought
        assert bought >= lot
    else:
        assert level > point or not is_reordered(point, lot)


def test_available_units_can_be_promised_from_today() -> None:
    assert promisable(10, [], []) == [(0, 10)]
    assert promisable(10, [], [(None, 3)]) == [(0, 7)]


def test_due_units_can_be_promised_from_their_day() -> None:
    assert promisable(10, [(day(5), 20)], []) == [(0, 10), (5, 30)]
    assert promisable(10, [(day(-1), 20)], []) == [(0, 30)]


def test_later_promise_keeps_its_units() -> None:
    """8 of 10 are promised for day 3, and no units are due before it."""
    assert promisable(10, [(day(5), 20)], [(day(3), 8)]) == [(0, 2), (5, 22)]


def test_due_units_serve_later_promises_only() -> None:
    assert promisable(10, [(day(5), 20)], [(day(7), 25)]) == [(0, 5)]
    assert promisable(10, [(day(5), 20)], [(day(7), 15)]) == [(0, 10), (5, 15)]
    assert promisable(0, [(day(5), 20)], [(None, 5)]) == [(0, -5), (5, 15)]


@given(available=units, receipts=some_receipts, promised=some_promises)
def test_available_to_promise_grows_to_the_total(
    available: int, receipts: list[tuple[date, int]], promised: list[tuple[date | None, int]]
) -> None:
    rows = available_to_promise(available, receipts, promised, TODAY)
    assert rows[0].day == TODAY
    for earlier, later in pairwise(rows):
        assert earlier.day < later.day
        assert earlier.units < later.units
    total = available + sum(u for _, u in receipts) - sum(u for _, u in promised)
    assert rows[-1].units == total


@given(available=units, receipts=some_receipts, promised=some_promises, asked=st.integers(0, 30))
def test_promising_all_units_of_a_day_leaves_no_later_day_short(
    available: int,
    receipts: list[tuple[date, int]],
    promised: list[tuple[date | None, int]],
    asked: int,
) -> None:
    """One more unit would: by brute force over the balance of every day."""

    def lowest_from(first: int, more: int) -> int:
        balances = []
        for number in range(first, 40):
            due = sum(u for when, u in receipts if when <= day(number))
            gone = sum(u for when, u in promised if when is None or when <= day(number))
            balances.append(available + due - gone - more)
        return min(balances)

    rows = available_to_promise(available, receipts, promised, TODAY)
    free = [row for row in rows if row.day <= day(asked)][-1].units
    assert lowest_from(asked, free) == 0


@given(available=units, receipts=some_receipts, promised=some_promises)
def test_available_to_promise_does_not_depend_on_order(
    available: int, receipts: list[tuple[date, int]], promised: list[tuple[date | None, int]]
) -> None:
    rows: list[Promisable] = available_to_promise(available, receipts, promised, TODAY)
    assert available_to_promise(available, receipts[::-1], promised[::-1], TODAY) == rows
