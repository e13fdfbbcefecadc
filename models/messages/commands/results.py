"""Results of commands: message, notifications, refusal and follow-up."""

from collections.abc import Iterable
from typing import Self

from models.base import Payload
from models.messages.commands.base import CommandMessage, Refusal
from models.messages.commands.registry import Command
from models.messages.commands.shipping import EndRecall
from models.messages.steps import BillStep, Notification, StockKey


class FollowUp(Payload):
    """Partner calls after a command. `order_id`: the order that shows their attention."""

    order_id: str | None = None
    refund_keys: tuple[str, ...] = ()
    bill: BillStep | None = None
    recall: EndRecall | None = None
    """The command that ends the recall of a shipment, once its carrier has answered."""

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
    ) -> Self:
        """Build the result of an executed command, which notifies each workflow once."""
        notification = Notification(
            cause=command.cause,
            orders=tuple(dict.fromkeys(orders)),
            stock_keys=tuple(dict.fromkeys(stock_keys)),
            returns=tuple(dict.fromkeys(returns)),
            refunds=tuple(dict.fromkeys(refunds)),
        )
        return cls(command=command, message=message, notification=notification, follow_up=follow_up)


class CommandDone(Payload):
    """The answer of API and CLI to an executed command."""

    command_id: str
    accepted: bool = True
    message: str
