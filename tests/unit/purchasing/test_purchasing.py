"""Purchasing: whole packs, minimums, price breaks, the best offer, and landed cost."""

from datetime import date, timedelta
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.offers import (
    ComparedOffer,
    Comparison,
    Offer,
    Requirement,
    TrackRecord,
    compare_offers,
    purchase_quantity,
)
from models.purchasing import (
    ArrivedUnits,
    LandedValue,
    PurchaseOrderState,
    freight_of_arrived,
    landed_value,
)

TODAY = date(2026, 11, 1)

units = st.integers(1, 10_000)


def day(number: int) -> date:
    """Return the day `number` days from today."""
    return TODAY + timedelta(days=number)


def offer(
    supplier_id: str = "ACME",
    unit_cost_minor: int = 1_000,
    *,
    minimum: int = 1,
    pack: int = 1,
    lead_time_days: int = 5,
    price_break: tuple[int, int] | None = None,
    freight: int = 0,
    duty_ppm: int = 0,
    valid_until: date | None = None,
) -> Offer:
    """Make an offer for the SKU."""
    return Offer(
        supplier_id=supplier_id,
        sku="DRILL",
        unit_cost_minor=unit_cost_minor,
        currency="EUR",
        minimum_quantity=minimum,
        pack_size=pack,
        lead_time_days=lead_time_days,
        break_quantity=price_break[0] if price_break else None,
        break_unit_cost_minor=price_break[1] if price_break else None,
        freight_cost_minor=freight,
        duty_ppm=duty_ppm,
        valid_until=valid_until,
    )


def record(days: float | None = None, fill_rate_ppm: int | None = None) -> TrackRecord:
    """Make a track record."""
    return TrackRecord(orders=3, mean_lead_time_days=days, fill_rate_ppm=fill_rate_ppm)


def wanting(short: int, restock: int = 0, needed_by: date | None = None) -> Requirement:
    """Make a requirement of the SKU."""
    return Requirement(sku="DRILL", short=short, restock=restock, needed_by=needed_by)


def compared(
    requirement: Requirement,
    *offers: Offer,
    records: dict[str, TrackRecord] | None = None,
    excluded: dict[str, str] | None = None,
) -> Comparison:
    """Compare offers as of today."""
    return compare_offers(requirement, offers, records or {}, TODAY, excluded or {})


def bought(short: int, *offers: Offer) -> ComparedOffer:
    """Return the chosen offer for a shortage."""
    chosen = compared(wanting(short), *offers).chosen
    assert chosen is not None
    return chosen


def ranking(comparison: Comparison) -> list[str]:
    """Return the suppliers of a comparison, the best first."""
    return [row.supplier_id for row in comparison.rows]


some_offers = st.lists(
    st.builds(
        offer,
        st.sampled_from("ABCDEFGH"),
        st.integers(0, 20),
        minimum=st.integers(1, 40),
        pack=st.integers(1, 12),
        lead_time_days=st.integers(0, 3),
        price_break=st.none() | st.tuples(st.integers(1, 80), st.integers(0, 20)),
        freight=st.integers(0, 50),
        duty_ppm=st.sampled_from((0, 35_000, 200_000)),
        valid_until=st.none() | st.integers(-2, 2).map(day),
    ),
    unique_by=lambda o: o.supplier_id,
    max_size=8,
)
some_records = st.dictionaries(
    st.sampled_from("ABCDEFGH"),
    st.builds(
        record,
        st.none() | st.floats(0, 6),
        st.none() | st.sampled_from((0, 500_000, 900_000, 1_000_000, 1_100_000)),
    ),
)
some_excluded = st.dictionaries(st.sampled_from("ABCDEFGH"), st.just("quality"), max_size=2)
some_requirements = st.builds(
    wanting,
    st.integers(0, 60),
    st.integers(0, 60),
    st.none() | st.integers(0, 5).map(day),
)
some_questions = st.tuples(some_requirements, some_offers, some_records, some_excluded)
Question = tuple[Requirement, list[Offer], dict[str, TrackRecord], dict[str, str]]


def answer(question: Question) -> Comparison:
    """Compare offers as of today."""
    requirement, offers, records, excluded = question
    return compare_offers(requirement, offers, records, TODAY, excluded)


@given(short=units, minimum=units, pack=units)
def test_purchase_covers_shortage_and_minimum_in_whole_packs(
    short: int, minimum: int, pack: int
) -> None:
    quantity = purchase_quantity(short, minimum, pack)
    assert quantity >= short
    assert quantity >= minimum
    assert quantity % pack == 0


@given(short=units, minimum=units, pack=units)
def test_one_pack_less_is_not_enough(short: int, minimum: int, pack: int) -> None:
    assert purchase_quantity(short, minimum, pack) - pack < max(short, minimum)


@pytest.mark.parametrize(
    ("short", "minimum", "pack", "quantity"),
    [(1, 1, 1, 1), (7, 1, 5, 10), (10, 1, 5, 10), (1, 12, 5, 15), (11, 10, 10, 20), (0, 3, 2, 4)],
)
def test_quantities_by_example(short: int, minimum: int, pack: int, quantity: int) -> None:
    assert purchase_quantity(short, minimum, pack) == quantity


@given(question=some_questions)
def test_comparison_has_a_row_for_every_offer(question: Question) -> None:
    requirement, offers, _, _ = question
    rows = {row.supplier_id: row for row in answer(question).rows}
    assert set(rows) == {o.supplier_id for o in offers}
    for o in offers:
        row = rows[o.supplier_id]
        assert row.quantity >= max(1, requirement.short + requirement.restock)
        assert row.quantity >= o.minimum_quantity
        assert row.quantity % o.pack_size == 0
        assert row.unit_cost_minor == o.unit_cost_with_price_break(row.quantity)
        assert row.goods_minor == row.quantity * row.unit_cost_minor
        assert row.landed_minor == row.goods_minor + row.freight_minor + row.duty_minor
        assert abs(row.duty_minor * 10**6 - row.goods_minor * o.duty_ppm) <= 5 * 10**5


@given(question=some_questions)
def test_price_break_never_makes_a_purchase_dearer(question: Question) -> None:
    """Compared with every number of packs from the sufficient one up to the price break."""
    requirement, offers, _, _ = question
    rows = {row.supplier_id: row for row in answer(question).rows}
    for o in offers:
        enough = purchase_quantity(requirement.wanted, o.minimum_quantity, o.pack_size)
        last = max(
            enough, purchase_quantity(o.break_quantity or 0, o.minimum_quantity, o.pack_size)
        )
        costs = []
        for quantity in range(enough, last + 1, o.pack_size):
            goods = quantity * o.unit_cost_with_price_break(quantity)
            duty = int(Fraction(goods * o.duty_ppm, 10**6) + Fraction(1, 2))
            costs.append((goods + duty + o.freight_cost_minor, quantity))
        row = rows[o.supplier_id]
        assert (row.landed_minor, row.quantity) == min(costs)


@settings(max_examples=300)
@given(question=some_questions)
def test_no_usable_offer_is_better_than_the_chosen_one_by_all_criteria(question: Question) -> None:
    """No offer on time loses to a late one, and one is chosen wherever one is usable."""
    comparison = answer(question)
    possible = [row for row in comparison.rows if row.why_not is None]
    chosen = comparison.chosen
    assert (chosen is None) == (not possible)
    if chosen is None:
        return
    assert chosen.why_not is None

    def merits(row: ComparedOffer) -> tuple[int, int, int, int]:
        return (
            int(row.on_time),
            -row.landed_minor,
            row.fill_rate_ppm,
            -row.expected_lead_time_days,
        )

    for other in possible:
        theirs, ours = merits(other), merits(chosen)
        assert not (theirs != ours and all(t >= o for t, o in zip(theirs, ours, strict=True)))
        assert chosen.on_time >= other.on_time


@given(question=some_questions)
def test_comparison_is_sorted_by_cost_of_a_delivered_unit(question: Question) -> None:
    """Usable offers first, then those on time, then the earliest; then exact cost.

    Suppliers without deliveries are last.
    """
    requirement = question[0]
    keys = []
    for row in answer(question).rows:
        fill = Fraction(row.fill_rate_ppm, 10**6)
        cost = Fraction(row.landed_minor, requirement.wanted) / fill if fill else Fraction(10**9)
        late_on = row.expected_date if not row.on_time else TODAY
        keys.append((row.why_not is not None, not row.on_time, late_on, cost))
    assert keys == sorted(keys)


@given(question=some_questions, shuffle=st.randoms(use_true_random=False))
def test_comparison_does_not_depend_on_the_order_of_offers(
    question: Question, shuffle: Random
) -> None:
    requirement, offers, records, excluded = question
    turned = shuffle.sample(offers, len(offers))
    assert answer((requirement, turned, records, excluded)) == answer(question)


@given(question=some_questions)
def test_comparison_survives_json(question: Question) -> None:
    comparison = answer(question)
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison
    assert comparison.reason
    assert "\n" not in comparison.reason


def test_large_minimum_outweighs_a_low_unit_cost() -> None:
    bulk, single = offer("BULK", 100, minimum=1_000), offer("SINGLE", 900)
    assert bought(10, bulk, single).supplier_id == "SINGLE"
    assert bought(900, bulk, single).supplier_id == "BULK"


def test_restocked_units_count_as_wanted() -> None:
    bulk, single = offer("BULK", 100, minimum=1_000), offer("SINGLE", 900)
    comparison = compared(wanting(10, restock=890), bulk, single)
    assert comparison.chosen is not None
    assert (comparison.chosen.supplier_id, comparison.chosen.quantity) == ("BULK", 1_000)


def test_reason_names_the_wanted_units() -> None:
    """BULK's units are cheaper, but not sold in tens."""
    bulk, single = offer("BULK", 100, minimum=1_000), offer("SINGLE", 900)
    comparison = compared(wanting(10), bulk, single)
    assert ranking(comparison) == ["SINGLE", "BULK"]
    assert comparison.reason == "lowest landed cost for the 10 units wanted, of 2 offers"
    one = compared(wanting(1), bulk, single)
    assert one.reason == "lowest landed cost for the 1 unit wanted, of 2 offers"


def test_quantity_is_raised_to_a_price_break_that_costs_less() -> None:
    """90 at 10.00 are 900.00, 100 at 8.50 are 850.00, 80 at 10.00 are 800.00."""
    broken = offer(price_break=(100, 850))
    row = bought(90, broken)
    assert (row.quantity, row.unit_cost_minor, row.landed_minor) == (100, 850, 85_000)
    row = bought(80, broken)
    assert (row.quantity, row.unit_cost_minor, row.landed_minor) == (80, 1_000, 80_000)
    row = bought(150, broken)
    assert (row.quantity, row.unit_cost_minor) == (150, 850)


def test_price_break_is_rounded_up_to_packs() -> None:
    assert bought(90, offer(pack=12, price_break=(100, 800))).quantity == 108


def test_landed_cost_includes_freight_and_duty() -> None:
    """ABROAD: 10 * 8.00 + 15.00 + 10 % of 80.00 = 103.00; HERE: 100.00."""
    abroad, here = offer("ABROAD", 800, freight=1_500, duty_ppm=100_000), offer("HERE")
    comparison = compared(wanting(10), abroad, here)
    assert ranking(comparison) == ["HERE", "ABROAD"]
    assert comparison.rows[1].landed_minor == 10_300
    assert ranking(compared(wanting(100), abroad, here)) == ["ABROAD", "HERE"]


def test_arrival_in_time_outweighs_cost() -> None:
    late, dear, dearer = offer("LATE", 1, lead_time_days=31), offer("DEAR"), offer("MORE", 1_001)
    comparison = compared(wanting(5, needed_by=day(30)), late, dearer, dear)
    assert ranking(comparison) == ["DEAR", "MORE", "LATE"]
    assert [row.on_time for row in comparison.rows] == [True, True, False]
    assert comparison.reason == (
        "lowest landed cost for the 5 units wanted, of 2 offers that arrive by 2026-12-01"
    )


def test_earliest_arrival_wins_where_all_are_late() -> None:
    """Cost decides between offers of the same day."""
    slow = offer("SLOW", 100, lead_time_days=120)
    fast, dear = offer("FAST", 101, lead_time_days=2), offer("DEAR", 102, lead_time_days=2)
    comparison = compared(wanting(1, needed_by=day(1)), slow, dear, fast)
    assert ranking(comparison) == ["FAST", "DEAR", "SLOW"]
    assert comparison.reason == (
        "no offer arrives by 2026-11-02: lowest landed cost for the 1 unit wanted, of 2 offers that "
        "arrive first"
    )


def test_expected_lead_time_is_the_larger_of_quoted_and_observed() -> None:
    records = {"A": record(days=9.2), "B": record(days=2), "C": record()}
    offers = [offer(name, lead_time_days=5) for name in "ABCD"]
    rows = compared(wanting(1), *offers, records=records).rows
    assert {row.supplier_id: row.expected_lead_time_days for row in rows} == {
        **{"A": 10, "B": 5},
        **{"C": 5, "D": 5},
    }
    assert {row.expected_date for row in rows} == {day(5), day(10)}


def test_fill_rate_of_half_doubles_the_cost() -> None:
    half, whole = offer("HALF", 600), offer("WHOLE", 1_000)
    records = {"HALF": record(fill_rate_ppm=500_000)}
    comparison = compared(wanting(10), half, whole, records=records)
    assert ranking(comparison) == ["WHOLE", "HALF"]
    assert comparison.reason == (
        "lowest landed cost for the 10 units wanted, by observed fill rates, of 2 offers: "
        "HALF costs less and has delivered 50 % of the ordered units"
    )


def test_supplier_without_deliveries_is_last() -> None:
    records = {"NEVER": record(fill_rate_ppm=0)}
    comparison = compared(wanting(10), offer("NEVER", 1), offer("DEAR", 10**9), records=records)
    assert ranking(comparison) == ["DEAR", "NEVER"]


def test_shorter_lead_time_wins_at_equal_cost() -> None:
    slow, fast = offer("A", lead_time_days=9), offer("B", lead_time_days=2)
    assert bought(5, slow, fast).supplier_id == "B"
    assert (
        compared(wanting(5), slow, fast).reason
        == "as cheap as A and with a shorter lead time, of 2 offers"
    )


def test_better_fill_rate_then_first_id_win_at_equal_cost_and_lead_time() -> None:
    assert bought(5, offer("B"), offer("C"), offer("A")).supplier_id == "A"
    assert compared(wanting(5), offer("B"), offer("A")).reason == (
        "as good as B by all criteria and first by name, of 2 offers"
    )
    free = [offer("A", 0), offer("B", 0)]
    comparison = compared(wanting(5), *free, records={"A": record(fill_rate_ppm=900_000)})
    assert ranking(comparison) == ["B", "A"]
    assert comparison.reason == "as cheap as A and with a better fill rate, of 2 offers"


def test_unusable_offers_have_a_reason() -> None:
    """The last day of an offer is included."""
    old, last = offer("OLD", 1, valid_until=day(-1)), offer("LAST", valid_until=day(0))
    comparison = compared(wanting(5), old, last, offer("BAD", 2), excluded={"BAD": "recall of May"})
    assert {row.supplier_id: row.why_not for row in comparison.rows} == {
        **{"LAST": None, "OLD": "expired on 2026-10-31"},
        "BAD": "recall of May",
    }
    assert comparison.chosen == comparison.rows[0]
    assert comparison.reason == "the only offer that can be used"


@pytest.mark.parametrize(
    ("offers", "needed_by", "reason"),
    [
        ([], None, "no supplier offers DRILL"),
        (["X"], None, "no offer can be used (X: recall)"),
        (["A"], None, "the only offer that can be used"),
        (["A"], day(30), "the only offer that can be used"),
        (["A", "B"], None, "as cheap as B and with a shorter lead time, of 2 offers"),
        (["A", "B"], day(5), "the only one of 2 offers that arrives by 2026-11-06"),
        (["B", "C"], day(5), "no offer arrives by 2026-11-06: lowest landed cost for the 5 units wanted, of 2 offers that arrive first"),
        (["A", "B", "C"], day(4), "no offer arrives by 2026-11-05: the earliest of 3 offers"),
        (["B"], day(5), "no offer arrives by 2026-11-06: the only offer that can be used"),
    ],
)  # fmt: skip
def test_reasons_by_example(offers: list[str], needed_by: date | None, reason: str) -> None:
    examples = {
        "A": offer("A"),
        "B": offer("B", lead_time_days=6),
        "C": offer("C", 1_001, lead_time_days=6),
        "X": offer("X"),
    }
    requirement = wanting(5, needed_by=needed_by)
    comparison = compared(requirement, *(examples[o] for o in offers), excluded={"X": "recall"})
    assert comparison.reason == reason


def test_offers_of_other_skus_are_ignored() -> None:
    other = offer("OTHER", 1).model_copy(update={"sku": "SAW"})
    assert ranking(compared(wanting(5), other, offer())) == ["ACME"]


def test_offers_in_several_currencies_are_an_error() -> None:
    foreign = offer("FOREIGN").model_copy(update={"currency": "USD"})
    with pytest.raises(ValueError, match="currencies"):
        compared(wanting(5), foreign, offer())


@given(
    parts=st.lists(st.integers(1, 500), min_size=1, max_size=10),
    unit_cost=st.integers(0, 10**7),
    freight=st.integers(0, 10**9),
    duty_ppm=st.integers(0, 10**6),
)
def test_receipts_bear_exactly_the_whole_freight_and_duty(
    parts: list[int], unit_cost: int, freight: int, duty_ppm: int
) -> None:
    """In whatever parts goods arrive: no part is negative, each is exact to a minor unit."""
    ordered, received, taken, values = sum(parts), 0, 0, list[LandedValue]()
    for part in parts:
        units = received + part
        line = ArrivedUnits(unit_cost_minor=unit_cost, received=units, due=ordered - units)
        bears = freight_of_arrived(freight, [line]) - taken
        value = landed_value(received, part, unit_cost, bears, duty_ppm)
        assert min(value.freight_minor, value.duty_minor) >= 0
        assert abs(value.freight_minor - Fraction(freight * part, ordered)) <= 1
        received, taken = units, taken + bears
        values.append(value)
    assert sum(v.goods_minor for v in values) == ordered * unit_cost
    assert taken == freight
    whole = landed_value(0, ordered, unit_cost, freight, duty_ppm)
    assert sum(v.total_minor for v in values) == whole.total_minor


def arrived(unit_cost_minor: int, received: int, due: int) -> ArrivedUnits:
    """Make the received and due units of a line."""
    return ArrivedUnits(unit_cost_minor=unit_cost_minor, received=received, due=due)


def test_freight_is_borne_by_value_of_received_and_due_goods() -> None:
    """Excess units bear no more once all is received; units that will not come bear none."""
    assert freight_of_arrived(1_200, [arrived(800, 10, 0), arrived(2_000, 0, 6)]) == 480
    assert freight_of_arrived(1_200, [arrived(800, 10, 0), arrived(2_000, 6, 0)]) == 1_200
    assert freight_of_arrived(1_200, [arrived(800, 11, 0)]) == 1_200
    assert freight_of_arrived(1_200, [arrived(800, 2, 0), arrived(2_000, 0, 0)]) == 1_200
    assert freight_of_arrived(1_200, [arrived(0, 1, 2), arrived(0, 0, 1)]) == 300
    assert freight_of_arrived(1_200, [arrived(800, 0, 0)]) == 0


def test_purchase_order_states_are_open_received_or_failed() -> None:
    """Each state is exactly one of them."""
    state = PurchaseOrderState
    opened = [s for s in state if s.is_open]
    failed = [s for s in state if s.has_failed]
    received = [s for s in state if not s.is_open and not s.has_failed]
    assert opened == [state.PLANNED, state.SENDING, state.SENT, state.ACKNOWLEDGED, state.SHIPPED]
    assert received == [state.RECEIVED, state.INVOICED, state.CLOSED]
    assert failed == [state.REFUSED, state.LAPSED, state.CANCELLED]
    assert [s for s in state if s.is_over] == [state.INVOICED, state.CLOSED, *failed]
