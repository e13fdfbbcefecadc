"""The command that records a payment request made by hand."""

from activities.billing.payment_requests import record_request_by_hand
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of
from activities.order_record.progress import save_progress
from activities.order_record.targets import target_order
from models.messages.commands.base import MONEY_REFUSED, refuse
from models.messages.commands.resolutions import ResolvePaymentRequest
from models.messages.commands.results import CommandResult
from models.orders import Capture, Terms
from models.progress import Cancellation
from models.tables.orders import Order


@executes(ResolvePaymentRequest)
def resolve_payment_request(work: UnitOfWork, command: ResolvePaymentRequest) -> CommandResult:
    """Record that an operator asked the customer to pay."""
    order = target_order(work, command.order_id)
    if problem := _why_not_ask(order):
        refuse("order_id", problem, MONEY_REFUSED)
    asked = record_request_by_hand(work, order, command.reference)
    if asked is None:
        refuse("order_id", f"the payment of {order.order_id} is requested already", MONEY_REFUSED)
    detail = f"{asked} by hand ({command.reference}), by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "payment_requested", detail)
    save_progress(work, order)
    message = f"{asked} are requested of the customer of {order.order_id}"
    return CommandResult.done(command, message, orders=(order.order_id,))


def _why_not_ask(order: Order) -> str | None:
    """Return why no payment of an order can have been requested by hand."""
    if order.cancellation is not Cancellation.NONE:
        return f"{order.order_id} is (being) cancelled"
    if not balance_of(order).due_minor:
        return f"nothing is due for {order.order_id}"
    if order.terms is Terms.CASH:
        return f"{order.order_id} is paid at the till: record it with `pay {order.order_id}`"
    if order.capture is Capture.AT_DISPATCH:
        return (
            f"only the payment provider can have the card of {order.order_id} authorised: have the "
            f"customer pay in another way, and record it with `pay {order.order_id}`"
        )
    if not order.allocated:
        return f"{order.order_id} is not allocated yet: its payment is requested after that"
    return None
