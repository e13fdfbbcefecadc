"""Commands on returns."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from models.base import Document, Identifier, LocationId, Text
from models.messages.commands.base import CommandMessage, Units
from models.messages.commands.interface import Argument, Cli, Flag, Option, Route
from models.messages.commands.orders import OrderId
from models.orders import MAX_LINES
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason

ReturnId = Annotated[Text, Argument("The return's id: RMA-...", metavar="ID")]
_Location = Annotated[
    LocationId | None, Option("The location the goods go to; absent: where they left.")
]


class ReturnedUnits(Document):
    """Returned units of a SKU."""

    sku: Identifier
    quantity: Units


class InspectedUnits(ReturnedUnits):
    """Inspected units of a SKU, with condition and disposition."""

    disposition: Disposition
    condition: Condition = Condition.AS_NEW


def _limit_lines(given: object) -> object:
    """Check the number of lines before each is validated."""
    if isinstance(given, list | tuple) and not 1 <= len(given) <= MAX_LINES:
        raise ValueError(f"has {len(given)} lines; 1 to {MAX_LINES} are allowed")
    return given


ReturnedLines = Annotated[tuple[ReturnedUnits, ...], BeforeValidator(_limit_lines)]
InspectedLines = Annotated[tuple[InspectedUnits, ...], BeforeValidator(_limit_lines)]


class ReturnCommand(CommandMessage):
    """A command on a return."""

    tag: ClassVar = "returns"


class RequestReturn(ReturnCommand):
    """Request a return of goods of an order."""

    cli: ClassVar = Cli("returns request")
    routes: ClassVar = (Route("/returns", "request_return"),)

    kind: Literal["request_return"] = "request_return"
    order_id: OrderId
    lines: ReturnedLines
    because: Annotated[
        ReturnReason, Option("The customer's reason: it decides how long a return is accepted.")
    ] = ReturnReason.CHANGED_MIND
    wish: Annotated[
        RequestedOutcome,
        Flag("--exchange", RequestedOutcome.EXCHANGE, "Send the same goods instead of a refund."),
    ] = RequestedOutcome.REFUND
    location: _Location = None

    @field_validator("because")
    @classmethod
    def _reject_unannounced(cls, because: ReturnReason) -> ReturnReason:
        if because is ReturnReason.UNANNOUNCED:
            raise ValueError("unannounced goods are received, not requested")
        return because


class AuthoriseReturn(ReturnCommand):
    """Authorise a return. The customer gets the label by mail."""

    cli: ClassVar = Cli("returns authorise")
    routes: ClassVar = (Route("/returns/{return_id}/authorisation", "authorise"),)

    kind: Literal["authorise_return"] = "authorise_return"
    return_id: ReturnId


class RejectReturn(ReturnCommand):
    """Reject a return. The customer gets the reason by mail."""

    cli: ClassVar = Cli("returns reject")
    routes: ClassVar = (Route("/returns/{return_id}/rejection", "reject"),)

    kind: Literal["reject_return"] = "reject_return"
    return_id: ReturnId


class MarkReturnSent(ReturnCommand):
    """Record that the customer has sent the goods of a return. It no longer expires."""

    cli: ClassVar = Cli("returns sent", reason="the customer has sent them")
    routes: ClassVar = (Route("/returns/{return_id}/dispatch", "dispatch"),)

    kind: Literal["return_on_its_way"] = "return_on_its_way"
    return_id: ReturnId


class CloseReturn(ReturnCommand):
    """Close a return: no more goods are expected of it."""

    cli: ClassVar = Cli("returns close")
    routes: ClassVar = (Route("/returns/{return_id}/closing", "close"),)

    kind: Literal["close_return"] = "close_return"
    return_id: ReturnId


class ReceiveReturn(ReturnCommand):
    """Record received goods of a return, or unannounced goods of an order."""

    cli: ClassVar = Cli("returns receive", reason="they have come back")
    routes: ClassVar = (
        Route(
            "/returns/{return_id}/receipts",
            "receive",
            undescribed="order_id",
            description="Record received goods of a return.",
        ),
        Route(
            "/orders/{order_id}/unannounced-returns",
            "receive_unannounced",
            undescribed="return_id",
            description="Record received goods of an order that were not announced.",
        ),
    )

    kind: Literal["receive_return"] = "receive_return"
    return_id: Text | None = None
    order_id: Identifier | None = None
    lines: ReturnedLines
    location: _Location = None

    @model_validator(mode="after")
    def _require_return_or_order(self) -> Self:
        if (self.return_id is None) == (self.order_id is None):
            raise ValueError("return_id: give either a return or, for unannounced goods, an order")
        return self


class InspectReturn(ReturnCommand):
    """Record the inspection of returned units. The customer gets their value."""

    cli: ClassVar = Cli("returns inspect", reason="they have come back")
    routes: ClassVar = (Route("/returns/{return_id}/inspections", "inspect"),)

    kind: Literal["inspect_return"] = "inspect_return"
    return_id: ReturnId
    lines: InspectedLines
