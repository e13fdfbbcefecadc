"""Freight: its mode, the carrier's quote, and what a consignment is billed for."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction

from models.base import Payload
from models.money import parse_amount
from models.packing import (
    CARTON_WALL_MM,
    CARTONS,
    MAX_PACKAGES,
    PALLET,
    Container,
    Package,
    PackageKind,
    Piece,
    TooManyPackages,
    pack,
)

PARCEL_WEIGHT_G = 68_000
PARCEL_LENGTH_MM = 2_740
PARCEL_LENGTH_AND_GIRTH_MM = 4_190
LTL_WEIGHT_G = 6_800_000
LTL_PALLETS = 10
"""Limits of the common North American carriers: 150 lb, 108 in, 165 in; LTL to 15,000 lb."""

MAX_PARCELS = 20
"""The most cartons of a parcel consignment; more go on pallets."""

DIMENSIONAL_MM3_PER_G = 5_000
"""5,000 cm3/kg; 139 in3/lb is half a percent more."""

_G_PER_LB = Fraction("453.59237")
_MM_PER_FT = Fraction("304.8")
_CLASSES = (
    *((Fraction(50), "50"), (Fraction(35), "55"), (Fraction(30), "60")),
    *((Fraction("22.5"), "65"), (Fraction(15), "70"), (Fraction(12), "85")),
    *((Fraction(10), "92.5"), (Fraction(8), "100"), (Fraction(6), "125")),
    *((Fraction(4), "175"), (Fraction(2), "250"), (Fraction(1), "300")),
)
"""The least density of each freight class, in pounds per cubic foot."""


class FreightMode(StrEnum):
    """How a consignment travels."""

    PARCEL = "parcel"
    LTL = "ltl"
    TRUCKLOAD = "truckload"
    HAND_OVER = "hand_over"
    """Without a carrier: the customer collects the goods, or buys them over the counter."""

    @property
    def words(self) -> str:
        """As printed: "hand over"."""
        return self.value.replace("_", " ")


class Quote(Payload):
    """A carrier's price for a shipment, and its day of arrival. `charge` is a decimal string."""

    quote_id: str
    carrier: str
    service: str
    charge: str
    currency: str
    arrives_on: date


class QuoteChoice(Payload):
    """The best quote, with the reason in a sentence."""

    quote: Quote
    reason: str


def choose_quote(quotes: Sequence[Quote], currency: str, needed_by: date | None) -> QuoteChoice:
    """Choose the cheapest quote that arrives by `needed_by`; if none does, the earliest.

    Equal charges are decided by the earlier arrival, then by carrier and service. Quotes in
    another currency, or without an amount of zero or more, are ignored. Raises ValueError where
    none is left.
    """
    charged = [(_charge_minor(quote, currency), quote) for quote in quotes]
    usable = [(charge_minor, quote) for charge_minor, quote in charged if charge_minor is not None]
    if not usable:
        raise ValueError(f"no carrier quotes an amount in {currency}; retry later")
    in_time = [one for one in usable if needed_by is None or one[1].arrives_on <= needed_by]

    def cheapest(one: tuple[int, Quote]) -> tuple[int, date, str, str]:
        charge_minor, quote = one
        return (charge_minor, quote.arrives_on, quote.carrier, quote.service)

    if in_time:
        _, best = min(in_time, key=cheapest)
        when = f" that arrive by {needed_by}" if needed_by else ""
        why = f"the cheapest of {_counted_quotes(len(in_time))}{when}"
    else:
        _, best = min(usable, key=lambda one: (one[1].arrives_on, *cheapest(one)))
        why = f"the earliest of {_counted_quotes(len(usable))}: none arrives by {needed_by}"
    reason = f"{best.service} for {best.charge} {best.currency}, {why}"
    return QuoteChoice(quote=best, reason=reason)


def _charge_minor(quote: Quote, currency: str) -> int | None:
    """Return the charge in minor units; None for another currency or an unusable amount."""
    if quote.currency != currency:
        return None
    try:
        charge_minor = parse_amount(quote.charge, currency)
    except ValueError:
        return None
    return charge_minor if charge_minor >= 0 else None


def _counted_quotes(count: int) -> str:
    return f"{count} quote" + ("s" if count != 1 else "")


class FreightChoice(Payload):
    """The mode of a consignment, with the reason in a sentence, and its packages."""

    mode: FreightMode
    reason: str
    weight_g: int
    """Weight of the goods. Products' weights are shipping weights; the limits apply to them."""
    packages: tuple[Package, ...]
    """Empty for more than MAX_PACKAGES: a truckload isn't counted package by package."""
    billed_weight_g: int
    """At least `weight_g`."""
    freight_class: str | None = None
    """For LTL only."""


class Packaging(Payload):
    """The cartons and the pallet that we pack in."""

    cartons: tuple[Container, ...] = CARTONS
    pallet: Container = PALLET


STANDARD_PACKAGING = Packaging()


def keeps_parcel_limits(carton: Container) -> bool:
    """Return whether a carton filled to its own limit keeps the limits of a parcel.

    Required of every carton, so that `choose_freight` checks only goods that fit none.
    """
    walls = 2 * CARTON_WALL_MM
    outside = Piece(
        quantity=1,
        weight_g=carton.tare_g + carton.max_weight_g,
        length_mm=carton.length_mm + walls,
        width_mm=carton.width_mm + walls,
        height_mm=carton.height_mm + walls,
    )
    return _exceeded_parcel_limit(outside.weight_g, [outside]) is None


def choose_freight(
    pieces: Sequence[Piece], packaging: Packaging = STANDARD_PACKAGING
) -> FreightChoice:
    """Choose the smallest mode that holds the whole consignment, and pack it.

    A parcel consignment is at most 68 kg in at most MAX_PARCELS cartons; a unit that fits no carton
    is a parcel of its own, up to 274 cm long and 419 cm of length plus girth. LTL is at most
    6,800 kg on at most 10 pallets; a unit that fits no pallet counts as one. All else is a
    truckload.

    The number of packages is as good as `models.packing.load`.
    """
    weight_g = sum(piece.quantity * piece.weight_g for piece in pieces)
    not_a_parcel = _exceeded_parcel_limit(weight_g, pieces)
    if not_a_parcel is None:
        try:
            parcels = pack(pieces, packaging.cartons, PackageKind.CARTON, MAX_PARCELS)
        except TooManyPackages:
            not_a_parcel = f"more than {MAX_PARCELS} parcels"
        else:
            reason = "within a parcel's weight and size"
            return _choice(FreightMode.PARCEL, reason, weight_g, parcels)
    try:
        pallets = pack(pieces, (packaging.pallet,), PackageKind.PALLET)
    except TooManyPackages:
        reason = f"more than {MAX_PACKAGES:,} pallets, which are not listed"
        return _choice(FreightMode.TRUCKLOAD, reason, weight_g, ())
    if weight_g > LTL_WEIGHT_G:
        return _choice(FreightMode.TRUCKLOAD, "heavier than 6,800 kg", weight_g, pallets)
    if len(pallets) > LTL_PALLETS:
        return _choice(FreightMode.TRUCKLOAD, f"more than {LTL_PALLETS} pallets", weight_g, pallets)
    return _choice(FreightMode.LTL, not_a_parcel, weight_g, pallets)


def _exceeded_parcel_limit(weight_g: int, pieces: Sequence[Piece]) -> str | None:
    if weight_g > PARCEL_WEIGHT_G:
        return "heavier than a parcel's 68 kg"
    sides = [sorted((piece.length_mm, piece.width_mm, piece.height_mm)) for piece in pieces]
    if any(longest > PARCEL_LENGTH_MM for _, _, longest in sides):
        return "a piece is longer than a parcel's 274 cm"
    if any(
        longest + 2 * (shortest + middle) > PARCEL_LENGTH_AND_GIRTH_MM
        for shortest, middle, longest in sides
    ):
        return "a piece is beyond a parcel's 419 cm of length plus girth"
    return None


def _choice(
    mode: FreightMode, reason: str, weight_g: int, packages: tuple[Package, ...]
) -> FreightChoice:
    density_class = None
    if mode is FreightMode.LTL:
        density_class = freight_class(
            sum(package.weight_g for package in packages),
            sum(package.volume_mm3 for package in packages),
        )
    return FreightChoice(
        mode=mode,
        reason=reason,
        weight_g=weight_g,
        packages=packages,
        billed_weight_g=max(weight_g, sum(map(_billed_g, packages))),
        freight_class=density_class,
    )


def _billed_g(package: Package) -> int:
    """Return the billed weight of one package: a heavy one doesn't offset a light one."""
    dimensional_g = dimensional_weight_g(package.length_mm, package.width_mm, package.height_mm)
    return max(package.weight_g, dimensional_g)


def dimensional_weight_g(length_mm: int, width_mm: int, height_mm: int) -> int:
    """Return the dimensional weight: 1 kg per 5,000 cm3, rounded up to the gram."""
    return -(-length_mm * width_mm * height_mm // DIMENSIONAL_MM3_PER_G)


def freight_class(weight_g: int, volume_mm3: int) -> str:
    """Return the NMFC class by density, on the scale of 19 July 2025 with its 13 classes.

    From "400" below 1 pound per cubic foot to "50" from 50 on; exact. `volume_mm3` is above 0.
    """
    pounds = weight_g / _G_PER_LB
    density = pounds / (volume_mm3 / _MM_PER_FT**3)
    return next((name for at_least, name in _CLASSES if density >= at_least), "400")


_BY_HAND = "by-hand:"


def booking_by_hand(shipment_id: str) -> str:
    """Make the booking id of a shipment that an operator has booked."""
    return f"{_BY_HAND}{shipment_id}"


def is_by_hand(booking_id: str | None) -> bool:
    """Return whether an operator made a booking, so that an operator cancels it."""
    return booking_id is not None and booking_id.startswith(_BY_HAND)
