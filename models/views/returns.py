"""Views of returns. Amounts are decimal strings."""

from datetime import date, datetime

from models.base import Payload
from models.errors import Found, require_found
from models.views.shipping import TrackingEventView


class ReturnSummary(Payload):
    """A return in a list."""

    return_id: str
    order_id: str
    state: str
    reason: str
    wish: str
    units: int
    received: int
    requested_at: datetime
    expires_at: datetime | None
    valid_until: date | None
    """The last day of its authorisation, at the company."""


class ReturnLineView(Payload):
    """One order line of a return, in units."""

    line_no: int
    sku: str
    name: str
    quantity: int
    received: int
    restocked: int
    scrapped: int
    sent_back: int
    lost: int


class SettlementView(Payload):
    """The refund or exchange for inspected units; `done_at` None: still pending.

    `credit_note` is the first of `credit_notes`: there is one for each invoice.
    """

    credit_note: str | None
    credit_notes: tuple[str, ...] = ()
    refunded: str | None
    currency: str
    exchange_order_id: str | None
    settled_at: datetime
    done_at: datetime | None


class ReturnDetails(ReturnSummary):
    """One return with its lines, reports and settlements."""

    location: str
    note: str
    authorised_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    tracking: str | None
    events: tuple[TrackingEventView, ...]
    lines: tuple[ReturnLineView, ...]
    settlements: tuple[SettlementView, ...]
    workflow_id: str


def require_return(view: Found | None, return_id: str) -> Found:
    """Return the view of a return. Raises NotFound without one."""
    return require_found(view, "return_unknown", f"there is no return {return_id!r}")
