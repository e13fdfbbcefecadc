"""Commands that resolve a step: an operator did by hand what a partner should have done.

A refund is recorded by `refund --paid-by`, and goods that left by `shipment event`.
"""

from typing import Annotated, ClassVar, Literal

from models.base import Text, Words
from models.messages.commands.base import Amount, CommandMessage
from models.messages.commands.interface import Argument, Cli, Option, Route
from models.messages.commands.orders import OrderId
from models.messages.commands.shipping import ShipmentId


class Resolution(CommandMessage):
    """The record of what an operator did by hand. The step that waits for it is tried again."""

    tag: ClassVar = "resolutions"
    retries: ClassVar = True


class ResolveBooking(Resolution):
    """Record a pick-up that was booked by hand: by phone, or on the carrier's page."""

    cli: ClassVar = Cli("resolve booking", reason="booked by hand")
    routes: ClassVar = (Route("/shipments/{shipment_id}/booking", "resolve_booking"),)

    kind: Literal["resolve_booking"] = "resolve_booking"
    shipment_id: ShipmentId
    carrier: Annotated[Words, Argument("The carrier's name.")]
    tracking: Annotated[Words, Argument("The tracking number.")]
    charge: Annotated[Amount | None, Option('The carrier\'s charge: "8.90"; absent: unknown.')] = (
        None
    )


class ResolvePaymentRequest(Resolution):
    """Record that the customer was asked by hand to pay what is due."""

    cli: ClassVar = Cli("resolve payment-request", reason="asked by hand")
    routes: ClassVar = (Route("/orders/{order_id}/payment-request", "resolve_payment_request"),)

    kind: Literal["resolve_payment_request"] = "resolve_payment_request"
    order_id: OrderId
    reference: Annotated[Words, Argument("What the request is found by: a letter, a call.")]


class ResolvePurchase(Resolution):
    """Record that a purchase order was given to its supplier by hand."""

    cli: ClassVar = Cli("resolve purchase", reason="ordered by hand")
    routes: ClassVar = (Route("/purchase-orders/{po_id}/sent", "resolve_purchase"),)

    kind: Literal["resolve_purchase"] = "resolve_purchase"
    po_id: Annotated[Text, Argument("The purchase order's id.", metavar="PO")]
    reference: Annotated[Words, Argument("The supplier's reference, or whom you spoke to.")]


class ResolveMail(Resolution):
    """Record that the customer was informed by hand what a mail would say: the mail isn't sent."""

    cli: ClassVar = Cli("resolve mail", reason="informed by hand")
    routes: ClassVar = (Route("/mails/{about}/informed", "resolve_mail"),)

    kind: Literal["resolve_mail"] = "resolve_mail"
    about: Annotated[
        Text, Argument("An invoice, credit note or shipment; an order: its confirmation.")
    ]
