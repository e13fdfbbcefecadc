"""The command line of shops and operators."""

import codecs
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.database.unit_of_work import utc_now
from activities.masterdata import reading as masterdata_reading
from activities.masterdata.importing import import_folder
from activities.operations import reading as operations_reading
from activities.orders import reading as orders_reading
from activities.shipping import reading as shipping_reading
from command_line.billing import (
    add_close,
    add_money,
    add_write_off,
    invoice_commands,
    payment_commands,
)
from command_line.claims import add_claims
from command_line.context import CliContext, new_id
from command_line.ledger import add_ledger
from command_line.orders import orders_table, print_order
from command_line.output import Json, complain, err, new_table, out, print_json, problem_of, show
from command_line.purchasing import add_purchases
from command_line.returns import return_commands
from command_line.shipping import add_shipments
from command_line.stock import Actor, Reason, stock_commands
from exits import exit_status, leave
from intake import Intake
from models.base import MAX_LISTED
from models.errors import InvalidInput, PipelineError
from models.json_text import parse_json
from models.orders import Terms
from models.progress import Stage
from models.settings import Settings
from models.views.shipping import of_shipment

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


def open_context() -> CliContext:
    """What a command works with."""
    return CliContext(Settings.read(), os.environ)


app.add_typer(stock_commands(open_context), name="stock")
app.add_typer(invoice_commands(open_context), name="invoice")
app.add_typer(payment_commands(open_context), name="payments")
app.add_typer(return_commands(open_context), name="returns")
add_purchases(app, open_context)
add_shipments(app, open_context)
add_claims(app, open_context)
ledger, receivables = add_ledger(app, open_context)
add_money(app, open_context)
add_write_off(receivables, open_context)
add_close(ledger, open_context)

OrderId = Annotated[str, typer.Argument(help="The order's id.")]


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
    doors = open_context()
    imported = import_folder(doors.database, folder)
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
    doors, results, refused = open_context(), [], 0

    async def place_all(intake: Intake) -> None:
        nonlocal refused
        for part in parts:
            try:
                if isinstance(part.sent, InvalidInput):
                    raise part.sent
                placed = await intake.place(part.sent)
            except PipelineError as error:
                refused += 1
                results.append(problem_of(error) | {"number": part.number})
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
    doors = open_context()
    known = doors.read(lambda s: orders_reading.order_terms(s, order))
    currency, terms = known or (doors.read(masterdata_reading.company_currency) or "EUR", "")
    payment_id = payment_id or new_id()
    data: JsonValue = {
        "payment_id": payment_id,
        "order_id": order,
        "amount": amount,
        "currency": currency,
        "method": "cash" if terms == Terms.CASH else "transfer",
        "received_at": utc_now().isoformat(),
    }
    doors.tell("payment.received", payment_id, data, as_json)
    if known is None and not as_json:
        err.print(f"no order {order} is recorded: kept for it, or as unmatched", style="yellow")


@app.command()
def deliver(
    shipment: Annotated[str, typer.Argument(help="The shipment's id.")], as_json: Json = False
) -> None:
    """Record that a shipment was delivered."""
    doors = open_context()
    order_id = of_shipment(
        doors.read(lambda s: shipping_reading.order_of_shipment(s, shipment)), shipment
    )
    event_id = f"cli-{uuid.uuid5(uuid.NAMESPACE_OID, shipment)}"
    data: JsonValue = {
        "event_id": event_id,
        "order_id": order_id,
        "shipment_id": shipment,
        "occurred_at": utc_now().isoformat(),
    }
    doors.tell("shipment.delivered", event_id, data, as_json, by_person=True)


@app.command()
def cancel(
    order: OrderId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Cancel an order; refused once goods have left."""
    outcome = open_context().with_intake(lambda intake: intake.cancel(order, reason, "operator"))
    show(outcome, as_json, outcome.message)


@app.command()
def retry(
    order: OrderId,
    reason: Reason = "retried",
    actor: Actor = "operator",
    as_json: Json = False,
) -> None:
    """Try again what waits for a person; what only had to be seen to is shown no longer."""
    outcome = open_context().with_intake(lambda intake: intake.retry(order, actor, reason))
    show(outcome, as_json, outcome.message)


@app.command("accept-delay")
def accept_delay(order: OrderId, as_json: Json = False) -> None:
    """Record that the customer accepts the delay that was told."""
    outcome = open_context().with_intake(lambda intake: intake.accept_delay(order, "operator"))
    show(outcome, as_json, outcome.message)


@app.command()
def status(order: OrderId, as_json: Json = False) -> None:
    """Show one order, with what happened to it."""
    details = open_context().with_intake(lambda intake: intake.watch.status(order))
    if as_json:
        print_json(details)
    else:
        print_order(details)


@app.command("list")
def list_(
    stage: Annotated[Stage | None, typer.Option(help="Only orders in this stage.")] = None,
    attention: Annotated[bool, typer.Option(help="Only orders that wait for a person.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List orders, newest first."""
    orders = open_context().with_intake(
        lambda intake: intake.watch.list_orders(stage, attention, limit)
    )
    if as_json:
        print_json(orders)
    else:
        out.print(orders_table(orders))


@app.command()
def customer(
    id: Annotated[str, typer.Argument(help="The customer's id.")], as_json: Json = False
) -> None:
    """Show a customer: history, volume, preferences."""
    view = open_context().read(lambda s: orders_reading.customer(s, id))
    if as_json:
        print_json(view)
        return
    table = new_table("field", "value")
    table.title, table.show_header = f"Customer {view.customer_id}", False
    for field, value in view.model_dump(mode="json", exclude={"orders"}).items():
        table.add_row(field.replace("_", " "), str(value))
    out.print(table, orders_table(view.orders))


@app.command()
def review(as_json: Json = False) -> None:
    """Review all stock now, as every night: reorder points, and what is low."""
    outcome = open_context().with_intake(lambda intake: intake.review())
    text = f"{outcome.places} places of {outcome.skus} SKUs reviewed, {outcome.low} are low"
    show(outcome, as_json, text)


@app.command()
def reconcile(as_json: Json = False) -> None:
    """Reconcile the books now, as every night; exit status 1 where something differs."""
    outcome = open_context().with_intake(lambda intake: intake.reconcile())
    text = f"{outcome.places} places and {outcome.orders} orders compared: nothing differs"
    if outcome.attention:
        text = f"{outcome.attention.message}\n`starter.py findings` has them all"
    show(outcome, as_json, text)
    if outcome.attention:
        raise typer.Exit(1)


@app.command()
def findings(
    gone: Annotated[bool, typer.Option(help="Also what has come right since.")] = False,
    as_json: Json = False,
) -> None:
    """What reconciliation found to differ."""
    rows = open_context().read(lambda s: operations_reading.findings(s, gone))
    if as_json:
        print_json(rows)
        return
    table = new_table("found", "last seen", "gone", "what differs")
    for row in rows:
        times = (row.found_at, row.last_seen_at, row.gone_at)
        table.add_row(*(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in times), row.message)
    out.print(table)


@app.command("odd-facts")
def odd_facts(
    limit: Annotated[
        int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """Messages that could not be used, with the reason; also those that named no order of ours."""
    rows = open_context().read(lambda s: operations_reading.odd_facts(s, limit))
    if as_json:
        print_json(rows)
        return
    table = new_table("when", "about", "what", "reason", "message")
    for row in rows:
        when = f"{row.recorded_at:%Y-%m-%d %H:%M}"
        table.add_row(when, row.subject or "-", row.name, row.reason, row.body)
    out.print(table)


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
            print_json(problem_of(error))
        return exit_status(error)
    return 0


if __name__ == "__main__":
    leave(main())
