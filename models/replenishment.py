"""Stock control: when to order a SKU again, how much, and what may be promised meanwhile.

Averages and deviations are floats: they are estimates, and no money. What is ordered and promised
is whole units.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import accumulate

from models.base import Payload
from models.money import PPM_PER_PERCENT, decimals, round_half_up

FUZZ_DECIMALS = 6
"""Decimals kept before rounding up, so that 3.0000000000000004 units are 3 and not 4."""
DAYS_A_YEAR = 365


class Demand(Payload):
    """What a SKU's customers wanted in a day, as observed over `days` days.

    `mean` and `deviation` (the sample standard deviation) in units a day.
    """

    days: int
    mean: float
    deviation: float


class LeadTimeSource(StrEnum):
    """Where a lead time comes from."""

    OBSERVED = "observed"
    QUOTED = "quoted"
    UNKNOWN = "unknown"


class LeadTime(Payload):
    """Days from order to receipt: mean and sample standard deviation; no mean where unknown."""

    mean_days: float | None
    deviation_days: float
    source: LeadTimeSource


class ReorderPoint(Payload):
    """Order when the stock position is at or below `units`, of which `safety_units` are safety.

    Whole units; `reason` says in words what they rest on.
    """

    units: int
    safety_units: int
    reason: str


class Promisable(Payload):
    """From `day` on, `units` in all may still be promised; below zero: promised too much."""

    day: date
    units: int


def demand(units_a_day: Sequence[int]) -> Demand:
    """Demand from the units of each day of a window, days without any included as zeros.

    Sample deviation (n - 1); no days: all 0; one day: deviation 0. Exact up to the last rounding,
    whatever the order of the days.
    """
    if not units_a_day:
        return Demand(days=0, mean=0.0, deviation=0.0)
    mean = float(statistics.mean(units_a_day))
    return Demand(days=len(units_a_day), mean=mean, deviation=_deviation(units_a_day))


def demand_of_window(units_by_day: Mapping[date, int], last_day: date, days: int) -> Demand:
    """Demand over the `days` days that end with `last_day`; days that aren't named are zeros."""
    window = (last_day - timedelta(days=back) for back in range(days))
    return demand([units_by_day.get(day, 0) for day in window])


def lead_time(observed_days: Sequence[int], quoted_days: int | None) -> LeadTime:
    """Lead time from what receipts took; none: what the supplier quotes, as if it never varied.

    A receipt dated before its order took 0 days. One observation has deviation 0.
    """
    if observed_days:
        took = [max(0, days) for days in observed_days]
        return LeadTime(
            mean_days=float(statistics.mean(took)),
            deviation_days=_deviation(took),
            source=LeadTimeSource.OBSERVED,
        )
    if quoted_days is None:
        return LeadTime(mean_days=None, deviation_days=0.0, source=LeadTimeSource.UNKNOWN)
    return LeadTime(mean_days=float(quoted_days), deviation_days=0.0, source=LeadTimeSource.QUOTED)


def _deviation(values: Sequence[int]) -> float:
    return float(statistics.stdev(values)) if len(values) > 1 else 0.0


def service_factor(service_level_ppm: int) -> float:
    """z: the standard deviations of safety that leave no stock-out in `service_level_ppm` of the
    order cycles: 950_000 -> 1.645, 990_000 -> 2.326.

    The inverse of the normal distribution. Raises ValueError below 50 %, where safety stock would
    be negative, and at 100 %, where it has no end.
    """
    if not 50 * PPM_PER_PERCENT <= service_level_ppm < 100 * PPM_PER_PERCENT:
        raise ValueError("a service level is at least 50 % and below 100 %")
    return statistics.NormalDist().inv_cdf(service_level_ppm / (100 * PPM_PER_PERCENT))


def safety_stock(z: float, wanted: Demand, lead: LeadTime) -> float:
    """Units for what demand and lead time vary: z * sqrt(L * sigma_D^2 + D^2 * sigma_L^2).

    Demand of days, and demand and lead time, taken as independent (Chopra and Meindl, Supply Chain
    Management, "Managing uncertainty in a supply chain: safety inventory"; Heizer and Render,
    Operations Management, "Inventory management": probabilistic models). Not rounded; 0 where the
    lead time is unknown.
    """
    if lead.mean_days is None:
        return 0.0
    of_demand = lead.mean_days * wanted.deviation**2
    of_lead_time = wanted.mean**2 * lead.deviation_days**2
    return z * math.sqrt(of_demand + of_lead_time)


def reorder_point(z: float, wanted: Demand, lead: LeadTime) -> ReorderPoint:
    """D * L + `safety_stock`, both rounded up to whole units (the same sources).

    0 where the lead time is unknown: nothing is then bought ahead of what orders lack, because
    no figure would mean anything.
    """
    if lead.mean_days is None:
        return ReorderPoint(units=0, safety_units=0, reason="lead time unknown")
    safety = safety_stock(z, wanted, lead)
    return ReorderPoint(
        units=_up(wanted.mean * lead.mean_days + safety),
        safety_units=_up(safety),
        reason=(
            f"{wanted.mean:.2f} units a day over {wanted.days} days, "
            f"{lead.source} lead time {lead.mean_days:.1f} days"
        ),
    )


def _up(units: float) -> int:
    return math.ceil(round(units, FUZZ_DECIMALS))


def economic_order_quantity(
    demand_a_year: int, order_cost_minor: int, holding_cost_minor_a_year: int
) -> int:
    """Units to order at a time: sqrt(2 * D * S / H) to the nearest whole one, at least 1.

    D units a year, S minor units an order, H minor units to hold one unit for a year (Harris,
    1913). Exact in integers, halves up. 0, "no lot is better than another, buy what is lacking",
    where nothing is in demand and where holding costs nothing: there the formula has no bound.
    """
    if demand_a_year <= 0 or holding_cost_minor_a_year <= 0:
        return 0
    twice = 2 * demand_a_year * order_cost_minor
    down = math.isqrt(twice // holding_cost_minor_a_year)
    up = 4 * twice >= (2 * down + 1) ** 2 * holding_cost_minor_a_year
    return max(1, down + up)


def position(on_hand: int, on_order: int, reserved: int, backordered: int) -> int:
    """The stock position in units: what is there or coming and not yet anybody's.

    Order when it is at or below the reorder point.
    """
    return on_hand + on_order - reserved - backordered


def is_reordered(reorder_point: int, order_quantity: int) -> bool:
    """Whether anything is bought before orders are short of it: not where both are 0, as nothing is
    in demand, or the lead time is unknown."""
    return reorder_point > 0 or order_quantity > 0


def restock(position: int, reorder_point: int, order_quantity: int, safety_units: int) -> int:
    """Units to buy so that a position at or below the reorder point gets above it again: the order
    quantity, or more where that doesn't do. Where no lot is better than another (a quantity of 0),
    what is lacking up to the reorder point and the safety stock. 0 above the reorder point, and
    where nothing `is_reordered`."""
    if position > reorder_point or not is_reordered(reorder_point, order_quantity):
        return 0
    enough = reorder_point + 1 - position
    lot = order_quantity or reorder_point + safety_units - position
    return max(lot, enough)


def available_to_promise(
    available: int,
    receipts: Sequence[tuple[date, int]],
    promised: Sequence[tuple[date | None, int]],
    today: date,
) -> list[Promisable]:
    """What may still be promised from each day on: cumulative, with look-ahead.

    `available` units now; `receipts` units due by day; `promised` units by the day they are
    promised for, without one from now on, and not those that `available` already lacks because
    they are reserved. What is overdue counts today.

    The balance of a day is `available` plus what is due on or before it less what is promised on
    or before it; the units of a day are the smallest balance from it on, because what is promised
    later must still be there then, and no receipt serves an earlier day. The first row is today's,
    then one for each day that changes it, growing; the last is everything less everything. (APICS
    Dictionary: available-to-promise, "cumulative ATP with look-ahead".)
    """
    changes: dict[date, int] = {today: available}
    moves = [*receipts, *((day, -units) for day, units in promised)]
    for day, units in moves:
        when = max(today, day or today)
        changes[when] = changes.get(when, 0) + units
    days = sorted(changes)
    balances = list(accumulate(changes[day] for day in days))
    lowest = list(accumulate(reversed(balances), min))[::-1]
    rows = [Promisable(day=today, units=lowest[0])]
    for day, units in zip(days[1:], lowest[1:], strict=True):
        if units != rows[-1].units:
            rows.append(Promisable(day=day, units=units))
    return rows


@dataclass(frozen=True)
class ReviewPolicy:
    """How stock is controlled, as configured. `order_cost`: of one purchase order, in the
    company's currency; `holding_cost_ppm`: of a unit's value, a year."""

    window_days: int
    service_level_ppm: int
    order_cost: Decimal
    holding_cost_ppm: int


def observed_window(first_day: date | None, today: date, window_days: int) -> tuple[date, int]:
    """The last day and the number of days over which demand is observed: the `window_days` that
    end with yesterday, but none before the `first_day` with an order. That day itself is observed
    while it lasts; without any order, nothing is: 0 days."""
    yesterday = today - timedelta(days=1)
    if first_day is None:
        return yesterday, 0
    last_day = max(first_day, yesterday)
    return last_day, min(window_days, (last_day - first_day).days + 1)


def lot_size(
    policy: ReviewPolicy,
    currency: str,
    *,
    units_ordered: int,
    days: int,
    value_minor: int,
    units: int,
) -> int:
    """Economic order quantity, from `units_ordered` in `days` days, where `units` are worth
    `value_minor`. 0 as there, and where nothing was observed.

    The formula needs only the ratio of its costs: both are scaled alike, so that a unit worth less
    than a minor unit counts too.
    """
    if days < 1:
        return 0
    scale = 10 ** decimals(currency)
    order_cost = int((policy.order_cost * scale).to_integral_value(ROUND_HALF_UP))
    return economic_order_quantity(
        demand_a_year=round_half_up(units_ordered * DAYS_A_YEAR, days),
        order_cost_minor=order_cost * units * 100 * PPM_PER_PERCENT,
        holding_cost_minor_a_year=value_minor * policy.holding_cost_ppm,
    )
