"""Views of operations: rejected messages and findings."""

from datetime import datetime

from models.base import Payload


class RejectedMessageView(Payload):
    """A message that no step could apply."""

    recorded_at: datetime
    subject: str
    """The order or purchase order that it reached or named."""
    name: str
    body: str
    reason: str


class FindingView(Payload):
    """A difference that reconciliation found; `gone_at`: when it was not found any more."""

    finding_id: str
    subject: str
    message: str
    found_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None
