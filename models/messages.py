"""What goes in and out of workflows, activities, signals and updates.

Facts (signals) need only their id: whatever else is missing is looked up or left open, because a
person may send one from the Temporal UI.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from models.base import NO_CONTROL_CHARACTERS, Identifier, Payload
from models.orders import OrderDocument, Progress, Stage
from models.promises import Letter, PromisePolicy
from models.shipping import FreightMode, Quote
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


class OddFact(Payload):
    """A message that can't be used, kept as it came."""

    subject: str
    """The order or purchase order it reached; for a workflow's own record, its id."""
    name: str
    body: str
    reason: str
    fact: StoredFact | None = None
    """As the door kept it: it waits for nothing more."""


class CancelRequest(Payload):
    """Please cancel."""

    reason: str = ""
    actor: str = "operator"


class RetryRequest(Payload):
    """Please try the step again that waits for a person."""

    actor: str = "operator"


class AcceptRequest(Payload):
    """The customer accepts the delay that was told."""

    actor: str = "operator"


class CommandOutcome(Payload):
    """What a command came to."""

    accepted: bool
    message: str


REPLENISHES = "Buys what orders are short of here, and what runs low."
"""What the Temporal UI says of a replenishment."""
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
WORKFLOW_FAILS = Attention(
    code="workflow_fails",
    message="its workflow fails whenever it is to go on, and the worker's log says why: it goes on "
    "by itself once workers run whose code fits",
)
"""What a view says of an order whose workflow's tasks fail: the workflow can't say so itself."""
REPORTED_PROBLEMS = "TemporalReportedProblems"
"""The search attribute by which the engine (1.31 does; older ones may not) marks such workflows."""
FAILING = (
    f"ExecutionStatus = 'Running' AND {REPORTED_PROBLEMS} IN "
    "('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
)
"""The query that finds them."""
CUT_OFF_STATUSES = ("Terminated", "Failed", "TimedOut", "Canceled")
"""How a workflow of ours ends by another's hand only."""
CUT_OFF = f"ExecutionStatus IN {CUT_OFF_STATUSES}"
"""The query that finds those; one may run again since."""


def will_not_arrive(shipment_id: str, tracking: TrackingStatus) -> Attention:
    """The carrier says so."""
    return Attention(
        code="shipment_exception",
        message=f"the carrier says that {shipment_id} is {tracking.words}: send the goods again "
        f"(`shipment reship {shipment_id}`) or give the money back (`shipment refund "
        f"{shipment_id}`), unless it arrives after all",
    )


def silent(shipment_id: str, since: datetime) -> Attention:
    """The carrier says nothing."""
    return Attention(
        code="shipment_silent",
        message=f"nothing was heard of {shipment_id} since {since:%Y-%m-%d %H:%M} UTC: ask the "
        f"carrier, and record what it says (`shipment event {shipment_id} STATUS`)",
    )


def return_will_not_arrive(return_id: str, tracking: TrackingStatus) -> Attention:
    """The carrier says so."""
    if tracking is TrackingStatus.RETURNED_TO_SENDER:
        return Attention(
            code="return_exception",
            message=f"the carrier takes {return_id} to the customer again: ask them to send it "
            "once more, or close it; a retry waits on",
        )
    return Attention(
        code="return_exception",
        message=f"the carrier says that {return_id} is {tracking.words}: give the customer what "
        f"its goods are worth (`returns inspect {return_id} SKU:QUANTITY:lost`) or close it, "
        "unless it arrives after all; a retry waits on",
    )


def return_silent(return_id: str, since: datetime, tracking: TrackingStatus | None) -> Attention:
    """Nobody says anything of goods that are to come back."""
    if tracking is TrackingStatus.DELIVERED:
        said = f"the carrier delivered {return_id}, and nobody has received it"
        todo = f"look for it, and `returns receive {return_id} SKU:QUANTITY`"
    else:
        said = f"nothing was heard of {return_id}"
        todo = (
            f"ask its carrier, and record what it says (`shipment event {return_id} STATUS`), or "
            "close it"
        )
    return Attention(
        code="return_silent",
        message=f"{said} since {since:%Y-%m-%d %H:%M} UTC: {todo}; a retry waits as long again",
    )


def not_collected(shipment_id: str, collect_by: datetime) -> Attention:
    """The customer hasn't come."""
    return Attention(
        code="not_collected",
        message=f"the goods of {shipment_id} were to be collected by {collect_by:%Y-%m-%d %H:%M} "
        "UTC: ask the customer; a retry waits as long again, `cancel` (`cancel-rest` where others "
        "were collected before) gives goods and money back",
    )


class SetAttention(Payload):
    """Show (or, with None, clear) an order's attention. `beside`: the id of the workflow that shows
    it, where that isn't the order's own."""

    order_id: str
    attention: Attention | None
    beside: str | None = None


class Policy(Payload):
    """The durations an order lives by, fixed when it is recorded. Seconds."""

    payment_deadline: float
    partner_timeout: float
    attention_after_attempts: int
    late_money: Literal["refund", "reallocate"] = "refund"
    tracking_silence: float = 7 * 86_400.0
    """How long a carrier may say nothing of a shipment."""
    tracking_silence_ltl: float | None = None
    tracking_silence_truckload: float | None = None
    """The same of what goes by LTL, or by truckload; None: as of all others."""
    collect_within: float = 14 * 86_400.0
    """How long goods wait to be collected before a person is to ask."""
    promises: PromisePolicy = PromisePolicy()
    """Days, not seconds: what customers are promised is a date."""

    def silence_of(self, mode: FreightMode) -> float:
        """How long a carrier may say nothing of a shipment that goes so."""
        of_mode = {
            FreightMode.LTL: self.tracking_silence_ltl,
            FreightMode.TRUCKLOAD: self.tracking_silence_truckload,
        }
        return of_mode.get(mode) or self.tracking_silence


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
    waiting_facts: tuple[StoredFact, ...] = ()


class OrderStep(Payload):
    """A step that needs to know only the order."""

    order_id: str


class PaymentStep(Payload):
    """A payment to record with the order it reached."""

    order_id: str
    fact: PaymentReceived


class AuthorisationStep(Payload):
    """A card's authorisation to record with the order it reached."""

    order_id: str
    fact: PaymentAuthorised


class ReversalStep(Payload):
    """A reversed payment to record; `order_id`: the order it reached, if any."""

    order_id: str | None
    fact: PaymentReversed


class RefundStep(Payload):
    """Give back what is being asked for under this key."""

    refund_key: str


class ReminderStep(Payload):
    """Mail the reminder of this level."""

    order_id: str
    level: int


class BillStep(Payload):
    """Mail an invoice or credit note; `again`: the id of the command that wants it sent again."""

    number: str
    again: str | None = None


class DunningReview(Payload):
    """The order after a look at what it still owes. `remind`: the level of a reminder that is to
    be mailed. `look_in`: seconds until the next is due; None: there is no next."""

    progress: Progress
    remind: int | None = None
    look_in: float | None = None


class ReturnStep(Payload):
    """A step that needs to know only the return; the argument of ReturnWorkflow."""

    return_id: str

    @property
    def workflow_id(self) -> str:
        """`return-<return id>`."""
        return f"return-{self.return_id}"


class SettlementStep(Payload):
    """A settlement of a return that is done."""

    settlement_id: str


class DispatchStep(Payload):
    """A goods issue to record with the order it reached."""

    order_id: str
    fact: ShipmentDispatched


class DeliveryStep(Payload):
    """A delivery to record with the order it reached. (No union of facts: two of them look the
    same on the wire.)"""

    order_id: str
    fact: ShipmentDelivered


class TrackingStep(Payload):
    """A carrier's report to record with the order it reached."""

    order_id: str
    fact: ShipmentTracked


class CancelOrder(Payload):
    """Put the order into cancelling."""

    order_id: str
    request: CancelRequest
    unless_paid: bool = False
    """A deadline's request: money that came in the last moment keeps the order."""
    unless_accepted: bool = False
    """A deadline's request: a delay that was accepted, or goods that came, keep the order."""


class Cancelled(Payload):
    """Whether the cancellation was taken, and the progress after it."""

    accepted: bool
    message: str
    progress: Progress


class AcceptStep(Payload):
    """Record that the customer accepts the delay."""

    order_id: str
    request: AcceptRequest


class Accepted(Payload):
    """Whether there was a delay to accept, and the progress after it."""

    accepted: bool
    message: str
    progress: Progress


class PromiseReview(Payload):
    """The order after a look at what its customer was promised.

    `letter`: what the customer was told last, or is to be told now. `look_in`: seconds until the
    next look, though nothing changes. `lapsed`: the delay wasn't accepted in time.
    """

    progress: Progress
    letter: Letter | None
    look_in: float
    lapsed: bool


class LetterStep(Payload):
    """A letter to the customer about when the goods come."""

    order_id: str
    letter: Letter


class RecordedOrder(Payload):
    """The document of a recorded order, and the digest of it as it was sent."""

    document: OrderDocument
    digest: str


class ShipmentStep(Payload):
    """A call about one shipment of an order."""

    order_id: str
    shipment_id: str


class CollectionStep(ShipmentStep):
    """Goods that wait to be collected, until when."""

    collect_by: datetime


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

    @property
    def summary(self) -> str:
        """What its replenishment is called in the Temporal UI."""
        return f"Replenish {self.sku} at {self.location}"


class PlanStep(Payload):
    """Plan the purchases of a SKU at a location; `again`: ask also those who have let us down.

    `since`: when the plan before was made; None: it is the first of this run of the workflow."""

    place: StockPlace
    again: bool = False
    since: Moment | None = None


class Missed(Payload):
    """What a replenishment that ended too early has left: facts that nobody applied, and orders
    that have their goods and weren't told."""

    facts: tuple[StoredFact, ...]
    echo: "Echo"


class PlannedSend(Payload):
    """A purchase order that is to be sent at a time, when it has collected its lines."""

    po_id: str
    at: Moment


class PurchasePlan(Payload):
    """What replenishment found to do."""

    send: tuple[PlannedSend, ...]
    open: tuple[str, ...]
    """Purchase orders that wait for goods."""
    unmet: int
    """Units that are short and that nobody will bring."""
    problem: str | None = None
    """Why nobody will, or why nobody brings what runs low, though no order is short."""
    look_at: Moment | None = None
    """When something is due that nobody tells us of: an acknowledgement, overdue goods."""
    made_at: Moment
    echo: "Echo"
    policy: Policy


class PurchaseStep(Payload):
    """A call to a supplier about a purchase order, by the replenishment of `sku`."""

    po_id: str
    sku: str


class Echo(Payload):
    """Who is to be told of a change of stock, of purchases or of where goods are: orders look
    whether it served them, replenishments whether something is to be bought; commands that call
    shipments back end. `cause` names the fact behind it."""

    cause: str
    orders: tuple[str, ...] = ()
    places: tuple[StockPlace, ...] = ()
    returns: tuple[str, ...] = ()
    call_backs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.orders or self.places or self.returns or self.call_backs)


class Released(Payload):
    """The order after its stock was given back, and who is to be told."""

    progress: Progress
    echo: Echo


class Allocated(Payload):
    """The order with what it holds, and what it left at or below its reorder point."""

    progress: Progress
    echo: Echo


class ReportStep(Payload):
    """Tell the replenishments of what an order is short of."""

    order_id: str
    again: bool = False


class FactInput(Payload):
    """The argument of FactWorkflow: a fact for which no workflow runs."""

    source: str
    fact_id: str
    fact: StoredFact


class FreightPackage(Payload):
    """A carton or pallet, as a carrier is told of it."""

    sscc: str
    kind: str
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


class FreightInquiry(Payload):
    """What carriers are asked for a quote for. `needed_by`: when it should have arrived."""

    shipment_id: str
    order_id: str
    mode: FreightMode
    weight_g: int
    billed_weight_g: int
    freight_class: str | None = None
    packages: tuple[FreightPackage, ...] = ()
    ready_on: date
    needed_by: date | None = None
    currency: str
    ship_from: dict[str, str]
    ship_to: dict[str, str | None]


class FreightBooking(FreightInquiry):
    """What a carrier is asked to carry, by which of its quotes."""

    quote: Quote
    choice: str
    """Why this quote."""


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
    capture: str = "at_once"
    """`at_dispatch`: a card is only to be authorised."""


class CaptureDemand(Payload):
    """An authorisation that the provider is to turn into money."""

    order_id: str
    authorisation_id: str
    amount: str
    currency: str


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
