"""`purchase-orders`, `po ...`, `offers` and `replenish`: what we buy, and from whom."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from activities.database.unit_of_work import utc_now
from activities.purchasing import reading as purchasing_reading
from command_line.context import OpenContext, new_id
from command_line.output import Json, new_table, or_dash, out, print_json, show
from command_line.stock import NEGATIVES, Actor, CommandId, Reason, Sku, execute
from models.base import MAX_LISTED
from models.messages.commands import ClosePurchase
from models.purchasing import PurchaseOrderState
from models.views.purchasing import (
    OffersView,
    PurchaseOrderDetails,
    PurchaseOrderView,
    ReasonView,
    TrackRecordView,
    of_purchase_order,
)
from models.views.stock import of_sku

PurchaseOrderId = Annotated[str, typer.Argument(metavar="PO", help="The purchase order's id.")]


def add_purchases(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the commands of buyers."""

    @app.command("purchase-orders")
    def purchase_orders(
        state: Annotated[
            PurchaseOrderState | None, typer.Option(help="Only those in this state.")
        ] = None,
        limit: Annotated[
            int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
        ] = 50,
        as_json: Json = False,
    ) -> None:
        """List purchase orders, newest first."""
        rows = open_context().read(lambda s: purchasing_reading.purchase_orders(s, state, limit))
        if as_json:
            print_json(rows)
        else:
            _print_list(rows)

    @app.command()
    def offers(sku: Sku, as_json: Json = False) -> None:
        """Who sells a SKU to us, at what landed cost, and how reliably."""
        view = of_sku(
            open_context().read(lambda s: purchasing_reading.offers_of(s, sku, utc_now().date())),
            sku,
        )
        if as_json:
            print_json(view)
        else:
            _print_offers(view)

    @app.command()
    def replenish(
        sku: Sku,
        location: Annotated[
            str | None, typer.Option(help="There only; else wherever the SKU is kept.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Look at once whether a SKU is to be bought, also from who has let us down."""
        told = open_context().with_intake(lambda intake: intake.look_again(sku, location))
        show({"workflow_ids": told}, as_json, f"looking again: {', '.join(told)}")

    @app.command(context_settings=NEGATIVES)
    def receive(
        po: PurchaseOrderId,
        sku: Sku,
        quantity: int,
        damaged: Annotated[int, typer.Option(help="Units of them that are of no use.")] = 0,
        receipt_id: Annotated[str, typer.Option(help="The receipt's own id; again is once.")] = "",
        as_json: Json = False,
    ) -> None:
        """Record goods received against a purchase order."""
        receipt_id = receipt_id or new_id()
        data: JsonValue = {
            "receipt_id": receipt_id,
            "po_id": po,
            "sku": sku,
            "quantity": quantity,
            "damaged": damaged,
            "occurred_at": utc_now().isoformat(),
        }
        open_context().tell("goods.received", receipt_id, data, as_json, by_person=True)

    po_app = typer.Typer(no_args_is_help=True, help="One purchase order.")
    app.add_typer(po_app, name="po")
    po_app.command("receive", context_settings=NEGATIVES)(receive)

    @po_app.command("show")
    def show_po(po: PurchaseOrderId, as_json: Json = False) -> None:
        """Show a purchase order: why it was made, and what happened to it."""
        view = of_purchase_order(
            open_context().read(lambda s: purchasing_reading.purchase_order(s, po)), po
        )
        if as_json:
            print_json(view)
        else:
            _print_details(view)

    @po_app.command()
    def ack(
        po: PurchaseOrderId,
        date: Annotated[
            datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When the goods come.")
        ] = None,
        line: Annotated[
            list[str] | None, typer.Option(help="SKU=UNITS, if not all; 0 is a refusal.")
        ] = None,
        ack_id: Annotated[str, typer.Option("--id", help="Its own id; again is once.")] = "",
        as_json: Json = False,
    ) -> None:
        """Record that the supplier has confirmed a purchase order, all or in part."""
        ack_id = ack_id or new_id()
        lines: list[JsonValue] = [_promised(text) for text in line or ()]
        data: JsonValue = {
            "acknowledgement_id": ack_id,
            "po_id": po,
            "expected_date": date.date().isoformat() if date else None,
            "lines": lines or None,
            "occurred_at": utc_now().isoformat(),
        }
        open_context().tell("purchase_order.acknowledged", ack_id, data, as_json, by_person=True)

    @po_app.command()
    def close(
        po: PurchaseOrderId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Expect no more of a purchase order; what orders wait for is bought elsewhere."""
        execute(open_context(), ClosePurchase, {"po_id": po}, (id_, reason, actor), as_json)


def _promised(text: str) -> JsonValue:
    sku, equals, units = text.rpartition("=")
    if not (sku and equals and units.isascii() and units.isdigit()):
        raise typer.BadParameter(f"{text!r} is not SKU=UNITS, such as SAW-165=4")
    return {"sku": sku, "quantity": int(units)}


def _print_list(rows: Sequence[PurchaseOrderView]) -> None:
    table = new_table("purchase order", "state", "supplier", "location", "expected", "total", "of")
    for row in rows:
        goods = ", ".join(f"{line.quantity} x {line.sku}" for line in row.lines)
        total = f"{row.goods} {row.currency}"
        names = (row.po_id, row.state, row.supplier_id, row.location)
        table.add_row(*names, or_dash(row.expected_date), total, goods)
    out.print(table)


def _print_details(po: PurchaseOrderDetails) -> None:
    head = [
        f"{po.po_id}: {po.state}" + (f", {po.ended_reason}" if po.ended_reason else ""),
        f"from {po.supplier_id} to {po.location}, made {po.created_at:%Y-%m-%d %H:%M} UTC, "
        + (f"sent {po.sent_at:%Y-%m-%d %H:%M} UTC" if po.sent_at else "not sent yet"),
        f"goods {po.goods}, freight {po.freight} {po.currency}, "
        f"expected {po.expected_date or 'without a date'}",
    ]
    out.print("\n".join(head), highlight=False, soft_wrap=True)
    lines = new_table("SKU", "ordered", "due", "received", "damaged", "invoiced", "expected")
    for line in po.lines:
        units = (line.due, line.received, line.damaged, line.invoiced, line.expected_date)
        lines.add_row(line.sku, f"{line.quantity} at {line.unit_cost}", *map(or_dash, units))
    out.print(lines)
    for reason in po.reasons:
        _print_reason(reason)
    for row in po.waiting:
        out.print(f"{row.order_id} waits for {row.quantity}", highlight=False)
    for receipt in po.receipts:
        damaged = f", {receipt.damaged} of them damaged" if receipt.damaged else ""
        out.print(
            f"{receipt.occurred_at:%Y-%m-%d} received {receipt.quantity} x {receipt.sku}{damaged}: "
            f"{receipt.value} {po.currency} ({receipt.receipt_id})",
            highlight=False,
            soft_wrap=True,
        )
    for invoice in po.invoices:
        waits = "" if invoice.matched_at else ", not posted: its goods aren't all here"
        out.print(
            f"{invoice.recorded_at:%Y-%m-%d} invoice {invoice.invoice_id}: {invoice.amount} "
            f"{po.currency}, {invoice.difference} from what was agreed{waits}",
            highlight=False,
            soft_wrap=True,
        )
    for odd in po.odd_facts:
        out.print(Text.assemble((f"odd {odd.name} ", "yellow"), f"{odd.body}: {odd.reason}"))


def _print_reason(reason: ReasonView) -> None:
    out.print(f"why {reason.sku}: {reason.in_words}", highlight=False, soft_wrap=True)
    table = new_table("offer", "quantity", "unit cost", "landed", "expected", "fill rate", "")
    for row in reason.offers:
        late = "" if row.on_time else "too late"
        remark = "chosen" if row.chosen else "no" if row.why_not else late
        table.add_row(
            row.supplier_id,
            str(row.quantity),
            row.unit_cost,
            row.landed_cost,
            str(row.expected_date),
            f"{row.fill_rate_percent} %",
            remark,
        )
    out.print(table)
    for row in reason.offers:
        if row.why_not:
            out.print(f"not by {row.supplier_id}: {row.why_not}", highlight=False, soft_wrap=True)


def _print_offers(view: OffersView) -> None:
    out.print(f"{view.sku}, {view.name}, in {view.currency}", highlight=False)
    prices = new_table("supplier", "unit cost", "break", "freight", "duty", "minimum", "pack")
    smallest = new_table("supplier", "smallest", "landed", "a unit", "days", "until")
    for row in view.offers:
        cheaper = f"{row.break_unit_cost} from {row.break_quantity}" if row.break_quantity else None
        terms = (row.freight_cost, f"{row.duty_percent} %", row.minimum_quantity, row.pack_size)
        prices.add_row(row.supplier_id, row.unit_cost, *map(or_dash, (cheaper, *terms)))
        landed = (row.smallest_purchase, row.landed_cost, row.landed_unit_cost, row.lead_time_days)
        smallest.add_row(row.supplier_id, *map(or_dash, (*landed, row.why_not or row.valid_until)))
    out.print(prices)
    out.print(smallest)
    for row in view.offers:
        if row.track_record:
            record = _in_words(row.track_record)
            out.print(f"{row.supplier_id} so far: {record}", highlight=False, soft_wrap=True)


def _in_words(record: TrackRecordView) -> str:
    days, rate = record.mean_lead_time_days, record.fill_rate_percent
    took = "" if days is None else f", {days:.1f} days"
    orders = "1 order" if record.purchase_orders == 1 else f"{record.purchase_orders} orders"
    return f"{orders}{took}" + (f", {rate} % came" if rate else "")
