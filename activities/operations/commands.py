"""Execution of operators' commands: once each, recorded with actor and reason."""

from typing import NoReturn

from sqlmodel import Session

import activities.billing.commands
import activities.billing.requests_by_hand
import activities.operations.previews
import activities.orders.amend
import activities.orders.commands
import activities.orders.customer_commands
import activities.orders.give_up
import activities.orders.mails_by_hand
import activities.orders.pauses
import activities.orders.retries
import activities.orders.split
import activities.purchasing.commands
import activities.returns.commands
import activities.shipping.by_hand
import activities.shipping.changes
import activities.shipping.commands
import activities.stock.commands  # noqa: F401  # importing them registers the executors
from activities.database.changes import listening
from activities.database.command import executor_of
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.operations.effects import effects_of
from models.audit import Origin
from models.messages.commands.base import COMMAND_ID_TAKEN, CommandMessage, CommandRefused, refuse
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.steps import Notification
from models.tables.operations import CommandRow


@step
def execute_command(work: UnitOfWork, step: CommandStep) -> CommandResult:
    """Execute a command once per command id, or refuse it and change nothing.

    A refusal undoes what was begun, and so does a dry run, whose result has its effects. An attempt
    that waited for an earlier one of the same command returns its result.
    """
    command = step.command
    work.origin = Origin(actor=command.actor, source=step.source, reason=command.reason)
    try:
        with work.savepoint():
            return _preview(work, command) if command.dry_run else _execute(work, command)
    except _Previewed as previewed:
        return previewed.result
    except CommandRefused as refused:
        recorded = _recorded_result(work.session, command)
        if recorded is not None and recorded.command == command:
            return recorded
        notification = Notification(cause=command.cause)
        return CommandResult(command=command, notification=notification, refusal=refused.refusal)


class _Previewed(Exception):  # nothing went wrong
    """The command was executed for a dry run, and is undone."""

    def __init__(self, result: CommandResult) -> None:
        super().__init__(result.message)
        self.result = result


def _preview(work: UnitOfWork, command: CommandMessage) -> NoReturn:
    """Execute a command and read its effects. Raises _Previewed, which undoes it."""
    with listening(work.session.connection()) as written:
        result = _execute(work, command)
        work.write_appended()
        work.session.flush()
    own = [one for one in written if one.table.name != CommandRow.__tablename__]
    raise _Previewed(
        CommandResult(
            command=command,
            message=f"nothing is changed; {result.message}",
            notification=Notification(cause=command.cause),
            effects=effects_of(result, own),
        )
    )


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
