"""Customers: recorded with their first order, kept up to date by the next."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.progress import balance_of
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
    """What the customer owes or will owe, in minor units, but for `without_order`: every accepted
    net30 order that isn't paid or cancelled, invoiced or not; and what is due again of others,
    because a payment was taken back."""
    charges = (
        col(Order.fees_minor)
        + col(Order.reclaimed_minor)
        - col(Order.credited_minor)
        + col(Order.payable_minor)
        - col(Order.forgiven_minor)
    )
    due = col(Order.total_minor) + charges - col(Order.paid_minor)
    owed = select(func.sum(due)).where(
        col(Order.customer_id) == customer_id,
        col(Order.order_id) != without_order,
        col(Order.terms) == Terms.NET30,
        col(Order.credit_accepted).is_(True),
        col(Order.cancellation) != Cancellation.DONE,
    )
    return int(session.exec(owed).one() or 0) + _due_again(session, customer_id, without_order)


def _due_again(session: Session, customer_id: str, without_order: str) -> int:
    taken_back = select(PaymentReversal.order_id).where(col(PaymentReversal.order_id).is_not(None))
    on_credit = (
        (col(Order.terms) == Terms.NET30)
        & col(Order.credit_accepted).is_(True)
        & (col(Order.cancellation) != Cancellation.DONE)
    )
    orders = session.exec(
        select(Order).where(
            col(Order.customer_id) == customer_id,
            col(Order.order_id) != without_order,
            col(Order.order_id).in_(taken_back),
            ~on_credit,
        )
    )
    return sum(balance_of(session, order).receivable_minor for order in orders)
