"""The company, read once in a transaction."""

from sqlmodel import Session, select

from activities.database.kept import keep, read_once
from models.tables.masterdata import Company

COMPANY = "company"


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
