"""Calls to carriers: quotes and bookings of shipments, and their cancellation."""

from temporalio import activity

from activities.database.engine import Database
from activities.gateways.calls import call_idempotently, record_refusal, recorded_request
from activities.gateways.carriers import Carriers
from activities.order_record.progress import read_progress
from activities.shipping.booking import (
    booking_call,
    freight_inquiry,
    needs_answer,
    record_booking,
    record_cancelled_booking,
)
from models.errors import Refused
from models.messages.attention import ALREADY_PICKED_UP
from models.messages.partners import FreightBooking, FreightInquiry
from models.messages.steps import ShipmentStep
from models.orders import digest
from models.progress import Progress
from models.shipping import FreightMode, choose_quote
from models.tables.orders import Order
from models.tables.shipping import Shipment


class CarrierCalls:
    """The partner steps of shipping."""

    def __init__(self, database: Database, carriers: Carriers) -> None:
        self._database = database
        self._carriers = carriers

    @activity.defn
    async def book_shipment(self, step: ShipmentStep) -> Progress:
        """Book a planned shipment once, with the carrier of the best quote.

        A booking without an answer is requested again under the same key, also when the shipment
        has left meanwhile. Raises Refused without a usable quote.
        """
        call = booking_call(step.order_id, step.shipment_id)
        request = await self._booking_request(step, call)
        if request is not None:
            booking, booked = await call_idempotently(
                self._database, call, request, self._carriers.book
            )
            await self._database.transaction_async(
                lambda work: record_booking(work, step, booking, booked)
            )
        return await self._database.read_async(
            lambda session: read_progress(session, session.get_one(Order, step.order_id))
        )

    async def _booking_request(self, step: ShipmentStep, call: str) -> FreightBooking | None:
        """Return the request sent before, or build one; None where no booking is needed."""
        attempt, asked = await self._database.read_async(
            lambda session: recorded_request(session, call, FreightBooking)
        )
        if asked is not None:
            still_needed = await self._database.read_async(
                lambda session: needs_answer(session, step.shipment_id)
            )
            return asked if still_needed else None
        inquiry = await self._database.read_async(
            lambda session: freight_inquiry(session, step.shipment_id, self._database.clock())
        )
        if inquiry is None:
            return None
        try:
            return await self._choose_quote(inquiry, attempt)
        except Refused:
            # The next attempt needs another key: carriers repeat their answer to this one.
            await self._database.transaction_async(lambda work: record_refusal(work, call, attempt))
            raise

    async def _choose_quote(self, inquiry: FreightInquiry, attempt: int) -> FreightBooking:
        """Request quotes and choose one. As quotes commit to nothing, no request is recorded: a
        changed inquiry gets a new key."""
        content = digest(inquiry.model_dump(mode="json"))[:16]
        key = f"{inquiry.order_id}/quote/{inquiry.shipment_id}/{attempt}-{content}"
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
        """Cancel a booking and its shipment: the undo of `book_shipment`, whether or not that
        reached the carrier. Raises Refused where the carrier has the goods."""
        await self._cancel_with_carrier(step)
        return await self._database.transaction_async(
            lambda work: record_cancelled_booking(work, step)
        )

    @activity.defn
    async def recall_shipment(self, step: ShipmentStep) -> None:
        """Cancel a booking with the carrier only; the shipment stays as it is. Raises Refused where
        the carrier has the goods."""
        await self._cancel_with_carrier(step)

    async def _cancel_with_carrier(self, step: ShipmentStep) -> None:
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
