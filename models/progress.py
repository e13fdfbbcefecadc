"""The progress of an order, and the stage that it has reached."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from models.base import Payload
from models.orders import Fulfilment, Terms
from models.shipping import FreightMode
from models.tracking import TrackingStatus


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
    due_minor: int
    """The amount still to be paid (`models.billing.Balance`); never below zero."""
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
