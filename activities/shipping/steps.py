"""Shipping: consignments planned, carriers booked, goods issued, delivery recorded."""

import asyncio
from collections import defaultdict
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Clock, Database
from activities.database.inbox import mark_applied
from activities.gateways.calls import asked_before, once, refused
from activities.gateways.carriers import Carriers
from activities.order_record.audit import note, note_odd_fact
from activities.order_record.progress import lock_order, look, touch
from activities.shipping.goods_issue import issue_goods, put_back
from activities.shipping.planning import booking_call, consign, inquiry_of, may_have_been_booked
from activities.shipping.tracking import follow_return, keep_report, reports_of
from activities.stock.counters import lock_stock
from models.errors import Refused
from models.messages.attention import ALREADY_PICKED_UP
from models.messages.facts import ShipmentDelivered, ShipmentFact
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry
from models.messages.steps import DeliveryStep, DispatchStep, OrderStep, ShipmentStep, TrackingStep
from models.money import parse_amount
from models.orders import Cancellation, Progress, ShipmentProblem, ShipmentState, digest
from models.shipping import FreightMode, Packaging, choose_quote
from models.stock import ReservationState
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus, fold


class Shipping:
    """The steps of the dispatch phase."""

    def __init__(
        self, database: Database, clock: Clock, carriers: Carriers, packaging: Packaging
    ) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._packaging = packaging

    @activity.defn
    def plan_shipments(self, step: OrderStep) -> Progress:
        """Put everything held into consignments, one for each location, before a carrier is
        asked: so that whatever is booked is known here, and can be called back."""
        return self._database.transaction(lambda session: self._plan(session, step.order_id))

    @activity.defn
    async def book_shipment(self, step: ShipmentStep) -> Progress:
        """Book a planned shipment with the carrier whose quote is best, once. One that has left
        before the carrier's answer came is asked for under the same key."""
        call = booking_call(step.order_id, step.shipment_id)
        asked = await self._what_to_ask(step, call)
        if asked is not None:
            booking, booked = await once(self._database, call, asked, self._carriers.book)
            await asyncio.to_thread(
                self._database.transaction,
                lambda session: self._booked(session, step, booking, booked),
            )
        return await self._database.read_async(
            lambda session: look(session, session.get_one(Order, step.order_id)),
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
            lambda session: inquiry_of(session, step.shipment_id, self._clock())
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
            await asyncio.to_thread(
                self._database.transaction, lambda session: refused(session, call, attempt)
            )
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
    def hand_over(self, step: ShipmentStep) -> Progress:
        """Over the counter: the goods leave, and have arrived."""
        fact = ShipmentDelivered(event_id="handed-over", shipment_id=step.shipment_id)
        return self._database.transaction(
            lambda session: self._apply(session, step.order_id, fact, TrackingStatus.DELIVERED)
        )

    @activity.defn
    async def cancel_booking(self, step: ShipmentStep) -> Progress:
        """Undo of `book_shipment`, also where it may or may not have been booked. Refused where
        the carrier has the goods."""
        await self._ask_back(step)
        return await asyncio.to_thread(
            self._database.transaction, lambda session: self._called_back(session, step)
        )

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
            await once(
                self._database,
                f"{step.order_id}/cancel-booking/{step.shipment_id}",
                step,
                lambda asked, key: self._carriers.cancel(asked.shipment_id, key),
            )

    @activity.defn
    def apply_dispatch(self, step: DispatchStep) -> Progress:
        """Goods have left: goods issue, once per shipment."""
        return self._take(step, step.fact, TrackingStatus.PICKED_UP)

    @activity.defn
    def apply_delivery(self, step: DeliveryStep) -> Progress:
        """Goods have arrived; where nobody said that they left, they have left now."""
        return self._take(step, step.fact, TrackingStatus.DELIVERED)

    @activity.defn
    def apply_tracking(self, step: TrackingStep) -> Progress:
        """Where goods are on their way; where nobody said that they left, they have left now."""
        return self._take(step, step.fact, step.fact.status)

    def _take(
        self,
        step: DispatchStep | DeliveryStep | TrackingStep,
        fact: ShipmentFact,
        status: TrackingStatus | None,
    ) -> Progress:
        return self._database.transaction(
            lambda session: self._apply(session, step.order_id, fact, status)
        )

    def _plan(self, session: Session, order_id: str) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        query = select(Reservation).where(
            Reservation.order_id == order_id, Reservation.state == ReservationState.HELD
        )
        lock_stock(session, {row.sku for row in session.exec(query)})  # goods may be arriving
        held: dict[str, list[Reservation]] = defaultdict(list)
        for row in session.exec(query.execution_options(populate_existing=True)):
            held[row.location].append(row)
        if not held or order.cancellation is not Cancellation.NONE:
            return look(session, order)
        count = select(func.count()).select_from(Shipment).where(col(Shipment.order_id) == order_id)
        first = session.exec(count).one() + 1
        for number, location in enumerate(sorted(held), start=first):
            shipment_id = f"SH-{order_id}-{number}"
            consign(session, order, shipment_id, held[location], self._packaging, now)
        return touch(session, order, now)

    def _booked(
        self, session: Session, step: ShipmentStep, booking: FreightBooking, booked: BookedFreight
    ) -> None:
        order, now = lock_order(session, step.order_id), self._clock()
        shipment = session.get_one(Shipment, step.shipment_id)
        if shipment.booking_id is not None:
            return
        shipment.booking_id = booked.booking_id
        shipment.carrier = booked.carrier
        shipment.tracking_number = booked.tracking_number
        shipment.service = booking.quote.service
        shipment.charge_minor = parse_amount(booking.quote.charge, booking.quote.currency)
        shipment.arrives_on, shipment.choice = booking.quote.arrives_on, booking.choice
        shipment.news_at = now
        if shipment.state is ShipmentState.PLANNED:
            shipment.state = ShipmentState.BOOKED
        detail = (
            f"{shipment.shipment_id} with {booked.carrier}, tracking {booked.tracking_number}: "
            f"{booking.choice}"
        )
        note(session, order.order_id, "booked", detail, now)
        touch(session, order, now)

    def _called_back(self, session: Session, step: ShipmentStep) -> Progress:
        order, now = lock_order(session, step.order_id), self._clock()
        shipment = session.get_one(Shipment, step.shipment_id)
        if shipment.state not in (ShipmentState.PLANNED, ShipmentState.BOOKED):
            return look(session, order)
        put_back(session, shipment)
        note(session, order.order_id, "booking_cancelled", shipment.shipment_id, now)
        return touch(session, order, now)

    def _apply(
        self, session: Session, order_id: str, fact: ShipmentFact, status: TrackingStatus | None
    ) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        mark_applied(session, fact, now)
        ours = fact.order_id in (None, order.order_id)
        shipment = _find(session, order.order_id, fact.shipment_id) if ours else None
        coming = None
        if ours and shipment is None:
            coming = _find_return(session, order.order_id, fact.shipment_id)
        if coming is not None and status is not None:
            follow_return(session, coming, fact, status, now)
            told = () if coming.state.is_over else (coming.return_id,)  # again does no harm
            return touch(session, order, now).model_copy(update={"coming_back": told})
        if shipment is None or status is None:
            known = shipment or coming
            reason = "status: missing" if known else "shipment_id: not one of its own"
            note_odd_fact(session, order.order_id, fact, reason, now)
            return touch(session, order, now)
        if shipment.state is ShipmentState.CANCELLED:
            note_odd_fact(session, order.order_id, fact, "its booking was cancelled", now)
            if keep_report(session, shipment, fact, status, now) and status.has_goods:
                had = [r for r in reports_of(session, shipment.shipment_id) if r.status.has_goods]
                if len(had) == 1:  # what a person has seen to once isn't shown again
                    _show(session, shipment, ShipmentProblem.CALLED_BACK_IN_VAIN, now)
            return touch(session, order, now)
        if keep_report(session, shipment, fact, status, now):
            self._move_on(session, order, shipment, now)
        progress = touch(session, order, now)
        if shipment.called_back_by and shipment.state.has_left:
            return progress.model_copy(update={"fetched": (shipment.called_back_by,)})
        return progress

    def _move_on(self, session: Session, order: Order, shipment: Shipment, now: datetime) -> None:
        """What all reports together make of a shipment, whatever their order."""
        tracked = fold(reports_of(session, shipment.shipment_id))
        assert tracked is not None, "a report was kept"
        was_there = shipment.delivered_at is not None
        was_back = shipment.tracking is TrackingStatus.RETURNED_TO_SENDER
        shipment.tracking, shipment.news_at = tracked.status, now
        if tracked.left_at is None:
            return
        shipment.dispatched_at, shipment.delivered_at = tracked.left_at, tracked.arrived_at
        if not shipment.state.has_left:
            issue_goods(session, order, shipment, now)
            shipment.state = ShipmentState.DISPATCHED
            note(session, order.order_id, "dispatched", shipment.shipment_id, now)
        is_back = tracked.status is TrackingStatus.RETURNED_TO_SENDER
        lost = shipment.state is ShipmentState.FAILED and shipment.restocked_at is None
        if lost and is_back and not was_back:
            _show(session, shipment, ShipmentProblem.CAME_BACK_AFTER_ALL, now)
        if tracked.arrived_at is None:
            return
        if shipment.state is ShipmentState.DISPATCHED:
            shipment.state = ShipmentState.DELIVERED
            note(session, order.order_id, "delivered", shipment.shipment_id, now)
        elif shipment.state is ShipmentState.FAILED and not was_there:
            _show(session, shipment, ShipmentProblem.ARRIVED_AFTER_ALL, now)


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


def _show(session: Session, shipment: Shipment, problem: ShipmentProblem, now: datetime) -> None:
    """Until it is mended, or a person has seen to it."""
    shipment.problem = problem
    note(session, shipment.order_id, problem, shipment.shipment_id, now)
