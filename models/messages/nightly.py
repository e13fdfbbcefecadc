"""What the nightly workflows and their steps say to each other. All of it may be left out by who
starts one from the Temporal UI."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from models.base import Payload
from models.messages.attention import Attention
from models.messages.steps import StockKey

STOCK_REVIEW = "stock-review"
RECONCILE = "reconcile"
"""Ids of the schedules, and of the workflows that a person starts."""
Batch = Annotated[int, Field(ge=1, le=1_000)]


class ReviewProgress(Payload):
    """How far a stock review has come: every SKU up to `after` (None: all of them), in batches of
    `batch_skus`."""

    after: str | None = ""
    batch_skus: Batch = 200
    skus: int = 0
    places: int = 0
    low: int = 0


class ReviewStep(Payload):
    """Review the next `batch_skus` SKUs after `after`."""

    after: str
    batch_skus: int


class ReviewedBatch(Payload):
    """What a batch came to. `last_sku` is None where no SKU is left after it; `low` are the places
    at or below their reorder point."""

    last_sku: str | None
    skus: int
    places: int
    low: tuple[StockKey, ...]


class ReviewOutcome(Payload):
    """What a stock review came to: SKUs and places looked at, places found low."""

    skus: int
    places: int
    low: int


class ReconcileProgress(Payload):
    """How far a reconciliation has come: first every SKU up to `after_sku`, then every order that
    isn't over up to `after_order`. `seen_at`: when it began."""

    after_sku: str | None = ""
    """None, here and below: all of them are compared."""
    after_order: str | None = ""
    batch: Batch = 200
    seen_at: datetime | None = None
    places: int = 0
    orders: int = 0


class CompareStep(Payload):
    """Compare the next `batch` SKUs, or orders, after `after`; what differs was seen at
    `seen_at`."""

    after: str
    batch: int
    seen_at: datetime


class ComparedBatch(Payload):
    """What a batch came to: the last SKU or order (None: there is no further one), and how many
    places or orders were compared."""

    last: str | None
    compared: int


class CloseStep(Payload):
    """Findings that weren't seen since `seen_at` are gone."""

    seen_at: datetime


class OpenFindings(Payload):
    """How many findings there are, and the first of them in words."""

    count: int
    examples: tuple[str, ...]


class ReconcileOutcome(Payload):
    """What a reconciliation came to; `attention` where something differs."""

    places: int
    orders: int
    findings: int
    attention: Attention | None = None
