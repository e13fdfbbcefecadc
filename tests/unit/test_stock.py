"""Stock: nothing is promised twice, nothing is lost, no value appears or vanishes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stock import Allocation, Need, allocate, issue_cost

LOCATIONS = ("BER", "HAM", "MUC")
SKUS = ("BIT", "DRILL", "SAW")

Available = dict[tuple[str, str], int]

some_needs = st.lists(
    st.tuples(st.sampled_from(SKUS), st.integers(1, 20)), min_size=1, max_size=6
).map(
    lambda wants: [
        Need(line_no=number, sku=sku, quantity=quantity)
        for number, (sku, quantity) in enumerate(wants, start=1)
    ]
)
some_stock = st.dictionaries(
    st.tuples(st.sampled_from(LOCATIONS), st.sampled_from(SKUS)), st.integers(-3, 25)
)
"""By (location, sku); below zero is not to be, and must do no harm."""


def needs(**wants: int) -> list[Need]:
    """One line per SKU."""
    lines = enumerate(wants.items(), start=1)
    return [Need(line_no=number, sku=sku, quantity=quantity) for number, (sku, quantity) in lines]


def wanted_of(sku: str, wants: list[Need]) -> int:
    """How many units of a SKU all lines want."""
    return sum(need.quantity for need in wants if need.sku == sku)


def serves_all(location: str, wants: list[Need], available: Available) -> bool:
    """Whether one location has everything."""
    return all(
        available.get((location, sku), 0) >= wanted_of(sku, wants)
        for sku in {need.sku for need in wants}
    )


def places(allocation: Allocation) -> list[tuple[str, str, int]]:
    """Reservations in words."""
    return [(r.location, r.sku, r.quantity) for r in allocation.reservations]


@given(wants=some_needs, available=some_stock)
def test_reservations_and_shortages_are_exactly_the_needs(
    wants: list[Need], available: Available
) -> None:
    result = allocate(wants, available, LOCATIONS)
    given_out = [*result.reservations, *result.shortages]
    for need in wants:
        parts = [part for part in given_out if part.line_no == need.line_no]
        assert sum(part.quantity for part in parts) == need.quantity
        assert {part.sku for part in parts} == {need.sku}
    assert all(part.quantity > 0 for part in given_out)


@given(wants=some_needs, available=some_stock)
def test_no_more_is_reserved_than_is_available(wants: list[Need], available: Available) -> None:
    result = allocate(wants, available, LOCATIONS)
    for place in {(r.location, r.sku) for r in result.reservations}:
        reserved = sum(r.quantity for r in result.reservations if (r.location, r.sku) == place)
        assert reserved <= available.get(place, 0)


@given(wants=some_needs, available=some_stock)
def test_nothing_is_short_that_some_location_has(wants: list[Need], available: Available) -> None:
    result = allocate(wants, available, LOCATIONS)
    for sku in {need.sku for need in wants}:
        there = sum(max(0, available.get((location, sku), 0)) for location in LOCATIONS)
        short = sum(part.quantity for part in result.shortages if part.sku == sku)
        assert short == max(0, wanted_of(sku, wants) - there)


@given(wants=some_needs, available=some_stock)
def test_a_location_that_can_serve_everything_is_alone(
    wants: list[Need], available: Available
) -> None:
    able = [location for location in LOCATIONS if serves_all(location, wants, available)]
    used = {r.location for r in allocate(wants, available, LOCATIONS).reservations}
    if able:
        assert used == {able[0]}


@given(wants=some_needs, available=some_stock)
def test_shortages_are_bought_where_the_order_leaves_first(
    wants: list[Need], available: Available
) -> None:
    result = allocate(wants, available, LOCATIONS)
    home = result.reservations[0].location if result.reservations else LOCATIONS[0]
    assert {part.location for part in result.shortages} <= {home}


@given(wants=some_needs, available=some_stock)
def test_the_same_question_has_the_same_answer(wants: list[Need], available: Available) -> None:
    """In whichever order the stock was read; and what was asked with is left as it was."""
    before = dict(available)
    turned = dict(reversed(available.items()))
    assert allocate(wants, available, LOCATIONS) == allocate(wants, turned, LOCATIONS)
    assert available == before


def test_the_location_that_serves_most_goes_first() -> None:
    available = {("BER", "BIT"): 2, ("HAM", "BIT"): 3, ("MUC", "BIT"): 1}
    result = allocate(needs(BIT=6), available, LOCATIONS)
    assert places(result) == [("HAM", "BIT", 3), ("BER", "BIT", 2), ("MUC", "BIT", 1)]


def test_among_equals_the_preferred_location_is_used() -> None:
    available = {(location, "BIT"): 5 for location in LOCATIONS}
    assert places(allocate(needs(BIT=5), available, ("MUC", "BER"))) == [("MUC", "BIT", 5)]


def test_a_location_that_is_not_offered_serves_nothing() -> None:
    result = allocate(needs(BIT=1), {("HAM", "BIT"): 5}, ("BER",))
    assert not result.reservations
    assert [(part.location, part.quantity) for part in result.shortages] == [("BER", 1)]


def test_two_lines_of_a_sku_share_its_stock() -> None:
    wants = [Need(line_no=n, sku="BIT", quantity=4) for n in (1, 2)]
    result = allocate(wants, {("BER", "BIT"): 5}, LOCATIONS)
    assert [(r.line_no, r.quantity) for r in result.reservations] == [(1, 4), (2, 1)]
    assert [(s.line_no, s.quantity) for s in result.shortages] == [(2, 3)]


def test_no_needs_need_nothing() -> None:
    assert allocate([], {("BER", "BIT"): 5}, LOCATIONS) == Allocation(reservations=(), shortages=())


@given(value=st.integers(0, 10**15), parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
def test_what_is_issued_costs_in_all_what_the_stock_was_worth(value: int, parts: list[int]) -> None:
    """Down to the last unit, and on the way the value never goes below zero."""
    on_hand, left = sum(parts), value
    for quantity in parts:
        cost = issue_cost(left, on_hand, quantity)
        assert 0 <= cost <= left
        on_hand, left = on_hand - quantity, left - cost
    assert (on_hand, left) == (0, 0)


@given(
    value=st.integers(0, 10**15),
    on_hand=st.integers(1, 10**6),
    taken=st.integers(0, 10**6),
)
def test_a_cost_is_the_average_to_half_a_minor_unit(value: int, on_hand: int, taken: int) -> None:
    quantity = min(taken, on_hand)
    assert abs(2 * (issue_cost(value, on_hand, quantity) * on_hand - value * quantity)) <= on_hand


@pytest.mark.parametrize(
    ("value", "on_hand", "quantity", "cost"),
    [(100, 3, 1, 33), (67, 2, 1, 34), (33, 1, 1, 33), (1, 2, 1, 1), (0, 1, 1, 0), (100, 3, 0, 0)],
)
def test_costs_by_example(value: int, on_hand: int, quantity: int, cost: int) -> None:
    assert issue_cost(value, on_hand, quantity) == cost
