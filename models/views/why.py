"""Why an order is where it is: what it waits for, who acts next, and what an operator may do."""

from datetime import date, datetime
from enum import StrEnum

from models.base import Payload


def in_words(moment: date) -> str:
    """Write a day, or a time in UTC, as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if isinstance(moment, datetime) else f"{moment}"


class Owner(StrEnum):
    """Who owes the next action."""

    CUSTOMER = "customer"
    SUPPLIER = "supplier"
    CARRIER = "carrier"
    PROVIDER = "payment provider"
    MAIL_SERVER = "mail server"
    OPERATOR = "operator"
    PIPELINE = "pipeline"
    """The order goes on by itself."""


class Action(Payload):
    """What an operator may do."""

    command: str
    """The line to paste, from the project's folder. Words in upper case are to be filled in."""
    effect: str
    """What it does, and which money it moves."""


class Wait(Payload):
    """One thing that an order waits for."""

    code: str
    """A code of the table of waits, or an attention's code."""
    subject: str
    """The id of what waits: an order, shipment, return, refund or purchase order."""
    reason: str
    owner: Owner
    name: str = ""
    """The name or id of the supplier or carrier, if known."""
    since: datetime | None = None
    until: datetime | date | None = None
    """Until when it waits; None: without a limit."""
    then: str
    """What happens by itself: at the end of the wait, or when what it waits for arrives."""
    actions: tuple[Action, ...] = ()

    @property
    def who(self) -> str:
        """Who owes the next action, with the name if known."""
        return f"{self.owner} {self.name}".strip()


class Explanation(Payload):
    """Why an order, shipment, return or purchase order is where it is.

    `waits`: what needs an operator first, then the others; empty if nothing is open.
    """

    subject: str
    state: str
    """The stage of an order, the state of anything else."""
    waits: tuple[Wait, ...]
