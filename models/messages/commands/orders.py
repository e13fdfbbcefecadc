"""Commands on orders as a whole."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from models.base import Document, Identifier, Text, Words
from models.customers import OptionalText
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Argument, Cli, Option, Route
from models.orders import MAX_LINES, MAX_QUANTITY

OrderId = Annotated[Identifier, Argument("The order's id.", metavar="ORDER")]


class CancelRest(CommandMessage):
    """Cancel the outstanding units of an order, and refund their price.

    Outstanding units are short, held, or to be collected, while others have left. Units that a
    carrier is booked for are not cancelled.
    """

    cli: ClassVar = Cli("cancel-rest")
    routes: ClassVar = (Route("/orders/{order_id}/rest-cancellation", "cancel_rest"),)
    tag: ClassVar = "money"

    kind: Literal["cancel_rest"] = "cancel_rest"
    order_id: OrderId


class OrderCommand(CommandMessage):
    """A command on an order as a whole."""

    tag: ClassVar = "orders"

    order_id: OrderId


class Pause(OrderCommand):
    """Pause an order: no step starts and no partner is called until it is resumed.

    Facts are recorded meanwhile. The order can be cancelled.
    """

    cli: ClassVar = Cli("pause")
    routes: ClassVar = (Route("/orders/{order_id}/pause", "pause"),)

    kind: Literal["pause"] = "pause"


class Resume(OrderCommand):
    """Resume a paused order: what became due meanwhile happens then."""

    cli: ClassVar = Cli("resume", reason="resumed")
    routes: ClassVar = (Route("/orders/{order_id}/resume", "resume"),)

    kind: Literal["resume"] = "resume"


class GiveUp(OrderCommand):
    """Give up a line of an order that can't come: its units that are short are credited.

    What was paid for them is refunded; the rest of the order goes on.
    """

    cli: ClassVar = Cli("give-up")
    routes: ClassVar = (Route("/orders/{order_id}/lines/given-up", "give_up"),)

    kind: Literal["give_up"] = "give_up"
    line: Annotated[
        int, Field(strict=True, ge=1), Argument("The number of the line.", metavar="LINE")
    ]


class Split(OrderCommand):
    """Send what is reserved for an order now, and the rest later.

    The order is billed as a whole: if it is to be paid before, its payment is requested now.
    """

    cli: ClassVar = Cli("split")
    routes: ClassVar = (Route("/orders/{order_id}/split", "split"),)

    kind: Literal["split"] = "split"


class ChangeAddress(OrderCommand):
    """Change the address of the goods that no carrier has, in the same country.

    Booked pick-ups are cancelled, and booked again for the new address.
    """

    cli: ClassVar = Cli("change-address")
    routes: ClassVar = (Route("/orders/{order_id}/address", "change_address"),)

    kind: Literal["change_address"] = "change_address"
    name: Annotated[Words | None, Option("The recipient; absent: unchanged.")] = None
    company: Annotated[
        OptionalText | None, Option("The company; empty: none; absent: unchanged.")
    ] = None
    street: Annotated[Words | None, Option("Street and number; absent: unchanged.")] = None
    line2: Annotated[
        OptionalText | None,
        Option("Floor, building or c/o; empty: none; absent: unchanged.", name="--second-line"),
    ] = None
    city: Annotated[OptionalText | None, Option("The city; empty: none; absent: unchanged.")] = None
    region: Annotated[
        OptionalText | None, Option("The region; empty: none; absent: unchanged.")
    ] = None
    postal_code: Annotated[
        OptionalText | None, Option("The postal code; empty: none; absent: unchanged.")
    ] = None

    @property
    def changes(self) -> dict[str, str]:
        """The parts of the address that are given."""
        names = ("name", "company", "street", "line2", "city", "region", "postal_code")
        return {name: given for name in names if (given := getattr(self, name)) is not None}


class ChangeCarrier(OrderCommand):
    """Name the carrier of the goods that no carrier has.

    Booked pick-ups are cancelled, and booked again with the carrier that is named.
    """

    cli: ClassVar = Cli("change-carrier")
    routes: ClassVar = (Route("/orders/{order_id}/carrier", "change_carrier"),)

    kind: Literal["change_carrier"] = "change_carrier"
    carrier: Annotated[
        OptionalText, Argument("The carrier's name, as its quotes have it; empty: the best of all.")
    ]
    service: Annotated[Text | None, Option("A service of it; absent: the best.")] = None


class LineChange(Document):
    """The quantity that an order is to have of a SKU; 0 removes its line."""

    sku: Text
    quantity: Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]


class Amend(OrderCommand):
    """Amend an order: other quantities and SKUs at the agreed prices; once billed, fewer units.

    `lines`: the new quantity of each SKU that changes, 0 to remove it. A SKU that the order doesn't
    have has today's price.
    """

    cli: ClassVar = Cli("amend")
    routes: ClassVar = (Route("/orders/{order_id}/lines", "amend"),)

    kind: Literal["amend"] = "amend"
    lines: Annotated[tuple[LineChange, ...], Field(min_length=1, max_length=MAX_LINES)]

    @model_validator(mode="after")
    def _reject_repeated_sku(self) -> Self:
        skus = [line.sku for line in self.lines]
        if repeated := sorted({sku for sku in skus if skus.count(sku) > 1}):
            raise ValueError(f"lines: {repeated[0]} is named twice")
        return self


class PreviewCancellation(CommandMessage):
    """Show what a cancellation would do. Internal: the order's workflow cancels it."""

    kind: Literal["preview_cancellation"] = "preview_cancellation"
    order_id: Identifier


class PreviewConsent(CommandMessage):
    """Show what the consent to a delay would do. Internal: the order's workflow records it."""

    kind: Literal["preview_consent"] = "preview_consent"
    order_id: Identifier


class PreviewRetry(CommandMessage):
    """Show what a retry would do. Internal: the workflows that wait try again themselves."""

    kind: Literal["preview_retry"] = "preview_retry"
    order_id: Identifier


class Acknowledge(CommandMessage):
    """Acknowledge the problems with an order's payments and goods.

    On the command line, `retry` does it.
    """

    routes: ClassVar = (Route("/orders/{order_id}/seen-to", "see_to"),)

    kind: Literal["acknowledge"] = "acknowledge"
    order_id: Identifier
