"""Posting to the ledger."""

from datetime import datetime

from sqlalchemy import insert
from sqlmodel import Session

from models.ledger import Entry
from models.tables import JournalEntry, JournalPosting, NumberSeries


def post(session: Session, entry: Entry, now: datetime) -> None:
    """Write a balanced entry: postings first, then the header, whose trigger checks and seals.

    An entry without postings (all amounts zero) moves no value and isn't written.
    """
    if not entry.postings:
        return
    session.execute(
        insert(JournalPosting),
        [
            {
                "entry_id": entry.entry_id,
                "account": posting.account.value,
                "currency": entry.currency,
                "amount_minor": posting.amount_minor,
            }
            for posting in entry.postings
        ],
    )
    session.execute(
        insert(JournalEntry).values(
            entry_id=entry.entry_id,
            currency=entry.currency,
            order_id=entry.order_id,
            posted_at=now,
        )
    )


def lock_series(session: Session, series: str) -> NumberSeries:
    """The series' last number, held until the transaction ends."""
    row = session.get(NumberSeries, series, with_for_update=True)
    if row is None:
        row = NumberSeries(series=series, last_number=0)
        session.add(row)
        session.flush()
    return row


def draw_number(session: Session, series: str) -> int:
    """The next number of a gapless series, held until the transaction ends: 1, 2, 3..."""
    row = lock_series(session, series)
    row.last_number += 1
    session.flush()
    return row.last_number
