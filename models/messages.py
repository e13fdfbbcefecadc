"""What goes in and out of workflows, activities, signals and updates.

Facts (signals) need only their id: whatever else is missing is looked up or left open, because a
person may send one from the Temporal UI.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from models.base import NO_CONTROL_CHARACTERS, Identifier, Payload
from models.orders import OrderDocument, Progress, Stage
from models.shipping import FreightMode


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


class ShipmentDispatched(Payload):
    """Goods have left."""

    event_id: Identifier
    order_id: Words | None = None
    shipment_id: Words | None = None
    occurred_at: Moment | None = None


class ShipmentDelivered(Payload):
    """Goods have arrived at the customer's."""

    event_id: Identifier
    order_id: Words | None = None
    shipment_id: Words | None = None
    occurred_at: Moment | None = None


class StockArrived(Payload):
    """A goods receipt may have filled the order's shortages: an order looks when it hears it."""

    receipt_id: Identifier


class ShortageReported(Payload):
    """An order is short here."""

    shortage_id: Identifier


class SupplierAcknowledged(Payload):
    """A supplier has confirmed a purchase order."""

    acknowledgement_id: Identifier
    po_id: Words | None = None
    expected_date: date | None = None
    occurred_at: Moment | None = None


class GoodsReceived(Payload):
    """Goods have arrived from a supplier."""

    receipt_id: Identifier
    po_id: Words | None = None
    sku: Words | None = None
    quantity: int | None = Field(default=None, strict=True)
    occurred_at: Moment | None = None


OrderFact = PaymentReceived | ShipmentDispatched | ShipmentDelivered
PurchaseFact = SupplierAcknowledged | GoodsReceived
Fact = OrderFact | PurchaseFact


FACT_TYPES: dict[str, type[Fact]] = {
    "payment.received": PaymentReceived,
    "shipment.dispatched": ShipmentDispatched,
    "shipment.delivered": ShipmentDelivered,
    "purchase_order.acknowledged": SupplierAcknowledged,
    "goods.received": GoodsReceived,
}
"""The types of webhooks and the messages they become."""


def business_id(fact: Fact) -> str:
    """The fact's own id: of the payment, the carrier's event, the receipt."""
    match fact:
        case PaymentReceived():
            return fact.payment_id
        case ShipmentDispatched() | ShipmentDelivered():
            return fact.event_id
        case SupplierAcknowledged():
            return fact.acknowledgement_id
        case GoodsReceived():
            return fact.receipt_id


def type_of(fact: Fact) -> str:
    """The webhook type that `fact` came as."""
    return next(name for name, kind in FACT_TYPES.items() if isinstance(fact, kind))


class OddFact(Payload):
    """A message that can't be used, kept as it came."""

    subject: str
    """The order or purchase order it reached; for a workflow's own record, its id."""
    name: str
    body: str
    reason: str


class CancelRequest(Payload):
    """Please cancel."""

    reason: str = ""
    actor: str = "operator"


class RetryRequest(Payload):
    """Please try the step again that waits for a person."""

    actor: str = "operator"


class CommandOutcome(Payload):
    """What a command came to."""

    accepted: bool
    message: str


NO_SUPPLY = "no_supply"
"""The code of the attention of an order whose goods nobody brings."""


ALREADY_PICKED_UP = "already_picked_up"
"""The code of a carrier's refusal to cancel a booking whose goods it has."""


class Attention(Payload):
    """Why an order waits for a person."""

    code: str
    message: str


WORKFLOW_ENDED = Attention(
    code="workflow_ended",
    message="its workflow was ended from outside: place the same document again, it goes on",
)
"""What a view says of an order that isn't over and has no workflow."""


def called_back_in_vain(shipment_id: str) -> Attention:
    """A carrier carries what it had agreed not to."""
    return Attention(
        code="called_back_in_vain",
        message=f"the carrier carries {shipment_id}, whose booking was cancelled: get the goods "
        "back, or write them off",
    )


class SetAttention(Payload):
    """Show (or, with None, clear) an order's attention."""

    order_id: str
    attention: Attention | None


class Policy(Payload):
    """The durations an order lives by, fixed when it is recorded. Seconds."""

    payment_deadline: float
    partner_timeout: float
    attention_after_attempts: int


class RecordOrder(Payload):
    """Record customer and order. `digest` is of the document as sent."""

    order: OrderDocument
    digest: str
    placed_at: datetime
    workflow_id: str


class Recorded(Payload):
    """The order is in the tables, with facts that came before and were not applied yet."""

    progress: Progress
    policy: Policy
    refusal: Attention | None = None
    """Why it may not go on yet: the credit limit."""
    waiting_facts: tuple["StoredFact", ...] = ()


class StoredFact(Payload):
    """A fact as the door keeps it: type and data of the webhook's body."""

    type: str
    data: dict[str, JsonValue]


class OrderStep(Payload):
    """A step that needs to know only the order."""

    order_id: str


class PaymentStep(Payload):
    """A payment to record with the order it reached."""

    order_id: str
    fact: PaymentReceived


class DispatchStep(Payload):
    """A goods issue to record with the order it reached."""

    order_id: str
    fact: ShipmentDispatched


class DeliveryStep(Payload):
    """A delivery to record with the order it reached. (No union of facts: two of them look the
    same on the wire.)"""

    order_id: str
    fact: ShipmentDelivered


class CancelOrder(Payload):
    """Put the order into cancelling."""

    order_id: str
    request: CancelRequest
    unless_paid: bool = False
    """A deadline's request: money that came in the last moment keeps the order."""


class Cancelled(Payload):
    """Whether the cancellation was taken, and the progress after it."""

    accepted: bool
    message: str
    progress: Progress


class ShipmentStep(Payload):
    """A call about one shipment of an order."""

    order_id: str
    shipment_id: str


class OrderStatus(Payload):
    """What the query `status` answers: the order as its workflow sees it."""

    order_id: str
    stage: Stage
    attention: Attention | None
    progress: Progress | None


class OrderOutcome(Payload):
    """How an order ended; the result of its workflow."""

    stage: str
    invoice_number: str | None


class StockPlace(Payload):
    """One SKU at one location: the argument of a replenishment."""

    location: str
    sku: str

    @property
    def workflow_id(self) -> str:
        """`replenish-<location>-<sku>`. A hyphen of the location's is doubled, so that no two
        places share an id (a SKU doesn't begin with one)."""
        return f"replenish-{self.location.replace('-', '--')}-{self.sku}"


class PurchasePlan(Payload):
    """What replenishment found to do."""

    send: tuple[str, ...]
    """Purchase orders that are planned and not sent."""
    open: tuple[str, ...]
    """Purchase orders that wait for goods."""
    unmet: int
    """Units that are short and that nobody offers."""
    mended: tuple[str, ...] = ()
    """Orders whose goods nobody brought before, and somebody does now: to be told."""
    policy: Policy


class PurchaseStep(Payload):
    """A call to a supplier about a purchase order."""

    po_id: str


class SupplyProblem(Payload):
    """Nobody brings what is short here, and why. `po_id`: the purchase order that was refused;
    None: nothing could be ordered."""

    place: StockPlace
    message: str
    po_id: str | None = None


class StockFreed(Payload):
    """Orders whose shortages were filled, to be told; `cause` names the fact that filled them."""

    cause: str
    orders: tuple[str, ...]


class Released(Payload):
    """The order after its stock was given back, and who got it."""

    progress: Progress
    freed: StockFreed


class FactInput(Payload):
    """The argument of FactWorkflow: a fact for which no workflow runs."""

    source: str
    fact_id: str
    fact: StoredFact


class FreightBooking(Payload):
    """What a carrier needs to know."""

    shipment_id: str
    order_id: str
    mode: FreightMode
    weight_g: int
    ship_from: dict[str, str]
    ship_to: dict[str, str | None]


class BookedFreight(Payload):
    """What a carrier answered."""

    booking_id: str
    carrier: str
    tracking_number: str


class PaymentDemand(Payload):
    """What the provider is asked to collect."""

    order_id: str
    amount: str
    currency: str
    due_date: date


class SupplierLine(Payload):
    """One line of a purchase order, as sent."""

    sku: str
    quantity: int
    unit_cost: str


class SupplierOrder(Payload):
    """A purchase order, as sent."""

    po_id: str
    supplier_id: str
    location: str
    currency: str
    lines: tuple[SupplierLine, ...]


class RefundDemand(Payload):
    """What the provider is asked to give back."""

    order_id: str
    amount: str
    currency: str
    reason: str
