"""Pick lists for the warehouse: goods to pick and their packages, on A4; lengths in mm."""

from activities.documents.codes import draw_code
from activities.documents.page import INK, LEFT, STRONG, WIDTH
from activities.documents.papers.blocks import facts, note
from activities.documents.papers.sheet import PaperSheet
from activities.documents.papers.words import MODES
from activities.documents.table import Table, columns
from models.papers import PaperPackage, ShipmentPaper

_HALF = WIDTH / 2 - 3
_BOX_MM = 3.6
_TO_PICK = Table(
    columns([(9, "L"), (38, "L"), (30, "L"), (65, "L"), (16, "R"), (12, "R")]),
    ("#", "SKU", "GTIN", "Description", "Pick", ""),
)
_TO_PACK = Table(
    columns([(47, "L"), (95, "L"), (16, "R"), (12, "R")]), ("SKU", "Description", "Pack", "")
)


def pick_list_pdf(paper: ShipmentPaper) -> bytes:
    """Render the goods to pick, with a box to tick for each line, and the contents per package."""
    sheet = PaperSheet(paper, "Pick list")
    sheet.head()
    top = sheet.y + 2
    draw_code(sheet, paper.shipment_id, LEFT, top, WIDTH, 22)
    sheet.y = top + 27
    _facts(sheet)
    note(sheet, "Instructions", paper.instructions, LEFT, WIDTH)
    _lines(sheet)
    for number, package in enumerate(paper.packages, start=1):
        _package(sheet, package, number)
    return bytes(sheet.output())


def _facts(sheet: PaperSheet) -> None:
    paper, notation = sheet.paper, sheet.notation
    top = sheet.y
    left = (
        ("Location", paper.location),
        ("Order", paper.order_id),
        ("Date", notation.day(paper.planned_on)),
    )
    right = (
        ("Carrier", paper.carrier),
        ("Service", paper.service),
        ("Mode", MODES.get(paper.mode, paper.mode)),
        ("Packages", notation.count(len(paper.packages))),
    )
    facts(sheet, left, LEFT, 24, _HALF)
    below, sheet.y = sheet.y, top
    facts(sheet, right, LEFT + WIDTH / 2 + 3, 24, _HALF)
    sheet.y = max(below, sheet.y) + 4


def _lines(sheet: PaperSheet) -> None:
    count = sheet.notation.count
    _TO_PICK.head(sheet)
    for line in sheet.paper.lines:
        if line.in_shipment:
            row = [count(line.line_no), line.sku, line.gtin, line.name, count(line.in_shipment), ""]
            _box(sheet, _TO_PICK.row(sheet, row))
    total = ["", "Total", "", "", count(sheet.paper.units), ""]
    _TO_PICK.row(sheet, total, bold=True)


def _package(sheet: PaperSheet, package: PaperPackage, number: int) -> None:
    """Draw number, size and weight of a package, on one page with its first contents."""
    notation = sheet.notation
    sheet.y += 5
    sheet.reserve(28)
    kind = sheet.words.kinds.get(package.kind, package.kind)
    size = notation.centimetres(package.length_mm, package.width_mm, package.height_mm)
    counter = f"{kind} {notation.count(number)} of {notation.count(len(sheet.paper.packages))}"
    weight = f"{notation.kilograms(package.weight_g)} kg"
    heading = f"{counter} · {size} cm · {weight} · SSCC {package.sscc}"
    sheet.put(heading, LEFT, sheet.y, WIDTH, STRONG)
    sheet.y += 6
    if not package.contents:
        return
    _TO_PACK.head(sheet)
    for content in package.contents:
        row = [content.sku, content.name, notation.count(content.quantity), ""]
        _box(sheet, _TO_PACK.row(sheet, row))


def _box(sheet: PaperSheet, top: float) -> None:
    """Draw a box to tick, at the end of the row that starts at `top`."""
    sheet.set_draw_color(*INK)
    sheet.set_line_width(0.3)
    sheet.rect(LEFT + WIDTH - 6, top + 1.5, _BOX_MM, _BOX_MM)
