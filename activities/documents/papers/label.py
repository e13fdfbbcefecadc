"""Shipping labels: a page of 105 x 148 mm (A6) per package; lengths in mm."""

from activities.documents.codes import draw_code, draw_sscc
from activities.documents.notation import Notation
from activities.documents.page import INK, LABEL, Page, Style
from activities.documents.papers.blocks import address_block
from activities.documents.papers.words import ENGLISH, MODES
from models.papers import PaperPackage, ShipmentPaper

A6_MM = (105.0, 148.0)
EDGE, INNER = 5.0, 95.0
"""The left edge and the width of content on A6."""
CAPTION = Style(6.5, color=LABEL.color)
_VALUE, _SMALL = Style(8.5), Style(6.5)
_NUMBER = Style(17, bold=True)
_CAPTION_WIDTH = 20.0
_VALUE_LEFT, _VALUE_WIDTH = EDGE + _CAPTION_WIDTH + 1, INNER - _CAPTION_WIDTH - 1


def label_pdf(paper: ShipmentPaper) -> bytes:
    """Render addresses, carrier, weight and size, with tracking number and SSCC as barcodes.

    Page size, module width (0.495 mm) and height (32 mm) of the SSCC are those of GS1 logistic
    labels. Without a tracking number its space stays empty.
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
            draw_code(page, paper.tracking_number, EDGE, 86, INNER, 17)
        page.rule(EDGE, 104, INNER, INK)
        draw_sscc(page, package.sscc, EDGE, 105.5, INNER, 37.6)
    return bytes(page.output())


def _addresses(page: Page, paper: ShipmentPaper, number: int) -> None:
    page.put("From", EDGE, 4, 20, CAPTION)
    page.y = 7
    address_block(page, paper.ship_from, EDGE, 60, 16.8, 7.5)
    counter = f"{number} / {len(paper.packages)}"
    page.put(counter, 70, 4, 30, _NUMBER, "R")
    mode = Style(10, bold=True)
    page.put(MODES.get(paper.mode, paper.mode), 70, 14, 30, mode, "R")
    page.rule(EDGE, 24, INNER, INK)
    page.put("To", EDGE, 25, 20, CAPTION)
    page.y = 28
    address_block(page, paper.ship_to, EDGE, INNER, 31, 14)
    page.rule(EDGE, 60, INNER, INK)


def _facts(page: Page, paper: ShipmentPaper, package: PaperPackage) -> None:
    notation = page.notation
    kind = ENGLISH.kinds.get(package.kind, package.kind)
    size = notation.centimetres(package.length_mm, package.width_mm, package.height_mm)
    page.y = 61.3
    carrier = " · ".join(text for text in (paper.carrier, paper.service) if text)
    label_fact(page, "Carrier", page.shortened(carrier, _VALUE_WIDTH, _VALUE))
    label_fact(page, "Package", f"{kind}, {notation.kilograms(package.weight_g)} kg, {size} cm")
    label_fact(page, "Order", paper.order_id)
    label_fact(page, "Shipment", paper.shipment_id)
    if paper.instructions:
        top = page.y + 0.3
        page.put("Instructions", EDGE, top, _CAPTION_WIDTH, CAPTION)
        for row, line in enumerate(page.wrapped(paper.instructions, _VALUE_WIDTH, _SMALL)[:2]):
            page.put(line, _VALUE_LEFT, top + row * _SMALL.line_mm, _VALUE_WIDTH, _SMALL)


def label_fact(page: Page, label: str, value: str) -> None:
    """Draw label and value in one line, never cut, and move `y` below it."""
    top = page.y
    if value:
        page.put(label, EDGE, top + 0.8, _CAPTION_WIDTH, CAPTION)
        page.put(value, _VALUE_LEFT, top, _VALUE_WIDTH, _VALUE)
    page.y = top + 4.3
