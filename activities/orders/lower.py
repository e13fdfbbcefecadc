"""Units of a billed order that are not delivered any more: cancelled, credited and refunded."""

from collections.abc import Sequence
from typing import NamedTuple

from activities.billing.exchanges import PaidOrder
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.progress import save_progress
from activities.shipping.undelivered import cancel_undelivered, credit_undelivered
from activities.stock.surplus import Waiting, release_surplus
from models.messages.commands.base import CommandMessage
from models.messages.commands.results import CommandResult
from models.messages.steps import StockKey
from models.progress import Progress
from models.tables.orders import Order
from models.tables.stock import Reservation


class Surplus(NamedTuple):
    """Units of a line that are not delivered any more, of those that wait."""

    waiting: Waiting
    units: int


def lower_lines(
    work: UnitOfWork,
    order: Order,
    payer: PaidOrder,
    progress: Progress,
    command: CommandMessage,
    surplus: Sequence[Surplus],
    message: str,
) -> CommandResult:
    """Cancel units that have not been packed, credit their price, and refund what was paid.

    `payer`: locked before stock. `progress`: of the order before. Units of an order that is
    invoiced by delivery lower its total.
    """
    rows: list[Reservation] = []
    orders, keys = [order.order_id], list[StockKey]()
    for waiting, units in surplus:
        cause = f"{command.cause}:{waiting.line.line_no}"
        released, notification = release_surplus(work, waiting, units, cause)
        rows += released
        orders += notification.orders
        keys += notification.stock_keys
    invoiced = cancel_undelivered(work, order, rows, goods_left=progress.goods_left)
    entry_id = f"line_credited:{command.command_id}"
    credited, follow_up = credit_undelivered(work, order, payer, invoiced, entry_id, command.reason)
    save_progress(work, order)
    return CommandResult.done(
        command, f"{message}; {credited}", orders=orders, stock_keys=keys, follow_up=follow_up
    )
