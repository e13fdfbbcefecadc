"""Purchasing: states of purchase orders, price breaks, comparison of offers, and landed cost.

The price break of an offer: `Offer.unit_cost_with_price_break` prices a quantity,
`quantity_with_price_break` decides whether to purchase up to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from math import ceil

from models.base import Payload
from models.money import PPM_PER_PERCENT, round_half_up, share

ALL_PPM = 100 * PPM_PER_PERCENT


class PurchaseOrderState(StrEnum):
    """The life of a purchase order."""

    PLANNED = "planned"
    """Collects lines, and isn't sent yet."""
    SENDING = "sending"
    """Being sent: the supplier may have it already."""
    SENT = "sent"
    """The supplier has it, and hasn't acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """The supplier has accepted it."""
    SHIPPED = "shipped"
    """The supplier has reported that the goods are on their way."""
    RECEIVED = "received"
    """All goods are received."""
    INVOICED = "invoiced"
    """All goods are received and invoiced."""
    CLOSED = "closed"
    """Closed by an operator: its due units are no longer expected."""
    REFUSED = "refused"
    """The supplier has declined it."""
    LAPSED = "lapsed"
    """Not acknowledged in time, or without any goods when its time was over."""
    CANCELLED = "cancelled"
    """Withdrawn by us."""

    @property
    def is_open(self) -> bool:
        """Whether its goods are expected: they count as on order, even before it is sent."""
        return self in OPEN_STATES

    @property
    def has_failed(self) -> bool:
        """Whether its goods will not come: its orders need another purchase order."""
        return self in _FAILED

    @property
    def is_over(self) -> bool:
        """Whether it needs no more goods or invoices."""
        over = (PurchaseOrderState.INVOICED, PurchaseOrderState.CLOSED)
        return self in over or self.has_failed


OPEN_STATES = (
    PurchaseOrderState.PLANNED,
    PurchaseOrderState.SENDING,
    PurchaseOrderState.SENT,
    PurchaseOrderState.ACKNOWLEDGED,
    PurchaseOrderState.SHIPPED,
)
_FAILED = (
    PurchaseOrderState.REFUSED,
    PurchaseOrderState.LAPSED,
    PurchaseOrderState.CANCELLED,
)


class Offer(Payload):
    """A supplier's price for a SKU, per unit, in minor units.

    Price break: from `break_quantity` units on, every unit costs `break_unit_cost_minor`; without
    either there is none. `freight_cost_minor` is for a purchase order, `duty_ppm` is of the goods'
    value, in millionths. `valid_until` is the last day for ordering; None: without end.
    """

    supplier_id: str
    sku: str
    unit_cost_minor: int
    currency: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int
    break_quantity: int | None
    break_unit_cost_minor: int | None
    freight_cost_minor: int
    duty_ppm: int
    valid_until: date | None
    is_bought: bool = True
    """Whether the product is still bought."""

    def unit_cost_with_price_break(self, quantity: int) -> int:
        """Return the cost of a unit in minor units, where `quantity` are purchased."""
        if self.break_quantity is None or self.break_unit_cost_minor is None:
            return self.unit_cost_minor
        return (
            self.break_unit_cost_minor if quantity >= self.break_quantity else self.unit_cost_minor
        )


class TrackRecord(Payload):
    """The observed lead time and fill rate of a supplier, over `orders` purchase orders.

    `fill_rate_ppm`: units received of units ordered, in millionths. None where nothing was
    observed: then the quoted terms count.
    """

    orders: int
    mean_lead_time_days: float | None
    fill_rate_ppm: int | None


class Requirement(Payload):
    """The units to purchase of a SKU: `short` ones for orders, and `restock` ones for stock.

    `needed_by`: the earliest day promised to the orders; None: no day.
    """

    sku: str
    short: int
    restock: int
    needed_by: date | None

    @property
    def wanted(self) -> int:
        """All units to purchase, at least 1."""
        return max(1, self.short + self.restock)


class ComparedOffer(Payload):
    """A purchase by one offer: a row of a `Comparison`.

    `landed_minor` is the landed cost of the purchase: goods (`quantity` at `unit_cost_minor`),
    freight and duty. `why_not`: why the offer can't be used; None: it can.
    """

    supplier_id: str
    sku: str
    currency: str
    quantity: int
    unit_cost_minor: int
    goods_minor: int
    freight_minor: int
    duty_minor: int
    landed_minor: int
    expected_lead_time_days: int
    expected_date: date
    on_time: bool
    fill_rate_ppm: int
    why_not: str | None


class Comparison(Payload):
    """The offers for a requirement, the best first and the unusable ones last.

    `chosen` is None where none can be used. `reason`: one sentence for the operator.
    """

    requirement: Requirement
    rows: tuple[ComparedOffer, ...]
    chosen: ComparedOffer | None
    reason: str


def purchase_quantity(short: int, minimum_quantity: int, pack_size: int) -> int:
    """Return the units of the fewest whole packs that cover both the shortage and the minimum."""
    packs = -(-max(short, minimum_quantity) // pack_size)
    return packs * pack_size


def compare_offers(
    requirement: Requirement,
    offers: Iterable[Offer],
    records: Mapping[str, TrackRecord],
    today: date,
    excluded: Mapping[str, str],
) -> Comparison:
    """Compare `offers` for a purchase made `today`, and choose the best.

    `records` and `excluded` (with the reason) are by supplier_id. Offers of other SKUs are ignored.

    Usable offers rank by: arrival by `needed_by`, and among late ones the earliest; then the lowest
    landed cost of a wanted unit that arrives (landed cost of the purchase by wanted units and fill
    rate, as exact fractions, so that a large minimum counts against a low unit cost); then the
    shorter expected lead time, the better fill rate, the supplier's id.

    Raises ValueError for offers in several currencies.
    """
    ours = [offer for offer in offers if offer.sku == requirement.sku]
    if len({offer.currency for offer in ours}) > 1:
        raise ValueError("offers: in several currencies")
    rows = [
        _row(requirement, offer, records.get(offer.supplier_id), today, excluded) for offer in ours
    ]
    rows.sort(key=lambda row: _preference(requirement, row))
    possible = [row for row in rows if row.why_not is None]
    return Comparison(
        requirement=requirement,
        rows=tuple(rows),
        chosen=possible[0] if possible else None,
        reason=_reason(requirement, rows, possible),
    )


def _row(
    requirement: Requirement,
    offer: Offer,
    record: TrackRecord | None,
    today: date,
    excluded: Mapping[str, str],
) -> ComparedOffer:
    quantity = quantity_with_price_break(requirement.wanted, offer)
    goods, duty = _goods_and_duty(offer, quantity)
    lead_time_days = _expected_lead_time(offer, record)
    expected = today + timedelta(days=lead_time_days)
    needed_by = requirement.needed_by
    return ComparedOffer(
        supplier_id=offer.supplier_id,
        sku=offer.sku,
        currency=offer.currency,
        quantity=quantity,
        unit_cost_minor=offer.unit_cost_with_price_break(quantity),
        goods_minor=goods,
        freight_minor=offer.freight_cost_minor,
        duty_minor=duty,
        landed_minor=goods + offer.freight_cost_minor + duty,
        expected_lead_time_days=lead_time_days,
        expected_date=expected,
        on_time=needed_by is None or expected <= needed_by,
        fill_rate_ppm=_fill_rate(record),
        why_not=_why_not(offer, today, excluded),
    )


def quantity_with_price_break(wanted: int, offer: Offer) -> int:
    """Return the units to purchase by an offer: more than `wanted` where that costs less in all.

    That is so where the goods and duty of the price break's quantity cost less than those of the
    smallest sufficient quantity.
    """
    enough = purchase_quantity(wanted, offer.minimum_quantity, offer.pack_size)
    if offer.break_quantity is None or enough >= offer.break_quantity:
        return enough
    at_break = purchase_quantity(offer.break_quantity, offer.minimum_quantity, offer.pack_size)
    cheaper = sum(_goods_and_duty(offer, at_break)) < sum(_goods_and_duty(offer, enough))
    return at_break if cheaper else enough


def _goods_and_duty(offer: Offer, quantity: int) -> tuple[int, int]:
    goods = quantity * offer.unit_cost_with_price_break(quantity)
    return goods, share(goods, offer.duty_ppm)


def _expected_lead_time(offer: Offer, record: TrackRecord | None) -> int:
    """Return the larger of quoted and observed lead time, in whole days, rounded up."""
    if record is None or record.mean_lead_time_days is None:
        return offer.lead_time_days
    return max(offer.lead_time_days, ceil(record.mean_lead_time_days))


def _fill_rate(record: TrackRecord | None) -> int:
    """Return the observed fill rate, at most 100 %; all where none was observed."""
    if record is None or record.fill_rate_ppm is None:
        return ALL_PPM
    return min(ALL_PPM, max(0, record.fill_rate_ppm))


def _why_not(offer: Offer, today: date, excluded: Mapping[str, str]) -> str | None:
    if not offer.is_bought:
        return f"{offer.sku} is no longer bought"
    if offer.supplier_id in excluded:
        return excluded[offer.supplier_id]
    if offer.valid_until is not None and offer.valid_until < today:
        return f"expired on {offer.valid_until}"
    return None


def _cost_per_unit(requirement: Requirement, row: ComparedOffer) -> tuple[bool, Fraction]:
    """Return the minor units of a wanted unit that arrives; True first where none ever arrived."""
    landed = Fraction(row.landed_minor, requirement.wanted)
    if not row.fill_rate_ppm:
        return True, landed
    return False, landed * ALL_PPM / row.fill_rate_ppm


Preference = tuple[bool, bool, int, tuple[bool, Fraction], int, int, str]


def _preference(requirement: Requirement, row: ComparedOffer) -> Preference:
    return (
        row.why_not is not None,
        not row.on_time,
        0 if row.on_time else row.expected_lead_time_days,
        _cost_per_unit(requirement, row),
        row.expected_lead_time_days,
        -row.fill_rate_ppm,
        row.supplier_id,
    )


def _reason(
    requirement: Requirement, rows: list[ComparedOffer], possible: list[ComparedOffer]
) -> str:
    """Explain the choice; `rows` and `possible` have the best first."""
    if not rows:
        return f"no supplier offers {requirement.sku}"
    if not possible:
        causes = ", ".join(f"{row.supplier_id}: {row.why_not}" for row in rows)
        return f"no offer can be used ({causes})"
    best = possible[0]
    if not best.on_time:
        return f"no offer arrives by {requirement.needed_by}: {_why_first(requirement, possible)}"
    rivals = [row for row in possible[1:] if row.on_time]
    by = f" by {requirement.needed_by}" if requirement.needed_by else ""
    if by and not rivals and len(possible) > 1:
        return f"the only one of {len(possible)} offers that arrives{by}"
    return _why_best(requirement, best, rivals, f" that arrive{by}" if by else "")


def _why_first(requirement: Requirement, possible: list[ComparedOffer]) -> str:
    """Explain the choice among offers that are all late, the earliest first."""
    best, rivals = possible[0], possible[1:]
    as_early = [row for row in rivals if row.expected_date == best.expected_date]
    if rivals and not as_early:
        return f"the earliest of {len(possible)} offers"
    return _why_best(requirement, best, as_early, " that arrive first")


def _why_best(
    requirement: Requirement, best: ComparedOffer, rivals: list[ComparedOffer], which: str
) -> str:
    """Explain the choice by the first criterion in which the best differs from the next."""
    if not rivals:
        return "the only offer that can be used"
    among = f"of {len(rivals) + 1} offers{which}"
    units = f"{requirement.wanted} unit{'' if requirement.wanted == 1 else 's'}"
    following = rivals[0]
    if _cost_per_unit(requirement, best) == _cost_per_unit(requirement, following):
        cheap = f"as cheap as {following.supplier_id}"
        if best.expected_lead_time_days < following.expected_lead_time_days:
            return f"{cheap} and with a shorter lead time, {among}"
        if best.fill_rate_ppm > following.fill_rate_ppm:
            return f"{cheap} and with a better fill rate, {among}"
        return f"as good as {following.supplier_id} by all criteria and first by name, {among}"
    cheapest = min(rivals, key=lambda row: row.landed_minor)
    if cheapest.landed_minor < best.landed_minor:
        percent = cheapest.fill_rate_ppm // PPM_PER_PERCENT
        return (
            f"lowest landed cost for the {units} wanted, by observed fill rates, {among}: "
            f"{cheapest.supplier_id} costs less and has delivered {percent} % of the ordered units"
        )
    return f"lowest landed cost for the {units} wanted, {among}"


class Reason(Payload):
    """The reason for a purchase order line at its planning: units, days, and the compared offers.

    `orders` are short of `short` units; `restock` units are added, as the `position` without this
    purchase is at or below the reorder point.
    """

    orders: tuple[str, ...]
    short: int
    restock: int
    position: int
    reorder_point: int | None
    demand_a_day: float | None
    lead_time_days: float | None
    comparison: Comparison

    def in_words(self) -> str:
        """Return the reason as one sentence for an operator."""
        parts = []
        if self.short:
            parts.append(f"{self.short} short for {', '.join(self.orders)}")
        if self.restock:
            parts.append(
                f"{self.restock} to restock (position {self.position}, "
                f"reorder point {self.reorder_point})"
            )
        return f"{' and '.join(parts)}: {self.comparison.reason}"


@dataclass(frozen=True)
class PurchasingPolicy:
    """The configured rules of purchasing.

    `window`: the time for which a purchase order collects lines; `acknowledge_within`: the time a
    supplier has to acknowledge; `receipt_grace`: the delay after which goods are no longer
    expected; `rest`: the time for which a failed supplier isn't asked again; `tolerance_ppm`: the
    accepted excess over the ordered units, in millionths.
    """

    window: timedelta
    acknowledge_within: timedelta
    receipt_grace: timedelta
    rest: timedelta
    tolerance_ppm: int

    def most_units(self, ordered: int) -> int:
        """Return the most units that are received of a line."""
        return ordered + ordered * self.tolerance_ppm // (100 * PPM_PER_PERCENT)


class LandedValue(Payload):
    """The landed value of received goods, in minor units."""

    goods_minor: int
    freight_minor: int
    duty_minor: int

    @property
    def total_minor(self) -> int:
        """The value in stock: goods, freight and duty."""
        return self.goods_minor + self.freight_minor + self.duty_minor


class ArrivedUnits(Payload):
    """The received and the due units of a purchase order line."""

    unit_cost_minor: int
    received: int
    due: int


def freight_of_arrived(freight_minor: int, lines: Sequence[ArrivedUnits]) -> int:
    """Return the part of a purchase order's freight that received goods bear, rounded half up.

    In proportion to value (to units, where all costs are zero) of received and due units. Units
    that will not come bear nothing.
    """

    def weight(line: ArrivedUnits) -> int:
        return line.unit_cost_minor if has_value else 1

    has_value = any((line.received + line.due) * line.unit_cost_minor for line in lines)
    received = sum(line.received * weight(line) for line in lines)
    due = sum(line.due * weight(line) for line in lines)
    return round_half_up(freight_minor * received, received + due) if received else 0


def landed_value(
    received_before: int,
    received_now: int,
    goods_minor_per_unit: int,
    freight_minor: int,
    duty_ppm: int,
) -> LandedValue:
    """Return the value that `received_now` units of a purchase order line add to the stock.

    `freight_minor` is the freight that they bear. Duty is of the goods' value: the duty of all
    units so far, rounded half up, less that of the earlier receipts. So the sum over all receipts
    is exact, in whatever parts the units arrive.
    """

    def duty(units: int) -> int:
        return share(units * goods_minor_per_unit, duty_ppm)

    return LandedValue(
        goods_minor=received_now * goods_minor_per_unit,
        freight_minor=freight_minor,
        duty_minor=duty(received_before + received_now) - duty(received_before),
    )
