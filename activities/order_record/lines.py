"""The rows of an order that are read once in a transaction."""

from collections.abc import Sequence

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from models.tables.orders import OrderLineRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation

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
    kept: dict[str, Sequence[OrderLineRow]] = session.info.setdefault("order_lines", {})
    if order_id not in kept:
        kept[order_id] = session.exec(_LINES, params={"order_id": order_id}).all()
    return kept[order_id]


def keep_lines(session: Session, order_id: str, lines: Sequence[OrderLineRow]) -> None:
    """Keep the lines of an order that is being recorded."""
    session.info.setdefault("order_lines", {})[order_id] = lines


def shipments_of(session: Session, order_id: str) -> Sequence[Shipment]:
    """Read the shipments of an order by id, those too that the transaction plans."""
    kept: dict[str, Sequence[Shipment]] = session.info.setdefault("shipments", {})
    if order_id not in kept:
        kept[order_id] = session.exec(_SHIPMENTS, params={"order_id": order_id}).all()
    return kept[order_id]


def known_shipments(session: Session, order_id: str) -> Sequence[Shipment] | None:
    """Return the shipments of an order if the transaction has read them."""
    kept: dict[str, Sequence[Shipment]] = session.info.get("shipments", {})
    return kept.get(order_id)


def keep_shipments(session: Session, order_id: str, shipments: Sequence[Shipment]) -> None:
    """Keep the shipments of an order as known."""
    session.info.setdefault("shipments", {})[order_id] = shipments


def reservations_of(session: Session, order_id: str) -> Sequence[Reservation]:
    """Read the reservations of an order by line, as they are when goods are issued."""
    kept: dict[str, Sequence[Reservation]] = session.info.setdefault("reservations", {})
    if order_id not in kept:
        kept[order_id] = session.exec(_RESERVATIONS, params={"order_id": order_id}).all()
    return kept[order_id]


def forget_rows(session: Session, order_id: str) -> None:
    """Read shipments and reservations again at the next use: the order was not locked, or has
    others."""
    for kept in ("shipments", "reservations"):
        session.info.get(kept, {}).pop(order_id, None)
