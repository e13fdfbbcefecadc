"""Views of an import: what it changes, by row and by file."""

from models.base import Payload


class CellChange(Payload):
    """The content of a cell before and after an import, as files write it; empty: none."""

    before: str
    after: str


class RowChange(Payload):
    """A row that an import inserts or changes. `columns`: the changed ones; empty if it is new."""

    file: str
    line: int
    key: str
    new: bool
    columns: dict[str, CellChange]


class FileSummary(Payload):
    """The number of rows of a file that are new, changed and unchanged.

    `columns`: for each changed column, the number of rows.
    """

    file: str
    new: int
    changed: int
    unchanged: int
    columns: dict[str, int]


class UnlikelyContent(Payload):
    """Content that is unlikely, and imported as it is. `field`: file, lines and column."""

    field: str
    reason: str


class ImportView(Payload):
    """The result of an import, or of its dry run. `imported`: the rows of each file."""

    dry_run: bool
    imported: dict[str, int]
    files: tuple[FileSummary, ...]
    changes: tuple[RowChange, ...]
    warnings: tuple[UnlikelyContent, ...]
    served: tuple[str, ...] = ()
    """Waiting orders that were allocated opening stock."""
