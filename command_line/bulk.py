"""Bulk: one action for many orders."""

import sys
import time
import uuid
from collections.abc import Sequence
from itertools import count
from typing import Annotated, Any

import typer
from pydantic import JsonValue
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from activities.operations import bulk as bulk_reading
from command_line.commands import Actor, IdOrCommand
from command_line.context import CliContext, OpenContext
from command_line.output import (
    Json,
    Limit,
    Wide,
    err,
    print_json,
    print_line,
    print_problem,
    show,
    show_view,
)
from command_line.tables import new_table, print_table
from intake import Intake
from models.base import MAX_LISTED
from models.messages.bulk import MAX_PER_SECOND, BulkAction, BulkState, Outcome
from models.selection import EXAMPLE, parse_where
from models.views.bulk import BulkView, require_bulk
from models.views.why import Explanation, in_words

GLANCE_S = 0.5
"""The interval between two readings of a running bulk."""
CHECK_EVERY = 20
"""Readings between two checks that its workflow runs."""
Where = Annotated[
    str, typer.Option("--where", metavar="CONDITIONS", help=f"Which orders, such as '{EXAMPLE}'.")
]
BulkId = Annotated[str, typer.Argument(metavar="ID", help="The bulk's id.")]


class OrderOrBulk(TyperGroup):
    """The root: a command on one order is a bulk if it has `--where`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `bulk`. `Any`: the class of typer's context isn't public."""
        words = (*BulkAction, "why")
        given = any(word == "--where" or word.startswith("--where=") for word in args)
        if args and args[0] in words and given:
            args = ["bulk", *args]
        return super().parse_args(ctx, args)


def add_bulk(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `bulk`."""
    group = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="One action for many orders: `retry --where CONDITIONS` is short for `bulk retry`.",
    )
    app.add_typer(group, name="bulk")
    for action in BulkAction:
        group.command(action.value, help=f"{action.capitalize()} all orders that match.")(
            _function_of(action, open_context)
        )
    _add_reading(group, open_context)

    @group.command()
    def why(where: Where, as_json: Json = False) -> None:
        """Explain what each order waits for that matches: one line for each reason."""
        context, conditions = open_context(), parse_where(where)
        order_ids = context.read(lambda s: bulk_reading.matching_orders(s, conditions, MAX_LISTED))

        async def explain_all(intake: Intake) -> list[Explanation]:
            return [await intake.why_order(order_id) for order_id in order_ids]

        explanations = context.with_intake(explain_all)
        show_view(explanations, as_json, _print_explanations)

    @group.command()
    def stop(id_: BulkId, as_json: Json = False) -> None:
        """End a bulk after the orders in progress."""
        outcome = open_context().with_intake(lambda intake: intake.stop_bulk(id_))
        show(outcome, as_json, outcome.message)

    @group.command()
    def follow(id_: BulkId, as_json: Json = False) -> None:
        """Show the progress of a bulk until it ends; exit status 1 unless all orders are done."""
        _follow(open_context(), id_, as_json)


def _function_of(action: BulkAction, open_context: OpenContext) -> Any:
    """Build the function of an action; `Any`: typer reads the parameters from its signature."""

    def run(
        where: Where,
        reason: Annotated[str, typer.Option(help="The reason, kept with each order.")],
        actor: Actor = "operator",
        per_second: Annotated[
            int, typer.Option(min=1, max=MAX_PER_SECOND, help="The most orders in a second.")
        ] = 10,
        bulk_id: Annotated[
            str, typer.Option("--id", help="The bulk's own id; the same id again continues it.")
        ] = "",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only show which orders match.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")] = False,
        as_json: Json = False,
    ) -> None:
        context = open_context()
        preview = context.with_intake(lambda intake: intake.preview_bulk(action, where))
        if dry_run and as_json:
            print_json(preview)
            return
        more = ", ..." if preview.orders > len(preview.first) else ""
        line = f"{preview.orders} orders match: {', '.join(preview.first)}{more}"
        err.print(line if preview.orders else "no order matches", soft_wrap=True)
        if dry_run or not preview.orders:
            return
        _confirm(action, preview.orders, yes)
        bulk_id = bulk_id or uuid.uuid4().hex[:12]
        document: JsonValue = {
            **{"action": action.value, "where": where, "reason": reason, "actor": actor},
            **{"per_second": per_second, "bulk_id": bulk_id},
        }
        err.print(f"bulk {bulk_id}")
        started = context.with_intake(lambda intake: intake.start_bulk(document))
        _follow(context, started.bulk_id, as_json)

    return run


def _read(context: CliContext, bulk_id: str) -> BulkView:
    """Read a bulk. Raises NotFound."""
    return require_bulk(context.read(lambda s: bulk_reading.bulk_view(s, bulk_id)), bulk_id)


def _confirm(action: BulkAction, orders: int, yes: bool) -> None:
    """Ask for confirmation. Without a terminal, `--yes` is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("is required without a terminal", param_hint="--yes")
    typer.confirm(f"{action.capitalize()} {orders} orders?", abort=True, err=True)


def _follow(context: CliContext, bulk_id: str, as_json: bool) -> None:
    """Show the progress until the end, then each order that is not done, and a summary."""
    view = _read(context, bulk_id)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as progress:
            task = progress.add_task(f"bulk {bulk_id}: {view.action}", total=view.expected)
            for glance in count(1):
                if view.state != BulkState.RUNNING:
                    break
                if glance % CHECK_EVERY == 0:
                    context.with_intake(lambda intake: intake.check_bulk(bulk_id))
                time.sleep(GLANCE_S)
                view = _read(context, bulk_id)
                progress.update(task, completed=view.expected - view.waiting)
    except KeyboardInterrupt:
        err.print(
            f"bulk {bulk_id} goes on by itself: `bulk follow {bulk_id}` shows it, "
            f"`bulk stop {bulk_id}` ends it"
        )
        raise typer.Exit(1) from None
    _show_bulk(context, view, as_json)
    if view.refused or view.failed or view.state != BulkState.COMPLETED:
        raise typer.Exit(1)


def _show_bulk(context: CliContext, view: BulkView, as_json: bool) -> None:
    """Print a bulk with one line for each order."""
    outcomes = context.read(lambda s: bulk_reading.bulk_outcomes(s, view.bulk_id))
    if as_json:
        rows = [outcome.model_dump(mode="json") for outcome in outcomes]
        print_json({**view.model_dump(mode="json"), "outcomes": rows})
        return
    for outcome in outcomes:
        line = f"{outcome.order_id} {outcome.outcome}: {outcome.message}"
        if outcome.outcome in (Outcome.DONE, Outcome.SKIPPED):
            print_line(line)
        else:
            print_problem(f"{outcome.order_id} {outcome.outcome}", outcome.message)
    counts = f"{view.done} done, {view.refused} refused, {view.failed} failed"
    if view.skipped:
        counts += f", {view.skipped} skipped"
    print_line(f"bulk {view.bulk_id} ({view.action} where {view.where}) {view.state}: {counts}")


def _add_reading(group: typer.Typer, open_context: OpenContext) -> None:
    @group.command("list")
    def list_(limit: Limit = 50, as_json: Json = False, wide: Wide = False) -> None:
        """List bulks, the latest first."""
        rows = open_context().read(lambda s: bulk_reading.list_bulks(s, limit))
        show_view(rows, as_json, _print_bulks, wide)

    @group.command("show")
    def show_bulk(id_: BulkId, as_json: Json = False) -> None:
        """Show a bulk with the outcome for each order; `bulk ID` is short for it."""
        context = open_context()
        _show_bulk(context, _read(context, id_), as_json)


def _print_bulks(rows: Sequence[BulkView]) -> None:
    table = new_table(
        *("bulk", "started", "action", "state", "orders", "done", "refused", "failed", "where")
    )
    for row in rows:
        numbers = (row.expected, row.done, row.refused, row.failed)
        table.add_row(
            *(row.bulk_id, f"{row.started_at:%Y-%m-%d %H:%M}", row.action, row.state),
            *(str(number) for number in numbers),
            row.where,
        )
    print_table(table)


def _print_explanations(rows: Sequence[Explanation]) -> None:
    for row in rows:
        for wait in row.waits:
            since = f", since {in_words(wait.since)}" if wait.since else ""
            print_line(f"{row.subject} {wait.code} ({wait.who}){since}: {wait.reason}")
        if not row.waits:
            print_line(f"{row.subject} waits for nothing")
