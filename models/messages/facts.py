"""Facts: events reported from outside, each with an id. Workflows receive them as signals.

Only the id is required, as an operator may send a fact from the Temporal UI. Other missing fields
are read from the tables or stay open. Webhooks require more: see `models.messages.parsing`.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints

from models.base import Identifier, Payload
from models.days import unless_unknown
from models.money import parse_amount, same_decimal
from models.patterns import NO_CONTROL_CHARACTERS
from models.tracking import TrackingStatus
from models.validation import shown

_EXAMPLE = "such as 2026-10-31T14:30:00+01:00 or 2026-10-31T13:30:00Z"


def _check_time(sent: object) -> datetime:
    """Read a time with an offset: pydantic also accepts numbers, days and times without one."""
    moment = sent
    if isinstance(sent, str):
        try:
            moment = datetime.fromisoformat(sent.upper())
        except ValueError as error:
            raise ValueError(f"{shown(sent)} is not a time {_EXAMPLE}") from error
    if not isinstance(moment, datetime):
        raise ValueError(f"{shown(sent)} is not a time {_EXAMPLE}")
    if moment.tzinfo is None:
        raise ValueError(f"{shown(sent)} has no offset from UTC: write a time {_EXAMPLE}")
    return moment


def _in_utc(moment: datetime) -> datetime | None:
    return moment.astimezone(UTC) if unless_unknown(moment.date()) else None


Moment = Annotated[datetime, BeforeValidator(_check_time), AfterValidator(_in_utc)]
"""A time in UTC. One of an unknown day, such as 0001-01-01, counts as none."""
ExpectedDay = Annotated[date | None, AfterValidator(unless_unknown)]
"""The day for which goods are announced. An unknown one, such as 9999-12-31, counts as none."""
Words = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL_CHARACTERS)]
"""Text of a fact: up to 200 characters, without control characters."""
Amount = Annotated[Words, AfterValidator(same_decimal)]
"""A decimal string, written in one way: a fact repeated with "18.0" for "18.00" is the same."""


# Payments


class PaymentReceived(Payload):
    """A payment was received. `amount`: a decimal string.

    `invoice_number`: the invoice that it pays first, also if `order_id` is its number.
    """

    payment_id: Identifier
    order_id: Words | None = None
    invoice_number: Words | None = Field(default=None, exclude_if=lambda number: number is None)
    amount: Amount | None = None
    currency: Words | None = None
    method: Words = "unknown"
    received_at: Moment | None = None


class PaymentAuthorised(Payload):
    """A card issuer has guaranteed an amount; it is charged by a capture."""

    authorisation_id: Identifier
    order_id: Words | None = None
    amount: Amount | None = None
    currency: Words | None = None
    expires_at: Moment | None = None


class PaymentReversed(Payload):
    """The payer's bank took a payment back (chargeback), in full if no amount is given.

    `fee`: our cost.
    """

    reversal_id: Identifier
    payment_id: Words | None = None
    order_id: Words | None = None
    amount: Amount | None = None
    currency: Words | None = None
    fee: Amount = "0"
    reason: Words = ""
    occurred_at: Moment | None = None


class PaymentRefunded(Payload):
    """The payment provider gave an amount of a payment back: as asked, or in its own dashboard."""

    refund_id: Identifier
    payment_id: Words | None = None
    amount: Amount | None = None
    currency: Words | None = None
    reason: Words = ""
    occurred_at: Moment | None = None


class RefundFailed(Payload):
    """A refund that the provider had accepted was not paid: the money is back."""

    refund_id: Identifier
    payment_id: Words | None = None
    reason: Words = ""
    occurred_at: Moment | None = None


class PayoutPaid(Payload):
    """The payment provider transferred `amount` to our bank account and kept `fee`."""

    payout_id: Identifier
    amount: Amount | None = None
    currency: Words | None = None
    fee: Amount = "0"
    occurred_at: Moment | None = None


# Shipments


class CarrierReport(Payload):
    """A carrier's report on a shipment. `signed_by` and `reference`: its proof of delivery."""

    event_id: Identifier
    order_id: Words | None = None
    shipment_id: Words | None = None
    occurred_at: Moment | None = None
    place: Words = ""
    detail: Words = ""
    signed_by: Words = ""
    reference: Words = ""


class ShipmentDispatched(CarrierReport):
    """The carrier has picked up the goods."""


class ShipmentDelivered(CarrierReport):
    """The customer has received the goods."""


class ShipmentTracked(CarrierReport):
    """A tracking event: the status of goods on their way."""

    status: TrackingStatus | None = None


# Purchases


Units = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class PromisedLine(Payload):
    """A supplier's promise for one SKU; a quantity of 0 is a refusal.

    `unit_cost`: the price that the supplier acknowledges; None: that of the purchase order.
    """

    sku: Words
    quantity: Units
    expected_date: ExpectedDay = None
    unit_cost: Amount | None = None


class SupplierAcknowledged(Payload):
    """A supplier acknowledged a purchase order, in full or as `lines` state."""

    acknowledgement_id: Identifier
    po_id: Words | None = None
    expected_date: ExpectedDay = None
    lines: tuple[PromisedLine, ...] | None = None
    occurred_at: Moment | None = None

    @property
    def repeated_line(self) -> str | None:
        """What is wrong with the lines: a SKU that is promised twice, its field first."""
        first: dict[str, int] = {}
        for number, line in enumerate(self.lines or ()):
            if first.setdefault(line.sku, number) != number:
                return f"lines.{number}.sku: {line.sku} is in lines.{first[line.sku]} too"
        return None

    def wrong_price(self, currency: str) -> str | None:
        """Return what is wrong with the price of a line, its field first."""
        for number, line in enumerate(self.lines or ()):
            try:
                if line.unit_cost is not None and parse_amount(line.unit_cost, currency) < 0:
                    return f"lines.{number}.unit_cost: {line.unit_cost} is below zero"
            except ValueError as error:
                return f"lines.{number}.unit_cost: {error}"
        return None


class GoodsShipped(Payload):
    """A supplier shipped goods to us: an advance ship notice (EDI 856)."""

    notice_id: Identifier
    po_id: Words | None = None
    expected_date: ExpectedDay = None
    occurred_at: Moment | None = None


class InvoicedLine(Payload):
    """An invoiced SKU; `unit_cost` is a decimal string."""

    sku: Words
    quantity: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
    unit_cost: Amount


class SupplierInvoiced(Payload):
    """A supplier sent an invoice (EDI 810), without tax."""

    invoice_id: Identifier
    po_id: Words | None = None
    currency: Words | None = None
    lines: tuple[InvoicedLine, ...] | None = None
    occurred_at: Moment | None = None


class GoodsReceived(Payload):
    """Goods were received for a purchase order."""

    receipt_id: Identifier
    po_id: Words | None = None
    sku: Words | None = None
    quantity: int | None = Field(default=None, strict=True)
    damaged: Units = 0
    """Damaged units among them: they do not enter stock and are not owed for."""
    occurred_at: Moment | None = None


# Notifications by other workflows of this program


class StockArrived(Payload):
    """Stock may have been reserved for the order, which reads its progress again.

    `receipt_id`: the cause, for example a goods receipt.
    """

    receipt_id: Identifier


class ShortageReported(Payload):
    """A shortage or another reason to plan the replenishment of a stock key again.

    `again`: include suppliers that failed to supply the SKU before.
    """

    shortage_id: Identifier
    again: bool = False


# Facts by subject, and their types as webhooks

ShipmentFact = ShipmentDispatched | ShipmentDelivered | ShipmentTracked
OrderFact = PaymentReceived | PaymentAuthorised | PaymentReversed | ShipmentFact
PurchaseFact = SupplierAcknowledged | GoodsShipped | GoodsReceived | SupplierInvoiced
RefundFact = PaymentRefunded | RefundFailed
Fact = OrderFact | PurchaseFact | RefundFact | PayoutPaid
FACT_TYPES: dict[str, type[Fact]] = {
    "payment.received": PaymentReceived,
    "payment.authorised": PaymentAuthorised,
    "payment.reversed": PaymentReversed,
    "payment.refunded": PaymentRefunded,
    "payment.refund_failed": RefundFailed,
    "payout.paid": PayoutPaid,
    "shipment.dispatched": ShipmentDispatched,
    "shipment.delivered": ShipmentDelivered,
    "shipment.tracked": ShipmentTracked,
    "purchase_order.acknowledged": SupplierAcknowledged,
    "purchase_order.shipped": GoodsShipped,
    "purchase_order.invoiced": SupplierInvoiced,
    "goods.received": GoodsReceived,
}
"""The types of webhooks and their facts."""


def business_id(fact: Fact) -> str:
    """Read the fact's own id: that of the payment, the tracking event, the receipt..."""
    match fact:
        case PaymentReceived():
            return fact.payment_id
        case PaymentAuthorised():
            return fact.authorisation_id
        case PaymentReversed():
            return fact.reversal_id
        case PaymentRefunded() | RefundFailed():
            return fact.refund_id
        case PayoutPaid():
            return fact.payout_id
        case ShipmentDispatched() | ShipmentDelivered() | ShipmentTracked():
            return fact.event_id
        case SupplierAcknowledged():
            return fact.acknowledgement_id
        case GoodsShipped():
            return fact.notice_id
        case SupplierInvoiced():
            return fact.invoice_id
        case GoodsReceived():
            return fact.receipt_id


def type_of(fact: Fact) -> str:
    """Find the webhook type of a fact."""
    return next(name for name, kind in FACT_TYPES.items() if isinstance(fact, kind))


# Records of facts


class StoredFact(Payload):
    """A fact as recorded on receipt: type and data of the webhook's body."""

    type: str
    data: dict[str, JsonValue]


class RejectedMessage(Payload):
    """A message that no step could apply, with the reason."""

    subject: str
    """The id of its order or purchase order, or of the workflow that received it."""
    name: str
    body: str
    reason: str
    fact: StoredFact | None = None
    """The recorded fact, to mark as applied."""


class FactInput(Payload):
    """The argument of FactWorkflow: a fact to apply without a running workflow of its subject."""

    source: str
    fact_id: str
    fact: StoredFact
