"""Commands that pause and resume an order."""

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import target_order
from activities.orders.steps import end_pause
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import Pause, Resume
from models.messages.commands.results import CommandResult
from models.progress import FINAL_STAGES, Cancellation, Progress, stage


@executes(Pause)
def pause(work: UnitOfWork, command: Pause) -> CommandResult:
    """Pause an order that is not over."""
    order = target_order(work, command.order_id)
    if problem := _why_not_pause(read_progress(work.session, order)):
        refuse("order_id", problem, ORDER_REFUSED)
    order.paused_by, order.paused_at = command.actor, work.now
    order.pause_reason = command.reason
    record_event(work, order.order_id, "paused", f"by {command.actor}: {command.reason}")
    save_progress(work, order)
    message = f"{order.order_id} is paused: facts are recorded, and nothing else happens"
    return CommandResult.done(command, message, orders=(order.order_id,))


@executes(Resume)
def resume(work: UnitOfWork, command: Resume) -> CommandResult:
    """Resume a paused order."""
    order = target_order(work, command.order_id)
    progress = read_progress(work.session, order)
    if not progress.is_paused:
        refuse("order_id", f"{order.order_id} is not paused", ORDER_REFUSED)
    end_pause(order)
    record_event(work, order.order_id, "resumed", f"by {command.actor}: {command.reason}")
    save_progress(work, order)
    message = f"{order.order_id} goes on"
    if not progress.secured and progress.pay_by is not None and progress.pay_by <= work.now:
        message += "; its payment deadline has passed: unless it is paid, it is cancelled"
    return CommandResult.done(
        command,
        message,
        orders=(order.order_id,),
        plans=("what became due meanwhile: the partners are called as without the pause",),
    )


def _why_not_pause(progress: Progress) -> str | None:
    """Return why an order can't be paused."""
    if progress.cancellation is Cancellation.REQUESTED:
        return f"{progress.order_id} is being cancelled, which can't be paused"
    if (reached := stage(progress)) in FINAL_STAGES:
        return f"{progress.order_id} is {reached}: there is nothing to pause"
    if progress.pause is not None:
        by, reason = progress.pause.by, progress.pause.reason
        return f"{progress.order_id} is paused already, by {by}: {reason}"
    return None
