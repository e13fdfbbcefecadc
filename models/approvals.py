"""Approval of purchases: which ones wait for an operator, and why."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from models.money import decimals, format_amount
from models.purchasing import ComparedOffer, Requirement

DAYS_A_MONTH = 365 / 12


class ProposalState(StrEnum):
    """The life of a proposed purchase; an approval holds until the purchase is sent."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class ApprovalRules:
    """The configured limits of purchases without approval.

    `first`: a first purchase for stock waits. `value`: landed cost, in the company's currency;
    None: no limit. `cover_months`: months of demand that units for stock may cover.
    """

    first: bool = True
    value: Decimal | None = None
    cover_months: int = 6


def why_approval(
    rules: ApprovalRules,
    requirement: Requirement,
    chosen: ComparedOffer,
    *,
    is_first: bool,
    demand_a_day: float,
) -> str | None:
    """Return why a purchase waits for approval; None: it doesn't.

    A first purchase of more than orders are short of, one above the configured value, and one for
    stock that covers more than the configured months of demand.
    """
    reasons = []
    if rules.first and is_first and requirement.restock:
        reasons.append(f"the first purchase of more than the {requirement.short} that are short")
    if rules.value is not None:
        limit_minor = int(rules.value.scaleb(decimals(chosen.currency)))
        if chosen.landed_minor > limit_minor:
            reasons.append(f"above {format_amount(limit_minor, chosen.currency)} {chosen.currency}")
    beyond = chosen.quantity - requirement.short
    if requirement.restock and beyond > demand_a_day * DAYS_A_MONTH * rules.cover_months:
        reasons.append(f"more than {rules.cover_months} months of demand")
    return "; ".join(reasons) or None
