"""Inspecting: what returned goods cost us, where they go, and what the customer gets for them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.backorders import fill_shortages
from activities.invoicing import credit_units, is_left
from activities.refunds import ask_credit_back
from activities.returnable import returned_lines
from activities.stock import Change, lock_stock, move
from models.billing import units_of
from models.commands import (
    RETURN_REFUSED,
    InspectedUnits,
    InspectReturn,
    refuse,
)
from models.money import round_half_up
from models.orders import PricedLine, ShipmentState
from models.returns import (
    Disposition,
    ReturnRules,
    ReturnWish,
    exchange_order_id,
)
from models.stock import MovementKind, ReservationState
from models.tables import (
    Order,
    OrderLineRow,
    Reservation,
    ReturnLine,
    ReturnRow,
    Settlement,
    Shipment,
    TrackingRow,
)
from models.tracking import TrackingStatus


class Inspected(NamedTuple):
    """Units of a line that somebody looked at: their disposition, cost and worth."""

    line: ReturnLine
    disposition: Disposition
    quantity: int
    cost_minor: int
    credited: PricedLine


def value_units(
    session: Session,
    order: Order,
    row: ReturnRow,
    line: ReturnLine,
    units: int,
    wanted: InspectedUnits,
    rules: ReturnRules,
) -> Inspected:
    """What `units` of a line cost us, and what the customer gets for them: over all units of the
    line, exactly what was posted when they left. Its parts come back in the order in which we heard
    that they arrived, each at what it cost: what leaves later changes nothing of what is back."""
    before = _inspected_before(session, order.order_id, line.line_no)
    cost_minor = net_minor = 0
    for part in _arrived(session, order.order_id, line.line_no):
        first, until = max(0, before), min(part.quantity, before + units)
        if first < until:
            cost_minor += _part(part.cost_minor, first, until - first, part.quantity)
            net_minor += _part(part.revenue_minor, first, until - first, part.quantity)
        before -= part.quantity
    match wanted.disposition:
        case Disposition.RESTOCK:
            line.restocked += units
        case Disposition.SCRAP:
            line.scrapped += units
        case Disposition.TO_SUPPLIER:
            line.sent_back += units
    session.flush()
    net_minor = round_half_up(net_minor * rules.percent(row.reason, wanted.condition), 100)
    priced = session.get_one(OrderLineRow, (order.order_id, line.line_no))
    return Inspected(
        line=line,
        disposition=wanted.disposition,
        quantity=units,
        cost_minor=cost_minor,
        credited=units_of(PricedLine.model_validate(priced.model_dump()), units, net_minor),
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


def _part(amount_minor: int, before: int, units: int, of: int) -> int:
    """What `units` are of an amount, after `before` others: all of them are all of it."""
    until = round_half_up(amount_minor * (before + units), of)
    return until - round_half_up(amount_minor * before, of)


def restock(
    session: Session, row: ReturnRow, looked_at: Sequence[Inspected], cause: str, now: datetime
) -> tuple[str, ...]:
    """Put what can be sold again on the shelf; who waits for it gets it. Returns the orders whose
    date is another now."""
    back = [one for one in looked_at if one.disposition is Disposition.RESTOCK]
    if not back:
        return ()
    skus = {one.line.sku for one in back}
    lock_stock(session, skus, {(sku, row.location) for sku in skus})
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
    move(session, changes, now)
    return fill_shortages(session, skus, cause, now)


def settle(
    session: Session,
    order: Order,
    row: ReturnRow,
    looked_at: Sequence[Inspected],
    command: InspectReturn,
    now: datetime,
) -> str:
    """What the customer gets: the price back, or the same goods once more."""
    before = select(func.count()).select_from(Settlement)
    number = session.exec(before.where(Settlement.return_id == row.return_id)).one() + 1
    settlement = Settlement(
        settlement_id=f"{row.return_id}/{number}", return_id=row.return_id, settled_at=now
    )
    message = f"{row.return_id} is inspected"
    if row.wish is ReturnWish.EXCHANGE:
        if not is_left(session, order, [one.credited for one in looked_at]):
            reason = "its price was given back already: settle it without an exchange"
            refuse("return_id", f"{row.return_id}: {reason}", RETURN_REFUSED)
        settlement.exchange_order_id = _free_id(session, order.order_id)
        settlement.exchange_lines = [
            {"sku": one.line.sku, "quantity": one.quantity} for one in looked_at
        ]
        message += f"; {settlement.exchange_order_id} replaces it"
    else:
        lines = [one.credited for one in looked_at]
        reason = f"{row.return_id}: {command.reason}"
        credit_note = credit_units(session, order, lines, reason, now, delivered=True)
        if credit_note is None:
            return f"{message}; nothing of its price is left to give back"
        settlement.credit_note = credit_note.number
        refund, credited = ask_credit_back(session, order, credit_note, reason, now)
        settlement.refund_key = refund.refund_key if refund else None
        message += f"; {credited}"
    session.add(settlement)
    return message


def _free_id(session: Session, order_id: str) -> str:
    """For the order that replaces goods: one that no order has, or is to have."""
    for number in count(1):
        free = exchange_order_id(order_id, number)
        promised = select(Settlement).where(Settlement.exchange_order_id == free)
        if session.get(Order, free) is None and session.exec(promised).first() is None:
            return free
    raise AssertionError("there are more numbers than orders")


def cost_of(looked_at: Sequence[Inspected], disposition: Disposition) -> int:
    return sum(one.cost_minor for one in looked_at if one.disposition is disposition)


def _inspected_before(session: Session, order_id: str, line_no: int) -> int:
    return sum(
        line.inspected for line, _ in returned_lines(session, order_id) if line.line_no == line_no
    )
