"""Inspecting: what returned goods cost us, where they go, and what the customer gets for them."""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import Payer, give_back, new_settlement, take
from activities.billing.invoicing import is_left
from activities.database.unit_of_work import UnitOfWork
from activities.returns.eligibility import returned_lines
from activities.stock.backorders import fill_shortages
from activities.stock.counters import Change, lock_stock, move
from models.billing import units_of
from models.messages.commands import InspectedUnits, InspectReturn
from models.money import part, round_half_up
from models.pricing import PricedLine
from models.progress import ShipmentState
from models.returns import (
    Disposition,
    ExchangeLine,
    RequestedOutcome,
    exchange_order_id,
)
from models.stock import MovementKind, ReservationState
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from models.tables.shipping import Shipment, TrackingRow
from models.tables.stock import Reservation
from models.tracking import TrackingStatus


class Inspected(NamedTuple):
    """Units of a line that somebody looked at: their disposition, cost and worth."""

    line: ReturnLine
    disposition: Disposition
    quantity: int
    cost_minor: int
    credited: PricedLine


def value_units(
    work: UnitOfWork,
    payer: Payer,
    row: ReturnRow,
    line: ReturnLine,
    units: int,
    wanted: InspectedUnits,
) -> Inspected:
    """What `units` of a line cost us, and what the customer gets for them: over all units of the
    line, exactly what was posted when they left; of an exchange, what was paid for them. Its parts
    come back in the order in which we heard that they arrived, each at what it cost: what leaves
    later changes nothing of what is back."""
    before = _settled_before(work.session, row.order_id, line.line_no)
    cost_minor = net_minor = 0
    for held in _arrived(work.session, row.order_id, line.line_no):
        first, until = max(0, before), min(held.quantity, before + units)
        if first < until:
            cost_minor += part(held.cost_minor, first, until - first, held.quantity)
            net_minor += part(held.revenue_minor, first, until - first, held.quantity)
        before -= held.quantity
    match wanted.disposition:
        case Disposition.RESTOCK:
            line.restocked += units
        case Disposition.SCRAP:
            line.scrapped += units
        case Disposition.TO_SUPPLIER:
            line.sent_back += units
        case Disposition.LOST:
            line.lost += units
    work.session.flush()
    ordered = work.session.get_one(OrderLineRow, (row.order_id, line.line_no))
    own = units_of(PricedLine.model_validate(ordered.model_dump()), units, net_minor)
    paid = take(payer, line.line_no, units) or own
    percent = work.rules.returns.percent(row.reason, wanted.condition)
    return Inspected(
        line=line,
        disposition=wanted.disposition,
        quantity=units,
        cost_minor=cost_minor,
        credited=units_of(paid, units, round_half_up(paid.net_minor * percent, 100)),
    )


def _arrived(session: Session, order_id: str, line_no: int) -> Sequence[Reservation]:
    """The parts of a line that were delivered, in the order in which we heard of it."""
    heard = (
        select(TrackingRow.shipment_id, func.min(col(TrackingRow.recorded_at)).label("heard_at"))
        .where(TrackingRow.status == TrackingStatus.DELIVERED)
        .group_by(col(TrackingRow.shipment_id))
        .subquery()
    )
    parts = (
        select(Reservation)
        .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
        .outerjoin(heard, heard.c.shipment_id == col(Shipment.shipment_id))
        .where(
            Reservation.order_id == order_id,
            Reservation.line_no == line_no,
            Reservation.state == ReservationState.SHIPPED,
            Shipment.state == ShipmentState.DELIVERED,
        )
        .order_by(
            func.coalesce(heard.c.heard_at, col(Shipment.delivered_at)),
            col(Reservation.location),
            col(Reservation.part),
        )
    )
    return session.exec(parts).all()


def restock(
    work: UnitOfWork,
    row: ReturnRow,
    looked_at: Sequence[Inspected],
    cause: str,
) -> tuple[str, ...]:
    """Put what can be sold again on the shelf; who waits for it gets it. Returns the orders whose
    date is another now."""
    back = [one for one in looked_at if one.disposition is Disposition.RESTOCK]
    if not back:
        return ()
    skus = {one.line.sku for one in back}
    lock_stock(work, skus, {(sku, row.location) for sku in skus})
    changes = [
        Change(
            movement_id=f"{cause}:{number}",
            cause=cause,
            kind=MovementKind.RETURN,
            sku=one.line.sku,
            location=row.location,
            on_hand=one.quantity,
            value_minor=one.cost_minor,
            order_id=row.order_id,
        )
        for number, one in enumerate(back)
    ]
    move(work, changes)
    return fill_shortages(work, skus, cause)


def settle_units(
    work: UnitOfWork,
    payer: Payer,
    row: ReturnRow,
    looked_at: Sequence[Inspected],
    command: InspectReturn,
) -> str:
    """What the customer gets: the same goods once more, if nothing of their price was given back
    before, or what is left of the price."""
    settlement = new_settlement(work, row.return_id)
    lines = [one.credited for one in looked_at]
    message = f"{row.return_id} is inspected"
    if row.wish is RequestedOutcome.EXCHANGE and is_left(work.session, payer.order, lines):
        settlement.exchange_order_id = _free_id(work.session, row.order_id)
        settlement.exchange_lines = [
            ExchangeLine(sku=one.line.sku, quantity=one.quantity, credited=one.credited).model_dump(
                mode="json"
            )
            for one in looked_at
        ]
        message += f"; {settlement.exchange_order_id} replaces it"
    else:
        reason = f"{row.return_id}: {command.reason}"
        given_back = give_back(work, payer, lines, reason, delivered=True)
        if given_back is None:
            return f"{message}; nothing of its price is left to give back"
        settlement.credit_note = given_back.credit_note.number
        settlement.refund_key = given_back.refund_key
        message += f"; {given_back.words}"
    work.session.add(settlement)
    return message


def _free_id(session: Session, order_id: str) -> str:
    """For the order that replaces goods: one that no order has, or is to have."""
    for number in count(1):
        free = exchange_order_id(order_id, number)
        promised = select(Settlement).where(Settlement.exchange_order_id == free)
        if session.get(Order, free) is None and session.exec(promised).first() is None:
            return free
    raise AssertionError("there are more numbers than orders")


def cost_of(looked_at: Sequence[Inspected], *dispositions: Disposition) -> int:
    return sum(one.cost_minor for one in looked_at if one.disposition in dispositions)


def _settled_before(session: Session, order_id: str, line_no: int) -> int:
    return sum(
        line.settled for line, _ in returned_lines(session, order_id) if line.line_no == line_no
    )
