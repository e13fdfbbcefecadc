"""Problems of the rows of an import: one cause is one problem, whatever the number of rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.errors import FieldError

LISTED_LINES = 3
"""The number of lines that a problem names at most."""


@dataclass(frozen=True)
class Problem:
    """An error or warning: in a file, a line of it, or a cell. `line` None: the whole file."""

    file: str
    line: int | None
    column: str | None
    reason: str
    in_all_files: bool = False
    """Problems of several files with the same reason are one."""


def grouped(problems: Iterable[Problem]) -> list[FieldError]:
    """Group the problems that differ in their line only, in order of their first line."""
    groups: dict[tuple[str, str | None, str], dict[str, list[int]]] = {}
    for problem in problems:
        key = ("" if problem.in_all_files else problem.file, problem.column, problem.reason)
        lines = groups.setdefault(key, {}).setdefault(problem.file, [])
        if problem.line is not None:
            lines.append(problem.line)
    return [
        FieldError(", ".join(filter(None, (_places(files), column))), reason)
        for (_, column, reason), files in groups.items()
    ]


def _places(files: dict[str, list[int]]) -> str:
    return " and ".join(f"{file} {_lines(lines)}".strip() for file, lines in files.items())


def _lines(lines: list[int]) -> str:
    """Name the first lines, and the number of the others."""
    if not lines:
        return ""
    more = len(lines) - LISTED_LINES
    named = ", ".join(map(str, lines[:LISTED_LINES]))
    rest = f" and {more} more" if more > 0 else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {named}{rest}"
