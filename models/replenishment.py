"""Replenishment: demand, lead time, reorder point, order quantity and available to promise.

Averages and deviations are floats: they are estimates, not money. Ordered and promised quantities
are whole units.
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
"""The decimals kept before rounding up, so that 3.0000000000000004 units are 3 and not 4."""
DAYS_A_YEAR = 365
PRIOR_DAYS = 28
"""The least days over which demand is estimated: four weeks, of seven weekdays each."""


class Demand(Payload):
    """The demand of a SKU, observed over `days` days.

    `mean` and `deviation` (the sample standard deviation) are in units a day.
    """

    days: int
    mean: float
    deviation: float


class LeadTimeSource(StrEnum):
    """The sources of a lead time."""

    OBSERVED = "observed"
    QUOTED = "quoted"
    UNKNOWN = "unknown"


class LeadTime(Payload):
    """The days from order to receipt: mean and sample standard deviation; no mean where unknown."""

    mean_days: float | None
    deviation_days: float
    source: LeadTimeSource


class ReorderPoint(Payload):
    """The stock position at which a SKU is purchased: `units`, of which `safety_units` are safety.

    Whole units; `reason` names demand and lead time in words.
    """

    units: int
    safety_units: int
    reason: str


class Promisable(Payload):
    """The `units` in all that may still be promised from `day` on; below zero: oversold."""

    day: date
    units: int


def demand(units_a_day: Sequence[int]) -> Demand:
    """Estimate demand from the units of each day of a window; days without demand are zeros.

    The deviation is that of a sample (n - 1); of one day it is 0, of no days all is 0. Exact up to
    the last rounding, in any order of the days.
    """
    if not units_a_day:
        return Demand(days=0, mean=0.0, deviation=0.0)
    mean = float(statistics.mean(units_a_day))
    return Demand(days=len(units_a_day), mean=mean, deviation=_deviation(units_a_day))


def demand_of_window(units_by_day: Mapping[date, int], last_day: date, days: int) -> Demand:
    """Estimate demand over the `days` days that end with `last_day`; missing days are zeros."""
    window = (last_day - timedelta(days=back) for back in range(days))
    return demand([units_by_day.get(day, 0) for day in window])


def lead_time(observed_days: Sequence[int], quoted_days: int | None) -> LeadTime:
    """Estimate the lead time from receipts; without any, the quoted one with deviation 0.

    A receipt dated before its order counts as 0 days. One observation has deviation 0.
    """
    if observed_days:
        observed = [max(0, days) for days in observed_days]
        return LeadTime(
            mean_days=float(statistics.mean(observed)),
            deviation_days=_deviation(observed),
            source=LeadTimeSource.OBSERVED,
        )
    if quoted_days is None:
        return LeadTime(mean_days=None, deviation_days=0.0, source=LeadTimeSource.UNKNOWN)
    return LeadTime(mean_days=float(quoted_days), deviation_days=0.0, source=LeadTimeSource.QUOTED)


def _deviation(values: Sequence[int]) -> float:
    return float(statistics.stdev(values)) if len(values) > 1 else 0.0


def service_factor(service_level_ppm: int) -> float:
    """Return z, the standard deviations of safety stock for a cycle service level.

    `service_level_ppm`: the share of order cycles without a stock-out, in millionths: 950_000 gives
    1.645, 990_000 gives 2.326. The inverse of the normal distribution. Raises ValueError below
    50 %, where safety stock would be negative, and at 100 %, where it would be infinite.
    """
    if not 50 * PPM_PER_PERCENT <= service_level_ppm < 100 * PPM_PER_PERCENT:
        raise ValueError("a service level is at least 50 % and below 100 %")
    return statistics.NormalDist().inv_cdf(service_level_ppm / (100 * PPM_PER_PERCENT))


def safety_stock(z: float, wanted: Demand, lead: LeadTime) -> float:
    """Return the safety stock in units, not rounded: z * sqrt(L * sigma_D^2 + D^2 * sigma_L^2).

    The demand of each day, and demand and lead time, count as independent (Chopra and Meindl,
    Supply Chain Management, "Managing uncertainty in a supply chain: safety inventory"; Heizer and
    Render, Operations Management, "Inventory management": probabilistic models). 0 where the lead
    time is unknown.
    """
    if lead.mean_days is None:
        return 0.0
    of_demand = lead.mean_days * wanted.deviation**2
    of_lead_time = wanted.mean**2 * lead.deviation_days**2
    return z * math.sqrt(of_demand + of_lead_time)


def reorder_point(z: float, wanted: Demand, lead: LeadTime) -> ReorderPoint:
    """Return the reorder point D * L + `safety_stock`, rounded up (the same sources).

    0 where the lead time is unknown: then only shortages are purchased.
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
    """Return the economic order quantity: sqrt(2 * D * S / H) in whole units, at least 1.

    D units a year, S minor units an order, H minor units to hold one unit for a year (Harris,
    1913). Exact in integers, halves rounded up. 0 without demand or holding cost, where the formula
    has no solution: then the missing units are purchased.
    """
    if demand_a_year <= 0 or holding_cost_minor_a_year <= 0:
        return 0
    twice = 2 * demand_a_year * order_cost_minor
    down = math.isqrt(twice // holding_cost_minor_a_year)
    up = 4 * twice >= (2 * down + 1) ** 2 * holding_cost_minor_a_year
    return max(1, down + up)


def position(on_hand: int, on_order: int, reserved: int, backordered: int) -> int:
    """Return the stock position in units: on hand and on order, less reserved and backordered.

    At or below the reorder point, the SKU is purchased.
    """
    return on_hand + on_order - reserved - backordered


def is_reordered(reorder_point: int, order_quantity: int) -> bool:
    """Return whether a SKU is purchased before orders are short of it.

    Not where both are 0: there is no demand, or the lead time is unknown.
    """
    return reorder_point > 0 or order_quantity > 0


def restock(position: int, reorder_point: int, order_quantity: int, safety_units: int) -> int:
    """Return the units to purchase so that the position rises above the reorder point.

    The order quantity, or more where it isn't enough. With an order quantity of 0, the units up to
    reorder point and safety stock together. 0 above the reorder point, and where the SKU isn't
    `is_reordered`.
    """
    if position > reorder_point or not is_reordered(reorder_point, order_quantity):
        return 0
    least = reorder_point + 1 - position
    return max(least, order_quantity or reorder_point + safety_units - position)


def available_to_promise(
    available: int,
    receipts: Sequence[tuple[date, int]],
    promised: Sequence[tuple[date | None, int]],
    today: date,
) -> list[Promisable]:
    """Return the units available to promise from each day on: cumulative, with look-ahead.

    `available`: units now, less the reserved ones; `receipts`: units by the day they are due;
    `promised`: other units by the day they are promised for, None for now. Past days count as
    today.

    The balance of a day is `available`, plus the receipts and less the promises up to that day. The
    units of a day are the smallest balance from it on, because later promises must be kept and no
    receipt serves an earlier day. The first row is today's; further rows are the days on which the
    units grow. (APICS Dictionary: available-to-promise, "cumulative ATP with look-ahead".)
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
    """The configured rules of the stock review.

    `window_days`: the days over which demand is observed; `order_cost`: of one purchase order, in
    the company's currency; `holding_cost_ppm`: a year, of a unit's value, in millionths.
    """

    window_days: int
    service_level_ppm: int
    order_cost: Decimal
    holding_cost_ppm: int


def observed_window(first_day: date | None, today: date, window_days: int) -> tuple[date, int]:
    """Return the last day and the number of days over which demand is observed.

    The `window_days` that end with yesterday, none of them before the `first_day` with an order;
    on that day itself, today alone. 0 days without any order.

    There are at least PRIOR_DAYS (or `window_days`, if these are fewer): days before the first
    order count as days without demand. So the mean of n days is shrunk to units / PRIOR_DAYS: the
    posterior mean of a Poisson rate whose Gamma prior has seen no demand on the missing days
    (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6). It ends with PRIOR_DAYS days.
    """
    yesterday = today - timedelta(days=1)
    if first_day is None:
        return yesterday, 0
    last_day = max(first_day, yesterday)
    return last_day, min(window_days, max(PRIOR_DAYS, (last_day - first_day).days + 1))


def lot_size(
    policy: ReviewPolicy,
    currency: str,
    *,
    units_ordered: int,
    days: int,
    value_minor: int,
    units: int,
) -> int:
    """Return the economic order quantity for `units_ordered` in `days` days; 0 without any days.

    `value_minor` is the value of `units` units. The formula needs only the ratio of its costs: both
    are scaled alike, so that a unit worth less than a minor unit counts too.
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
