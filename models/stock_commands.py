"""Commands on stock and purchases: what a person asks for, and what came of it."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from models.base import Document, Identifier, Payload, Text
from models.customers import AmountText
from models.imports import LocationId
from models.messages import Echo

MAX_UNITS = 1_000_000_000
"""No command moves more."""

Change = Annotated[int, Field(strict=True, ge=-MAX_UNITS, le=MAX_UNITS)]
Counted = Annotated[int, Field(strict=True, ge=0, le=MAX_UNITS)]
Moved = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]


class _Command(Document):
    """The same `command_id` with the same content is the same command, done once."""

    command_id: Identifier
    reason: Text
    actor: Text = "operator"


class AdjustStock(_Command):
    """So many units more (or, below zero, fewer) are there than the books say.

    `unit_cost`, in the company's currency, values a gain where nothing is on hand to take the
    average of.
    """

    kind: Literal["adjust"] = "adjust"
    sku: Identifier
    location: LocationId
    by: Change
    unit_cost: AmountText | None = None

    @field_validator("by")
    @classmethod
    def _something(cls, by: int) -> int:
        if not by:
            raise ValueError("0 changes nothing: say how many units more, or fewer with a minus")
        return by

    @model_validator(mode="after")
    def _cost_of_a_gain(self) -> Self:
        if self.by < 0 and self.unit_cost is not None:
            raise ValueError("unit_cost: values a gain; what is lost costs its average")
        return self


class CountStock(_Command):
    """A cycle count: so many units are there, the reserved ones included. `unit_cost` as in
    `AdjustStock`."""

    kind: Literal["count"] = "count"
    sku: Identifier
    location: LocationId
    counted: Counted
    unit_cost: AmountText | None = None


class TransferStock(_Command):
    """Units go from one location to another, with their value."""

    kind: Literal["transfer"] = "transfer"
    sku: Identifier
    from_location: LocationId
    to_location: LocationId
    quantity: Moved

    @model_validator(mode="after")
    def _elsewhere(self) -> Self:
        if self.from_location == self.to_location:
            raise ValueError(f"to_location: is {self.to_location}, where the goods are already")
        return self


class ClosePurchase(_Command):
    """What a purchase order has not brought yet isn't expected any more."""

    kind: Literal["close"] = "close"
    po_id: Text


StockChange = AdjustStock | CountStock | TransferStock
Command = StockChange | ClosePurchase
COMMANDS: Sequence[type[Command]] = (AdjustStock, CountStock, TransferStock, ClosePurchase)


class CommandStep(Payload):
    """The argument of StockWorkflow and of its step."""

    command: Annotated[Command, Field(discriminator="kind")]


class Refusal(Payload):
    """Why a command changes nothing: `code` is stable, `field` names what of it can't be."""

    code: str
    field: str
    reason: str


STOCK_REFUSED = "stock_refused"
"""The code of a refusal whose field says what to change."""
UNKNOWN_SKU = "sku_unknown"
UNKNOWN_PURCHASE_ORDER = "purchase_order_unknown"
COMMAND_ID_TAKEN = "command_id_taken"


class Commanded(Payload):
    """What came of a command: done, with a sentence, and who is to be told; or refused."""

    command: Annotated[Command, Field(discriminator="kind")]
    message: str = ""
    echo: Echo
    refusal: Refusal | None = None


class CommandDone(Payload):
    """What the doors answer."""

    command_id: str
    accepted: bool = True
    message: str
