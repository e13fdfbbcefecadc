"""Approval of purchases: which ones wait for an operator, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from models.money import decimals, format_amount
from models.offers import ComparedOffer, Requirement

DAYS_A_MONTH = 365 / 12


class ProposalState(StrEnum):
    """The life of a proposed purchase.

    A decision holds for purchases of at most its units and landed cost, until one is sent or no
    units are missing any more.
    """

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    ENDED = "ended"
    """Decided on, and no longer needed: the next purchase is proposed again."""


@dataclass(frozen=True)
class ApprovalRules:
    """The configured limits of purchases without approval.

    `first`: a first purchase of more than orders are short of waits. `value`: landed cost of a
    line, and of a whole purchase order, in the company's currency; None: no limit. `cover_months`:
    months of demand that units beyond those that orders are short of may cover.
    """

    first: bool = True
    value: Decimal | None = Decimal("5000.00")
    cover_months: int = 6


def whole_minor(lines: Collection[ComparedOffer]) -> int:
    """Return the landed cost of a purchase order: each freight covers all of it, so the highest
    counts."""
    goods_minor = sum(line.goods_minor + line.duty_minor for line in lines)
    return goods_minor + max((line.freight_minor for line in lines), default=0)


def why_approval(
    rules: ApprovalRules,
    requirement: Requirement,
    chosen: ComparedOffer,
    *,
    is_first: bool,
    demand_a_day: float | None,
    others: Collection[ComparedOffer] = (),
) -> str | None:
    """Return why a purchase waits for approval; None: it doesn't.

    A first purchase of more than orders are short of, one above the configured value, and one that
    covers more than the configured months of demand beyond what orders are short of. It makes no
    difference whether the units beyond are for stock, or due to minimum, pack or price break.
    Without a stock review the demand is unknown (None), and the months aren't judged. `others`: the
    unapproved lines of the purchase order that it is added to, whose value counts with it.
    """
    reasons = []
    beyond = chosen.quantity - requirement.short
    if rules.first and is_first and beyond > 0:
        more = f" of more than the {requirement.short} that are short" if requirement.short else ""
        reasons.append(f"the first purchase{more}")
    if rules.value is not None:
        limit_minor = int(rules.value.scaleb(decimals(chosen.currency)))
        if chosen.landed_minor > limit_minor:
            reasons.append(f"above {format_amount(limit_minor, chosen.currency)} {chosen.currency}")
        elif others and whole_minor((chosen, *others)) > limit_minor:
            limit = f"{format_amount(limit_minor, chosen.currency)} {chosen.currency}"
            reasons.append(f"above {limit} with the other lines of its purchase order")
    if demand_a_day is not None:
        covered = demand_a_day * DAYS_A_MONTH * rules.cover_months
        if beyond > covered:
            reasons.append(f"more than {rules.cover_months} months of demand")
    return "; ".join(reasons) or None
