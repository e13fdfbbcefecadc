"""Returns: `returns` and the notation of returned units."""

from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.returns import reading as returns_reading
from command_line.commands import CommandFields, IdOrCommand, reads
from command_line.context import OpenContext
from command_line.output import (
    File,
    Json,
    Limit,
    Wide,
    or_dash,
    print_events,
    print_line,
    show_view,
    write_pdf,
)
from command_line.tables import new_table, print_table
from intake.returns import return_label
from models.messages.commands.returns import InspectReturn, ReceiveReturn, RequestReturn
from models.returns import Condition, Disposition, ReturnState
from models.views.returns import ReturnDetails, ReturnSummary, SettlementView, require_return

ReturnId = Annotated[str, typer.Argument(metavar="ID", help="The return's id: RMA-...")]
NOT_UNITS = "isn't SKU:QUANTITY, such as BIT-32:2"
INSPECTED = (
    "SKU:QUANTITY:DISPOSITION[:CONDITION], such as BIT-32:2:restock or BIT-32:1:restock:opened; "
    f"dispositions are {', '.join(Disposition)}, conditions {', '.join(Condition)}"
)


def add_returns(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `returns`."""
    returns = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="Returns: `returns ID` shows one, the commands change it.",
    )
    app.add_typer(returns, name="returns")

    @returns.command("list")
    def list_(
        order: Annotated[str | None, typer.Option(help="Only those of this order.")] = None,
        state: Annotated[ReturnState | None, typer.Option(help="Only those in this state.")] = None,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List returns, the latest first."""
        rows = open_context().read(lambda s: returns_reading.list_returns(s, order, state, limit))
        show_view(rows, as_json, _print_list, wide)

    @returns.command("show")
    def show_return(id_: ReturnId, as_json: Json = False, wide: Wide = False) -> None:
        """Show a return; `returns ID` is short for it."""
        view = open_context().read(lambda s: returns_reading.return_details(s, id_))
        show_view(require_return(view, id_), as_json, _print_return, wide)

    @returns.command()
    def label(id_: ReturnId, file: File, as_json: Json = False) -> None:
        """Write the label of an authorised return as PDF."""
        context = open_context()
        document = context.read(lambda s: return_label(s, context.documents, id_))
        write_pdf(document, file, as_json, f"label of {id_}", return_id=id_)


@reads(RequestReturn)
def requested(
    units: Annotated[
        list[str], typer.Argument(metavar="SKU:QUANTITY...", help="SKUs and quantities.")
    ],
) -> CommandFields:
    """Read the units of a request."""
    return {"lines": _units(units)}


@reads(ReceiveReturn)
def received(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[ID] SKU:QUANTITY...", help="The return's id, and received units."),
    ],
    order: Annotated[
        str | None, typer.Option(help="Instead of ID: the order of unannounced goods.")
    ] = None,
) -> CommandFields:
    """Read the return or order, and the received units."""
    return_, units = (None, words) if order is not None else (words[0], words[1:])
    if return_ is not None and ":" in return_:
        raise typer.BadParameter(
            f"{return_!r} is no return's id: give ID SKU:QUANTITY..., or --order ORDER"
        )
    if not units:
        raise typer.BadParameter("no units: give SKU:QUANTITY...")
    return {"return_id": return_, "order_id": order, "lines": _units(units)}


@reads(InspectReturn)
def inspected(
    units: Annotated[
        list[str],
        typer.Argument(metavar="SKU:QUANTITY:DISPOSITION[:CONDITION]...", help=INSPECTED),
    ],
) -> CommandFields:
    """Read the inspected units."""
    return {"lines": [_inspected(word) for word in units]}


def _units(words: list[str]) -> list[JsonValue]:
    """Read SKU:QUANTITY words. Raises BadParameter."""
    lines: list[JsonValue] = []
    for word in words:
        sku, *rest = word.split(":")
        if len(rest) != 1:
            raise typer.BadParameter(f"{word!r} {NOT_UNITS}")
        lines.append(_line(word, sku, rest[0], NOT_UNITS))
    return lines


def _inspected(word: str) -> dict[str, JsonValue]:
    """Read SKU:QUANTITY:DISPOSITION[:CONDITION]. Raises BadParameter."""
    sku, _, rest = word.partition(":")
    quantity, _, rest = rest.partition(":")
    disposition, _, condition = rest.partition(":")
    condition = condition or Condition.AS_NEW.value
    if disposition not in set(Disposition) or condition not in set(Condition):
        raise typer.BadParameter(f"{word!r} isn't {INSPECTED}")
    line = _line(word, sku, quantity, f"isn't {INSPECTED}")
    return line | {"disposition": disposition, "condition": condition}


def _line(word: str, sku: str, quantity: str, problem: str) -> dict[str, JsonValue]:
    try:
        return {"sku": sku, "quantity": int(quantity)}
    except ValueError:
        raise typer.BadParameter(f"{word!r} {problem}") from None


def _print_list(rows: Sequence[ReturnSummary]) -> None:
    table = new_table("return", "order", "state", "why", "outcome", "units", "received", "until")
    for row in rows:
        names = (row.return_id, row.order_id, row.state, row.reason, row.wish)
        until = str(row.valid_until or "-")
        table.add_row(*names, str(row.units), str(row.received), until)
    print_table(table)


def _print_return(view: ReturnDetails) -> None:
    until = f", valid until {view.valid_until}" if view.valid_until else ""
    print_line(
        f"Return {view.return_id} of {view.order_id}: {view.state.replace('_', ' ')}\n"
        f"{view.reason.replace('_', ' ')}, for {view.wish}, "
        f"requested {view.requested_at:%Y-%m-%d %H:%M} UTC{until}\n"
        f"to {view.location or 'no location'}: {view.note}"
    )
    lines = new_table("SKU", "name", "units", "received", "dispositions")
    for line in view.lines:
        dispositions = {
            "restocked": line.restocked,
            "scrapped": line.scrapped,
            "sent to the supplier": line.sent_back,
            "lost": line.lost,
        }
        words = ", ".join(f"{units} {name}" for name, units in dispositions.items() if units)
        units = (str(line.quantity), str(line.received))
        lines.add_row(line.sku, line.name, *units, or_dash(words or None))
    print_table(lines)
    if view.events:
        print_events(view.events)
    if view.settlements:
        _print_settlements(view.settlements)


def _print_settlements(settlements: Sequence[SettlementView]) -> None:
    table = new_table("settled", "credit note", "refunded", "exchange", "done")
    for one in settlements:
        refunded = f"{one.refunded} {one.currency}" if one.refunded else "-"
        done = f"{one.done_at:%Y-%m-%d %H:%M}" if one.done_at else "not yet"
        papers = (", ".join(one.credit_notes) or "-", refunded, or_dash(one.exchange_order_id))
        table.add_row(f"{one.settled_at:%Y-%m-%d %H:%M}", *papers, done)
    print_table(table)
