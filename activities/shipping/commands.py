"""Shipment control: a person's commands on shipments that won't arrive, or come back after all."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.billing.exchanges import Payer, payer_of
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import money_of
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import amount_of, location_of, shipment_of
from activities.shipping.claims import check_claimable, claims_of, record_claim, record_withdrawal
from activities.shipping.undelivered import refund_price, write_off_undelivered
from activities.stock.backorders import fill_shortages, orders_served
from activities.stock.counters import Change, lock_stock, move
from activities.stock.steps import allocate_or_backorder, release_reservations
from models import ledger
from models.claims import ClaimState
from models.messages.commands import (
    SHIPMENT_REFUSED,
    CommandResult,
    EndCallBack,
    FollowUp,
    GiveUp,
    RecoverShipment,
    RefundShipment,
    Reship,
    ShipmentCommand,
    refuse,
)
from models.messages.steps import Notification
from models.progress import Cancellation, ShipmentState
from models.stock import MovementKind, Need, ReservationState
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus

GIVEN_UP = (ReservationState.LOST, ReservationState.FORGONE)
_EVENTS = {ReservationState.LOST: "reshipped", ReservationState.FORGONE: "given_up"}
CARRIERS_FAULT = (TrackingStatus.LOST, TrackingStatus.DAMAGED)
"""What a carrier owes us for, unless a person says otherwise."""
NOT_LEFT = (ShipmentState.PLANNED, ShipmentState.BOOKED)


class _GivenUp(NamedTuple):
    """A shipment that is given up, its order and who has paid for it, and what was in it."""

    order: Order
    payer: Payer
    shipment: Shipment
    rows: Sequence[Reservation]
    cause: str
    redated: tuple[str, ...]
    now: datetime


@executes(Reship)
def reship(work: UnitOfWork, command: Reship) -> CommandResult:
    given_up = _give_up(work, command, ReservationState.LOST)
    order, _, shipment, rows, cause, *_ = given_up
    units = Counter[tuple[int, str]]()
    for row in rows:
        units[row.line_no, row.sku] += row.quantity
    needs = [
        Need(line_no=line_no, sku=sku, quantity=quantity)
        for (line_no, sku), quantity in sorted(units.items())
    ]
    # a cause of its own: what came back may have served the same line's shortage already
    allocate_or_backorder(work, order, needs, f"{cause}:again")
    return _done(work, command, given_up, f"{shipment.shipment_id} is sent again")


@executes(RefundShipment)
def refund_shipment(work: UnitOfWork, command: RefundShipment) -> CommandResult:
    order, shipment = shipment_of(work, command.shipment_id)
    if shipment.state in NOT_LEFT:
        return _call_back(work, command, order, shipment)
    given_up = _give_up(work, command, ReservationState.FORGONE)
    shipment_id, rows = given_up.shipment.shipment_id, given_up.rows
    reason, entry_id = f"{shipment_id}: {command.reason}", f"shipment_credited:{shipment_id}"
    words, follow_up = refund_price(work, given_up.payer, rows, entry_id, reason)
    message = f"{shipment_id} is given up; {words}"
    return _done(work, command, given_up, message, follow_up)


@executes(EndCallBack)
def end_call_back(work: UnitOfWork, command: EndCallBack) -> CommandResult:
    """What nobody fetches is given up, and is free for others."""
    order, shipment = shipment_of(work, command.shipment_id)
    shipment_id, cause = shipment.shipment_id, f"{command.kind}:{command.shipment_id}"
    shipment.called_back_by = None
    if not command.agreed or shipment.state not in NOT_LEFT:
        message = f"{shipment_id} goes its way: its carrier has it"
        record_event(work, order.order_id, "call_back_refused", message)
        save_progress(work, order)
        notification = Notification(cause=cause, orders=(order.order_id,))
        return CommandResult(command=command, message=message, notification=notification)
    payer = payer_of(work, order)
    its = col(Reservation.shipment_id) == shipment_id
    freed = release_reservations(work, order, its, cause, keeps_shortages=True)
    shipment.state = ShipmentState.CANCELLED
    for row in freed.rows:
        row.shipment_id = None
    detail = f"{shipment_id} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "given_up", detail)
    reason, entry_id = f"{shipment_id}: {command.reason}", f"shipment_credited:{shipment_id}"
    write_off_undelivered(work, order.order_id, freed.rows)
    words, follow_up = refund_price(work, payer, freed.rows, entry_id, reason)
    save_progress(work, order)
    concerned = (order.order_id, payer.order.order_id, *freed.notification.orders)
    notification = freed.notification.model_copy(update={"orders": tuple(dict.fromkeys(concerned))})
    message = f"{shipment_id} is given up; {words}"
    return CommandResult(
        command=command, message=message, notification=notification, follow_up=follow_up
    )


@executes(RecoverShipment)
def recover_shipment(work: UnitOfWork, command: RecoverShipment) -> CommandResult:
    """What was written off is on the shelf again; its carrier owes us nothing for it."""
    order, shipment = _written_off(work, command.shipment_id)
    rows = _contents(work.session, shipment.shipment_id, *GIVEN_UP)
    location = location_of(work, command.location, SHIPMENT_REFUSED) or shipment.location
    cause = f"{command.kind}:{shipment.shipment_id}"
    redated = _restock(work, shipment, rows, location, cause)
    cost_minor = sum(row.cost_minor for row in rows)
    entry = ledger.recovered_shipment_entry(
        shipment.shipment_id, order.order_id, order.currency, cost_minor
    )
    post(work, entry)
    shipment.problem = None
    detail = f"{shipment.shipment_id} at {location} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "recovered", detail)
    message = f"{shipment.shipment_id} is in stock again at {location}"
    for claim in claims_of(work.session, shipment.shipment_id):
        if claim.state is ClaimState.OPEN:
            record_withdrawal(work, order, claim, "as its goods are here again")
            message += f"; {claim.claim_id} is withdrawn"
        elif claim.state is ClaimState.SETTLED:
            paid = money_of(order, claim.settled_minor or 0)
            message += f"; {claim.claim_id} stays settled: {claim.carrier} has paid {paid}"
    found = _GivenUp(order, Payer(order), shipment, rows, cause, redated, work.now)
    return _done(work, command, found, message)


def _call_back(
    work: UnitOfWork, command: RefundShipment, order: Order, shipment: Shipment
) -> CommandResult:
    """Its carrier is asked before anything is given back: it may be on its way to fetch it."""
    _check_call_back(work.session, command, order, shipment)
    shipment_id = shipment.shipment_id
    shipment.called_back_by = command.command_id
    detail = f"{shipment_id} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "call_back", detail)
    save_progress(work, order)
    end = EndCallBack(
        command_id=f"{command.command_id}/end",
        shipment_id=shipment_id,
        reason=command.reason,
        actor=command.actor,
    )
    return CommandResult(
        command=command,
        message=f"{shipment_id} is called back; its price follows once its carrier agrees",
        notification=Notification(cause=f"{command.kind}:{shipment_id}", orders=(order.order_id,)),
        follow_up=FollowUp(order_id=order.order_id, call_back=end),
    )


def _give_up(work: UnitOfWork, command: GiveUp, outcome: ReservationState) -> _GivenUp:
    """The goods won't arrive: what was posted when they left is taken back, they are lost or,
    where they came back, in stock again; the carrier owes us for what it lost."""
    order, shipment = _lost(work, command.shipment_id)
    payer = payer_of(work, order)
    rows = _contents(work.session, shipment.shipment_id, ReservationState.SHIPPED)
    restocked = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
    cause = f"{command.kind}:{shipment.shipment_id}"
    redated: tuple[str, ...] = ()
    if restocked:
        redated = _restock(work, shipment, rows, shipment.location, cause)
    cost_minor = sum(row.cost_minor for row in rows)
    entry = ledger.failed_shipment_entry(
        shipment.shipment_id,
        order.order_id,
        order.currency,
        revenue_minor=sum(row.revenue_minor for row in rows),
        cost_minor=cost_minor,
        restocked=restocked,
    )
    post(work, entry)
    _claim(work, command, order, shipment, 0 if restocked else cost_minor)
    for row in rows:
        row.state = outcome
    shipment.state = ShipmentState.FAILED
    detail = f"{shipment.shipment_id} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, _EVENTS[outcome], detail)
    work.session.flush()
    return _GivenUp(order, payer, shipment, rows, cause, redated, work.now)


def _claim(
    work: UnitOfWork,
    command: GiveUp,
    order: Order,
    shipment: Shipment,
    cost_minor: int,
) -> None:
    """Unless a person says how much: what was lost or damaged, where nothing was claimed for it
    before."""
    if command.claim is None:
        claimed = any(
            claim.state is not ClaimState.WITHDRAWN
            for claim in claims_of(work.session, shipment.shipment_id)
        )
        owes = shipment.carrier and shipment.tracking in CARRIERS_FAULT and not claimed
        amount_minor = cost_minor if owes else 0
    else:
        amount_minor = amount_of(
            command.claim, order.currency, "claim", SHIPMENT_REFUSED, zero=True
        )
    if amount_minor:
        check_claimable(work.session, shipment, "claim")
        record_claim(work, order, shipment, amount_minor, command.reason)


def _lost(work: UnitOfWork, shipment_id: str) -> tuple[Order, Shipment]:
    """A shipment of which the carrier says that it won't arrive, and its order, locked."""
    order, shipment = shipment_of(work, shipment_id)
    problem = None
    if shipment.state is ShipmentState.FAILED:
        problem = "was given up before"
    elif shipment.state is ShipmentState.DELIVERED:
        problem = "was delivered: what comes back is a return"
    elif shipment.state is ShipmentState.CANCELLED:
        problem = "was called back: its goods are here, or with others"
    elif shipment.state is not ShipmentState.DISPATCHED:
        problem = "hasn't left"
    elif shipment.tracking is None or not shipment.tracking.wants_a_person:
        problem = f"is on its way; if it won't arrive, say so first: shipment event {shipment_id}"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    return order, shipment


def _check_call_back(
    session: Session, command: RefundShipment, order: Order, shipment: Shipment
) -> None:
    """Raises CommandRefused."""
    shipment_id, problem = shipment.shipment_id, None
    if order.cancellation is not Cancellation.NONE:
        problem = f"goes with {order.order_id}, which is (being) cancelled"
    elif shipment.called_back_by:
        problem = (
            f"is being called back, by the command {shipment.called_back_by}: where that was ended "
            "from outside, the same again goes on"
        )
    elif not read_progress(session, order).goods_left:
        problem = f"hasn't left, nor anything else of {order.order_id}: cancel the order instead"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    if command.claim is not None:
        reason = f"{shipment_id} hasn't left: no carrier owes us anything for it"
        refuse("claim", reason, SHIPMENT_REFUSED)


def _written_off(work: UnitOfWork, shipment_id: str) -> tuple[Order, Shipment]:
    """A shipment that was given up and isn't here yet, and its order, locked."""
    order, shipment = shipment_of(work, shipment_id)
    problem = None
    if shipment.state is not ShipmentState.FAILED:
        problem = f"is {shipment.state}: only what was given up is recovered"
    elif shipment.restocked_at is not None:
        problem = f"is in stock again since {shipment.restocked_at:%Y-%m-%d}"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    return order, shipment


def _contents(session: Session, shipment_id: str, *states: ReservationState) -> list[Reservation]:
    """What of a shipment is in one of `states`."""
    rows = select(Reservation).where(
        Reservation.shipment_id == shipment_id, col(Reservation.state).in_(states)
    )
    return list(session.exec(rows.order_by(col(Reservation.line_no), col(Reservation.part))))


def _restock(
    work: UnitOfWork,
    shipment: Shipment,
    rows: Sequence[Reservation],
    location: str,
    cause: str,
) -> tuple[str, ...]:
    """Put goods on the shelf again, at what they cost; who waits for them gets them. Returns the
    orders whose date is another now."""
    skus = {row.sku for row in rows}
    lock_stock(work, skus, {(sku, location) for sku in skus})
    move(work, [_back(row, location, cause) for row in rows])
    shipment.restocked_at = work.now
    return fill_shortages(work, skus, cause)


def _back(row: Reservation, location: str, cause: str) -> Change:
    return Change(
        movement_id=f"{cause}:{row.line_no}:{row.part}",
        cause=cause,
        kind=MovementKind.RETURN,
        sku=row.sku,
        location=location,
        on_hand=row.quantity,
        value_minor=row.cost_minor,
        order_id=row.order_id,
    )


def _done(
    work: UnitOfWork,
    command: ShipmentCommand,
    given_up: _GivenUp,
    message: str,
    follow_up: FollowUp | None = None,
) -> CommandResult:
    save_progress(work, given_up.order)
    served = orders_served(work, given_up.cause, given_up.redated)
    concerned = (given_up.order.order_id, given_up.payer.order.order_id, *served)
    orders = tuple(dict.fromkeys(concerned))
    notification = Notification(cause=given_up.cause, orders=orders)
    return CommandResult(
        command=command, message=message, notification=notification, follow_up=follow_up
    )
