"""The company, read once in a transaction."""

from sqlmodel import Session, select

from models.tables.masterdata import Company


def find_company(session: Session) -> Company | None:
    """Read the company; None before the first import."""
    if "company" not in session.info:
        session.info["company"] = session.exec(select(Company)).one_or_none()
    company: Company | None = session.info["company"]
    return company


def keep_company(session: Session, company: Company | None) -> None:
    """Keep the company that was read with something else."""
    session.info["company"] = company


def get_company(session: Session) -> Company:
    """Read the company of a shop that has imported its tables."""
    company = find_company(session)
    assert company is not None, "there is no company: company.csv or products.csv makes it"
    return company
