"""Views of operations: rejected messages and findings."""

from datetime import datetime

from models.base import Payload


class RejectedMessageView(Payload):
    """A message that could not be used."""

    recorded_at: datetime
    subject: str
    """The order or purchase order it reached, or named."""
    name: str
    body: str
    reason: str


class FindingView(Payload):
    """Something that reconciliation found to differ; `gone_at`: since when it doesn't any more."""

    finding_id: str
    subject: str
    message: str
    found_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None
