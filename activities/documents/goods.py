"""The lines of a bill, with quantities, prices and rates."""

from activities.documents.notation import Notation
from activities.documents.sheet import Sheet
from activities.documents.table import Table, columns
from models.pricing import PricedLine

_COLUMNS = columns(
    [(9, "L"), (26, "L"), (52, "L"), (14, "R"), (22, "R"), (13, "R"), (12, "R"), (22, "R")]
)


def goods_table(sheet: Sheet) -> None:
    """Draw one row per line."""
    table = Table(_COLUMNS, sheet.words.columns)
    table.draw(sheet, (_row_texts(sheet.notation, line) for line in sheet.bill.lines))


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
