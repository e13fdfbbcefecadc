"""Undoing an order, in the reverse order of its phases.

What is to be undone is read from the tables, not remembered by the workflow: so it is complete
also when an earlier run of this order was terminated. Whatever a partner may have been asked was
written down before it was asked; every undo is a step of its own and finds it done when repeated.
"""

from collections.abc import Callable
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import Billing, credit_invoice
    from activities.orders.steps import read_order_progress, withdraw_cancellation
    from activities.shipping.steps import Shipping
    from activities.stock.steps import release_stock
    from models.messages.attention import ALREADY_PICKED_UP
    from models.messages.steps import OrderStep, ShipmentStep
    from models.orders import Terms
    from models.progress import Progress, ShipmentState
    from workflows.facts import give_back, notify
    from workflows.steps import PartnerStep, RefusedStep, Steps

Answer = TypeVar("Answer")


class GoodsGone(Exception):  # what is so isn't wrong
    """The carrier has the goods: they can be returned, not called back."""


async def undo(steps: Steps, order: OrderStep, known: Callable[[], Progress]) -> Progress:
    """Undo everything; the order is cancelled when this returns, unless a carrier has the goods:
    then the cancellation is given up (`Cancellation.NONE`) and nothing else was undone. Any other
    refusal of a partner's waits for a person, and the order is being cancelled until then.
    `known`: what the workflow knows of the order, as facts go on coming in."""
    progress = await steps.database(read_order_progress, order, "Look what is to be undone")
    for shipment_id in progress.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED):
        step = ShipmentStep(order_id=progress.order_id, shipment_id=shipment_id)
        try:
            progress = await call_back(steps, Shipping.cancel_booking, step)
        except GoodsGone:
            return await steps.database(withdraw_cancellation, order, "Give up cancelling")
    if progress.goods_left:  # they left while we asked, whatever was answered
        return await steps.database(withdraw_cancellation, order, "Give up cancelling")
    if progress.terms is not Terms.CASH:
        collected_minor = await steps.partner(
            Billing.void_payment_request, order, "Void the payment request"
        )
        await steps.until(
            lambda: known().received_minor >= collected_minor, "Waiting for collected money"
        )
    await steps.database(credit_invoice, order, "Credit the invoice")
    released = await steps.database(release_stock, order, "Release stock")
    await notify(steps, released.notification)
    return await give_back(steps, order)


async def call_back(
    steps: Steps, activity: PartnerStep[ShipmentStep, Answer], step: ShipmentStep
) -> Answer:
    """Cancel a booking. Raises GoodsGone."""
    summary = f"Cancel booking of {step.shipment_id}"
    while True:
        try:
            return await steps.ask(activity, step, summary)
        except RefusedStep as refusal:
            if refusal.attention.code == ALREADY_PICKED_UP:
                raise GoodsGone from refusal
            await steps.attend(summary, refusal.attention)
