"""The base of all commands, and refusals."""

import inspect
from typing import Annotated, ClassVar, NoReturn

from pydantic import AfterValidator, Field

from models.base import Document, Identifier, Payload, Text
from models.customers import AmountText
from models.messages.commands.interface import Cli, Flag, Route
from models.money import same_decimal

MAX_UNITS = 1_000_000_000
"""The most units that one command moves."""
Units = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]
Amount = Annotated[AmountText, AfterValidator(same_decimal)]
"""An amount, written in one way: a command repeated with "18.0" for "18.00" is the same command."""


class CommandMessage(Document):
    """A command of an operator.

    The same `command_id` with the same content is the same command and is executed once. `cli`,
    `routes` and `tag` (the group in OpenAPI) declare its interface. A command without them is
    internal. The first paragraph of its docstring is its description on the command line and in
    OpenAPI.
    """

    cli: ClassVar[Cli | None] = None
    routes: ClassVar[tuple[Route, ...]] = ()
    tag: ClassVar[str | None] = None
    retries: ClassVar[bool] = False
    """Whether the steps that wait in the orders notified are tried again after it."""

    kind: str
    command_id: Identifier
    reason: Text
    actor: Text = "operator"
    dry_run: Annotated[
        bool,
        Field(strict=True, exclude_if=lambda dry: not dry),
        Flag("--dry-run", True, "Change nothing, show what would change."),
    ] = False
    """Whether the command is undone after its execution, and only its effects are shown."""

    @property
    def cause(self) -> str:
        """The cause that movements, entries and notifications of this command name."""
        return f"{self.kind}:{self.command_id}"

    @classmethod
    def description(cls) -> str:
        """Return the first paragraph of the docstring, in one line."""
        paragraph, _, _ = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")
        return " ".join(paragraph.split())


class Refusal(Payload):
    """The reason why a command changes nothing. `code` is stable, `field` is the refused field."""

    code: str
    field: str
    reason: str


STOCK_REFUSED = "stock_refused"
MONEY_REFUSED = "money_refused"
ORDER_REFUSED = "order_refused"
SHIPMENT_REFUSED = "shipment_refused"
RETURN_REFUSED = "return_refused"
"""The codes of refusals whose field names what to change."""
UNKNOWN = "unknown"
"""The code of a refusal of an id that doesn't exist."""
UNKNOWN_SKU = "sku_unknown"
UNKNOWN_PURCHASE_ORDER = "purchase_order_unknown"
COMMAND_ID_TAKEN = "command_id_taken"


class CommandRefused(Exception):  # a refusal is an answer, not an error
    """The command is refused and what it changed is undone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def refuse(field: str, reason: str, code: str) -> NoReturn:
    """Refuse the command being executed. Raises CommandRefused."""
    raise CommandRefused(Refusal(code=code, field=field, reason=reason))
