"""Price tiers of a supplier's offers for a SKU: what is wrong with or unlikely about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.money import format_amount


@dataclass(frozen=True)
class PriceTier:
    """A price from `from_quantity` units on.

    `line`: of the file that has it; None: it is stored, and not in the file.
    """

    from_quantity: int
    unit_cost_minor: int
    break_quantity: int | None = None
    break_unit_cost_minor: int | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """Where the tier is."""
        return f"line {self.line}" if self.line else "the stored offers"

    @property
    def prices(self) -> Iterator[tuple[int, int]]:
        """The units from which a price counts, and the price."""
        if self.break_quantity is None or self.break_quantity > self.from_quantity:
            yield self.from_quantity, self.unit_cost_minor
        if self.break_quantity is not None and self.break_unit_cost_minor is not None:
            yield max(self.break_quantity, self.from_quantity), self.break_unit_cost_minor


TierProblem = tuple[PriceTier, str, str]
"""A tier of the file, the column, and what is wrong or unlikely."""


def tier_errors(tiers: Sequence[PriceTier]) -> Iterator[TierProblem]:
    """Find tiers that leave smaller quantities without a price, or hide a price break."""
    known = sorted(tiers, key=lambda tier: tier.from_quantity)
    first = known[0]
    if first.from_quantity > 1:
        for tier in known:
            yield (
                tier,
                "from_quantity",
                f"the price of fewer than {first.from_quantity} units is missing: add a row with "
                f"an empty from_quantity; if no fewer are sold, with a minimum_quantity of "
                f"{first.from_quantity}",
            )
    for tier, following in pairwise(known):
        at = tier.break_quantity
        if at is None or at < following.from_quantity:
            continue
        found = tier if tier.line else following
        column = "break_quantity" if tier.line else "from_quantity"
        reason = (
            f"the price from {at} units in {tier.place} (break_quantity) is hidden by that "
            f"from {following.from_quantity} in {following.place}"
        )
        if at == following.from_quantity:
            reason = (
                f"{at} is the break_quantity of {tier.place}, and the from_quantity of "
                f"{following.place}: keep one of the two prices"
            )
        else:
            reason += f": write it as a row with from_quantity {at}"
        yield found, column, reason


def tier_doubts(tiers: Sequence[PriceTier], currency: str) -> Iterator[TierProblem]:
    """Find larger quantities that cost more a unit, and stored tiers that the file leaves out."""
    known = sorted(tiers, key=lambda tier: tier.from_quantity)
    for tier, following in pairwise(known):
        *_, (least, smaller) = tier.prices
        _, larger = next(iter(following.prices))
        if larger > smaller and (found := following if following.line else tier).line:
            dear, cheap = (format_amount(cost, currency) for cost in (larger, smaller))
            reason = (
                f"{dear} from {following.from_quantity} units is above {cheap} from {least} units"
            )
            yield found, "unit_cost", reason
    if sum(tier.line is not None for tier in known) > 1:
        last = next(tier for tier in reversed(known) if tier.line)
        for tier in known:
            if tier.line is None:
                cost = format_amount(tier.unit_cost_minor, currency)
                reason = (
                    f"{cost} from {tier.from_quantity} units is stored, not in this file, and "
                    "stays: to end it, import it with a valid_until that is past"
                )
                yield last, "from_quantity", reason
