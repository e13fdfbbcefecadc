"""Returns: goods that come back, what is allowed, and what becomes of them."""

from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from models.base import Payload
from models.billing import units_of
from models.money import part
from models.pricing import PricedLine
from models.tracking import TrackingStatus

LONGEST_ID = 64


class ReturnState(StrEnum):
    """The life of a return (RMA)."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    SETTLED = "settled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_told(self) -> bool:
        """The customer has a mail of its own about it."""
        return self in (ReturnState.AUTHORISED, ReturnState.REJECTED, ReturnState.EXPIRED)

    @property
    def is_over(self) -> bool:
        """Nothing more is expected of it."""
        return self in (ReturnState.SETTLED, ReturnState.REJECTED, ReturnState.EXPIRED)


class ReturnReason(StrEnum):
    """Why goods come back."""

    CHANGED_MIND = "changed_mind"
    WRONG_ITEM = "wrong_item"
    DEFECTIVE = "defective"
    DAMAGED = "damaged"
    UNANNOUNCED = "unannounced"
    """They came, and nobody had said so."""

    @property
    def is_our_fault(self) -> bool:
        """All of the price is given back, whatever the goods look like."""
        return self in (ReturnReason.WRONG_ITEM, ReturnReason.DEFECTIVE, ReturnReason.DAMAGED)


class RequestedOutcome(StrEnum):
    """What the customer wants for the goods."""

    REFUND = "refund"
    EXCHANGE = "exchange"


class Disposition(StrEnum):
    """What becomes of a unit that came back."""

    RESTOCK = "restock"
    SCRAP = "scrap"
    TO_SUPPLIER = "to_supplier"
    LOST = "lost"
    """It never came: whoever carried it lost it."""


class Condition(StrEnum):
    """What a unit that came back looks like."""

    AS_NEW = "as_new"
    OPENED = "opened"
    WORN = "worn"


class ReturnRules(Payload):
    """`window_days`: how long after the delivery goods may come back for any reason;
    `warranty_days`: for one that is our fault. `expires_days`: how long an authorisation stands.
    `opened_percent`, `worn_percent`: what of the price is given back for goods in that condition,
    where it isn't our fault. `by_itself`: what is within the rules needs no person's word."""

    window_days: int = 30
    warranty_days: int = 730
    expires_days: int = 14
    opened_percent: int = 100
    worn_percent: int = 50
    by_itself: bool = False

    def delivered_since(self, reason: ReturnReason, now: datetime) -> datetime:
        """Goods that were delivered before that don't come back any more."""
        days = self.warranty_days if reason.is_our_fault else self.window_days
        return now - timedelta(days=days)

    def percent(self, reason: ReturnReason, condition: Condition) -> int:
        """What of the price is given back for a unit in this condition."""
        if reason.is_our_fault or condition is Condition.AS_NEW:
            return 100
        return self.opened_percent if condition is Condition.OPENED else self.worn_percent


class ExchangeLine(Payload):
    """Units that are sent once more, for nothing. `credited`: as a line of the order that was paid,
    at what the customer would have got for them (None: nobody kept it). `settled`: those that the
    customer doesn't keep either, whose worth was given back or went to another exchange."""

    sku: str
    quantity: int
    credited: PricedLine | None = None
    settled: int = 0

    def take(self, units: int) -> tuple["ExchangeLine", PricedLine | None]:
        """The line with `units` more settled, and these as a line to credit: no unit twice, and
        over all of them exactly what they are worth."""
        taken = min(units, self.quantity - self.settled)
        rest = self.model_copy(update={"settled": self.settled + taken})
        if self.credited is None:
            return rest, None
        net_minor = part(self.credited.net_minor, self.settled, taken, self.quantity)
        return rest, units_of(self.credited, taken, net_minor)


class PendingSettlement(Payload):
    """What a customer is still to get for goods that came back."""

    settlement_id: str
    credit_note: str | None = None
    refund_key: str | None = None
    exchange_order_id: str | None = None


class ReturnProgress(Payload):
    """How far the tables say a return has come."""

    return_id: str
    order_id: str
    state: ReturnState
    expires_at: datetime | None = None
    tracking: TrackingStatus | None = None
    """What the carrier's reports say together."""
    news_at: datetime | None = None
    """Since when it is on its way, or when its carrier told us something last."""
    note: str = ""
    pending: tuple[PendingSettlement, ...] = ()

    @property
    def is_over(self) -> bool:
        """Nothing is left to do."""
        return self.state.is_over and not self.pending


def exchange_order_id(order_id: str, number: int) -> str:
    """The id of the order that replaces returned goods; of a long one, so that it is an id, a
    digest stands for the end."""
    suffix = f"-X{number}"
    if len(order_id) + len(suffix) <= LONGEST_ID:
        return order_id + suffix
    suffix = f"-{sha256(order_id.encode()).hexdigest()[:12]}{suffix}"
    return order_id[: LONGEST_ID - len(suffix)] + suffix
