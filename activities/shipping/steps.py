"""Shipping: consignments planned, carriers booked, goods issued, delivery recorded."""

from collections import defaultdict

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Database
from activities.database.inbox import mark_applied
from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import asked_before, call_idempotently, refused
from activities.gateways.carriers import Carriers
from activities.order_record.audit import record_event, reject_fact
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.shipping.goods_issue import issue_goods, put_back
from activities.shipping.planning import (
    booking_call,
    inquiry_of,
    may_have_been_booked,
    plan_shipment,
)
from activities.shipping.tracking import follow_return, record_report, reports_of
from activities.stock.counters import lock_stock
from models.errors import Refused
from models.messages.attention import ALREADY_PICKED_UP
from models.messages.facts import ShipmentDelivered, ShipmentFact
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry
from models.messages.steps import DeliveryStep, DispatchStep, OrderStep, ShipmentStep, TrackingStep
from models.money import parse_amount
from models.orders import digest
from models.progress import Cancellation, Progress, ShipmentProblem, ShipmentState
from models.shipping import FreightMode, choose_quote
from models.stock import ReservationState
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus, fold


@step
def plan_shipments(work: UnitOfWork, step: OrderStep) -> Progress:
    """Put everything held into consignments, one for each location, before a carrier is
    asked: so that whatever is booked is known here, and can be called back."""
    order = lock_order(work, step.order_id)
    query = select(Reservation).where(
        Reservation.order_id == step.order_id, Reservation.state == ReservationState.HELD
    )
    lock_stock(work, {row.sku for row in work.session.exec(query)})  # goods may be arriving
    held: dict[str, list[Reservation]] = defaultdict(list)
    for row in work.session.exec(query.execution_options(populate_existing=True)):
        held[row.location].append(row)
    if not held or order.cancellation is not Cancellation.NONE:
        return read_progress(work.session, order)
    count = (
        select(func.count()).select_from(Shipment).where(col(Shipment.order_id) == step.order_id)
    )
    first = work.session.exec(count).one() + 1
    for number, location in enumerate(sorted(held), start=first):
        shipment_id = f"SH-{step.order_id}-{number}"
        plan_shipment(work, order, shipment_id, held[location])
    return save_progress(work, order)


@step
def hand_over(work: UnitOfWork, step: ShipmentStep) -> Progress:
    """Over the counter: the goods leave, and have arrived."""
    fact = ShipmentDelivered(event_id="handed-over", shipment_id=step.shipment_id)
    return _apply(work, step.order_id, fact, TrackingStatus.DELIVERED)


@step
def apply_dispatch(work: UnitOfWork, step: DispatchStep) -> Progress:
    """Goods have left: goods issue, once per shipment."""
    return _apply(work, step.order_id, step.fact, TrackingStatus.PICKED_UP)


@step
def apply_delivery(work: UnitOfWork, step: DeliveryStep) -> Progress:
    """Goods have arrived; where nobody said that they left, they have left now."""
    return _apply(work, step.order_id, step.fact, TrackingStatus.DELIVERED)


@step
def apply_tracking(work: UnitOfWork, step: TrackingStep) -> Progress:
    """Where goods are on their way; where nobody said that they left, they have left now."""
    return _apply(work, step.order_id, step.fact, step.fact.status)


def _booked(
    work: UnitOfWork, step: ShipmentStep, booking: FreightBooking, booked: BookedFreight
) -> None:
    order = lock_order(work, step.order_id)
    shipment = work.session.get_one(Shipment, step.shipment_id)
    if shipment.booking_id is not None:
        return
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
    save_progress(work, order)


def _called_back(work: UnitOfWork, step: ShipmentStep) -> Progress:
    order = lock_order(work, step.order_id)
    shipment = work.session.get_one(Shipment, step.shipment_id)
    if shipment.state not in (ShipmentState.PLANNED, ShipmentState.BOOKED):
        return read_progress(work.session, order)
    put_back(work, shipment)
    record_event(work, order.order_id, "booking_cancelled", shipment.shipment_id)
    return save_progress(work, order)


def _apply(
    work: UnitOfWork, order_id: str, fact: ShipmentFact, status: TrackingStatus | None
) -> Progress:
    order = lock_order(work, order_id)
    mark_applied(work, fact)
    ours = fact.order_id in (None, order.order_id)
    shipment = _find(work.session, order.order_id, fact.shipment_id) if ours else None
    coming = None
    if ours and shipment is None:
        coming = _find_return(work.session, order.order_id, fact.shipment_id)
    if coming is not None and status is not None:
        follow_return(work, coming, fact, status)
        told = () if coming.state.is_over else (coming.return_id,)  # again does no harm
        return save_progress(work, order).model_copy(update={"coming_back": told})
    if shipment is None or status is None:
        known = shipment or coming
        reason = "status: missing" if known else "shipment_id: not one of its own"
        reject_fact(work, order.order_id, fact, reason)
        return save_progress(work, order)
    if shipment.state is ShipmentState.CANCELLED:
        reject_fact(work, order.order_id, fact, "its booking was cancelled")
        if record_report(work, shipment, fact, status) and status.has_goods:
            had = [r for r in reports_of(work.session, shipment.shipment_id) if r.status.has_goods]
            if len(had) == 1:  # what a person has seen to once isn't shown again
                _show(work, shipment, ShipmentProblem.CALLED_BACK_IN_VAIN)
        return save_progress(work, order)
    if record_report(work, shipment, fact, status):
        _move_on(work, order, shipment)
    progress = save_progress(work, order)
    if shipment.called_back_by and shipment.state.has_left:
        return progress.model_copy(update={"fetched": (shipment.called_back_by,)})
    return progress


def _move_on(
    work: UnitOfWork,
    order: Order,
    shipment: Shipment,
) -> None:
    """What all reports together make of a shipment, whatever their order."""
    tracked = fold(reports_of(work.session, shipment.shipment_id))
    assert tracked is not None, "a report was kept"
    was_there = shipment.delivered_at is not None
    was_back = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
    shipment.tracking, shipment.news_at = tracked.status, work.now
    if tracked.left_at is None:
        return
    shipment.dispatched_at, shipment.delivered_at = tracked.left_at, tracked.arrived_at
    if not shipment.state.has_left:
        issue_goods(work, order, shipment)
        shipment.state = ShipmentState.DISPATCHED
        record_event(work, order.order_id, "dispatched", shipment.shipment_id)
    is_back = tracked.status is TrackingStatus.RETURNED_TO_SENDER
    lost = shipment.state is ShipmentState.FAILED and shipment.restocked_at is None
    if lost and is_back and not was_back:
        _show(work, shipment, ShipmentProblem.CAME_BACK_AFTER_ALL)
    if tracked.arrived_at is None:
        return
    if shipment.state is ShipmentState.DISPATCHED:
        shipment.state = ShipmentState.DELIVERED
        record_event(work, order.order_id, "delivered", shipment.shipment_id)
    elif shipment.state is ShipmentState.FAILED and not was_there:
        _show(work, shipment, ShipmentProblem.ARRIVED_AFTER_ALL)


class Shipping:
    """The steps of the dispatch phase."""

    def __init__(self, database: Database, carriers: Carriers) -> None:
        self._database = database
        self._carriers = carriers

    @activity.defn
    async def book_shipment(self, step: ShipmentStep) -> Progress:
        """Book a planned shipment with the carrier whose quote is best, once. One that has left
        before the carrier's answer came is asked for under the same key."""
        call = booking_call(step.order_id, step.shipment_id)
        asked = await self._what_to_ask(step, call)
        if asked is not None:
            booking, booked = await call_idempotently(
                self._database, call, asked, self._carriers.book
            )
            await self._database.transaction_async(
                lambda work: _booked(work, step, booking, booked),
            )
        return await self._database.read_async(
            lambda session: read_progress(session, session.get_one(Order, step.order_id)),
        )

    async def _what_to_ask(self, step: ShipmentStep, call: str) -> FreightBooking | None:
        """What was asked before; None where nothing is to be booked."""
        attempt, asked = await self._database.read_async(
            lambda session: asked_before(session, call, FreightBooking)
        )
        if asked is not None:
            matters = await self._database.read_async(
                lambda session: may_have_been_booked(session, step.shipment_id)
            )
            return asked if matters else None
        inquiry = await self._database.read_async(
            lambda session: inquiry_of(session, step.shipment_id, self._database.clock())
        )
        if inquiry is None:
            return None
        return await self._choose_or_ask_anew(inquiry, call, attempt)

    async def _choose_or_ask_anew(
        self, inquiry: FreightInquiry, call: str, attempt: int
    ) -> FreightBooking:
        """As `_choose`. After a no the next question is another one: under the same key the
        carriers would give the same answer for ever."""
        try:
            return await self._choose(inquiry, attempt)
        except Refused:
            await self._database.transaction_async(lambda work: refused(work, call, attempt))
            raise

    async def _choose(self, inquiry: FreightInquiry, attempt: int) -> FreightBooking:
        """Ask what it costs, and choose. Raises Refused where nobody takes it. Other words are
        another question: a quote changes nothing, so it needn't be the one asked before."""
        words = digest(inquiry.model_dump(mode="json"))[:16]
        key = f"{inquiry.order_id}/quote/{inquiry.shipment_id}/{attempt}-{words}"
        quotes = [
            quote
            for quote in await self._carriers.quote(inquiry, key)
            if quote.arrives_on >= inquiry.ready_on
        ]
        try:
            chosen = choose_quote(quotes, inquiry.currency, inquiry.needed_by)
        except ValueError as error:
            raise Refused("no_quote", f"{inquiry.shipment_id}: {error}") from error
        return FreightBooking(**dict(inquiry), quote=chosen.quote, choice=chosen.reason)

    @activity.defn
    async def cancel_booking(self, step: ShipmentStep) -> Progress:
        """Undo of `book_shipment`, also where it may or may not have been booked. Refused where
        the carrier has the goods."""
        await self._ask_back(step)
        return await self._database.transaction_async(lambda work: _called_back(work, step))

    @activity.defn
    async def call_back(self, step: ShipmentStep) -> None:
        """Ask the carrier not to fetch a shipment; what is in it stays as it is. Refused as
        `cancel_booking`."""
        await self._ask_back(step)

    async def _ask_back(self, step: ShipmentStep) -> None:
        shipment = await self._database.read_async(
            lambda session: session.get_one(Shipment, step.shipment_id)
        )
        if shipment.state.has_left:
            raise Refused(ALREADY_PICKED_UP, f"{step.shipment_id} has left")
        if shipment.mode is not FreightMode.HAND_OVER:
            await call_idempotently(
                self._database,
                f"{step.order_id}/cancel-booking/{step.shipment_id}",
                step,
                lambda asked, key: self._carriers.cancel(asked.shipment_id, key),
            )


def _find(session: Session, order_id: str, shipment_id: str | None) -> Shipment | None:
    """The order's shipment by that id; without an id the only one there is."""
    query = select(Shipment).where(Shipment.order_id == order_id)
    if shipment_id is not None:
        return session.exec(query.where(Shipment.shipment_id == shipment_id)).one_or_none()
    over = (ShipmentState.CANCELLED, ShipmentState.FAILED)
    alive = session.exec(query.where(col(Shipment.state).not_in(over))).all()
    return alive[0] if len(alive) == 1 else None


def _find_return(session: Session, order_id: str, return_id: str | None) -> ReturnRow | None:
    """The order's return by that id: carriers know it as a shipment."""
    row = session.get(ReturnRow, return_id or "")
    return row if row is not None and row.order_id == order_id else None


def _show(
    work: UnitOfWork,
    shipment: Shipment,
    problem: ShipmentProblem,
) -> None:
    """Until it is mended, or a person has seen to it."""
    shipment.problem = problem
    record_event(work, shipment.order_id, problem, shipment.shipment_id)
