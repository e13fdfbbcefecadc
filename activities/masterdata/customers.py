"""Customers: recorded with their first order, kept up to date by the next."""

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

CONTACT_FIELDS = ("name", "email", "phone", "country", "vat_id", "language")
ADDRESS_FIELDS = ("street", "city", "postal_code")


def lock_customer(session: Session, customer_id: str) -> Customer:
    """The customer's row, held until the transaction ends, so that credit is checked one order at
    a time. Raises NotFound."""
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise NotFound("customer_unknown", f"there is no customer {customer_id}")
    return customer


def record_customer(work: UnitOfWork, document: CustomerDocument) -> Customer:
    """Insert a new customer; of one we know, update what the customer may decide: contact and
    payment preference. What is ours to decide (credit limit, status, tax treatment) no order
    says: a new customer has no credit and pays tax until an import says otherwise."""
    known = work.session.get(Customer, document.customer_id, with_for_update=True)
    if known is None:
        ours = {"credit_limit", "status", "tax_treatment"}
        known = Customer(
            **document.model_dump(exclude=ours),
            credit_limit_minor=0,
            status=CustomerStatus.ACTIVE,
            tax_treatment=TaxTreatment.STANDARD,
        )
        work.session.add(known)
    else:
        for field in (*CONTACT_FIELDS, *ADDRESS_FIELDS):
            if value := getattr(document, field):
                setattr(known, field, value)
        known.payment_preference = document.payment_preference
    work.session.flush()
    return known


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
