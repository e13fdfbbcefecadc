"""Stock: nothing is promised twice, nothing is lost, no value appears or vanishes."""

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
"""Units below zero are not to be, and must do no harm."""
some_places = st.lists(
    st.builds(
        Origin,
        location=st.sampled_from(LOCATIONS),
        distance=st.integers(0, 3),
        cost_minor=st.integers(0, 2),
    ),
    unique_by=lambda place: place.location,
    min_size=1,
    max_size=4,
)
"""Near each other, so that ties are common."""


def needs(**wants: int) -> list[Need]:
    """One line per SKU."""
    lines = enumerate(wants.items(), start=1)
    return [Need(line_no=number, sku=sku, quantity=quantity) for number, (sku, quantity) in lines]


def near(*locations: str) -> list[Origin]:
    """Locations, the nearest first; handling costs the same."""
    return [Origin(location=name, distance=n, cost_minor=0) for n, name in enumerate(locations)]


def wanted_of(wants: list[Need]) -> dict[str, int]:
    """How many units of each SKU all lines want."""
    wanted: dict[str, int] = {}
    for need in wants:
        wanted[need.sku] = wanted.get(need.sku, 0) + need.quantity
    return wanted


def reserved(allocation: Allocation) -> list[tuple[int, str, int]]:
    """Reservations in words: line, location, units."""
    return [(r.line_no, r.location, r.quantity) for r in allocation.reservations]


def short(allocation: Allocation) -> list[tuple[int, str, int]]:
    """Shortages in words: line, location, units."""
    return [(s.line_no, s.location, s.quantity) for s in allocation.shortages]


def distances(used: set[str], places: list[Origin]) -> tuple[int, int, list[str]]:
    """The tail of both objectives."""
    chosen = [place for place in places if place.location in used]
    far = sum(place.distance for place in chosen)
    return far, sum(place.cost_minor for place in chosen), sorted(used)


def objective(allocation: Allocation, places: list[Origin], split: bool) -> Objective:
    """What `allocate` promises to make smallest, of one outcome."""
    lacking = sum(s.quantity for s in allocation.shortages)
    used = {r.location for r in allocation.reservations}
    if split:
        return (0, lacking, len(used), *distances(used, places))
    used |= {s.location for s in allocation.shortages}
    skus = len({s.sku for s in allocation.shortages})
    return (skus, len(used), lacking, *distances(used, places))


def best_whole(wants: list[Need], available: Available, places: list[Origin]) -> Objective:
    """By brute force: every location for every SKU."""
    wanted = wanted_of(wants)
    outcomes = []
    for homes in product([place.location for place in places], repeat=len(wanted)):
        lacking = [
            max(0, units - max(0, available.get(StockKey(location=home, sku=sku), 0)))
            for (sku, units), home in zip(wanted.items(), homes, strict=True)
        ]
        used = set(homes)
        skus = sum(units > 0 for units in lacking)
        outcomes.append((skus, len(used), sum(lacking), *distances(used, places)))
    return min(outcomes)


def best_split(wants: list[Need], available: Available, places: list[Origin]) -> Objective:
    """By brute force: every number of units of every SKU from every location."""
    ways = []
    for sku, units in wanted_of(wants).items():
        stock = [available.get(StockKey(location=place.location, sku=sku), 0) for place in places]
        takes = product(*(range(min(units, max(0, s)) + 1) for s in stock))
        names = [place.location for place in places]
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
    return min((0, lacking, len(used), *distances(set(used), places)) for lacking, used in outcomes)


def keeps_its_promises(
    wants: list[Need], available: Available, places: list[Origin], result: Allocation
) -> None:
    """Neither lost nor invented: the needs exactly, and no more than there is."""
    given_out = [*result.reservations, *result.shortages]
    for need in wants:
        parts = [part for part in given_out if part.line_no == need.line_no]
        assert sum(part.quantity for part in parts) == need.quantity
        assert {part.sku for part in parts} == {need.sku}
    assert all(part.quantity > 0 for part in given_out)
    assert {part.location for part in given_out} <= {place.location for place in places}
    taken: Available = {}
    for part in result.reservations:
        taken[part.key] = taken.get(part.key, 0) + part.quantity
    assert all(units <= available.get(key, 0) for key, units in taken.items())


@given(wants=some_needs, available=some_stock, places=some_places, split=st.booleans())
def test_the_needs_are_met_exactly_and_nothing_is_promised_twice(
    wants: list[Need], available: Available, places: list[Origin], split: bool
) -> None:
    keeps_its_promises(wants, available, places, allocate(wants, available, places, split))


@settings(max_examples=400)
@given(wants=some_needs, available=some_stock, places=some_places)
def test_no_whole_assignment_is_better(
    wants: list[Need], available: Available, places: list[Origin]
) -> None:
    result = allocate(wants, available, places, split=False)
    assert objective(result, places, False) == best_whole(wants, available, places)


@settings(max_examples=400)
@given(wants=some_needs, available=some_stock, places=some_places)
def test_no_split_assignment_is_better(
    wants: list[Need], available: Available, places: list[Origin]
) -> None:
    result = allocate(wants, available, places, split=True)
    assert objective(result, places, True) == best_split(wants, available, places)


@given(wants=some_needs, available=some_stock, places=some_places)
def test_without_split_a_sku_stays_together(
    wants: list[Need], available: Available, places: list[Origin]
) -> None:
    """Every line of it, what is short included."""
    result = allocate(wants, available, places, split=False)
    homes: dict[str, set[str]] = {}
    for part in [*result.reservations, *result.shortages]:
        homes.setdefault(part.sku, set()).add(part.location)
    assert all(len(locations) == 1 for locations in homes.values())


@given(wants=some_needs, available=some_stock, places=some_places, split=st.booleans())
def test_a_sku_is_reserved_as_far_as_the_locations_used_have_it(
    wants: list[Need], available: Available, places: list[Origin], split: bool
) -> None:
    """Without split of its own location; with it of all of them."""
    result = allocate(wants, available, places, split)
    for sku, units in wanted_of(wants).items():
        lacking = [s for s in result.shortages if s.sku == sku]
        where = [p.location for p in places] if split else {s.location for s in lacking}
        there = sum(
            max(0, available.get(StockKey(location=location, sku=sku), 0)) for location in where
        )
        if lacking:
            assert sum(s.quantity for s in lacking) == units - there


@given(wants=some_needs, available=some_stock, places=some_places)
def test_with_split_shortages_are_at_the_nearest_location_used(
    wants: list[Need], available: Available, places: list[Origin]
) -> None:
    result = allocate(wants, available, places, split=True)
    used = {r.location for r in result.reservations}
    possible = [p for p in places if p.location in used] or places
    nearest = min(possible, key=lambda p: (p.distance, p.cost_minor, p.location))
    assert {s.location for s in result.shortages} <= {nearest.location}


@given(wants=some_needs, available=some_stock, places=some_places)
def test_with_split_nearer_locations_are_emptied_first(
    wants: list[Need], available: Available, places: list[Origin]
) -> None:
    """Whoever is followed by a farther one has nothing left."""
    result = allocate(wants, available, places, split=True)
    order = sorted(places, key=lambda p: (p.distance, p.cost_minor, p.location))
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
    places=some_places,
    split=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_same_question_has_the_same_answer(
    wants: list[Need], available: Available, places: list[Origin], split: bool, shuffle: Random
) -> None:
    """In whichever order everything was read; and what was asked with is left as it was."""
    before = dict(available)
    turned = dict(shuffle.sample(list(available.items()), len(available)))
    again = allocate(
        shuffle.sample(wants, len(wants)), turned, shuffle.sample(places, len(places)), split
    )
    assert allocate(wants, available, places, split) == again
    assert available == before


def many(seed: int, skus: int, locations: int) -> tuple[list[Need], Available, list[Origin]]:
    """A large question, the same for the same seed."""
    draw = Random(seed)
    wants = [Need(line_no=n, sku=f"S{n}", quantity=draw.randint(1, 9)) for n in range(skus)]
    places = [
        Origin(location=f"L{n}", distance=draw.randint(0, 900), cost_minor=draw.randint(0, 900))
        for n in range(locations)
    ]
    available = {
        StockKey(location=place.location, sku=need.sku): draw.randint(-2, 12)
        for place in places
        for need in wants
        if draw.random() < 0.3
    }
    return wants, available, places


@given(seed=st.integers(0, 10**6), split=st.booleans())
def test_beyond_the_exact_search_everything_but_the_fewest_consignments_holds(
    seed: int, split: bool
) -> None:
    """Nothing is lost or oversold, as little is short as can be, and no location is superfluous."""
    wants, available, places = many(seed, skus=40, locations=24)
    assert sum(comb(24, size) for size in range(1, 5)) * 40 > SEARCH_WORK
    result = allocate(wants, available, places, split)
    keeps_its_promises(wants, available, places, result)

    def lacking(offered: list[Origin]) -> int:
        stock = [
            [max(0, available.get(StockKey(location=p.location, sku=n.sku), 0)) for p in offered]
            for n in wants
        ]
        if split:
            return sum(max(0, n.quantity - sum(s)) for n, s in zip(wants, stock, strict=True))
        return sum(n.quantity > max(s) for n, s in zip(wants, stock, strict=True))

    parts = [*result.reservations, *result.shortages]
    used = [p for p in places if p.location in {part.location for part in parts}]
    assert lacking(used) == lacking(places)
    assert all(lacking([p for p in used if p != left_out]) > lacking(used) for left_out in used)


@pytest.mark.parametrize("split", [False, True])
def test_a_thousand_lines_over_five_locations_are_exact_within_the_counted_work(
    split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every set of locations is compared at most once with what is wanted, SKU by SKU."""
    most = (2**5 - 1) * 1_000
    assert most <= SEARCH_WORK
    compared = 0

    def counted(have: int, want: int) -> bool:
        nonlocal compared
        compared += 1
        return have >= want

    monkeypatch.setattr(stock, "ge", counted)
    monkeypatch.delattr(stock, "_greedy")  # what isn't exact isn't needed
    allocate(*many(1, skus=1_000, locations=5), split)
    assert 0 < compared <= most


def test_one_location_that_has_everything_is_alone_however_far() -> None:
    available = stocked(
        {("BER", "BIT"): 5, ("HAM", "SAW"): 5, ("MUC", "BIT"): 5, ("MUC", "SAW"): 5}
    )
    for split in (False, True):
        result = allocate(needs(BIT=5, SAW=5), available, near("BER", "HAM", "MUC"), split)
        assert reserved(result) == [(1, "MUC", 5), (2, "MUC", 5)]


def test_two_locations_beat_the_three_that_a_greedy_choice_takes() -> None:
    """VIE has most, but then needs two others; HAM and MUC do it alone."""
    has = {"VIE": "BCDE", "BER": "A", "PAR": "F", "HAM": "ABC", "MUC": "DEF"}
    available = stocked({(place, sku): 1 for place, skus in has.items() for sku in skus})
    wants = needs(A=1, B=1, C=1, D=1, E=1, F=1)
    for split in (False, True):
        result = allocate(wants, available, near(*has), split)
        assert {r.location for r in result.reservations} == {"HAM", "MUC"}


def test_two_near_locations_beat_the_far_one_that_has_most() -> None:
    has = {"BER": "A", "HAM": "AB", "MUC": "BC", "VIE": "C"}
    available = stocked({(place, sku): 1 for place, skus in has.items() for sku in skus})
    for split in (False, True):
        result = allocate(needs(A=1, B=1, C=1), available, near(*has), split)
        assert {r.location for r in result.reservations} == {"BER", "MUC"}


def test_without_split_a_far_location_that_has_a_sku_whole_is_better_than_two_halves() -> None:
    available = stocked({("BER", "BIT"): 3, ("HAM", "BIT"): 3, ("MUC", "BIT"): 6})
    places = near("BER", "HAM", "MUC")
    assert reserved(allocate(needs(BIT=6), available, places, split=False)) == [(1, "MUC", 6)]
    del available[StockKey(location="MUC", sku="BIT")]
    result = allocate(needs(BIT=6), available, places, split=False)
    assert (reserved(result), short(result)) == ([(1, "BER", 3)], [(1, "BER", 3)])
    assert reserved(allocate(needs(BIT=6), available, places, split=True)) == [
        (1, "BER", 3),
        (1, "HAM", 3),
    ]


def test_among_equals_the_nearest_then_the_cheapest_then_the_first_by_name_serves() -> None:
    available = stocked({(location, "BIT"): 5 for location in LOCATIONS})
    for split in (False, True):
        serves = [
            reserved(allocate(needs(BIT=5), available, places, split))[0][1]
            for places in (
                near("MUC", "BER"),
                [Origin(location=n, distance=1, cost_minor=c) for n, c in (("BER", 2), ("HAM", 1))],
                [Origin(location=n, distance=1, cost_minor=1) for n in ("HAM", "BER")],
            )
        ]
        assert serves == ["MUC", "HAM", "BER"]


@pytest.mark.parametrize("split", [False, True])
def test_a_location_that_is_not_offered_serves_nothing(split: bool) -> None:
    result = allocate(needs(BIT=1), stocked({("HAM", "BIT"): 5}), near("BER"), split)
    assert (reserved(result), short(result)) == ([], [(1, "BER", 1)])


@pytest.mark.parametrize("split", [False, True])
def test_two_lines_of_a_sku_share_its_stock(split: bool) -> None:
    wants = [Need(line_no=n, sku="BIT", quantity=4) for n in (1, 2)]
    result = allocate(wants, stocked({("BER", "BIT"): 5}), near("BER", "HAM"), split)
    assert reserved(result) == [(1, "BER", 4), (2, "BER", 1)]
    assert short(result) == [(2, "BER", 3)]


def test_no_needs_need_nothing() -> None:
    for places in (near("BER"), []):
        result = allocate([], stocked({("BER", "BIT"): 5}), places, split=True)
        assert result == Allocation(reservations=(), shortages=())


@pytest.mark.parametrize("places", [[], near("BER", "BER")])
def test_needs_want_places_each_named_once(places: list[Origin]) -> None:
    with pytest.raises(ValueError, match="places"):
        allocate(needs(BIT=1), {}, places, split=False)


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
