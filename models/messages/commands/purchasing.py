"""Commands on purchase orders."""

from typing import Annotated, ClassVar, Literal

from models.base import LocationId, Text
from models.messages.commands.interface import Argument, Cli, Option, Route
from models.messages.commands.stock import StockCommand


class ClosePurchaseOrder(StockCommand):
    """Close a purchase order. Units that orders still need are purchased elsewhere."""

    cli: ClassVar = Cli("po close")
    routes: ClassVar = (Route("/purchase-orders/{po_id}/close", "close"),)
    tag: ClassVar = "purchase orders"

    kind: Literal["close"] = "close"
    po_id: Annotated[Text, Argument("The purchase order's id.", metavar="PO")]


class ReassignSupplier(StockCommand):
    """Cancel a purchase order with its supplier, and buy its units from another one."""

    cli: ClassVar = Cli("reassign-supplier")
    routes: ClassVar = (Route("/purchase-orders/{po_id}/reassignment", "reassign"),)
    tag: ClassVar = "purchase orders"

    kind: Literal["reassign_supplier"] = "reassign_supplier"
    po_id: Annotated[Text, Argument("The purchase order's id.", metavar="PO")]
    supplier: Annotated[
        LocationId | None, Option("The supplier to buy from; absent: the best other offer.")
    ] = None
