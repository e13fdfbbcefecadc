"""What an order is: the document, its prices, and the stage it has reached."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator

from models.base import Document, Identifier, LocationId, Payload, Text, at_field
from models.customers import Address, AmountText, CustomerDocument, PercentText, TaxTreatment
from models.money import (
    MAX_AMOUNT_MINOR,
    PPM_PER_PERCENT,
    decimals,
    parse_amount,
    parse_percent,
    share,
)
from models.shipping import FreightMode
from models.tracking import TrackingStatus

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


class ProductPrice(Payload):
    """What the price list says of a SKU."""

    sku: str
    name: str
    unit_price_minor: int
    tax_rate_ppm: int


class PricedLine(Payload):
    """An order line with its price settled; `net_minor` is quantity * unit price less the line's
    discount and its share of the whole order's."""

    line_no: int
    sku: str
    name: str
    quantity: int
    list_price_minor: int
    unit_price_minor: int
    discount_ppm: int
    net_minor: int
    tax_rate_ppm: int
    order_discount_minor: int = 0
    """The line's share of the discount of the whole order."""

    @property
    def before_order_discount_minor(self) -> int:
        """As printed in the line."""
        return self.net_minor + self.order_discount_minor


class TaxAmount(Payload):
    """The tax of one rate over the whole invoice."""

    rate_ppm: int
    taxable_minor: int
    tax_minor: int


class Totals(Payload):
    """What an order comes to, in minor units."""

    net_minor: int
    taxes: tuple[TaxAmount, ...]
    total_minor: int

    @property
    def tax_minor(self) -> int:
        """All rates together."""
        return sum(tax.tax_minor for tax in self.taxes)


def price_line(
    line_no: int, line: OrderLine, product: ProductPrice, currency: str, tax: TaxTreatment
) -> PricedLine:
    """Settle the price of a line: rounded half up once, after the discount."""
    unit_price_minor = (
        product.unit_price_minor
        if line.unit_price is None
        else parse_amount(line.unit_price, currency)
    )
    discount_ppm = 0 if line.discount_percent is None else parse_percent(line.discount_percent)
    gross_minor = unit_price_minor * line.quantity
    return PricedLine(
        line_no=line_no,
        sku=line.sku,
        name=product.name,
        quantity=line.quantity,
        list_price_minor=product.unit_price_minor,
        unit_price_minor=unit_price_minor,
        discount_ppm=discount_ppm,
        net_minor=share(gross_minor, 100 * PPM_PER_PERCENT - discount_ppm),
        tax_rate_ppm=product.tax_rate_ppm if tax is TaxTreatment.STANDARD else 0,
    )


def price_lines(
    document: OrderDocument, products: Mapping[str, ProductPrice], tax: TaxTreatment
) -> list[PricedLine]:
    """Settle the prices of an order. Raises KeyError for a SKU that `products` doesn't have."""
    lines = [
        price_line(number, line, products[line.sku], document.currency, tax)
        for number, line in enumerate(document.lines, start=1)
    ]
    return discount_order(lines, parse_percent(document.discount_percent or "0"))


def discount_order(lines: Sequence[PricedLine], ppm: int) -> list[PricedLine]:
    """Take `ppm` millionths off all lines together: rounded half up once, and spread over them so
    that the shares add up to it exactly (each cumulated, then rounded)."""
    before_minor, taken_minor, discounted = 0, 0, []
    for line in lines:
        before_minor += line.net_minor
        share_minor = share(before_minor, ppm) - taken_minor
        taken_minor += share_minor
        changed = {"net_minor": line.net_minor - share_minor, "order_discount_minor": share_minor}
        discounted.append(line.model_copy(update=changed))
    return discounted


def total(lines: Iterable[PricedLine]) -> Totals:
    """Sum up: tax is computed once per rate over all its lines (2006/112/EC art. 226).

    Raises ValueError where the total is beyond MAX_AMOUNT_MINOR.
    """
    taxable: dict[int, int] = {}
    for line in lines:
        taxable[line.tax_rate_ppm] = taxable.get(line.tax_rate_ppm, 0) + line.net_minor
    taxes = tuple(
        TaxAmount(rate_ppm=rate, taxable_minor=net, tax_minor=share(net, rate))
        for rate, net in sorted(taxable.items())
    )
    net_minor = sum(taxable.values())
    total_minor = net_minor + sum(tax.tax_minor for tax in taxes)
    if total_minor > MAX_AMOUNT_MINOR:
        raise ValueError("the order's total is beyond the largest amount we take")
    return Totals(net_minor=net_minor, taxes=taxes, total_minor=total_minor)


class Stage(StrEnum):
    """Where an order is: its earliest unfinished obligation."""

    RECEIVED = "received"
    AWAITING_STOCK = "awaiting_stock"
    AWAITING_PAYMENT = "awaiting_payment"
    DISPATCHING = "dispatching"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


OVER = (Stage.COMPLETED, Stage.CANCELLED)
"""Where nothing of an order is unfinished."""


class Cancellation(StrEnum):
    """How far a cancellation has come."""

    NONE = "none"
    REQUESTED = "requested"
    DONE = "done"


class ShipmentState(StrEnum):
    """The life of a shipment."""

    PLANNED = "planned"
    BOOKED = "booked"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """It left and won't arrive: the customer was served anew, or refunded."""

    @property
    def has_left(self) -> bool:
        """The goods are out of our hands."""
        return self in (ShipmentState.DISPATCHED, ShipmentState.DELIVERED, ShipmentState.FAILED)


class ShipmentProblem(StrEnum):
    """What happened to a shipment after we had counted on something else."""

    ARRIVED_AFTER_ALL = "arrived_after_all"
    CAME_BACK_AFTER_ALL = "came_back_after_all"
    CALLED_BACK_IN_VAIN = "called_back_in_vain"

    def words(self, shipment_id: str) -> str:
        """What happened, and what to do."""
        match self:
            case ShipmentProblem.ARRIVED_AFTER_ALL:
                return (
                    f"{shipment_id} was delivered after it was replaced or refunded: ask the "
                    "customer to send it back (then `shipment recover`), or keep it as agreed, and "
                    "withdraw the claim against the carrier; retry once it is seen to"
                )
            case ShipmentProblem.CAME_BACK_AFTER_ALL:
                return (
                    f"{shipment_id} came back after it was replaced or refunded: take its goods "
                    f"into stock (`shipment recover {shipment_id}`); retry if they are of no use"
                )
            case ShipmentProblem.CALLED_BACK_IN_VAIN:
                return (
                    f"the carrier carries {shipment_id}, whose booking was cancelled: get the "
                    "goods back, or write them off; retry once it is seen to"
                )


class ShipmentProgress(Payload):
    """One shipment, as the workflow sees it."""

    shipment_id: str
    state: ShipmentState
    tracking: TrackingStatus | None = None
    """What the carrier says."""
    news_at: datetime | None = None
    """When it said something last."""
    book_from: datetime | None = None
    """It isn't booked before; None: at once."""
    planned_at: datetime
    """Since when its goods are ready."""
    mode: FreightMode
    is_booked: bool
    """Its carrier's booking is known."""
    called_back_by: str | None = None
    """The command for which its carrier is being asked not to fetch it."""


class Problem(Payload):
    """What a person has to see to, though no step waits for it."""

    code: str
    message: str


class Progress(Payload):
    """How far the tables say an order has come. A higher `version` is a later look."""

    order_id: str
    version: int
    terms: Terms
    currency: str
    total_minor: int
    paid_minor: int
    received_minor: int = 0
    """All money that came for the order, what was more than due included."""
    charges_minor: int = 0
    """What is due beside the total: fees, less what was credited or forgiven; may be below zero."""
    captured_later: bool = False
    """A card is charged when the goods are about to go."""
    authorised_until: datetime | None = None
    """A card's live authorisation stands for what is due until then."""
    money_problem: Problem | None = None
    goods_problem: Problem | None = None
    invoice_number: str | None = None
    allocated: bool = False
    fulfilment: Fulfilment = Fulfilment.CARRIER
    in_parts: bool = False
    """What is there may leave before the rest."""
    ordered: int
    held: int = 0
    """Reserved, and in no shipment yet."""
    backordered: int = 0
    shipped: int = 0
    delivered: int = 0
    forgone: int = 0
    """Refunded instead of delivered."""
    promised_date: date | None = None
    """By when the goods are to leave."""
    expected_date: date | None = None
    """When the last of what is short comes; None: nothing is short, or a date is missing."""
    consent_by: date | None = None
    """Until when the customer must accept the delay; None: nothing is to be accepted."""
    supply_problem: str | None = None
    """Why the goods that are short aren't coming."""
    cancellation: Cancellation = Cancellation.NONE
    refund_due_minor: int = 0
    """What a cancelled order's customer is still to get back."""
    shipments: tuple[ShipmentProgress, ...] = ()
    coming_back: tuple[str, ...] = ()
    """Returns of which a carrier has just told something."""
    fetched: tuple[str, ...] = ()
    """Commands that call shipments back, which a carrier has just said it has."""

    @property
    def due_minor(self) -> int:
        """What is still to be paid; never below zero."""
        return max(0, self.total_minor + self.charges_minor - self.paid_minor)

    @property
    def paid_in_full(self) -> bool:
        """Nothing is due."""
        return not self.due_minor

    @property
    def secured(self) -> bool:
        """Goods may go: it is paid, or a card's authorisation stands for it, or it is on credit."""
        return self.paid_in_full or self.authorised_until is not None or self.terms.on_credit

    @property
    def goods_left(self) -> bool:
        """Something has left our hands: too late to cancel."""
        return self.shipped + self.forgone > 0

    @property
    def at_hand(self) -> int:
        """Units that are here for the order, and haven't left."""
        return self.ordered - self.shipped - self.forgone - self.backordered

    @property
    def may_consign(self) -> bool:
        """Something is held, and may leave: with the rest, or before it."""
        return self.held > 0 and (self.in_parts or not self.backordered)

    @property
    def fulfilled(self) -> bool:
        """Nothing is to be delivered any more."""
        return self.delivered + self.forgone >= self.ordered

    @property
    def lacks_stock(self) -> bool:
        """It waits for goods before anything else can be done."""
        if not self.backordered:
            return False
        return not (self.in_parts and self.at_hand)

    def shipment(self, shipment_id: str) -> ShipmentProgress:
        """One of its shipments."""
        return next(s for s in self.shipments if s.shipment_id == shipment_id)

    def in_state(self, *states: ShipmentState) -> Sequence[str]:
        """The ids of the shipments in one of `states`."""
        return [s.shipment_id for s in self.shipments if s.state in states]


def stage(progress: Progress) -> Stage:
    """The order's earliest unfinished obligation: the one place where a stage is decided."""
    if progress.cancellation is Cancellation.DONE:
        return Stage.CANCELLED
    if progress.cancellation is Cancellation.REQUESTED:
        return Stage.CANCELLING
    if progress.fulfilled:
        return Stage.COMPLETED if progress.paid_in_full else Stage.DELIVERED
    if progress.shipped + progress.forgone >= progress.ordered:
        return Stage.IN_TRANSIT
    if not progress.allocated:
        return Stage.RECEIVED
    if progress.lacks_stock:
        return Stage.AWAITING_STOCK
    if not progress.secured:
        return Stage.AWAITING_PAYMENT
    return Stage.DISPATCHING
