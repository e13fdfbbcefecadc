"""Price tiers of offers: rows of offers.csv with the same supplier and SKU, beside stored ones."""

from collections import defaultdict
from collections.abc import Iterator

from sqlmodel import col, select

from activities.database.chunks import chunks
from activities.masterdata.planning import Context, Plan, drop
from activities.masterdata.services import drop_services
from models.imports import OfferRow
from models.price_tiers import PriceTier, tier_doubts, tier_errors
from models.tables.masterdata import SupplierOffer

Tiers = dict[tuple[str, str], list[PriceTier]]
"""The tiers by supplier and SKU."""


def check_tiers(context: Context, plan: Plan) -> None:
    """Refuse price tiers that leave quantities without a price, or hide a price break."""
    drop_services(context, plan, "purchased")
    rows = {row.line: row for row in plan.rows}
    for (_, sku), tiers in _tiers(context, plan).items():
        undecided = plan.content.may_define("sku", sku)
        for tier, column, reason in tier_errors(tiers):
            if tier.line is not None:
                drop(plan, rows[tier.line], column, None if undecided else reason)


def doubtful_tiers(context: Context, plan: Plan) -> Iterator[tuple[int, str, str]]:
    """Find unlikely price tiers of the file: line, column and reason."""
    for tiers in _tiers(context, plan).values():
        for tier, column, reason in tier_doubts(tiers, plan.currency):
            if tier.line is not None:
                yield tier.line, column, reason


def _tiers(context: Context, plan: Plan) -> Tiers:
    """Return the tiers of the file, and the stored ones of the same suppliers and SKUs."""
    found: Tiers = defaultdict(list)
    planned = set()
    for row in plan.rows:
        offer, after = row.document, row.after
        planned.add((offer.supplier_id, offer.sku, offer.from_quantity))
        if _is_past(context, offer):
            continue
        tier = PriceTier(
            offer.from_quantity,
            after["unit_cost_minor"] or 0,
            offer.break_quantity,
            after["break_unit_cost_minor"],
            row.line,
        )
        found[offer.supplier_id, offer.sku].append(tier)
    for some in chunks(sorted({sku for _, sku in found})):
        for stored in context.session.exec(
            select(SupplierOffer).where(col(SupplierOffer.sku).in_(some))
        ):
            key = (stored.supplier_id, stored.sku, stored.from_quantity)
            if key[:2] in found and key not in planned and not _is_past(context, stored):
                tier = PriceTier(
                    stored.from_quantity,
                    stored.unit_cost_minor,
                    stored.break_quantity,
                    stored.break_unit_cost_minor,
                )
                found[key[:2]].append(tier)
    return found


def _is_past(context: Context, offer: SupplierOffer | OfferRow) -> bool:
    """Return whether a tier has ended; the one of the smallest quantities still counts."""
    past = offer.valid_until is not None and offer.valid_until < context.today
    return past and offer.from_quantity > 1
