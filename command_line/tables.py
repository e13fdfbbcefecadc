"""Tables of the command line: columns are chosen by the width of the terminal.

Ids, amounts and dates are never folded or cut. Texts are folded first; then headers; then the least
important columns are left out, and named below. Without a terminal nothing is left out.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

Cell = str | Text
out = Console(markup=False, emoji=False, soft_wrap=True)
"""Without markup: "[x]" and ":x:" are printed as they are."""
BOX = box.SIMPLE_HEAD
EDGES, GAP = 2, 3
"""The width of a table's edges together, and between two columns."""
RIGHT_ALIGNED = {
    *("total", "paid", "debit", "credit", "value", "amount", "difference"),
    *("balance", "current", "1-30", "31-60", "61-90", "over 90", "late", "level"),
    *("net", "tax %", "discount %", "unit price", "shipped", "delivered", "applied"),
    *("quantity", "on hand", "reserved", "available", "on order", "backordered"),
    *("short", "units", "with tax", "reversed", "claimed", "smallest"),
    *("reorder point", "safety", "EOQ", "a day", "lead days", "freight", "duty", "minimum"),
    *("pack", "a unit", "days", "fill rate"),
    *("unit cost", "landed", "received", "damaged", "invoiced", "due", "ordered"),
    *("returned", "given up", "packages", "kg", "line"),
}
"""Columns of amounts and units."""
TEXTS = {
    *("name", "title", "why", "details", "reason", "content", "difference", "of", "contents"),
    *("dispositions", "message", "event", "where", "reviewed", "until", "when", "settled"),
    *("found", "last seen", "gone", "recorded", "done"),
}
"""Columns of texts and times, which may be folded at spaces."""
FOLDED_WIDTH = 12
"""The width to which they are folded, unless a word is longer."""
LONGEST_WORD = 64
"""The longest id."""
LEFT_OUT_FIRST = (
    *("recorded", "last seen", "gone", "level", "kg", "packages", "mm", "pack", "minimum"),
    *("duty", "freight", "reviewed", "mode", "discount %", "outcome", "until", "from"),
    *("carrier", "reversed", "damaged", "invoiced", "given up", "returned", "delivered"),
    *("61-90", "31-60", "1-30", "applied", "paid", "location", "customer"),
)
"""Columns that are left out first, in this order; then others from the right."""
LEFT_OUT_LAST = {
    "total",
    "amount",
    "balance",
    "state",
    "stage",
    "available",
    "order",
    "attention or invoice",
}


@dataclass
class Screen:
    """The width that tables have."""

    wide: bool = False

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None: as many as are needed."""
        return out.width if out.is_terminal and not self.wide else None


screen = Screen()


@contextmanager
def all_columns(wide: bool) -> Iterator[None]:
    """Show all columns, whatever their width, if `wide`."""
    before, screen.wide = screen.wide, wide or screen.wide
    try:
        yield
    finally:
        screen.wide = before


@dataclass
class CliTable:
    """The cells of a table, by row."""

    headers: Sequence[str]
    rows: list[tuple[Sequence[Cell], str | None]] = field(default_factory=list)
    sections: set[int] = field(default_factory=set)
    """The numbers of rows that end a section."""
    title: str | None = None
    show_header: bool = True

    def add_row(self, *cells: Cell, style: str | None = None) -> None:
        """Add a row."""
        assert len(cells) == len(self.headers)
        self.rows.append((cells, style))

    def add_section(self) -> None:
        """End a section: a line is drawn after the last row."""
        self.sections.add(len(self.rows) - 1)

    def width_of(self, column: int, *, broken_header: bool = False) -> int:
        """Return the width of a column's longest line."""
        header = self.headers[column] if self.show_header else ""
        words = header.split() if broken_header else [header]
        lines = [line for cells, _ in self.rows for line in str(cells[column]).splitlines()]
        return max(map(cell_len, ["", *words, *lines]))

    def folded_width_of(self, column: int) -> int:
        """Return the width to which a column of texts is folded: no id is broken."""
        words = (word for cells, _ in self.rows for word in str(cells[column]).split())
        return min(LONGEST_WORD, max(FOLDED_WIDTH, *map(cell_len, words), 0))


def new_table(*headers: str) -> CliTable:
    """Make an empty table."""
    return CliTable(headers)


def print_table(table: CliTable) -> None:
    """Print the columns of a table that fit into the terminal, and name the others."""
    width = screen.width
    columns = list(range(len(table.headers)))
    if width is None:
        _print(table, columns, {})
        return
    chosen, folded, broken = _choose(table, columns, width)
    _print(table, chosen, folded, broken_headers=broken)
    left_out = [table.headers[column] for column in columns if column not in chosen]
    if left_out:
        out.print(Text(f"without {', '.join(left_out)}: --wide shows all columns", "dim"))


def _choose(
    table: CliTable, columns: list[int], width: int
) -> tuple[list[int], dict[int, int], bool]:
    """Choose columns, the widths of folded ones, and whether headers are broken."""
    for broken in (False, True):
        folded = _folded(table, columns, width, broken)
        if folded is not None:
            return columns, folded, broken
    chosen = columns[:1]
    widths: dict[int, int] = {}
    for column in sorted(columns[1:], key=lambda c: _importance(table, c), reverse=True):
        more = sorted([*chosen, column])
        folded = _folded(table, more, width, True)
        if folded is not None:
            chosen, widths = more, folded
    return chosen, widths, True


def _folded(
    table: CliTable, columns: Sequence[int], width: int, broken_headers: bool
) -> dict[int, int] | None:
    """Return the widths of columns with texts if the table fits; else None."""
    natural = {c: table.width_of(c, broken_header=broken_headers) for c in columns}
    excess = sum(natural.values()) + GAP * (len(columns) - 1) + EDGES - width
    folded: dict[int, int] = {}
    least = {c: table.folded_width_of(c) for c in columns if table.headers[c] in TEXTS}
    while excess > 0:
        spare = {c: folded.get(c, natural[c]) - width for c, width in least.items()}
        most = max(spare, key=lambda c: spare[c], default=None)
        if most is None or spare[most] <= 0:
            return None
        folded[most] = folded.get(most, natural[most]) - 1
        excess -= 1
    return folded


def _importance(table: CliTable, column: int) -> tuple[int, int]:
    header = table.headers[column]
    if header in LEFT_OUT_FIRST:
        return 0, LEFT_OUT_FIRST.index(header)
    return 2 if header in LEFT_OUT_LAST else 1, -column


def _print(
    table: CliTable,
    columns: Sequence[int],
    folded: dict[int, int],
    *,
    broken_headers: bool = False,
) -> None:
    widths = {c: folded.get(c) or table.width_of(c, broken_header=broken_headers) for c in columns}
    shown = Table(
        *(
            Column(
                "\n".join(header.split()) if broken_headers and c not in folded else header,
                overflow="fold",
                justify="right" if header in RIGHT_ALIGNED else "left",
                no_wrap=c not in folded,
                width=widths[c],
            )
            for c, header in ((c, table.headers[c]) for c in columns)
        ),
        box=BOX,
        pad_edge=False,
        width=sum(widths.values()) + GAP * (len(columns) - 1) + EDGES,
        title=table.title,
        show_header=table.show_header,
    )
    for number, (cells, style) in enumerate(table.rows):
        end = number in table.sections
        shown.add_row(*(cells[c] for c in columns), style=style, end_section=end)
    out.print(shown, soft_wrap=False, crop=False)
