"""Execution of operators' commands: once each, recorded with actor and reason."""

from sqlmodel import Session

import activities.billing.commands
import activities.orders.commands
import activities.orders.customer_commands
import activities.purchasing.commands
import activities.returns.commands
import activities.shipping.commands
import activities.stock.commands  # noqa: F401  # importing them registers the executors
from activities.database.command import executor_of
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from models.messages.commands.base import COMMAND_ID_TAKEN, CommandMessage, CommandRefused, refuse
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.steps import Notification
from models.tables.operations import CommandRow


@step
def execute_command(work: UnitOfWork, step: CommandStep) -> CommandResult:
    """Execute a command once per command id, or refuse it and change nothing.

    A refusal undoes what was begun. An attempt that waited for an earlier one of the same command
    returns its result.
    """
    command = step.command
    try:
        with work.savepoint():
            return _execute(work, command)
    except CommandRefused as refused:
        recorded = _recorded_result(work.session, command)
        if recorded is not None and recorded.command == command:
            return recorded
        notification = Notification(cause=command.cause)
        return CommandResult(command=command, notification=notification, refusal=refused.refusal)


def _execute(work: UnitOfWork, command: CommandMessage) -> CommandResult:
    recorded = _recorded_result(work.session, command)
    if recorded is not None:
        if recorded.command != command:
            refuse(
                "command_id",
                f"{command.command_id!r} was used for another command; use another id",
                COMMAND_ID_TAKEN,
            )
        return recorded
    result: CommandResult = executor_of(type(command))(work, command)
    work.session.add(
        CommandRow(
            command_id=command.command_id,
            kind=command.kind,
            actor=command.actor,
            reason=command.reason,
            outcome=result.model_dump(mode="json"),
            recorded_at=work.now,
        )
    )
    return result


def _recorded_result(session: Session, command: CommandMessage) -> CommandResult | None:
    """Read the result of the command executed under this command's id."""
    row = session.get(CommandRow, command.command_id)
    return CommandResult.model_validate(row.outcome) if row else None
