"""Commands: what a person asks for is done once, and kept with who asked and why."""

from sqlmodel import Session

import activities.billing.commands
import activities.orders.commands
import activities.purchasing.commands
import activities.returns.commands
import activities.shipping.commands
import activities.stock.commands  # noqa: F401
from activities.database.command import executor_of
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from models.messages.commands import (
    COMMAND_ID_TAKEN,
    Command,
    CommandRefused,
    CommandResult,
    CommandStep,
    refuse,
)
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
        with work.session.begin_nested():
            return _execute(work, command)
    except CommandRefused as refused:
        done = _done_before(work.session, command)
        if done is not None and done.command == command:
            return done
        notification = Notification(cause=f"{command.kind}:{command.command_id}")
        return CommandResult(command=command, notification=notification, refusal=refused.refusal)


def _execute(work: UnitOfWork, command: Command) -> CommandResult:
    done = _done_before(work.session, command)
    if done is not None:
        if done.command != command:
            refuse(
                "command_id",
                f"{command.command_id!r} was used for another command; use another id",
                COMMAND_ID_TAKEN,
            )
        return done
    done = executor_of(command)(work, command)
    work.session.add(
        CommandRow(
            command_id=command.command_id,
            kind=command.kind,
            actor=command.actor,
            reason=command.reason,
            outcome=done.model_dump(mode="json"),
            recorded_at=work.now,
        )
    )
    return done


def _done_before(session: Session, command: Command) -> CommandResult | None:
    """What came of the command that has this one's id."""
    known = session.get(CommandRow, command.command_id)
    return CommandResult.model_validate(known.outcome) if known else None
