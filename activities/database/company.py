"""The company, read once in a transaction, and its days."""

from datetime import date, datetime

from sqlmodel import Session, select

from activities.database.kept import keep, read_once
from models.days import day_at, moment_of
from models.tables.masterdata import Company

COMPANY = "company"
NO_COMPANY = "UTC"
"""The time zone before the first import."""


def find_company(session: Session) -> Company | None:
    """Read the company; None before the first import."""
    return read_once(session, COMPANY, "", lambda: session.exec(select(Company)).one_or_none())


def keep_company(session: Session, company: Company | None) -> None:
    """Keep the company that was read with something else."""
    keep(session, COMPANY, "", company)


def get_company(session: Session) -> Company:
    """Read the company of a shop that has imported its tables."""
    company = find_company(session)
    assert company is not None, "there is no company: company.csv or products.csv makes it"
    return company


def timezone_of_company(session: Session) -> str:
    """Return the time zone whose days count in books, documents and deadlines."""
    company = find_company(session)
    return company.timezone if company else NO_COMPANY


def day_of(session: Session, moment: datetime) -> date:
    """Return the day of a moment at the company."""
    return day_at(timezone_of_company(session), moment)


def start_of(session: Session, day: date) -> datetime:
    """Return the moment at which a day begins at the company."""
    return moment_of(timezone_of_company(session), day)
