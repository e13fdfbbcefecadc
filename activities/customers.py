"""Customers: recorded with their first order, kept up to date by the next."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.customers import CustomerDocument
from models.errors import NotFound
from models.money import parse_amount
from models.orders import Cancellation, Terms
from models.tables import Customer, Order

CONTACT_FIELDS = ("name", "email", "phone", "country", "vat_id", "language")
ADDRESS_FIELDS = ("street", "city", "postal_code")


def lock_customer(session: Session, customer_id: str) -> Customer:
    """The customer's row, held until the transaction ends, so that credit is checked one order at
    a time. Raises NotFound."""
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    return customer


def record_customer(session: Session, document: CustomerDocument, currency: str) -> Customer:
    """Insert a new customer; of one we know, update what the customer may decide: contact and
    payment preference. `currency` is the company's, in which the credit limit is given."""
    known = session.get(Customer, document.customer_id, with_for_update=True)
    if known is None:
        return insert_customer(session, document, currency)
    for field in (*CONTACT_FIELDS, *ADDRESS_FIELDS):
        if value := getattr(document, field):
            setattr(known, field, value)
    known.payment_preference = document.payment_preference
    session.flush()
    return known


def insert_customer(session: Session, document: CustomerDocument, currency: str) -> Customer:
    """A new row, as the document says."""
    fields = document.model_dump(exclude={"credit_limit"})
    limit_minor = parse_amount(document.credit_limit, currency)
    customer = Customer(**fields, credit_limit_minor=limit_minor)
    session.add(customer)
    session.flush()
    return customer


def exposure(session: Session, customer_id: str, without_order: str = "") -> int:
    """What the customer owes or will owe on credit, in minor units: every accepted net30 order
    that isn't paid or cancelled, invoiced or not, but for `without_order`."""
    owed = select(func.sum(col(Order.total_minor) - col(Order.paid_minor))).where(
        col(Order.customer_id) == customer_id,
        col(Order.order_id) != without_order,
        col(Order.terms) == Terms.NET30,
        col(Order.credit_accepted).is_(True),
        col(Order.cancellation) != Cancellation.DONE,
    )
    return int(session.exec(owed).one() or 0)
