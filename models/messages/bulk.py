"""Bulk: one command for many orders, and its steps."""

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from models.audit import OPERATOR
from models.base import Document, Identifier, Payload, Text
from models.selection import Condition

SELECT_ORDERS = "select_orders_of_bulk"
ACT_ON_ORDERS = "act_on_orders_of_bulk"
FINISH = "finish_bulk"
"""The names of the steps, which the workflow calls: they send requests to other workflows."""
PAGE = 20
"""Orders of one step."""
MAX_PER_SECOND = 100
BulkId = Annotated[Identifier, StringConstraints(max_length=32)]
"""An id of at most 32 characters: ids of commands on its orders contain it."""


class BulkAction(StrEnum):
    """What is done with each order."""

    RETRY = "retry"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"


class BulkDocument(Document):
    """A bulk to start: an action for each order that satisfies the conditions `where`.

    At most `per_second` orders in a second. The same `bulk_id` again is the same bulk.
    """

    action: BulkAction
    where: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=2_000)]
    reason: Text
    actor: Text = OPERATOR
    per_second: Annotated[int, Field(strict=True, ge=1, le=MAX_PER_SECOND)] = 10
    bulk_id: BulkId | None = None


class BulkRequest(Payload):
    """An action for each order that satisfies all conditions.

    `per_second`: the most orders in a second, so that partners and other orders are not held up.
    """

    bulk_id: str
    action: BulkAction
    where: str
    conditions: tuple[Condition, ...]
    reason: str
    actor: str
    source: str
    per_second: int

    @property
    def workflow_id(self) -> str:
        """The id of its workflow."""
        return f"bulk-{self.bulk_id}"

    def key_of(self, order_id: str) -> str:
        """Return the id of the action on an order: the same action again has no further effect."""
        digest = hashlib.sha256(order_id.encode()).hexdigest()
        return f"bulk-{self.bulk_id}-{digest[:16]}"


class BulkProgress(Payload):
    """The progress of a bulk: orders up to `after` are done."""

    after: str = ""
    done: int = 0
    refused: int = 0
    failed: int = 0


class BulkPage(Payload):
    """Select the next orders."""

    request: BulkRequest
    after: str


class SelectedOrders(Payload):
    """The next orders; empty: there are no more."""

    order_ids: tuple[str, ...]


class BulkOrders(Payload):
    """Act on these orders, once each."""

    request: BulkRequest
    order_ids: tuple[str, ...]


class BulkCounts(Payload):
    """How many orders of a step were done, refused, or failed."""

    done: int = 0
    refused: int = 0
    failed: int = 0


class BulkEnd(Payload):
    """The end of a bulk."""

    bulk_id: str
    stopped: bool


class Outcome(StrEnum):
    """The outcome for one order. Waiting: it was selected at the start, and not acted on yet.

    Skipped: it did not match any more when its turn came, or the bulk was stopped.
    """

    WAITING = "waiting"
    SKIPPED = "skipped"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class BulkState(StrEnum):
    """The state of a bulk."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
