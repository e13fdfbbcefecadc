"""Facts: events reported from outside, each with an id of its own.

Only the id is required: an operator may send a fact from the Temporal UI, and what else is missing
is read from the tables or stays open.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from models.base import NO_CONTROL_CHARACTERS, Identifier, Payload
from models.tracking import TrackingStatus


def _in_utc(moment: datetime) -> datetime:
    """A time without an offset is UTC: the tables take no other, and a person may leave it out."""
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{moment} is not a time we can record") from error


Moment = Annotated[datetime, AfterValidator(_in_utc)]
Words = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL_CHARACTERS)]
"""What a fact may say: no database takes a NUL."""


class PaymentReceived(Payload):
    """Money has come in."""

    payment_id: Identifier
    order_id: Words | None = None
    amount: Words | None = None
    currency: Words | None = None
    method: Words = "unknown"
    received_at: Moment | None = None


class CarrierReport(Payload):
    """What a carrier says of a shipment. `signed_by` and `reference`: its proof of a delivery."""

    event_id: Identifier
    order_id: Words | None = None
    shipment_id: Words | None = None
    occurred_at: Moment | None = None
    place: Words = ""
    detail: Words = ""
    signed_by: Words = ""
    reference: Words = ""


class ShipmentDispatched(CarrierReport):
    """Goods have left: the carrier has picked them up."""


class ShipmentDelivered(CarrierReport):
    """Goods have arrived at the customer's."""


class ShipmentTracked(CarrierReport):
    """Where goods are, or what has happened to them, on their way."""

    status: TrackingStatus | None = None


class PaymentAuthorised(Payload):
    """A card has promised to pay: nothing has come in yet."""

    authorisation_id: Identifier
    order_id: Words | None = None
    amount: Words | None = None
    currency: Words | None = None
    expires_at: Moment | None = None


class PaymentReversed(Payload):
    """The payer's bank has taken a payment back (chargeback); without an amount all of it. `fee`:
    what that costs us."""

    reversal_id: Identifier
    payment_id: Words | None = None
    order_id: Words | None = None
    amount: Words | None = None
    currency: Words | None = None
    fee: Words = "0"
    reason: Words = ""
    occurred_at: Moment | None = None


class PayoutPaid(Payload):
    """The payment provider has paid out to our bank account: `amount` came there, `fee` it kept."""

    payout_id: Identifier
    amount: Words | None = None
    currency: Words | None = None
    fee: Words = "0"
    occurred_at: Moment | None = None


class StockArrived(Payload):
    """A goods receipt may have filled the order's shortages: an order looks when it hears it."""

    receipt_id: Identifier


class ShortageReported(Payload):
    """An order is short here, or something else asks to look. `again`: also at the suppliers that
    have let us down before."""

    shortage_id: Identifier
    again: bool = False


Units = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class PromisedLine(Payload):
    """What a supplier promises of one SKU; a quantity of 0 is a refusal."""

    sku: Words
    quantity: Units
    expected_date: date | None = None


class SupplierAcknowledged(Payload):
    """A supplier has confirmed a purchase order: all of it, or what `lines` say."""

    acknowledgement_id: Identifier
    po_id: Words | None = None
    expected_date: date | None = None
    lines: tuple[PromisedLine, ...] | None = None
    occurred_at: Moment | None = None


class GoodsShipped(Payload):
    """A supplier's advance ship notice (EDI 856): the goods are on their way to us."""

    notice_id: Identifier
    po_id: Words | None = None
    expected_date: date | None = None
    occurred_at: Moment | None = None


class InvoicedLine(Payload):
    """What a supplier asks for one SKU; `unit_cost` is a decimal string."""

    sku: Words
    quantity: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
    unit_cost: Words


class SupplierInvoiced(Payload):
    """A supplier's invoice (EDI 810), without tax."""

    invoice_id: Identifier
    po_id: Words | None = None
    currency: Words | None = None
    lines: tuple[InvoicedLine, ...] | None = None
    occurred_at: Moment | None = None


class GoodsReceived(Payload):
    """Goods have arrived from a supplier."""

    receipt_id: Identifier
    po_id: Words | None = None
    sku: Words | None = None
    quantity: int | None = Field(default=None, strict=True)
    damaged: Units = 0
    """How many of them are of no use: they don't become stock, and aren't owed for."""
    occurred_at: Moment | None = None


ShipmentFact = ShipmentDispatched | ShipmentDelivered | ShipmentTracked
OrderFact = PaymentReceived | PaymentAuthorised | PaymentReversed | ShipmentFact
PurchaseFact = SupplierAcknowledged | GoodsShipped | GoodsReceived | SupplierInvoiced
Fact = OrderFact | PurchaseFact | PayoutPaid
FACT_TYPES: dict[str, type[Fact]] = {
    "payment.received": PaymentReceived,
    "payment.authorised": PaymentAuthorised,
    "payment.reversed": PaymentReversed,
    "payout.paid": PayoutPaid,
    "shipment.dispatched": ShipmentDispatched,
    "shipment.delivered": ShipmentDelivered,
    "shipment.tracked": ShipmentTracked,
    "purchase_order.acknowledged": SupplierAcknowledged,
    "purchase_order.shipped": GoodsShipped,
    "purchase_order.invoiced": SupplierInvoiced,
    "goods.received": GoodsReceived,
}
"""The types of webhooks and the messages they become."""


def business_id(fact: Fact) -> str:
    """The fact's own id: of the payment, the carrier's event, the receipt."""
    match fact:
        case PaymentReceived():
            return fact.payment_id
        case PaymentAuthorised():
            return fact.authorisation_id
        case PaymentReversed():
            return fact.reversal_id
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
    """The webhook type that `fact` came as."""
    return next(name for name, kind in FACT_TYPES.items() if isinstance(fact, kind))


class StoredFact(Payload):
    """A fact as the door keeps it: type and data of the webhook's body."""

    type: str
    data: dict[str, JsonValue]


class RejectedMessage(Payload):
    """A message that can't be used, kept as it came."""

    subject: str
    """The order or purchase order it reached; for a workflow's own record, its id."""
    name: str
    body: str
    reason: str
    fact: StoredFact | None = None
    """As the door kept it: it waits for nothing more."""


class FactInput(Payload):
    """The argument of FactWorkflow: a fact for which no workflow runs."""

    source: str
    fact_id: str
    fact: StoredFact
