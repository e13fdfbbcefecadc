"""Buying: which offer, how much, what it costs once it is here, and how a purchase order lives."""

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
    """Decided, and not sent yet."""
    SENDING = "sending"
    """Being sent: the supplier may know it already."""
    SENT = "sent"
    """The supplier has it, and hasn't answered."""
    ACKNOWLEDGED = "acknowledged"
    """The supplier has accepted it."""
    SHIPPED = "shipped"
    """The supplier says that the goods are on their way."""
    RECEIVED = "received"
    """All goods have arrived."""
    INVOICED = "invoiced"
    """All goods have arrived, and the supplier's invoices for them."""
    CLOSED = "closed"
    """Ended by a person: what hasn't come isn't expected any more."""
    REFUSED = "refused"
    """The supplier has declined it."""
    LAPSED = "lapsed"
    """No acknowledgement came in time; we no longer count on it."""
    CANCELLED = "cancelled"
    """We have withdrawn it."""

    @property
    def is_open(self) -> bool:
        """Goods are still expected: it counts as on order, even before it is sent."""
        return self in OPEN_STATES

    @property
    def has_failed(self) -> bool:
        """Its goods won't come: whoever waits for them needs another purchase order."""
        return self in _FAILED

    @property
    def is_over(self) -> bool:
        """Nothing more is to be done about it."""
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
    """A supplier's price for a SKU, per unit.

    From `break_quantity` units on, all of them cost `break_unit_cost_minor` each; no break where
    either is missing. `freight_cost_minor` is for a purchase order, `duty_ppm` of the goods'
    value. `valid_until` is the last day for ordering; None: until further notice.
    """

    supplier_id: str
    sku: str
    unit_cost_minor: int
    currency: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int
    break_quantity: int | None = None
    break_unit_cost_minor: int | None = None
    freight_cost_minor: int = 0
    duty_ppm: int = 0
    valid_until: date | None = None

    def unit_cost_at(self, quantity: int) -> int:
        """What a unit costs, in minor units, where `quantity` are bought."""
        if self.break_quantity is None or self.break_unit_cost_minor is None:
            return self.unit_cost_minor
        return (
            self.break_unit_cost_minor if quantity >= self.break_quantity else self.unit_cost_minor
        )


class TrackRecord(Payload):
    """What was observed of a supplier in `orders` purchase orders.

    `fill_rate_ppm`: units received of units ordered, in millionths. None where nothing was
    observed: then what is quoted is believed.
    """

    orders: int
    mean_lead_time_days: float | None
    fill_rate_ppm: int | None


class Requirement(Payload):
    """What is to be bought: `short` units that orders wait for, `restock` units beside.

    `needed_by`: the day by which the orders need it; None: no day.
    """

    sku: str
    short: int
    restock: int
    needed_by: date | None

    @property
    def wanted(self) -> int:
        """Units wanted in all, at least 1: one asks for a comparison in order to buy."""
        return max(1, self.short + self.restock)


class ComparedOffer(Payload):
    """What buying by one offer means: a row of a `Comparison`.

    `landed_minor` is the whole purchase: goods (`quantity` at `unit_cost_minor`), freight and duty.
    `why_not`: why it can't be used; None: it can.
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
    """All offers for a requirement, the best first; those that can't be used are last.

    `chosen` is None where none can be used. `reason`: one sentence for the buyer.
    """

    requirement: Requirement
    rows: tuple[ComparedOffer, ...]
    chosen: ComparedOffer | None
    reason: str


def quantity_to_buy(short: int, minimum_quantity: int, pack_size: int) -> int:
    """The smallest whole number of packs that covers both what is short and the minimum."""
    packs = -(-max(short, minimum_quantity) // pack_size)
    return packs * pack_size


def compare_offers(
    requirement: Requirement,
    offers: Iterable[Offer],
    records: Mapping[str, TrackRecord],
    today: date,
    excluded: Mapping[str, str],
) -> Comparison:
    """Which of `offers` to buy by, ordering `today`.

    `records` and `excluded` (with the reason) are by supplier_id. Offers of other SKUs are passed
    over.

    Best is, among the offers that can be used: what arrives by `needed_by` before what doesn't, and
    of what doesn't the earliest; then the lowest landed cost of a wanted unit that arrives (landed
    cost of the whole purchase by wanted units and fill rate, as exact fractions: a low unit cost
    behind a large minimum is no bargain); then the shorter expected lead time, the better fill
    rate, the supplier's id.

    Raises ValueError for offers in several currencies: their costs don't compare.
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
    quantity = _quantity(requirement.wanted, offer)
    goods, duty = _goods_and_duty(offer, quantity)
    lead_time_days = _expected_lead_time(offer, record)
    expected = today + timedelta(days=lead_time_days)
    needed_by = requirement.needed_by
    return ComparedOffer(
        supplier_id=offer.supplier_id,
        sku=offer.sku,
        currency=offer.currency,
        quantity=quantity,
        unit_cost_minor=offer.unit_cost_at(quantity),
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


def _quantity(wanted: int, offer: Offer) -> int:
    """Up to the price break where the whole purchase is cheaper there."""
    enough = quantity_to_buy(wanted, offer.minimum_quantity, offer.pack_size)
    if offer.break_quantity is None or enough >= offer.break_quantity:
        return enough
    at_break = quantity_to_buy(offer.break_quantity, offer.minimum_quantity, offer.pack_size)
    cheaper = sum(_goods_and_duty(offer, at_break)) < sum(_goods_and_duty(offer, enough))
    return at_break if cheaper else enough


def _goods_and_duty(offer: Offer, quantity: int) -> tuple[int, int]:
    goods = quantity * offer.unit_cost_at(quantity)
    return goods, share(goods, offer.duty_ppm)


def _expected_lead_time(offer: Offer, record: TrackRecord | None) -> int:
    """The larger of what is quoted and what was observed, in whole days, rounded up."""
    if record is None or record.mean_lead_time_days is None:
        return offer.lead_time_days
    return max(offer.lead_time_days, ceil(record.mean_lead_time_days))


def _fill_rate(record: TrackRecord | None) -> int:
    """Between nothing and all: who delivers more than ordered is no better than all."""
    if record is None or record.fill_rate_ppm is None:
        return ALL_PPM
    return min(ALL_PPM, max(0, record.fill_rate_ppm))


def _why_not(offer: Offer, today: date, excluded: Mapping[str, str]) -> str | None:
    if offer.supplier_id in excluded:
        return excluded[offer.supplier_id]
    if offer.valid_until is not None and offer.valid_until < today:
        return f"expired on {offer.valid_until}"
    return None


def _cost_per_unit(requirement: Requirement, row: ComparedOffer) -> tuple[bool, Fraction]:
    """Minor units for a wanted unit that arrives; who never delivers comes after everybody."""
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
    """`rows` and `possible` the best first."""
    if not rows:
        return f"nobody offers {requirement.sku}"
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
    """Of offers that are all late, the earliest first."""
    best, rivals = possible[0], possible[1:]
    as_early = [row for row in rivals if row.expected_date == best.expected_date]
    if rivals and not as_early:
        return f"the earliest of {len(possible)} offers"
    return _why_best(requirement, best, as_early, " that arrive first")


def _why_best(
    requirement: Requirement, best: ComparedOffer, rivals: list[ComparedOffer], which: str
) -> str:
    """By the first thing in which the best differs from the next."""
    if not rivals:
        return "the only offer that can be used"
    among = f"of {len(rivals) + 1} offers{which}"
    units = f"{requirement.wanted} unit{'' if requirement.wanted == 1 else 's'}"
    following = rivals[0]
    if _cost_per_unit(requirement, best) == _cost_per_unit(requirement, following):
        cheap = f"as cheap as {following.supplier_id}"
        if best.expected_lead_time_days < following.expected_lead_time_days:
            return f"{cheap} and sooner here, {among}"
        if best.fill_rate_ppm > following.fill_rate_ppm:
            return f"{cheap} and more reliable, {among}"
        return f"as good as {following.supplier_id} in all respects and first by name, {among}"
    cheapest = min(rivals, key=lambda row: row.landed_minor)
    if cheapest.landed_minor < best.landed_minor:
        percent = cheapest.fill_rate_ppm // PPM_PER_PERCENT
        return (
            f"lowest landed cost for the {units} wanted, by what really arrives, {among}: "
            f"{cheapest.supplier_id} "
            f"asks less and has delivered {percent} % of what was ordered"
        )
    return f"lowest landed cost for the {units} wanted, {among}"


class Reason(Payload):
    """Why a line was bought, as it was then: units, days, and the offers compared.

    `orders` are short of `short` units; `restock` are bought beside, as the `position` without
    this purchase is at or below the reorder point.
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
        """One sentence for a buyer."""
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
class BuyingPolicy:
    """How we buy, by configuration.

    `window`: how long a purchase order collects lines; `acknowledge_within`: how long a supplier
    has to answer; `receipt_grace`: how late goods may be before we count on them no longer;
    `rest`: how long a supplier that has let us down isn't asked again; `tolerance_ppm`: how much
    more than ordered is taken in.
    """

    window: timedelta
    acknowledge_within: timedelta
    receipt_grace: timedelta
    rest: timedelta
    tolerance_ppm: int

    def most_units(self, ordered: int) -> int:
        """The most that is taken in of a line, in units."""
        return ordered + ordered * self.tolerance_ppm // (100 * PPM_PER_PERCENT)


class LandedValue(Payload):
    """What received goods are worth in stock, in minor units."""

    goods_minor: int
    freight_minor: int
    duty_minor: int

    @property
    def total_minor(self) -> int:
        """All of it."""
        return self.goods_minor + self.freight_minor + self.duty_minor


class ArrivedUnits(Payload):
    """Of a purchase order's line: units that came, and units that are still due."""

    unit_cost_minor: int
    received: int
    due: int


def freight_of_arrived(freight_minor: int, lines: Sequence[ArrivedUnits]) -> int:
    """What the goods that came bear of their purchase order's freight, rounded half up.

    By value (by units, where nothing costs anything), of all that came or is due: what won't come
    bears nothing, so that what comes bears the whole.
    """

    def weight(line: ArrivedUnits) -> int:
        return line.unit_cost_minor if has_value else 1

    has_value = any((line.received + line.due) * line.unit_cost_minor for line in lines)
    came = sum(line.received * weight(line) for line in lines)
    due = sum(line.due * weight(line) for line in lines)
    return round_half_up(freight_minor * came, came + due) if came else 0


def landed_value(
    received_before: int,
    received_now: int,
    goods_minor_per_unit: int,
    freight_minor: int,
    duty_ppm: int,
) -> LandedValue:
    """What `received_now` units of a purchase order line add to the value of the stock, with the
    freight that they bear.

    Duty is of the goods' value. Each receipt takes what all units so far make, rounded half up,
    less what the earlier ones have taken: over all units exactly the whole, however they arrive.
    """

    def duty(units: int) -> int:
        return share(units * goods_minor_per_unit, duty_ppm)

    return LandedValue(
        goods_minor=received_now * goods_minor_per_unit,
        freight_minor=freight_minor,
        duty_minor=duty(received_before + received_now) - duty(received_before),
    )
