"""Purchasing: `purchase-orders`, `po`, `offers` and `replenish`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.database.company import day_of
from activities.database.unit_of_work import utc_now
from activities.purchasing import reading as purchasing_reading
from command_line.commands import NEGATIVES
from command_line.context import OpenContext, new_id
from command_line.output import (
    Json,
    Limit,
    Wide,
    or_dash,
    print_line,
    print_rejected,
    show,
    show_view,
)
from command_line.stock import Sku
from command_line.tables import new_table, print_table
from models.approvals import ProposalState
from models.purchasing import PurchaseOrderState
from models.views.purchasing import (
    OffersView,
    PurchaseOrderDetails,
    PurchaseOrderView,
    PurchaseProposalView,
    ReasonView,
    TrackRecordView,
    require_purchase_order,
)
from models.views.stock import require_sku

PurchaseOrderId = Annotated[str, typer.Argument(metavar="PO", help="The purchase order's id.")]


def add_purchasing(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the commands of purchasing, and the group `po`."""
    _add_receiving(app, open_context)

    @app.command("purchase-orders")
    def purchase_orders(
        state: Annotated[
            PurchaseOrderState | None, typer.Option(help="Only those in this state.")
        ] = None,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List purchase orders, newest first."""
        rows = open_context().read(lambda s: purchasing_reading.purchase_orders(s, state, limit))
        show_view(rows, as_json, _print_list, wide)

    @app.command("purchase-proposals")
    def purchase_proposals(
        state: Annotated[
            ProposalState | None, typer.Option(help="Only those in this state.")
        ] = None,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List purchases that wait for approval, or were approved or rejected."""
        rows = open_context().read(lambda s: purchasing_reading.purchase_proposals(s, state))
        show_view(rows, as_json, _print_proposals, wide)

    @app.command()
    def offers(sku: Sku, as_json: Json = False, wide: Wide = False) -> None:
        """Show the offers for a SKU, with landed cost and each supplier's record."""
        view = open_context().read(
            lambda s: purchasing_reading.offers_view(s, sku, day_of(s, utc_now()))
        )
        show_view(require_sku(view, sku), as_json, print_offers, wide)

    @app.command()
    def replenish(
        sku: Sku,
        location: Annotated[
            str | None, typer.Option(help="This location only; absent: all that keep the SKU.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Check now whether a SKU must be purchased, also from suppliers that failed before."""
        workflow_ids = open_context().with_intake(lambda intake: intake.replenish(sku, location))
        show({"workflow_ids": workflow_ids}, as_json, f"checking: {', '.join(workflow_ids)}")


def _add_receiving(app: typer.Typer, open_context: OpenContext) -> None:
    po_app = typer.Typer(no_args_is_help=True, help="One purchase order.")
    app.add_typer(po_app, name="po")

    @app.command(context_settings=NEGATIVES)
    @po_app.command(context_settings=NEGATIVES)
    def receive(
        po: PurchaseOrderId,
        sku: Sku,
        quantity: int,
        damaged: Annotated[int, typer.Option(help="Units that are not usable.")] = 0,
        receipt_id: Annotated[
            str, typer.Option(help="The receipt's own id; the same id again is the same receipt.")
        ] = "",
        as_json: Json = False,
    ) -> None:
        """Record a goods receipt for a purchase order."""
        receipt_id = receipt_id or new_id()
        data: JsonValue = {
            "receipt_id": receipt_id,
            "po_id": po,
            "sku": sku,
            "quantity": quantity,
            "damaged": damaged,
            "occurred_at": utc_now().isoformat(),
        }
        open_context().record_fact("goods.received", receipt_id, data, as_json)

    @po_app.command("show")
    def show_po(po: PurchaseOrderId, as_json: Json = False, wide: Wide = False) -> None:
        """Show a purchase order: lines, compared offers, waiting orders, receipts, invoices."""
        view = open_context().read(lambda s: purchasing_reading.purchase_order(s, po))
        show_view(require_purchase_order(view, po), as_json, print_purchase_order, wide)

    @po_app.command()
    def ack(
        po: PurchaseOrderId,
        date: Annotated[
            datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The delivery date.")
        ] = None,
        line: Annotated[
            list[str] | None,
            typer.Option(help="SKU=UNITS that are promised, 0 is a refusal; @PRICE if named."),
        ] = None,
        ack_id: Annotated[
            str, typer.Option("--id", help="Its own id; the same id again is the same fact.")
        ] = "",
        as_json: Json = False,
    ) -> None:
        """Record the supplier's acknowledgement of a purchase order, in full or in part."""
        ack_id = ack_id or new_id()
        lines: list[JsonValue] = [_promised(text) for text in line or ()]
        data: JsonValue = {
            "acknowledgement_id": ack_id,
            "po_id": po,
            "expected_date": date.date().isoformat() if date else None,
            "lines": lines or None,
            "occurred_at": utc_now().isoformat(),
        }
        open_context().record_fact("purchase_order.acknowledged", ack_id, data, as_json)


def _promised(text: str) -> JsonValue:
    sku, equals, promise = text.rpartition("=")
    units, at, unit_cost = promise.partition("@")
    if not (sku and equals and units.isascii() and units.isdigit() and bool(at) == bool(unit_cost)):
        raise typer.BadParameter(
            f"{text!r} is not SKU=UNITS, such as SAW-165=4, or SKU=UNITS@PRICE"
        )
    return {"sku": sku, "quantity": int(units), "unit_cost": unit_cost or None}


def _print_proposals(rows: Sequence[PurchaseProposalView]) -> None:
    table = new_table("SKU", "location", "state", "quantity", "supplier", "landed", "why")
    for row in rows:
        numbers = (str(row.quantity), row.supplier_id, f"{row.landed} {row.currency}")
        table.add_row(row.sku, row.location, row.state, *numbers, row.why)
    print_table(table)


def _print_list(rows: Sequence[PurchaseOrderView]) -> None:
    table = new_table("purchase order", "state", "supplier", "location", "expected", "total", "of")
    for row in rows:
        goods = ", ".join(f"{line.quantity} x {line.sku}" for line in row.lines)
        total = f"{row.goods} {row.currency}"
        names = (row.po_id, row.state, row.supplier_id, row.location)
        table.add_row(*names, or_dash(row.expected_date), total, goods)
    print_table(table)


def print_purchase_order(po: PurchaseOrderDetails) -> None:
    """Print a purchase order with its history."""
    head = [
        f"{po.po_id}: {po.state}" + (f", {po.ended_reason}" if po.ended_reason else ""),
        f"from {po.supplier_id} to {po.location}, made {po.created_at:%Y-%m-%d %H:%M} UTC, "
        + (f"sent {po.sent_at:%Y-%m-%d %H:%M} UTC" if po.sent_at else "not sent yet"),
        f"goods {po.goods}, freight {po.freight} {po.currency}, "
        f"expected {po.expected_date or 'without a date'}",
    ]
    print_line("\n".join(head))
    lines = new_table("SKU", "ordered", "due", "received", "damaged", "invoiced", "expected")
    for line in po.lines:
        units = (line.due, line.received, line.damaged, line.invoiced, line.expected_date)
        ordered = f"{line.quantity} at {line.unit_cost}"
        if line.acknowledged_unit_cost not in (None, line.unit_cost):
            ordered += f", acknowledged at {line.acknowledged_unit_cost}"
        lines.add_row(line.sku, ordered, *map(or_dash, units))
    print_table(lines)
    for reason in po.reasons:
        _print_reason(reason)
    for row in po.waiting:
        print_line(f"{row.order_id} waits for {row.quantity}")
    for receipt in po.receipts:
        damaged = f", {receipt.damaged} of them damaged" if receipt.damaged else ""
        print_line(
            f"{receipt.occurred_at:%Y-%m-%d %H:%M} UTC received "
            f"{receipt.quantity} x {receipt.sku}{damaged}: "
            f"{receipt.value} {po.currency} ({receipt.receipt_id})"
        )
    for invoice in po.invoices:
        unmatched = "" if invoice.matched_at else ", not posted: goods are still missing"
        print_line(
            f"{invoice.recorded_at:%Y-%m-%d %H:%M} UTC invoice {invoice.invoice_id}: "
            f"{invoice.amount} {po.currency}, "
            f"{invoice.difference} from the agreed amount{unmatched}"
        )
    print_rejected(po.odd_facts)


def _print_reason(reason: ReasonView) -> None:
    print_line(f"why {reason.sku}: {reason.in_words}")
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
    print_table(table)
    for row in reason.offers:
        if row.why_not:
            print_line(f"not from {row.supplier_id}: {row.why_not}")


def print_offers(view: OffersView) -> None:
    """Print the offers for a SKU."""
    print_line(f"{view.sku}, {view.name}, in {view.currency}")
    prices = new_table("supplier", "unit cost", "break", "freight", "duty", "minimum", "pack")
    smallest = new_table("supplier", "smallest", "landed", "a unit", "days", "until")
    for row in view.offers:
        cheaper = f"{row.break_unit_cost} from {row.break_quantity}" if row.break_quantity else None
        terms = (row.freight_cost, f"{row.duty_percent} %", row.minimum_quantity, row.pack_size)
        tier = f" from {row.from_quantity}" if row.from_quantity > 1 else ""
        prices.add_row(row.supplier_id, row.unit_cost + tier, *map(or_dash, (cheaper, *terms)))
        landed = (row.smallest_purchase, row.landed_cost, row.landed_unit_cost, row.lead_time_days)
        smallest.add_row(row.supplier_id, *map(or_dash, (*landed, row.why_not or row.valid_until)))
    print_table(prices)
    print_table(smallest)
    records = {row.supplier_id: row for row in view.offers}
    for row in records.values():
        if row.track_record:
            print_line(f"{row.supplier_id} so far: {_in_words(row.track_record)}")


def _in_words(record: TrackRecordView) -> str:
    days, rate = record.mean_lead_time_days, record.fill_rate_percent
    lead_time = "" if days is None else f", {days:.1f} days"
    orders = "1 order" if record.purchase_orders == 1 else f"{record.purchase_orders} orders"
    return f"{orders}{lead_time}" + (f", {rate} % received" if rate else "")
