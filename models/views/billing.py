"""What CLI and API show of invoices and credit notes. Amounts are decimal strings."""

from datetime import date, datetime
from typing import Literal

from models.base import Payload
from models.errors import Found, found


class BillLineView(Payload):
    """A line as billed; `net` is after all discounts."""

    sku: str
    name: str
    quantity: int
    unit_price: str
    discount_percent: str
    tax_rate_percent: str
    net: str


class TaxView(Payload):
    """The tax of one rate."""

    rate_percent: str
    taxable: str
    tax: str


class MailView(Payload):
    """A mail that brought the document; `refused`: the mail server's words, where it refused."""

    message_id: str
    recipient: str
    refused: str | None
    recorded_at: datetime


class BillView(Payload):
    """An invoice or a credit note.

    `open`: what its customer still owes for the order, fees included (invoices). `invoice_number`,
    `reason`, `refund` and `kept`: what a credit note corrects, why, and what of it is given back or
    stays the customer's credit.
    """

    kind: Literal["invoice", "credit_note"]
    number: str
    order_id: str
    customer_id: str
    customer_name: str
    issued_on: date
    due_on: date | None
    invoice_number: str | None
    reason: str | None
    currency: str
    lines: tuple[BillLineView, ...]
    discount: str
    taxes: tuple[TaxView, ...]
    net: str
    tax: str
    total: str
    open: str | None
    refund: str | None
    kept: str | None
    credit_notes: tuple[str, ...]
    mails: tuple[MailView, ...]


def of_bill(view: Found | None, number: str) -> Found:
    """An invoice or credit note as it is shown. Raises NotFound where there is none."""
    return found(view, "invoice_unknown", f"there is no invoice or credit note {number!r}")


class PaymentView(Payload):
    """Money received that has no, or only in part, a use; `reversed`: what of it was taken back by
    the payer's bank."""

    payment_id: str
    claimed_order_id: str | None
    order_id: str | None
    amount: str
    applied: str
    reversed: str
    currency: str
    method: str
    reason: str
    received_at: datetime
