"""Returns: goods that come back, the rules for them, and their settlement."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from models.base import Payload
from models.billing import credited_units
from models.money import share_of_units
from models.pricing import PricedLine
from models.tracking import TrackingStatus

MAX_ORDER_ID_LENGTH = 64


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
    def is_mailed(self) -> bool:
        """Whether the customer is notified of this state by mail."""
        return self in (ReturnState.AUTHORISED, ReturnState.REJECTED, ReturnState.EXPIRED)

    @property
    def is_over(self) -> bool:
        """Whether no more goods are expected."""
        return self in (ReturnState.SETTLED, ReturnState.REJECTED, ReturnState.EXPIRED)


class ReturnReason(StrEnum):
    """Why goods come back."""

    CHANGED_MIND = "changed_mind"
    WRONG_ITEM = "wrong_item"
    DEFECTIVE = "defective"
    DAMAGED = "damaged"
    UNANNOUNCED = "unannounced"
    """Goods that arrived without a return request."""

    @property
    def is_our_fault(self) -> bool:
        """Whether the full price is refunded, in whatever condition the goods are."""
        return self in (ReturnReason.WRONG_ITEM, ReturnReason.DEFECTIVE, ReturnReason.DAMAGED)


class RequestedOutcome(StrEnum):
    """The settlement that the customer asks for."""

    REFUND = "refund"
    EXCHANGE = "exchange"


class Disposition(StrEnum):
    """What happens to a returned unit."""

    RESTOCK = "restock"
    SCRAP = "scrap"
    TO_SUPPLIER = "to_supplier"
    LOST = "lost"
    """Lost by its carrier on the way back."""


class Condition(StrEnum):
    """The condition of a returned unit."""

    AS_NEW = "as_new"
    OPENED = "opened"
    WORN = "worn"


class ReturnRules(Payload):
    """The configured rules for returns.

    `window_days` after delivery, goods may come back for any reason; `warranty_days`, for a reason
    that is our fault. An authorisation is valid for `expires_days`. `opened_percent` and
    `worn_percent` of the price are refunded for goods in that condition, unless it is our fault.
    `authorises_automatically`: returns within the rules are authorised automatically.
    """

    window_days: int = 30
    warranty_days: int = 730
    expires_days: int = 14
    opened_percent: int = 100
    worn_percent: int = 50
    authorises_automatically: bool = False

    def delivered_since(self, reason: ReturnReason, today: date) -> date:
        """Return the earliest day of a delivery whose goods may still come back; 0 days: none."""
        days = self.warranty_days if reason.is_our_fault else self.window_days
        return today - timedelta(days=days or -1)

    def percent(self, reason: ReturnReason, condition: Condition) -> int:
        """Return the share of the price that is refunded for a unit."""
        if reason.is_our_fault or condition is Condition.AS_NEW:
            return 100
        return self.opened_percent if condition is Condition.OPENED else self.worn_percent


class ExchangeLine(Payload):
    """Units that are sent once more, at no charge."""

    sku: str
    quantity: int
    credited: PricedLine
    """What a refund would have credited to the order that was paid."""
    settled: int = 0
    """Units that the customer doesn't keep either: refunded, or exchanged once more."""

    def take(self, units: int) -> tuple["ExchangeLine", PricedLine]:
        """Settle units, and price them as a line of a credit note.

        No unit is settled twice; the prices of all units add up to exactly what was paid.
        """
        taken = min(units, self.quantity - self.settled)
        rest = self.model_copy(update={"settled": self.settled + taken})
        net_minor = share_of_units(self.credited.net_minor, self.settled, taken, self.quantity)
        return rest, credited_units(self.credited, taken, net_minor, before=self.settled)


class PendingSettlement(Payload):
    """A refund or an exchange that the customer hasn't received yet."""

    settlement_id: str
    credit_notes: tuple[str, ...] = ()
    refund_keys: tuple[str, ...] = ()
    exchange_order_id: str | None = None


class ReturnProgress(Payload):
    """A return as its workflow reads it from the tables."""

    return_id: str
    order_id: str
    state: ReturnState
    expires_at: datetime | None = None
    tracking: TrackingStatus | None = None
    """The combined status of the carrier's reports."""
    news_at: datetime | None = None
    """When the return was sent, or its carrier last reported."""
    pending: tuple[PendingSettlement, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether no goods are expected and everything is settled."""
        return self.state.is_over and not self.pending


def exchange_order_id(order_id: str, number: int) -> str:
    """Name the nth exchange order of an order; a digest shortens an id that would be too long."""
    suffix = f"-X{number}"
    if len(order_id) + len(suffix) <= MAX_ORDER_ID_LENGTH:
        return order_id + suffix
    suffix = f"-{sha256(order_id.encode()).hexdigest()[:12]}{suffix}"
    return order_id[: MAX_ORDER_ID_LENGTH - len(suffix)] + suffix
