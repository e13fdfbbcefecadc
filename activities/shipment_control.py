"""Shipment control: a person's commands on shipments that won't arrive."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.backorders import fill_shortages, orders_served
from activities.commanding import amount_of
from activities.database.engine import Clock
from activities.exchanges import Payer, payer_of
from activities.forgoing import give_price_back
from activities.inventory import serve
from activities.ledger import post
from activities.progress import find_order, money_of, note, touch
from activities.stock import Change, lock_stock, move
from models import ledger
from models.commands import (
    SHIPMENT_REFUSED,
    UNKNOWN,
    Commanded,
    FollowUp,
    RefundShipment,
    Reship,
    ShipmentCommand,
    refuse,
)
from models.messages import Echo
from models.orders import ShipmentState
from models.stock import MovementKind, Need, ReservationState
from models.tables import Claim, Order, Reservation, Shipment
from models.tracking import TrackingStatus

_EVENTS = {ReservationState.LOST: "reshipped", ReservationState.FORGONE: "given_up"}


CARRIERS_FAULT = (TrackingStatus.LOST, TrackingStatus.DAMAGED)
"""What a carrier owes us for, unless a person says otherwise."""


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
        given_up = self._give_up(session, command, ReservationState.FORGONE)
        shipment_id, rows = given_up.shipment.shipment_id, given_up.rows
        reason, entry_id = f"{shipment_id}: {command.reason}", f"shipment_credited:{shipment_id}"
        words, follow_up = give_price_back(
            session, given_up.payer, rows, entry_id, reason, given_up.now
        )
        message = f"{shipment_id} is given up; {words}"
        return _done(session, command, given_up, message, follow_up)

    def _give_up(
        self, session: Session, command: ShipmentCommand, outcome: ReservationState
    ) -> _GivenUp:
        """The goods won't arrive: what was posted when they left is taken back, they are lost or,
        where they came back, in stock again; the carrier owes us for what it lost."""
        order, shipment = _lost(session, command.shipment_id)
        payer = payer_of(session, order)
        rows = _shipped(session, shipment.shipment_id)
        restocked = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
        cause, now = f"{command.kind}:{shipment.shipment_id}", self._clock()
        redated: tuple[str, ...] = ()
        if restocked:
            skus = {row.sku for row in rows}
            lock_stock(session, skus)
            move(session, [_back(row, cause) for row in rows], now)
            redated = fill_shortages(session, skus, cause, now)
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
        command: ShipmentCommand,
        order: Order,
        shipment: Shipment,
        cost_minor: int,
    ) -> None:
        owes = shipment.carrier and shipment.tracking in CARRIERS_FAULT
        amount_minor = cost_minor if owes else 0
        if command.claim is not None:
            amount_minor = amount_of(
                command.claim, order.currency, "claim", SHIPMENT_REFUSED, zero=True
            )
        if not amount_minor:
            return
        claim = Claim(
            claim_id=f"CL-{shipment.shipment_id}",
            shipment_id=shipment.shipment_id,
            carrier=shipment.carrier or "",
            amount_minor=amount_minor,
            currency=order.currency,
            reason=command.reason,
            claimed_at=self._clock(),
        )
        session.add(claim)
        entry = ledger.claim_entry(claim.claim_id, order.order_id, order.currency, amount_minor)
        post(session, entry, claim.claimed_at)
        detail = f"{claim.claim_id} against {claim.carrier}: {money_of(order, amount_minor)}"
        note(session, order.order_id, "claimed", detail, claim.claimed_at)


def _lost(session: Session, shipment_id: str) -> tuple[Order, Shipment]:
    """A shipment of which the carrier says that it won't arrive, and its order, locked."""
    found = session.get(Shipment, shipment_id)
    order = find_order(session, found.order_id) if found else None
    if order is None:
        refuse("shipment_id", f"there is no shipment {shipment_id!r}", UNKNOWN)
    shipment = session.get_one(Shipment, shipment_id, populate_existing=True)
    problem = None
    if shipment.state is ShipmentState.FAILED:
        problem = "was given up before"
    elif shipment.state is ShipmentState.DELIVERED:
        problem = "was delivered: what comes back is a return"
    elif shipment.state is not ShipmentState.DISPATCHED:
        problem = "hasn't left"
    elif shipment.tracking is None or not shipment.tracking.wants_a_person:
        problem = f"is on its way; if it won't arrive, say so first: shipment event {shipment_id}"
    if problem:
        refuse("shipment_id", f"{shipment_id} {problem}", SHIPMENT_REFUSED)
    return order, shipment


def _shipped(session: Session, shipment_id: str) -> list[Reservation]:
    rows = select(Reservation).where(
        Reservation.shipment_id == shipment_id, Reservation.state == ReservationState.SHIPPED
    )
    return list(session.exec(rows.order_by(col(Reservation.line_no), col(Reservation.part))))


def _back(row: Reservation, cause: str) -> Change:
    return Change(
        movement_id=f"{cause}:{row.line_no}:{row.part}",
        cause=cause,
        kind=MovementKind.RETURN,
        sku=row.sku,
        location=row.location,
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
