"""The command that splits an order: what is there leaves now, the rest later."""

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import target_order
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import Split
from models.messages.commands.results import CommandResult
from models.orders import Delivery
from models.progress import Cancellation, Progress


@executes(Split)
def split(work: UnitOfWork, command: Split) -> CommandResult:
    """Let the reserved units of an order leave before the others."""
    order = target_order(work, command.order_id)
    progress = read_progress(work.session, order)
    if problem := _why_not_split(progress):
        refuse("order_id", problem, ORDER_REFUSED)
    order.delivery = Delivery.PARTIAL
    detail = f"{progress.held} units now, {progress.backordered} later, by {command.actor}"
    record_event(work, order.order_id, "split", f"{detail}: {command.reason}")
    saved = save_progress(work, order)
    message = f"{progress.held} units of {order.order_id} leave now, {progress.backordered} later"
    plans = []
    if not saved.secured:
        message += ", once the order is paid"
        plans.append("the payment provider is asked to collect what is due for the whole order")
    plans.append(f"a carrier is booked for {progress.held} units")
    return CommandResult.done(command, message, orders=(order.order_id,), plans=plans)


def _why_not_split(progress: Progress) -> str | None:
    """Return why an order can't be split."""
    order_id = progress.order_id
    if progress.cancellation is not Cancellation.NONE:
        return f"{order_id} is (being) cancelled"
    if not progress.backordered:
        return f"{order_id} is not short of units: all of it leaves"
    if progress.in_parts:
        return f"{order_id} is delivered in parts already: what is there leaves"
    if not progress.held:
        return f"nothing of {order_id} is reserved, so that nothing could leave now"
    return None
