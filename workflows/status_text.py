"""Texts about an order in the Temporal UI: its current details and its summary."""

from models.messages.attention import Attention
from models.money import Money
from models.orders import OrderDocument
from models.progress import Progress
from models.views.why import Explanation, Wait, in_words


def current_details(explanation: Explanation, progress: Progress | None) -> str:
    """Describe an order in Markdown: its stage, what it waits for, and its main figures."""
    parts = [f"**{explanation.state.replace('_', ' ').capitalize()}.**"]
    parts += [_wait(wait, explanation.subject) for wait in explanation.waits]
    if progress:
        parts += ["**Figures**", "\n".join(_figures(progress))]
    return "\n\n".join(parts)


def _wait(wait: Wait, order_id: str) -> str:
    """Describe a wait, with the commands of an operator as lines to paste."""
    what = wait.reason if wait.subject == order_id else f"{wait.subject}: {wait.reason}"
    until = f" until {in_words(wait.until)}" if wait.until else ""
    since = f" since {in_words(wait.since)}" if wait.since else ""
    text = f"**{wait.who}** (`{wait.code}`){since}{until}: {what}. Then: {wait.then}."
    commands = "\n".join(f"- `{action.command}`: {action.effect}" for action in wait.actions)
    return f"{text}\n\n{commands}" if commands else text


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
    figures += [f"- invoice {number}" for number in progress.invoices]
    figures += [f"- shipment {s.shipment_id}: {s.state}" for s in progress.shipments]
    return figures
