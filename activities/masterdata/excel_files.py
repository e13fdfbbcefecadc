"""Excel workbooks (.xlsx): the cells of a sheet."""

from activities.masterdata.raw_tables import Cell, RawTable, unreadable
from activities.masterdata.sources import SAVE_AS, Source
from models.cells import CellKind

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0"
"""How files of Excel begin: .xlsx, and .xls or encrypted ones."""


def is_workbook(source: Source) -> bool:
    """Return whether a file is to be read as a workbook, whatever its name."""
    return source.name.casefold().endswith(".xlsx") or source.content.startswith((ZIP, OLE))


def read_workbook(source: Source) -> RawTable:
    """Read the sheet of a workbook that is named as the file, or its only sheet with cells."""
    return unreadable(source.name, None, f"is an Excel workbook: {SAVE_AS}")


def cell_text(cell: Cell, kind: CellKind = CellKind.TEXT) -> str:
    """Return a cell as a CSV file has it. Raises ValueError."""
    return str(cell or "").strip()
