"""The tables of the ledger: accounts, periods, journal entries and postings."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from models.tables.columns import bigint


class OpenPeriod(SQLModel, table=True):
    """The open period of the ledger: one row, locked (shared) by every transaction that posts."""

    __tablename__ = "open_period"

    ledger: str = Field(primary_key=True)
    open_from: date
    """The first open day."""


class AccountRow(SQLModel, table=True):
    """An account of the company's chart."""

    __tablename__ = "accounts"

    code: str = Field(primary_key=True)
    """Our code: `models.ledger.Account`."""
    title: str
    number: str = Field(unique=True)
    """The number in the company's chart of accounts."""


class JournalEntry(SQLModel, table=True):
    """The header of a balanced entry, written last: it seals the postings."""

    __tablename__ = "journal_entries"

    entry_id: str = Field(primary_key=True)
    currency: str
    order_id: str | None = Field(default=None, index=True)
    posted_at: datetime
    tax_date: date
    """The day the fact happened."""
    posting_date: date = Field(index=True)
    """The day it counts for in the ledger: the tax date, or the first open day after it."""


class JournalPosting(SQLModel, table=True):
    """One line of an entry: a debit above zero, a credit below."""

    __tablename__ = "journal_postings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.entry_id"], deferrable=True, initially="DEFERRED"
        ),
        CheckConstraint("amount_minor <> 0", "amount_not_zero"),
    )

    entry_id: str = Field(primary_key=True)
    account: str = Field(primary_key=True, foreign_key="accounts.code")
    currency: str
    amount_minor: int = bigint()
