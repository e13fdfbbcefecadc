"""What every step ends with: the order's progress, read from the tables, and its stage."""

import hashlib
import json
from datetime import date, datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.errors import NotFound
from models.messages import Fact, type_of
from models.orders import Cancellation, Progress, ShipmentProgress, ShipmentState, stage
from models.stock import ReservationState, ShortageState
from models.tables import (
    AuditRow,
    CreditNote,
    InvoiceRow,
    OddFactRow,
    Order,
    OrderLineRow,
    Reservation,
    Shipment,
    Shortage,
)

LONGEST_BODY = 10_000
LONGEST_LINES = 1_000


def lock_order(session: Session, order_id: str) -> Order:
    """The order's row, held until the transaction ends. Raises NotFound."""
    order = find_order(session, order_id)
    if order is None:
        raise NotFound("order_unknown", f"there is no order {order_id}")
    return order


def find_order(session: Session, order_id: str) -> Order | None:
    """As `lock_order`, or None."""
    return session.exec(
        select(Order).where(col(Order.order_id) == order_id).with_for_update()
    ).one_or_none()


def note(session: Session, order_id: str, event: str, detail: str, now: datetime) -> None:
    """Write a business fact into the order's audit trail."""
    session.add(AuditRow(order_id=order_id, event=event, detail=detail, recorded_at=now))


Parts = dict[tuple[str, str, str], list[str]]
"""By order, event and what it is about: what of one fact concerns each of the order's lines."""


def note_parts(session: Session, parts: Parts, now: datetime) -> None:
    """Write one row for each order and fact, however many of its lines it concerns."""
    for (order_id, event, about), of_lines in parts.items():
        lines = ", ".join(of_lines)
        short = lines if len(lines) <= LONGEST_LINES else f"{len(of_lines)} lines: {lines}"
        detail = short if len(short) <= LONGEST_LINES else f"{short[:LONGEST_LINES]}..."
        note(session, order_id, event, f"{detail} ({about})", now)


def note_odd(
    session: Session, subject: str, name: str, body: str, reason: str, now: datetime
) -> None:
    """Keep a message that can't be used, once: the same body again is the same message."""
    odd_id = f"{subject}:{name}:{hashlib.sha256(body.encode()).hexdigest()}"
    if session.get(OddFactRow, odd_id) is None:
        session.add(
            OddFactRow(
                odd_id=odd_id,
                subject=subject,
                name=name,
                body=body[:LONGEST_BODY],
                reason=reason,
                recorded_at=now,
            )
        )


def note_odd_fact(session: Session, subject: str, fact: Fact, reason: str, now: datetime) -> None:
    """Keep a fact that can't be used."""
    body = json.dumps(fact.model_dump(mode="json"), sort_keys=True)
    note_odd(session, subject, type_of(fact).replace(".", "_"), body, reason, now)


def touch(session: Session, order: Order, now: datetime) -> Progress:
    """After a change: recompute the stage and count up the version."""
    session.flush()
    order.version += 1
    order.updated_at = now
    progress = look(session, order)
    order.stage = stage(progress)
    return progress


def look(session: Session, order: Order) -> Progress:
    """The order's progress as the tables say."""
    shipments = session.exec(
        select(Shipment).where(Shipment.order_id == order.order_id).order_by(Shipment.shipment_id)
    ).all()
    delivered = [s.shipment_id for s in shipments if s.state is ShipmentState.DELIVERED]
    shipped = _reserved(session, order.order_id, delivered_by=None)
    short, expected = _short(session, order.order_id)
    return Progress(
        order_id=order.order_id,
        version=order.version,
        terms=order.terms,
        currency=order.currency,
        total_minor=order.total_minor,
        paid_minor=order.paid_minor,
        received_minor=order.paid_minor + order.deposit_minor,
        invoice_number=invoice_number(session, order.order_id),
        allocated=order.allocated,
        ordered=_ordered(session, order.order_id),
        backordered=short,
        shipped=shipped,
        delivered=_reserved(session, order.order_id, delivered_by=delivered) if delivered else 0,
        promised_date=order.promised_date,
        expected_date=expected,
        consent_by=order.consent_by if short else None,
        supply_problem=_problem(session, order.order_id) if short else None,
        cancellation=order.cancellation,
        refund_due_minor=refund_due(order),
        shipments=tuple(
            ShipmentProgress(shipment_id=s.shipment_id, state=s.state) for s in shipments
        ),
    )


def refund_due(order: Order) -> int:
    """What the customer of an order that is being cancelled is still to get back."""
    if order.cancellation is Cancellation.NONE:
        return 0
    return order.paid_minor + order.deposit_minor - order.refunded_minor


def invoice_number(session: Session, order_id: str) -> str | None:
    """The order's invoice, if it was issued (also when it was credited since)."""
    return session.exec(
        select(InvoiceRow.number).where(InvoiceRow.order_id == order_id)
    ).one_or_none()


def credit_note_of(session: Session, order_id: str) -> CreditNote | None:
    """The credit note that reverses the order's invoice."""
    return session.exec(select(CreditNote).where(CreditNote.order_id == order_id)).one_or_none()


def _ordered(session: Session, order_id: str) -> int:
    total = select(func.sum(OrderLineRow.quantity)).where(col(OrderLineRow.order_id) == order_id)
    return int(session.exec(total).one() or 0)


def _short(session: Session, order_id: str) -> tuple[int, date | None]:
    """Units that are short, and the date of the last of them, if all have one."""
    found = select(
        func.sum(col(Shortage.quantity) - col(Shortage.filled)),
        func.max(col(Shortage.expected_date)),
        func.count(),
        func.count(col(Shortage.expected_date)),
    ).where(col(Shortage.order_id) == order_id, col(Shortage.state) == ShortageState.OPEN)
    units, last, shortages, dated = session.exec(found).one()
    return int(units or 0), last if shortages == dated else None


def _problem(session: Session, order_id: str) -> str | None:
    problem = select(Shortage.problem).where(
        col(Shortage.order_id) == order_id,
        col(Shortage.state) == ShortageState.OPEN,
        col(Shortage.problem).is_not(None),
    )
    return session.exec(problem.order_by(Shortage.shortage_id)).first()


def _reserved(session: Session, order_id: str, delivered_by: list[str] | None) -> int:
    total = select(func.sum(Reservation.quantity)).where(
        col(Reservation.order_id) == order_id, col(Reservation.state) == ReservationState.SHIPPED
    )
    if delivered_by is not None:
        total = total.where(col(Reservation.shipment_id).in_(delivered_by))
    return int(session.exec(total).one() or 0)
