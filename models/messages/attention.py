"""Attentions: reasons why an order waits for an operator.

A message states what happened, then what to do. docs/attention.md lists all codes.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from models.base import Payload
from models.tracking import TrackingStatus

NO_SUPPLY = "no_supply"
"""The code of the attention of an order with units short that no supplier delivers."""
ALREADY_PICKED_UP = "already_picked_up"
"""The code of a carrier's refusal to cancel a booking after the pick-up."""
REFUND_BY_HAND = "refund_by_hand"
"""The code of a refund in cash or by transfer, which an operator pays and records."""
REFUND_HELD = "refund_held"
"""The code of a refund that was stopped, as its payment was reversed."""


class Attention(Payload):
    """The reason why an order waits for an operator."""

    code: str
    message: str
    subject: Annotated[str, Field(exclude_if=lambda subject: not subject)] = ""
    """The shipment or return that it is about; empty: the order."""


class OpenAttention(Payload):
    """An attention of a workflow of an order, and since when it is open.

    `source`: the id of the workflow; empty: the order's own.
    """

    attention: Attention
    since: datetime
    source: str = ""


WORKFLOW_ENDED = Attention(
    code="workflow_ended",
    message="its workflow was terminated: place the same document again, and the order continues",
)
"""Shown for an order that is not over and has no workflow."""
WORKFLOW_FAILS = Attention(
    code="workflow_fails",
    message="the code of its workflow fails: check the worker's log, then deploy the previous code "
    "or a fix; the order continues by itself",
)
"""Shown for an order whose workflow tasks fail, as the workflow itself can't show it."""


def shipment_exception(shipment_id: str, tracking: TrackingStatus) -> Attention:
    """Report a shipment that is lost, damaged, refused, undeliverable or on its way back."""
    return Attention(
        code="shipment_exception",
        subject=shipment_id,
        message=f"the carrier reports {shipment_id} as {tracking.words}: send the goods again "
        f"(`shipment reship {shipment_id}`) or refund them (`shipment refund {shipment_id}`); a "
        "delivery clears this, a retry keeps waiting",
    )


def shipment_silent(shipment_id: str, since: datetime) -> Attention:
    """Report a shipment without tracking events for too long."""
    return Attention(
        code="shipment_silent",
        subject=shipment_id,
        message=f"no tracking event of {shipment_id} since {since:%Y-%m-%d %H:%M} UTC: ask the "
        f"carrier and record the answer (`shipment event {shipment_id} STATUS`)",
    )


def return_exception(return_id: str, tracking: TrackingStatus) -> Attention:
    """Report returned goods that are lost, damaged, refused or on their way to the customer."""
    if tracking is TrackingStatus.RETURNED_TO_SENDER:
        message = (
            f"the carrier takes {return_id} back to the customer: ask the customer to send it "
            f"again, or close it (`returns close {return_id}`); a retry keeps waiting"
        )
    else:
        message = (
            f"the carrier reports {return_id} as {tracking.words}: refund the goods (`returns "
            f"inspect {return_id} SKU:QUANTITY:lost`) or close the return (`returns close "
            f"{return_id}`); an arrival clears this, a retry keeps waiting"
        )
    return Attention(code="return_exception", message=message, subject=return_id)


def return_silent(return_id: str, since: datetime, tracking: TrackingStatus | None) -> Attention:
    """Report returned goods without tracking events, or not received, for too long."""
    if tracking is TrackingStatus.DELIVERED:
        problem = f"{return_id} was delivered, but no receipt was recorded"
        action = f"find the goods and record them (`returns receive {return_id} SKU:QUANTITY`)"
    else:
        problem = f"no tracking event of {return_id}"
        action = (
            f"ask the carrier and record the answer (`shipment event {return_id} STATUS`), or "
            f"close the return (`returns close {return_id}`)"
        )
    return Attention(
        code="return_silent",
        subject=return_id,
        message=f"{problem} since {since:%Y-%m-%d %H:%M} UTC: {action}; a retry waits for the "
        "same time again",
    )


def not_collected(shipment_id: str, collect_by: datetime) -> Attention:
    """Report goods that were not collected in time."""
    return Attention(
        code="not_collected",
        subject=shipment_id,
        message=f"the goods of {shipment_id} were not collected by {collect_by:%Y-%m-%d %H:%M} "
        "UTC: ask the customer, or cancel (`cancel`; `cancel-rest` if other goods were collected) "
        "to release the goods and refund the payment; a retry waits for the same time again",
    )


class SetAttention(Payload):
    """The attention to show for an order; None clears it. `source`: id of the workflow that waits;
    empty: the order's own."""

    order_id: str
    attention: Attention | None
    source: str = ""
