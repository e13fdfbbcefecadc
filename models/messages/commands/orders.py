"""Commands on orders as a whole."""

from typing import Annotated, ClassVar, Literal

from models.base import Identifier
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Argument, Cli, Route

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


class Acknowledge(CommandMessage):
    """Acknowledge the problems with an order's payments and goods.

    On the command line, `retry` does it.
    """

    routes: ClassVar = (Route("/orders/{order_id}/seen-to", "see_to"),)

    kind: Literal["acknowledge"] = "acknowledge"
    order_id: Identifier
