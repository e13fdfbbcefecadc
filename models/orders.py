"""The order document, as a shop sends it."""

import hashlib
import json
import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)

from models.addresses import AddressReview, postal_code_problem, review_address
from models.base import Document, Identifier, LocationId, Text, at_field
from models.customers import Address, AmountText, CustomerDocument, PercentText
from models.days import check_known
from models.money import decimals, parse_amount, parse_percent, same_decimal

MAX_LINES = 1_000
MAX_QUANTITY = 1_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Channel(StrEnum):
    """The channel through which an order was placed."""

    ONLINE = "online"
    STORE = "store"
    PHONE = "phone"


class Terms(StrEnum):
    """When a customer pays.

    Before goods issue (`prepaid`; `cash`: at the till), or within 30 days of the invoice (`net30`,
    up to the credit limit).
    """

    PREPAID = "prepaid"
    NET30 = "net30"
    CASH = "cash"

    @property
    def on_credit(self) -> bool:
        """Whether goods leave before the payment: a receivable."""
        return self is Terms.NET30


class Delivery(StrEnum):
    """Whether available units may leave before the others."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class Fulfilment(StrEnum):
    """How a customer receives the goods.

    By a carrier, over the counter once they are paid or on credit, or by collection at a location.
    """

    CARRIER = "carrier"
    COUNTER = "counter"
    PICK_UP = "pick_up"


class PaymentMethod(StrEnum):
    """How the customer pays one order."""

    CARD = "card"
    TRANSFER = "transfer"
    CASH = "cash"


class Capture(StrEnum):
    """When a card is charged: with the payment request, or before dispatch on an authorisation."""

    AT_ONCE = "at_once"
    AT_DISPATCH = "at_dispatch"


class OrderLine(Document):
    """A line of an order: one SKU.

    `unit_price` includes tax if the prices of the order do; by default it is the list price at
    acceptance. `discount_percent` reduces it.
    """

    sku: Text
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
    unit_price: AmountText | None = None
    discount_percent: PercentText | None = None


Customer = Annotated[
    Annotated[Identifier, Tag("<id>")] | Annotated[CustomerDocument, Tag("<whole>")],
    Discriminator(lambda sent: "<id>" if isinstance(sent, str) else "<whole>"),
]
"""The id of a customer, or the whole customer."""


def _check_count(sent: object) -> object:
    """Check the number of lines before the lines, so that too many of them are one error."""
    if isinstance(sent, list | tuple) and not 1 <= len(sent) <= MAX_LINES:
        raise ValueError(f"has {len(sent)} lines; an order has 1 to {MAX_LINES}")
    return sent


def _check_date(sent: object) -> object:
    """Check the format of a date: pydantic also accepts numbers, as seconds since 1970."""
    if not isinstance(sent, date) and not (isinstance(sent, str) and _DATE.fullmatch(sent)):
        raise ValueError('is not a date such as "2026-07-31"')
    return sent


Lines = Annotated[
    tuple[OrderLine, ...],
    BeforeValidator(_check_count),
    Field(json_schema_extra={"minItems": 1, "maxItems": MAX_LINES}),
]
CalendarDate = Annotated[date, BeforeValidator(_check_date), AfterValidator(check_known)]
Currency = Annotated[
    str, Field(description="ISO 4217; it has to be the company's currency.", examples=["EUR"])
]


class OrderDocument(Document):
    """An order, as sent to `POST /orders` or `starter.py place`.

    The same document again is the same order. Other content under its id is refused, and so are
    unknown fields.
    """

    order_id: Identifier
    channel: Channel
    customer: Customer
    ship_to: Address | None = Field(
        default=None, description="Required, unless the goods are handed over at a counter."
    )
    bill_to: Address | None = None
    currency: Currency
    terms: Terms
    delivery: Delivery = Delivery.COMPLETE
    lines: Lines
    discount_percent: PercentText | None = None
    prices_include_tax: bool | None = Field(
        default=None,
        strict=True,
        exclude_if=lambda includes: includes is None,
        description="Whether each unit_price includes tax; by default as the company's prices.",
    )
    payment_method: PaymentMethod | None = None
    capture: Capture = Capture.AT_ONCE
    requested_delivery_date: CalendarDate | None = None
    fulfilment: Fulfilment = Fulfilment.CARRIER
    location: LocationId | None = Field(
        default=None,
        description="The location of handing over, for counter or pick_up.",
    )
    taken_by: Text | None = Field(default=None, description="The employee who took the order.")
    customer_reference: Text | None = Field(
        default=None,
        description="The customer's own reference, such as the number of their purchase order.",
        examples=["PO 4711"],
    )
    phone: Text | None = Field(
        default=None,
        description="A phone number for the carrier. Without a country code it is one of the "
        "country of ship_to.",
        examples=["+49 30 901820"],
    )

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        """Check the amounts by the currency; errors of a model validator begin with the field."""
        with at_field("currency"):
            decimals(self.currency)
        for number, line in enumerate(self.lines):
            with at_field(f"lines.{number}.unit_price"):
                if line.unit_price is not None and parse_amount(line.unit_price, self.currency) < 0:
                    raise ValueError("is below zero")
            with at_field(f"lines.{number}.discount_percent"):
                parse_percent("0" if line.discount_percent is None else line.discount_percent)
        with at_field("discount_percent"):
            parse_percent(self.discount_percent or "0")
        return self

    @model_validator(mode="after")
    def _check_capture(self) -> Self:
        """Check that only prepaid orders by card are captured at dispatch."""
        if self.capture is Capture.AT_ONCE:
            return self
        with at_field("capture"):
            if self.payment_method is not PaymentMethod.CARD:
                raise ValueError("at_dispatch requires payment_method card")
            if self.terms is not Terms.PREPAID:
                raise ValueError(f"at_dispatch requires terms prepaid, not {self.terms}")
        return self

    @model_validator(mode="after")
    def _check_fulfilment(self) -> Self:
        """Check that an order without a carrier has a location, and one at a counter a store."""
        with at_field("location"):
            if self.fulfilment is Fulfilment.CARRIER and self.location is not None:
                raise ValueError("requires fulfilment counter or pick_up, not carrier")
            if self.fulfilment is not Fulfilment.CARRIER and self.location is None:
                raise ValueError(f"is missing: fulfilment {self.fulfilment} requires one")
        with at_field("fulfilment"):
            if self.fulfilment is Fulfilment.COUNTER and self.channel is not Channel.STORE:
                raise ValueError(f"counter requires channel store, not {self.channel}")
        with at_field("delivery"):
            if self.fulfilment is Fulfilment.COUNTER and self.delivery is Delivery.PARTIAL:
                raise ValueError("partial requires fulfilment carrier or pick_up, not counter")
        return self

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        """Check that goods and invoice on credit have an address: only a sale at the counter that
        is paid there does without."""
        if self.ship_to is not None:
            return self
        with at_field("ship_to"):
            if self.fulfilment is not Fulfilment.COUNTER:
                raise ValueError(f"is missing: fulfilment {self.fulfilment} requires an address")
        with at_field("bill_to"):
            if self.bill_to is None and self.terms.on_credit:
                raise ValueError("is missing: an invoice on credit requires an address")
        return self

    def review_addresses(self) -> list[AddressReview]:
        """Review the addresses by the data of their countries.

        API and CLI do this before an order is accepted; an accepted one is never refused later.
        """
        addresses = {"ship_to": self.ship_to, "bill_to": self.bill_to}
        return [review_address(address, field) for field, address in addresses.items() if address]

    @property
    def warnings(self) -> list[str]:
        """What is unusual about the order, and doesn't stop it."""
        found = [warning for review in self.review_addresses() for warning in review.warnings]
        if not isinstance(self.customer, str):
            home = self.customer
            if problem := postal_code_problem(home.country, home.postal_code):
                found.append(f"customer.postal_code: {problem}")
        return found

    @property
    def customer_id(self) -> str:
        """The customer's id, from the id or from the whole customer."""
        return self.customer if isinstance(self.customer, str) else self.customer.customer_id


_DECIMALS = ("unit_price", "discount_percent", "credit_limit")
"""The fields of an order that are decimal numbers."""


def digest(sent: JsonValue) -> str:
    """Return the SHA-256 of a document in canonical JSON: the same content has the same digest."""
    content = _with_same_decimals(sent)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _with_same_decimals(sent: JsonValue, field: str = "") -> JsonValue:
    """Write the decimal numbers of a document in one way: "18.0" is the price "18.00"."""
    if isinstance(sent, dict):
        return {name: _with_same_decimals(value, name) for name, value in sent.items()}
    if isinstance(sent, list):
        return [_with_same_decimals(value) for value in sent]
    return same_decimal(sent) if isinstance(sent, str) and field in _DECIMALS else sent
