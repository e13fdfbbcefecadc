"""Commands on orders that their workflows do not execute themselves."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from activities.billing.exchanges import lock_paid_order
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.problems import acknowledge_problems
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import target_order, why_paused
from activities.shipping.goods_issue import cancel_shipment
from activities.shipping.undelivered import cancel_undelivered, credit_undelivered
from activities.stock.steps import release_reservations
from activities.stock.surplus import backordered_units
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import Acknowledge, CancelRest
from models.messages.commands.results import CommandResult
from models.progress import Cancellation, Progress, ShipmentState
from models.shipping import FreightMode
from models.stock import ReservationState
from models.tables.shipping import Shipment
from models.tables.stock import Reservation


@executes(CancelRest)
def cancel_rest(work: UnitOfWork, command: CancelRest) -> CommandResult:
    """Cancel every unit not yet handed to or booked with a carrier, and refund its price."""
    order = target_order(work, command.order_id)
    uncollected = _uncollected(work.session, order.order_id)
    _check_rest(read_progress(work.session, order), len(uncollected))
    payer = lock_paid_order(work, order)
    for shipment in uncollected:
        cancel_shipment(work, shipment)
    held = col(Reservation.state) == ReservationState.HELD
    freed = release_reservations(work, order, held, command.cause)
    rest = [*freed.rows, *backordered_units(work.session, freed.waiting)]
    units = sum(row.quantity for row in rest)
    detail = f"{units} units by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "rest_cancelled", detail)
    entry_id = f"rest_credited:{command.command_id}"
    invoiced = cancel_undelivered(work, order, rest)
    refunded, follow_up = credit_undelivered(work, order, payer, invoiced, entry_id, command.reason)
    save_progress(work, order)
    return CommandResult.done(
        command,
        f"{units} units of {order.order_id} are cancelled; {refunded}",
        orders=(order.order_id, *freed.notification.orders),
        stock_keys=freed.notification.stock_keys,
        follow_up=follow_up,
    )


@executes(Acknowledge)
def acknowledge(work: UnitOfWork, command: Acknowledge) -> CommandResult:
    """Acknowledge the problems with an order's money or goods."""
    order = target_order(work, command.order_id)
    acknowledged = acknowledge_problems(work.session, order)
    if not acknowledged:
        refuse("order_id", f"nothing of {order.order_id} is to be acknowledged", ORDER_REFUSED)
    codes = ", ".join(acknowledged)
    detail = f"{codes} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "acknowledged", detail)
    save_progress(work, order)
    return CommandResult.done(command, f"acknowledged: {codes}", orders=(order.order_id,))


def _uncollected(session: Session, order_id: str) -> Sequence[Shipment]:
    """Read the shipments that the customer has not collected yet."""
    query = select(Shipment).where(
        Shipment.order_id == order_id,
        Shipment.mode == FreightMode.HAND_OVER,
        Shipment.state == ShipmentState.PLANNED,
    )
    return session.exec(query.order_by(Shipment.shipment_id)).all()


def _check_rest(progress: Progress, uncollected: int) -> None:
    """Check that some units can be cancelled, not the whole order. Raises CommandRefused."""
    order_id, problem = progress.order_id, None
    if progress.cancellation is not Cancellation.NONE:
        problem = f"{order_id} is (being) cancelled"
    elif progress.is_paused:
        problem = why_paused(order_id)
    elif progress.fulfilled:
        problem = f"{order_id} is delivered: authorise a return instead"
    elif not progress.goods_left:
        problem = f"nothing of {order_id} has left: cancel the order instead"
    elif not progress.held + progress.backordered + uncollected:
        problem = f"{order_id} waits for nothing: all other units are planned or booked"
    if problem:
        refuse("order_id", problem, ORDER_REFUSED)
