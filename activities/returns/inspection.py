"""Inspection: the cost, disposition and settlement of returned units."""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import (
    PaidOrder,
    credit_and_refund,
    new_settlement,
    settle_units,
)
from activities.billing.invoicing import CreditedLine, is_creditable
from activities.database.unit_of_work import UnitOfWork
from activities.returns.eligibility import returned_lines
from activities.shipping.goods_issue import restock
from activities.stock.counters import Change
from models.billing import credited_percent
from models.messages.commands.returns import InspectedUnits
from models.money import share_of_units
from models.pricing import PricedLine
from models.progress import ShipmentState
from models.returns import Disposition, ExchangeLine, RequestedOutcome, exchange_order_id
from models.stock import MovementKind, ReservationState
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from models.tables.shipping import Shipment, TrackingRow
from models.tables.stock import Reservation
from models.tracking import TrackingStatus


class Inspected(NamedTuple):
    """Inspected units of a return line: their disposition, cost and price."""

    line: ReturnLine
    disposition: Disposition
    quantity: int
    cost_minor: int
    credited: PricedLine
    """The price to refund, as a line of the order that was paid."""
    parts: tuple[CreditedLine, ...]
    """The same by the shipment with which the units came, where each has an invoice of its own."""


def inspect_units(
    work: UnitOfWork,
    payer: PaidOrder,
    row: ReturnRow,
    line: ReturnLine,
    units: int,
    wanted: InspectedUnits,
) -> Inspected:
    """Record the disposition of units of a line, with their cost and their price.

    Units are valued as posted at goods issue, those of an exchange at what was paid for them: over
    all units of a line exactly the whole amounts.
    """
    before = _settled_before(work.session, row.order_id, line.line_no)
    posted = _posted(work.session, row.order_id, line.line_no, before, units)
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
    net_minor = sum(part.revenue_minor for part in posted)
    paid = settle_units(payer, ordered, units, net_minor, before=before)
    percent = work.rules.returns.percent(row.reason, wanted.condition)
    credited = credited_percent(paid, percent)
    parts = [CreditedLine(credited)]
    if payer.order.invoiced_by_delivery and not payer.is_exchange:
        parts = _credited_parts(payer, ordered, posted, before, percent)
    return Inspected(
        line=line,
        disposition=wanted.disposition,
        quantity=units,
        cost_minor=sum(part.cost_minor for part in posted),
        credited=credited,
        parts=tuple(parts),
    )


class _PostedPart(NamedTuple):
    """Units that came with one shipment, and what was posted for them at goods issue."""

    shipment_id: str | None
    units: int
    cost_minor: int
    revenue_minor: int


def _credited_parts(
    payer: PaidOrder, line: OrderLineRow, posted: Sequence[_PostedPart], before: int, percent: int
) -> list[CreditedLine]:
    """Return the price to refund of units, by the shipment with which they came."""
    parts = []
    for part in posted:
        paid = settle_units(payer, line, part.units, part.revenue_minor, before=before)
        parts.append(CreditedLine(credited_percent(paid, percent), part.shipment_id))
        before += part.units
    return parts


def _settled_before(session: Session, order_id: str, line_no: int) -> int:
    """Count the units of a line that were inspected before."""
    return sum(
        line.settled for line, _ in returned_lines(session, order_id) if line.line_no == line_no
    )


def _posted(
    session: Session, order_id: str, line_no: int, before: int, units: int
) -> list[_PostedPart]:
    """Return what was posted for the next `units` of a line after those inspected before.

    Units come back in the order in which deliveries were recorded, so that later deliveries change
    no amount of an earlier inspection.
    """
    parts = []
    for delivered in _delivered_parts(session, order_id, line_no):
        first, until = max(0, before), min(delivered.quantity, before + units)
        if first < until:
            share = (first, until - first, delivered.quantity)
            parts.append(
                _PostedPart(
                    shipment_id=delivered.shipment_id,
                    units=until - first,
                    cost_minor=share_of_units(delivered.cost_minor, *share),
                    revenue_minor=share_of_units(delivered.revenue_minor, *share),
                )
            )
        before -= delivered.quantity
    return parts


def _delivered_parts(session: Session, order_id: str, line_no: int) -> Sequence[Reservation]:
    """Read the delivered parts of a line, in the order in which their delivery was recorded."""
    recorded_at = (
        select(func.min(TrackingRow.recorded_at))
        .where(
            TrackingRow.shipment_id == Shipment.shipment_id,
            TrackingRow.status == TrackingStatus.DELIVERED,
        )
        .scalar_subquery()
    )
    parts = (
        select(Reservation)
        .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
        .where(
            Reservation.order_id == order_id,
            Reservation.line_no == line_no,
            Reservation.state == ReservationState.SHIPPED,
            Shipment.state == ShipmentState.DELIVERED,
        )
        .order_by(recorded_at, col(Reservation.location), col(Reservation.part))
    )
    return session.exec(parts).all()


def restock_inspected(
    work: UnitOfWork, row: ReturnRow, inspected: Sequence[Inspected], cause: str
) -> tuple[str, ...]:
    """Put units to restock into stock; returns the orders to notify."""
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
        for number, one in enumerate(inspected)
        if one.disposition is Disposition.RESTOCK
    ]
    return restock(work, changes)


def cost_of(inspected: Sequence[Inspected], *dispositions: Disposition) -> int:
    """Return the cost of units with one of `dispositions`, in minor units."""
    return sum(one.cost_minor for one in inspected if one.disposition in dispositions)


def settle_inspected(
    work: UnitOfWork, payer: PaidOrder, row: ReturnRow, inspected: Sequence[Inspected], reason: str
) -> str:
    """Settle inspected units, and return a sentence: an exchange, if the customer asked for one and
    the full price is left; else a credit note and the refund of what was paid."""
    settlement = new_settlement(work, row.return_id)
    lines = [one.credited for one in inspected]
    message = f"{row.return_id} is inspected"
    if row.wish is RequestedOutcome.EXCHANGE and is_creditable(work.session, payer.order, lines):
        settlement.exchange_order_id = _free_exchange_id(work.session, row.order_id)
        settlement.exchange_lines = [
            ExchangeLine(sku=one.line.sku, quantity=one.quantity, credited=one.credited).model_dump(
                mode="json"
            )
            for one in inspected
        ]
        message += f"; {settlement.exchange_order_id} replaces it"
    else:
        reason = f"{row.return_id}: {reason}"
        parts = [part for one in inspected for part in one.parts]
        credit = credit_and_refund(work, payer, parts, reason, delivered=True)
        if credit is None:
            return f"{message}; nothing is left to credit"
        settlement.credit_notes = [note.number for note in credit.credit_notes]
        settlement.refund_keys = list(credit.refund_keys)
        message += f"; {credit.summary}"
    work.session.add(settlement)
    return message


def _free_exchange_id(session: Session, order_id: str) -> str:
    """Return the first exchange id that neither an order nor a settlement has."""
    for number in count(1):
        free = exchange_order_id(order_id, number)
        promised = select(Settlement).where(Settlement.exchange_order_id == free)
        if session.get(Order, free) is None and session.exec(promised).first() is None:
            return free
    raise AssertionError("there are more numbers than orders")
