"""Shipping labels: one page of 105 x 148 mm (A6) per package; lengths in mm."""

from activities.documents.codes import draw_code, draw_sscc
from activities.documents.notation import Notation
from activities.documents.page import INK, LABEL, Page, Style
from activities.documents.papers.blocks import address_block
from activities.documents.papers.words import ENGLISH, MODES
from models.papers import PaperPackage, ShipmentPaper

A6_MM = (105.0, 148.0)
EDGE, INNER = 5.0, 95.0
"""Where content starts on A6, and how wide it is."""
CAPTION, VALUE = Style(6.5, color=LABEL.color), Style(8.5)
_NUMBER = Style(17, bold=True)
_HALF = INNER / 2


def label_pdf(paper: ShipmentPaper) -> bytes:
    """From, to, carrier, weight and size, with tracking number and SSCC as codes to scan.

    The size is GS1's for logistic labels, and so are the modules (0.495 mm) and the height (32 mm)
    of the SSCC. Without a tracking number its place stays empty.
    """
    page = Page(
        f"Labels {paper.shipment_id}",
        paper.ship_from.name,
        paper.planned_on,
        Notation("en"),
        size=A6_MM,
        bottom=A6_MM[1] - EDGE,
    )
    for number, package in enumerate(paper.packages, start=1):
        page.add_page()
        _addresses(page, paper, number)
        _facts(page, paper, package)
        if paper.tracking_number:
            draw_code(page, paper.tracking_number, EDGE, 84, INNER, 18)
        page.rule(EDGE, 104, INNER, INK)
        draw_sscc(page, package.sscc, EDGE, 106, INNER, 37)
    return bytes(page.output())


def _addresses(page: Page, paper: ShipmentPaper, number: int) -> None:
    page.put("From", EDGE, 4, 20, CAPTION)
    page.y = 7
    address_block(page, paper.ship_from, EDGE, 60, 16, 7.5)
    of = f"{number} / {len(paper.packages)}"
    page.put(of, 70, 4, 30, _NUMBER, "R")
    mode = Style(10, bold=True)
    page.put(MODES.get(paper.mode, paper.mode), 70, 14, 30, mode, "R")
    page.rule(EDGE, 24, INNER, INK)
    page.put("To", EDGE, 25, 20, CAPTION)
    page.y = 28
    address_block(page, paper.ship_to, EDGE, INNER, 31, 14)
    page.rule(EDGE, 60, INNER, INK)


def _facts(page: Page, paper: ShipmentPaper, package: PaperPackage) -> None:
    """In pairs, each value below its label; what is too long is cut."""
    notation = page.notation
    size = notation.centimetres(package.length_mm, package.width_mm, package.height_mm)
    carrier = " · ".join(text for text in (paper.carrier, paper.service) if text)
    facts = (
        ("Carrier", carrier),
        ("Weight, size", f"{notation.kilograms(package.weight_g)} kg, {size} cm"),
        ("Order", paper.order_id),
        ("Shipment", paper.shipment_id),
        ("Kind", ENGLISH.kinds.get(package.kind, package.kind)),
        ("Instructions", paper.instructions),
    )
    for place, (label, value) in enumerate(facts):
        if value:
            x, y = EDGE + place % 2 * _HALF, 61 + place // 2 * 7.2
            cell(page, label, value, x, y, _HALF - 2)


def cell(page: Page, label: str, value: str, x: float, y: float, width: float) -> None:
    """A value below its label, in one line; what is too long is cut."""
    page.put(label, x, y, width, CAPTION)
    page.put(page.shortened(value, width, VALUE), x, y + 2.6, width, VALUE)
