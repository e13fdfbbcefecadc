"""The SQLModel tables, a module per domain; importing one module registers all tables."""

from models.tables import (
    billing,
    columns,
    ledger,
    masterdata,
    operations,
    orders,
    purchasing,
    returns,
    shipping,
    stock,
)

__all__ = [
    "billing",
    "columns",
    "ledger",
    "masterdata",
    "operations",
    "orders",
    "purchasing",
    "returns",
    "shipping",
    "stock",
]
