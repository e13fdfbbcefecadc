"""Posting: journal entries and gapless number series."""

from datetime import date, datetime, timedelta
from functools import cache

from sqlalchemy import true
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import Session, col, select

from activities.database.company import keep_company
from activities.database.kept import read_once
from activities.database.unit_of_work import UnitOfWork, insertion
from models.ledger import Entry
from models.tables.ledger import JournalEntry, JournalPosting, OpenPeriod
from models.tables.masterdata import Company
from models.tables.operations import NumberSeries

THE_LEDGER = "main"
MAX_BACKDATING = timedelta(days=366)
_OPEN_PERIOD = (
    select(OpenPeriod, Company)
    .outerjoin(Company, true())
    .where(OpenPeriod.ledger == THE_LEDGER)
    .with_for_update(read=True, of=OpenPeriod)
)


def post(
    work: UnitOfWork,
    entry: Entry,
    occurred_on: date | None = None,
    *,
    occurred_at: datetime | None = None,
) -> date:
    """Write a balanced entry; return its tax date.

    The postings of a transaction are written first, then the headers, whose trigger checks and
    seals each entry.

    `occurred_on`: the tax date, if not today; or `occurred_at`, a moment of it. A date in the
    future or more than a year ago is an error of its source and counts as today. If the period of
    the tax date is closed, the posting date is the first open day.
    An entry without postings moves no value and is not written.
    """
    if not entry.postings:
        return _tax_date(work, occurred_on, occurred_at)
    first_open = open_from(work.session)
    tax_date = _tax_date(work, occurred_on, occurred_at)
    for posting in entry.postings:
        work.append(
            JournalPosting,
            entry_id=entry.entry_id,
            account=posting.account.value,
            currency=entry.currency,
            amount_minor=posting.amount_minor,
        )
    work.append(
        JournalEntry,
        entry_id=entry.entry_id,
        currency=entry.currency,
        order_id=entry.order_id,
        posted_at=work.now,
        tax_date=tax_date,
        posting_date=max(tax_date, first_open),
    )
    return tax_date


def _tax_date(work: UnitOfWork, on: date | None, at: datetime | None) -> date:
    """Return the day of a fact at the company; today for an impossible one."""
    today = work.today
    tax_date = on or (work.day_of(at) if at else today)
    return tax_date if today - MAX_BACKDATING <= tax_date <= today else today


def tax_date_of(work: UnitOfWork, *entry_ids: str) -> date:
    """Return the tax date of the first of these entries that exists."""
    work.write_appended()
    found = filter(None, (work.session.get(JournalEntry, entry_id) for entry_id in entry_ids))
    return next(found).tax_date


def open_from(session: Session) -> date:
    """Return the first open day, locked against closing until the transaction ends.

    The company is read with it: the days of a posting are the company's.
    """

    def read() -> date:
        period, company = session.exec(_OPEN_PERIOD).one()
        keep_company(session, company)
        return period.open_from

    return read_once(session, "open from", THE_LEDGER, read)


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
    connection = work.session.connection()
    drawn = connection.execute(_drawing(connection.dialect.name), {"series": series})
    return int(drawn.scalar_one())


@cache
def _drawing(dialect: str) -> ReturningInsert[int]:
    """Build the statement that draws a number, once for each database."""
    return (
        insertion(dialect, NumberSeries)
        .values(last_number=1)
        .on_conflict_do_update(
            index_elements=[col(NumberSeries.series)],
            set_={"last_number": col(NumberSeries.last_number) + 1},
        )
        .returning(col(NumberSeries.last_number))
    )
