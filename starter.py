"""The command line of shops and operators."""

import asyncio
import codecs
import json
import os
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, JsonValue
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sqlmodel import Session

import engine
from activities import reading
from activities.database.engine import Database, utc_now
from activities.database.importing import import_folder
from intake import Intake
from models.errors import InvalidInput, NotFound, PipelineError
from models.json_text import parse_json
from models.orders import Stage, Terms
from models.settings import Settings
from models.views import OrderDetails, OrderView
from roots import exit_status, leave

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)
ledger = typer.Typer(no_args_is_help=True, help="The ledger.")
payments = typer.Typer(no_args_is_help=True, help="Payments.")
app.add_typer(ledger, name="ledger")
app.add_typer(payments, name="payments")

out = Console(markup=False, emoji=False)
err = Console(markup=False, emoji=False, stderr=True)
"""What people wrote is shown as they wrote it: "[x]" and ":x:" mean nothing."""
Result = TypeVar("Result")
BOX = box.SIMPLE_HEAD
AMOUNTS = {"total", "paid", "debit", "credit"}
"""Columns that are aligned to the right."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]


class Doors:
    """What the commands work with, made when one runs."""

    def __init__(self) -> None:
        self.settings = Settings.read()
        self.database = Database(self.settings.database)

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Ask the tables."""
        return self.database.read(work)

    def with_intake(self, work: Callable[[Intake], Coroutine[Any, Any, Result]]) -> Result:
        """Run `work` with the engine connected (at its first call)."""

        async def run() -> Result:
            client = await engine.connect(os.environ, self.settings.temporal_port, lazy=True)
            return await work(Intake(client, self.database, utc_now))

        return asyncio.run(run())


@dataclass(frozen=True)
class Part:
    """An order of a file: the `number` of the "order" or "line", and what stands there, or why
    that can't be read."""

    kind: str
    number: int
    sent: JsonValue | InvalidInput


@app.command("import")
def import_(folder: Path, as_json: Json = False) -> None:
    """Import master data from the CSV files of FOLDER: all of it, or nothing."""
    doors = Doors()
    imported = import_folder(doors.database, folder, utc_now)
    if imported.served:
        doors.with_intake(lambda intake: intake.tell_orders(imported.served, "opening"))
    show(
        {"imported": imported.rows},
        as_json,
        ", ".join(_rows(count, name) for name, count in imported.rows.items()) + " imported",
    )


def _rows(count: int, file: str) -> str:
    return f"{count} {'row' if count == 1 else 'rows'} of {file}"


@app.command()
def place(
    file: Annotated[str, typer.Argument(help="A file, or - for standard input.")],
    as_json: Json = False,
) -> None:
    """Place the orders of FILE: one, an array of them, or JSON lines. Each is placed or refused by
    itself."""
    raw = sys.stdin.buffer.read() if file == "-" else _read_file(file)
    parts = _parts(raw)
    doors, results, refused = Doors(), [], 0

    async def place_all(intake: Intake) -> None:
        nonlocal refused
        for part in parts:
            try:
                if isinstance(part.sent, InvalidInput):
                    raise part.sent
                placed = await intake.place(part.sent)
            except PipelineError as error:
                refused += 1
                results.append(_problem(error) | {"number": part.number})
                complain(f"{part.kind} {part.number} refused", error.message)
            else:
                results.append({**placed.order.model_dump(mode="json"), "created": placed.created})
                if not as_json:
                    word = "placed" if placed.created else "there already"
                    out.print(f"{placed.order.order_id} {word}: {placed.order.stage}")

    doors.with_intake(place_all)
    if as_json:
        print_json(results if len(parts) != 1 else results[0])
    if refused:
        raise typer.Exit(1)


@app.command()
def pay(
    order: OrderId,
    amount: Annotated[str, typer.Argument(help='In the order\'s currency: "18.00".')],
    payment_id: Annotated[str, typer.Option(help="The payment's own id; again is once.")] = "",
    as_json: Json = False,
) -> None:
    """Record a payment: what the till, or the bank statement, says."""
    doors = Doors()
    known = doors.read(lambda s: reading.order_terms(s, order))
    currency, terms = known or (doors.read(reading.company_currency) or "EUR", "")
    payment_id = payment_id or f"cli-{uuid.uuid4()}"
    data: JsonValue = {
        "payment_id": payment_id,
        "order_id": order,
        "amount": amount,
        "currency": currency,
        "method": "cash" if terms == Terms.CASH else "transfer",
        "received_at": utc_now().isoformat(),
    }
    _fact(doors, "payment.received", payment_id, data, as_json)
    if known is None and not as_json:
        err.print(f"no order {order} is recorded: kept for it, or as unmatched", style="yellow")


@app.command()
def deliver(
    shipment: Annotated[str, typer.Argument(help="The shipment's id.")], as_json: Json = False
) -> None:
    """Record that a shipment was delivered."""
    doors = Doors()
    order_id = doors.read(lambda s: reading.order_of_shipment(s, shipment))
    if order_id is None:
        raise NotFound("shipment_unknown", f"there is no shipment {shipment!r}")
    event_id = f"cli-{uuid.uuid5(uuid.NAMESPACE_OID, shipment)}"
    data: JsonValue = {
        "event_id": event_id,
        "order_id": order_id,
        "shipment_id": shipment,
        "occurred_at": utc_now().isoformat(),
    }
    _fact(doors, "shipment.delivered", event_id, data, as_json)


@app.command()
def receive(
    po: Annotated[str, typer.Argument(help="The purchase order's id.")],
    sku: str,
    quantity: int,
    receipt_id: Annotated[str, typer.Option(help="The receipt's own id; again is once.")] = "",
    as_json: Json = False,
) -> None:
    """Record goods received against a purchase order."""
    doors = Doors()
    place = doors.read(lambda s: reading.purchase_place(s, po, sku))
    if place is None or place[1] != sku:
        raise NotFound("purchase_order_unknown", f"there is no purchase order {po!r} of {sku!r}")
    receipt_id = receipt_id or f"cli-{uuid.uuid4()}"
    data: JsonValue = {
        "receipt_id": receipt_id,
        "po_id": po,
        "sku": sku,
        "quantity": quantity,
        "occurred_at": utc_now().isoformat(),
    }
    _fact(doors, "goods.received", receipt_id, data, as_json)


@app.command()
def cancel(
    order: OrderId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Cancel an order; refused once goods have left."""
    outcome = Doors().with_intake(lambda intake: intake.cancel(order, reason, "operator"))
    show(outcome, as_json, outcome.message)


@app.command()
def retry(order: OrderId, as_json: Json = False) -> None:
    """Try again what waits for a person."""
    outcome = Doors().with_intake(lambda intake: intake.retry(order, "operator"))
    show(outcome, as_json, outcome.message)


@app.command()
def status(order: OrderId, as_json: Json = False) -> None:
    """Show one order, with what happened to it."""
    details = Doors().with_intake(lambda intake: intake.status(order))
    if as_json:
        print_json(details)
    else:
        _print_order(details)


@app.command("list")
def list_(
    stage: Annotated[Stage | None, typer.Option(help="Only orders in this stage.")] = None,
    attention: Annotated[bool, typer.Option(help="Only orders that wait for a person.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, max=reading.MAX_LISTED, help="At most so many; 0: all.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List orders, newest first."""
    orders = Doors().read(lambda s: reading.list_orders(s, stage, attention, limit))
    if as_json:
        print_json(orders)
    else:
        out.print(_orders_table(orders))


@app.command()
def customer(
    id: Annotated[str, typer.Argument(help="The customer's id.")], as_json: Json = False
) -> None:
    """Show a customer: history, volume, preferences."""
    view = Doors().read(lambda s: reading.customer(s, id))
    if as_json:
        print_json(view)
        return
    table = _table("field", "value")
    table.title, table.show_header = f"Customer {view.customer_id}", False
    for field, value in view.model_dump(mode="json", exclude={"orders"}).items():
        table.add_row(field.replace("_", " "), str(value))
    out.print(table, _orders_table(view.orders))


@ledger.command("trial-balance")
def trial_balance(as_json: Json = False) -> None:
    """Every account's balance; exit status 1 unless it all adds up."""
    view = Doors().read(reading.trial_balance)
    if as_json:
        print_json(view)
    else:
        table = _table("account", "title", "currency", "debit", "credit")
        for row in view.accounts:
            table.add_row(row.account, row.title, row.currency, row.debit, row.credit)
        for total in view.currencies:
            table.add_section()
            table.add_row("", "total", total.currency, total.debit, total.credit, style="bold")
        out.print(table, "balanced" if view.balanced else Text("NOT balanced", "red"))
    if not view.balanced:
        raise typer.Exit(1)


@payments.command()
def unmatched(as_json: Json = False) -> None:
    """Money that has, at least in part, no use yet: unknown orders, overpayments, late money."""
    rows = Doors().read(reading.unmatched_payments)
    if as_json:
        print_json(rows)
        return
    table = _table("payment", "for order", "amount", "applied", "why")
    for row in rows:
        amounts = (f"{row.amount} {row.currency}", row.applied)
        table.add_row(row.payment_id, row.claimed_order_id or "", *amounts, row.reason)
    out.print(table)


def _fact(doors: Doors, type_: str, fact_id: str, data: JsonValue, as_json: bool) -> None:
    taken = doors.with_intake(lambda intake: intake.take_fact("cli", fact_id, type_, data))
    told = f"told {taken.workflow_id}" if taken.workflow_id else "it was known already"
    show(
        {"fact_id": taken.fact_id, "workflow_id": taken.workflow_id},
        as_json,
        f"{type_} {fact_id} taken, {told}",
    )


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name}: {error.strerror}") from error


def _parts(raw: bytes) -> Sequence[Part]:
    """The orders of a file: one document, an array, or JSON lines.

    Raises InvalidInput for what isn't JSON and has no line that is an order by itself.
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


def _table(*headers: str) -> Table:
    """An empty table. What is too long is folded: of ids and amounts nothing may be lost."""
    return Table(
        *(
            Column(header, overflow="fold", justify="right" if header in AMOUNTS else "left")
            for header in headers
        ),
        box=BOX,
        pad_edge=False,
    )


def _orders_table(orders: Sequence[OrderView]) -> Table:
    table = _table("order", "stage", "customer", "total", "paid", "attention or invoice")
    table.columns[1].no_wrap = True
    for order in orders:
        remark = order.attention.code if order.attention else order.invoice_number or ""
        style = "yellow" if order.attention else None
        row = (order.order_id, order.stage, order.customer_id, order.total, order.paid, remark)
        table.add_row(*row, style=style)
    return table


def _print_order(order: OrderDetails) -> None:
    out.print(
        f"Order {order.order_id}: {order.stage}\n"
        f"{order.channel}, {order.terms}, for {order.customer_id}, "
        f"placed {order.placed_at:%Y-%m-%d %H:%M} UTC\n"
        f"paid {order.paid} of {order.total} {order.currency}, "
        f"invoice {order.invoice_number or 'not issued'}",
        highlight=False,
        soft_wrap=True,
    )
    if order.attention:
        text = Text.assemble((order.attention.code, "yellow"), ": ", order.attention.message)
        out.print(text, soft_wrap=True)
    if order.delivery_note:
        out.print(order.delivery_note)
    lines = _table("SKU", "ordered", "reserved", "backordered", "shipped", "delivered")
    for line in order.lines:
        lines.add_row(*(str(value) for value in line.model_dump().values()))
    out.print(lines)
    for waiting in order.backorders:
        when = f"expected {waiting.expected_date}" if waiting.expected_date else "without a date"
        out.print(f"waits for {waiting.quantity} x {waiting.sku} ({waiting.po_id}), {when}")
    for shipment in order.shipments:
        carrier = f"{shipment.carrier or 'no carrier yet'} {shipment.tracking_number or ''}"
        out.print(f"shipment {shipment.shipment_id}: {shipment.state}, {carrier}")
    history = _table("when", "what", "details")
    for row in order.history:
        history.add_row(f"{row.recorded_at:%Y-%m-%d %H:%M:%S}", row.event, row.detail)
    out.print(history)
    for odd in order.odd_facts:
        out.print(Text.assemble((f"odd {odd.name} ", "yellow"), f"{odd.body}: {odd.reason}"))


def show(value: BaseModel | dict[str, Any], as_json: bool, text: str) -> None:
    """Print `value` as JSON, or `text`."""
    if as_json:
        print_json(value)
    else:
        out.print(text, highlight=False, soft_wrap=True)


def complain(what: str, message: str) -> None:
    """To standard error."""
    err.print(Text.assemble((what, "red"), " ", message), soft_wrap=True)


def print_json(value: object) -> None:
    """JSON for machines, on standard output, without colours or folding."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> Any:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")


def _problem(error: PipelineError) -> dict[str, Any]:
    problem: dict[str, Any] = {"code": error.code, "detail": error.message}
    if isinstance(error, InvalidInput):
        problem["errors"] = [{"field": f.field, "reason": f.reason} for f in error.fields]
    return problem


def main() -> int:
    """Exit status: 0 done, 1 refused or failed, 2 wrong use or variables."""
    as_json = "--json" in sys.argv
    try:
        app()
    except SystemExit as end:
        wrong_use = end.__context__  # typer has told people and exits because of it
        if as_json and isinstance(wrong_use, typer.TyperException):
            print_json({"code": "wrong_use", "detail": wrong_use.format_message()})
        return end.code if isinstance(end.code, int) else 1
    except PipelineError as error:
        for line in error.message.splitlines():
            complain(error.code, line)
        if as_json:
            print_json(_problem(error))
        return exit_status(error)
    return 0


if __name__ == "__main__":
    leave(main())
