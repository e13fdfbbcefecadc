"""Packing slips for customers, without prices, on A4; lengths in mm."""

from activities.documents.page import GREY, LEFT, RIGHT, STRONG, WIDTH, Style
from activities.documents.papers.blocks import address_block, facts, package_table, postal_lines
from activities.documents.papers.sheet import PaperSheet
from activities.documents.papers.words import paper_words
from activities.documents.table import Table, columns
from models.papers import ShipmentPaper

_LAYOUT = columns([(11, "L"), (38, "L"), (57, "L"), (18, "R"), (28, "R"), (18, "R")])
_FACTS_LEFT = 115.0


def packing_slip_pdf(paper: ShipmentPaper) -> bytes:
    """Render units ordered, shipped and to follow, and the packages, in English or German."""
    sheet = PaperSheet(paper, paper_words(paper.language).packing_slip, paper.language)
    _address_window(sheet)
    _facts(sheet)
    sheet.head()
    _lines(sheet)
    _packages(sheet)
    return bytes(sheet.output())


def _address_window(sheet: PaperSheet) -> None:
    """Draw the address within the window of an envelope: 85 x 45 mm, 45 mm from the top."""
    sender = " · ".join(postal_lines(sheet.paper.ship_from, sheet.notation)[:-1])
    small = Style(6.5, color=GREY)
    sheet.put(sheet.shortened(sender, 80, small), LEFT, 48, 80, small)
    sheet.y = 55
    address_block(sheet, sheet.paper.ship_to, LEFT, 80, 34, 10)


def _facts(sheet: PaperSheet) -> None:
    paper, words, day = sheet.paper, sheet.words, sheet.notation.day
    rows = (
        (words.order, paper.order_id),
        (words.ordered_on, day(paper.customer_order_date)),
        (words.shipment, paper.shipment_id),
        (words.shipped_on, day(paper.planned_on)),
        (words.carrier, " · ".join(text for text in (paper.carrier, paper.service) if text)),
        (words.tracking_number, paper.tracking_number),
        (words.taken_by, paper.taken_by),
    )
    sheet.y = 48
    facts(sheet, rows, _FACTS_LEFT, 30, RIGHT - _FACTS_LEFT)
    sheet.y = max(sheet.y + 4, 97)


def _lines(sheet: PaperSheet) -> None:
    count, lines = sheet.notation.count, sheet.paper.lines
    table = Table(_LAYOUT, sheet.words.line_titles)
    table.draw(
        sheet,
        (
            [
                *(count(line.line_no), line.sku, line.name),
                *map(count, (line.ordered, line.in_shipment, line.to_follow)),
            ]
            for line in lines
        ),
    )
    sums = (
        sum(line.ordered for line in lines),
        sheet.paper.units,
        sum(line.to_follow for line in lines),
    )
    table.row(sheet, ["", sheet.words.total, "", *map(count, sums)], bold=True)


def _packages(sheet: PaperSheet) -> None:
    if not sheet.paper.packages:
        return
    sheet.y += 6
    sheet.reserve(30)
    sheet.paragraph(sheet.words.packages, LEFT, WIDTH, STRONG)
    sheet.y += 1
    package_table(sheet, sheet.words, sheet.paper.packages)
