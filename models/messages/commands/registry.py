"""The registry of all commands.

A command is registered by its class. A new module of commands is imported here.
"""

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.audit import PIPELINE
from models.base import Payload
from models.messages.commands import (  # noqa: F401
    billing,
    customers,
    ledger,
    orders,
    purchasing,
    resolutions,
    returns,
    shipping,
    stock,
)
from models.messages.commands.base import CommandMessage


def _leaves(kind: type[CommandMessage]) -> Iterator[type[CommandMessage]]:
    """Find the classes that have no subclasses: they are commands, the others their bases."""
    kinds = kind.__subclasses__()
    if not kinds:
        yield kind
    for one in kinds:
        yield from _leaves(one)


COMMANDS = tuple(_leaves(CommandMessage))

if TYPE_CHECKING:
    Command = CommandMessage
else:
    Command = Annotated[reduce(or_, COMMANDS), Field(discriminator="kind")]


class CommandStep(Payload):
    """The argument of CommandWorkflow and of its step."""

    command: Command
    source: str = PIPELINE
    """The way by which the command came in: see `models.audit.Origin`."""
