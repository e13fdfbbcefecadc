"""Shipping steps: what workflows call to plan shipments and to apply the reports of carriers."""

from activities.database.step import step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.lines import shipments_of
from activities.order_record.progress import lock_order, read_progress, save_progress
from activities.order_record.standing import check_standing
from activities.shipping.planning import plan_held_goods
from activities.shipping.tracking import apply_report
from models.messages.facts import ShipmentDelivered
from models.messages.steps import DeliveryStep, DispatchStep, OrderStep, ShipmentStep, TrackingStep
from models.progress import Progress
from models.tracking import TrackingStatus


@step
def plan_shipments(work: UnitOfWork, step: OrderStep) -> Progress:
    """Plan a shipment for each location that holds goods of an order.

    Shipments are recorded before any carrier is asked, so that every booking is known and can be
    cancelled.
    """
    order = lock_order(work, step.order_id)
    planned = plan_held_goods(work, order, len(shipments_of(work.session, step.order_id)))
    return save_progress(work, order) if planned else read_progress(work.session, order)


@step
def hand_over(work: UnitOfWork, step: ShipmentStep) -> Progress:
    """Deliver a shipment over the counter: goods issue and delivery at once.

    Raises Refused for a customer who is blocked or has no credit for the order.
    """
    order = lock_order(work, step.order_id)
    shipments = shipments_of(work.session, step.order_id)
    if any(row.shipment_id == step.shipment_id and not row.state.has_left for row in shipments):
        check_standing(work.session, order)
    fact = ShipmentDelivered(event_id="handed-over", shipment_id=step.shipment_id)
    return apply_report(work, step.order_id, fact, TrackingStatus.DELIVERED).progress


@step
def apply_dispatch(work: UnitOfWork, step: DispatchStep) -> Progress:
    """Apply a carrier's pick-up: goods issue, once per shipment."""
    return apply_report(work, step.order_id, step.fact, TrackingStatus.PICKED_UP).progress


@step
def apply_delivery(work: UnitOfWork, step: DeliveryStep) -> Progress:
    """Apply a delivery report. If no earlier report issued the goods, issue them now."""
    return apply_report(work, step.order_id, step.fact, TrackingStatus.DELIVERED).progress


@step
def apply_tracking(work: UnitOfWork, step: TrackingStep) -> Progress:
    """Apply a tracking report. If no earlier report issued the goods, issue them now."""
    return apply_report(work, step.order_id, step.fact, step.fact.status).progress
