"""How orders are shown."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from command_line.output import new_table, out
from models.orders import Fulfilment
from models.views.orders import OrderDetails, OrderView, ShipmentView


def orders_table(orders: Sequence[OrderView]) -> Table:
    """Orders, one a row."""
    table = new_table("order", "stage", "customer", "total", "paid", "attention or invoice")
    for order in orders:
        remark = order.attention.code if order.attention else order.invoice_number or ""
        style = "yellow" if order.attention else None
        row = (order.order_id, order.stage, order.customer_id, order.total, order.paid, remark)
        table.add_row(*row, style=style)
    return table


def _besides(order: OrderView) -> str:
    """What total and paid alone don't say."""
    refunded = f", {order.refunded} given back" if (order.refunded or "").strip("0.") else ""
    due = (
        f", {order.due} due"
        if order.due and order.paid.strip("0.") and order.due.strip("0.")
        else ""
    )
    return due + refunded


def _handed_over(order: OrderDetails) -> str:
    """By whom it was taken, and where the goods are handed over; nothing where a carrier brings
    them."""
    taken = f", taken by {order.taken_by}" if order.taken_by else ""
    if order.fulfilment == Fulfilment.CARRIER:
        return taken
    return f"{taken}\n{order.fulfilment.replace('_', ' ')} at {order.location}"


def _shipment(order: OrderDetails, shipment: ShipmentView) -> str:
    """Its state, its carrier, and what that says."""
    nobody = "no carrier yet" if order.fulfilment == Fulfilment.CARRIER else "no carrier"
    carrier = " ".join(filter(None, (shipment.carrier or nobody, shipment.tracking_number)))
    says = f": {shipment.tracking.replace('_', ' ')}" if shipment.tracking else ""
    return f"shipment {shipment.shipment_id}: {shipment.state}, {carrier}{says}"


def print_order(order: OrderDetails) -> None:
    """One order with everything that happened to it."""
    out.print(
        f"Order {order.order_id}: {order.stage}\n"
        f"{order.channel}, {order.terms}, for {order.customer_id}, "
        f"placed {order.placed_at:%Y-%m-%d %H:%M} UTC{_handed_over(order)}\n"
        f"paid {order.paid} of {order.total} {order.currency}{_besides(order)}, "
        f"invoice {order.invoice_number or 'not issued'}",
        highlight=False,
        soft_wrap=True,
    )
    if order.attention:
        text = Text.assemble((order.attention.code, "yellow"), ": ", order.attention.message)
        out.print(text, soft_wrap=True)
    units = ["ordered", "reserved", "backordered", "shipped", "delivered", "returned"]
    if any(line.given_up for line in order.lines):
        units.append("given_up")
    lines = new_table("SKU", *(name.replace("_", " ") for name in units))
    for line in order.lines:
        lines.add_row(line.sku, *(str(getattr(line, name)) for name in units))
    out.print(lines)
    for waiting in order.backorders:
        when = f"expected {waiting.expected_date}" if waiting.expected_date else "without a date"
        source = f"({waiting.po_id})" if waiting.po_id else "(not bought yet)"
        out.print(f"waits for {waiting.quantity} x {waiting.sku} {source}, {when}")
    if order.backorders:
        promised = order.promised_date or "without a date"
        out.print(f"promised by {promised}, expected {order.expected_date or 'without a date'}")
    if order.consent_by:
        consent = f"the customer must accept the delay by {order.consent_by}"
        out.print(consent, style="yellow", highlight=False, soft_wrap=True)
    for shipment in order.shipments:
        out.print(_shipment(order, shipment), highlight=False, soft_wrap=True)
    history = new_table("when", "what", "details")
    for row in order.history:
        history.add_row(f"{row.recorded_at:%Y-%m-%d %H:%M:%S}", row.event, row.detail)
    out.print(history)
    for odd in order.odd_facts:
        out.print(Text.assemble((f"odd {odd.name} ", "yellow"), f"{odd.body}: {odd.reason}"))
