"""Booking: the request to carriers for a shipment, and the record of their booking."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Self

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.documents.printability import check_printable
from activities.gateways.calls import (
    NothingAsked,
    PreparedCall,
    Record,
    forget_request,
    record_first_request,
    record_refusal,
    record_request,
    recorded_request,
)
from activities.gateways.carriers import Carriers
from activities.order_record.audit import record_event
from activities.order_record.lines import goods_lines, shipments_of
from activities.order_record.progress import (
    lock_order,
    read_progress,
    save_progress,
    use_known,
)
from activities.order_record.standing import check_standing
from activities.shipping.goods_issue import cancel_shipment
from activities.shipping.planning import next_hand_over
from models.days import day_at
from models.errors import PartnerUnavailable, Refused
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry, FreightPackage
from models.messages.steps import ShipmentStep
from models.money import parse_amount
from models.orders import digest
from models.progress import Cancellation, Progress, ShipmentState
from models.shipping import Quote, choose_quote
from models.tables.masterdata import Location
from models.tables.orders import Order
from models.tables.shipping import PackageRow, Shipment

SHIP_FROM = {
    *("location", "name", "street", "line2", "city", "region", "country", "postal_code"),
}
"""The fields of a location that a carrier gets."""


def booking_call(order_id: str, shipment_id: str) -> str:
    """Name the partner call that books a shipment."""
    return f"{order_id}/book/{shipment_id}"


def prepare_booking(
    work: UnitOfWork, step: ShipmentStep, carriers: Carriers
) -> PreparedCall | None:
    """Prepare the booking of a planned shipment with the carrier of the best quote, once.

    The inquiry is written down: quotes are answers to it, and the booking follows from them. One
    that was written down before is answered also after the shipment has left, to know its tracking
    number. None where no booking is needed. Raises Refused for an unknown location, and for a
    customer who is blocked or has no credit for the order.
    """
    order = lock_order(work, step.order_id)
    shipment = work.session.get_one(Shipment, step.shipment_id)
    if not _lacks_booking(shipment, order):
        return None
    call = booking_call(step.order_id, step.shipment_id)
    attempt, inquiry = recorded_request(work.session, call, FreightInquiry)
    if inquiry is None and shipment.state is ShipmentState.PLANNED:
        check_standing(work.session, order)
        packages = select(PackageRow).where(PackageRow.shipment_id == shipment.shipment_id)
        rows = work.session.exec(packages.order_by(col(PackageRow.package_no))).all()
        attempt, inquiry = record_request(work, call, _inquiry(work, order, shipment, rows))
    is_open = shipment.state is ShipmentState.PLANNED or shipment.state.has_left
    wish = CarrierWish.of(order)
    return _booking(step, carriers, inquiry, attempt, wish) if inquiry and is_open else None


def prepare_first_booking(
    work: UnitOfWork,
    order: Order,
    shipment: Shipment,
    packages: Sequence[PackageRow],
    carriers: Carriers,
) -> PreparedCall:
    """As `prepare_booking`, for a shipment that is being planned."""
    call = booking_call(order.order_id, shipment.shipment_id)
    inquiry = _inquiry(work, order, shipment, packages)
    attempt, _ = record_first_request(work, call, inquiry)
    step = ShipmentStep(order_id=order.order_id, shipment_id=shipment.shipment_id)
    return _booking(step, carriers, inquiry, attempt, CarrierWish.of(order))


class CarrierWish(NamedTuple):
    """The carrier, and its service, that an operator named; empty: any."""

    carrier: str
    service: str

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return the wish for an order."""
        return cls(order.named_carrier, order.named_service)

    def allows(self, quote: Quote) -> bool:
        """Return whether a quote is of the named carrier and service."""
        return all(
            not wanted or wanted.casefold() == given.casefold()
            for wanted, given in ((self.carrier, quote.carrier), (self.service, quote.service))
        )

    def __str__(self) -> str:
        return f"{self.carrier} {self.service}".strip()


def _lacks_booking(shipment: Shipment, order: Order) -> bool:
    """Return whether a shipment is not booked, being cancelled or being recalled."""
    is_cancelled = shipment.called_back_by or order.cancellation is not Cancellation.NONE
    return shipment.booking_id is None and not is_cancelled


def _booking(
    step: ShipmentStep,
    carriers: Carriers,
    inquiry: FreightInquiry,
    attempt: int,
    wish: CarrierWish,
) -> PreparedCall:
    call = booking_call(step.order_id, step.shipment_id)

    async def send() -> Record:
        booking = await _choose_quote(carriers, inquiry, attempt, wish)
        booked = await carriers.book(booking, f"{call}/{attempt}")
        return lambda work, known: record_booking(work, step, booking, booked, known)

    return PreparedCall(
        step=f"book_shipment/{step.shipment_id}",
        partner="carriers",
        send=send,
        refuse=lambda work, _: record_refusal(work, call, attempt),
        forget=lambda work, _: forget_request(work, call, attempt),
    )


async def _choose_quote(
    carriers: Carriers, inquiry: FreightInquiry, attempt: int, wish: CarrierWish
) -> FreightBooking:
    """Ask for quotes and choose one. Another inquiry has another key.

    Raises Refused without a usable quote, NothingAsked without an answer.
    """
    content = digest(inquiry.model_dump(mode="json"))[:16]
    key = f"{inquiry.order_id}/quote/{inquiry.shipment_id}/{attempt}-{content}"
    try:
        quotes = await carriers.quote(inquiry, key)
    except PartnerUnavailable as error:
        raise NothingAsked(error.message) from error
    usable = [quote for quote in quotes if quote.arrives_on >= inquiry.ready_on]
    if usable and not any(map(wish.allows, usable)):
        quoted = ", ".join(sorted({f"{quote.carrier} {quote.service}" for quote in usable}))
        raise Refused(
            "no_quote",
            f"{inquiry.shipment_id}: {wish} was named for it and quotes nothing, but {quoted} do: "
            f"name another (`change-carrier {inquiry.order_id} CARRIER`), then retry",
        )
    usable = [quote for quote in usable if wish.allows(quote)]
    try:
        chosen = choose_quote(usable, inquiry.currency, inquiry.needed_by)
    except ValueError as error:
        raise Refused("no_quote", f"{inquiry.shipment_id}: {error}") from error
    return FreightBooking(**dict(inquiry), quote=chosen.quote, choice=chosen.reason)


def _inquiry(
    work: UnitOfWork, order: Order, shipment: Shipment, packages: Sequence[PackageRow]
) -> FreightInquiry:
    """Build the inquiry for a planned shipment. Raises Refused for an unknown location."""
    location = work.session.get(Location, shipment.location)
    if location is None:
        raise Refused("no_location", f"there is no location {shipment.location}: import it, retry")
    _check_papers(work, order)
    return FreightInquiry(
        shipment_id=shipment.shipment_id,
        order_id=shipment.order_id,
        mode=shipment.mode,
        weight_g=shipment.weight_g,
        billed_weight_g=shipment.billed_weight_g or shipment.weight_g,
        freight_class=shipment.freight_class,
        packages=tuple(FreightPackage.model_validate(row.model_dump()) for row in packages),
        ready_on=_earliest_on(shipment, location, work.now),
        needed_by=_needed_by(order),
        currency=order.currency,
        ship_from=location.model_dump(include=SHIP_FROM),
        ship_to=order.ship_to,
        phone=order.phone,
    )


def _check_papers(work: UnitOfWork, order: Order) -> None:
    """Check that the papers of a shipment can be printed. Raises UnprintableCharacters."""
    address = filter(None, order.ship_to.values())
    goods = (line.name for line in goods_lines(work.session, order.order_id))
    check_printable((*address, *goods), work.rules.documents)


def _needed_by(order: Order) -> date | None:
    """Return the delivery date that the customer requested, or has consented to since."""
    if order.requested_delivery_date is None:
        return None
    return order.promised_date or order.requested_delivery_date


def ready_on(session: Session, shipment: Shipment, order: Order, location: Location | None) -> date:
    """Return the day, at the location, on which it hands the goods over: as given to a carrier,
    else as planned."""
    call = booking_call(order.order_id, shipment.shipment_id)
    _, asked = recorded_request(session, call, FreightInquiry)
    return asked.ready_on if asked else _planned_on(shipment, location)


def _earliest_on(shipment: Shipment, location: Location, now: datetime) -> date:
    """Return the planned day, or after it the next day on which the location hands over goods."""
    next_day = day_at(location.timezone, next_hand_over(location, now))
    return max(next_day, _planned_on(shipment, location))


def _planned_on(shipment: Shipment, location: Location | None) -> date:
    moment = shipment.book_from or shipment.planned_at
    return day_at(location.timezone if location else "UTC", moment)


def record_booking(
    work: UnitOfWork,
    step: ShipmentStep,
    booking: FreightBooking,
    booked: BookedFreight,
    known: Progress | None = None,
) -> Progress:
    """Record a carrier's booking once; also of a shipment that has left meanwhile.

    `known`: the progress before, if that was just read.
    """
    order = lock_order(work, step.order_id)
    use_known(work, order, known)
    shipment = next(
        row
        for row in shipments_of(work.session, step.order_id)
        if row.shipment_id == step.shipment_id
    )
    if shipment.booking_id is not None:
        return read_progress(work.session, order)
    shipment.booking_id = booked.booking_id
    shipment.carrier = booked.carrier
    shipment.tracking_number = booked.tracking_number
    shipment.service = booking.quote.service
    shipment.charge_minor = parse_amount(booking.quote.charge, booking.quote.currency)
    shipment.arrives_on, shipment.choice = booking.quote.arrives_on, booking.choice
    shipment.news_at = work.now
    if shipment.state is ShipmentState.PLANNED:
        shipment.state = ShipmentState.BOOKED
    detail = (
        f"{shipment.shipment_id} with {booked.carrier}, tracking {booked.tracking_number}: "
        f"{booking.choice}"
    )
    record_event(work, order.order_id, "booked", detail)
    return save_progress(work, order)


def record_cancelled_booking(work: UnitOfWork, step: ShipmentStep) -> Progress:
    """Record once that a shipment is cancelled; not one that has left meanwhile."""
    order = lock_order(work, step.order_id)
    shipment = work.session.get_one(Shipment, step.shipment_id)
    if shipment.state not in (ShipmentState.PLANNED, ShipmentState.BOOKED):
        return read_progress(work.session, order)
    cancel_shipment(work, shipment)
    record_event(work, order.order_id, "booking_cancelled", shipment.shipment_id)
    return save_progress(work, order)
