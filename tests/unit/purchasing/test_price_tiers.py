"""Test price tiers: the offer that counts for a quantity, and purchases raised to a later tier."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.offers import ComparedOffer, Offer, Requirement, TrackRecord, compare_offers
from models.price_tiers import PriceTier, tier_doubts, tier_errors

TODAY = date(2026, 11, 1)


def tier(from_quantity: int, unit_cost_minor: int, **terms: Any) -> Offer:
    """Make a price tier of ACME's offer; `terms` replace its fields."""
    fields = {
        "supplier_id": "ACME",
        "sku": "BIT",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 5,
        "break_quantity": None,
        "break_unit_cost_minor": None,
        "freight_cost_minor": 0,
        "duty_ppm": 0,
        "valid_until": None,
    }
    return Offer.model_validate(
        fields | {"from_quantity": from_quantity, "unit_cost_minor": unit_cost_minor} | terms
    )


def bought(wanted: int, *offers: Offer, needed_by: date | None = None) -> ComparedOffer:
    """Return the chosen purchase of `wanted` units."""
    requirement = Requirement(sku="BIT", short=wanted, restock=0, needed_by=needed_by)
    chosen = compare_offers(requirement, offers, {}, TODAY, {}).chosen
    assert chosen is not None
    return chosen


THREE = (tier(1, 1_000), tier(50, 900), tier(200, 800))
PACKED = tuple(offer.model_copy(update={"pack_size": 12}) for offer in THREE)
DEARER = (tier(1, 1_000), tier(50, 1_100))
PAST = (tier(1, 1_000), tier(50, 900, valid_until=TODAY - timedelta(days=1)))
FREE_FREIGHT = (tier(1, 1_000, freight_cost_minor=5_000), tier(50, 1_000))
SLOWER = (tier(1, 1_000), tier(50, 700, lead_time_days=20))
MINIMUM = (tier(1, 1_000, minimum_quantity=10), tier(50, 900, minimum_quantity=10))
BREAK = (tier(1, 1_000, break_quantity=20, break_unit_cost_minor=950), tier(50, 900))
ABOVE = (tier(1, 1_000, pack_size=12, break_quantity=45, break_unit_cost_minor=1), tier(48, 900))
SOON = TODAY + timedelta(days=7)

PURCHASES = [
    # offers, wanted, needed by: quantity, unit cost
    (THREE, 1, None, 1, 1_000),
    (THREE, 44, None, 44, 1_000),
    (THREE, 45, None, 45, 1_000),  # 450.00 either way: no more than wanted
    (THREE, 46, None, 50, 900),
    (THREE, 50, None, 50, 900),
    (THREE, 177, None, 177, 900),
    (THREE, 178, None, 200, 800),
    (THREE, 5_000, None, 5_000, 800),
    (THREE[::-1], 46, None, 50, 900),
    (PACKED, 40, None, 48, 1_000),
    (PACKED, 49, None, 60, 900),
    (PACKED, 185, None, 204, 800),
    (DEARER, 60, None, 60, 1_100),  # the supplier asks the price of the tier
    (PAST, 60, None, 60, 1_000),
    (FREE_FREIGHT, 44, None, 44, 1_000),
    (FREE_FREIGHT, 46, None, 50, 1_000),
    (SLOWER, 45, SOON, 45, 1_000),
    (SLOWER, 45, None, 50, 700),
    (SLOWER, 50, SOON, 50, 700),  # late: it is the only price of 50 units
    (MINIMUM, 3, None, 10, 1_000),
    (BREAK, 18, None, 18, 1_000),
    (BREAK, 20, None, 20, 950),
    (BREAK, 49, None, 50, 900),
    (ABOVE, 30, None, 36, 1_000),  # whole packs of the break are a purchase by the next tier
]


@pytest.mark.parametrize(("offers", "wanted", "needed_by", "quantity", "unit_cost"), PURCHASES)
def test_tier_of_the_quantity_prices_the_purchase(
    offers: tuple[Offer, ...], wanted: int, needed_by: date | None, quantity: int, unit_cost: int
) -> None:
    row = bought(wanted, *offers, needed_by=needed_by)
    assert (row.quantity, row.unit_cost_minor) == (quantity, unit_cost)
    assert row.goods_minor == quantity * unit_cost


@given(
    wanted=st.integers(1, 120),
    pack=st.integers(1, 15),
    minimum=st.integers(1, 40),
    prices=st.dictionaries(st.integers(2, 100), st.integers(1, 50), max_size=4),
)
def test_no_other_quantity_costs_less(
    wanted: int, pack: int, minimum: int, prices: dict[int, int]
) -> None:
    """Compared with every number of packs, each at the price of its tier."""
    terms = {"pack_size": pack, "minimum_quantity": minimum}
    costs = {1: 40} | prices
    offers = [tier(quantity, cost, **terms) for quantity, cost in costs.items()]

    def cost_of(quantity: int) -> int:
        return quantity * costs[max(least for least in costs if least <= quantity)]

    row = bought(wanted, *offers)
    packs = range(-(-max(wanted, minimum) // pack), 250)
    assert row.landed_minor == min(cost_of(number * pack) for number in packs)
    assert row.landed_minor == cost_of(row.quantity)


def test_supplier_has_one_row_whatever_its_tiers() -> None:
    """The reason counts suppliers, and the tier of the row is named."""
    requirement = Requirement(sku="BIT", short=60, restock=0, needed_by=None)
    rival = tier(1, 950, supplier_id="ZETA")
    records = {"ACME": TrackRecord(orders=1, mean_lead_time_days=None, fill_rate_ppm=None)}
    comparison = compare_offers(requirement, [*THREE, rival], records, TODAY, {})
    assert [(row.supplier_id, row.from_quantity) for row in comparison.rows] == [
        ("ACME", 50),
        ("ZETA", 1),
    ]
    assert comparison.reason.endswith("of 2 offers")
    excluded = compare_offers(requirement, THREE, {}, TODAY, {"ACME": "recall"})
    assert [row.why_not for row in excluded.rows] == ["recall"]


def row(
    from_quantity: int,
    cost: int,
    line: int | None = None,
    at: int | None = None,
    then: int | None = None,
) -> PriceTier:
    """Make a tier of a file, or a stored one."""
    return PriceTier(from_quantity, cost, at, then, line)


ERRORS = [
    ([row(1, 1_000, 2), row(50, 900, 3), row(200, 800, 4)], []),
    ([row(1, 1_000), row(50, 900, 2)], []),
    ([row(50, 900, 2), row(200, 800, 3)], [(2, "fewer than 50 units"), (3, "fewer than 50 units")]),
    ([row(1, 1_000, 2, 50, 900), row(50, 900, 3)], [(2, "break_quantity of line 2, and the from")]),
    ([row(1, 1_000, 2, 60, 900), row(50, 900, 3)], [(2, "as a row with from_quantity 60")]),
    ([row(1, 1_000, None, 60, 900), row(50, 900, 2)], [(2, "in the stored offers (break_quantity")]),
    ([row(1, 1_000, 2, 49, 900), row(50, 900, 3)], []),
    ([row(1, 1_000, 2), row(50, 900, 3, 60, 800)], []),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "errors"), ERRORS)
def test_wrong_tiers_are_named(tiers: list[PriceTier], errors: list[tuple[int, str]]) -> None:
    found = [(one.line, reason) for one, _, reason in tier_errors(tiers)]
    assert [line for line, _ in found] == [line for line, _ in errors]
    for (_, reason), (_, part) in zip(found, errors, strict=True):
        assert part in reason


DOUBTS = [
    ([row(1, 1_000, 2), row(50, 900, 3)], []),
    ([row(1, 1_000, 2), row(50, 1_000, 3)], []),
    ([row(1, 1_000, 2), row(50, 1_100, 3)], ["11.00 from 50 units is above 10.00 from 1 units"]),
    ([row(1, 1_000, 2, 20, 800), row(50, 900, 3)], ["9.00 from 50 units is above 8.00 from 20"]),
    ([row(1, 1_000), row(50, 1_100, 3)], ["11.00 from 50 units is above 10.00 from 1 units"]),
    ([row(1, 1_000, 2), row(50, 1_100)], ["11.00 from 50 units is above 10.00 from 1 units"]),
    ([row(1, 1_000, 2), row(50, 900)], []),
    ([row(1, 1_000, 2), row(50, 900, 3), row(99, 800)], ["8.00 from 99 units is stored"]),
]


@pytest.mark.parametrize(("tiers", "doubts"), DOUBTS)
def test_unlikely_tiers_are_named(tiers: list[PriceTier], doubts: list[str]) -> None:
    found = [reason for _, _, reason in tier_doubts(tiers, "EUR")]
    assert len(found) == len(doubts)
    for reason, part in zip(found, doubts, strict=True):
        assert reason.startswith(part)
