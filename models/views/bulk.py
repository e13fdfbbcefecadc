"""Views of bulks."""

from datetime import datetime

from models.base import Payload
from models.errors import require_found


class BulkPreview(Payload):
    """The orders that a bulk would act on: how many, and the first of them."""

    action: str
    where: str
    orders: int
    first: tuple[str, ...]


class BulkView(Payload):
    """A bulk: `expected` orders at its start, and how many of them have which outcome."""

    bulk_id: str
    action: str
    where: str
    reason: str
    actor: str
    source: str
    expected: int
    state: str
    started_at: datetime
    ended_at: datetime | None
    waiting: int
    done: int
    refused: int
    failed: int
    skipped: int


def require_bulk(view: BulkView | None, bulk_id: str) -> BulkView:
    """Return a bulk. Raises NotFound if it is None."""
    return require_found(view, "bulk_unknown", f"there is no bulk {bulk_id}")


class BulkOutcomeView(Payload):
    """The outcome for one order: done, refused or failed, and why."""

    order_id: str
    outcome: str
    message: str
    recorded_at: datetime
