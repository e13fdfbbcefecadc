"""What goes in and out of workflows, activities, signals and updates.

Facts (signals) need only their id: whatever else is missing is looked up or left open, because a
person may send one from the Temporal UI.
"""

from datetime import datetime

from models.base import Payload
from models.messages.attention import Attention
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
from models.messages.requests import AcceptRequest, CancelRequest
from models.orders import OrderDocument, Progress, Stage
from models.promises import Letter

REPLENISHES = "Buys what orders are short of here, and what runs low."
"""What the Temporal UI says of a replenishment."""


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

    place: StockKey
    again: bool = False
    since: Moment | None = None


class Missed(Payload):
    """What a replenishment that ended too early has left: facts that nobody applied, and orders
    that have their goods and weren't told."""

    facts: tuple[StoredFact, ...]
    notification: "Notification"


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
    notification: "Notification"
    policy: Policy


class PurchaseStep(Payload):
    """A call to a supplier about a purchase order, by the replenishment of `sku`."""

    po_id: str
    sku: str


class Notification(Payload):
    """Who is to be told of a change of stock, of purchases or of where goods are: orders look
    whether it served them, replenishments whether something is to be bought; commands that call
    shipments back end. `cause` names the fact behind it."""

    cause: str
    orders: tuple[str, ...] = ()
    places: tuple[StockKey, ...] = ()
    returns: tuple[str, ...] = ()
    call_backs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.orders or self.places or self.returns or self.call_backs)


class Released(Payload):
    """The order after its stock was given back, and who is to be told."""

    progress: Progress
    notification: Notification


class Allocated(Payload):
    """The order with what it holds, and what it left at or below its reorder point."""

    progress: Progress
    notification: Notification


class ReportStep(Payload):
    """Tell the replenishments of what an order is short of."""

    order_id: str
    again: bool = False
