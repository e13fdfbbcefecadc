"""The audit trail of an order and the messages that were rejected."""

import hashlib
import json
from datetime import datetime

from sqlmodel import Session

from models.messages.facts import Fact, type_of
from models.tables.operations import AuditRow, OddFactRow

LONGEST_BODY = 10_000
LONGEST_LINES = 1_000


def note(session: Session, order_id: str, event: str, detail: str, now: datetime) -> None:
    """Write a business fact into the order's audit trail."""
    session.add(AuditRow(order_id=order_id, event=event, detail=detail, recorded_at=now))


Parts = dict[tuple[str, str, str], list[str]]
"""By order, event and what it is about: what of one fact concerns each of the order's lines."""


def note_parts(session: Session, parts: Parts, now: datetime) -> None:
    """Write one row for each order and fact, however many of its lines it concerns."""
    for (order_id, event, about), of_lines in parts.items():
        lines = ", ".join(of_lines)
        short = lines if len(lines) <= LONGEST_LINES else f"{len(of_lines)} lines: {lines}"
        detail = short if len(short) <= LONGEST_LINES else f"{short[:LONGEST_LINES]}..."
        note(session, order_id, event, f"{detail} ({about})", now)


def note_odd(
    session: Session, subject: str, name: str, body: str, reason: str, now: datetime
) -> None:
    """Keep a message that can't be used, once: the same body again is the same message."""
    odd_id = f"{subject}:{name}:{hashlib.sha256(body.encode()).hexdigest()}"
    if session.get(OddFactRow, odd_id) is None:
        session.add(
            OddFactRow(
                odd_id=odd_id,
                subject=subject,
                name=name,
                body=body[:LONGEST_BODY],
                reason=reason,
                recorded_at=now,
            )
        )


def note_odd_fact(session: Session, subject: str, fact: Fact, reason: str, now: datetime) -> None:
    """Keep a fact that can't be used."""
    body = json.dumps(fact.model_dump(mode="json"), sort_keys=True)
    note_odd(session, subject, type_of(fact).replace(".", "_"), body, reason, now)
