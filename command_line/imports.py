"""The command that imports master data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from command_line.context import OpenContext
from command_line.output import Json, print_line, print_warning, show_view
from models.views.imports import FileSummary, ImportView, RowChange

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show every change, and write nothing.")]
Encoding = Annotated[
    str | None,
    typer.Option(help="The encoding of CSV files that are not UTF-8, such as windows-1252."),
]
Input = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder, or one file.")]


def add_imports(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the command."""

    @app.command("import")
    def import_(
        folder: Input, dry_run: DryRun = False, encoding: Encoding = None, as_json: Json = False
    ) -> None:
        """Import master data from the CSV and Excel files of FOLDER: all of it, or nothing."""
        view = open_context().with_intake(
            lambda intake: intake.import_path(folder, dry_run=dry_run, encoding=encoding)
        )
        show_view(view, as_json, print_import)


def print_import(view: ImportView) -> None:
    """Print what an import changes; a dry run lists every row."""
    if view.dry_run:
        for change in view.changes:
            print_line(_in_words(change))
    for warning in view.warnings:
        print_warning("unlikely", f"{warning.field}: {warning.reason}")
    for file in view.files:
        print_line(_summary(file))
    print_line("a dry run: nothing was written" if view.dry_run else "imported")


def _in_words(change: RowChange) -> str:
    changes = ", ".join(
        f"{column} {cell.before or '(empty)'} -> {cell.after or '(empty)'}"
        for column, cell in change.columns.items()
    )
    return f"{change.file} line {change.line}, {change.key}: {changes or 'new'}"


def _summary(file: FileSummary) -> str:
    columns = f" ({_counted(file.columns)})" if file.columns else ""
    changed = f"{file.changed} changed{columns}"
    return f"{file.file}: {file.new} new, {changed}, {file.unchanged} unchanged"


def _counted(columns: Mapping[str, int]) -> str:
    return ", ".join(f"{column} {count}" for column, count in columns.items())
