"""Customers and addresses in orders and imports."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Self

import pycountry
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from stdnum.eu import vat
from stdnum.exceptions import ValidationError as NumberError

from models.addresses import country_of, is_country, tidy_postal_code
from models.base import Document, Identifier, Text, Visible, Words
from models.cells import CellKind
from models.patterns import EMAIL, LANGUAGE, NO_CONTROL_CHARACTERS, OPTIONAL_EMAIL
from models.phones import tidy_phone
from models.texts import has_word, visible

DECIMAL = r"^[0-9]{1,18}(\.[0-9]{1,30})?$"
"""The pattern of amounts and percentages in the JSON Schema; `models.money` is stricter."""


class PaymentPreference(StrEnum):
    """How a customer prefers to pay."""

    CARD = "card"
    TRANSFER = "transfer"
    CASH = "cash"
    INVOICE = "invoice"


class CustomerStatus(StrEnum):
    """The status of a customer; orders of a blocked one are refused."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class TaxTreatment(StrEnum):
    """What decides a customer's tax besides VAT id and places (`models.tax`).

    `exempt` is never taxed. `reverse_charge` is a business in any case, `standard` one if it has a
    VAT id of the EU.
    """

    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


_EU_PREFIXES = frozenset({*vat.MEMBER_STATES, "el"})
"""The letters that VAT ids of the EU begin with, in small letters."""
_MEANT = {"UK": "GB", "EL": "GR"}
"""Codes that others than ISO give to countries."""


def check_country(sent: str) -> str:
    """Return a country code in capitals. Raises ValueError for any other text."""
    code = sent.strip().upper()
    if is_country(code):
        return code
    meant = _MEANT.get(code) or _named_country(code)
    way_out = f": write {meant}" if meant else " (such as DE)"
    raise ValueError(f"{sent!r} is not an ISO 3166 alpha-2 country code{way_out}")


def _named_country(text: str) -> str | None:
    """Find the code of a country by its English name or by its code of three letters."""
    try:
        found = pycountry.countries.lookup(text)
    except LookupError:
        return None
    return str(found.alpha_2)


def checked_number(validate: Callable[[str], str], value: str, kind: str) -> str:
    """Return a number in its compact form, checked by `validate` of stdnum; empty stays empty.

    Raises ValueError.
    """
    if not value:
        return ""
    try:
        return validate(value)
    except NumberError as error:
        raise ValueError(f"{value!r} is not a valid {kind} ({error})") from error


def _vat_id(value: str, info: ValidationInfo) -> str:
    """Check a VAT id of an EU country; those of other countries are not checked.

    A number without letters of a country is one of the customer's own: outside the EU it is kept,
    inside it names no state.
    """
    country, home = value[:2].lower(), info.data.get("country", "")
    if country.isalpha() and country not in _EU_PREFIXES:
        return value
    if not country.isalpha() and home and home.lower() not in _EU_PREFIXES:
        return value
    whole = f"{home}{value}"
    if not country.isalpha() and vat.is_valid(whole):
        raise ValueError(f"{value!r} doesn't begin with its country: write {vat.compact(whole)}")
    return checked_number(vat.validate, value, "VAT id")


Country = Annotated[
    str,
    AfterValidator(check_country),
    Field(description="ISO 3166 alpha-2, or XK for Kosovo.", examples=["DE"]),
]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=EMAIL,
    ),
]
OptionalEmail = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=OPTIONAL_EMAIL,
    ),
]
OptionalText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_CONTROL_CHARACTERS),
    Visible,
]
AmountText = Annotated[
    str,
    Field(
        strict=True,
        description="Money: a decimal string, not below zero, with no more decimals than the "
        'currency has (EUR "18.00", JPY "18"), further zeros apart.',
        examples=["18.00"],
        json_schema_extra={"pattern": DECIMAL},
    ),
    CellKind.AMOUNT,
]
PercentText = Annotated[
    str,
    Field(
        strict=True,
        description='A decimal string of 0 to 100 with up to 4 decimals: "19" is 19 %.',
        examples=["19", "5.5"],
        json_schema_extra={"pattern": DECIMAL},
    ),
    CellKind.PERCENT,
]


VatId = Annotated[
    OptionalText,
    AfterValidator(_vat_id),
    Field(description="A VAT id; one of an EU country must be valid."),
]
Language = Annotated[
    str,
    StringConstraints(pattern=LANGUAGE),
    Field(description="The language of mails and invoices: en or de; any other means English."),
]


def _none_if_blank(sent: object) -> object:
    return None if isinstance(sent, str) and not has_word(visible(sent)) else sent


OptionalPart = Annotated[Text | None, BeforeValidator(_none_if_blank)]
"""A part of an address that not every country has; blank or a dash is the same as none."""


class Address(Document):
    """An address for goods or invoices.

    Which of city, region and postal code an address needs depends on its country. `company` is
    printed above the name, `line2` (building, floor, c/o) below the street.
    """

    name: Words
    company: OptionalPart = Field(default=None, exclude_if=lambda company: company is None)
    street: Words
    line2: OptionalPart = Field(default=None, exclude_if=lambda line2: line2 is None)
    city: OptionalPart = None
    region: OptionalPart = None
    postal_code: OptionalPart = None
    country: Country

    @property
    def names(self) -> tuple[str, ...]:
        """The recipient: the company, then the name."""
        return tuple(dict.fromkeys(filter(None, (self.company, self.name))))

    @property
    def tidy(self) -> Self:
        """The address with its region and postal code as the country writes them."""
        changes = {
            "postal_code": tidy_postal_code(self.country, self.postal_code) or None,
            "region": country_of(self.country).official_region(self.region, self.street),
        }
        changed = {name: to for name, to in changes.items() if to != getattr(self, name)}
        return self.model_copy(update=changed) if changed else self


class CustomerDocument(Document):
    """A whole customer.

    An order sets contact, address and payment preference; what it leaves out stays as recorded.
    Only an import sets credit limit, status and tax treatment: a new customer has no credit, is
    active and not exempt.
    """

    customer_id: Identifier
    name: Words
    company: OptionalText = Field(
        default="", description="The company, if `name` is a contact in it: the buyer on invoices."
    )
    email: OptionalEmail = Field(
        default="", description="May be empty for customers who buy at a counter only."
    )
    phone: OptionalText = ""
    country: Country
    payment_preference: PaymentPreference | None = Field(
        default=None, description="A new customer prefers card."
    )
    credit_limit: AmountText = "0"
    status: CustomerStatus = CustomerStatus.ACTIVE
    vat_id: VatId = ""
    tax_treatment: TaxTreatment = TaxTreatment.STANDARD
    language: Language | None = Field(
        default=None,
        description="The language of mails and invoices: en or de; any other means English. That "
        "of a new customer is en.",
    )
    street: OptionalText = ""
    line2: OptionalText = ""
    city: OptionalText = ""
    postal_code: OptionalText = ""

    @model_validator(mode="after")
    def _check_reverse_charge(self) -> Self:
        """Require the VAT id that has to be on the invoice (2006/112/EC art. 226 (4))."""
        if self.tax_treatment is TaxTreatment.REVERSE_CHARGE and not self.vat_id:
            raise ValueError("vat_id: is missing: reverse_charge requires one")
        return self

    @property
    def tidy(self) -> Self:
        """The document with its phone number as E.164 and its postal code as the country writes it.

        What is no phone number and no postal code stays.
        """
        changes = {
            "phone": tidy_phone(self.phone, self.country),
            "postal_code": tidy_postal_code(self.country, self.postal_code),
        }
        changed = {name: to for name, to in changes.items() if to != getattr(self, name)}
        return self.model_copy(update=changed)

    @property
    def as_new(self) -> Self:
        """The document of a new customer, with defaults for what it leaves out."""
        defaults = {"payment_preference": PaymentPreference.CARD, "language": "en"}
        left_out = {name for name in defaults if getattr(self, name) is None}
        return self.model_copy(update={name: defaults[name] for name in left_out})
