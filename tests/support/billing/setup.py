"""The goods, customers and rules of billing."""

from dataclasses import replace
from pathlib import Path

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.billing import BillingRules, DunningLevel
from models.messages.policy import Policy
from tests.support.database.stateful import BEGIN
from tests.support.masterdata.shop import (
    customer_row,
    location_row,
    product_row,
    stock_row,
    write_tables,
)
from tests.support.stock.setup import RULES as WAREHOUSE_RULES

BILLING_RULES = BillingRules(
    tolerance="0.03", dunning=(DunningLevel(days=7), DunningLevel(days=14, fee="5.00"))
)
RULES = replace(
    WAREHOUSE_RULES,
    policy=Policy(payment_deadline=86_400, partner_timeout=1, attention_after_attempts=1),
    billing=BILLING_RULES,
)
GOODS = (("A", "9.99", "19"), ("B", "0.37", "7"), ("C", "120.00", "0"))
"""SKU, unit price, tax rate in percent."""


def furnish(url: str, folder: Path) -> None:
    """Import goods at three tax rates, stock and two customers into a migrated database."""
    products = [
        product_row(sku, unit_price=price, tax_rate_percent=rate, weight_g=900)
        for sku, price, rate in GOODS
    ]
    customers = [
        customer_row(
            name, name=name, email=f"{name.lower()}@example.com", credit_limit="10000000.00"
        )
        for name in ("ADA", "BOB")
    ]
    write_tables(
        folder,
        locations=[location_row("BER")],
        products=products,
        customers=customers,
        stock=[stock_row("BER", sku, 100_000, unit_cost="0.33") for sku, _, _ in GOODS],
    )
    database = Database(url, RULES, lambda: BEGIN)
    import_folder(database, folder)
    database.close()
