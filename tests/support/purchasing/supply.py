"""Purchases on a warehouse of its own: orders, purchase orders, policies and receipts."""

from typing import Any

from sqlmodel import select

from models.messages.facts import GoodsReceived
from models.messages.steps import StockKey
from models.orders import Delivery
from models.tables.purchasing import PurchaseOrderLine
from models.tables.stock import StockPolicy
from tests.support.database.stateful import BEGIN
from tests.support.stock.machine import Warehouse

BERLIN_C = StockKey(location="BER", sku="C")
"""A stock key without any units."""


def place(warehouse: Warehouse, quantity: int, sku: str = "C") -> str:
    """Place an order in Berlin; return its id."""
    warehouse.reserve([(sku, quantity)], Delivery.COMPLETE, "DE", twice=False)
    return f"O{warehouse.number:04d}"


def buy(warehouse: Warehouse, quantity: int) -> PurchaseOrderLine:
    """Make an order short of `quantity` units, and purchase them."""
    place(warehouse, quantity)
    warehouse._buy(BERLIN_C, sends=True, again=False)
    [line] = warehouse.read(select(PurchaseOrderLine))
    return line


def policy(sku: str, **fields: Any) -> StockPolicy:
    """Make a stock policy for Berlin."""
    return StockPolicy(
        sku=sku,
        location="BER",
        demand_a_day=2.0,
        demand_deviation=0.5,
        observed_days=90,
        lead_time_days=3.0,
        lead_time_deviation=0.0,
        **{"safety_stock": 2, "reviewed_at": BEGIN, **fields},
    )


def receipt(line: PurchaseOrderLine, quantity: int, **changes: Any) -> GoodsReceived:
    """Make a goods receipt for a line."""
    fields = {"receipt_id": "R", "po_id": line.po_id, "sku": line.sku, "quantity": quantity}
    return GoodsReceived.model_validate(fields | changes)
