"""Tracking: what a carrier reports of a shipment, and what all of it together says."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from models.base import Payload


class TrackingStatus(StrEnum):
    """What a carrier may report, in the order in which it usually happens."""

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
        """The carrier has, or had, the goods: they are out of our hands."""
        return self not in (TrackingStatus.BOOKED, TrackingStatus.DELAYED)

    @property
    def wants_a_person(self) -> bool:
        """The goods won't arrive by themselves: somebody must decide what becomes of them."""
        return self in EXCEPTIONS

    @property
    def words(self) -> str:
        """As printed: "out for delivery"."""
        return self.value.replace("_", " ")


EXCEPTIONS = (
    *(TrackingStatus.UNDELIVERABLE, TrackingStatus.REFUSED, TrackingStatus.DAMAGED),
    *(TrackingStatus.LOST, TrackingStatus.RETURNED_TO_SENDER),
)
_RANK = {status: rank for rank, status in enumerate(TrackingStatus)}


class TrackingEvent(Payload):
    """One report of a carrier's. `at`: when it happened, as the carrier says."""

    event_id: str
    status: TrackingStatus
    at: datetime


class Tracked(Payload):
    """What the reports of one shipment say together. `left_at`: when the carrier had the goods
    first; None: it hasn't yet. `arrived_at`: None: they haven't arrived."""

    status: TrackingStatus
    at: datetime
    left_at: datetime | None
    arrived_at: datetime | None


def fold(events: Iterable[TrackingEvent]) -> Tracked | None:
    """What reports say together, in whatever order and however often they came; None: nothing.

    The latest says where the goods are; of several at the same time, the one furthest on the way.
    A delivery is final: what is reported beside it changes nothing.
    """
    told = sorted(events, key=lambda event: (event.at, _RANK[event.status], event.event_id))
    if not told:
        return None
    arrivals = [event for event in told if event.status is TrackingStatus.DELIVERED]
    last = arrivals[0] if arrivals else told[-1]
    return Tracked(
        status=last.status,
        at=last.at,
        left_at=next((event.at for event in told if event.status.has_goods), None),
        arrived_at=arrivals[0].at if arrivals else None,
    )
