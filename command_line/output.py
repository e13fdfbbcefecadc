"""Output of the command line: text and tables, or JSON."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from command_line.tables import all_columns, new_table, out, print_table
from models.base import MAX_LISTED
from models.documents import Printed
from models.errors import InvalidInput, PipelineError
from models.views.operations import RejectedMessageView
from models.views.shipping import TrackingEventView

Shown = TypeVar("Shown")

err = Console(markup=False, emoji=False, stderr=True, soft_wrap=True)
"""Without markup: "[x]" and ":x:" are printed as they are."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show all columns, also beyond the width.")]
Limit = Annotated[
    int, typer.Option(min=0, max=MAX_LISTED, help="The largest number of rows; 0: all.")
]
File = Annotated[Path, typer.Option("--out", help="The file to write.")]


def show(value: BaseModel | dict[str, Any], as_json: bool, text: str) -> None:
    """Print `value` as JSON, or `text`."""
    if as_json:
        print_json(value)
    else:
        print_line(text)


def show_view(
    view: Shown, as_json: bool, print_view: Callable[[Shown], None], wide: bool = False
) -> None:
    """Print a view as JSON, or as `print_view` does; `wide`: with all columns of its tables."""
    if as_json:
        print_json(view)
        return
    with all_columns(wide):
        print_view(view)


def print_line(text: str) -> None:
    """Print a text without colours or folding."""
    out.print(text, highlight=False, soft_wrap=True)


def or_dash(value: object) -> str:
    """Format a cell: a dash for None."""
    return "-" if value is None else str(value)


def write_pdf(document: Printed, file: Path, as_json: bool, title: str, **ids: str) -> None:
    """Write a document to `file`, and print its size and the characters that no font has.

    `ids`: of its subject.
    """
    try:
        file.write_bytes(document.pdf)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--out") from error
    written = {**ids, "file": str(file), "bytes": len(document.pdf)}
    if document.unprintable:
        written["unprintable"] = list(document.unprintable)
        print_problem("unprintable", f"no font has {', '.join(document.unprintable)}")
    show(written, as_json, f"{title} written to {file}")


def print_problem(title: str, message: str) -> None:
    """Print a problem to standard error."""
    err.print(Text.assemble((title, "red"), " ", message), soft_wrap=True)


def print_warning(title: str, message: str) -> None:
    """Print a warning to standard error."""
    err.print(Text.assemble((title, "yellow"), " ", message), soft_wrap=True)


def print_json(value: object) -> None:
    """Print JSON to standard output, without colours or folding."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> Any:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")


def problem_of(error: PipelineError) -> dict[str, Any]:
    """Build the problem that `--json` shows for an error."""
    problem: dict[str, Any] = {"code": error.code, "detail": error.message}
    if isinstance(error, InvalidInput):
        problem["errors"] = [{"field": f.field, "reason": f.reason} for f in error.fields]
    return problem


def print_events(events: Sequence[TrackingEventView]) -> None:
    """Print the carrier events of a shipment or return."""
    table = new_table("when", "status", "where", "details", "recorded")
    for event in events:
        signed = f"signed by {event.signed_by}" if event.signed_by else ""
        details = ", ".join(filter(None, (event.detail, signed, event.reference)))
        table.add_row(
            f"{event.occurred_at:%Y-%m-%d %H:%M}",
            *(event.status, event.place, details, f"{event.recorded_at:%Y-%m-%d %H:%M}"),
        )
    print_table(table)


def print_rejected(messages: Sequence[RejectedMessageView]) -> None:
    """Print the rejected messages of an order or purchase order."""
    for message in messages:
        title = f"rejected {message.name} "
        out.print(Text.assemble((title, "yellow"), f"{message.body}: {message.reason}"))
