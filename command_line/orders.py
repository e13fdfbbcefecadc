"""Orders: placing, status, and requests to running orders."""

import codecs
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import JsonValue
from rich.text import Text

from activities.orders import reading as orders_reading
from command_line.commands import Actor, CommandFields, Reason, reads
from command_line.context import CliContext, OpenContext
from command_line.output import (
    Json,
    Limit,
    Wide,
    print_json,
    print_line,
    print_problem,
    print_rejected,
    problem_of,
    show,
    show_view,
)
from command_line.tables import CliTable, new_table, out, print_table
from intake import Intake
from models.errors import InvalidInput, PipelineError
from models.json_text import parse_json
from models.messages.commands.base import CommandMessage
from models.messages.commands.orders import Amend, PreviewCancellation, PreviewConsent, PreviewRetry
from models.orders import Fulfilment
from models.progress import Stage
from models.tax import ProductKind
from models.views.orders import CustomerView, OrderDetails, OrderView, ShipmentView

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, show what would change.")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]


@dataclass(frozen=True)
class Part:
    """An order of an input: `number` counts its "order" or "line"; `sent` may be its error."""

    kind: str
    number: int
    sent: JsonValue | InvalidInput


def add_orders(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the commands of orders and customers."""
    _add_placing(app, open_context)
    _add_requests(app, open_context)

    @app.command()
    def status(order: OrderId, as_json: Json = False, wide: Wide = False) -> None:
        """Show an order with its history."""
        details = open_context().with_intake(lambda intake: intake.orders.status(order))
        show_view(details, as_json, print_order, wide)

    @app.command("list")
    def list_(
        stage: Annotated[Stage | None, typer.Option(help="Only orders in this stage.")] = None,
        attention: Annotated[bool, typer.Option(help="Only orders in attention.")] = False,
        customer_reference: Annotated[
            str | None, typer.Option(help="Only orders with this reference of the customer.")
        ] = None,
        warnings: Annotated[bool, typer.Option(help="Only orders with a warning.")] = False,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List orders, newest first."""
        orders = open_context().with_intake(
            lambda intake: intake.orders.list_orders(
                stage, attention, limit, customer_reference, warnings
            )
        )
        show_view(orders, as_json, lambda rows: print_table(orders_table(rows, warnings)), wide)

    @app.command()
    def customer(
        id: Annotated[str, typer.Argument(help="The customer's id.")],
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """Show a customer: history, volume, preferences."""
        view = open_context().read(lambda s: orders_reading.customer(s, id))
        show_view(view, as_json, _print_customer, wide)


@reads(Amend)
def amended(
    units: Annotated[
        list[str], typer.Argument(metavar="SKU:QUANTITY...", help="SKUs and their new quantities.")
    ],
) -> CommandFields:
    """Read the new quantities of SKUs."""
    lines: list[JsonValue] = []
    for word in units:
        sku, _, quantity = word.rpartition(":")
        if not sku or not quantity.isdecimal():
            raise typer.BadParameter(f"{word!r} isn't SKU:QUANTITY, such as BIT-32:2; 0 removes it")
        lines.append({"sku": sku, "quantity": int(quantity)})
    return {"lines": lines}


def _add_placing(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def place(
        file: Annotated[str, typer.Argument(help="A file, or - for standard input.")],
        as_json: Json = False,
    ) -> None:
        """Place the orders of FILE: one, an array of them, or JSON lines. Each is placed or refused
        by itself."""
        parts = _parts(sys.stdin.buffer.read() if file == "-" else _read_file(file))
        results = list[dict[str, Any]]()

        async def place_all(intake: Intake) -> int:
            refused = 0
            for part in parts:
                try:
                    if isinstance(part.sent, InvalidInput):
                        raise part.sent
                    placed = await intake.place(part.sent)
                except PipelineError as error:
                    refused += 1
                    results.append(problem_of(error) | {"number": part.number})
                    print_problem(f"{part.kind} {part.number} refused", error.message)
                    continue
                order = placed.order
                results.append({**order.model_dump(mode="json"), "created": placed.created})
                if not as_json:
                    outcome = "placed" if placed.created else "there already"
                    out.print(f"{order.order_id} {outcome}: {order.stage}")
                    _print_warnings(order.warnings)
            return refused

        refused = open_context().with_intake(place_all)
        if as_json:
            print_json(results if len(parts) != 1 else results[0])
        if refused:
            raise typer.Exit(1)


def _add_requests(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def cancel(
        order: OrderId,
        reason: Annotated[str, typer.Option(help="The reason, kept with the record.")] = "",
        actor: Actor = "operator",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        """Cancel an order. Refused after goods have left."""
        context = open_context()
        if dry_run:
            _show_preview(context, PreviewCancellation, order, reason, actor, as_json)
            return
        outcome = context.with_intake(lambda intake: intake.cancel(order, reason, actor))
        show(outcome, as_json, outcome.message)

    @app.command()
    def retry(
        order: OrderId,
        reason: Reason = "retried",
        actor: Actor = "operator",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        """Retry all waiting steps of an order, and acknowledge its problems."""
        context = open_context()
        if dry_run:
            _show_preview(context, PreviewRetry, order, reason, actor, as_json)
            return
        outcome = context.with_intake(lambda intake: intake.retry(order, actor, reason))
        show(outcome, as_json, outcome.message)

    @app.command("accept-delay")
    def accept_delay(
        order: OrderId,
        reason: Reason = "accepted",
        actor: Actor = "operator",
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        """Record that the customer accepts a delay."""
        context = open_context()
        if dry_run:
            _show_preview(context, PreviewConsent, order, reason, actor, as_json)
            return
        outcome = context.with_intake(lambda intake: intake.accept_delay(order, actor, reason))
        show(outcome, as_json, outcome.message)


def _show_preview(
    context: CliContext,
    kind: type[CommandMessage],
    order: str,
    reason: str,
    actor: str,
    as_json: bool,
) -> None:
    """Print what a request to an order would do."""
    done = context.with_intake(lambda intake: intake.preview(kind, order, reason, actor))
    show(done, as_json, done.text)


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name}: {error.strerror}") from error


def _parts(raw: bytes) -> Sequence[Part]:
    """Split an input into orders: one document, an array, or JSON lines.

    Raises InvalidInput if it isn't JSON, and none of its lines is an order by itself.
    """
    try:
        value = parse_json(raw)
    except InvalidInput:
        lines = [
            Part("line", number, _json_line(line))
            for number, line in enumerate(raw.splitlines(), start=1)
            if line.strip()
        ]
        if not any(isinstance(line.sent, dict) and "order_id" in line.sent for line in lines):
            raise
        if raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            raise  # a broken array, even if an order stands alone on one of its lines
        return lines
    orders = value if isinstance(value, list) else [value]
    return [Part("order", number, sent) for number, sent in enumerate(orders, start=1)]


def _json_line(line: bytes) -> JsonValue | InvalidInput:
    try:
        return parse_json(line)
    except InvalidInput as error:
        return error


def _print_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        out.print(Text.assemble(("warning", "yellow"), ": ", warning), soft_wrap=True)


def orders_table(orders: Sequence[OrderView], warnings: bool = False) -> CliTable:
    """Make a table with a row for each order, with its `warnings` instead of attention or invoice
    if that is asked for."""
    last = "warnings" if warnings else "attention or invoice"
    table = new_table("order", "stage", "customer", "total", "paid", last)
    for order in orders:
        remark = order.attention.code if order.attention else order.invoice_number or ""
        if warnings:
            remark = "; ".join(order.warnings)
        style = "yellow" if order.attention else None
        row = (order.order_id, order.stage, order.customer_id, order.total, order.paid, remark)
        table.add_row(*row, style=style)
    return table


def _print_customer(view: CustomerView) -> None:
    table = new_table("field", "content")
    table.title, table.show_header = f"Customer {view.customer_id}", False
    for field, value in view.model_dump(mode="json", exclude={"orders"}).items():
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        table.add_row(field.replace("_", " "), shown)
    print_table(table)
    print_table(orders_table(view.orders))


def print_order(order: OrderDetails) -> None:
    """Print an order with its history."""
    print_line(
        f"Order {order.order_id}: {order.stage}\n"
        f"{order.channel}, {order.terms}, for {order.customer_id}, "
        f"placed {order.placed_at:%Y-%m-%d %H:%M} UTC{_handed_over(order)}"
        f"{_contact(order)}\n"
        f"paid {order.paid} of {order.total} {order.currency}{_due_and_refunded(order)}, "
        f"{_invoices(order)}"
    )
    if order.attention:
        text = Text.assemble((order.attention.code, "yellow"), ": ", order.attention.message)
        out.print(text, soft_wrap=True)
    _print_warnings(order.warnings)
    _print_lines(order)
    _print_backorders(order)
    for refund in order.refunds:
        print_line(
            f"refund {refund.number}: {refund.amount} {order.currency} of {refund.payment_id} "
            f"by {refund.paid_by}, {refund.state}"
        )
    for shipment in order.shipments:
        print_line(_shipment(order, shipment))
    history = new_table("when", "event", "details")
    for row in order.history:
        history.add_row(f"{row.recorded_at:%Y-%m-%d %H:%M:%S}", row.event, row.detail)
    print_table(history)
    print_rejected(order.odd_facts)


def _print_lines(order: OrderDetails) -> None:
    units = ["ordered", "reserved", "backordered", "shipped", "delivered", "returned"]
    if any(line.given_up for line in order.lines):
        units.append("given_up")
    lines = new_table("SKU", *(name.replace("_", " ") for name in units))
    for line in order.lines:
        counts = [str(getattr(line, name)) for name in units]
        if line.kind == ProductKind.SERVICE:
            counts[1:] = [""] * (len(counts) - 1)
        lines.add_row(line.sku, *counts)
    print_table(lines)


def _print_backorders(order: OrderDetails) -> None:
    for short in order.backorders:
        when = f"expected {short.expected_date}" if short.expected_date else "without a date"
        source = f"({short.po_id})" if short.po_id else "(not purchased yet)"
        out.print(f"waits for {short.quantity} x {short.sku} {source}, {when}")
    if order.backorders:
        promised = order.promised_date or "without a date"
        out.print(f"promised by {promised}, expected {order.expected_date or 'without a date'}")
    if order.consent_by:
        consent = f"the customer must accept the delay by {order.consent_by}"
        out.print(consent, style="yellow", highlight=False, soft_wrap=True)


def _contact(order: OrderDetails) -> str:
    """Format the customer's reference and the phone number for the carrier, if any."""
    reference = order.customer_reference and f"the customer's reference {order.customer_reference}"
    phone = order.phone and f"phone {order.phone}"
    known = ", ".join(filter(None, (reference, phone)))
    return f"\n{known}" if known else ""


def _invoices(order: OrderDetails) -> str:
    """Format the invoice of an order, or all of them with their open amounts."""
    if not any(invoice.shipment_id for invoice in order.invoices):
        return f"invoice {order.invoice_number or 'not issued'}"
    lines = [
        f"invoice {one.number}: {one.total} for {one.shipment_id}, due {one.due_on}, "
        f"{one.open} open"
        for one in order.invoices
    ]
    return "\n".join([f"{order.uninvoiced} not invoiced yet", *lines])


def _due_and_refunded(order: OrderView) -> str:
    """Format the due amount of a partly paid order, and amounts refunded, overpaid and kept."""
    amounts = {
        "refunded": order.refunded,
        "overpaid": order.overpaid,
        "kept as credit": order.credit,
    }
    others = [f", {text} {name}" for name, text in amounts.items() if (text or "").strip("0.")]
    due = (
        f", {order.due} due"
        if order.due and order.paid.strip("0.") and order.due.strip("0.")
        else ""
    )
    return due + "".join(others)


def _handed_over(order: OrderDetails) -> str:
    """Format the cashier or seller, and the location where goods are handed over, if any."""
    taken = f", taken by {order.taken_by}" if order.taken_by else ""
    if order.fulfilment == Fulfilment.CARRIER:
        return taken
    return f"{taken}\n{order.fulfilment.replace('_', ' ')} at {order.location}"


def _shipment(order: OrderDetails, shipment: ShipmentView) -> str:
    """Format a shipment with state, carrier and tracking."""
    none = "no carrier yet" if order.fulfilment == Fulfilment.CARRIER else "no carrier"
    carrier = " ".join(filter(None, (shipment.carrier or none, shipment.tracking_number)))
    tracking = f": {shipment.tracking.replace('_', ' ')}" if shipment.tracking else ""
    return f"shipment {shipment.shipment_id}: {shipment.state}, {carrier}{tracking}"
