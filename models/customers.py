"""Customers and addresses, as orders and imports bring them."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Self

import pycountry
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from stdnum.eu import vat
from stdnum.exceptions import ValidationError as NumberError

from models.base import NO_CONTROL_CHARACTERS, Document, Identifier, Text

DECIMAL = r"^[0-9]{1,18}(\.[0-9]{1,9})?$"
"""What the JSON Schema can say of money and percentages; `models.money` decides."""


class PaymentPreference(StrEnum):
    """How a customer likes to pay."""

    CARD = "card"
    TRANSFER = "transfer"
    CASH = "cash"
    INVOICE = "invoice"


class CustomerStatus(StrEnum):
    """A blocked customer's orders are refused."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class TaxTreatment(StrEnum):
    """Whether invoices to this customer carry tax: only `standard` ones do."""

    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


def _country(code: str) -> str:
    if len(code) != 2 or pycountry.countries.get(alpha_2=code) is None or not code.isupper():
        raise ValueError(f"{code!r} is not an ISO 3166 alpha-2 country code (such as DE)")
    return code


def checked_number(validate: Callable[[str], str], value: str, kind: str) -> str:
    """`value` in its compact form, by one of stdnum's `validate`; empty stays empty. ValueError."""
    if not value:
        return ""
    try:
        return validate(value)
    except NumberError as error:
        raise ValueError(f"{value!r} is not a valid {kind} ({error})") from error


def _vat_id(value: str) -> str:
    """One of the EU must be right; those of other countries are taken as they are."""
    country = value[:2].lower()
    if country.isalpha() and country not in {*vat.MEMBER_STATES, "el"}:
        return value
    return checked_number(vat.validate, value, "VAT id")


Country = Annotated[
    str,
    AfterValidator(_country),
    Field(description="ISO 3166 alpha-2, in capitals.", examples=["DE"]),
]
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
AmountText = Annotated[
    str,
    Field(
        strict=True,
        description="Money: a decimal string, not below zero, with no more decimals than the "
        'currency has (EUR "18.00", JPY "18").',
        examples=["18.00"],
        json_schema_extra={"pattern": DECIMAL},
    ),
]
PercentText = Annotated[
    str,
    Field(
        strict=True,
        description='A decimal string of 0 to 100 with up to 4 decimals: "19" is 19 %.',
        examples=["19", "5.5"],
        json_schema_extra={"pattern": DECIMAL},
    ),
]


VatId = Annotated[
    OptionalText,
    AfterValidator(_vat_id),
    Field(description="A VAT id; one of an EU country must be valid."),
]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}$"),
    Field(description="Of mails and invoices, two letters: en or de; others get English."),
]


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
    """A whole customer. From an order we take contact, address and payment preference. Credit
    limit, status and tax treatment are ours to decide, by import: a new customer has no credit, is
    active and pays tax."""

    customer_id: Identifier
    name: Text
    email: Email
    phone: OptionalText = ""
    country: Country
    payment_preference: PaymentPreference = PaymentPreference.CARD
    credit_limit: AmountText = "0"
    status: CustomerStatus = CustomerStatus.ACTIVE
    vat_id: VatId = ""
    tax_treatment: TaxTreatment = TaxTreatment.STANDARD
    language: Language = "en"
    street: OptionalText = ""
    city: OptionalText = ""
    postal_code: OptionalText = ""

    @model_validator(mode="after")
    def _who_owes_the_tax(self) -> Self:
        """2006/112/EC art. 226 (4): the id under which the buyer owes it stands on the invoice."""
        if self.tax_treatment is TaxTreatment.REVERSE_CHARGE and not self.vat_id:
            raise ValueError("vat_id: is missing: with reverse_charge the buyer owes the tax by it")
        return self
