"""Shipping commands: failed shipments are reshipped, refunded or recovered; claims are filed,
settled and withdrawn."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.billing.exchanges import PaidOrder, lock_paid_order
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import money_of
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import (
    target_amount,
    target_location,
    target_shipment,
    why_paused,
)
from activities.shipping.claims import (
    check_claimable,
    claims_of,
    lock_open_claim,
    record_claim,
    record_settlement,
    record_withdrawal,
)
from activities.shipping.goods_issue import cancel_shipment, restock, set_cancelled
from activities.shipping.undelivered import (
    InvoicedUnits,
    cancel_undelivered,
    credit_undelivered,
    invoiced_units_of,
)
from activities.stock.counters import Change
from activities.stock.steps import allocate_or_backorder, release_reservations
from models import ledger
from models.claims import ClaimState
from models.messages.commands.base import ORDER_REFUSED, SHIPMENT_REFUSED, refuse
from models.messages.commands.results import CommandResult, FollowUp
from models.messages.commands.shipping import (
    EndRecall,
    FileClaim,
    RecoverShipment,
    RefundShipment,
    Reship,
    SettleClaim,
    ShipmentCommand,
    WithdrawClaim,
    WriteOffShipment,
)
from models.progress import Cancellation, ShipmentProblem, ShipmentState
from models.stock import MovementKind, Need, ReservationState
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus

NOT_LEFT = (ShipmentState.PLANNED, ShipmentState.BOOKED)
FAILURES = {ReservationState.RESHIPPED: "reshipped", ReservationState.WRITTEN_OFF: "given_up"}
"""The states of a failed shipment's units, reshipped or refunded, with their audit events."""
CLAIMED_AUTOMATICALLY = (TrackingStatus.LOST, TrackingStatus.DAMAGED)
"""Statuses for which a claim at cost is filed; an amount in the command replaces the cost."""


@executes(Reship)
def reship(work: UnitOfWork, command: Reship) -> CommandResult:
    """Resend the goods of a shipment that won't arrive: reserve or backorder them."""
    order, shipment = target_shipment(work, command.shipment_id)
    failed = _record_failure(work, command, order, shipment, ReservationState.RESHIPPED)
    units = Counter[tuple[int, str]]()
    for row in failed.rows:
        units[row.line_no, row.sku] += row.quantity
    needs = [
        Need(line_no=line_no, sku=sku, quantity=quantity)
        for (line_no, sku), quantity in sorted(units.items())
    ]
    # A separate cause: restocking may already have moved stock for this line under the first.
    allocate_or_backorder(work, order, needs, f"{_cause(command)}:again")
    save_progress(work, order)
    message = f"{command.shipment_id} is sent again"
    return CommandResult.done(command, message, orders=failed.notified)


@executes(RefundShipment)
def refund_shipment(work: UnitOfWork, command: RefundShipment) -> CommandResult:
    """Refund the price of an undeliverable shipment; recall one that hasn't left."""
    order, shipment = target_shipment(work, command.shipment_id)
    if read_progress(work.session, order).is_paused:
        refuse("order_id", why_paused(order.order_id), ORDER_REFUSED)
    if shipment.state in NOT_LEFT:
        return _recall(work, command, order, shipment)
    failed = _record_failure(work, command, order, shipment, ReservationState.WRITTEN_OFF)
    issued = invoiced_units_of(failed.rows, command.shipment_id)
    credited, follow_up = _credit(work, command, order, failed.payer, issued)
    save_progress(work, order)
    message = f"{command.shipment_id} is written off; {credited}"
    return CommandResult.done(command, message, orders=failed.notified, follow_up=follow_up)


def _recall(
    work: UnitOfWork, command: RefundShipment, order: Order, shipment: Shipment
) -> CommandResult:
    """Start a recall: first its carrier is asked, as the driver may be on the way."""
    _check_recall(work.session, command, order, shipment)
    shipment.called_back_by = command.command_id
    record_event(work, order.order_id, "call_back", _detail(command))
    save_progress(work, order)
    end = EndRecall(
        command_id=f"{command.command_id}:end",  # no operator's id: these have no colon
        shipment_id=shipment.shipment_id,
        reason=command.reason,
        actor=command.actor,
    )
    return CommandResult.done(
        command,
        f"{shipment.shipment_id} is being recalled; its price is refunded once the carrier agrees",
        orders=(order.order_id,),
        follow_up=FollowUp(order_id=order.order_id, recall=end),
    )


@executes(EndRecall)
def end_recall(work: UnitOfWork, command: EndRecall) -> CommandResult:
    """End a recall: cancel the shipment, release its goods and refund their price; or, where
    the carrier has the goods, leave it as it is."""
    order, shipment = target_shipment(work, command.shipment_id)
    shipment_id = shipment.shipment_id
    shipment.called_back_by = None
    if not command.agreed or shipment.state not in NOT_LEFT:
        message = f"{shipment_id} is not recalled: its carrier has it"
        if shipment.state is ShipmentState.CANCELLED:
            message = f"{shipment_id} was cancelled meanwhile"
        elif command.rebook:
            shipment.problem = ShipmentProblem.CHANGED_TOO_LATE
        record_event(work, order.order_id, "call_back_refused", message)
        save_progress(work, order)
        return CommandResult.done(command, message, orders=(order.order_id,))
    if command.rebook:
        cancel_shipment(work, shipment)
        record_event(work, order.order_id, "booking_cancelled", shipment_id)
        save_progress(work, order)
        message = f"{shipment_id} is cancelled; its goods are booked again"
        return CommandResult.done(command, message, orders=(order.order_id,))
    payer = lock_paid_order(work, order)
    of_shipment = col(Reservation.shipment_id) == shipment_id
    released = release_reservations(work, order, of_shipment, _cause(command), keeps_shortages=True)
    set_cancelled(work, shipment)
    for row in released.rows:
        row.shipment_id = None
    record_event(work, order.order_id, "given_up", _detail(command))
    invoiced = cancel_undelivered(work, order, released.rows)
    credited, follow_up = _credit(work, command, order, payer, invoiced)
    save_progress(work, order)
    return CommandResult.done(
        command,
        f"{shipment_id} is cancelled; {credited}",
        orders=(order.order_id, payer.order.order_id, *released.notification.orders),
        stock_keys=released.notification.stock_keys,
        follow_up=follow_up,
    )


@executes(RecoverShipment)
def recover_shipment(work: UnitOfWork, command: RecoverShipment) -> CommandResult:
    """Put the goods of a failed shipment into stock again; withdraw an open claim for them."""
    order, shipment = target_shipment(work, command.shipment_id)
    _check_recoverable(work, shipment)
    rows = _units(work.session, shipment.shipment_id, *FAILURES)
    location = target_location(work, command.location, SHIPMENT_REFUSED) or shipment.location
    notified = _restock(work, shipment, rows, location, _cause(command))
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
            record_withdrawal(work, order, claim, "as its goods are in stock again")
            message += f"; {claim.claim_id} is withdrawn"
        elif claim.state is ClaimState.SETTLED:
            paid = money_of(order, claim.settled_minor or 0)
            message += f"; {claim.claim_id} stays settled: {claim.carrier} has paid {paid}"
    save_progress(work, order)
    return CommandResult.done(command, message, orders=(order.order_id, *notified))


class _Failed(NamedTuple):
    """A failed shipment: its units, the order that paid for them, and the orders to notify."""

    payer: PaidOrder
    rows: Sequence[Reservation]
    notified: tuple[str, ...]


def _record_failure(
    work: UnitOfWork,
    command: WriteOffShipment,
    order: Order,
    shipment: Shipment,
    state: ReservationState,
) -> _Failed:
    """Record an undeliverable shipment as failed: reverse its goods issue, restock goods that the
    carrier returned, and claim what it lost or damaged. Raises CommandRefused."""
    _check_undeliverable(shipment)
    payer = lock_paid_order(work, order)
    rows = _units(work.session, shipment.shipment_id, ReservationState.SHIPPED)
    restocked = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
    served: tuple[str, ...] = ()
    if restocked:
        served = _restock(work, shipment, rows, shipment.location, _cause(command))
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
    _claim_loss(work, command, order, shipment, 0 if restocked else cost_minor)
    for row in rows:
        row.state = state
    shipment.state = ShipmentState.FAILED
    record_event(work, order.order_id, FAILURES[state], _detail(command))
    work.session.flush()
    return _Failed(payer, rows, (order.order_id, payer.order.order_id, *served))


def _claim_loss(
    work: UnitOfWork, command: WriteOffShipment, order: Order, shipment: Shipment, cost_minor: int
) -> None:
    """Claim the amount given in the command. Without one, claim the cost of goods that the carrier
    lost or damaged, unless a claim was filed before."""
    if command.claim is None:
        claimed = any(
            claim.state is not ClaimState.WITHDRAWN
            for claim in claims_of(work.session, shipment.shipment_id)
        )
        owes = shipment.carrier and shipment.tracking in CLAIMED_AUTOMATICALLY and not claimed
        amount_minor = cost_minor if owes else 0
    else:
        amount_minor = target_amount(
            command.claim, order.currency, "claim", SHIPMENT_REFUSED, zero=True
        )
    if amount_minor:
        check_claimable(work.session, shipment, "claim")
        record_claim(work, order, shipment, amount_minor, command.reason)


def _credit(
    work: UnitOfWork,
    command: RefundShipment | EndRecall,
    order: Order,
    payer: PaidOrder,
    undelivered: Sequence[InvoicedUnits],
) -> tuple[str, FollowUp | None]:
    entry_id = f"shipment_credited:{command.shipment_id}"
    return credit_undelivered(
        work, order, payer, undelivered, entry_id, f"{command.shipment_id}: {command.reason}"
    )


def _check_undeliverable(shipment: Shipment) -> None:
    """Check that the carrier reported that a shipment won't arrive. Raises CommandRefused."""
    shipment_id, problem = shipment.shipment_id, None
    if shipment.state is ShipmentState.FAILED:
        problem = "was reshipped or refunded before"
    elif shipment.state is ShipmentState.DELIVERED:
        problem = "was delivered: request a return instead"
    elif shipment.state is ShipmentState.CANCELLED:
        problem = "was recalled: its goods are in stock, or reserved for other orders"
    elif shipment.state is not ShipmentState.DISPATCHED:
        problem = "hasn't left"
    elif shipment.tracking is None or not shipment.tracking.needs_operator:
        problem = (
            "is on its way; if it won't arrive, record the carrier's report first "
            f"(`shipment event {shipment_id} STATUS`)"
        )
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)


def _check_recall(
    session: Session, command: RefundShipment, order: Order, shipment: Shipment
) -> None:
    """Check that a shipment that hasn't left can be recalled. Raises CommandRefused."""
    shipment_id, problem = shipment.shipment_id, None
    if order.cancellation is not Cancellation.NONE:
        problem = f"belongs to {order.order_id}, which is cancelled or being cancelled"
    elif shipment.called_back_by:
        problem = (
            f"is being recalled by the command {shipment.called_back_by}: repeat that command "
            "if its workflow was terminated"
        )
    elif not read_progress(session, order).goods_left:
        problem = f"hasn't left, nor anything else of {order.order_id}: cancel the order instead"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    if command.claim is not None:
        reason = f"{shipment_id} hasn't left, so there is nothing to claim from its carrier"
        refuse("claim", reason, SHIPMENT_REFUSED)


def _check_recoverable(work: UnitOfWork, shipment: Shipment) -> None:
    """Check that a shipment failed and isn't in stock again. Raises CommandRefused."""
    problem = None
    if shipment.state is not ShipmentState.FAILED:
        problem = f"is {shipment.state}: only reshipped or refunded shipments are recovered"
    elif shipment.restocked_at is not None:
        problem = f"is in stock again since {work.day_of(shipment.restocked_at)}"
    if problem:
        refuse("shipment_id", f"{shipment.shipment_id} {problem}", SHIPMENT_REFUSED)


def _units(session: Session, shipment_id: str, *states: ReservationState) -> list[Reservation]:
    """Read the units of a shipment in one of `states`."""
    rows = select(Reservation).where(
        Reservation.shipment_id == shipment_id, col(Reservation.state).in_(states)
    )
    return list(session.exec(rows.order_by(col(Reservation.line_no), col(Reservation.part))))


def _restock(
    work: UnitOfWork, shipment: Shipment, rows: Sequence[Reservation], location: str, cause: str
) -> tuple[str, ...]:
    """Put the units of a shipment into stock again; returns the orders to notify."""
    changes = [
        Change(
            movement_id=f"{cause}:{row.line_no}:{row.part}",
            cause=cause,
            kind=MovementKind.RETURN,
            sku=row.sku,
            location=location,
            on_hand=row.quantity,
            value_minor=row.cost_minor,
            order_id=row.order_id,
        )
        for row in rows
    ]
    notified = restock(work, changes)
    shipment.restocked_at = work.now
    return notified


def _cause(command: ShipmentCommand) -> str:
    """Return the cause of stock movements: each kind of command is executed once per shipment."""
    return f"{command.kind}:{command.shipment_id}"


def _detail(command: ShipmentCommand) -> str:
    return f"{command.shipment_id} by {command.actor}: {command.reason}"


@executes(FileClaim)
def file_claim(work: UnitOfWork, command: FileClaim) -> CommandResult:
    """File a claim against the carrier of a shipment."""
    order, shipment = target_shipment(work, command.shipment_id)
    check_claimable(work.session, shipment, "shipment_id")
    amount_minor = target_amount(command.amount, order.currency, "amount", SHIPMENT_REFUSED)
    claim = record_claim(work, order, shipment, amount_minor, command.reason)
    save_progress(work, order)
    amount = money_of(order, amount_minor)
    message = f"{claim.claim_id} is filed against {claim.carrier}: {amount}"
    return CommandResult.done(command, message)


@executes(SettleClaim)
def settle_claim(work: UnitOfWork, command: SettleClaim) -> CommandResult:
    """Settle a claim that the carrier paid, in whole or in part."""
    order, claim = lock_open_claim(work, command.claim_id)
    paid_minor = target_amount(command.amount, order.currency, "amount", SHIPMENT_REFUSED)
    claimed = money_of(order, claim.amount_minor)
    if paid_minor > claim.amount_minor:
        reason = f"is more than the {claimed} of {claim.claim_id}"
        refuse("amount", reason, SHIPMENT_REFUSED)
    record_settlement(work, order, claim, paid_minor, f"by {command.actor}: {command.reason}")
    save_progress(work, order)
    paid = money_of(order, paid_minor)
    message = f"{claim.claim_id} is settled: {claim.carrier} has paid {paid} of {claimed}"
    return CommandResult.done(command, message)


@executes(WithdrawClaim)
def withdraw_claim(work: UnitOfWork, command: WithdrawClaim) -> CommandResult:
    """Withdraw a claim: the carrier owes nothing."""
    order, claim = lock_open_claim(work, command.claim_id)
    record_withdrawal(work, order, claim, f"by {command.actor}: {command.reason}")
    save_progress(work, order)
    message = f"{claim.claim_id} is withdrawn: {claim.carrier} owes us nothing for it"
    return CommandResult.done(command, message)
