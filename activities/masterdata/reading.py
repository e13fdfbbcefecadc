"""Reading of master data."""

from sqlmodel import Session, select

from models.tables.masterdata import Company


def company_currency(session: Session) -> str | None:
    """Read the currency of ledger and stock; None before the first import."""
    return session.exec(select(Company.currency)).one_or_none()
