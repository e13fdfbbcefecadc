"""Posting to the ledger."""

from datetime import date, timedelta

from sqlalchemy import insert
from sqlmodel import Session

from activities.database.unit_of_work import UnitOfWork
from models.ledger import Entry
from models.tables.ledger import JournalEntry, JournalPosting, OpenPeriod
from models.tables.operations import NumberSeries

THE_LEDGER = "main"
A_YEAR = timedelta(days=366)


def post(work: UnitOfWork, entry: Entry, happened: date | None = None) -> None:
    """Write a balanced entry: postings first, then the header, whose trigger checks and seals.

    `happened`: the day it counts for, if not today; where its period is closed it is posted to the
    first open day, and keeps its own for tax. A day to come, or more than a year ago, is a mistake
    of who says so, and counts as today.
    An entry without postings (all amounts zero) moves no value and isn't written.
    """
    if not entry.postings:
        return
    today = work.now.date()
    tax_date = happened if happened and today - A_YEAR <= happened <= today else today
    posting_date = max(tax_date, open_from(work.session))
    work.session.execute(
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
    work.session.execute(
        insert(JournalEntry).values(
            entry_id=entry.entry_id,
            currency=entry.currency,
            order_id=entry.order_id,
            posted_at=work.now,
            tax_date=tax_date,
            posting_date=posting_date,
        )
    )


def tax_date_of(session: Session, *entry_ids: str) -> date:
    """The day for which an entry counts: the first of these that there is."""
    found = filter(None, (session.get(JournalEntry, entry_id) for entry_id in entry_ids))
    return next(found).tax_date


def open_from(session: Session) -> date:
    """The first day that is open; it stays so until the transaction ends."""
    held = session.get_one(OpenPeriod, THE_LEDGER, with_for_update={"read": True})
    return held.open_from


def lock_series(work: UnitOfWork, series: str) -> NumberSeries:
    """The series' last number, held until the transaction ends."""
    row = work.session.get(NumberSeries, series, with_for_update=True)
    if row is None:
        row = NumberSeries(series=series, last_number=0)
        work.session.add(row)
        work.session.flush()
    return row


def draw_number(work: UnitOfWork, series: str) -> int:
    """The next number of a gapless series, held until the transaction ends: 1, 2, 3..."""
    row = lock_series(work, series)
    row.last_number += 1
    work.session.flush()
    return row.last_number
