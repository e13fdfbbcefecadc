"""`returns`: goods that come back, from the customer's wish until they are inspected."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.returns import reading as returns_reading
from command_line.context import OpenContext
from command_line.output import (
    Json,
    new_table,
    or_dash,
    out,
    print_events,
    print_json,
    show,
    write_file,
)
from command_line.stock import Actor, CommandFields, CommandId, IdOrCommand, Reason, execute
from intake import return_label
from models.base import MAX_LISTED
from models.messages.commands import (
    AuthoriseReturn,
    CloseReturn,
    InspectReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnOnItsWay,
)
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason, ReturnState
from models.views.returns import ReturnDetails, of_return

ReturnId = Annotated[str, typer.Argument(metavar="ID", help="The return's id: RMA-...")]
Units = Annotated[list[str], typer.Argument(metavar="SKU:QUANTITY...", help="What, how many.")]
Location = Annotated[
    str | None, typer.Option(help="Where the goods come to; absent: where they left.")
]
NOT_UNITS = "isn't SKU:QUANTITY, such as BIT-32:2"
INSPECTED = (
    "SKU:QUANTITY:DISPOSITION[:CONDITION], such as BIT-32:2:restock or BIT-32:1:restock:opened; "
    f"dispositions are {', '.join(Disposition)}, conditions {', '.join(Condition)}"
)


def return_commands(open_context: OpenContext) -> typer.Typer:
    """`returns ID`, `returns list|show|label`, and the commands on returns."""
    app = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="Returns: `returns ID` shows one, the commands change it.",
    )
    _add_looking(app, open_context)
    _add_allowing(app, open_context)
    _add_handling(app, open_context)
    return app


def _add_looking(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command("list")
    def list_(
        order: Annotated[str | None, typer.Option(help="Only of this order.")] = None,
        state: Annotated[ReturnState | None, typer.Option(help="Only in this state.")] = None,
        limit: Annotated[
            int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
        ] = 50,
        as_json: Json = False,
    ) -> None:
        """List returns, the latest first."""
        rows = open_context().read(lambda s: returns_reading.list_returns(s, order, state, limit))
        if as_json:
            print_json(rows)
            return
        table = new_table("return", "order", "state", "why", "wish", "units", "received", "until")
        for row in rows:
            said = (row.return_id, row.order_id, row.state, row.reason, row.wish)
            until = f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "-"
            table.add_row(*said, str(row.units), str(row.received), until)
        out.print(table)

    @app.command("show")
    def show_return(id_: ReturnId, as_json: Json = False) -> None:
        """Show one return; `returns ID` is short for it."""
        view = of_return(open_context().read(lambda s: returns_reading.return_details(s, id_)), id_)
        if as_json:
            print_json(view)
        else:
            _print_return(view)

    @app.command()
    def label(
        id_: ReturnId,
        file: Annotated[Path, typer.Option("--out", help="Where to write it.")],
        as_json: Json = False,
    ) -> None:
        """Write the label of an authorised return as PDF."""
        document = open_context().read(lambda s: return_label(s, id_))
        write_file(file, document)
        said = {"return_id": id_, "file": str(file), "bytes": len(document)}
        show(said, as_json, f"label of {id_} written to {file}")


def _add_allowing(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def request(
        order: Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")],
        units: Units,
        reason: Reason,
        because: Annotated[
            ReturnReason,
            typer.Option(help="Why the goods come back: it decides how long they may."),
        ] = ReturnReason.CHANGED_MIND,
        exchange: Annotated[
            bool, typer.Option("--exchange", help="The same goods again, instead of the price.")
        ] = False,
        location: Location = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """A customer wants to send goods of an order back."""
        said: CommandFields = {
            "order_id": order,
            "lines": _units(units),
            "because": because.value,
            "wish": (RequestedOutcome.EXCHANGE if exchange else RequestedOutcome.REFUND).value,
            "location": location,
        }
        execute(open_context(), RequestReturn, said, (id_, reason, actor), as_json)

    @app.command()
    def authorise(
        return_: ReturnId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """The goods may come; the customer is mailed the label."""
        said: CommandFields = {"return_id": return_}
        execute(open_context(), AuthoriseReturn, said, (id_, reason, actor), as_json)

    @app.command()
    def reject(
        return_: ReturnId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """The goods may not come; the customer is mailed the reason."""
        execute(open_context(), RejectReturn, {"return_id": return_}, (id_, reason, actor), as_json)


def _add_handling(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def sent(
        return_: ReturnId,
        reason: Reason = "the customer has sent them",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """The customer has sent the goods: the authorisation expires no more."""
        execute(
            open_context(), ReturnOnItsWay, {"return_id": return_}, (id_, reason, actor), as_json
        )

    @app.command()
    def close(
        return_: ReturnId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Nothing more is expected: the customer keeps the goods, or they got lost."""
        execute(open_context(), CloseReturn, {"return_id": return_}, (id_, reason, actor), as_json)

    @app.command()
    def receive(
        words: Annotated[
            list[str],
            typer.Argument(metavar="[ID] SKU:QUANTITY...", help="Of which return what came."),
        ],
        order: Annotated[
            str | None,
            typer.Option(help="Instead of ID: the order of goods that nobody had announced."),
        ] = None,
        location: Location = None,
        reason: Reason = "they have come back",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Goods have come back: of a return, or, unannounced, of an order."""
        return_, units = (None, words) if order is not None else (words[0], words[1:])
        if return_ is not None and ":" in return_:
            said_instead = (
                f"{return_!r} is no return's id: say ID SKU:QUANTITY..., or --order ORDER"
            )
            raise typer.BadParameter(said_instead)
        if not units:
            raise typer.BadParameter("say what has come: SKU:QUANTITY...")
        said: CommandFields = {
            "return_id": return_,
            "order_id": order,
            "lines": _units(units),
            "location": location,
        }
        execute(open_context(), ReceiveReturn, said, (id_, reason, actor), as_json)

    @app.command()
    def inspect(
        return_: ReturnId,
        units: Annotated[
            list[str],
            typer.Argument(metavar="SKU:QUANTITY:DISPOSITION[:CONDITION]...", help=INSPECTED),
        ],
        reason: Reason = "they have come back",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Somebody has looked at goods that came back: the customer gets what they are worth."""
        said: CommandFields = {"return_id": return_, "lines": _inspected(units)}
        execute(open_context(), InspectReturn, said, (id_, reason, actor), as_json)


def _units(words: list[str]) -> list[JsonValue]:
    """SKU:QUANTITY; raises BadParameter for a word that isn't."""
    lines: list[JsonValue] = []
    for word in words:
        sku, *rest = word.split(":")
        if len(rest) != 1:
            raise typer.BadParameter(f"{word!r} {NOT_UNITS}")
        lines.append(_line(word, sku, rest[0], NOT_UNITS))
    return lines


def _inspected(words: list[str]) -> list[JsonValue]:
    """SKU:QUANTITY:DISPOSITION[:CONDITION]; raises BadParameter for a word that isn't."""
    lines: list[JsonValue] = []
    for word in words:
        sku, _, rest = word.partition(":")
        quantity, _, rest = rest.partition(":")
        disposition, _, condition = rest.partition(":")
        known = disposition in set(Disposition) and (condition or Condition.AS_NEW) in set(
            Condition
        )
        if not known:
            raise typer.BadParameter(f"{word!r} isn't {INSPECTED}")
        line = _line(word, sku, quantity, f"isn't {INSPECTED}")
        lines.append(line | {"disposition": disposition, "condition": condition or "as_new"})
    return lines


def _line(word: str, sku: str, quantity: str, problem: str) -> dict[str, JsonValue]:
    try:
        return {"sku": sku, "quantity": int(quantity)}
    except ValueError:
        raise typer.BadParameter(f"{word!r} {problem}") from None


def _print_return(view: ReturnDetails) -> None:
    until = f", valid until {view.expires_at:%Y-%m-%d}" if view.expires_at else ""
    out.print(
        f"Return {view.return_id} of {view.order_id}: {view.state.replace('_', ' ')}\n"
        f"{view.reason.replace('_', ' ')}, for {view.wish}, "
        f"requested {view.requested_at:%Y-%m-%d %H:%M} UTC{until}\n"
        f"to {view.location or 'no location'}: {view.note}",
        highlight=False,
        soft_wrap=True,
    )
    lines = new_table("SKU", "what", "units", "received", "what became of them")
    for line in view.lines:
        became = {
            "restocked": line.restocked,
            "scrapped": line.scrapped,
            "sent to the supplier": line.sent_back,
            "lost": line.lost,
        }
        words = ", ".join(f"{units} {what}" for what, units in became.items() if units)
        units = (str(line.quantity), str(line.received))
        lines.add_row(line.sku, line.name, *units, or_dash(words or None))
    out.print(lines)
    if view.events:
        print_events(view.events)
    if not view.settlements:
        return
    settled = new_table("settled", "credit note", "given back", "exchange", "done")
    for one in view.settlements:
        back = f"{one.refunded} {one.currency}" if one.refunded else "-"
        done = f"{one.done_at:%Y-%m-%d %H:%M}" if one.done_at else "not yet"
        papers = (or_dash(one.credit_note), back, or_dash(one.exchange_order_id))
        settled.add_row(f"{one.settled_at:%Y-%m-%d %H:%M}", *papers, done)
    out.print(settled)
