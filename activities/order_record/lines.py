"""The rows of an order that are read once in a transaction."""

from collections.abc import Sequence

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.database.kept import forget, read_once
from models.tables.orders import OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation

LINES, SHIPMENTS, RESERVATIONS = "lines", "shipments", "reservations"
"""The names of the rows that a transaction keeps."""
_ORDER_ID = bindparam("order_id", type_=String)
_LINES = (
    select(OrderLineRow)
    .where(col(OrderLineRow.order_id) == _ORDER_ID)
    .order_by(col(OrderLineRow.line_no))
)
_SHIPMENTS = (
    select(Shipment).where(col(Shipment.order_id) == _ORDER_ID).order_by(col(Shipment.shipment_id))
)
_RESERVATIONS = (
    select(Reservation)
    .where(col(Reservation.order_id) == _ORDER_ID)
    .order_by(col(Reservation.line_no), col(Reservation.location), col(Reservation.part))
)
"""Built once: every step executes them, and building takes longer than executing."""


def order_lines(session: Session, order_id: str) -> Sequence[OrderLineRow]:
    """Read the lines of an order by number."""
    bound = {"order_id": order_id}
    return read_once(session, LINES, order_id, lambda: session.exec(_LINES, params=bound).all())


def goods_lines(session: Session, order_id: str) -> Sequence[OrderLineRow]:
    """Read the lines of an order that are goods, by number."""
    return [line for line in order_lines(session, order_id) if line.is_goods]


def shipments_of(session: Session, order_id: str) -> Sequence[Shipment]:
    """Read the shipments of an order by id, those too that the transaction plans."""
    bound = {"order_id": order_id}
    return read_once(
        session, SHIPMENTS, order_id, lambda: session.exec(_SHIPMENTS, params=bound).all()
    )


def reservations_of(session: Session, order_id: str) -> Sequence[Reservation]:
    """Read the reservations of an order by line, as they are when goods are issued."""
    bound = {"order_id": order_id}
    return read_once(
        session, RESERVATIONS, order_id, lambda: session.exec(_RESERVATIONS, params=bound).all()
    )


def forget_rows(session: Session, order_id: str) -> None:
    """Read shipments and reservations again at the next use: the order was not locked, or has
    others."""
    forget(session, SHIPMENTS, order_id)
    forget(session, RESERVATIONS, order_id)
