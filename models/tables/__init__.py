"""The SQLModel tables, a file for each domain. Importing one registers all of them."""

from models.tables import (  # noqa: F401
    access,
    billing,
    columns,
    events,
    ledger,
    masterdata,
    operations,
    orders,
    purchasing,
    returns,
    shipping,
    stock,
)
