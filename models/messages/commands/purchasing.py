"""Commands on purchase orders."""

from typing import Annotated, ClassVar, Literal

from models.base import Text
from models.messages.commands.interface import Argument, Cli, Route
from models.messages.commands.stock import StockCommand


class ClosePurchaseOrder(StockCommand):
    """Close a purchase order. Units that orders still need are purchased elsewhere."""

    cli: ClassVar = Cli("po close")
    routes: ClassVar = (Route("/purchase-orders/{po_id}/close", "close"),)
    tag: ClassVar = "purchase orders"

    kind: Literal["close"] = "close"
    po_id: Annotated[Text, Argument("The purchase order's id.", metavar="PO")]
