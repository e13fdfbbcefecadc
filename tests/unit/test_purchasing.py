"""Buying what is short: whole packs, the minimum, and the least money."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.purchasing import Offer, Purchase, cheapest_purchase, quantity_to_buy

units = st.integers(1, 10_000)


def offer(
    supplier_id: str = "ACME",
    unit_cost_minor: int = 1_000,
    *,
    minimum: int = 1,
    pack: int = 1,
    lead_time_days: int = 5,
) -> Offer:
    """What a supplier asks for our SKU."""
    return Offer(
        supplier_id=supplier_id,
        sku="DRILL",
        unit_cost_minor=unit_cost_minor,
        currency="EUR",
        minimum_quantity=minimum,
        pack_size=pack,
        lead_time_days=lead_time_days,
    )


def bought(short: int, *offers: Offer) -> Purchase:
    """The cheapest purchase, which there must be."""
    purchase = cheapest_purchase(short, offers)
    assert purchase is not None
    return purchase


some_offers = st.lists(
    st.builds(
        offer,
        st.sampled_from("ABCDEFGH"),
        st.integers(0, 20),
        minimum=st.integers(1, 40),
        pack=st.integers(1, 12),
        lead_time_days=st.integers(0, 3),
    ),
    unique_by=lambda o: o.supplier_id,
    max_size=8,
)


@given(short=units, minimum=units, pack=units)
def test_a_purchase_covers_the_shortage_and_the_minimum_in_whole_packs(
    short: int, minimum: int, pack: int
) -> None:
    quantity = quantity_to_buy(short, minimum, pack)
    assert quantity >= short
    assert quantity >= minimum
    assert quantity % pack == 0


@given(short=units, minimum=units, pack=units)
def test_one_pack_less_would_not_do(short: int, minimum: int, pack: int) -> None:
    assert quantity_to_buy(short, minimum, pack) - pack < max(short, minimum)


@pytest.mark.parametrize(
    ("short", "minimum", "pack", "quantity"),
    [(1, 1, 1, 1), (7, 1, 5, 10), (10, 1, 5, 10), (1, 12, 5, 15), (11, 10, 10, 20), (0, 3, 2, 4)],
)
def test_quantities_by_example(short: int, minimum: int, pack: int, quantity: int) -> None:
    assert quantity_to_buy(short, minimum, pack) == quantity


@given(short=st.integers(1, 60), offers=some_offers)
def test_nothing_cheaper_can_be_bought(short: int, offers: list[Offer]) -> None:
    """Against brute force over every quantity of every offer, ties included."""
    possible = []
    for o in offers:
        packs = (number * o.pack_size for number in count(1))
        quantity = next(q for q in packs if q >= short and q >= o.minimum_quantity)
        possible.append((quantity * o.unit_cost_minor, o.lead_time_days, o.supplier_id, quantity))
    purchase = cheapest_purchase(short, offers)
    if purchase is None:
        assert not possible
    else:
        chosen = purchase.offer
        assert min(possible) == (
            purchase.cost_minor,
            chosen.lead_time_days,
            chosen.supplier_id,
            purchase.quantity,
        )


@given(short=units, offers=some_offers)
def test_the_order_of_the_offers_does_not_matter(short: int, offers: list[Offer]) -> None:
    assert cheapest_purchase(short, offers) == cheapest_purchase(short, offers[::-1])


def test_a_low_unit_cost_behind_a_large_minimum_is_no_bargain() -> None:
    bulk, single = offer("BULK", 100, minimum=1_000), offer("SINGLE", 900)
    assert bought(10, bulk, single).offer == single
    assert bought(900, bulk, single).offer == bulk


def test_among_equal_costs_the_shorter_lead_time_wins() -> None:
    slow, fast = offer("A", lead_time_days=9), offer("B", lead_time_days=2)
    assert bought(5, slow, fast).offer == fast


def test_among_equal_costs_and_lead_times_the_first_supplier_id_wins() -> None:
    assert bought(5, offer("B"), offer("C"), offer("A")).offer.supplier_id == "A"


def test_among_equal_costs_more_units_are_no_reason() -> None:
    """The tie is broken by time, not by getting more for the same money."""
    more = offer("MORE", 500, pack=10, lead_time_days=9)
    fewer = offer("FEWER", 1_000, pack=5, lead_time_days=2)
    assert bought(5, more, fewer) == Purchase(offer=fewer, quantity=5)


def test_where_nobody_offers_nothing_is_bought() -> None:
    assert cheapest_purchase(5, []) is None
