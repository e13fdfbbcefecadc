"""`stock`: looking at a SKU's stock, and commands on it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import JsonValue
from typer.core import TyperGroup

from activities.database.unit_of_work import utc_now
from activities.stock import reading as stock_reading
from command_line.context import CliContext, OpenContext, new_id
from command_line.output import Json, new_table, or_dash, out, print_json, show
from models.messages.commands import AdjustStock, Command, CountStock, TransferStock
from models.views.stock import StockAtLocation, StockView, of_sku

Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Actor = Annotated[str, typer.Option(help="Who says so, for the record.")]
CommandId = Annotated[str, typer.Option("--id", help="The command's own id; again is once.")]
UnitCost = Annotated[
    str | None, typer.Option(help='Values a gain where nothing is on hand: "18.00".')
]
Sku = Annotated[str, typer.Argument(help="The SKU.")]
Location = Annotated[str, typer.Argument(help="The location.")]
CommandFields = Mapping[str, JsonValue]
"""The command's fields, but for id, reason and actor."""
NEGATIVES = {"ignore_unknown_options": True}
"""So that -3 is a number, not an option."""


class IdOrCommand(TyperGroup):
    """A first word that is no command is the id of what is to be shown."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See typer's own. `Any`: the class of its context isn't public."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def stock_commands(open_context: OpenContext) -> typer.Typer:
    """`stock SKU`, `stock adjust`, `stock count`, `stock transfer`."""
    app = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="Stock: `stock SKU` shows it, the commands change it.",
    )

    @app.command("show")
    def show_stock(sku: Sku, as_json: Json = False) -> None:
        """Show a SKU at every location; `stock SKU` is short for it."""
        view = of_sku(
            open_context().read(lambda s: stock_reading.stock_of(s, sku, utc_now().date())), sku
        )
        if as_json:
            print_json(view)
        else:
            _print_stock(view)

    @app.command(context_settings=NEGATIVES)
    def adjust(
        sku: Sku,
        location: Location,
        by: Annotated[int, typer.Argument(help="Units more, or, as -3, fewer.")],
        reason: Reason,
        unit_cost: UnitCost = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """So many units more, or fewer, are there than the books say."""
        said: CommandFields = {"sku": sku, "location": location, "by": by, "unit_cost": unit_cost}
        execute(open_context(), AdjustStock, said, (id_, reason, actor), as_json)

    @app.command(context_settings=NEGATIVES)
    def count(
        sku: Sku,
        location: Location,
        counted: Annotated[int, typer.Argument(help="Units there, reserved ones included.")],
        reason: Reason,
        unit_cost: UnitCost = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """So many units were counted."""
        said: CommandFields = {
            "sku": sku,
            "location": location,
            "counted": counted,
            "unit_cost": unit_cost,
        }
        execute(open_context(), CountStock, said, (id_, reason, actor), as_json)

    @app.command(context_settings=NEGATIVES)
    def transfer(
        sku: Sku,
        from_location: Annotated[str, typer.Argument(metavar="FROM")],
        to_location: Annotated[str, typer.Argument(metavar="TO")],
        quantity: int,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Units go from one location to another, with their value."""
        said: CommandFields = {
            "sku": sku,
            "from_location": from_location,
            "to_location": to_location,
            "quantity": quantity,
        }
        execute(open_context(), TransferStock, said, (id_, reason, actor), as_json)

    return app


def execute(
    doors: CliContext,
    kind: type[Command],
    said: CommandFields,
    by_whom: tuple[str, str, str],
    as_json: bool,
) -> None:
    """Have a command done and show what came of it. `by_whom`: its id (empty: a new one), the
    reason and the actor."""
    given, reason, actor = by_whom
    sent = {**said, "command_id": given or new_id(), "reason": reason, "actor": actor}
    done = doors.with_intake(lambda intake: intake.command(kind, sent))
    show(done, as_json, done.message)


def _print_stock(view: StockView) -> None:
    out.print(f"{view.sku}, {view.name}: {view.available} available", highlight=False)
    counters = new_table(
        *("location", "on hand", "reserved", "available", "on order", "short", "value")
    )
    for at in view.locations:
        units = (at.on_hand, at.reserved, at.available, at.on_order, at.backordered)
        counters.add_row(at.location, *map(str, units), at.value)
    out.print(counters)
    _print_review([at for at in view.locations if at.reviewed_at])
    promisable = ", ".join(f"{row.units} from {row.day}" for row in view.available_to_promise)
    out.print(f"available to promise: {promisable}", highlight=False, soft_wrap=True)
    for row in view.waiting:
        when = f"expected {row.expected_date}" if row.expected_date else "without a date"
        why = f": {row.problem}" if row.problem else ""
        out.print(
            f"{row.order_id} waits for {row.quantity} at {row.location} "
            f"({row.po_id or 'not bought'}), {when}{why}",
            highlight=False,
            soft_wrap=True,
        )
    movements = new_table("when", "kind", "location", "on hand", "reserved", "why")
    for moved in view.movements:
        why = f"{moved.reason} ({moved.actor})" if moved.reason else moved.order_id or ""
        movements.add_row(
            f"{moved.recorded_at:%Y-%m-%d %H:%M}",
            moved.kind,
            moved.location,
            f"{moved.on_hand:+d}" if moved.on_hand else "",
            f"{moved.reserved:+d}" if moved.reserved else "",
            why,
        )
    out.print(movements)


def _print_review(reviewed: Sequence[StockAtLocation]) -> None:
    """What the nightly review found; nothing before its first."""
    if not reviewed:
        return
    table = new_table(
        *("location", "reorder point", "safety", "EOQ", "a day", "lead days", "reviewed")
    )
    for at in reviewed:
        units = (at.reorder_point, at.safety_stock, at.order_quantity)
        means = (
            None if mean is None else f"{mean:.2f}" for mean in (at.demand_a_day, at.lead_time_days)
        )
        when = f"{at.reviewed_at:%Y-%m-%d}"
        table.add_row(at.location, *map(or_dash, (*units, *means)), when)
    out.print(table)
