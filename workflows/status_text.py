"""Texts about an order in the Temporal UI: its current details and its summary."""

from models.messages.attention import Attention
from models.money import Money
from models.orders import OrderDocument
from models.progress import Progress, Stage, stage

OBLIGATIONS = {
    Stage.RECEIVED: "Being recorded; stock is being allocated.",
    Stage.AWAITING_STOCK: "Waiting for goods from a supplier.",
    Stage.AWAITING_PAYMENT: "Waiting for the customer's payment.",
    Stage.DISPATCHING: "Waiting for the goods issue.",
    Stage.IN_TRANSIT: "Waiting for the delivery.",
    Stage.DELIVERED: "Delivered; waiting for the rest of the payment.",
    Stage.COMPLETED: "Delivered and paid.",
    Stage.CANCELLING: "Being cancelled; every phase is being undone.",
    Stage.CANCELLED: "Cancelled; every phase is undone.",
}
"""The earliest unfinished obligation of an order, by stage."""


def current_details(progress: Progress | None, attention: Attention | None) -> str:
    """Describe an order in Markdown: its stage, its attention and its main figures."""
    now = stage(progress) if progress else Stage.RECEIVED
    parts = [f"**{now.value.replace('_', ' ').capitalize()}.** {OBLIGATIONS[now]}"]
    if attention:
        parts.append(needs_operator(attention))
    if progress:
        parts.append("\n".join(_figures(progress)))
    return "\n\n".join(parts)


def needs_operator(attention: Attention) -> str:
    """Describe an attention in Markdown."""
    return f"**Needs an operator** (`{attention.code}`): {attention.message}"


def order_summary(order: OrderDocument) -> str:
    """Describe an order in one line without personal data, for the list of workflows."""
    count = len(order.lines)
    return f"{order.channel} order, {order.terms}, {count} line{'s' if count > 1 else ''}"


def _figures(progress: Progress) -> list[str]:
    total = Money(amount_minor=progress.total_minor, currency=progress.currency)
    paid = Money(amount_minor=progress.paid_minor, currency=progress.currency)
    figures = [f"- paid {paid} of {total}"]
    if progress.backordered:
        figures.append(f"- {progress.backordered} of {progress.ordered} units are backordered")
        figures.append(f"- expected {progress.expected_date or 'date unknown'}")
        if progress.promised_date:
            figures.append(f"- promised by {progress.promised_date}")
        if progress.consent_by:
            figures.append(f"- the customer must accept the delay by {progress.consent_by}")
    if progress.invoice_number:
        figures.append(f"- invoice {progress.invoice_number}")
    figures += [f"- shipment {s.shipment_id}: {s.state}" for s in progress.shipments]
    return figures
