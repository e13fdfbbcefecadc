"""The progress of an order, and its stage."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.base import Payload
from models.orders import Fulfilment, Terms
from models.shipping import FreightMode
from models.tracking import TrackingStatus

OptionalTime = Annotated[datetime | None, Field(exclude_if=lambda value: value is None)]
"""A time that most orders don't have, left out of their histories then."""


class Stage(StrEnum):
    """The earliest unfinished obligation of an order."""

    RECEIVED = "received"
    AWAITING_STOCK = "awaiting_stock"
    AWAITING_PAYMENT = "awaiting_payment"
    DISPATCHING = "dispatching"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


PAUSED = "paused"
"""The code of the attention of a paused order."""
FINAL_STAGES = (Stage.COMPLETED, Stage.CANCELLED)
"""The stages without an unfinished obligation."""


class Cancellation(StrEnum):
    """The state of an order's cancellation."""

    NONE = "none"
    REQUESTED = "requested"
    DONE = "done"


class ShipmentState(StrEnum):
    """The state of a shipment."""

    PLANNED = "planned"
    BOOKED = "booked"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """Dispatched, and sent again or refunded, as it did not arrive."""

    @property
    def has_left(self) -> bool:
        """Whether its goods were issued."""
        return self in (ShipmentState.DISPATCHED, ShipmentState.DELIVERED, ShipmentState.FAILED)


class ShipmentProblem(StrEnum):
    """A report about a shipment that contradicts what was decided before."""

    ARRIVED_AFTER_ALL = "arrived_after_all"
    CAME_BACK_AFTER_ALL = "came_back_after_all"
    CALLED_BACK_IN_VAIN = "called_back_in_vain"
    CHANGED_TOO_LATE = "changed_too_late"
    BOOKED_BY_HAND = "booked_by_hand"

    def describe(self, shipment_id: str) -> str:
        """Describe the problem, and what the operator can do."""
        match self:
            case ShipmentProblem.ARRIVED_AFTER_ALL:
                return (
                    f"{shipment_id} was delivered after it was replaced or refunded: ask the "
                    "customer to return it (then `shipment recover`) or to keep it, and withdraw "
                    "the claim against the carrier; then acknowledge it with `retry`"
                )
            case ShipmentProblem.CAME_BACK_AFTER_ALL:
                return (
                    f"{shipment_id} came back after it was replaced or refunded: take its goods "
                    f"into stock (`shipment recover {shipment_id}`), or acknowledge it with `retry`"
                )
            case ShipmentProblem.BOOKED_BY_HAND:
                return (
                    f"{shipment_id} is cancelled, and its pick-up was booked by hand: cancel it "
                    "with the carrier; then acknowledge it with `retry`"
                )
            case ShipmentProblem.CHANGED_TOO_LATE:
                return (
                    f"the carrier had {shipment_id} before its address or carrier was changed: "
                    "have the carrier redirect it; then acknowledge it with `retry`"
                )
            case ShipmentProblem.CALLED_BACK_IN_VAIN:
                return (
                    f"the carrier has {shipment_id}, whose booking was cancelled: get the goods "
                    "back, or write them off; then acknowledge it with `retry`"
                )


class ShipmentProgress(Payload):
    """The progress of one shipment."""

    shipment_id: str
    state: ShipmentState
    tracking: TrackingStatus | None = None
    """The carrier's latest status."""
    news_at: datetime | None = None
    """The time of the carrier's latest report."""
    book_from: datetime | None = None
    """The earliest time of booking; None: at once."""
    planned_at: datetime
    """The time from which its goods were ready."""
    mode: FreightMode
    is_booked: bool
    """Whether the carrier has confirmed its booking."""
    units: int
    called_back_by: str | None = None
    """The id of the command that recalls it."""


class Problem(Payload):
    """A problem that needs an operator, although no step waits for one."""

    code: str
    message: str


class Pause(Payload):
    """The pause of an order by an operator: no step starts, and no partner is called."""

    by: str
    since: datetime
    reason: str

    def describe(self, order_id: str) -> Problem:
        """Describe the pause as an attention of the order."""
        return Problem(
            code=PAUSED,
            message=f"paused by {self.by}: {self.reason}; `resume {order_id}` lets it go on",
        )


class Progress(Payload):
    """The progress of an order, as the tables have it. A higher `version` is a later one."""

    order_id: str
    version: int
    terms: Terms
    currency: str
    total_minor: int
    paid_minor: int
    received_minor: int = 0
    """All payments received for the order, including deposits."""
    due_minor: int
    """The amount still to be paid (`models.billing.Balance`); never below zero."""
    receivable_minor: int = Field(default=0, exclude_if=lambda amount: not amount)
    """The part of it that is invoiced."""
    captured_later: bool = False
    """Whether a card is charged before dispatch."""
    authorised_until: OptionalTime = None
    """The time until which a card authorisation covers the amount due."""
    pay_by: OptionalTime = None
    """The time until which the amount due is to be paid, if its request names one."""
    money_problem: Problem | None = None
    goods_problem: Problem | None = None
    invoice_number: str | None = None
    """The first invoice."""
    later_invoices: tuple[str, ...] = Field(default=(), exclude_if=lambda numbers: not numbers)
    """The numbers of the others, in the order of issue."""
    invoiced_by_delivery: bool = Field(default=False, exclude_if=lambda by: not by)
    """Whether each delivery is invoiced with its goods issue."""
    allocated: bool = False
    fulfilment: Fulfilment = Fulfilment.CARRIER
    in_parts: bool = False
    """Whether available units may leave before the others."""
    ordered: int
    """Units of goods; 0: an order of services alone."""
    held: int = 0
    """Units reserved, and in no shipment yet."""
    backordered: int = 0
    shipped: int = 0
    delivered: int = 0
    written_off: int = 0
    """Units refunded instead of delivered."""
    given_up: int = Field(default=0, exclude_if=lambda units: not units)
    """Those of them that were cancelled and never left."""
    promised_date: date | None = None
    """The day by which the goods are promised to leave."""
    expected_date: date | None = None
    """The expected date of the last shortage; None without shortages, or if one has no date."""
    consent_by: date | None = None
    """The last day for consent to the delay; None: no consent is required."""
    supply_problem: str | None = None
    """Why the shortages are not supplied."""
    pause: Annotated[Pause | None, Field(exclude_if=lambda pause: pause is None)] = None
    """The pause that an operator asked for; an order that is over has nothing to pause."""
    cancellation: Cancellation = Cancellation.NONE
    refund_due_minor: int = 0
    """The amount still to be refunded for a cancelled order."""
    shipments: tuple[ShipmentProgress, ...] = ()
    reported_returns: tuple[str, ...] = ()
    """Ids of returns that a carrier has just reported on."""
    ended_recalls: tuple[str, ...] = ()
    """Ids of commands whose recall of a shipment ends, as the carrier has just picked it up."""

    @property
    def is_paused(self) -> bool:
        """Whether no step may start and no partner be called. A cancellation ends a pause."""
        if self.pause is None:
            return False
        return self.cancellation is Cancellation.NONE and stage(self) not in FINAL_STAGES

    @property
    def paid_in_full(self) -> bool:
        """Whether no amount is due."""
        return not self.due_minor

    @property
    def secured(self) -> bool:
        """Whether goods may be issued: paid, authorised by a card, or on credit."""
        return self.paid_in_full or self.authorised_until is not None or self.terms.on_credit

    @property
    def goods_left(self) -> bool:
        """Whether units were issued, so that it is too late to cancel the order."""
        return self.shipped + self.written_off > self.given_up

    @property
    def at_hand(self) -> int:
        """Units available for the order and not yet issued."""
        return self.ordered - self.shipped - self.written_off - self.backordered

    @property
    def may_consign(self) -> bool:
        """Whether held units may be consigned, alone or with the others."""
        return self.held > 0 and (self.in_parts or not self.backordered)

    @property
    def fulfilled(self) -> bool:
        """Whether no unit is to be delivered any more; services alone are fulfilled as invoiced."""
        if not self.ordered:
            return self.invoice_number is not None
        return self.delivered + self.written_off >= self.ordered

    @property
    def lacks_stock(self) -> bool:
        """Whether the order has to wait for stock."""
        if not self.backordered:
            return False
        return not (self.in_parts and self.at_hand)

    @property
    def invoices(self) -> tuple[str, ...]:
        """The numbers of the order's invoices, in the order of issue."""
        return (self.invoice_number, *self.later_invoices) if self.invoice_number else ()

    def with_invoices(self, numbers: tuple[str, ...]) -> "Progress":
        """Return the progress with these invoices, in the order of issue."""
        first = numbers[0] if numbers else None
        return self.model_copy(update={"invoice_number": first, "later_invoices": numbers[1:]})

    def with_shipments(self, shipments: Iterable[ShipmentProgress]) -> "Progress":
        """Return the progress after these shipments of its units were planned, or went on.

        For shipments that were sent again or refunded the units must be counted instead.
        """
        before = {one.shipment_id: one for one in self.shipments}
        after = before | {one.shipment_id: one for one in shipments}
        counts = {"held": self.held, "shipped": self.shipped, "delivered": self.delivered}
        for shipment_id, one in after.items():
            known = before.get(shipment_id)
            if known is None:
                counts["held"] -= one.units
            if one.state.has_left and not (known and known.state.has_left):
                counts["shipped"] += one.units
            if one.state is ShipmentState.DELIVERED and not (known and known.state is one.state):
                counts["delivered"] += one.units
        in_order = tuple(after[shipment_id] for shipment_id in sorted(after))
        return self.model_copy(update={**counts, "shipments": in_order})

    def notifying(self, reported: "Progress | None") -> "Progress":
        """Return the progress with the returns and recalls of another one; None: with none."""
        returns = reported.reported_returns if reported else ()
        recalls = reported.ended_recalls if reported else ()
        return self.model_copy(update={"reported_returns": returns, "ended_recalls": recalls})

    def shipment(self, shipment_id: str) -> ShipmentProgress:
        """Return one of the order's shipments."""
        return next(s for s in self.shipments if s.shipment_id == shipment_id)

    def in_state(self, *states: ShipmentState) -> Sequence[str]:
        """Return the ids of the shipments in one of `states`."""
        return [s.shipment_id for s in self.shipments if s.state in states]


def stage(progress: Progress) -> Stage:
    """Return the order's stage; no other code decides it."""
    if progress.cancellation is Cancellation.DONE:
        return Stage.CANCELLED
    if progress.cancellation is Cancellation.REQUESTED:
        return Stage.CANCELLING
    if progress.fulfilled:
        return Stage.COMPLETED if progress.paid_in_full else Stage.DELIVERED
    if progress.ordered and progress.shipped + progress.written_off >= progress.ordered:
        return Stage.IN_TRANSIT
    if not progress.allocated:
        return Stage.RECEIVED
    if progress.lacks_stock:
        return Stage.AWAITING_STOCK
    if not progress.secured:
        return Stage.AWAITING_PAYMENT
    return Stage.DISPATCHING
