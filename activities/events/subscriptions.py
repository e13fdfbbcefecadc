"""Subscriptions in the database: how far they are delivered, and their dead letters."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.errors import Conflict, Refused, require_found
from models.subscriptions import (
    OLD_SECRET_FOR,
    SubscriptionDocument,
    SubscriptionState,
    new_secret,
)
from models.tables.events import DeadLetter, Subscription
from models.views.subscriptions import DeadLetterView, SubscriptionView

MAX_REASON = 500
"""Characters of a receiver's failure that are kept."""


def create(
    work: UnitOfWork, subscription_id: str, document: SubscriptionDocument, after: int
) -> Subscription:
    """Create a subscription to the events above a number. Raises Conflict for a taken id."""
    if work.session.get(Subscription, subscription_id) is not None:
        taken = f"{subscription_id!r} is taken by another subscription: use another id"
        raise Conflict("subscription_id_taken", taken)
    row = Subscription(
        subscription_id=subscription_id,
        url=document.url,
        types=sorted(set(document.types)),
        secret=new_secret(),
        state=SubscriptionState.ACTIVE.value,
        actor=document.actor,
        created_at=work.now,
        delivered_no=after,
    )
    work.session.add(row)
    return row


def find(session: Session, subscription_id: str) -> Subscription:
    """Read a subscription. Raises NotFound."""
    row = session.get(Subscription, subscription_id)
    reason = f"there is no subscription {subscription_id}"
    return require_found(row, "subscription_unknown", reason)


def rotate(work: UnitOfWork, subscription_id: str) -> Subscription:
    """Give a subscription a new secret; the old one signs, too, for `OLD_SECRET_FOR`."""
    row = _open(work, subscription_id)
    row.old_secret, row.old_until = row.secret, work.now + OLD_SECRET_FOR
    row.secret = new_secret()
    return row


def pause(work: UnitOfWork, subscription_id: str, reason: str) -> None:
    """Stop deliveries until they are resumed; a removed subscription stays removed."""
    row = find(work.session, subscription_id)
    if row.state == SubscriptionState.ACTIVE:
        row.state, row.reason = SubscriptionState.PAUSED.value, reason[:MAX_REASON]


def resume(work: UnitOfWork, subscription_id: str) -> None:
    """Continue deliveries after the last event that was delivered. Raises Refused if removed."""
    row = _open(work, subscription_id)
    row.state, row.reason = SubscriptionState.ACTIVE.value, ""
    row.failing_since, row.failure = None, ""


def remove(work: UnitOfWork, subscription_id: str) -> None:
    """End a subscription; it stays listed, without its secrets."""
    row = find(work.session, subscription_id)
    row.state, row.reason = SubscriptionState.REMOVED.value, ""
    row.secret, row.old_secret = "", None


def resend(work: UnitOfWork, subscription_id: str, event: int | None) -> int:
    """Have dead letters sent again, one event or all; return how many."""
    _open(work, subscription_id)
    letters = select(DeadLetter).where(DeadLetter.subscription_id == subscription_id)
    if event is not None:
        letters = letters.where(DeadLetter.audit_no == event)
    rows = work.session.exec(letters).all()
    for row in rows:
        row.to_send = True
    return len(rows)


def record_delivered(work: UnitOfWork, subscription_id: str, number: int) -> None:
    """Record that all events up to a number are delivered."""
    row = find(work.session, subscription_id)
    row.delivered_no = max(row.delivered_no, number)
    row.failing_since, row.failure = None, ""


def record_failure(work: UnitOfWork, subscription_id: str, failure: str) -> None:
    """Record that the receiver fails, and since when."""
    row = find(work.session, subscription_id)
    row.failing_since = row.failing_since or work.now
    row.failure = failure[:MAX_REASON]


def record_dead(work: UnitOfWork, subscription_id: str, number: int, reason: str) -> None:
    """Keep an event that its receiver refuses."""
    row = work.session.get(DeadLetter, (subscription_id, number)) or DeadLetter(
        subscription_id=subscription_id, audit_no=number, reason="", refused_at=work.now
    )
    row.reason, row.refused_at, row.to_send = reason[:MAX_REASON], work.now, False
    work.session.add(row)


def drop_dead(work: UnitOfWork, subscription_id: str, number: int) -> None:
    """Forget a dead letter that was delivered at last."""
    row = work.session.get(DeadLetter, (subscription_id, number))
    if row is not None:
        work.session.delete(row)


def letters_to_send(session: Session, subscription_id: str) -> list[int]:
    """Return the numbers of the dead letters that are to be sent again."""
    query = select(DeadLetter.audit_no).where(
        DeadLetter.subscription_id == subscription_id, col(DeadLetter.to_send)
    )
    return list(session.exec(query.order_by(col(DeadLetter.audit_no))))


def dead_letters(session: Session, subscription_id: str, limit: int) -> list[DeadLetterView]:
    """List dead letters, the oldest first; `limit` 0 means all. Raises NotFound."""
    find(session, subscription_id)
    query = select(DeadLetter).where(DeadLetter.subscription_id == subscription_id)
    query = query.order_by(col(DeadLetter.audit_no))
    return [
        DeadLetterView(
            event=row.audit_no, reason=row.reason, refused_at=row.refused_at, to_send=row.to_send
        )
        for row in session.exec(query.limit(limit) if limit else query)
    ]


def view_of(session: Session, row: Subscription) -> SubscriptionView:
    """Build the view of a subscription, without its secrets."""
    letters = select(func.count()).where(DeadLetter.subscription_id == row.subscription_id)
    return SubscriptionView(
        **row.model_dump(include=set(SubscriptionView.model_fields)),
        delivered=row.delivered_no,
        dead_letters=session.exec(letters).one(),
    )


def list_subscriptions(session: Session) -> list[SubscriptionView]:
    """List all subscriptions, also removed ones, by id."""
    rows = session.exec(select(Subscription).order_by(Subscription.subscription_id))
    return [view_of(session, row) for row in rows.all()]


def _open(work: UnitOfWork, subscription_id: str) -> Subscription:
    row = find(work.session, subscription_id)
    if row.state == SubscriptionState.REMOVED:
        removed = f"{subscription_id} is removed: create another subscription"
        raise Refused("subscription_removed", removed)
    return row
