"""Customers and addresses, as orders and imports bring them."""

from enum import StrEnum
from typing import Annotated

import pycountry
from pydantic import AfterValidator, Field, StringConstraints

from models.base import NO_CONTROL_CHARACTERS, Document, Identifier, Text


class PaymentPreference(StrEnum):
    """How a customer likes to pay."""

    CARD = "card"
    TRANSFER = "transfer"
    CASH = "cash"
    INVOICE = "invoice"


class CustomerStatus(StrEnum):
    """A blocked customer's orders are refused at the door."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class TaxTreatment(StrEnum):
    """Whether our invoices to this customer carry tax."""

    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


def _country(code: str) -> str:
    if len(code) != 2 or pycountry.countries.get(alpha_2=code) is None or not code.isupper():
        raise ValueError(f"{code!r} is not an ISO 3166 alpha-2 country code (such as DE)")
    return code


Country = Annotated[str, AfterValidator(_country)]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f<>,;]+@[^@\s\x00-\x1f<>,;]+$",
    ),
]
OptionalText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_CONTROL_CHARACTERS)
]
AmountText = Annotated[str, Field(strict=True, examples=["18.00"])]


class Address(Document):
    """Where goods or an invoice go."""

    name: Text
    street: Text
    city: Text
    region: Text | None = None
    postal_code: Text
    country: Country

    def lines(self) -> list[str]:
        """As printed on an envelope."""
        town = f"{self.postal_code} {self.city}" + (f", {self.region}" if self.region else "")
        return [self.name, self.street, town, self.country]


class CustomerDocument(Document):
    """A whole customer, as `customers.csv` and an order may bring one.

    An order that brings a customer we know updates the contact fields only: credit limit, status
    and tax treatment are the seller's to decide.
    """

    customer_id: Identifier
    name: Text
    email: Email
    phone: OptionalText = ""
    country: Country
    payment_preference: PaymentPreference = PaymentPreference.CARD
    credit_limit: AmountText = "0"
    status: CustomerStatus = CustomerStatus.ACTIVE
    vat_id: OptionalText = ""
    tax_treatment: TaxTreatment = TaxTreatment.STANDARD
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    street: OptionalText = ""
    city: OptionalText = ""
    postal_code: OptionalText = ""
