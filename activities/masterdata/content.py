"""Content of a file: its columns, and the cells of its rows in the documented notation."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from activities.masterdata.csv_files import SEPARATORS, name_of, read_csv
from activities.masterdata.excel_files import cell_text, is_workbook, read_workbook
from activities.masterdata.raw_tables import RawRow, RawTable
from activities.masterdata.sources import Source
from models.base import Document
from models.cells import (
    NUMBERS,
    CellKind,
    DecimalMark,
    TypedNumber,
    decimal_mark,
    has_two_values,
    kinds_of,
    plain_number,
)
from models.import_problems import Problem


@dataclass(frozen=True)
class CellRow:
    """A row: its filled cells by column, and the number of its last line."""

    line: int
    cells: Mapping[str, str]


@dataclass
class Content:
    """The rows of a file, and the errors of the others."""

    name: str
    columns: Sequence[str] = ()
    """The columns of the header, without unknown ones."""
    rows: list[CellRow] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    refused: set[tuple[str, str]] = field(default_factory=set)
    """Column and cell, of the invalid rows."""
    two_values: list[tuple[CellRow, str]] = field(default_factory=list)
    """Amounts such as 1.234 that no other number of the file explains, by row and column."""
    is_complete: bool = True
    """False: rows are missing, as the file can't be read to its end."""

    @property
    def is_empty(self) -> bool:
        """Return whether it has neither rows nor errors."""
        return not self.rows and not self.errors

    def may_define(self, column: str, value: str) -> bool:
        """Return whether an invalid row could be the one with this id."""
        return not self.is_complete or (column, value) in self.refused

    def refuse(self, row: CellRow, column: str | None, reason: str) -> None:
        """Record the error of a row."""
        self.errors.append(Problem(self.name, row.line, column, reason))
        self.refused.update(row.cells.items())


def read_content(
    source: Source, model: type[Document], key: Sequence[str], encoding: str | None
) -> Content:
    """Read a file, CSV or Excel's, whose rows are of `model`."""
    if is_workbook(source):
        table = read_workbook(source)
    else:
        table = read_csv(source.name, source.content, model.model_fields, encoding)
    content = Content(
        source.name,
        errors=table.errors,
        warnings=table.warnings,
        is_complete=table.is_complete and not table.errors,
    )
    if not table.rows:
        return content
    header = [name_of(str(cell or "")) for cell in table.rows[0].cells]
    if problem := _lone_cell(table, header, model):
        content.errors = [problem]  # those of the rows below follow from it
        content.is_complete = False
        return content
    if errors := list(_header_errors(table, header, model, key)):
        content.errors += errors
        content.is_complete = False
        return content
    content.columns = [name for name in header if name]
    rows = _read_cells(content, header, table.rows[1:], kinds_of(model))
    content.rows = _normalised(content, rows, kinds_of(model))
    return content


def _lone_cell(table: RawTable, header: Sequence[str], model: type[Document]) -> Problem | None:
    """Find a header of one unknown cell: a title above the columns, or a wrong separator."""
    named = [name for name in header if name]
    if len(named) != 1 or named[0] in model.model_fields:
        return None
    line, cells = table.rows[0].line, table.rows[0].cells
    shown = next(str(cell) for cell in cells if cell)[:60]
    if len(header) > 1 or table.errors:  # the rows below have more cells
        way_out = "remove all rows above the names of the columns"
        return Problem(table.name, line, None, f"has one cell, {shown!r}: {way_out}")
    known = " or ".join((", ".join([*SEPARATORS.values()][:-1]), "vertical bars"))
    return Problem(table.name, line, None, f"has one column, {shown!r}: separate cells by {known}")


def _header_errors(
    table: RawTable, header: Sequence[str], model: type[Document], key: Sequence[str]
) -> Iterable[Problem]:
    """Find what is wrong with the columns of a header."""
    line = table.rows[0].line
    columns = model.model_fields
    named = [name for name in header if name]
    required = [column for column in key if columns[column].is_required()]
    unknown = f"is unknown; the columns are {', '.join(columns)}"
    for column in required:
        if column not in named:
            yield Problem(table.name, line, column, "the column is missing")
    for column, count in Counter(named).items():
        if count > 1:
            yield Problem(table.name, line, column, "appears twice")
    for column in dict.fromkeys(named):
        if column not in columns:
            yield Problem(table.name, line, column[:60], unknown)


def _read_cells(
    content: Content, header: Sequence[str], rows: Iterable[RawRow], kinds: Mapping[str, CellKind]
) -> list[CellRow]:
    """Convert the cells of rows to text; an empty one is left out."""
    columns = [(name, kinds.get(name, CellKind.TEXT)) for name in header]
    read: list[CellRow] = []
    for raw in rows:
        cells: dict[str, str] = {}
        row = CellRow(raw.line, cells)
        refused = len(content.errors)
        for (name, kind), cell in zip(columns, raw.cells, strict=True):
            try:
                text = cell.strip() if isinstance(cell, str) else cell_text(cell, kind)
            except ValueError as error:
                content.refuse(row, name or None, str(error))
                continue
            if text and not name:
                content.refuse(row, None, f"has the cell {text[:40]!r} in a column without a name")
            elif text:
                cells[name] = text
        if len(content.errors) == refused:
            read.append(row)
    return read


def _normalised(
    content: Content, rows: list[CellRow], kinds: Mapping[str, CellKind]
) -> list[CellRow]:
    """Write all numbers in the documented notation."""
    numbers = {name: kind for name, kind in kinds.items() if kind in NUMBERS}
    marks = _marks(rows, numbers)
    if len(marks) > 1:
        (line, text), (other_line, other) = sorted(marks.values())
        reason = f"writes a number as {other}, and line {line} as {text}: use one notation"
        content.errors.append(Problem(content.name, other_line, None, reason))
        content.is_complete = False
        return []
    mark = next(iter(marks), None)
    kept = []
    for row in rows:
        plain: dict[str, str] = {}
        refused = len(content.errors)
        for name, kind in numbers.items():
            cell = row.cells.get(name)
            if cell is None or cell.isdigit() or isinstance(cell, TypedNumber):
                continue
            try:
                plain[name] = plain_number(cell, kind, mark)
                if mark is None and kind is CellKind.AMOUNT and has_two_values(cell):
                    content.two_values.append((row, name))
            except ValueError as error:
                content.refuse(row, name, str(error))
        if len(content.errors) == refused:
            kept.append(CellRow(row.line, {**row.cells, **plain}) if plain else row)
    return kept


def _marks(rows: Iterable[CellRow], numbers: Iterable[str]) -> dict[DecimalMark, tuple[int, str]]:
    """Find the decimal marks of a file, each with the first line and number that show it."""
    first: dict[DecimalMark, tuple[int, str]] = {}
    for row in rows:
        for name in numbers:
            text = row.cells.get(name)
            if text is None or text.isdigit() or isinstance(text, TypedNumber):
                continue
            if mark := decimal_mark(text):
                first.setdefault(mark, (row.line, text))
    return first
