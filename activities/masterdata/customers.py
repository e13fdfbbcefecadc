"""Customers: recorded with their first order, updated by later ones."""

from sqlmodel import Session

from activities.database.unit_of_work import UnitOfWork
from models.customers import CustomerDocument, CustomerStatus, TaxTreatment
from models.errors import NotFound
from models.tables.masterdata import Customer

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
