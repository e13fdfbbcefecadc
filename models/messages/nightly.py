"""Messages of the nightly workflows: stock review and reconciliation.

Every field of their inputs has a default, for a start from the Temporal UI.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from models.base import Payload
from models.messages.attention import Attention
from models.messages.steps import StockKey

STOCK_REVIEW = "stock-review"
RECONCILE = "reconcile"
"""Ids of the schedules, and of the workflows that an operator starts."""
Batch = Annotated[int, Field(ge=1, le=1_000)]


class ReviewProgress(Payload):
    """The progress of a stock review: the SKUs up to `after` are reviewed; None: all of them."""

    after: str | None = ""
    batch_skus: Batch = 200
    skus: int = 0
    stock_keys: int = 0
    low: int = 0


class ReviewStep(Payload):
    """Review the next `batch_skus` SKUs after `after`."""

    after: str
    batch_skus: int


class ReviewedBatch(Payload):
    """The result of a batch. `last_sku`: None after the last SKU; `low`: the stock keys at or below
    their reorder point."""

    last_sku: str | None
    skus: int
    stock_keys: int
    low: tuple[StockKey, ...]


class ReviewOutcome(Payload):
    """The result of a stock review: SKUs and stock keys reviewed, stock keys found low.

    `places`, the name of the stock keys in JSON, is part of the interface.
    """

    skus: int
    places: int
    low: int


class ReconcileProgress(Payload):
    """The progress of a reconciliation since `seen_at`.

    First the SKUs up to `after_sku`, then the open orders up to `after_order` are compared.
    """

    after_sku: str | None = ""
    """None, as for orders: all are compared."""
    after_order: str | None = ""
    batch: Batch = 200
    seen_at: datetime | None = None
    stock_keys: int = 0
    orders: int = 0


class CompareStep(Payload):
    """Compare the next `batch` SKUs or orders after `after`; differences are found as of
    `seen_at`."""

    after: str
    batch: int
    seen_at: datetime


class ComparedBatch(Payload):
    """The result of a batch: its last SKU or order (None after the last), and the number of stock
    keys or orders compared."""

    last: str | None
    compared: int


class CloseStep(Payload):
    """Close the findings not found again since `seen_at`."""

    seen_at: datetime


class OpenFindings(Payload):
    """The number of open findings, and the messages of the first."""

    count: int
    examples: tuple[str, ...]


class ReconcileOutcome(Payload):
    """The result of a reconciliation; `attention`: set if there are open findings.

    `places`, the name of the stock keys in JSON, is part of the interface.
    """

    places: int
    orders: int
    findings: int
    attention: Attention | None = None
