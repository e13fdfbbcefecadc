"""The freight mode: the smallest whose limits a consignment keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.shipping import FreightMode, Piece, choose_mode

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
    """Goods that fit any parcel, but for what a test says."""
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
def test_the_weight_decides_at_68_and_6800_kilograms(weight_g: int, mode: FreightMode) -> None:
    choice = choose_mode([piece(weight_g=weight_g)])
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
def test_a_parcel_is_at_most_274_centimetres_long(size_mm: str, mode: FreightMode) -> None:
    assert choose_mode([piece(size_mm=size_mm)]).mode is mode


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
def test_a_parcel_has_at_most_419_centimetres_of_length_and_girth(
    size_mm: str, mode: FreightMode
) -> None:
    assert choose_mode([piece(size_mm=size_mm)]).mode is mode


@pytest.mark.parametrize(("quantity", "mode"), [(34, PARCEL), (35, LTL)])
def test_the_whole_consignment_is_weighed(quantity: int, mode: FreightMode) -> None:
    assert choose_mode([piece(quantity=quantity, weight_g=2_000)]).mode is mode


def test_one_piece_that_is_too_large_takes_the_others_along() -> None:
    assert choose_mode([piece(), piece(size_mm="3000x10x10"), piece()]).mode is LTL


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
    ],
)
def test_the_choice_says_why(goods: Piece, reason: str) -> None:
    assert choose_mode([goods]).reason == reason


@given(goods=pieces, turned=st.permutations(["length_mm", "width_mm", "height_mm"]))
def test_it_does_not_matter_which_side_is_called_length(goods: Piece, turned: list[str]) -> None:
    sides = dict(zip(turned, (goods.length_mm, goods.width_mm, goods.height_mm), strict=True))
    assert choose_mode([goods.model_copy(update=sides)]) == choose_mode([goods])


@given(goods=st.lists(pieces, max_size=6), more=pieces)
def test_more_goods_never_travel_in_a_smaller_mode(goods: list[Piece], more: Piece) -> None:
    modes = list(FreightMode)
    before, after = choose_mode(goods), choose_mode([*goods, more])
    assert modes.index(after.mode) >= modes.index(before.mode)


@given(goods=st.lists(pieces, max_size=6))
def test_the_order_of_the_pieces_does_not_matter_for_the_mode(goods: list[Piece]) -> None:
    assert choose_mode(goods).mode is choose_mode(goods[::-1]).mode
