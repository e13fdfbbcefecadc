"""Operations: nightly workflows, findings, rejected messages."""

from collections.abc import Sequence
from typing import Annotated

import typer

from activities.operations import reading as operations_reading
from command_line.context import OpenContext
from command_line.output import Json, Limit, Wide, show, show_view
from command_line.tables import new_table, print_table
from models.views.operations import FindingView, RejectedMessageView


def add_operations(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the commands of operations."""
    _add_nightly(app, open_context)

    @app.command()
    def findings(
        gone: Annotated[bool, typer.Option(help="Also findings that are gone.")] = False,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List the findings of reconciliation."""
        rows = open_context().read(lambda s: operations_reading.findings(s, gone))
        show_view(rows, as_json, _print_findings, wide)

    @app.command("odd-facts")
    def odd_facts(limit: Limit = 50, as_json: Json = False, wide: Wide = False) -> None:
        """List messages that could not be applied, with the reason, of all subjects."""
        rows = open_context().read(lambda s: operations_reading.rejected_messages(s, limit))
        show_view(rows, as_json, _print_rejected, wide)


def _add_nightly(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def review(as_json: Json = False) -> None:
        """Review all stock now, as every night: reorder points, and low stock."""
        outcome = open_context().with_intake(lambda intake: intake.review())
        keys = f"{outcome.places} stock keys of {outcome.skus} SKUs"
        show(outcome, as_json, f"{keys} reviewed, {outcome.low} are low")

    @app.command()
    def reconcile(as_json: Json = False) -> None:
        """Reconcile the books now, as every night; exit status 1 if it finds a difference."""
        outcome = open_context().with_intake(lambda intake: intake.reconcile())
        text = f"{outcome.places} stock keys and {outcome.orders} orders compared: nothing differs"
        if outcome.attention:
            text = f"{outcome.attention.message}\n`starter.py findings` lists all of them"
        show(outcome, as_json, text)
        if outcome.attention:
            raise typer.Exit(1)


def _print_findings(rows: Sequence[FindingView]) -> None:
    table = new_table("found", "last seen", "gone", "difference")
    for row in rows:
        times = (row.found_at, row.last_seen_at, row.gone_at)
        table.add_row(*(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in times), row.message)
    print_table(table)


def _print_rejected(rows: Sequence[RejectedMessageView]) -> None:
    table = new_table("when", "subject", "message", "reason", "content")
    for row in rows:
        when = f"{row.recorded_at:%Y-%m-%d %H:%M}"
        table.add_row(when, row.subject or "-", row.name, row.reason, row.body)
    print_table(table)
