"""The command that records a booking made by hand."""

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import recorded_request
from activities.order_record.audit import record_event
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import target_amount, target_shipment
from activities.shipping.booking import booking_call
from models.messages.commands.base import SHIPMENT_REFUSED, refuse
from models.messages.commands.resolutions import ResolveBooking
from models.messages.commands.results import CommandResult
from models.messages.partners import FreightInquiry
from models.progress import Cancellation, Progress, ShipmentState
from models.shipping import FreightMode, booking_by_hand
from models.tables.shipping import Shipment


@executes(ResolveBooking)
def resolve_booking(work: UnitOfWork, command: ResolveBooking) -> CommandResult:
    """Record a booking that an operator made."""
    order, shipment = target_shipment(work, command.shipment_id)
    if problem := _why_not_book(shipment, read_progress(work.session, order)):
        refuse("shipment_id", f"{shipment.shipment_id} {problem}", SHIPMENT_REFUSED)
    charge = command.charge
    if charge is not None:
        shipment.charge_minor = target_amount(
            charge, order.currency, "charge", SHIPMENT_REFUSED, zero=True
        )
    shipment.booking_id = booking_by_hand(shipment.shipment_id)
    shipment.carrier, shipment.tracking_number = command.carrier, command.tracking
    shipment.choice = f"booked by hand by {command.actor}"
    shipment.state, shipment.news_at = ShipmentState.BOOKED, work.now
    detail = f"{shipment.shipment_id} by hand with {command.carrier}, tracking {command.tracking}"
    record_event(work, order.order_id, "booked", f"{detail}, by {command.actor}: {command.reason}")
    save_progress(work, order)
    message = f"{shipment.shipment_id} is booked with {command.carrier}"
    call = booking_call(order.order_id, shipment.shipment_id)
    if recorded_request(work.session, call, FreightInquiry)[1] is not None:
        message += "; carriers were asked for it before: cancel what one of them has booked"
    return CommandResult.done(command, message, orders=(order.order_id,))


def _why_not_book(shipment: Shipment, progress: Progress) -> str | None:
    """Return why a shipment can't have been booked by hand."""
    if shipment.mode is FreightMode.HAND_OVER:
        return "is handed over to the customer: no carrier is booked"
    if progress.cancellation is not Cancellation.NONE:
        return f"belongs to {progress.order_id}, which is (being) cancelled"
    if shipment.called_back_by:
        return "is being recalled: wait for its carrier's answer"
    if shipment.state is not ShipmentState.PLANNED:
        with_whom = f" with {shipment.carrier}" if shipment.carrier else ""
        return f"is {shipment.state}{with_whom} already"
    if not progress.secured:
        return f"may not leave: {progress.order_id} is not paid"
    return None
