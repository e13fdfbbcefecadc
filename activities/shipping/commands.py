"""Shipment control: a person's commands on shipments that won't arrive, or come back after all."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.billing.exchanges import Payer, payer_of
from activities.database.engine import Clock
from activities.ledger.posting import post
from activities.order_record.audit import note
from activities.order_record.progress import look, money_of, touch
from activities.order_record.targets import amount_of, location_of, shipment_of
from activities.shipping.claims import check_claimable, claims_of, file_claim, withdraw_claim
from activities.shipping.undelivered import forgo, give_price_back
from activities.stock.backorders import fill_shortages, orders_served
from activities.stock.counters import Change, lock_stock, move
from activities.stock.steps import let_go, serve
from models import ledger
from models.claims import ClaimState
from models.messages.commands import (
    SHIPMENT_REFUSED,
    Commanded,
    EndCallBack,
    FollowUp,
    GiveUp,
    RecoverShipment,
    RefundShipment,
    Reship,
    ShipmentCommand,
    refuse,
)
from models.messages.steps import Echo
from models.orders import Cancellation, ShipmentState
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


class ShipmentControl:
    """What people command on shipments."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def do(self, session: Session, command: ShipmentCommand) -> Commanded:
        """Do it, in the caller's transaction. Raises NoChange."""
        match command:
            case Reship():
                return self._reship(session, command)
            case RefundShipment():
                return self._refund(session, command)
            case RecoverShipment():
                return self._recover(session, command)
            case EndCallBack():
                return self._end_call_back(session, command)

    def _reship(self, session: Session, command: Reship) -> Commanded:
        given_up = self._give_up(session, command, ReservationState.LOST)
        order, _, shipment, rows, cause, *_ = given_up
        units = Counter[tuple[int, str]]()
        for row in rows:
            units[row.line_no, row.sku] += row.quantity
        needs = [
            Need(line_no=line_no, sku=sku, quantity=quantity)
            for (line_no, sku), quantity in sorted(units.items())
        ]
        # a cause of its own: what came back may have served the same line's shortage already
        serve(session, order, needs, f"{cause}:again", self._clock)
        return _done(session, command, given_up, f"{shipment.shipment_id} is sent again")

    def _refund(self, session: Session, command: RefundShipment) -> Commanded:
        order, shipment = shipment_of(session, command.shipment_id)
        if shipment.state in NOT_LEFT:
            return self._call_back(session, command, order, shipment)
        given_up = self._give_up(session, command, ReservationState.FORGONE)
        shipment_id, rows = given_up.shipment.shipment_id, given_up.rows
        reason, entry_id = f"{shipment_id}: {command.reason}", f"shipment_credited:{shipment_id}"
        words, follow_up = give_price_back(
            session, given_up.payer, rows, entry_id, reason, given_up.now
        )
        message = f"{shipment_id} is given up; {words}"
        return _done(session, command, given_up, message, follow_up)

    def _call_back(
        self, session: Session, command: RefundShipment, order: Order, shipment: Shipment
    ) -> Commanded:
        """Its carrier is asked before anything is given back: it may be on its way to fetch it."""
        _check_call_back(session, command, order, shipment)
        shipment_id, now = shipment.shipment_id, self._clock()
        shipment.called_back_by = command.command_id
        detail = f"{shipment_id} by {command.actor}: {command.reason}"
        note(session, order.order_id, "call_back", detail, now)
        touch(session, order, now)
        end = EndCallBack(
            command_id=f"{command.command_id}/end",
            shipment_id=shipment_id,
            reason=command.reason,
            actor=command.actor,
        )
        return Commanded(
            command=command,
            message=f"{shipment_id} is called back; its price follows once its carrier agrees",
            echo=Echo(cause=f"{command.kind}:{shipment_id}", orders=(order.order_id,)),
            follow_up=FollowUp(order_id=order.order_id, call_back=end),
        )

    def _end_call_back(self, session: Session, command: EndCallBack) -> Commanded:
        """What nobody fetches is given up, and is free for others."""
        order, shipment = shipment_of(session, command.shipment_id)
        shipment_id, cause = shipment.shipment_id, f"{command.kind}:{command.shipment_id}"
        shipment.called_back_by = None
        if not command.agreed or shipment.state not in NOT_LEFT:
            message, now = f"{shipment_id} goes its way: its carrier has it", self._clock()
            note(session, order.order_id, "call_back_refused", message, now)
            touch(session, order, now)
            echo = Echo(cause=cause, orders=(order.order_id,))
            return Commanded(command=command, message=message, echo=echo)
        payer = payer_of(session, order)
        its = col(Reservation.shipment_id) == shipment_id
        freed = let_go(session, order, its, cause, self._clock, waits_on=True)
        shipment.state = ShipmentState.CANCELLED
        for row in freed.rows:
            row.shipment_id = None
        detail = f"{shipment_id} by {command.actor}: {command.reason}"
        note(session, order.order_id, "given_up", detail, freed.now)
        reason, entry_id = f"{shipment_id}: {command.reason}", f"shipment_credited:{shipment_id}"
        forgo(session, order.order_id, freed.rows)
        words, follow_up = give_price_back(session, payer, freed.rows, entry_id, reason, freed.now)
        touch(session, order, freed.now)
        concerned = (order.order_id, payer.order.order_id, *freed.echo.orders)
        echo = freed.echo.model_copy(update={"orders": tuple(dict.fromkeys(concerned))})
        message = f"{shipment_id} is given up; {words}"
        return Commanded(command=command, message=message, echo=echo, follow_up=follow_up)

    def _recover(self, session: Session, command: RecoverShipment) -> Commanded:
        """What was written off is on the shelf again; its carrier owes us nothing for it."""
        order, shipment = _written_off(session, command.shipment_id)
        rows = _contents(session, shipment.shipment_id, *GIVEN_UP)
        location = location_of(session, command.location, SHIPMENT_REFUSED) or shipment.location
        cause, now = f"{command.kind}:{shipment.shipment_id}", self._clock()
        redated = _restock(session, shipment, rows, location, cause, now)
        cost_minor = sum(row.cost_minor for row in rows)
        entry = ledger.recovered_shipment_entry(
            shipment.shipment_id, order.order_id, order.currency, cost_minor
        )
        post(session, entry, now)
        shipment.problem = None
        detail = f"{shipment.shipment_id} at {location} by {command.actor}: {command.reason}"
        note(session, order.order_id, "recovered", detail, now)
        message = f"{shipment.shipment_id} is in stock again at {location}"
        for claim in claims_of(session, shipment.shipment_id):
            if claim.state is ClaimState.OPEN:
                withdraw_claim(session, order, claim, "as its goods are here again", now)
                message += f"; {claim.claim_id} is withdrawn"
            elif claim.state is ClaimState.SETTLED:
                paid = money_of(order, claim.settled_minor or 0)
                message += f"; {claim.claim_id} stays settled: {claim.carrier} has paid {paid}"
        found = _GivenUp(order, Payer(order), shipment, rows, cause, redated, now)
        return _done(session, command, found, message)

    def _give_up(self, session: Session, command: GiveUp, outcome: ReservationState) -> _GivenUp:
        """The goods won't arrive: what was posted when they left is taken back, they are lost or,
        where they came back, in stock again; the carrier owes us for what it lost."""
        order, shipment = _lost(session, command.shipment_id)
        payer = payer_of(session, order)
        rows = _contents(session, shipment.shipment_id, ReservationState.SHIPPED)
        restocked = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
        cause, now = f"{command.kind}:{shipment.shipment_id}", self._clock()
        redated: tuple[str, ...] = ()
        if restocked:
            redated = _restock(session, shipment, rows, shipment.location, cause, now)
        cost_minor = sum(row.cost_minor for row in rows)
        entry = ledger.failed_shipment_entry(
            shipment.shipment_id,
            order.order_id,
            order.currency,
            revenue_minor=sum(row.revenue_minor for row in rows),
            cost_minor=cost_minor,
            restocked=restocked,
        )
        post(session, entry, now)
        self._claim(session, command, order, shipment, 0 if restocked else cost_minor)
        for row in rows:
            row.state = outcome
        shipment.state = ShipmentState.FAILED
        detail = f"{shipment.shipment_id} by {command.actor}: {command.reason}"
        note(session, order.order_id, _EVENTS[outcome], detail, now)
        session.flush()
        return _GivenUp(order, payer, shipment, rows, cause, redated, now)

    def _claim(
        self,
        session: Session,
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
                for claim in claims_of(session, shipment.shipment_id)
            )
            owes = shipment.carrier and shipment.tracking in CARRIERS_FAULT and not claimed
            amount_minor = cost_minor if owes else 0
        else:
            amount_minor = amount_of(
                command.claim, order.currency, "claim", SHIPMENT_REFUSED, zero=True
            )
        if amount_minor:
            check_claimable(session, shipment, "claim")
            file_claim(session, order, shipment, amount_minor, command.reason, self._clock())


def _lost(session: Session, shipment_id: str) -> tuple[Order, Shipment]:
    """A shipment of which the carrier says that it won't arrive, and its order, locked."""
    order, shipment = shipment_of(session, shipment_id)
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
    """Raises NoChange."""
    shipment_id, problem = shipment.shipment_id, None
    if order.cancellation is not Cancellation.NONE:
        problem = f"goes with {order.order_id}, which is (being) cancelled"
    elif shipment.called_back_by:
        problem = (
            f"is being called back, by the command {shipment.called_back_by}: where that was ended "
            "from outside, the same again goes on"
        )
    elif not look(session, order).goods_left:
        problem = f"hasn't left, nor anything else of {order.order_id}: cancel the order instead"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    if command.claim is not None:
        reason = f"{shipment_id} hasn't left: no carrier owes us anything for it"
        refuse("claim", reason, SHIPMENT_REFUSED)


def _written_off(session: Session, shipment_id: str) -> tuple[Order, Shipment]:
    """A shipment that was given up and isn't here yet, and its order, locked."""
    order, shipment = shipment_of(session, shipment_id)
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
    session: Session,
    shipment: Shipment,
    rows: Sequence[Reservation],
    location: str,
    cause: str,
    now: datetime,
) -> tuple[str, ...]:
    """Put goods on the shelf again, at what they cost; who waits for them gets them. Returns the
    orders whose date is another now."""
    skus = {row.sku for row in rows}
    lock_stock(session, skus, {(sku, location) for sku in skus})
    move(session, [_back(row, location, cause) for row in rows], now)
    shipment.restocked_at = now
    return fill_shortages(session, skus, cause, now)


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
    session: Session,
    command: ShipmentCommand,
    given_up: _GivenUp,
    message: str,
    follow_up: FollowUp | None = None,
) -> Commanded:
    touch(session, given_up.order, given_up.now)
    served = orders_served(session, given_up.cause, given_up.redated)
    concerned = (given_up.order.order_id, given_up.payer.order.order_id, *served)
    orders = tuple(dict.fromkeys(concerned))
    echo = Echo(cause=given_up.cause, orders=orders)
    return Commanded(command=command, message=message, echo=echo, follow_up=follow_up)
