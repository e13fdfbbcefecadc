"""Offers of suppliers for SKUs, as planning, the stock review and the reading of offers use them.

What an offer costs for a quantity, price break included, is a rule of `models.purchasing`:
`Offer.unit_cost_with_price_break` and `quantity_with_price_break`.
"""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from models.purchasing import Offer
from models.tables.masterdata import Company, SupplierOffer


def read_offers(session: Session, skus: Iterable[str]) -> list[Offer]:
    """Read the offers for `skus` that are in the company's currency."""
    currency = select(Company.currency).scalar_subquery()
    rows = session.exec(
        select(SupplierOffer).where(
            col(SupplierOffer.sku).in_(list(skus)), col(SupplierOffer.currency) == currency
        )
    )
    return [Offer.model_validate(row.model_dump()) for row in rows]
