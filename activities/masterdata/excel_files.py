"""Excel workbooks (.xlsx): the cells of a sheet, read as Excel shows them."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from activities.masterdata.raw_tables import Cell, RawRow, RawTable, unreadable
from activities.masterdata.sources import BROKEN_ZIP, SAVE_AS, Source, open_archive, refuse
from models.cells import NUMBERS, CellKind, TypedNumber

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0"
"""How files of Excel begin: .xlsx, and .xls or encrypted ones."""
SIGNIFICANT = 10**15
"""Excel stores 15 digits of a number."""
_BROKEN = (
    *(*BROKEN_ZIP, InvalidFileException, SyntaxError),
    *(LookupError, ValueError, TypeError, AttributeError),
)
"""What openpyxl raises for a file that is no valid workbook: it doesn't check what it reads.

XML that is not well-formed is a SyntaxError of whichever parser openpyxl finds."""
MAX_CELLS = 5_000_000
"""The number of cells in a sheet, as each takes memory."""
AS_TEXT = "format the column as text and enter it again"


class SheetCell(NamedTuple):
    """A cell that is no text: its value, and the format in which Excel shows it."""

    value: object
    number_format: str
    is_error: bool = False


def is_workbook(source: Source) -> bool:
    """Return whether a file is to be read as a workbook, whatever its name."""
    return source.name.casefold().endswith(".xlsx") or source.content.startswith((ZIP, OLE))


def read_workbook(source: Source) -> RawTable:
    """Read the sheet of a workbook that is named as the file, or its only sheet with cells."""
    name = source.name
    if source.content.startswith(OLE):
        reason = f"is an Excel workbook of the old format, or has a password: {SAVE_AS}"
        return unreadable(name, None, reason)
    try:
        return _read(source)
    except _NoWorkbook as error:
        return unreadable(
            name, None, f"is not an Excel workbook that can be read ({error}): {SAVE_AS}"
        )


class _NoWorkbook(Exception):
    """A library can't read the file; the message is its error."""


@contextmanager
def _library() -> Iterator[None]:
    """Run one call of zipfile or openpyxl. Raises _NoWorkbook, but not for errors of our own."""
    try:
        yield
    except _BROKEN as error:
        raise _NoWorkbook(type(error).__name__) from error


def _read(source: Source) -> RawTable:
    with _library():
        open_archive(source.name, source.content).close()
    sheets = _sheets(source.content, data_only=True)
    named = next((title for title in sheets if title.strip().casefold() == source.stem), None)
    tables = {
        title: _rows(source.name, sheet)
        for title, sheet in sheets.items()
        if named in (None, title)
    }
    filled = [title for title, rows in tables.items() if rows]
    if len(filled) > 1:
        listed = ", ".join(filled)
        reason = f"has several sheets with cells ({listed}): name one of them {source.stem!r}"
        return unreadable(source.name, None, reason)
    if not filled:
        return RawTable(source.name)
    table = RawTable(source.name)
    xml = _sheet_xml(source.content, sheets[filled[0]])
    if b"<mergeCell " in xml:
        table.add_error(None, f"has merged cells in sheet {filled[0]!r}: unmerge them")
    if b"<f>" in xml or b"<f " in xml:
        _find_formulas_without_value(table, source.content, filled[0], tables[filled[0]])
    _fit(table, tables[filled[0]])
    return table


def _rows(name: str, sheet: ReadOnlyWorksheet) -> list[RawRow]:
    """Read the rows that are not blank, without trusting the size that the sheet declares.

    Raises InvalidInput for more than MAX_CELLS.
    """
    count = 0
    rows = []
    for line, cells in enumerate(_cells(sheet), start=1):
        read: list[Cell] = [
            cell.value
            if cell.value is None or (isinstance(cell.value, str) and not cell.is_error)
            else cell
            for cell, _ in cells
        ]
        while read and (read[-1] is None or (isinstance(read[-1], str) and not read[-1].strip())):
            read.pop()
        if read:
            rows.append(RawRow(line, read))
            count += len(read)
        if count > MAX_CELLS:
            raise refuse(name, f"has more than {MAX_CELLS:,} cells: split it")
    return rows


def _sheets(content: bytes, *, data_only: bool) -> dict[str, ReadOnlyWorksheet]:
    """Open the visible sheets, by title. `data_only`: with the results of formulas."""
    with _library():
        workbook = load_workbook(
            io.BytesIO(content), read_only=True, data_only=data_only, keep_links=False
        )
        return {
            sheet.title: sheet
            for sheet in workbook.worksheets
            if isinstance(sheet, ReadOnlyWorksheet) and sheet.sheet_state == "visible"
        }


def _cells(sheet: ReadOnlyWorksheet) -> Iterator[list[tuple[SheetCell, bool]]]:
    """Read the rows of a sheet: each cell, and whether it is a formula."""
    with _library():
        sheet.reset_dimensions()
        rows = iter(sheet.rows)
    while True:
        with _library():
            row = next(rows, None)
            cells = [
                (
                    SheetCell(cell.value, cell.number_format, cell.data_type == "e"),
                    cell.data_type == "f",
                )
                for cell in row or ()
            ]
        if row is None:
            return
        yield cells


def _sheet_xml(content: bytes, sheet: ReadOnlyWorksheet) -> bytes:
    with _library(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        # openpyxl has no public name for it in read-only mode
        return archive.read(sheet._worksheet_path)  # type: ignore[attr-defined]


def _find_formulas_without_value(
    table: RawTable, content: bytes, title: str, rows: Sequence[RawRow]
) -> None:
    """Refuse formulas whose result the file doesn't have: they would be empty cells."""
    sheet = _sheets(content, data_only=False)[title]
    values = {row.line: row.cells for row in rows}
    for line, cells in enumerate(_cells(sheet), start=1):
        known = values.get(line, ())
        for number, (_, is_formula) in enumerate(cells):
            has_value = number < len(known) and known[number] is not None
            if is_formula and not has_value:
                column = get_column_letter(number + 1)
                reason = f"has a formula without a result in column {column}: open and save it"
                table.add_error(line, f"{reason} in Excel")


def _fit(table: RawTable, rows: Iterable[RawRow]) -> None:
    """Give each row as many cells as the header has."""
    width = 0
    for row in rows:
        width = width or len(row.cells)
        if len(row.cells) > width:
            beyond = get_column_letter(len(row.cells))
            table.add_error(row.line, f"has a cell in column {beyond}, where there is no header")
        else:
            padded = [*row.cells, *[None] * (width - len(row.cells))]
            table.rows.append(RawRow(row.line, padded))


def cell_text(cell: Cell, kind: CellKind = CellKind.TEXT) -> str:
    """Return a cell as a CSV file has it. Raises ValueError."""
    if cell is None:
        return ""
    if not isinstance(cell, SheetCell):
        return str(cell).strip()
    if cell.is_error:
        raise ValueError(f"has the error {cell.value}")
    match cell.value:
        case bool() if kind is CellKind.TRUTH:
            return str(cell.value).lower()
        case bool():
            raise ValueError(f"is the truth value {cell.value}: {AS_TEXT}")
        case int() | float():
            return _number_text(cell.value, cell.number_format, kind)
        case datetime() | date() | time():
            return _date_text(cell.value, kind)
        case other:
            raise ValueError(f"{other} is not text, a number, a date or a time")


def _number_text(value: float, number_format: str, kind: CellKind) -> str:
    """Return a number as Excel shows it: with leading zeros, and as a percentage."""
    if kind in (CellKind.DAY, CellKind.TIME):
        wanted = "date" if kind is CellKind.DAY else "time"
        raise ValueError(f"{value} is a number, not a {wanted}")
    number = Decimal(format(value, ".15g"))
    if kind in NUMBERS:
        is_percentage = kind is CellKind.PERCENT and "%" in number_format
        return TypedNumber(_plain(number * 100 if is_percentage else number))
    if number != int(number):
        raise ValueError(f"{_plain(number)} is a number with decimals, not text: {AS_TEXT}")
    if abs(number) >= SIGNIFICANT:
        raise ValueError(f"{_plain(number)} has lost digits, as a number has 15: {AS_TEXT}")
    digits = _plain(number)
    return digits.zfill(len(number_format)) if set(number_format) == {"0"} else digits


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _date_text(value: date | time, kind: CellKind) -> str:
    """Return a date or time. Elsewhere Excel has made one of a text such as 1-2."""
    match value:
        case time() if kind is CellKind.TIME:
            return f"{value:%H:%M}"
        case datetime() if kind is CellKind.DAY and value.time() == time():
            return value.date().isoformat()
        case date() if kind is CellKind.DAY and not isinstance(value, datetime):
            return value.isoformat()
    if kind in (CellKind.DAY, CellKind.TIME):
        wanted = "day" if kind is CellKind.DAY else "time of the day"
        raise ValueError(f"{value} is not a {wanted}")
    shown = value.date() if isinstance(value, datetime) and value.time() == time() else value
    raise ValueError(f"has become the date {shown} in Excel: {AS_TEXT}")
