"""Order control: a person's commands on orders, beside what their workflows are asked for."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import payer_of
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.problems import acknowledge_problems
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import order_of
from activities.shipping.goods_issue import put_back
from activities.shipping.undelivered import refund_price, write_off_undelivered
from activities.stock.steps import release_reservations
from models.messages.commands import (
    ORDER_REFUSED,
    Acknowledge,
    CancelRest,
    CommandResult,
    refuse,
)
from models.messages.steps import Notification
from models.progress import Cancellation, Progress, ShipmentState
from models.shipping import FreightMode
from models.stock import ReservationState
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage


@executes(CancelRest)
def cancel_rest(work: UnitOfWork, command: CancelRest) -> CommandResult:
    """What hasn't left, and no carrier is asked to fetch, won't come."""
    order = order_of(work, command.order_id)
    uncollected = _uncollected(work.session, order.order_id)
    _check_rest(read_progress(work.session, order), len(uncollected))
    payer = payer_of(work, order)
    for shipment in uncollected:
        put_back(work, shipment)
    cause = f"{command.kind}:{command.command_id}"
    held = col(Reservation.state) == ReservationState.HELD
    freed = release_reservations(work, order, held, cause)
    rest = [*freed.rows, *_never_here(work.session, freed.waiting)]
    units = sum(row.quantity for row in rest)
    detail = f"{units} units by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "rest_cancelled", detail)
    entry_id = f"rest_credited:{command.command_id}"
    write_off_undelivered(work, order.order_id, rest)
    words, follow_up = refund_price(work, payer, rest, entry_id, command.reason)
    save_progress(work, order)
    orders = tuple(dict.fromkeys((order.order_id, *freed.notification.orders)))
    return CommandResult(
        command=command,
        message=f"{units} units of {order.order_id} are given up; {words}",
        notification=Notification(cause=cause, orders=orders, places=freed.notification.places),
        follow_up=follow_up,
    )


@executes(Acknowledge)
def acknowledge(work: UnitOfWork, command: Acknowledge) -> CommandResult:
    """What happened to the order's money or goods is shown no longer."""
    order = order_of(work, command.order_id)
    acknowledged = acknowledge_problems(work.session, order)
    if not acknowledged:
        reason = f"nothing of {order.order_id} is to be seen to"
        refuse("order_id", reason, ORDER_REFUSED)
    codes = ", ".join(acknowledged)
    detail = f"{codes} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "acknowledged", detail)
    save_progress(work, order)
    notification = Notification(
        cause=f"{command.kind}:{command.command_id}", orders=(order.order_id,)
    )
    return CommandResult(command=command, message=f"seen to: {codes}", notification=notification)


def _uncollected(session: Session, order_id: str) -> Sequence[Shipment]:
    """Shipments that the customer was to collect, and hasn't."""
    query = select(Shipment).where(
        Shipment.order_id == order_id,
        Shipment.mode == FreightMode.HAND_OVER,
        Shipment.state == ShipmentState.PLANNED,
    )
    return session.exec(query.order_by(Shipment.shipment_id)).all()


def _check_rest(known: Progress, uncollected: int) -> None:
    """Raises CommandRefused."""
    order_id, problem = known.order_id, None
    if known.cancellation is not Cancellation.NONE:
        problem = f"{order_id} is (being) cancelled"
    elif known.fulfilled:
        problem = f"{order_id} is delivered: what comes back is a return"
    elif not known.goods_left:
        problem = f"nothing of {order_id} has left: cancel the order instead"
    elif not known.held + known.backordered + uncollected:
        problem = f"{order_id} waits for nothing: what is planned or booked goes its way"
    if problem:
        refuse("order_id", problem, ORDER_REFUSED)


def _never_here(session: Session, waiting: Sequence[Shortage]) -> list[Reservation]:
    """What an order waited for, as parts of its lines."""
    return [
        Reservation(
            order_id=short.order_id,
            line_no=short.line_no,
            location=short.location,
            part=_parts(session, short) + 1,
            sku=short.sku,
            quantity=short.quantity - short.filled,
            state=ReservationState.RELEASED,
        )
        for short in waiting
    ]


def _parts(session: Session, short: Shortage) -> int:
    """How many its line has at its location."""
    count = select(func.count()).select_from(Reservation)
    return session.exec(
        count.where(
            Reservation.order_id == short.order_id,
            Reservation.line_no == short.line_no,
            Reservation.location == short.location,
        )
    ).one()
