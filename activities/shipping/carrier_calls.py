"""Calls to carriers: quotes and bookings of shipments, and their cancellation."""

from temporalio import activity

from activities.database.engine import Database
from activities.gateways.calls import call_idempotently, make_call
from activities.gateways.carriers import Carriers
from activities.order_record.progress import lock_order, read_progress
from activities.shipping.booking import prepare_booking, record_cancelled_booking
from models.errors import Refused
from models.messages.attention import ALREADY_PICKED_UP
from models.messages.steps import ShipmentStep
from models.progress import Progress
from models.shipping import FreightMode, is_by_hand
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
        return await make_call(
            self._database,
            lambda work: prepare_booking(work, step, self._carriers),
            lambda work: read_progress(work.session, lock_order(work, step.order_id)),
        )

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
        if shipment.mode is not FreightMode.HAND_OVER and not is_by_hand(shipment.booking_id):
            await call_idempotently(
                self._database,
                f"{step.order_id}/cancel-booking/{step.shipment_id}",
                step,
                lambda asked, key: self._carriers.cancel(asked.shipment_id, key),
            )
