"""The lines of a bill: what was sold, how much of it, and what for."""

from collections.abc import Sequence
from typing import NamedTuple

from activities.documents.notation import Notation
from activities.documents.sheet import CELL, HEAD, LEFT, PAD, WIDTH, Align, Sheet
from models.orders import PricedLine


class _Column(NamedTuple):
    x: float
    width: float
    align: Align


def _columns(layout: Sequence[tuple[float, Align]]) -> tuple[_Column, ...]:
    edges = [LEFT]
    for width, _ in layout:
        edges.append(edges[-1] + width)
    return tuple(
        _Column(x + PAD, width - 2 * PAD, align)
        for x, (width, align) in zip(edges, layout, strict=False)
    )


_COLUMNS = _columns(
    [(9, "L"), (26, "L"), (52, "L"), (14, "R"), (22, "R"), (13, "R"), (12, "R"), (22, "R")]
)


def goods_table(sheet: Sheet) -> None:
    """One row per line; a row stays on one page, and each page repeats the head."""
    _table_head(sheet)
    for line in sheet.bill.lines:
        _table_row(sheet, line)


def _table_head(sheet: Sheet) -> None:
    top, height = sheet.y, HEAD.line_mm + 3
    sheet.panel(LEFT, top, WIDTH, height)
    for column, title in zip(_COLUMNS, sheet.words.columns, strict=True):
        sheet.put(title, column.x, top + 1.5, column.width, HEAD, column.align)
    sheet.y = top + height


def _table_row(sheet: Sheet, line: PricedLine) -> None:
    cells = [
        sheet.wrapped(text, column.width, CELL) if column.align == "L" else [text]
        for column, text in zip(_COLUMNS, _row_texts(sheet.notation, line), strict=True)
    ]
    height = max(map(len, cells)) * CELL.line_mm + 2.4
    if sheet.reserve(height):
        _table_head(sheet)
    top = sheet.y
    for column, texts in zip(_COLUMNS, cells, strict=True):
        for number, text in enumerate(texts):
            y = top + 1.2 + number * CELL.line_mm
            sheet.put(text, column.x, y, column.width, CELL, column.align)
    sheet.y = top + height
    sheet.rule(LEFT, sheet.y, WIDTH)


def _row_texts(notation: Notation, line: PricedLine) -> list[str]:
    return [
        notation.count(line.line_no),
        line.sku,
        line.name,
        notation.count(line.quantity),
        notation.amount(line.unit_price_minor),
        notation.percent(line.discount_ppm) if line.discount_ppm else "",
        notation.percent(line.tax_rate_ppm),
        notation.amount(line.before_order_discount_minor),
    ]
