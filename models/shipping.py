"""Freight: parcel, LTL or truckload."""

from collections.abc import Sequence
from enum import StrEnum

from models.base import Payload

PARCEL_WEIGHT_G = 68_000
PARCEL_LENGTH_MM = 2_740
PARCEL_LENGTH_AND_GIRTH_MM = 4_190
LTL_WEIGHT_G = 6_800_000
"""Limits of the common North American carriers: 150 lb, 108 in, 165 in; LTL to 15,000 lb."""


class FreightMode(StrEnum):
    """How a consignment travels."""

    PARCEL = "parcel"
    LTL = "ltl"
    TRUCKLOAD = "truckload"


class Piece(Payload):
    """`quantity` units of one product, each of this weight and size."""

    quantity: int
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


class FreightChoice(Payload):
    """The mode and, in a sentence, why."""

    mode: FreightMode
    reason: str
    weight_g: int


def choose_mode(pieces: Sequence[Piece]) -> FreightChoice:
    """The smallest mode whose limits the whole consignment keeps."""
    weight_g = sum(piece.quantity * piece.weight_g for piece in pieces)
    if weight_g > LTL_WEIGHT_G:
        return FreightChoice(
            mode=FreightMode.TRUCKLOAD, reason="heavier than 6,800 kg", weight_g=weight_g
        )
    too_much = _beyond_parcel(weight_g, pieces)
    if too_much:
        return FreightChoice(mode=FreightMode.LTL, reason=too_much, weight_g=weight_g)
    return FreightChoice(
        mode=FreightMode.PARCEL, reason="within a parcel's weight and size", weight_g=weight_g
    )


def _beyond_parcel(weight_g: int, pieces: Sequence[Piece]) -> str | None:
    if weight_g > PARCEL_WEIGHT_G:
        return "heavier than a parcel's 68 kg"
    for piece in pieces:
        shortest, middle, longest = sorted((piece.length_mm, piece.width_mm, piece.height_mm))
        if longest > PARCEL_LENGTH_MM:
            return "a piece is longer than a parcel's 274 cm"
        if longest + 2 * (shortest + middle) > PARCEL_LENGTH_AND_GIRTH_MM:
            return "a piece is beyond a parcel's 419 cm of length plus girth"
    return None
