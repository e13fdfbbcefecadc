"""Shipping steps: what workflows call to plan shipments and to apply the reports of carriers."""

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.shipping.planning import lock_held, next_shipment_number, plan_shipment
from activities.shipping.tracking import apply_report
from models.messages.facts import ShipmentDelivered
from models.messages.steps import DeliveryStep, DispatchStep, OrderStep, ShipmentStep, TrackingStep
from models.progress import Cancellation, Progress
from models.tracking import TrackingStatus


@step
def plan_shipments(work: UnitOfWork, step: OrderStep) -> Progress:
    """Plan a shipment for each location that holds goods of an order.

    Shipments are recorded before any carrier is asked, so that every booking is known and can be
    cancelled.
    """
    order = lock_order(work, step.order_id)
    held = lock_held(work, step.order_id)
    if not held or order.cancellation is not Cancellation.NONE:
        return read_progress(work.session, order)
    first = next_shipment_number(work.session, step.order_id)
    for number, location in enumerate(sorted(held), start=first):
        plan_shipment(work, order, f"SH-{step.order_id}-{number}", held[location])
    return save_progress(work, order)


@step
def hand_over(work: UnitOfWork, step: ShipmentStep) -> Progress:
    """Deliver a shipment over the counter: goods issue and delivery at once."""
    fact = ShipmentDelivered(event_id="handed-over", shipment_id=step.shipment_id)
    return apply_report(work, step.order_id, fact, TrackingStatus.DELIVERED)


@step
def apply_dispatch(work: UnitOfWork, step: DispatchStep) -> Progress:
    """Apply a carrier's pick-up: goods issue, once per shipment."""
    return apply_report(work, step.order_id, step.fact, TrackingStatus.PICKED_UP)


@step
def apply_delivery(work: UnitOfWork, step: DeliveryStep) -> Progress:
    """Apply a delivery report. If no earlier report issued the goods, issue them now."""
    return apply_report(work, step.order_id, step.fact, TrackingStatus.DELIVERED)


@step
def apply_tracking(work: UnitOfWork, step: TrackingStep) -> Progress:
    """Apply a tracking report. If no earlier report issued the goods, issue them now."""
    return apply_report(work, step.order_id, step.fact, step.fact.status)
