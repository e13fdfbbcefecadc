"""Offers of suppliers for SKUs, as planning, the stock review and the reading of offers use them.

What an offer costs for a quantity, price break included, is a rule of `models.purchasing`:
`Offer.unit_cost_with_price_break` and `quantity_with_price_break`.
"""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from activities.database.company import keep_company
from models.offers import Offer
from models.tables.masterdata import Company, Product, SupplierOffer


def read_offers(session: Session, skus: Iterable[str]) -> list[Offer]:
    """Read the offers for `skus` that are in the company's currency, and the company with them."""
    rows = session.exec(
        select(SupplierOffer, Company, col(Product.is_bought))
        .join(Company, col(Company.currency) == col(SupplierOffer.currency))
        .join(Product, col(Product.sku) == col(SupplierOffer.sku))
        .where(col(SupplierOffer.sku).in_(list(skus)))
    ).all()
    if rows:
        keep_company(session, rows[0][1])
    return [
        Offer.model_validate(offer.model_dump() | {"is_bought": is_bought})
        for offer, _, is_bought in rows
    ]
