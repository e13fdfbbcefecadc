"""Freight: the mode of a consignment, its billed weight and class, and the choice of a quote."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.packing import CARTONS, Container, PackageKind, Piece
from models.shipping import (
    PARCEL_LENGTH_AND_GIRTH_MM,
    PARCEL_LENGTH_MM,
    PARCEL_WEIGHT_G,
    FreightMode,
    Packaging,
    Quote,
    choose_freight,
    choose_quote,
    dimensional_weight_g,
    freight_class,
)

PARCEL, LTL, TRUCKLOAD = FreightMode.PARCEL, FreightMode.LTL, FreightMode.TRUCKLOAD

pieces = st.builds(
    Piece,
    quantity=st.integers(1, 1_000),
    weight_g=st.integers(0, 100_000),
    length_mm=st.integers(0, 5_000),
    width_mm=st.integers(0, 5_000),
    height_mm=st.integers(0, 5_000),
)


def piece(*, quantity: int = 1, weight_g: int = 1_000, size_mm: str = "300x200x100") -> Piece:
    """Goods that fit any parcel, unless a test changes them."""
    length_mm, width_mm, height_mm = (int(side) for side in size_mm.split("x"))
    return Piece(
        quantity=quantity,
        weight_g=weight_g,
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
    )


@pytest.mark.parametrize(
    ("weight_g", "mode"),
    [
        (67_999, PARCEL),
        (68_000, PARCEL),
        (68_001, LTL),
        (6_799_999, LTL),
        (6_800_000, LTL),
        (6_800_001, TRUCKLOAD),
    ],
)
def test_mode_changes_at_68_and_6800_kilograms(weight_g: int, mode: FreightMode) -> None:
    choice = choose_freight([piece(weight_g=weight_g)])
    assert (choice.mode, choice.weight_g) == (mode, weight_g)


@pytest.mark.parametrize(
    ("size_mm", "mode"),
    [
        ("2739x10x10", PARCEL),
        ("2740x10x10", PARCEL),
        ("2741x10x10", LTL),
        ("2741x0x0", LTL),
    ],
)
def test_parcel_is_at_most_274_centimetres_long(size_mm: str, mode: FreightMode) -> None:
    assert choose_freight([piece(size_mm=size_mm)]).mode is mode


@pytest.mark.parametrize(
    ("size_mm", "mode"),
    [
        ("2190x500x499", PARCEL),
        ("2190x500x500", PARCEL),
        ("2191x500x500", LTL),
        ("2190x501x500", LTL),
        ("1000x1000x1000", LTL),
    ],
)
def test_parcel_has_at_most_419_centimetres_of_length_and_girth(
    size_mm: str, mode: FreightMode
) -> None:
    assert choose_freight([piece(size_mm=size_mm)]).mode is mode


@pytest.mark.parametrize(("quantity", "mode"), [(34, PARCEL), (35, LTL)])
def test_weight_limit_applies_to_the_whole_consignment(quantity: int, mode: FreightMode) -> None:
    assert choose_freight([piece(quantity=quantity, weight_g=2_000)]).mode is mode


def test_one_oversized_piece_decides_the_mode_of_the_consignment() -> None:
    assert choose_freight([piece(), piece(size_mm="3000x10x10"), piece()]).mode is LTL


@pytest.mark.parametrize(
    ("goods", "reason"),
    [
        (piece(), "within a parcel's weight and size"),
        (piece(weight_g=68_001), "heavier than a parcel's 68 kg"),
        (piece(size_mm="2741x1x1"), "a piece is longer than a parcel's 274 cm"),
        (
            piece(size_mm="2000x600x600"),
            "a piece is beyond a parcel's 419 cm of length plus girth",
        ),
        (piece(weight_g=6_800_001), "heavier than 6,800 kg"),
        (piece(quantity=21, weight_g=0, size_mm="600x400x400"), "more than 20 parcels"),
        (piece(quantity=11, size_mm="1200x800x1656"), "more than 10 pallets"),
        (
            piece(quantity=2_001, size_mm="1200x800x1656"),
            "more than 2,000 pallets, which are not listed",
        ),
    ],
)
def test_choice_gives_its_reason(goods: Piece, reason: str) -> None:
    assert choose_freight([goods]).reason == reason


@settings(deadline=None)
@given(goods=pieces, turned=st.permutations(["length_mm", "width_mm", "height_mm"]))
def test_choice_does_not_depend_on_the_order_of_the_sides(goods: Piece, turned: list[str]) -> None:
    sides = dict(zip(turned, (goods.length_mm, goods.width_mm, goods.height_mm), strict=True))
    assert choose_freight([goods.model_copy(update=sides)]) == choose_freight([goods])


@settings(deadline=None)
@given(goods=st.lists(pieces, max_size=6), more=pieces)
def test_more_goods_never_get_a_smaller_mode(goods: list[Piece], more: Piece) -> None:
    """Except where the number of packages decided: more goods can need fewer packages."""
    modes = list(FreightMode)
    before, after = choose_freight(goods), choose_freight([*goods, more])
    if not before.reason.startswith("more than"):
        assert modes.index(after.mode) >= modes.index(before.mode)


@settings(deadline=None)
@given(goods=pieces, more=st.integers(1, 100))
def test_more_units_of_one_product_never_get_a_smaller_mode(goods: Piece, more: int) -> None:
    modes = list(FreightMode)
    after = choose_freight([goods.model_copy(update={"quantity": goods.quantity + more})])
    assert modes.index(after.mode) >= modes.index(choose_freight([goods]).mode)


@settings(deadline=None)
@given(goods=st.lists(pieces, max_size=6))
def test_choice_does_not_depend_on_the_order_of_the_pieces(goods: list[Piece]) -> None:
    assert choose_freight(goods) == choose_freight(goods[::-1])


@pytest.mark.parametrize(
    ("goods", "mode", "count"),
    [
        (piece(quantity=20, size_mm="600x400x400"), PARCEL, 20),
        (piece(quantity=21, size_mm="600x400x400"), LTL, 2),
        (piece(quantity=20, size_mm="2740x20x20"), PARCEL, 20),
        (piece(quantity=10**9, weight_g=0, size_mm="3x2x1"), LTL, 4),
    ],
)
def test_more_than_twenty_parcels_go_on_pallets(
    goods: Piece, mode: FreightMode, count: int
) -> None:
    choice = choose_freight([goods])
    assert (choice.mode, len(choice.packages)) == (mode, count)


@pytest.mark.parametrize(
    ("goods", "mode", "count"),
    [
        ([piece(quantity=10, weight_g=70_000, size_mm="1200x800x1656")], LTL, 10),
        ([piece(quantity=11, weight_g=70_000, size_mm="1200x800x1656")], TRUCKLOAD, 11),
        ([piece(quantity=10, weight_g=70_000, size_mm="3000x100x100")], LTL, 10),
        ([piece(quantity=11, weight_g=70_000, size_mm="3000x100x100")], TRUCKLOAD, 11),
        (
            [
                piece(quantity=9, weight_g=70_000, size_mm="3000x100x100"),
                piece(quantity=2, weight_g=500_000),
            ],
            LTL,
            10,
        ),
        (
            [
                piece(quantity=9, weight_g=70_000, size_mm="3000x100x100"),
                piece(quantity=2, weight_g=500_001),
            ],
            TRUCKLOAD,
            11,
        ),
    ],
)
def test_ltl_is_at_most_ten_pallets_and_an_oversized_piece_counts_as_one(
    goods: list[Piece], mode: FreightMode, count: int
) -> None:
    choice = choose_freight(goods)
    assert (choice.mode, len(choice.packages)) == (mode, count)


@pytest.mark.parametrize(
    ("goods", "kinds"),
    [
        (piece(), {PackageKind.CARTON}),
        (piece(size_mm="2740x10x10"), {PackageKind.PIECE}),
        (piece(quantity=100), {PackageKind.PALLET}),
        (piece(quantity=10_000), {PackageKind.PALLET}),
    ],
)
def test_parcels_are_in_cartons_and_other_freight_is_on_pallets(
    goods: Piece, kinds: set[PackageKind]
) -> None:
    assert {package.kind for package in choose_freight([goods]).packages} == kinds


def test_empty_consignment_is_a_parcel_without_packages() -> None:
    choice = choose_freight([])
    assert (choice.mode, choice.packages, choice.billed_weight_g) == (PARCEL, (), 0)


def test_truckload_without_listed_packages_is_billed_by_the_weight_of_its_goods() -> None:
    choice = choose_freight([piece(quantity=10**6, weight_g=900_000, size_mm="1200x800x1656")])
    assert (choice.mode, choice.packages) == (TRUCKLOAD, ())
    assert choice.billed_weight_g == choice.weight_g == 900_000 * 10**6


def test_configured_packaging_is_used() -> None:
    """Ten drills in cartons of one unit each; forty on pallets of ten."""
    small = Container(
        name="S", length_mm=300, width_mm=200, height_mm=100, max_weight_g=5_000, tare_g=200
    )
    goods = piece(quantity=10, size_mm="300x200x100", weight_g=2_000)
    choice = choose_freight([goods], Packaging(cartons=(small,)))
    assert [package.container for package in choice.packages] == ["S"] * 10
    goods = goods.model_copy(update={"quantity": 40})
    low = small.model_copy(update={"name": "L", "max_weight_g": 20_000, "height_mm": 1_000})
    choice = choose_freight([goods], Packaging(cartons=(small,), pallet=low))
    assert [package.container for package in choice.packages] == ["L"] * 4


@pytest.mark.parametrize("carton", CARTONS, ids=lambda carton: carton.name)
def test_every_full_standard_carton_keeps_the_limits_of_a_parcel(carton: Container) -> None:
    """Only goods that fit no carton need a check of their own."""
    size_mm = f"{carton.length_mm}x{carton.width_mm}x{carton.height_mm}"
    goods = piece(weight_g=carton.max_weight_g, size_mm=size_mm)
    (package,) = choose_freight([goods]).packages
    length, width, height = package.length_mm, package.width_mm, package.height_mm
    assert package.kind is PackageKind.CARTON
    assert package.weight_g <= PARCEL_WEIGHT_G
    assert length <= PARCEL_LENGTH_MM
    assert length + 2 * (width + height) <= PARCEL_LENGTH_AND_GIRTH_MM


@pytest.mark.parametrize(
    ("size_mm", "weight_g"),
    [
        ((50, 100, 1), 1),
        ((5_001, 1, 1), 2),
        ((4_999, 1, 1), 1),
        ((1, 1, 1), 1),
        ((600, 400, 400), 19_200),
        ((1_000, 1_000, 1_000), 200_000),
    ],
)
def test_dimensional_weight_is_a_kilogram_per_five_thousand_cubic_centimetres(
    size_mm: tuple[int, int, int], weight_g: int
) -> None:
    assert dimensional_weight_g(*size_mm) == weight_g


@pytest.mark.parametrize(
    ("goods", "billed_g"),
    [
        (piece(weight_g=100, size_mm="600x400x400"), 20_509),  # 610 x 410 x 410 mm
        (piece(weight_g=28_000, size_mm="600x400x400"), 29_150),  # and its carton
        (piece(weight_g=20_000, size_mm="1000x250x400"), 20_000),  # no carton holds it
        (piece(weight_g=19_999, size_mm="1000x250x400"), 20_000),
        (piece(weight_g=20_001, size_mm="1000x250x400"), 20_001),
    ],
)
def test_package_is_billed_by_the_greater_of_weight_and_dimensional_weight(
    goods: Piece, billed_g: int
) -> None:
    assert choose_freight([goods]).billed_weight_g == billed_g


def test_heavy_package_does_not_offset_a_light_one() -> None:
    heavy, light = (piece(weight_g=grams, size_mm="1000x250x400") for grams in (30_000, 1_000))
    assert choose_freight([heavy, light]).billed_weight_g == 30_000 + 20_000


@settings(deadline=None)
@given(goods=st.lists(pieces, max_size=6))
def test_billed_weight_is_never_below_the_weight_of_the_goods(goods: list[Piece]) -> None:
    choice = choose_freight(goods)
    assert choice.billed_weight_g >= choice.weight_g
    assert (choice.freight_class is not None) == (choice.mode is LTL)


CLASSES = (
    *((1, "300", "400"), (2, "250", "300"), (4, "175", "250"), (6, "125", "175")),
    *((8, "100", "125"), (10, "92.5", "100"), (12, "85", "92.5"), (15, "70", "85")),
    *((22.5, "65", "70"), (30, "60", "65"), (35, "55", "60"), (50, "50", "55")),
)
"""Density in pounds per cubic foot, the class from there on, the class below."""


@pytest.mark.parametrize(("density", "at", "below"), CLASSES)
def test_freight_class_changes_exactly_at_its_density(density: float, at: str, below: str) -> None:
    """200,000 cubic feet make volume and weight at the limit whole numbers."""
    volume_mm3 = 200 * 3_048**3
    weight_g = Fraction(density) * 200_000 * 45_359_237 / 100_000
    assert weight_g.denominator == 1
    assert freight_class(int(weight_g), volume_mm3) == at
    assert freight_class(int(weight_g) - 1, volume_mm3) == below
    assert freight_class(int(weight_g), volume_mm3 + 1) == below


@pytest.mark.parametrize(("weight_g", "name"), [(0, "400"), (1, "400"), (10**9, "50")])
def test_every_density_has_a_freight_class(weight_g: int, name: str) -> None:
    assert freight_class(weight_g, 1_728 * 16_387) == name


@pytest.mark.parametrize(
    ("goods", "name"),
    [
        (piece(weight_g=500_000, size_mm="1200x800x1656"), "70"),  # 525 kg, 1.728 m3: 18.97 lb/ft3
        (piece(weight_g=70_000, size_mm="1200x800x1656"), "250"),  # 95 kg: 3.43
        (piece(weight_g=70_000, size_mm="1200x800x56"), "60"),  # 95 kg, 0.192 m3: 30.89
    ],
)
def test_freight_class_is_that_of_loaded_pallets(goods: Piece, name: str) -> None:
    assert choose_freight([goods]).freight_class == name


MONDAY = date(2026, 3, 2)


def quoted(
    charge: str, days: int = 1, *, currency: str = "EUR", carrier: str = "A", service: str = "road"
) -> Quote:
    """A quote that arrives `days` after a Monday."""
    return Quote(
        quote_id=f"{carrier}-{service}",
        carrier=carrier,
        service=service,
        charge=charge,
        currency=currency,
        arrives_on=MONDAY + timedelta(days=days),
    )


def test_cheapest_quote_is_chosen_without_a_needed_date() -> None:
    slow, fast = quoted("8.00", 9), quoted("8.01", 1, service="air")
    choice = choose_quote([fast, slow], "EUR", None)
    assert choice.quote == slow
    assert choice.reason == "road for 8.00 EUR, the cheapest of 2 quotes"


def test_charges_are_compared_as_amounts() -> None:
    assert choose_quote([quoted("100"), quoted("9.5")], "EUR", None).quote.charge == "9.5"


@pytest.mark.parametrize(
    ("days", "service"), [(1, "express"), (3, "express"), (4, "economy"), (9, "economy")]
)
def test_cheapest_quote_in_time_is_chosen(days: int, service: str) -> None:
    """Economy takes four days; arrival on the needed day is in time."""
    quotes = [quoted("5.00", 4, service="economy"), quoted("11.00", 1, service="express")]
    needed_by = MONDAY + timedelta(days=days)
    choice = choose_quote(quotes, "EUR", needed_by)
    assert choice.quote.service == service
    assert f"that arrive by {needed_by}" in choice.reason


def test_reason_counts_only_eligible_quotes() -> None:
    quotes = [quoted("5.00", 4), quoted("11.00", 1, service="express"), quoted("1", currency="USD")]
    choice = choose_quote(quotes, "EUR", MONDAY + timedelta(days=1))
    assert choice.reason == (
        "express for 11.00 EUR, the cheapest of 1 quote that arrive by 2026-03-03"
    )


def test_earliest_then_cheapest_quote_is_chosen_if_none_is_in_time() -> None:
    cheap, early, dear = quoted("1.00", 5), quoted("9.00", 3), quoted("9.01", 3, carrier="B")
    choice = choose_quote([cheap, dear, early], "EUR", MONDAY)
    assert choice.quote == early
    assert choice.reason == (
        "road for 9.00 EUR, the earliest of 3 quotes: none arrives by 2026-03-02"
    )


def test_equal_charges_are_decided_by_arrival_then_name() -> None:
    late = quoted("7.00", 3, carrier="A")
    others = [quoted("7.00", 2, carrier="B", service=s) for s in ("rail", "air")]
    last = quoted("7.0", 2, carrier="C", service="air")
    for quotes in ([late, *others, last], [last, *reversed(others), late]):
        assert choose_quote(quotes, "EUR", None).quote == others[1]


def test_quotes_in_another_currency_are_ignored() -> None:
    ours = quoted("90.00", 5)
    quotes = [quoted("1.00", 0, currency="USD"), ours]
    assert choose_quote(quotes, "EUR", None).quote == ours
    assert choose_quote(quotes, "EUR", MONDAY).quote == ours


@pytest.mark.parametrize("charge", ["-5.00", "1.005", "free", "", "NaN", "1e3"])
def test_quotes_without_a_payable_amount_are_ignored(charge: str) -> None:
    ours = quoted("90.00", 5)
    assert choose_quote([quoted(charge, 0), ours], "EUR", None).quote == ours
    with pytest.raises(ValueError, match="no carrier quotes"):
        choose_quote([quoted(charge, 0)], "EUR", None)


@pytest.mark.parametrize("quotes", [[], [quoted("1.00", currency="USD")]])
def test_no_quote_in_our_currency_is_an_error(quotes: list[Quote]) -> None:
    with pytest.raises(ValueError, match="no carrier quotes an amount in EUR; retry later"):
        choose_quote(quotes, "EUR", MONDAY)


def test_charges_in_yen_have_no_decimals() -> None:
    quotes = [quoted("1000", currency="JPY"), quoted("999", 2, currency="JPY")]
    choice = choose_quote(quotes, "JPY", None)
    assert choice.reason == "road for 999 JPY, the cheapest of 2 quotes"
    with pytest.raises(ValueError, match="no carrier quotes an amount in JPY"):
        choose_quote([quoted("999.50", currency="JPY")], "JPY", None)


quotes_of_a_day = st.lists(
    st.builds(
        quoted,
        st.decimals(0, 500, places=2).map(str),
        st.integers(0, 10),
        currency=st.sampled_from(["EUR", "EUR", "USD"]),
        carrier=st.sampled_from("ABC"),
        service=st.sampled_from(["road", "rail", "air"]),
    ),
    max_size=8,
)


@given(quotes_of_a_day, st.none() | st.integers(-1, 11))
def test_no_other_quote_in_time_is_cheaper_in_any_order_of_the_quotes(
    quotes: list[Quote], days: int | None
) -> None:
    needed_by = None if days is None else MONDAY + timedelta(days=days)
    ours = [quote for quote in quotes if quote.currency == "EUR"]
    if not ours:
        with pytest.raises(ValueError, match="no carrier quotes"):
            choose_quote(quotes, "EUR", needed_by)
        return
    best = choose_quote(quotes, "EUR", needed_by).quote
    assert best in ours
    in_time = [quote for quote in ours if needed_by is None or quote.arrives_on <= needed_by]
    if in_time:
        assert best in in_time
        assert float(best.charge) == min(float(quote.charge) for quote in in_time)
    else:
        assert best.arrives_on == min(quote.arrives_on for quote in ours)
    again = choose_quote(quotes[::-1], "EUR", needed_by).quote
    assert again.model_dump(exclude={"quote_id", "charge"}) == best.model_dump(
        exclude={"quote_id", "charge"}
    )
