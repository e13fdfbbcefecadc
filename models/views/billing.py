"""Invoices, credit notes and payments as CLI and API show them; amounts are decimal strings."""

from datetime import date, datetime
from typing import Literal

from models.base import Payload
from models.errors import Found, require_found
from models.tax import TaxCase


class BillLineView(Payload):
    """A line of an invoice or credit note; `net` is after all discounts.

    `gross`: the same with tax, if prices include it.
    """

    line_no: int
    sku: str
    name: str
    quantity: int
    unit_price: str
    discount_percent: str
    tax_rate_percent: str
    net: str
    gross: str | None


class TaxView(Payload):
    """The tax of one rate."""

    rate_percent: str
    taxable: str
    tax: str


class MailView(Payload):
    """A mail with the document; `refused`: the mail server's answer, if it refused the mail."""

    message_id: str
    recipient: str
    refused: str | None
    recorded_at: datetime


class BillView(Payload):
    """An invoice or a credit note.

    `open`: the open amount of an invoice, fees included. `supplied_on`: the day on which its goods
    left, if before it was issued. Of a credit note, `invoice_number` is the corrected invoice. Of
    the paid part, `refund` was given back or is being refunded, `used` met an amount due, and
    `kept` is the customer's credit. `no_einvoice`: why the PDF has no e-invoice.
    """

    kind: Literal["invoice", "credit_note"]
    number: str
    order_id: str
    customer_id: str
    customer_name: str
    issued_on: date
    due_on: date | None
    supplied_on: date | None = None
    invoice_number: str | None
    reason: str | None
    currency: str
    tax_case: TaxCase
    prices_include_tax: bool
    no_einvoice: str | None
    lines: tuple[BillLineView, ...]
    discount: str
    taxes: tuple[TaxView, ...]
    net: str
    tax: str
    total: str
    open: str | None
    refund: str | None
    kept: str | None
    used: str | None
    credit_notes: tuple[str, ...]
    mails: tuple[MailView, ...]


def require_bill(view: Found | None, number: str) -> Found:
    """Return a found invoice or credit note. Raises NotFound."""
    return require_found(view, "invoice_unknown", f"there is no invoice or credit note {number!r}")


class PaymentView(Payload):
    """A payment that is not, or only in part, applied.

    `reversed` and `refunded`: the amounts that have gone back since.
    """

    payment_id: str
    claimed_order_id: str | None
    order_id: str | None
    amount: str
    applied: str
    reversed: str
    refunded: str
    currency: str
    method: str
    reason: str
    received_at: datetime
