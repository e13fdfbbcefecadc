"""Reading of master data."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.company import find_company
from models.identity import KEYS, mail_key, phone_key, vat_key
from models.tables.masterdata import Customer
from models.tables.orders import Order
from models.views.customers import CustomerSummary, DuplicatesView


def company_currency(session: Session) -> str | None:
    """Read the currency of ledger and stock; None before the first import."""
    company = find_company(session)
    return company.currency if company is not None else None


def find_customers(
    session: Session,
    email: str | None = None,
    phone: str | None = None,
    vat_id: str | None = None,
    limit: int = 50,
) -> list[CustomerSummary]:
    """List customers by id, those with equal contact data only; `limit` 0 means all.

    Merged customers are found too. A phone number without a country code is one of the company's
    country.
    """
    query = select(Customer).order_by(col(Customer.customer_id))
    if email is not None:
        query = query.where(Customer.mail_key == (mail_key(email) or email))
    if phone is not None:
        company = find_company(session)
        country = company.country if company is not None else ""
        query = query.where(Customer.phone_key == (phone_key(phone, country) or phone))
    if vat_id is not None:
        query = query.where(Customer.vat_key == (vat_key(vat_id) or vat_id))
    return _summaries(session, session.exec(query.limit(limit) if limit else query).all())


def possible_duplicates(session: Session, limit: int = 50) -> list[DuplicatesView]:
    """List groups of customers that have contact data in common; `limit` 0 means all."""
    shared: dict[tuple[str, str], list[str]] = {}
    for name in KEYS:
        column = col(getattr(Customer, name))
        is_kept = col(Customer.merged_into).is_(None)
        repeated = (
            select(column)
            .where(column.is_not(None), is_kept)
            .group_by(column)
            .having(func.count() > 1)
        )
        rows = select(column, Customer.customer_id).where(column.in_(repeated), is_kept)
        for key, customer_id in session.exec(rows.order_by(col(Customer.customer_id))):
            shared.setdefault((name, key), []).append(customer_id)
    groups = sorted(_groups(shared.values()))
    views = []
    for group in groups[:limit] if limit else groups:
        names = {name for (name, _), ids in shared.items() if ids[0] in group}
        because = tuple(words for name, words in KEYS.items() if name in names)
        views.append(DuplicatesView(because=because, customers=_by_id(session, group)))
    return views


def duplicates_of(session: Session, customer: Customer) -> list[str]:
    """Read the ids of customers that are likely the same as one."""
    found = set[str]()
    for name in KEYS:
        key = getattr(customer, name)
        if key is not None:
            same = select(Customer.customer_id).where(
                col(getattr(Customer, name)) == key,
                Customer.customer_id != customer.customer_id,
                col(Customer.merged_into).is_(None),
            )
            found.update(session.exec(same))
    return sorted(found)


def _groups(shared: Iterable[Sequence[str]]) -> list[list[str]]:
    """Join ids that are together in some sequence, directly or by way of others."""
    group_of: dict[str, set[str]] = {}
    for ids in shared:
        joined = set[str](ids).union(*(group_of.get(one, ()) for one in ids))
        group_of |= dict.fromkeys(joined, joined)
    return [sorted(group) for group in {id(group): group for group in group_of.values()}.values()]


def _by_id(session: Session, ids: Sequence[str]) -> tuple[CustomerSummary, ...]:
    found: list[Customer] = []
    for batch in chunks(ids):
        some = col(Customer.customer_id).in_(batch)
        found += session.exec(select(Customer).where(some).order_by(col(Customer.customer_id)))
    return tuple(_summaries(session, found))


def _summaries(session: Session, customers: Sequence[Customer]) -> list[CustomerSummary]:
    counts: dict[str, int] = defaultdict(int)
    for batch in chunks(customers):
        some = [row.customer_id for row in batch]
        of_some = select(Order.customer_id, func.count()).where(col(Order.customer_id).in_(some))
        counts.update(session.exec(of_some.group_by(col(Order.customer_id))).all())
    return [
        CustomerSummary(**row.model_dump(), order_count=counts[row.customer_id])
        for row in customers
    ]
