"""Inputs and outputs of steps, ordered by domain.

`...Step` is the input of a step; other names are outputs, or inputs of workflows and queries. Most
steps return the order's `Progress`, so an output here has more than that.
"""

from datetime import datetime

from pydantic import Field

from models.acceptance import Acceptance
from models.base import Payload
from models.messages.attention import Attention, OpenAttention
from models.messages.facts import (
    Moment,
    PaymentAuthorised,
    PaymentReceived,
    PaymentReversed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentTracked,
    StoredFact,
)
from models.messages.policy import Policy
from models.messages.requests import AcceptRequest, CancelRequest, CommandOutcome, RetryRequest
from models.orders import OrderDocument
from models.progress import Progress, Stage
from models.promises import Letter

# Advance: what follows from a change of an order, and the workflows to notify of changes


class StockKey(Payload):
    """One SKU at one location: the key of its counters, and the argument of its replenishment.

    Sorts by SKU, then location: the order in which stock rows are locked.
    """

    location: str
    sku: str

    def __lt__(self, other: "StockKey") -> bool:
        return self.primary_key < other.primary_key

    @property
    def primary_key(self) -> tuple[str, str]:
        """SKU and location, as the tables of stock and stock policies ask for it."""
        return self.sku, self.location

    @property
    def workflow_id(self) -> str:
        """`replenish-<location>-<sku>`. Hyphens of the location are doubled: as no SKU begins with
        a hyphen, no two keys share an id."""
        return f"replenish-{self.location.replace('-', '--')}-{self.sku}"

    @property
    def summary(self) -> str:
        """The title of its replenishment in the Temporal UI."""
        return f"Replenish {self.sku} at {self.location}"


class Notification(Payload):
    """The workflows to notify of a change of stock, purchases or shipments.

    `orders` and `returns` read their progress again, the replenishments of `stock_keys` plan again.
    `ended_recalls`: ids of the commands whose recall of a shipment ends, as its goods have left.
    `refunds`: keys of refunds that need no payment any more.
    `cause`: the id of the fact or command behind the change.
    """

    cause: str
    orders: tuple[str, ...] = ()
    stock_keys: tuple[StockKey, ...] = ()
    returns: tuple[str, ...] = ()
    ended_recalls: tuple[str, ...] = ()
    refunds: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        goods = self.orders or self.stock_keys or self.returns or self.ended_recalls
        return bool(goods or self.refunds)


class CallOutcome(Payload):
    """The outcome of a call that a phase made to a partner; neither done nor refused: unanswered.

    `step`: the partner step that makes the same call, with what it is about.
    """

    step: str
    is_done: bool = False
    refusal: Attention | None = None


class Advanced(Payload):
    """An order after a change and what was due then: the calls made, and whom to notify."""

    progress: Progress
    notification: Notification | None = None
    calls: tuple[CallOutcome, ...] = ()


class FactStep(Payload):
    """A fact to apply to its order. `known`: the progress as the order's workflow knows it."""

    order_id: str
    fact: StoredFact
    known: Progress | None = None


# Orders: recording, cancellation, status and result


class RecordOrder(Payload):
    """The order to record, with its customer. `digest`: of the document as sent.

    `accepted`: see `AcceptedOrder`.
    """

    order: OrderDocument
    accepted: Acceptance | None = None
    placed_by: str = Field(default="", exclude_if=lambda name: not name)
    digest: str
    placed_at: datetime
    workflow_id: str


class Recorded(Advanced):
    """A recorded order, with facts that were received before it and are not applied yet."""

    policy: Policy
    refusal: Attention | None = None
    """The reason why the order may not continue yet: the credit limit."""
    waiting_facts: tuple[StoredFact, ...] = ()


class RecordedOrder(Payload):
    """The document of a recorded order, and the digest of the document as sent."""

    document: OrderDocument
    digest: str


class OrderStep(Payload):
    """The order that a step reads or changes; the input of most steps."""

    order_id: str


class CancelOrder(Payload):
    """A request to start the cancellation of an order, by an operator or a deadline."""

    order_id: str
    request: CancelRequest
    unless_paid: bool = False
    """Payment deadline: a payment received in the meantime keeps the order."""
    unless_accepted: bool = False
    """Deadline for consent to a delay: consent or received goods keep the order."""


class CancelOutcome(CommandOutcome):
    """Whether the cancellation started, and the progress after it."""

    progress: Progress


class OrderStatus(Payload):
    """The answer to the query `status`: the order as its workflow knows it."""

    order_id: str
    stage: Stage
    attention: Attention | None
    """The attention that is shown: the oldest."""
    attentions: tuple[OpenAttention, ...] = ()
    """All open attentions of the workflow."""
    progress: Progress | None


class OrderOutcome(Payload):
    """The result of an order's workflow."""

    stage: str
    invoice_number: str | None


# Promises: dates that customers are notified of, and their consent to delays


class PromiseReview(Payload):
    """The order after a review of its promised date.

    `letter`: the last letter to the customer, to be mailed if it is new. `review_in_s`: seconds
    until the next review. `lapsed`: the delay was not accepted in time: the order is cancelled.
    """

    progress: Progress
    letter: Letter | None
    review_in_s: float
    lapsed: bool


class LetterStep(Payload):
    """The letter to mail, about the expected date of goods."""

    order_id: str
    letter: Letter


class AcceptStep(Payload):
    """The customer's consent to record."""

    order_id: str
    request: AcceptRequest


class RetryStep(Payload):
    """The retry of a workflow's steps to record: an update with an id, and what it tried again."""

    order_id: str
    workflow_id: str
    update_id: str
    request: RetryRequest
    tried: str

    @property
    def message(self) -> str:
        """What is tried again, with the workflow if it is not the order's own."""
        own = self.workflow_id == f"order-{self.order_id}"
        return self.tried if own else f"{self.workflow_id}: {self.tried}"


class AcceptOutcome(CommandOutcome):
    """Whether there was a delay to accept, and the progress after it."""

    progress: Progress


# Stock: allocation


class Released(Payload):
    """The order after its reservations were released. `notification`: to the orders that got the
    released units."""

    progress: Progress
    notification: Notification


class ReportStep(Payload):
    """The order whose open shortages are reported to their replenishments.

    `again`: include suppliers that failed to supply before.
    """

    order_id: str
    again: bool = False


# Purchasing: the steps of a replenishment

REPLENISHMENT_DETAILS = "Purchases units that orders here are short of, and stock that runs low."
"""The description of a replenishment in the Temporal UI."""


class PlanStep(Payload):
    """The stock key whose purchases are to be planned. `again`: include suppliers that failed to
    supply before. `since`: time of the last plan; None: the first plan of this workflow run."""

    key: StockKey
    again: bool = False
    since: Moment | None = None


class PlannedSend(Payload):
    """A purchase order, and the time to send it after collecting its lines."""

    po_id: str
    at: Moment


class PurchasePlan(Payload):
    """The plan of a replenishment."""

    send: tuple[PlannedSend, ...]
    open: tuple[str, ...]
    """Purchase orders with units due."""
    unmet: int
    """Units short that no supplier delivers."""
    problem: str | None = None
    """The reason for unmet units, or why stock that runs low is not purchased."""
    awaits_approval: bool = False
    """Whether the problem is that a purchase waits for an operator's approval."""
    review_at: Moment | None = None
    """Time of the next deadline, for an acknowledgement or overdue goods."""
    made_at: Moment
    notification: Notification
    policy: Policy


class PurchaseStep(Payload):
    """The purchase order of a call to its supplier, by the replenishment of `sku`."""

    po_id: str
    sku: str


class MissedMessages(Payload):
    """The messages that a replenishment left when it was terminated: facts not applied, and orders
    not notified of their goods."""

    facts: tuple[StoredFact, ...]
    notification: Notification


# Billing: facts about payments, refunds, bills and reminders


class PaymentStep(Payload):
    """The payment to record for an order."""

    order_id: str
    fact: PaymentReceived


class AuthorisationStep(Payload):
    """The card authorisation to record for an order."""

    order_id: str
    fact: PaymentAuthorised


class ReversalStep(Payload):
    """The reversed payment to record; `order_id`: the order that received it, if any."""

    order_id: str | None
    fact: PaymentReversed


class RefundStep(Payload):
    """The requested refund to pay or to mail about."""

    refund_key: str


class BillStep(Payload):
    """The invoice or credit note to mail. `again`: id of the command to mail it once more."""

    number: str
    again: str | None = None


class DunningReview(Payload):
    """The order after a review of its overdue invoices.

    `remind`: level of the reminder of `invoice_number` to mail. `review_in_s`: seconds until the
    next reminder is due; None: no further reminder.
    """

    progress: Progress
    invoice_number: str | None = None
    remind: int | None = None
    review_in_s: float | None = None


class ReminderStep(Payload):
    """The level of the reminder of an invoice to mail."""

    order_id: str
    invoice_number: str
    level: int


# Shipping: facts about shipments, and calls to carriers


class ShipmentStep(Payload):
    """The shipment to book, to recall or to mail about."""

    order_id: str
    shipment_id: str


class CollectionStep(ShipmentStep):
    """The goods ready for collection, with the end of their time."""

    collect_by: datetime


class DispatchStep(Payload):
    """The goods issue to record for an order."""

    order_id: str
    fact: ShipmentDispatched


class DeliveryStep(Payload):
    """The delivery to record for an order. A union with `DispatchStep` would be ambiguous: both
    facts have the same fields."""

    order_id: str
    fact: ShipmentDelivered


class TrackingStep(Payload):
    """The tracking event to record for an order."""

    order_id: str
    fact: ShipmentTracked


# Returns


class ReturnStep(Payload):
    """The return that a step reads or changes; the argument of ReturnWorkflow."""

    return_id: str

    @property
    def workflow_id(self) -> str:
        """`return-<return id>`."""
        return f"return-{self.return_id}"


class SettlementStep(Payload):
    """The settlement of a return to finish, or to replace by an exchange."""

    settlement_id: str
