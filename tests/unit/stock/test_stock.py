"""Allocation: needs are met exactly and optimally. Issue cost: the value of stock is conserved."""

from itertools import product
from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import stock
from models.messages.steps import StockKey
from models.stock import SEARCH_WORK, Allocation, Need, Origin, allocate, issue_cost

LOCATIONS = ("BER", "HAM", "MUC", "VIE")
SKUS = ("BIT", "DRILL", "SAW")

Available = dict[StockKey, int]
Objective = tuple[int, int, int, int, int, list[str]]


def stocked(units: dict[tuple[str, str], int]) -> Available:
    """Units by their stock keys, from units by location and SKU."""
    return {StockKey(location=place, sku=sku): count for (place, sku), count in units.items()}


some_needs = st.lists(
    st.tuples(st.sampled_from(SKUS), st.integers(1, 4)), min_size=1, max_size=6
).map(
    lambda wants: [
        Need(line_no=number, sku=sku, quantity=quantity)
        for number, (sku, quantity) in enumerate(wants, start=1)
    ]
)
some_stock = st.lists(st.sampled_from((-2, 0, 0, 0, 1, 2, 4, 8)), min_size=12, max_size=12).map(
    lambda units: stocked(dict(zip(product(LOCATIONS, SKUS), units, strict=True)))
)
"""Units below zero do not occur, and count as none."""
some_origins = st.lists(
    st.builds(
        Origin,
        location=st.sampled_from(LOCATIONS),
        distance=st.integers(0, 3),
        cost_minor=st.integers(0, 2),
    ),
    unique_by=lambda origin: origin.location,
    min_size=1,
    max_size=4,
)
"""Near each other, so that ties are common."""


def needs(**wants: int) -> list[Need]:
    """Make one line for each SKU."""
    lines = enumerate(wants.items(), start=1)
    return [Need(line_no=number, sku=sku, quantity=quantity) for number, (sku, quantity) in lines]


def near(*locations: str) -> list[Origin]:
    """Make origins, the nearest first, with equal handling costs."""
    return [Origin(location=name, distance=n, cost_minor=0) for n, name in enumerate(locations)]


def wanted_of(wants: list[Need]) -> dict[str, int]:
    """Sum the units of all lines by SKU."""
    wanted: dict[str, int] = {}
    for need in wants:
        wanted[need.sku] = wanted.get(need.sku, 0) + need.quantity
    return wanted


def reserved(allocation: Allocation) -> list[tuple[int, str, int]]:
    """Return line, location and units of each reservation."""
    return [(r.line_no, r.location, r.quantity) for r in allocation.reservations]


def short(allocation: Allocation) -> list[tuple[int, str, int]]:
    """Return line, location and units of each shortage."""
    return [(s.line_no, s.location, s.quantity) for s in allocation.shortages]


def distances(used: set[str], origins: list[Origin]) -> tuple[int, int, list[str]]:
    """Return the last criteria of both objectives."""
    chosen = [origin for origin in origins if origin.location in used]
    far = sum(origin.distance for origin in chosen)
    return far, sum(origin.cost_minor for origin in chosen), sorted(used)


def objective(allocation: Allocation, origins: list[Origin], split: bool) -> Objective:
    """Return the objective that `allocate` minimises, for one result."""
    lacking = sum(s.quantity for s in allocation.shortages)
    used = {r.location for r in allocation.reservations}
    if split:
        return (0, lacking, len(used), *distances(used, origins))
    used |= {s.location for s in allocation.shortages}
    skus = len({s.sku for s in allocation.shortages})
    return (skus, len(used), lacking, *distances(used, origins))


def best_whole(wants: list[Need], available: Available, origins: list[Origin]) -> Objective:
    """Find the best result by brute force: every location for every SKU."""
    wanted = wanted_of(wants)
    outcomes = []
    for homes in product([origin.location for origin in origins], repeat=len(wanted)):
        lacking = [
            max(0, units - max(0, available.get(StockKey(location=home, sku=sku), 0)))
            for (sku, units), home in zip(wanted.items(), homes, strict=True)
        ]
        used = set(homes)
        skus = sum(units > 0 for units in lacking)
        outcomes.append((skus, len(used), sum(lacking), *distances(used, origins)))
    return min(outcomes)


def best_split(wants: list[Need], available: Available, origins: list[Origin]) -> Objective:
    """Find the best result by brute force: all units of every SKU from every location."""
    ways = []
    for sku, units in wanted_of(wants).items():
        stock = [
            available.get(StockKey(location=origin.location, sku=sku), 0) for origin in origins
        ]
        takes = product(*(range(min(units, max(0, s)) + 1) for s in stock))
        names = [origin.location for origin in origins]
        ways.append(
            {
                (units - sum(take), frozenset(n for n, t in zip(names, take, strict=True) if t))
                for take in takes
                if sum(take) <= units
            }
        )
    outcomes = set()
    for way in product(*ways):
        used = frozenset[str]().union(*(locations for _, locations in way))
        outcomes.add((sum(lacking for lacking, _ in way), used))
    return min(
        (0, lacking, len(used), *distances(set(used), origins)) for lacking, used in outcomes
    )


def assert_exact(
    wants: list[Need], available: Available, origins: list[Origin], result: Allocation
) -> None:
    """Assert that needs are met exactly, and no more is reserved than is available."""
    given_out = [*result.reservations, *result.shortages]
    for need in wants:
        parts = [part for part in given_out if part.line_no == need.line_no]
        assert sum(part.quantity for part in parts) == need.quantity
        assert {part.sku for part in parts} == {need.sku}
    assert all(part.quantity > 0 for part in given_out)
    assert {part.location for part in given_out} <= {origin.location for origin in origins}
    taken: Available = {}
    for part in result.reservations:
        taken[part.key] = taken.get(part.key, 0) + part.quantity
    assert all(units <= available.get(key, 0) for key, units in taken.items())


@given(wants=some_needs, available=some_stock, origins=some_origins, split=st.booleans())
def test_needs_are_met_exactly_within_available_units(
    wants: list[Need], available: Available, origins: list[Origin], split: bool
) -> None:
    assert_exact(wants, available, origins, allocate(wants, available, origins, split))


@settings(max_examples=400)
@given(wants=some_needs, available=some_stock, origins=some_origins)
def test_allocation_without_split_is_optimal(
    wants: list[Need], available: Available, origins: list[Origin]
) -> None:
    result = allocate(wants, available, origins, split=False)
    assert objective(result, origins, False) == best_whole(wants, available, origins)


@settings(max_examples=400)
@given(wants=some_needs, available=some_stock, origins=some_origins)
def test_allocation_with_split_is_optimal(
    wants: list[Need], available: Available, origins: list[Origin]
) -> None:
    result = allocate(wants, available, origins, split=True)
    assert objective(result, origins, True) == best_split(wants, available, origins)


@given(wants=some_needs, available=some_stock, origins=some_origins)
def test_sku_stays_at_one_location_without_split(
    wants: list[Need], available: Available, origins: list[Origin]
) -> None:
    """All its lines, shortages included."""
    result = allocate(wants, available, origins, split=False)
    homes: dict[str, set[str]] = {}
    for part in [*result.reservations, *result.shortages]:
        homes.setdefault(part.sku, set()).add(part.location)
    assert all(len(locations) == 1 for locations in homes.values())


@given(wants=some_needs, available=some_stock, origins=some_origins, split=st.booleans())
def test_shortage_leaves_no_available_units_at_used_locations(
    wants: list[Need], available: Available, origins: list[Origin], split: bool
) -> None:
    """Without split at the SKU's own location, with split at all of them."""
    result = allocate(wants, available, origins, split)
    for sku, units in wanted_of(wants).items():
        lacking = [s for s in result.shortages if s.sku == sku]
        where = [p.location for p in origins] if split else {s.location for s in lacking}
        there = sum(
            max(0, available.get(StockKey(location=location, sku=sku), 0)) for location in where
        )
        if lacking:
            assert sum(s.quantity for s in lacking) == units - there


@given(wants=some_needs, available=some_stock, origins=some_origins)
def test_shortages_with_split_are_at_the_nearest_used_location(
    wants: list[Need], available: Available, origins: list[Origin]
) -> None:
    result = allocate(wants, available, origins, split=True)
    used = {r.location for r in result.reservations}
    possible = [p for p in origins if p.location in used] or origins
    nearest = min(possible, key=lambda p: (p.distance, p.cost_minor, p.location))
    assert {s.location for s in result.shortages} <= {nearest.location}


@given(wants=some_needs, available=some_stock, origins=some_origins)
def test_nearer_locations_are_emptied_first_with_split(
    wants: list[Need], available: Available, origins: list[Origin]
) -> None:
    result = allocate(wants, available, origins, split=True)
    order = sorted(origins, key=lambda p: (p.distance, p.cost_minor, p.location))
    names = [p.location for p in order if p.location in {r.location for r in result.reservations}]
    for sku in wanted_of(wants):
        taken = [
            sum(r.quantity for r in result.reservations if (r.location, r.sku) == (name, sku))
            for name in names
        ]
        for position, name in enumerate(names):
            if any(taken[position + 1 :]):
                assert taken[position] == max(0, available.get(StockKey(location=name, sku=sku), 0))


@given(
    wants=some_needs,
    available=some_stock,
    origins=some_origins,
    split=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)
def test_allocation_does_not_depend_on_the_order_of_arguments(
    wants: list[Need], available: Available, origins: list[Origin], split: bool, shuffle: Random
) -> None:
    """The arguments stay unchanged."""
    before = dict(available)
    turned = dict(shuffle.sample(list(available.items()), len(available)))
    again = allocate(
        shuffle.sample(wants, len(wants)), turned, shuffle.sample(origins, len(origins)), split
    )
    assert allocate(wants, available, origins, split) == again
    assert available == before


def _key(origin: Origin, need: Need) -> StockKey:
    return StockKey(location=origin.location, sku=need.sku)


def many(seed: int, skus: int, locations: int) -> tuple[list[Need], Available, list[Origin]]:
    """Make many needs and origins, the same for the same seed."""
    draw = Random(seed)
    wants = [Need(line_no=n, sku=f"S{n}", quantity=draw.randint(1, 9)) for n in range(skus)]
    origins = [
        Origin(location=f"L{n}", distance=draw.randint(0, 900), cost_minor=draw.randint(0, 900))
        for n in range(locations)
    ]
    available = {
        _key(origin, need): draw.randint(-2, 12)
        for origin in origins
        for need in wants
        if draw.random() < 0.3
    }
    return wants, available, origins


@given(seed=st.integers(0, 10**6), split=st.booleans())
def test_allocation_beyond_the_exact_search_has_fewest_shortages_and_no_superfluous_location(
    seed: int, split: bool
) -> None:
    wants, available, origins = many(seed, skus=40, locations=24)
    assert sum(comb(24, size) for size in range(1, 5)) * 40 > SEARCH_WORK
    result = allocate(wants, available, origins, split)
    assert_exact(wants, available, origins, result)

    at = {p: [max(0, available.get(_key(p, need), 0)) for need in wants] for p in origins}

    def lacking(offered: list[Origin]) -> int:
        stock = list(zip(*(at[origin] for origin in offered), strict=True))
        if split:
            return sum(max(0, n.quantity - sum(s)) for n, s in zip(wants, stock, strict=True))
        return sum(n.quantity > max(s) for n, s in zip(wants, stock, strict=True))

    parts = [*result.reservations, *result.shortages]
    used = [p for p in origins if p.location in {part.location for part in parts}]
    assert lacking(used) == lacking(origins)
    assert all(lacking([p for p in used if p != left_out]) > lacking(used) for left_out in used)


@pytest.mark.parametrize("split", [False, True])
def test_allocation_of_a_thousand_lines_over_five_locations_is_exact(
    split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each set of locations is compared with the needs at most once, SKU by SKU."""
    most = (2**5 - 1) * 1_000
    assert most <= SEARCH_WORK
    compared = 0

    def counted(have: int, want: int) -> bool:
        nonlocal compared
        compared += 1
        return have >= want

    monkeypatch.setattr(stock, "ge", counted)
    monkeypatch.delattr(stock, "_greedy")  # only the exact search may run
    allocate(*many(1, skus=1_000, locations=5), split)
    assert 0 < compared <= most


def test_location_with_all_goods_serves_alone_at_any_distance() -> None:
    available = stocked(
        {("BER", "BIT"): 5, ("HAM", "SAW"): 5, ("MUC", "BIT"): 5, ("MUC", "SAW"): 5}
    )
    for split in (False, True):
        result = allocate(needs(BIT=5, SAW=5), available, near("BER", "HAM", "MUC"), split)
        assert reserved(result) == [(1, "MUC", 5), (2, "MUC", 5)]


def test_two_locations_beat_three_of_a_greedy_choice() -> None:
    """VIE has most SKUs, but needs two others; HAM and MUC together have all."""
    has = {"VIE": "BCDE", "BER": "A", "PAR": "F", "HAM": "ABC", "MUC": "DEF"}
    available = stocked({(place, sku): 1 for place, skus in has.items() for sku in skus})
    wants = needs(A=1, B=1, C=1, D=1, E=1, F=1)
    for split in (False, True):
        result = allocate(wants, available, near(*has), split)
        assert {r.location for r in result.reservations} == {"HAM", "MUC"}


def test_two_near_locations_beat_a_far_one_with_most_goods() -> None:
    has = {"BER": "A", "HAM": "AB", "MUC": "BC", "VIE": "C"}
    available = stocked({(place, sku): 1 for place, skus in has.items() for sku in skus})
    for split in (False, True):
        result = allocate(needs(A=1, B=1, C=1), available, near(*has), split)
        assert {r.location for r in result.reservations} == {"BER", "MUC"}


def test_far_location_with_all_units_of_a_sku_beats_two_halves_without_split() -> None:
    available = stocked({("BER", "BIT"): 3, ("HAM", "BIT"): 3, ("MUC", "BIT"): 6})
    origins = near("BER", "HAM", "MUC")
    assert reserved(allocate(needs(BIT=6), available, origins, split=False)) == [(1, "MUC", 6)]
    del available[StockKey(location="MUC", sku="BIT")]
    result = allocate(needs(BIT=6), available, origins, split=False)
    assert (reserved(result), short(result)) == ([(1, "BER", 3)], [(1, "BER", 3)])
    assert reserved(allocate(needs(BIT=6), available, origins, split=True)) == [
        (1, "BER", 3),
        (1, "HAM", 3),
    ]


def test_nearest_then_cheapest_then_first_name_serves_among_equals() -> None:
    available = stocked({(location, "BIT"): 5 for location in LOCATIONS})
    for split in (False, True):
        serves = [
            reserved(allocate(needs(BIT=5), available, origins, split))[0][1]
            for origins in (
                near("MUC", "BER"),
                [Origin(location=n, distance=1, cost_minor=c) for n, c in (("BER", 2), ("HAM", 1))],
                [Origin(location=n, distance=1, cost_minor=1) for n in ("HAM", "BER")],
            )
        ]
        assert serves == ["MUC", "HAM", "BER"]


@pytest.mark.parametrize("split", [False, True])
def test_location_outside_the_origins_serves_nothing(split: bool) -> None:
    result = allocate(needs(BIT=1), stocked({("HAM", "BIT"): 5}), near("BER"), split)
    assert (reserved(result), short(result)) == ([], [(1, "BER", 1)])


@pytest.mark.parametrize("split", [False, True])
def test_two_lines_of_a_sku_share_its_stock(split: bool) -> None:
    wants = [Need(line_no=n, sku="BIT", quantity=4) for n in (1, 2)]
    result = allocate(wants, stocked({("BER", "BIT"): 5}), near("BER", "HAM"), split)
    assert reserved(result) == [(1, "BER", 4), (2, "BER", 1)]
    assert short(result) == [(2, "BER", 3)]


def test_allocation_without_needs_is_empty() -> None:
    for origins in (near("BER"), []):
        result = allocate([], stocked({("BER", "BIT"): 5}), origins, split=True)
        assert result == Allocation(reservations=(), shortages=())


@pytest.mark.parametrize("origins", [[], near("BER", "BER")])
def test_missing_or_repeated_origins_are_an_error(origins: list[Origin]) -> None:
    with pytest.raises(ValueError, match="origins"):
        allocate(needs(BIT=1), {}, origins, split=False)


@given(value=st.integers(0, 10**15), parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
def test_issue_costs_add_up_to_the_value_of_the_stock(value: int, parts: list[int]) -> None:
    """The value never goes below zero in between."""
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
def test_issue_cost_is_the_average_to_half_a_minor_unit(
    value: int, on_hand: int, taken: int
) -> None:
    quantity = min(taken, on_hand)
    assert abs(2 * (issue_cost(value, on_hand, quantity) * on_hand - value * quantity)) <= on_hand


@pytest.mark.parametrize(
    ("value", "on_hand", "quantity", "cost"),
    [(100, 3, 1, 33), (67, 2, 1, 34), (33, 1, 1, 33), (1, 2, 1, 1), (0, 1, 1, 0), (100, 3, 0, 0)],
)
def test_issue_costs_by_example(value: int, on_hand: int, quantity: int, cost: int) -> None:
    assert issue_cost(value, on_hand, quantity) == cost
