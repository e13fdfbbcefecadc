"""Posting: journal entries and gapless number series."""

from datetime import date, timedelta

from sqlalchemy import insert
from sqlmodel import Session

from activities.database.unit_of_work import UnitOfWork
from models.ledger import Entry
from models.tables.ledger import JournalEntry, JournalPosting, OpenPeriod
from models.tables.operations import NumberSeries

THE_LEDGER = "main"
MAX_BACKDATING = timedelta(days=366)


def post(work: UnitOfWork, entry: Entry, occurred_on: date | None = None) -> None:
    """Write a balanced entry: postings first, then the header, whose trigger checks and seals it.

    `occurred_on`: the tax date, if not today. A date in the future or more than a year ago is an
    error of its source and counts as today. If the period of the tax date is closed, the posting
    date is the first open day.
    An entry without postings moves no value and is not written.
    """
    if not entry.postings:
        return
    today = work.now.date()
    tax_date = occurred_on or today
    if not today - MAX_BACKDATING <= tax_date <= today:
        tax_date = today
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
    """Return the tax date of the first of these entries that exists."""
    found = filter(None, (session.get(JournalEntry, entry_id) for entry_id in entry_ids))
    return next(found).tax_date


def open_from(session: Session) -> date:
    """Return the first open day, locked against closing until the transaction ends."""
    return session.get_one(OpenPeriod, THE_LEDGER, with_for_update={"read": True}).open_from


def lock_series(work: UnitOfWork, series: str) -> NumberSeries:
    """Lock a number series, with its last number, until the transaction ends."""
    row = work.session.get(NumberSeries, series, with_for_update=True)
    if row is None:
        row = NumberSeries(series=series, last_number=0)
        work.session.add(row)
        work.session.flush()
    return row


def draw_number(work: UnitOfWork, series: str) -> int:
    """Draw the next number of a gapless series, locked until the transaction ends: 1, 2, 3..."""
    row = lock_series(work, series)
    row.last_number += 1
    work.session.flush()
    return row.last_number
