"""The audit trail: `audit`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.text import Text
from sqlmodel import Session

from activities.operations import audit as audit_reading
from command_line.commands import IdOrCommand
from command_line.context import OpenContext
from command_line.output import Json, Wide, print_line, show, show_view
from command_line.tables import new_table, out, print_table
from models.views.audit import (
    AuditAnchorView,
    AuditEntryView,
    AuditTrailView,
    AuditVerification,
)

OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]


def add_audit(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `audit`."""
    audit = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="The audit trail: `audit ORDER` shows an order's, `verify` and `export` all of it.",
    )
    app.add_typer(audit, name="audit")

    @audit.command("show")
    def show_trail(order: OrderId, as_json: Json = False, wide: Wide = False) -> None:
        """Show who did what, when and why; `audit ORDER` is short for it.

        Exit status 1 if entries were changed, deleted or inserted.
        """
        trail = open_context().read(lambda s: audit_reading.trail_of(s, order))
        show_view(trail, as_json, _print_trail, wide)
        if trail.problems:
            raise typer.Exit(1)

    @audit.command()
    def verify(
        exported: Annotated[
            Path | None,
            typer.Option("--export", metavar="FILE", help="Also compare with this export."),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Verify all audit trails; exit status 1 if entries were changed, deleted or inserted.

        An export that is stored elsewhere also proves changes by someone who can write the tables
        and computes the hashes again.
        """
        found = open_context().read(lambda s: _verify(s, exported))
        text = f"{found.entries} entries and {found.anchors} anchors verified: nothing differs"
        if found.problems:
            text = "\n".join(problem.message for problem in found.problems)
        show(found, as_json, text)
        if found.problems:
            raise typer.Exit(1)

    @audit.command()
    def export(
        file: Annotated[
            Path | None,
            typer.Option(
                "--out", metavar="FILE", help="The file to write; absent: standard output."
            ),
        ] = None,
        after: Annotated[
            int, typer.Option(min=0, help="Only entries with a higher `audit_no`; all anchors.")
        ] = 0,
        as_json: Json = False,
    ) -> None:
        """Export the audit trail as JSON lines: entries by number, then anchors."""
        context = open_context()
        if file is None:
            context.read(lambda s: _write_lines(s, after, sys.stdout.write))
            return
        try:
            with file.open("w", encoding="utf-8") as target:
                lines = context.read(lambda s: _write_lines(s, after, target.write))
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--out") from error
        written = {"file": str(file), "lines": lines}
        show(written, as_json, f"{lines} lines written to {file}")


def _verify(session: Session, exported: Path | None) -> AuditVerification:
    found = audit_reading.verify(session)
    if exported is None:
        return found
    try:
        with exported.open(encoding="utf-8") as lines:
            differences = tuple(audit_reading.verify_against(session, _parse(exported, lines)))
    except OSError as error:
        raise typer.BadParameter(f"{exported}: {error.strerror}", param_hint="--export") from error
    return found.model_copy(update={"problems": (*found.problems, *differences)})


def _parse(file: Path, lines: Iterable[str]) -> Iterator[audit_reading.AuditLine]:
    """Parse the lines of an export. Raises BadParameter, naming the line."""
    for number, line in enumerate(lines, 1):
        kind = AuditAnchorView if '"anchor_no"' in line else AuditEntryView
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            raise typer.BadParameter(
                f"{file}: line {number} is not a line that `audit export` wrote",
                param_hint="--export",
            ) from error


def _write_lines(session: Session, after: int, write: Callable[[str], object]) -> int:
    lines = 0
    for line in audit_reading.export(session, after):
        write(line.model_dump_json() + "\n")
        lines += 1
    return lines


def _print_trail(trail: AuditTrailView) -> None:
    table = new_table("no", "when", "event", "details", "who", "from", "why")
    for row in trail.entries:
        when = f"{row.recorded_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            str(row.entry_no), when, row.event, row.detail, row.actor, row.source, row.reason
        )
    print_table(table)
    for problem in trail.problems:
        out.print(Text(f"NOT as recorded: {problem}", "red"))
    if not trail.problems:
        print_line(f"{len(trail.entries)} entries, as recorded")
