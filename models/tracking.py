"""Tracking: what carriers report of shipments, and what the reports of one shipment add up to."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from models.base import Payload


class TrackingStatus(StrEnum):
    """The statuses that a carrier reports, in their usual order."""

    BOOKED = "booked"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELAYED = "delayed"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"
    DAMAGED = "damaged"
    LOST = "lost"
    RETURNED_TO_SENDER = "returned_to_sender"
    DELIVERED = "delivered"

    @property
    def has_goods(self) -> bool:
        """Whether the carrier has, or had, the goods."""
        return self not in (TrackingStatus.BOOKED, TrackingStatus.DELAYED)

    @property
    def needs_operator(self) -> bool:
        """Whether an operator must decide: the goods won't arrive without help."""
        return self in NEEDING_OPERATOR

    @property
    def words(self) -> str:
        """As printed: "out for delivery"."""
        return self.value.replace("_", " ")


NEEDING_OPERATOR = (
    *(TrackingStatus.UNDELIVERABLE, TrackingStatus.REFUSED, TrackingStatus.DAMAGED),
    *(TrackingStatus.LOST, TrackingStatus.RETURNED_TO_SENDER),
)
STATUS_RANK = {status: rank for rank, status in enumerate(TrackingStatus)}
"""Orders reports of the same time."""


class TrackingEvent(Payload):
    """One report of a carrier; `at`: the time of the event, as reported."""

    status: TrackingStatus
    at: datetime


class TrackingSummary(Payload):
    """The combined reports of one shipment."""

    status: TrackingStatus
    left_at: datetime | None
    """When the carrier first had the goods; None: not yet."""
    arrived_at: datetime | None
    """When the goods were first delivered; None: not yet."""


def summarise(events: Iterable[TrackingEvent]) -> TrackingSummary | None:
    """Combine the reports of one shipment, whatever their order and repetitions; None without any.

    The latest report gives the status; at the same time, the later status by rank. A delivery is
    final: no later report changes it.
    """
    ordered = sorted(events, key=lambda event: (event.at, STATUS_RANK[event.status]))
    if not ordered:
        return None
    deliveries = [event for event in ordered if event.status is TrackingStatus.DELIVERED]
    final = deliveries[0] if deliveries else ordered[-1]
    return TrackingSummary(
        status=final.status,
        left_at=next((event.at for event in ordered if event.status.has_goods), None),
        arrived_at=deliveries[0].at if deliveries else None,
    )
