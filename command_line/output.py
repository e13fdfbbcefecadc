"""How the command line shows things: words and tables for people, JSON for machines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from models.errors import InvalidInput, PipelineError
from models.views.shipping import TrackingEventView

out = Console(markup=False, emoji=False)
err = Console(markup=False, emoji=False, stderr=True)
"""What people wrote is shown as they wrote it: "[x]" and ":x:" mean nothing."""
BOX = box.SIMPLE_HEAD
TO_THE_RIGHT = {
    *("total", "paid", "debit", "credit", "value", "amount", "difference"),
    *("balance", "current", "1-30", "31-60", "61-90", "over 90", "late", "level"),
    *("net", "tax %", "discount %", "unit price", "shipped", "delivered", "applied"),
    *("quantity", "on hand", "reserved", "available", "on order", "backordered"),
    *("short", "units"),
    *("reorder point", "safety", "EOQ", "a day", "lead days", "freight", "duty", "minimum"),
    *("pack", "smallest", "a unit", "days", "fill rate"),
    *("unit cost", "landed", "received", "damaged", "invoiced", "due", "ordered"),
    *("returned", "given up", "packages", "kg", "line"),
}
"""Columns of amounts and units."""
WHOLE = {"stage", "state", "mode", "status", "kind", "wish"}
"""Columns of a few words, which are read at a glance: not folded."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def new_table(*headers: str) -> Table:
    """An empty table. What is too long is folded: of ids and amounts nothing may be lost."""
    return Table(
        *(
            Column(
                header,
                overflow="fold",
                justify="right" if header in TO_THE_RIGHT else "left",
                no_wrap=header in WHOLE,
            )
            for header in headers
        ),
        box=BOX,
        pad_edge=False,
    )


def show(value: BaseModel | dict[str, Any], as_json: bool, text: str) -> None:
    """Print `value` as JSON, or `text`."""
    if as_json:
        print_json(value)
    else:
        out.print(text, highlight=False, soft_wrap=True)


def or_dash(value: object) -> str:
    """A cell; what isn't known is a dash."""
    return "-" if value is None else str(value)


def write_file(file: Path, document: bytes) -> None:
    """Write a document to where `--out` says."""
    try:
        file.write_bytes(document)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--out") from error


def complain(what: str, message: str) -> None:
    """To standard error."""
    err.print(Text.assemble((what, "red"), " ", message), soft_wrap=True)


def print_json(value: object) -> None:
    """JSON for machines, on standard output, without colours or folding."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> Any:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")


def problem_of(error: PipelineError) -> dict[str, Any]:
    """The problem that `--json` shows."""
    problem: dict[str, Any] = {"code": error.code, "detail": error.message}
    if isinstance(error, InvalidInput):
        problem["errors"] = [{"field": f.field, "reason": f.reason} for f in error.fields]
    return problem


def print_events(events: Sequence[TrackingEventView]) -> None:
    """What a carrier, or somebody for it, reported."""
    table = new_table("when", "status", "where", "details", "recorded")
    for event in events:
        signed = f"signed by {event.signed_by}" if event.signed_by else ""
        said = ", ".join(filter(None, (event.detail, signed, event.reference)))
        table.add_row(
            f"{event.occurred_at:%Y-%m-%d %H:%M}",
            *(event.status, event.place, said, f"{event.recorded_at:%Y-%m-%d %H:%M}"),
        )
    out.print(table)
