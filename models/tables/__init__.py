"""The SQLModel tables, a file for each domain. Importing one registers all of them."""

import models.tables.columns  # noqa: F401 - names constraints: before the first table
from models.tables import (  # noqa: F401
    access,
    billing,
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
