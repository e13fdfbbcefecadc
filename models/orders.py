"""The order document, as a shop sends it."""

import hashlib
import json
import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator

from models.base import Document, Identifier, LocationId, Text, at_field
from models.customers import Address, AmountText, CustomerDocument, PercentText
from models.money import (
    decimals,
    parse_amount,
    parse_percent,
)

MAX_LINES = 1_000
MAX_QUANTITY = 1_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Channel(StrEnum):
    """Where the order was placed."""

    ONLINE = "online"
    STORE = "store"
    PHONE = "phone"


class Terms(StrEnum):
    """When the customer pays: before the goods leave (`prepaid`, and `cash` at the till), or within
    30 days of the invoice (`net30`, within the credit limit)."""

    PREPAID = "prepaid"
    NET30 = "net30"
    CASH = "cash"

    @property
    def on_credit(self) -> bool:
        """Goods leave before the money is in: a receivable."""
        return self is Terms.NET30


class Delivery(StrEnum):
    """Whether what is there may leave before the rest."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class Fulfilment(StrEnum):
    """How the goods come to the customer: by a carrier, over the counter as soon as they are paid
    (or on credit), or collected at a location of ours."""

    CARRIER = "carrier"
    COUNTER = "counter"
    PICK_UP = "pick_up"


class PaymentMethod(StrEnum):
    """How the customer of one order pays."""

    CARD = "card"
    TRANSFER = "transfer"
    CASH = "cash"


class Capture(StrEnum):
    """When a card is charged: when the payment is asked for, or when the goods are about to go;
    until then the card's authorisation stands for the payment."""

    AT_ONCE = "at_once"
    AT_DISPATCH = "at_dispatch"


class OrderLine(Document):
    """One SKU of an order. `unit_price` is without tax; absent: the list price at acceptance.
    `discount_percent` is taken off it."""

    sku: Text
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
    unit_price: AmountText | None = None
    discount_percent: PercentText | None = None


Customer = Annotated[
    Annotated[Identifier, Tag("<id>")] | Annotated[CustomerDocument, Tag("<whole>")],
    Discriminator(lambda given: "<id>" if isinstance(given, str) else "<whole>"),
]
"""A customer's id, or the whole customer."""


def _not_too_many(given: object) -> object:
    """Counted before the lines are looked at: a list of 10,000 bad lines is one error."""
    if isinstance(given, list | tuple) and not 1 <= len(given) <= MAX_LINES:
        raise ValueError(f"has {len(given)} lines; an order has 1 to {MAX_LINES}")
    return given


def _written_out(given: object) -> object:
    """Pydantic alone would take a number for seconds since 1970."""
    if not isinstance(given, date) and not (isinstance(given, str) and _DATE.fullmatch(given)):
        raise ValueError('is not a date such as "2026-07-31"')
    return given


Lines = Annotated[
    tuple[OrderLine, ...],
    BeforeValidator(_not_too_many),
    Field(json_schema_extra={"minItems": 1, "maxItems": MAX_LINES}),
]
CalendarDate = Annotated[date, BeforeValidator(_written_out)]
Currency = Annotated[
    str, Field(description="ISO 4217; only the company's own is taken.", examples=["EUR"])
]


class OrderDocument(Document):
    """An order, as sent to `POST /orders` or `starter.py place`. The same document again is the
    same order; other content under its id, and unknown fields, are refused."""

    order_id: Identifier
    channel: Channel
    customer: Customer
    ship_to: Address
    bill_to: Address | None = None
    currency: Currency
    terms: Terms
    delivery: Delivery = Delivery.COMPLETE
    lines: Lines
    discount_percent: PercentText | None = None
    payment_method: PaymentMethod | None = None
    capture: Capture = Capture.AT_ONCE
    requested_delivery_date: CalendarDate | None = None
    fulfilment: Fulfilment = Fulfilment.CARRIER
    location: LocationId | None = Field(
        default=None,
        description="Where the goods are handed over: of ours, for counter or pick_up.",
    )
    taken_by: Text | None = Field(default=None, description="Who of us took the order.")

    @model_validator(mode="after")
    def _amounts_fit_the_currency(self) -> Self:
        """Errors start with the field's path, which a check of the whole document must say."""
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
    def _captured_later_from_a_card(self) -> Self:
        """A till takes money at once, and an order on credit is paid by transfer."""
        if self.capture is Capture.AT_ONCE:
            return self
        with at_field("capture"):
            if self.payment_method is not PaymentMethod.CARD:
                raise ValueError("at_dispatch is for cards: say payment_method card")
            if self.terms is not Terms.PREPAID:
                raise ValueError(f"at_dispatch is for terms prepaid, not {self.terms}")
        return self

    @model_validator(mode="after")
    def _handed_over_somewhere(self) -> Self:
        """What no carrier brings is handed over at a place of ours, a counter in a store."""
        with at_field("location"):
            if self.fulfilment is Fulfilment.CARRIER and self.location is not None:
                raise ValueError("is for fulfilment counter or pick_up; a carrier starts anywhere")
            if self.fulfilment is not Fulfilment.CARRIER and self.location is None:
                raise ValueError(f"is missing: say where the goods of a {self.fulfilment} are")
        with at_field("fulfilment"):
            if self.fulfilment is Fulfilment.COUNTER and self.channel is not Channel.STORE:
                raise ValueError(f"counter is for channel store, not {self.channel}")
        with at_field("delivery"):
            if self.fulfilment is Fulfilment.COUNTER and self.delivery is Delivery.PARTIAL:
                raise ValueError("partial is for carrier or pick_up, not for a counter")
        return self

    @property
    def customer_id(self) -> str:
        """The customer's id, whichever way the document names the customer."""
        return self.customer if isinstance(self.customer, str) else self.customer.customer_id


def digest(sent: JsonValue) -> str:
    """SHA-256 of the document as sent, in canonical JSON: same content, same digest."""
    canonical = json.dumps(sent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
