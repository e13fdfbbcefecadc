"""Planning: reserved goods of one location become a shipment, packed and numbered."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from activities.database.company import get_company
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.lines import forget_rows, goods_lines
from activities.order_record.standing import check_standing
from activities.stock.counters import lock_stock
from models.errors import Refused
from models.orders import Fulfilment
from models.packing import Package, Piece
from models.progress import Cancellation, ShipmentState
from models.shipping import FreightChoice, FreightMode, choose_freight
from models.sscc import sscc
from models.stock import ReservationState
from models.tables.masterdata import Location, Product
from models.tables.orders import Order
from models.tables.shipping import PackageRow, Shipment
from models.tables.stock import Reservation
from models.working_days import Calendar, hand_over_at

NO_PREFIX = "0000000"
"""Replaces a missing GS1 company prefix: such labels are for internal use only."""
_HELD = select(Reservation).where(
    col(Reservation.order_id) == bindparam("order_id", type_=String),
    col(Reservation.state) == ReservationState.HELD,
)
_PRODUCTS = select(Product).where(col(Product.sku).in_(bindparam("skus", expanding=True)))


def lock_held(work: UnitOfWork, order_id: str) -> dict[str, list[Reservation]]:
    """Lock the stock of an order's held reservations and return these by location."""
    lock_stock(work, {line.sku for line in goods_lines(work.session, order_id)})
    held: dict[str, list[Reservation]] = defaultdict(list)
    for row in work.session.exec(
        _HELD, params={"order_id": order_id}, execution_options={"populate_existing": True}
    ):
        held[row.location].append(row)
    return held


class PlannedShipment(NamedTuple):
    """A shipment that is being planned, with its packages and the number of its units."""

    shipment: Shipment
    packages: list[PackageRow]
    units: int


def plan_held_goods(work: UnitOfWork, order: Order, planned_before: int) -> list[PlannedShipment]:
    """Plan a shipment for each location that holds goods of an order, none while it is cancelled.

    `planned_before`: the number of its shipments so far. Raises Refused where no label numbers are
    left, and for a customer who is blocked or has no credit for the order.
    """
    held = lock_held(work, order.order_id)
    if not held or order.cancellation is not Cancellation.NONE:
        return []
    check_standing(work.session, order)
    first = 1 + planned_before
    return [
        plan_shipment(work, order, f"SH-{order.order_id}-{number}", held[location])
        for number, location in enumerate(sorted(held), start=first)
    ]


def plan_shipment(
    work: UnitOfWork, order: Order, shipment_id: str, rows: Sequence[Reservation]
) -> PlannedShipment:
    """Plan a shipment of reservations at one location, with its packages.

    Raises Refused where no label numbers are left.
    """
    location = work.session.get(Location, rows[0].location)
    by_carrier = order.fulfilment is Fulfilment.CARRIER
    pieces = _pieces(work.session, rows)
    choice = choose_freight(pieces, work.rules.packaging) if by_carrier else _hand_over(pieces)
    shipment = Shipment(
        shipment_id=shipment_id,
        order_id=order.order_id,
        location=rows[0].location,
        mode=choice.mode,
        mode_reason=choice.reason,
        weight_g=choice.weight_g,
        billed_weight_g=choice.billed_weight_g,
        freight_class=choice.freight_class,
        state=ShipmentState.PLANNED,
        planned_at=work.now,
        book_from=_book_from(location, work.now) if location and by_carrier else None,
    )
    work.session.add(shipment)
    forget_rows(work.session, order.order_id)
    for row in rows:
        row.state, row.shipment_id = ReservationState.PICKED, shipment_id
    work.session.flush()
    packages = _record_packages(work, shipment_id, choice.packages) if choice.packages else []
    detail = f"{shipment_id} from {rows[0].location} by {choice.mode.words}: {choice.reason}"
    record_event(work, order.order_id, "consigned", detail)
    return PlannedShipment(shipment, packages, sum(row.quantity for row in rows))


def _hand_over(pieces: Sequence[Piece]) -> FreightChoice:
    """Return the choice for goods handed over to the customer, which are not packed."""
    return FreightChoice(
        mode=FreightMode.HAND_OVER,
        reason="handed over to the customer",
        weight_g=sum(piece.quantity * piece.weight_g for piece in pieces),
        packages=(),
        billed_weight_g=0,
    )


def _pieces(session: Session, rows: Sequence[Reservation]) -> list[Piece]:
    found = session.exec(_PRODUCTS, params={"skus": list({row.sku for row in rows})})
    products = {product.sku: product for product in found}
    return [
        Piece.model_validate(products[row.sku].model_dump() | {"quantity": row.quantity})
        for row in rows
    ]


def _book_from(location: Location, now: datetime) -> datetime | None:
    """Return when the location hands over goods that are ready now; None: at once."""
    handed_over_at = next_hand_over(location, now)
    return handed_over_at if handed_over_at > now else None


def next_hand_over(location: Location, now: datetime) -> datetime:
    """Return when a location hands goods over to carriers next, by its calendar and cut-off."""
    calendar = Calendar(
        timezone=location.timezone,
        cutoff=location.cutoff,
        country=location.country,
        region=location.region,
        weekend=location.weekend,
    )
    return hand_over_at(calendar, now)


def _record_packages(
    work: UnitOfWork, shipment_id: str, packages: Sequence[Package]
) -> list[PackageRow]:
    """Record packages, each with its SSCC: the serial is the number of its row."""
    prefix = get_company(work.session).gs1_prefix or NO_PREFIX
    rows = [
        PackageRow(
            shipment_id=shipment_id,
            sscc="",
            contents=[content.model_dump() for content in package.contents],
            **package.model_dump(exclude={"contents"}),
        )
        for package in packages
    ]
    work.session.add_all(rows)
    work.session.flush()
    for row in rows:
        row.sscc = _sscc(prefix, row.package_no or 0)
    return rows


def _sscc(prefix: str, serial: int) -> str:
    """Return the SSCC of a serial. A serial with too many digits raises the extension digit."""
    extension, rest = divmod(serial, 10 ** (16 - len(prefix)))
    try:
        return sscc(prefix, rest, extension)
    except ValueError as error:
        raise Refused("sscc_exhausted", f"{error}: a shorter GS1 prefix is needed") from error
