"""Bills of lading for freight, on A4; lengths in mm."""

from activities.documents.codes import draw_code
from activities.documents.page import BODY, HEAD, INK, LABEL, LEFT, PAD, SMALL, STRONG, WIDTH
from activities.documents.papers.blocks import address_block, facts, note, package_table
from activities.documents.papers.sheet import PaperSheet
from activities.documents.papers.words import MODES
from activities.documents.table import Table, columns
from models.papers import PaperAddress, ShipmentPaper

_HALF = WIDTH / 2 - 3
_RIGHT_HALF = LEFT + WIDTH / 2 + 3
_GOODS = Table(
    columns([(45, "L"), (85, "L"), (20, "L"), (20, "R")]),
    ("SKU", "Description of goods", "Class", "Units"),
)
_RECEIVED = (
    "Received in apparent good order, except as noted, the goods described above; contents and "
    "condition of contents of packages unknown."
)
_CLOSING_MM = 56.0
"""The height of totals and signatures, which stay on one page."""


def bill_of_lading_pdf(paper: ShipmentPaper) -> bytes:
    """Render parties, carrier, handling units, goods, totals and signature fields.

    The bill of lading is straight (not negotiable), and the shipper pays the freight.
    """
    sheet = PaperSheet(paper, "Bill of lading")
    sheet.head()
    if paper.booking_id:
        draw_code(sheet, paper.booking_id, _RIGHT_HALF, 34, _HALF, 19)
    sheet.y = 43
    sheet.paragraph("Straight bill of lading, not negotiable", LEFT, _HALF, BODY)
    _parties(sheet, 56)
    _terms(sheet)
    note(sheet, "Special instructions", paper.instructions, LEFT, WIDTH)
    package_table(sheet, sheet.words, paper.packages)
    sheet.y += 5
    _goods(sheet)
    _totals(sheet)
    _signatures(sheet)
    return bytes(sheet.output())


def _parties(sheet: PaperSheet, top: float) -> None:
    below = top
    for label, address, x in (
        ("Shipper", sheet.paper.ship_from, LEFT),
        ("Consignee", sheet.paper.ship_to, _RIGHT_HALF),
    ):
        below = max(below, _party(sheet, label, address, x, top))
    sheet.y = below + 5


def _party(sheet: PaperSheet, label: str, address: PaperAddress, x: float, top: float) -> float:
    """Draw a party; returns its lower edge."""
    sheet.panel(x, top, _HALF, 6)
    sheet.put(label, x + PAD, top + 1.2, _HALF, HEAD)
    sheet.y = top + 7.5
    address_block(sheet, address, x + PAD, _HALF - 2 * PAD, 30, 10)
    return sheet.y


def _terms(sheet: PaperSheet) -> None:
    paper, day = sheet.paper, sheet.notation.day
    left = (
        ("Date", day(paper.planned_on)),
        ("Shipment", paper.shipment_id),
        ("Order", paper.order_id),
        ("Location", paper.location),
        ("Freight charges", "Prepaid"),
    )
    right = (
        ("Carrier", paper.carrier),
        ("Service", paper.service),
        ("Mode", MODES.get(paper.mode, paper.mode)),
        ("PRO number", paper.booking_id),
        ("Tracking number", paper.tracking_number),
    )
    top = sheet.y
    facts(sheet, left, LEFT, 30, _HALF)
    below, sheet.y = sheet.y, top
    facts(sheet, right, _RIGHT_HALF, 30, _HALF)
    sheet.y = max(below, sheet.y) + 4


def _goods(sheet: PaperSheet) -> None:
    count, freight_class = sheet.notation.count, sheet.paper.freight_class or ""
    _GOODS.draw(
        sheet,
        (
            [line.sku, line.name, freight_class, count(line.in_shipment)]
            for line in sheet.paper.lines
            if line.in_shipment
        ),
    )
    _GOODS.row(sheet, ["Total", "", "", count(sheet.paper.units)], bold=True)


def _totals(sheet: PaperSheet) -> None:
    """Draw the totals that a carrier checks."""
    paper, notation = sheet.paper, sheet.notation
    rows = (
        ("Handling units", notation.count(len(paper.packages))),
        ("Units of goods", notation.count(paper.units)),
        ("Total weight", f"{notation.kilograms(paper.weight_g)} kg"),
        ("Freight class", paper.freight_class or ""),
    )
    sheet.y += 4
    sheet.reserve(_CLOSING_MM)
    top, width = sheet.y, WIDTH / len(rows)
    for column, (label, value) in enumerate(rows):
        x = LEFT + PAD + column * width
        if value:
            sheet.put(label, x, top, width - 2, LABEL)
            sheet.put(value, x, top + 4.5, width - 2, STRONG)
    sheet.y = top + 12
    sheet.paragraph(_RECEIVED, LEFT + PAD, WIDTH - PAD, BODY)


def _signatures(sheet: PaperSheet) -> None:
    """Draw three signature fields; the carrier's names the person who collected, if known."""
    top, gap = sheet.y + 4, 6.0
    width = (WIDTH - 2 * gap) / 3
    paper = sheet.paper
    for column, (label, name) in enumerate(
        (
            ("Shipper", paper.ship_from.name),
            ("Carrier", paper.taken_by or paper.carrier),
            ("Consignee", paper.ship_to.name),
        )
    ):
        x = LEFT + column * (width + gap)
        sheet.put(label, x, top, width, HEAD)
        sheet.put(sheet.shortened(name, width, BODY), x, top + 4.5, width, BODY)
        sheet.rule(x, top + 24, width, INK)
        sheet.put("Name, signature, date", x, top + 25, width, SMALL)
    sheet.y = top + 30
