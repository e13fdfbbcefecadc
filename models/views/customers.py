"""Views of customers in lists: found by contact data, and likely the same."""

from models.base import Payload


class CustomerSummary(Payload):
    """A customer, as lists show it."""

    customer_id: str
    name: str
    email: str
    phone: str
    vat_id: str
    country: str
    status: str
    merged_into: str | None = None
    """The customer who has its orders."""
    order_count: int


class DuplicatesView(Payload):
    """Customers that are likely the same."""

    because: tuple[str, ...]
    """What they have in common: mail address, VAT id, phone number, name and address."""
    customers: tuple[CustomerSummary, ...]
