"""Commands on the ledger."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from models.messages.commands.billing import BillingCommand
from models.messages.commands.interface import Argument, Cli, Route


class ClosePeriod(BillingCommand):
    """Close the ledger through a day. Later entries are posted to later days."""

    cli: ClassVar = Cli("ledger close", reason="the period is over")
    routes: ClassVar = (Route("/ledger/close", "close"),)

    kind: Literal["close_period"] = "close_period"
    through: Annotated[date, Argument("The last closed day: 2026-10-31.")]
