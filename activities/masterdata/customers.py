"""Customers: recorded with their first order, updated by later ones, and their credit."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.balance import DUE_MINOR, balance_of
from models.customers import CustomerDocument, CustomerStatus, TaxTreatment
from models.errors import NotFound
from models.orders import Terms
from models.progress import Cancellation
from models.tables.billing import PaymentReversal
from models.tables.masterdata import Customer
from models.tables.orders import Order

CONTACT_FIELDS = (
    *("name", "email", "phone", "country", "vat_id"),
    *("language", "payment_preference"),
)
"""Fields of a recorded customer that an order updates, each for itself."""
ADDRESS_FIELDS = ("street", "city", "postal_code")
"""Fields that an order updates together: a new street never keeps the earlier postal code."""


def lock_customer(session: Session, customer_id: str) -> Customer:
    """Lock the customer's row until the transaction ends. Raises NotFound."""
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    return customer


def record_customer(work: UnitOfWork, document: CustomerDocument) -> Customer:
    """Insert a new customer, or update the contact and payment preference of a recorded one.

    What the document leaves out stays. Only imports set credit limit, status and tax treatment: a
    new customer has no credit and pays tax.
    """
    customer = work.session.get(Customer, document.customer_id, with_for_update=True)
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
    work.session.flush()
    return customer


def exposure(session: Session, customer_id: str, without_order: str = "") -> int:
    """Sum up what a customer owes or is going to owe, in minor units, except for `without_order`.

    This is the amount due of every accepted order on credit (net30) until it is cancelled, invoiced
    or not, and the receivable of other orders of which a payment was reversed.
    """
    counted = (col(Order.customer_id) == customer_id) & (col(Order.order_id) != without_order)
    on_credit = (
        (col(Order.terms) == Terms.NET30)
        & col(Order.credit_accepted).is_(True)
        & (col(Order.cancellation) != Cancellation.DONE)
    )
    due_minor = session.exec(select(func.sum(DUE_MINOR)).where(counted, on_credit)).one()
    reversed_ids = select(PaymentReversal.order_id).where(
        col(PaymentReversal.order_id).is_not(None)
    )
    reversed_orders = session.exec(
        select(Order).where(counted, ~on_credit, col(Order.order_id).in_(reversed_ids))
    )
    receivable_minor = sum(balance_of(session, order).receivable_minor for order in reversed_orders)
    return int(due_minor or 0) + receivable_minor
