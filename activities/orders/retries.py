"""Retries of the steps of an order that wait for an operator: the record, and the dry run."""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.problems import acknowledge_problems
from activities.order_record.progress import read_progress
from activities.order_record.targets import target_order
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import PreviewRetry
from models.messages.commands.results import CommandResult
from models.messages.steps import RetryStep
from models.tables.operations import AttentionRow, CommandRow
from models.tables.orders import Order


@step
def record_retry(work: UnitOfWork, step: RetryStep) -> None:
    """Record the retry of a workflow's steps in the order's audit trail, once for each update."""
    origin = step.request.origin
    is_new = work.insert_new(
        CommandRow,
        command_id=retry_id(step.workflow_id, step.update_id),
        kind="retry",
        actor=origin.actor,
        reason=origin.reason,
        outcome={"message": step.message},
        recorded_at=work.now,
    )
    if is_new:
        work.origin = origin
        detail = f"{step.message} by {origin.actor}: {origin.reason}"
        record_event(work, step.order_id, "retried", detail.removesuffix(": "))


def retry_id(workflow_id: str, update_id: str) -> str:
    """Return the id of the record of a workflow's retry."""
    return f"retry:{workflow_id}:{update_id}"


@executes(PreviewRetry)
def preview_retry(work: UnitOfWork, command: PreviewRetry) -> CommandResult:
    """Acknowledge an order's problems, and read what would be tried again."""
    assert command.dry_run, "the workflows that wait try again"
    order = target_order(work, command.order_id)
    would = [f"acknowledged: {code}" for code in acknowledge_problems(work.session, order)]
    would += _waiting(work.session, order)
    if not would:
        refuse("order_id", f"nothing of {order.order_id} waits for a retry", ORDER_REFUSED)
    return CommandResult.done(command, "; ".join(would))


def _waiting(session: Session, order: Order) -> Iterator[str]:
    """Read what a retry would try again: the steps that wait, else the purchase of shortages."""
    rows = session.exec(
        select(AttentionRow)
        .where(AttentionRow.order_id == order.order_id)
        .order_by(col(AttentionRow.source))
    ).all()
    progress = read_progress(session, order)
    own_waits = any(not row.source for row in rows)
    for row in rows:
        if row.source:
            yield f"{row.source}: trying again: {row.code}"
        elif not progress.is_paused:
            yield f"trying again: {row.code}"
    if progress.backordered and not own_waits and not progress.is_paused:
        yield "requesting the purchase again"
