"""The command that gives up a line of an order: its units that can't come are credited."""

from activities.billing.exchanges import lock_paid_order
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.lines import goods_lines
from activities.order_record.progress import read_progress
from activities.order_record.targets import target_order, why_paused
from activities.orders.lower import Surplus, lower_lines
from activities.stock.surplus import lock_waiting
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import GiveUp
from models.messages.commands.results import CommandResult
from models.progress import Cancellation, Progress
from models.tables.orders import Order


@executes(GiveUp)
def give_up(work: UnitOfWork, command: GiveUp) -> CommandResult:
    """Cancel the units of a line that are short, and refund their price."""
    order = target_order(work, command.order_id)
    progress = read_progress(work.session, order)
    if problem := _why_not_give_up(order, progress):
        refuse("order_id", problem, ORDER_REFUSED)
    lines = {line.line_no: line for line in goods_lines(work.session, order.order_id)}
    if command.line not in lines:
        numbers = ", ".join(map(str, sorted(lines)))
        refuse("line", f"{order.order_id} has no line {command.line}: {numbers}", ORDER_REFUSED)
    payer = lock_paid_order(work, order)  # before stock
    waiting = lock_waiting(work, order, lines[command.line])
    units = waiting.missing
    if not units:
        reason = f"line {command.line} of {order.order_id} is not short of units"
        refuse("line", reason, ORDER_REFUSED)
    if progress.written_off + units >= progress.ordered:
        reason = f"nothing else of {order.order_id} is left: cancel the order instead"
        refuse("line", reason, ORDER_REFUSED)
    what = f"{units} x {waiting.line.sku}"
    detail = f"{what} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "line_given_up", detail)
    message = f"{what} of {order.order_id} are given up"
    surplus = [Surplus(waiting, units)]
    return lower_lines(work, order, payer, progress, command, surplus, message)


def _why_not_give_up(order: Order, progress: Progress) -> str | None:
    """Return why no line of an order can be given up."""
    order_id = order.order_id
    if progress.cancellation is not Cancellation.NONE:
        return f"{order_id} is (being) cancelled"
    if progress.is_paused:
        return why_paused(order_id)
    if not progress.backordered:
        return f"{order_id} is not short of units"
    if not progress.invoices and not order.invoiced_by_delivery:
        return (
            f"{order_id} is not paid and has no invoice, so that there is no price to give back: "
            f"change it (`amend {order_id}`), or cancel it"
        )
    return None
