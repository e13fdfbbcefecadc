"""CSV files: encoding, separator, quotes, and rows that are cut off."""

import codecs
import csv
import io
import re
from collections.abc import Collection

from activities.masterdata.raw_tables import RawRow, RawTable, unreadable
from models.texts import visible

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Those of UTF-32 first, as one begins like that of UTF-16."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
LIKELY_ENCODING = "windows-1252"
"""The encoding of spreadsheets in western Europe that is not UTF-8."""
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
"""How exports keep leading zeros in a spreadsheet."""
CUT_OFF = "the file may be cut off here"


def read_csv(name: str, raw: bytes, columns: Collection[str], encoding: str | None) -> RawTable:
    """Read a file whose header names some of `columns`.

    Without `encoding` it is UTF-8, or what its byte order mark says.
    """
    text = _decode(name, raw, encoding)
    if isinstance(text, RawTable):
        return text
    text, separator = _separator(text, columns)
    table = RawTable(name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    width, named = 0, 0
    try:
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            if not width:
                width = len(cells)
                named = max(number for number, cell in enumerate(cells, 1) if cell.strip())
            if len(cells) in (width, named):  # separators may end the header only
                cells += [""] * (width - len(cells))
                table.rows.append(RawRow(reader.line_num, [_as_text(cell) for cell in cells]))
            else:
                table.add_error(reader.line_num, _wrong_width(cells, width, separator))
    except csv.Error as error:
        table.add_error(reader.line_num, _in_words(error))
        table.is_complete = False
    if table.rows and not text.endswith(("\n", "\r")) and not table.errors:
        table.warn(reader.line_num, "has no line end: check that the file is not cut off")
    return table


def _decode(name: str, raw: bytes, encoding: str | None) -> str | RawTable:
    """Decode a file; if that fails, return the table that says so."""
    mark, marked = next((pair for pair in BYTE_ORDER_MARKS if raw.startswith(pair[0])), (b"", ""))
    encoding = marked or encoding or "utf-8"
    if codecs.lookup(encoding).name == "iso8859-1":
        encoding = LIKELY_ENCODING  # as web browsers do: it adds letters and quotes
    body = raw if encoding in ("utf-16", "utf-32") and marked else raw.removeprefix(mark)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        return _undecodable(name, raw, error, marked or None)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        return unreadable(name, line, "is not UTF-8 (it has zero bytes, as UTF-16): save as UTF-8")
    return text


def _undecodable(name: str, raw: bytes, error: UnicodeDecodeError, marked: str | None) -> RawTable:
    """Name the line, and the word as the likely encoding has it."""
    line = raw[: error.start].count(b"\n") + 1
    if marked and marked != "utf-8":
        return unreadable(name, line, f"is not {marked.upper()}: {CUT_OFF}")
    begin, end = error.start, error.end
    while begin > 0 and raw[begin - 1 : begin] not in b',;\t|\r\n"':
        begin -= 1
    while end < len(raw) and raw[end : end + 1] not in b',;\t|\r\n"':
        end += 1
    column = raw[:begin].rpartition(b"\n")[2]
    cell = max(map(column.count, (b",", b";", b"\t"))) + 1
    word = raw[begin:end].decode(LIKELY_ENCODING, "replace")[:40]
    return unreadable(
        name,
        line,
        f"cell {cell} is not UTF-8: save the file as UTF-8 (in Excel, CSV UTF-8), "
        f"or import it with the encoding {LIKELY_ENCODING} if the cell is {word!r}",
    )


def _separator(text: str, columns: Collection[str]) -> tuple[str, str]:
    """Return the text, without Excel's line `sep=`, and the separator of its header."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # the line stays as a blank one, so that lines keep their numbers
        return f"\n{rest}", first.strip()[4]
    lines = (line.rstrip("\r\n") for line in io.StringIO(text, newline=None))
    header = next((line for line in lines if any(map(str.isalnum, line))), "")
    found = {
        separator: sum(name_of(cell) in columns for cell in _cells(header, separator))
        for separator in SEPARATORS
    }
    return text, max(found, key=lambda separator: found[separator])


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _as_text(cell: str) -> str:
    """Return the text of a formula that is nothing else, such as ="01067"."""
    match = _TEXT_FORMULA.fullmatch(cell)
    return match.group(1) if match else cell


def name_of(cell: str) -> str:
    """Return the name of a column as it is known: `unit_price` for "Unit price"."""
    return "_".join(visible(cell).casefold().split())


def _wrong_width(cells: list[str], width: int, separator: str) -> str:
    counted = f"has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, the header has {width}"
    for other, word in SEPARATORS.items():
        if other != separator and len(cells[0].split(other)) == width and len(cells) == 1:
            return f"is separated by {word}, but the header by {SEPARATORS.get(separator)}"
    if len(cells) < width:
        return f"{counted}: {CUT_OFF}; an empty cell needs its separator too"
    return f"{counted}: put a cell that contains {separator!r} in double quotes"


def _in_words(error: csv.Error) -> str:
    """Describe what is wrong with the quotes."""
    if "unexpected end" in str(error):
        return f"a double quote is not closed: {CUT_OFF}"
    if "expected after" in str(error):
        return "has a double quote inside of a quoted cell: write it twice"
    return str(error)
