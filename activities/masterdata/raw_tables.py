"""A table as its file has it: rows of cells, with the numbers of their lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.import_problems import Problem

Cell = object
"""Text, or a number, date, time or truth value of a spreadsheet; None is an empty cell."""


@dataclass
class RawRow:
    """A row that is not blank, and the number of its last line."""

    line: int
    cells: Sequence[Cell]


@dataclass
class RawTable:
    """The rows of a table, its header first, and what is wrong with others.

    `is_complete` False: it can't be read to its end.
    """

    name: str
    rows: list[RawRow] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    is_complete: bool = True

    def add_error(self, line: int | None, reason: str, column: str | None = None) -> None:
        """Record what is wrong with a line."""
        self.errors.append(Problem(self.name, line, column, reason))

    def warn(self, line: int | None, reason: str) -> None:
        """Record what is unlikely about a line."""
        self.warnings.append(Problem(self.name, line, None, reason))


def unreadable(name: str, line: int | None, reason: str) -> RawTable:
    """Build the table of a file that can't be read."""
    return RawTable(name, errors=[Problem(name, line, None, reason)], is_complete=False)
