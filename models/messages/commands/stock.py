"""Commands on stock."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from models.base import Identifier, LocationId
from models.messages.commands.base import MAX_UNITS, Amount, CommandMessage, Units
from models.messages.commands.interface import Argument, Cli, Option, Route

_Change = Annotated[int, Field(strict=True, ge=-MAX_UNITS, le=MAX_UNITS)]
_Counted = Annotated[int, Field(strict=True, ge=0, le=MAX_UNITS)]
_Location = Annotated[LocationId, Argument("The location.")]
_UnitCost = Annotated[Amount | None, Option('Values a gain if nothing is on hand: "18.00".')]
"""In the company's currency."""


class StockCommand(CommandMessage):
    """A command that changes stock, or the units expected of suppliers."""


class StockChange(StockCommand):
    """A command that changes the stock of one SKU."""

    tag: ClassVar = "stock"

    sku: Annotated[Identifier, Argument("The SKU.")]


class AdjustStock(StockChange):
    """Add units to the stock of a SKU at a location, or remove them.

    A gain is valued at the moving average, or at `unit_cost` if nothing is on hand.
    """

    cli: ClassVar = Cli("stock adjust")
    routes: ClassVar = (Route("/stock/{sku}/adjustments", "adjust"),)

    kind: Literal["adjust"] = "adjust"
    location: _Location
    by: Annotated[_Change, Argument("Units to add, or, as -3, to remove.")]
    unit_cost: _UnitCost = None

    @field_validator("by")
    @classmethod
    def _reject_zero(cls, by: int) -> int:
        if not by:
            raise ValueError("0 changes nothing: give units to add, or below zero to remove")
        return by

    @model_validator(mode="after")
    def _reject_cost_of_loss(self) -> Self:
        if self.by < 0 and self.unit_cost is not None:
            raise ValueError("unit_cost: is for a gain only; a loss costs the moving average")
        return self


class CountStock(StockChange):
    """Record a stock count of a SKU at a location.

    The difference is a gain or a loss, valued as in `AdjustStock`.
    """

    cli: ClassVar = Cli("stock count")
    routes: ClassVar = (Route("/stock/{sku}/counts", "count"),)

    kind: Literal["count"] = "count"
    location: _Location
    counted: Annotated[_Counted, Argument("Counted units, reserved ones included.")]
    unit_cost: _UnitCost = None


class PurchaseDecision(StockChange):
    """A decision on the purchase of a SKU for a location that waits for approval."""

    location: _Location


class ApprovePurchase(PurchaseDecision):
    """Approve the proposed purchase of a SKU for a location: it is sent, if it is still needed."""

    cli: ClassVar = Cli("stock approve-purchase")
    routes: ClassVar = (Route("/stock/{sku}/purchases/approve", "approve_purchase"),)

    kind: Literal["approve_purchase"] = "approve_purchase"
    expect_units: Annotated[
        int | None,
        Field(strict=True, ge=1, le=MAX_UNITS),
        Option("Refuse if the purchase is of other units than these by now."),
    ] = None
    expect_cost: Annotated[
        Amount | None, Option("Refuse if it costs more or less by now, freight and duty included.")
    ] = None


class RejectPurchase(PurchaseDecision):
    """Reject the proposed purchase of a SKU for a location, until `replenish` asks for it again."""

    cli: ClassVar = Cli("stock reject-purchase")
    routes: ClassVar = (Route("/stock/{sku}/purchases/reject", "reject_purchase"),)

    kind: Literal["reject_purchase"] = "reject_purchase"


class TransferStock(StockChange):
    """Transfer available units to another location, with their value."""

    cli: ClassVar = Cli("stock transfer")
    routes: ClassVar = (Route("/stock/{sku}/transfers", "transfer"),)

    kind: Literal["transfer"] = "transfer"
    from_location: Annotated[LocationId, Argument(metavar="FROM")]
    to_location: Annotated[LocationId, Argument(metavar="TO")]
    quantity: Annotated[Units, Argument()]

    @model_validator(mode="after")
    def _reject_same_location(self) -> Self:
        if self.from_location == self.to_location:
            raise ValueError(f"to_location: {self.to_location} is the location they leave")
        return self
