"""Customers: recorded with their first order, updated by later ones."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, false, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.unit_of_work import UnitOfWork
from models.customers import CustomerDocument, CustomerStatus, TaxTreatment
from models.errors import NotFound
from models.identity import KEYS, address_key, contact_keys, phone_key
from models.orders import OrderDocument
from models.tables.masterdata import Customer

CONTACT_FIELDS = (
    *("name", "company", "email", "phone", "country", "vat_id"),
    *("language", "payment_preference"),
)
"""Fields of a recorded customer that an order updates, each for itself."""
ADDRESS_FIELDS = ("street", "line2", "city", "postal_code")
"""Fields that an order updates together: a new street never keeps the earlier postal code."""


KEYED = frozenset({"name", "email", "phone", "country", "vat_id", *ADDRESS_FIELDS})
"""Fields from which the keys of a customer follow."""
_OTHER = aliased(Customer)
_SAME = or_(
    col(_OTHER.mail_key) == col(Customer.mail_key),
    col(_OTHER.vat_key) == col(Customer.vat_key),
    col(_OTHER.phone_key) == col(Customer.phone_key),
    col(_OTHER.address_key) == col(Customer.address_key),
    col(_OTHER.phone_key) == bindparam("phone", type_=String),
    col(_OTHER.address_key).in_(bindparam("homes", type_=String, expanding=True)),
)
_FIRST_BLOCKED = (
    select(func.min(_OTHER.customer_id))
    .where(
        col(_OTHER.status) == CustomerStatus.BLOCKED,
        col(_OTHER.merged_into).is_(None),
        col(_OTHER.customer_id) != col(Customer.customer_id),
        _SAME,
    )
    .scalar_subquery()
)
_WITH_BLOCKED = (
    select(Customer, _FIRST_BLOCKED)
    .where(col(Customer.customer_id) == bindparam("customer_id", type_=String))
    .with_for_update(of=Customer)
    .execution_options(populate_existing=True)
)
"""A customer, locked, and the first blocked one of the same data: in one statement, as every order
reads it."""


class Given(NamedTuple):
    """What an order itself gives to compare its customer by: the keys of addresses and phone."""

    homes: Collection[str]
    phone: str | None


class Buyer(NamedTuple):
    """The customer of a new order, and the blocked customer whom it resembles, if any."""

    customer: Customer
    resembles: str | None


def record_buyer(work: UnitOfWork, document: OrderDocument) -> Buyer:
    """Lock the customer of a new order, or record it, and look for a blocked one of the same data.

    A customer without an own address is known by that of its first delivery.
    """
    places = [place for place in (document.ship_to, document.bill_to) if place is not None]
    keys = [
        address_key(place.name, place.street, place.city, place.postal_code, place.country)
        for place in places
    ]
    homes = [key for key in keys if key is not None]
    country = places[0].country if places else ""
    given = Given(homes, phone_key(document.phone or "", country))
    if isinstance(document.customer, str):
        customer, blocked = _lock_with_blocked(work.session, document.customer, given)
    else:
        customer = record_customer(work, document.customer)
        blocked = next(iter(_blocked_like(work.session, customer, given)), None)
    if customer.address_key is None and homes:
        customer.address_key = homes[0]
    if blocked in (customer.distinct_from or ()):
        cleared = customer.distinct_from or ()
        found = _blocked_like(work.session, customer, given)
        blocked = next((other for other in found if other not in cleared), None)
    return Buyer(customer, blocked)


def lock_customer(session: Session, customer_id: str) -> Customer:
    """Lock the customer's row until the transaction ends; a merged one's is the other's.

    Raises NotFound.
    """
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    return _merged(session, customer)


def _merged(session: Session, customer: Customer) -> Customer:
    """Lock the customer into whom one was merged, or return the one itself."""
    if customer.merged_into is None:
        return customer
    return session.get_one(Customer, customer.merged_into, with_for_update=True)


def _lock_with_blocked(
    session: Session, customer_id: str, given: Given
) -> tuple[Customer, str | None]:
    """As `lock_customer`, and read the first blocked customer of the same data."""
    bound = {"customer_id": customer_id, "homes": list(given.homes), "phone": given.phone}
    found = session.exec(_WITH_BLOCKED, params=bound).one_or_none()
    if found is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    customer, blocked_id = found
    if customer.merged_into is None:
        return customer, blocked_id
    customer = _merged(session, customer)
    return customer, next(iter(_blocked_like(session, customer, given)), None)


def _blocked_like(session: Session, customer: Customer, given: Given) -> list[str]:
    """Read the blocked customers with data of a customer, or with those of its order."""
    addresses = [key for key in (customer.address_key, *given.homes) if key is not None]
    phones = [key for key in (customer.phone_key, given.phone) if key is not None]
    same = or_(
        (col(Customer.mail_key) == customer.mail_key) if customer.mail_key else false(),
        (col(Customer.vat_key) == customer.vat_key) if customer.vat_key else false(),
        col(Customer.phone_key).in_(phones),
        col(Customer.address_key).in_(addresses),
    )
    blocked = select(Customer.customer_id).where(
        col(Customer.status) == CustomerStatus.BLOCKED,
        col(Customer.merged_into).is_(None),
        col(Customer.customer_id) != customer.customer_id,
        same,
    )
    return list(session.exec(blocked.order_by(col(Customer.customer_id))))


def blocked_customers(session: Session, keys: Collection[str]) -> dict[str, dict[str, str | None]]:
    """Read the blocked customers with one of these keys, and all of their keys by name."""
    return {
        id_: dict(zip(KEYS, found, strict=True))
        for some in chunks(sorted(keys))
        for id_, *found in session.exec(
            select(Customer.customer_id, *(getattr(Customer, name) for name in KEYS)).where(
                col(Customer.status) == CustomerStatus.BLOCKED,
                col(Customer.merged_into).is_(None),
                or_(*(getattr(Customer, name).in_(some) for name in KEYS)),
            )
        )
    }


def keys_of(fields: Mapping[str, Any]) -> dict[str, str | None]:
    """Derive the keys of a customer from its contact data; `Any`: its columns."""
    contact = (fields["email"], fields["vat_id"], fields["phone"], fields["country"])
    home = (fields["street"], fields["city"], fields["postal_code"], fields["country"])
    return {
        **contact_keys(*contact)._asdict(),
        "address_key": address_key(fields["name"], *home),
    }


def set_keys(customer: Customer) -> None:
    """Derive the keys of a customer whose contact data have changed."""
    for name, key in keys_of(customer.model_dump()).items():
        if key is not None or name != "address_key":  # that of a delivery stays
            setattr(customer, name, key)


def record_customer(work: UnitOfWork, document: CustomerDocument) -> Customer:
    """Insert a new customer, or update the contact and payment preference of a recorded one.

    What the document leaves out stays. Only imports set credit limit, status and tax treatment: a
    new customer has no credit and is not exempt.
    """
    customer = work.session.get(Customer, document.customer_id, with_for_update=True)
    if customer is not None:
        customer = _merged(work.session, customer)
    if customer is None:
        imported = {"credit_limit", "status", "tax_treatment"}
        customer = Customer(
            **document.as_new.model_dump(exclude=imported),
            credit_limit_minor=0,
            status=CustomerStatus.ACTIVE,
            tax_treatment=TaxTreatment.STANDARD,
        )
        work.session.add(customer)
    else:
        for field in CONTACT_FIELDS:
            if value := getattr(document, field):
                setattr(customer, field, value)
        address = {field: getattr(document, field) for field in ADDRESS_FIELDS}
        if any(address.values()):
            for field, value in address.items():
                setattr(customer, field, value)
    set_keys(customer)
    work.session.flush()
    return customer
