"""Attentions: why an order waits for an operator."""

from datetime import datetime

from models.base import Payload
from models.tracking import TrackingStatus

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
