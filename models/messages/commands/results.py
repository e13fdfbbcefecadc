"""Results of commands: message, notifications, refusal and follow-up."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field

from models.base import Payload
from models.messages.commands.base import CommandMessage, Refusal
from models.messages.commands.registry import Command
from models.messages.commands.shipping import EndRecall
from models.messages.effects import Effects
from models.messages.steps import BillStep, Notification, StockKey

ShownEffects = Annotated[Effects | None, Field(exclude_if=lambda effects: effects is None)]
"""The effects of a dry run; None, and left out, for a command that was executed."""
Plans = Annotated[tuple[str, ...], Field(exclude_if=lambda plans: not plans)]


class FollowUp(Payload):
    """Partner calls after a command. `order_id`: the order that shows their attention."""

    order_id: str | None = None
    refund_keys: tuple[str, ...] = ()
    bills: tuple[BillStep, ...] = ()
    recall: EndRecall | None = None
    """The command that ends the recall of a shipment, once its carrier has answered."""
    more_recalls: Annotated[
        tuple[EndRecall, ...], Field(exclude_if=lambda recalls: not recalls)
    ] = ()
    """Those of further shipments of the order."""

    cancels_purchase: Annotated[str, Field(exclude_if=lambda po_id: not po_id)] = ""
    """The purchase order to cancel with its supplier; empty: none."""

    requests_payment: Annotated[bool, Field(exclude_if=lambda requests: not requests)] = False
    """Whether the amount due of the order is requested, which has changed."""

    @property
    def recalls(self) -> tuple[EndRecall, ...]:
        """The commands that end recalls."""
        return (*((self.recall,) if self.recall else ()), *self.more_recalls)

    def workflow_id(self, command_id: str) -> str:
        """Return the id of the follow-up's workflow: that of its first refund, if it has one."""
        return (
            refund_workflow_id(self.refund_keys[0])
            if self.refund_keys
            else follow_up_workflow_id(command_id)
        )


def follow_up_workflow_id(command_id: str) -> str:
    """Return the id of the workflow of a follow-up without a refund."""
    return f"after-{command_id}"


def refund_workflow_id(refund_key: str) -> str:
    """Return the id of the workflow of a refund: `refund-<order>-<n>`."""
    return f"refund-{refund_key.replace('/refund/', '-')}"


class CommandResult(Payload):
    """The result of a command: executed, with message, notification and follow-up; or refused."""

    command: Command
    message: str = ""
    notification: Notification
    refusal: Refusal | None = None
    follow_up: FollowUp | None = None
    plans: Plans = ()
    """Calls to partners that the notified workflows make then, in words."""
    effects: ShownEffects = None

    @classmethod
    def done(
        cls,
        command: CommandMessage,
        message: str,
        *,
        orders: Iterable[str] = (),
        stock_keys: Iterable[StockKey] = (),
        returns: Iterable[str] = (),
        refunds: Iterable[str] = (),
        follow_up: FollowUp | None = None,
        plans: Iterable[str] = (),
    ) -> Self:
        """Build the result of an executed command, which notifies each workflow once."""
        notification = Notification(
            cause=command.cause,
            orders=tuple(dict.fromkeys(orders)),
            stock_keys=tuple(dict.fromkeys(stock_keys)),
            returns=tuple(dict.fromkeys(returns)),
            refunds=tuple(dict.fromkeys(refunds)),
        )
        return cls(
            command=command,
            message=message,
            notification=notification,
            follow_up=follow_up,
            plans=tuple(plans),
        )


class CommandDone(Payload):
    """The answer of API and CLI to an executed command."""

    command_id: str
    accepted: bool = True
    message: str
    effects: ShownEffects = None

    @property
    def text(self) -> str:
        """The message, with the effects of a dry run below it."""
        return "\n".join([self.message, *(self.effects.lines() if self.effects else ())])
