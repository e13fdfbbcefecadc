"""The audit trail of an order and the messages that were rejected."""

import hashlib
import json

from activities.database.unit_of_work import UnitOfWork
from models.messages.facts import Fact, type_of
from models.tables.operations import AuditRow, RejectedMessageRow

LONGEST_BODY = 10_000
LONGEST_LINES = 1_000


def record_event(
    work: UnitOfWork,
    order_id: str,
    event: str,
    detail: str,
) -> None:
    """Write a business fact into the order's audit trail."""
    work.session.add(AuditRow(order_id=order_id, event=event, detail=detail, recorded_at=work.now))


Parts = dict[tuple[str, str, str], list[str]]
"""By order, event and what it is about: what of one fact concerns each of the order's lines."""


def record_events(
    work: UnitOfWork,
    parts: Parts,
) -> None:
    """Write one row for each order and fact, however many of its lines it concerns."""
    for (order_id, event, about), of_lines in parts.items():
        lines = ", ".join(of_lines)
        short = lines if len(lines) <= LONGEST_LINES else f"{len(of_lines)} lines: {lines}"
        detail = short if len(short) <= LONGEST_LINES else f"{short[:LONGEST_LINES]}..."
        record_event(work, order_id, event, f"{detail} ({about})")


def record_rejected(
    work: UnitOfWork,
    subject: str,
    name: str,
    body: str,
    reason: str,
) -> None:
    """Keep a message that can't be used, once: the same body again is the same message."""
    odd_id = f"{subject}:{name}:{hashlib.sha256(body.encode()).hexdigest()}"
    if work.session.get(RejectedMessageRow, odd_id) is None:
        work.session.add(
            RejectedMessageRow(
                odd_id=odd_id,
                subject=subject,
                name=name,
                body=body[:LONGEST_BODY],
                reason=reason,
                recorded_at=work.now,
            )
        )


def reject_fact(
    work: UnitOfWork,
    subject: str,
    fact: Fact,
    reason: str,
) -> None:
    """Keep a fact that can't be used."""
    body = json.dumps(fact.model_dump(mode="json"), sort_keys=True)
    record_rejected(work, subject, type_of(fact).replace(".", "_"), body, reason)
