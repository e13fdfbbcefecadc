"""Reading of master data."""

from sqlmodel import Session

from activities.database.company import find_company


def company_currency(session: Session) -> str | None:
    """Read the currency of ledger and stock; None before the first import."""
    company = find_company(session)
    return company.currency if company is not None else None
