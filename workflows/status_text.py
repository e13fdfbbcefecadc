"""The order in plain words: the current details on its page in the Temporal UI."""

from models.messages.attention import Attention
from models.money import Money
from models.orders import OrderDocument
from models.progress import Progress, Stage, stage

WAITS_FOR = {
    Stage.RECEIVED: "It is being recorded and stock is being looked for.",
    Stage.AWAITING_STOCK: "It waits for goods that were bought from a supplier.",
    Stage.AWAITING_PAYMENT: "It waits for the customer's payment.",
    Stage.DISPATCHING: "It waits for the carrier to fetch the goods.",
    Stage.IN_TRANSIT: "The goods are on their way; it waits for their delivery.",
    Stage.DELIVERED: "The goods are there; it waits for the rest of the payment.",
    Stage.COMPLETED: "Delivered and paid: nothing is left to do.",
    Stage.CANCELLING: "It is being cancelled: everything is being undone.",
    Stage.CANCELLED: "It was cancelled, and everything undone.",
}


def in_words(progress: Progress | None, attention: Attention | None) -> str:
    """Markdown: where the order is, what it waits for, and who has to do something."""
    now = stage(progress) if progress else Stage.RECEIVED
    parts = [f"**{now.value.replace('_', ' ').capitalize()}.** {WAITS_FOR[now]}"]
    if attention:
        parts.append(f"**Needs a person** (`{attention.code}`): {attention.message}")
    if progress:
        parts.append("\n".join(_facts(progress)))
    return "\n\n".join(parts)


def summary(order: OrderDocument) -> str:
    """One line for the list of workflows; no personal data."""
    count = len(order.lines)
    return f"{order.channel} order, {order.terms}, {count} line{'s' if count > 1 else ''}"


def _facts(progress: Progress) -> list[str]:
    money = Money(amount_minor=progress.total_minor, currency=progress.currency)
    paid = Money(amount_minor=progress.paid_minor, currency=progress.currency)
    facts = [f"- paid {paid} of {money}"]
    if progress.backordered:
        facts.append(f"- {progress.backordered} of {progress.ordered} units are backordered")
        expected, promised = progress.expected_date, progress.promised_date
        facts.append(f"- expected {expected}" if expected else "- nobody knows yet when they come")
        if promised:
            facts.append(f"- promised by {promised}")
        if progress.consent_by:
            facts.append(f"- the customer must accept the delay by {progress.consent_by}")
    if progress.invoice_number:
        facts.append(f"- invoice {progress.invoice_number}")
    facts += [f"- shipment {s.shipment_id}: {s.state}" for s in progress.shipments]
    return facts
