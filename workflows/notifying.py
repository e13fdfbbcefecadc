"""Notifications: a workflow's messages to others that a fact or a command concerns."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.notifying import Notifier
    from models.messages.steps import Notification, StockKey
    from workflows.steps import Steps

ORDERS_PER_STEP = 100
"""The number of orders that one step notifies well within its time limit."""


async def notify(steps: Steps, notification: Notification, sender: StockKey | None = None) -> None:
    """Notify the workflows concerned, except the replenishment that is the sender."""
    keys = tuple(key for key in notification.stock_keys if key != sender)
    message = notification.model_copy(update={"stock_keys": keys})
    for first in range(0, max(1, len(notification.orders)), ORDERS_PER_STEP):
        orders = notification.orders[first : first + ORDERS_PER_STEP]
        message = message.model_copy(update={"orders": orders})
        if message:
            await steps.call_partner(Notifier.notify, message, f"Notify others of {message.cause}")
        message = Notification(cause=notification.cause)
