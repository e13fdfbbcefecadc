"""CSV files of master data, read and validated row by row."""

import csv
import io
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.base import Document
from models.errors import FieldError, invalid_input


@dataclass(frozen=True)
class Row:
    """A valid row and the number of its last line in the file."""

    line: int
    document: Any
    """The model of the row: each file has another."""


@dataclass(frozen=True)
class CsvContent:
    """The valid rows of a file, and the errors of the others."""

    rows: Sequence[Row] = ()
    errors: Sequence[FieldError] = ()
    invalid_cells: Set[tuple[str, str]] | None = frozenset()
    """Column and cell, of the invalid rows; None: the file can't be read to its end."""

    def may_define(self, column: str, value: str) -> bool:
        """Return whether an invalid row could be the one with this id."""
        return self.invalid_cells is None or (column, value) in self.invalid_cells


def read_csv(path: Path, model: type[Document]) -> CsvContent:
    """Read a file in UTF-8 whose rows are of `model`; a missing file has no rows."""
    if not path.exists():
        return CsvContent()
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return _unreadable([FieldError(f"{path.name} line {line}", "is not UTF-8")])
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    errors: list[FieldError] = []
    invalid_cells: set[tuple[str, str]] = set()
    try:
        if header_errors := _check_header(path.name, reader.fieldnames or (), model):
            return _unreadable(header_errors)
        for cells in reader:
            document = _validate(path.name, reader.line_num, cells, model)
            if isinstance(document, list):
                errors += document
                invalid_cells.update(_filled(cells).items())
            else:
                rows.append(Row(reader.line_num, document))
    except csv.Error as error:
        errors.append(FieldError(f"{path.name} line {reader.reader.line_num}", str(error)))
        return CsvContent(rows, errors, invalid_cells=None)
    return CsvContent(rows, errors, invalid_cells)


def _unreadable(errors: Sequence[FieldError]) -> CsvContent:
    return CsvContent(errors=errors, invalid_cells=None)


def _check_header(name: str, header: Sequence[str], model: type[Document]) -> list[FieldError]:
    columns = model.model_fields
    required = [column for column, field in columns.items() if field.is_required()]
    unknown = f"is unknown; the columns are {', '.join(columns)}"
    reasons = [
        *((column, "the column is missing") for column in required if column not in header),
        *((column, "appears twice") for column in sorted(set(header)) if header.count(column) > 1),
        *((column, unknown) for column in header if column not in columns),
    ]
    return [FieldError(f"{name} line 1, {column}", reason) for column, reason in reasons]


def _validate(
    name: str, line: int, cells: Mapping[str | Any, Any], model: type[Document]
) -> Document | list[FieldError]:
    """Return the model of a row, or its errors."""
    if None in cells:
        return [FieldError(f"{name} line {line}", "has more cells than the header has columns")]
    try:
        return model.model_validate(_filled(cells), extra="forbid")
    except ValidationError as error:
        fields = invalid_input(error).fields
        return [FieldError(f"{name} line {line}, {f.field}", f.reason) for f in fields]


def _filled(cells: Mapping[str | Any, Any]) -> dict[str, str]:
    """Return the cells that are not empty."""
    return {
        column: cell.strip()
        for column, cell in cells.items()
        if isinstance(cell, str) and cell.strip()
    }
