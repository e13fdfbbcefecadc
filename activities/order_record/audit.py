"""The audit trail of orders, and rejected messages."""

import hashlib
import json

from activities.database.unit_of_work import UnitOfWork
from models.messages.facts import Fact, type_of
from models.tables.operations import AuditRow, RejectedMessageRow

MAX_BODY = 10_000
"""The longest body of a rejected message that is recorded, in characters."""
MAX_LINES_TEXT = 1_000
"""The longest list of lines in a row of the audit trail, in characters."""

EventDetails = dict[tuple[str, str, str], list[str]]
"""The details of one fact for each line of an order, by order, event and subject."""


def record_event(work: UnitOfWork, order_id: str, event: str, detail: str) -> None:
    """Record a business fact in the order's audit trail."""
    work.append(AuditRow, order_id=order_id, event=event, detail=detail, recorded_at=work.now)


def record_events(work: UnitOfWork, parts: EventDetails) -> None:
    """Record one row for each order and fact, also for a fact about many lines."""
    for (order_id, event, subject), details in parts.items():
        detail = ", ".join(details)
        if len(detail) > MAX_LINES_TEXT:
            detail = f"{len(details)} lines: {detail}"[:MAX_LINES_TEXT] + "..."
        record_event(work, order_id, event, f"{detail} ({subject})")


def record_rejected(work: UnitOfWork, subject: str, name: str, body: str, reason: str) -> None:
    """Record a rejected message once: messages with the same body are the same."""
    rejected_id = f"{subject}:{name}:{hashlib.sha256(body.encode()).hexdigest()}"
    if work.session.get(RejectedMessageRow, rejected_id) is None:
        work.session.add(
            RejectedMessageRow(
                rejected_id=rejected_id,
                subject=subject,
                name=name,
                body=body[:MAX_BODY],
                reason=reason,
                recorded_at=work.now,
            )
        )


def reject_fact(work: UnitOfWork, subject: str, fact: Fact, reason: str) -> None:
    """Record a fact as rejected."""
    body = json.dumps(fact.model_dump(mode="json"), sort_keys=True)
    record_rejected(work, subject, type_of(fact).replace(".", "_"), body, reason)
