"""Offers of suppliers: price tiers and breaks, and the comparison of offers for a purchase.

`Offer.unit_cost_with_price_break` prices a quantity, `compare_offers` chooses among offers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from itertools import zip_longest
from math import ceil

from models.base import Payload
from models.money import PPM_PER_PERCENT, share

ALL_PPM = 100 * PPM_PER_PERCENT


class Offer(Payload):
    """A supplier's price for purchases of a SKU from `from_quantity` units on, in minor units.

    A supplier's offers for a SKU are its price tiers: each has its own terms, and counts up to the
    `from_quantity` of the next. Price break within a tier: from `break_quantity` units on, every
    unit costs `break_unit_cost_minor`; without either there is none. `freight_cost_minor` is for a
    purchase order, `duty_ppm` is of the goods' value, in millionths. `valid_until` is the last day
    for ordering; None: without end.
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
    from_quantity: int = 1
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
    from_quantity: int = 1
    """Of the offer: that of its price tier."""

    def is_of(self, offer: Offer) -> bool:
        """Return whether this is a purchase by an offer."""
        return (self.supplier_id, self.from_quantity) == (offer.supplier_id, offer.from_quantity)


class Comparison(Payload):
    """The offers for a requirement, the best first and the unusable ones last.

    Of the price tiers of a supplier, the best that counts for its quantity. `chosen` is None where
    none can be used. `reason`: one sentence for the operator.
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

    Each supplier has one row: that of its best price tier. Raises ValueError for offers in several
    currencies.
    """
    ours = [offer for offer in offers if offer.sku == requirement.sku]
    if len({offer.currency for offer in ours}) > 1:
        raise ValueError("offers: in several currencies")
    tiers: dict[str, list[Offer]] = defaultdict(list)
    for offer in ours:
        tiers[offer.supplier_id].append(offer)
    rows = [
        min(
            _rows(requirement, of_supplier, records.get(supplier_id), today, excluded),
            key=lambda row: _preference(requirement, row),
        )
        for supplier_id, of_supplier in tiers.items()
    ]
    rows.sort(key=lambda row: _preference(requirement, row))
    possible = [row for row in rows if row.why_not is None]
    return Comparison(
        requirement=requirement,
        rows=tuple(rows),
        chosen=possible[0] if possible else None,
        reason=_reason(requirement, rows, possible),
    )


def _rows(
    requirement: Requirement,
    tiers: Iterable[Offer],
    record: TrackRecord | None,
    today: date,
    excluded: Mapping[str, str],
) -> Iterator[ComparedOffer]:
    """Return a purchase by each price tier of a supplier that counts for its quantity.

    Expired tiers count where all are expired. A quantity from the next tier on is not of this one.
    """
    known = sorted(tiers, key=lambda offer: offer.from_quantity)
    valid = [offer for offer in known if not _is_expired(offer, today)] or known
    for offer, following in zip_longest(valid, valid[1:]):
        below = following.from_quantity if following else None
        quantity = quantity_with_price_break(requirement.wanted, offer, below)
        if below is None or quantity < below:
            yield _row(requirement, offer, quantity, record, today, excluded)


def _row(
    requirement: Requirement,
    offer: Offer,
    quantity: int,
    record: TrackRecord | None,
    today: date,
    excluded: Mapping[str, str],
) -> ComparedOffer:
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
        from_quantity=offer.from_quantity,
    )


def quantity_with_price_break(wanted: int, offer: Offer, below: int | None = None) -> int:
    """Return the units to purchase by an offer: more than `wanted` where that costs less in all.

    That is so where the goods and duty of the price break's quantity cost less than those of the
    smallest sufficient quantity, and the break's quantity is `below` the next price tier.
    """
    least = max(offer.minimum_quantity, offer.from_quantity)
    enough = purchase_quantity(wanted, least, offer.pack_size)
    if offer.break_quantity is None or enough >= offer.break_quantity:
        return enough
    at_break = purchase_quantity(offer.break_quantity, least, offer.pack_size)
    if below is not None and at_break >= below:
        return enough
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
    if _is_expired(offer, today):
        return f"expired on {offer.valid_until}"
    return None


def _is_expired(offer: Offer, today: date) -> bool:
    return offer.valid_until is not None and offer.valid_until < today


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
