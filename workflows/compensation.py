"""Cancellation of an order: its request, and the undo in the reverse order of the phases.

The undo reads its work from the tables, not from the memory of the workflow, so it is complete also
after an earlier run of the order was terminated. Each undo is an idempotent step.
"""

from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.payment_calls import PaymentCalls
    from activities.billing.steps import credit_invoice
    from activities.orders.steps import (
        finish_cancelling,
        read_order_progress,
        start_cancelling,
        withdraw_cancellation,
    )
    from activities.shipping.carrier_calls import CarrierCalls
    from activities.stock.steps import release_stock
    from models.messages.attention import ALREADY_PICKED_UP
    from models.messages.requests import CancelRequest, CommandOutcome
    from models.messages.steps import CancelOrder, OrderStep, ShipmentStep
    from models.orders import Terms
    from models.progress import Cancellation, Progress, ShipmentState
    from workflows.notifying import notify
    from workflows.order_context import OrderContext
    from workflows.refunds import RefundSteps
    from workflows.steps import PartnerStep, RefusedStep, Steps, run_database_step

Answer = TypeVar("Answer")


class PickedUp(Exception):  # nothing went wrong
    """The carrier has the goods: they can be returned, but not recalled."""


async def start_cancellation(
    order: OrderContext,
    request: CancelRequest,
    *,
    unless_paid: bool = False,
    unless_accepted: bool = False,
) -> CommandOutcome:
    """Start the cancellation of a recorded order, or refuse it; see `CancelOrder`."""
    await workflow.wait_condition(lambda: order.is_recorded)
    answer = await run_database_step(
        start_cancelling,
        CancelOrder(
            order_id=order.order_id,
            request=request,
            unless_paid=unless_paid,
            unless_accepted=unless_accepted,
        ),
        "Start the cancellation",
    )
    order.update(answer.progress)
    if answer.accepted:
        order.cancelling = True
    return CommandOutcome(accepted=answer.accepted, message=answer.message)


async def undo(order: OrderContext) -> Progress:
    """Undo an order; it is cancelled when this returns.

    If a carrier has goods of the order, the cancellation is withdrawn (`Cancellation.NONE`) and
    nothing else is undone. Any other refusal of a partner waits for an operator.
    """
    steps, step = order.regardless, order.step
    progress = await steps.run_database_step(read_order_progress, step, "Read what to undo")
    for shipment_id in progress.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED):
        shipment = ShipmentStep(order_id=order.order_id, shipment_id=shipment_id)
        try:
            progress = await cancel_booking(steps, CarrierCalls.cancel_booking, shipment)
        except PickedUp:
            return await _withdraw(order)
    if progress.goods_left:  # picked up in the meantime, whatever the carriers answered
        return await _withdraw(order)
    if progress.terms is not Terms.CASH:
        collected_minor = await steps.call_partner(
            PaymentCalls.void_payment_request, step, "Void the payment request"
        )
        await steps.wait_until(lambda: order.progress.received_minor >= collected_minor)
    await steps.run_database_step(credit_invoice, step, "Credit the invoice")
    released = await steps.run_database_step(release_stock, step, "Release stock")
    await notify(steps, released.notification)
    return await finish_cancellation(steps, order.refunds, step)


async def _withdraw(order: OrderContext) -> Progress:
    return await order.regardless.run_database_step(
        withdraw_cancellation, order.step, "Withdraw the cancellation"
    )


async def finish_cancellation(steps: Steps, refunds: RefundSteps, order: OrderStep) -> Progress:
    """Finish a cancellation: refund until nothing is owed, as payments may still arrive."""
    while True:
        progress = await steps.run_database_step(finish_cancelling, order, "Finish cancelling")
        if progress.cancellation is Cancellation.DONE and not progress.refund_due_minor:
            return progress
        await refunds.pay_cancelled(order)


async def cancel_booking(
    steps: Steps, activity: PartnerStep[ShipmentStep, Answer], step: ShipmentStep
) -> Answer:
    """Cancel the booking of a shipment. Raises PickedUp."""
    summary = f"Cancel the booking of {step.shipment_id}"
    while True:
        try:
            return await steps.call_partner_or_raise(activity, step, summary)
        except RefusedStep as refusal:
            if refusal.attention.code == ALREADY_PICKED_UP:
                raise PickedUp from refusal
            await steps.wait_for_operator(summary, refusal.attention)
