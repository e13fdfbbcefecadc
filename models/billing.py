"""Invoices and payments: what a bill says, and where received money goes."""

from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from models.base import Payload
from models.customers import Address, TaxTreatment
from models.orders import PricedLine, TaxAmount, Terms

NET_DAYS = 30


class Seller(Payload):
    """Our company, as printed."""

    legal_entity: str
    name: str
    street: str
    city: str
    postal_code: str
    country: str
    vat_id: str
    iban: str


class Invoice(Payload):
    """A bill as issued: complete in itself, so that it can be printed again unchanged."""

    number: str
    order_id: str
    issued_on: date
    due_on: date | None
    """None: paid in full when it was issued."""
    seller: Seller
    customer_id: str
    customer_name: str
    customer_vat_id: str
    bill_to: Address
    ship_to: Address
    language: str
    terms: Terms
    tax_treatment: TaxTreatment
    currency: str
    lines: tuple[PricedLine, ...]
    taxes: tuple[TaxAmount, ...]
    net_minor: int
    total_minor: int
    paid_minor: int

    @property
    def tax_minor(self) -> int:
        """All rates together."""
        return self.total_minor - self.net_minor


def due_date(terms: Terms, issued_on: date) -> date | None:
    """When an invoice is to be paid; None for what was paid before it was issued."""
    return issued_on + timedelta(days=NET_DAYS) if terms.on_credit else None


def invoice_number(year: int, sequence: int) -> str:
    """`INV-2026-000001`: one gapless series a year."""
    return f"INV-{year}-{sequence:06d}"


def credit_note_number(year: int, sequence: int) -> str:
    """`CN-2026-000001`: credit notes have a series of their own."""
    return f"CN-{year}-{sequence:06d}"


class SplitPayment(Payload):
    """A payment, split by what it settles."""

    applied_minor: int
    deposit_minor: int


def split_payment(amount_minor: int, due_minor: int) -> SplitPayment:
    """What is due first; the excess is a deposit of the customer's."""
    applied_minor = min(amount_minor, due_minor)
    return SplitPayment(applied_minor=applied_minor, deposit_minor=amount_minor - applied_minor)


class LateMoney(StrEnum):
    """What becomes of money for an order that is cancelled."""

    REFUND = "refund"
    """It is given back."""
    REALLOCATE = "reallocate"
    """The order is taken up again, and allocated anew."""


def late_money(
    wish: Literal["refund", "reallocate"],
    *,
    expired: bool,
    invoiced: bool,
    kept: bool,
    owed_minor: int,
    received_minor: int,
    total_minor: int,
) -> LateMoney:
    """Refund, unless `wish` and the order allow to take it up again.

    `expired`: it was cancelled by its payment deadline, not by a person. `invoiced`: it has an
    invoice, which was credited then. `kept`: its document is there to start it again.
    `owed_minor`: what came before and is being given back: it pays nothing any more.
    """
    possible = expired and kept and not invoiced and not owed_minor
    possible = possible and received_minor >= total_minor
    return LateMoney.REALLOCATE if wish == "reallocate" and possible else LateMoney.REFUND
