"""Consigning: what leaves one location together is packed, numbered and offered to carriers."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import asked_before
from activities.order_record.audit import record_event
from models.errors import Refused
from models.messages.partners import FreightBooking, FreightInquiry, FreightPackage
from models.orders import Fulfilment
from models.packing import Package, Piece
from models.progress import Cancellation, ShipmentState
from models.shipping import FreightChoice, FreightMode, choose_freight
from models.sscc import sscc
from models.stock import ReservationState
from models.tables.masterdata import Company, Location, Product
from models.tables.orders import Order
from models.tables.shipping import PackageRow, Shipment
from models.tables.stock import Reservation
from models.working_days import Calendar, hand_over_at

NO_PREFIX = "0000000"
"""Stands for a GS1 company prefix where the company has none: such labels are for ourselves."""
SHIP_FROM = {"location", "name", "street", "city", "country", "postal_code"}


def plan_shipment(
    work: UnitOfWork,
    order: Order,
    shipment_id: str,
    rows: Sequence[Reservation],
) -> None:
    """Make a shipment of what is held at one location, with its packages."""
    location = work.session.get(Location, rows[0].location)
    by_carrier = order.fulfilment is Fulfilment.CARRIER
    pieces = _pieces(work.session, rows)
    choice = choose_freight(pieces, work.rules.packaging) if by_carrier else _handed_over(pieces)
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
    for row in rows:
        row.state, row.shipment_id = ReservationState.PICKED, shipment_id
    work.session.flush()
    if choice.packages:
        _number(work, shipment_id, choice.packages)
    detail = f"{shipment_id} from {rows[0].location} by {choice.mode.words}: {choice.reason}"
    record_event(work, order.order_id, "consigned", detail)


def _handed_over(pieces: Sequence[Piece]) -> FreightChoice:
    """Nothing is packed: the customer takes it."""
    return FreightChoice(
        mode=FreightMode.HAND_OVER,
        reason="the customer takes it here",
        weight_g=sum(piece.quantity * piece.weight_g for piece in pieces),
        packages=(),
        billed_weight_g=0,
    )


def _pieces(session: Session, rows: Sequence[Reservation]) -> list[Piece]:
    skus = {row.sku for row in rows}
    products = {p.sku: p for p in session.exec(select(Product).where(col(Product.sku).in_(skus)))}
    return [
        Piece.model_validate(products[row.sku].model_dump() | {"quantity": row.quantity})
        for row in rows
    ]


def _book_from(location: Location, now: datetime) -> datetime | None:
    """When the location hands over what is ready now; None: at once."""
    handed_over_at = _hand_over_at(location, now)
    return handed_over_at if handed_over_at > now else None


def _hand_over_at(location: Location, now: datetime) -> datetime:
    calendar = Calendar(
        timezone=location.timezone,
        cutoff=location.cutoff,
        country=location.country,
        region=location.region,
    )
    return hand_over_at(calendar, now)


def _number(work: UnitOfWork, shipment_id: str, packages: Sequence[Package]) -> None:
    """Each package gets the number of its label: the row's own is the serial."""
    prefix = work.session.exec(select(Company.gs1_prefix)).one() or NO_PREFIX
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


def _sscc(prefix: str, serial: int) -> str:
    """What doesn't fit the serial any more counts up the extension digit. Raises Refused."""
    extension, rest = divmod(serial, 10 ** (16 - len(prefix)))
    try:
        return sscc(prefix, rest, extension)
    except ValueError as error:
        raise Refused("sscc_exhausted", f"{error}: a shorter GS1 prefix is needed") from error


def booking_call(order_id: str, shipment_id: str) -> str:
    """By which name a carrier is asked to carry a shipment."""
    return f"{order_id}/book/{shipment_id}"


def ready_on(session: Session, shipment: Shipment, order: Order, location: Location | None) -> date:
    """The day, at the location, on which it hands the goods over: the one that a carrier was asked
    for, else the one that was planned."""
    call = booking_call(order.order_id, shipment.shipment_id)
    _, asked = asked_before(session, call, FreightBooking)
    return asked.ready_on if asked else _planned_on(shipment, location)


def _planned_on(shipment: Shipment, location: Location | None) -> date:
    moment = shipment.book_from or shipment.planned_at
    return moment.astimezone(ZoneInfo(location.timezone if location else "UTC")).date()


def _earliest_on(shipment: Shipment, location: Location, now: datetime) -> date:
    """As planned; where that has passed, as soon as the location can."""
    earliest = _hand_over_at(location, now).astimezone(ZoneInfo(location.timezone)).date()
    return max(earliest, _planned_on(shipment, location))


def _needed_by(order: Order) -> date | None:
    """The day that the customer has asked for, or has consented to since."""
    if order.requested_delivery_date is None:
        return None
    return order.promised_date or order.requested_delivery_date


def may_have_been_booked(session: Session, shipment_id: str) -> bool:
    """Whether what a carrier was asked, and hasn't answered, still matters: also where the goods
    have left meanwhile."""
    shipment = session.get_one(Shipment, shipment_id)
    order = session.get_one(Order, shipment.order_id)
    alive = shipment.state is ShipmentState.PLANNED or shipment.state.has_left
    return alive and _lacks_booking(shipment, order)


def _lacks_booking(shipment: Shipment, order: Order) -> bool:
    """Nobody has booked it, and nobody has called it off."""
    called_off = shipment.called_back_by or order.cancellation is not Cancellation.NONE
    return shipment.booking_id is None and not called_off


def inquiry_of(session: Session, shipment_id: str, now: datetime) -> FreightInquiry | None:
    """What to ask carriers; None where it was booked or nothing is to be booked any more."""
    shipment = session.get_one(Shipment, shipment_id)
    order = session.get_one(Order, shipment.order_id)
    if shipment.state is not ShipmentState.PLANNED or not _lacks_booking(shipment, order):
        return None
    location = session.get(Location, shipment.location)
    if location is None:
        raise Refused("no_location", f"there is no location {shipment.location}: import it, retry")
    packages = select(PackageRow).where(PackageRow.shipment_id == shipment_id)
    return FreightInquiry(
        shipment_id=shipment_id,
        order_id=shipment.order_id,
        mode=shipment.mode,
        weight_g=shipment.weight_g,
        billed_weight_g=shipment.billed_weight_g or shipment.weight_g,
        freight_class=shipment.freight_class,
        packages=tuple(
            FreightPackage.model_validate(row.model_dump())
            for row in session.exec(packages.order_by(col(PackageRow.package_no)))
        ),
        ready_on=_earliest_on(shipment, location, now),
        needed_by=_needed_by(order),
        currency=order.currency,
        ship_from=location.model_dump(include=SHIP_FROM),
        ship_to=order.ship_to,
    )
