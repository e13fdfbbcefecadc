"""The goods, suppliers, locations and rules of the warehouse."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import update
from sqlmodel import col

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.importing import import_folder
from models.returns import ReturnRules
from models.tables.masterdata import Distance, SupplierOffer
from tests.support.database.rules import RULES as SHARED_RULES
from tests.support.database.stateful import BEGIN
from tests.support.masterdata.shop import (
    customer_row,
    location_row,
    offer_row,
    product_row,
    stock_row,
    supplier_row,
    write_tables,
)

LOCATIONS = {"BER": "DE", "MUC": "DE", "VIE": "AT"}
"""Countries by location."""
POSTAL_CODES = {"DE": "10115", "AT": "1010"}
SKUS = ("A", "B", "C")
OPENING = {("BER", "A"): 7, ("MUC", "A"): 3, ("VIE", "B"): 5}
"""Opening balance in units."""
OFFERS = (
    ("X", "A", "3.37", 1, 1),
    ("X", "B", "5.01", 1, 4),
    ("X", "C", "0.07", 3, 1),
    ("Y", "A", "3.99", 1, 2),
    ("Y", "C", "0.11", 1, 1),
)
"""Supplier, SKU, unit cost, minimum quantity, pack size."""
FOUND_COST = "2.11"
"""The unit cost of goods found at a location that has none."""
RULES = replace(SHARED_RULES, returns=ReturnRules(window_days=100_000, warranty_days=100_000))
"""Returns are accepted at any time."""


def furnish(url: str, folder: Path) -> None:
    """Import locations, goods, offers, stock and one customer into a migrated database."""
    offers = [
        offer_row(supplier_id, sku, unit_cost=cost, minimum_quantity=minimum, pack_size=pack)
        for supplier_id, sku, cost, minimum, pack in OFFERS
    ]
    write_tables(
        folder,
        locations=[
            location_row(name, country=country, postal_code=POSTAL_CODES[country])
            for name, country in LOCATIONS.items()
        ],
        products=[product_row(sku, unit_price="9.99", weight_g=900) for sku in SKUS],
        suppliers=[supplier_row(supplier_id) for supplier_id in "XY"],
        offers=offers,
        customers=[customer_row("ADA", credit_limit="10000000.00")],
        stock=[stock_row(*key, count, unit_cost="3.33") for key, count in OPENING.items()],
    )
    database = Database(url, RULES, lambda: BEGIN)
    import_folder(database, folder)
    database.transaction(_add_freight_and_distances)
    database.close()


def _add_freight_and_distances(work: UnitOfWork) -> None:
    work.session.execute(
        update(SupplierOffer)
        .where(col(SupplierOffer.supplier_id) == "X")
        .values(freight_cost_minor=1_001, duty_ppm=33_333)
    )
    work.session.add(Distance(location="MUC", country="AT", postal_prefix="", distance_km=400))
