"""Tables whose rows stay on one page, with a head repeated on each page."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from activities.documents.page import CELL, HEAD, LEFT, PAD, Align, Page

_HEAD_AND_ROW_MM = 14.0


class Column(NamedTuple):
    """The position of a column; only left-aligned text is wrapped."""

    x: float
    width: float
    align: Align


def columns(layout: Sequence[tuple[float, Align]], left: float = LEFT) -> tuple[Column, ...]:
    """Place columns of these widths side by side, starting at `left`."""
    edges = [left]
    for width, _ in layout:
        edges.append(edges[-1] + width)
    return tuple(
        Column(x + PAD, width - 2 * PAD, align)
        for x, (width, align) in zip(edges, layout, strict=False)
    )


class Table(NamedTuple):
    """A table's columns and their titles."""

    columns: tuple[Column, ...]
    titles: Sequence[str]

    def draw(self, page: Page, rows: Iterable[Sequence[str]]) -> None:
        """Draw head and rows, on as many pages as needed."""
        self.head(page)
        for row in rows:
            self.row(page, row)

    def head(self, page: Page) -> None:
        """Draw the titles, on a page with room for a row below them."""
        page.reserve(_HEAD_AND_ROW_MM)
        top, height = page.y, HEAD.line_mm + 3
        page.panel(self._left, top, self._width, height)
        for column, title in zip(self.columns, self.titles, strict=True):
            page.put(title, column.x, top + 1.5, column.width, HEAD, column.align)
        page.y = top + height

    def row(self, page: Page, texts: Sequence[str], *, bold: bool = False) -> float:
        """Draw a row, on a new page if it does not fit on this one; returns its top."""
        style = CELL._replace(bold=bold)
        cells = [
            page.wrapped(text, column.width, style) if column.align == "L" else [text]
            for column, text in zip(self.columns, texts, strict=True)
        ]
        height = max(map(len, cells)) * CELL.line_mm + 2.4
        if page.reserve(height):
            self.head(page)
        top = page.y
        for column, lines in zip(self.columns, cells, strict=True):
            for number, line in enumerate(lines):
                y = top + 1.2 + number * CELL.line_mm
                page.put(line, column.x, y, column.width, style, column.align)
        page.y = top + height
        page.rule(self._left, page.y, self._width)
        return top

    @property
    def _left(self) -> float:
        return self.columns[0].x - PAD

    @property
    def _width(self) -> float:
        last = self.columns[-1]
        return last.x + last.width + PAD - self._left
