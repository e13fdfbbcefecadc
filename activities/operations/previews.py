"""Dry runs of requests that the workflow of an order executes: a cancellation, and a consent.

They execute the steps of the workflow in one transaction, which is undone.
"""

from activities.billing.refunds import request_cancellation_refunds
from activities.billing.steps import credit_invoice
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.lines import shipments_of
from activities.order_record.targets import target_order
from activities.orders.promises import accept_delay
from activities.orders.steps import start_cancelling
from activities.shipping.goods_issue import cancel_shipment
from activities.stock.steps import release_stock
from models.messages.commands.base import refuse
from models.messages.commands.orders import PreviewCancellation, PreviewConsent
from models.messages.commands.results import CommandResult
from models.messages.requests import AcceptRequest, CancelRequest
from models.messages.steps import AcceptStep, CancelOrder, OrderStep
from models.orders import Terms
from models.progress import ShipmentState
from models.shipping import FreightMode


@executes(PreviewCancellation)
def preview_cancellation(work: UnitOfWork, command: PreviewCancellation) -> CommandResult:
    """Cancel an order and undo its phases, as far as no partner has to answer first."""
    assert command.dry_run, "only the order's workflow cancels it"
    order, step = target_order(work, command.order_id), OrderStep(order_id=command.order_id)
    request = CancelRequest(reason=command.reason, actor=command.actor)
    started = start_cancelling.function(work, CancelOrder(order_id=order.order_id, request=request))
    if not started.accepted:
        refuse("order_id", started.message, "cancel_refused")
    plans = []
    for shipment in shipments_of(work.session, order.order_id):
        if shipment.state in (ShipmentState.PLANNED, ShipmentState.BOOKED):
            if shipment.mode is not FreightMode.HAND_OVER:
                plans.append(
                    f"the carrier of {shipment.shipment_id} is asked to cancel the pick-up"
                )
            cancel_shipment(work, shipment)
    if order.terms is not Terms.CASH:
        plans.append("the payment provider is asked to void the payment request")
    credit_invoice.function(work, step)
    released = release_stock.function(work, step)
    plans += [
        f"the payment provider is asked to pay {refund.refund_key}, unless it is paid by hand"
        for refund in request_cancellation_refunds(work, order)
    ]
    if order.paid_minor + order.deposit_minor or order.invoiced_minor:
        plans.append("the credit notes and refunds are mailed to the customer")
    return CommandResult.done(
        command,
        f"{order.order_id} would be cancelled; refused if the carrier has the goods by then",
        orders=(order.order_id, *released.notification.orders),
        stock_keys=released.notification.stock_keys,
        returns=released.notification.returns,
        plans=plans,
    )


@executes(PreviewConsent)
def preview_consent(work: UnitOfWork, command: PreviewConsent) -> CommandResult:
    """Record the customer's consent to a delay."""
    assert command.dry_run, "only the order's workflow records it"
    target_order(work, command.order_id)
    request = AcceptRequest(actor=command.actor)
    accepted = accept_delay.function(work, AcceptStep(order_id=command.order_id, request=request))
    if not accepted.accepted:
        refuse("order_id", accepted.message, "accept_delay_refused")
    return CommandResult.done(command, accepted.message, orders=(command.order_id,))
