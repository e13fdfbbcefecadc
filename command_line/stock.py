"""Stock: `stock SKU` and `stock show`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from activities.database.company import day_of
from activities.database.unit_of_work import utc_now
from activities.stock import reading as stock_reading
from command_line.commands import IdOrCommand
from command_line.context import OpenContext
from command_line.output import Json, Wide, or_dash, print_line, show_view
from command_line.tables import new_table, print_table
from models.views.stock import StockAtLocation, StockView, require_sku

Sku = Annotated[str, typer.Argument(help="The SKU.")]


def add_stock(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `stock`."""
    stock = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="Stock: `stock SKU` shows it, the commands change it.",
    )
    app.add_typer(stock, name="stock")

    @stock.command("show")
    def show_stock(sku: Sku, as_json: Json = False, wide: Wide = False) -> None:
        """Show a SKU at every location; `stock SKU` is short for it."""
        view = open_context().read(lambda s: stock_reading.stock_of(s, sku, day_of(s, utc_now())))
        show_view(require_sku(view, sku), as_json, print_stock, wide)


def print_stock(view: StockView) -> None:
    """Print a SKU at every location, with waiting orders and last movements."""
    print_line(f"{view.sku}, {view.name}: {view.available} available")
    counters = new_table(
        *("location", "on hand", "reserved", "available", "on order", "short", "value")
    )
    for at in view.locations:
        units = (at.on_hand, at.reserved, at.available, at.on_order, at.backordered)
        counters.add_row(at.location, *map(str, units), at.value)
    print_table(counters)
    _print_review([at for at in view.locations if at.reviewed_at])
    promisable = ", ".join(f"{row.units} from {row.day}" for row in view.available_to_promise)
    print_line(f"available to promise: {promisable}")
    for row in view.waiting:
        when = f"expected {row.expected_date}" if row.expected_date else "without a date"
        why = f": {row.problem}" if row.problem else ""
        print_line(
            f"{row.order_id} waits for {row.quantity} at {row.location} "
            f"({row.po_id or 'not purchased'}), {when}{why}"
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
    print_table(movements)


def _print_review(reviewed: Sequence[StockAtLocation]) -> None:
    """Print the last nightly review, if there was one."""
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
        when = f"{at.reviewed_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(at.location, *map(or_dash, (*units, *means)), when)
    print_table(table)
