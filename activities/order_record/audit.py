"""The audit trail of orders, and rejected messages."""

import hashlib
import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, bindparam, cast, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from activities.database.chunks import chunks
from activities.database.kept import keep, kept
from activities.database.unit_of_work import UnitOfWork
from models.audit import Entry, Tip, entry_hash
from models.event_names import EVENTS
from models.messages.facts import Fact, type_of
from models.tables.operations import AuditRow, RejectedMessageRow

MAX_BODY = 10_000
"""The longest body of a rejected message that is recorded, in characters."""
MAX_LINES_TEXT = 1_000
"""The longest list of lines in a row of the audit trail, in characters."""

TIP = "tip of the audit trail"
"""The name under which a transaction keeps the ends of trails."""
_ORDER_ID = bindparam("order_id", type_=String)
_LATER = aliased(AuditRow)
_TIP: ColumnElement[str] = cast(col(AuditRow.entry_no), String) + ":" + col(AuditRow.hash)
TIP_OF = (
    select(_TIP)
    .where(col(AuditRow.order_id) == _ORDER_ID)
    .order_by(col(AuditRow.entry_no).desc())
    .limit(1)
    .scalar_subquery()
)
"""The end of the trail of the order `order_id`, for the statement that reads the order."""
_TIPS = select(col(AuditRow.order_id), _TIP).where(
    col(AuditRow.order_id).in_(bindparam("order_ids", type_=String, expanding=True)),
    col(AuditRow.entry_no)
    == select(func.max(_LATER.entry_no))
    .where(col(_LATER.order_id) == col(AuditRow.order_id))
    .scalar_subquery(),
)

EventDetails = dict[tuple[str, str, str], list[str]]
"""The details of one fact for each line of an order, by order, event and subject."""


def record_event(work: UnitOfWork, order_id: str, event: str, detail: str) -> None:
    """Record a business fact in the order's audit trail, with the origin of the transaction.

    `event`: one of `EVENTS`.
    """
    assert event in EVENTS, f"{event} is not in models.event_names"
    read_tips(work.session, [order_id])
    tip = known_tip(work.session, order_id) or Tip()
    entry = Entry(
        order_id=order_id,
        entry_no=tip.entry_no + 1,
        event=event,
        detail=detail,
        actor=work.origin.actor,
        source=work.origin.source,
        reason=work.origin.reason,
        recorded_at=work.now,
    )
    chained = entry_hash(entry, tip.hash)
    expect_tip(work.session, order_id, Tip(entry.entry_no, chained))
    work.append(AuditRow, **entry._asdict(), hash=chained)


def record_events(work: UnitOfWork, parts: EventDetails) -> None:
    """Record one row for each order and fact, also for a fact about many lines."""
    read_tips(work.session, sorted({order_id for order_id, _, _ in parts}))
    for (order_id, event, subject), details in sorted(parts.items(), key=_order_of):
        detail = ", ".join(details)
        if len(detail) > MAX_LINES_TEXT:
            detail = f"{len(details)} lines: {detail}"[:MAX_LINES_TEXT] + "..."
        record_event(work, order_id, event, f"{detail} ({subject})")


def _order_of(part: tuple[tuple[str, str, str], list[str]]) -> str:
    return part[0][0]


def expect_tip(session: Session, order_id: str, tip: Tip) -> None:
    """Let the next entry of an order follow this end of its trail."""
    keep(session, TIP, order_id, tip)


def keep_tip(session: Session, order_id: str, tip: str | None) -> None:
    """Keep the end of an order's trail, as `TIP_OF` reads it with the order."""
    entry_no, _, chained = (tip or "0:").partition(":")
    expect_tip(session, order_id, Tip(int(entry_no), chained))


def known_tip(session: Session, order_id: str) -> Tip | None:
    """Return the end of an order's trail, if this transaction knows it."""
    tip: Tip | None = kept(session, TIP, order_id)
    return tip


def read_tips(session: Session, order_ids: Sequence[str]) -> None:
    """Read and keep the ends of the trails of orders that the transaction has not locked."""
    unknown = [order_id for order_id in order_ids if known_tip(session, order_id) is None]
    for some in chunks(unknown):
        found = dict(session.execute(_TIPS, {"order_ids": some}).all())
        for order_id in some:
            keep_tip(session, order_id, found.get(order_id))


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
