"""Builders of papers to print, with values that are easy to recognise; and a barcode scanner."""

import re
import subprocess
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from models.papers import (
    PaperAddress,
    PaperContent,
    PaperLine,
    PaperPackage,
    ReturnPaper,
    ShipmentPaper,
)
from models.sscc import sscc

WAREHOUSE = PaperAddress(
    name="Northwind Tools GmbH", lines=("Hafenstraße 12", "20457 Hamburg"), country="DE"
)
CUSTOMER = PaperAddress(
    name="Acme Warehouse", lines=("Unit 7, Dock Road", "London EC1A 1BB"), country="GB"
)


def content_of(number: int = 1, quantity: int = 2, name: str = "Cordless drill") -> PaperContent:
    """Build the content of a package or a return."""
    return PaperContent(sku=f"SKU-{number}", name=name, quantity=quantity)


def package_of(number: int = 1, **changes: Any) -> PaperPackage:
    """Build a carton of 12.5 kg plus as many grams as its number."""
    package = PaperPackage(
        sscc=sscc("4012345", number, extension=3),
        kind="carton",
        weight_g=12_500 + number,
        length_mm=400,
        width_mm=305,
        height_mm=200,
        contents=(content_of(number),),
    )
    return package.model_copy(update=changes)


def line_of(number: int = 1, **changes: Any) -> PaperLine:
    """Build a line of three units, two of them in the shipment."""
    line = PaperLine(
        line_no=number,
        sku=f"SKU-{number}",
        name="Cordless drill",
        gtin="04012345678901",
        ordered=3,
        in_shipment=2,
        to_follow=1,
    )
    return line.model_copy(update=changes)


def shipment_of(**changes: Any) -> ShipmentPaper:
    """Build a shipment of three cartons to London."""
    paper = ShipmentPaper(
        shipment_id="SH-ORD-0815-1",
        order_id="ORD-0815",
        customer_order_date=date(2026, 7, 1),
        mode="parcel",
        carrier="Swift Freight",
        service="Express",
        tracking_number="SWF0123456789DE",
        booking_id="PRO-4711",
        ship_from=WAREHOUSE,
        ship_to=CUSTOMER,
        packages=tuple(map(package_of, (1, 2, 3))),
        lines=tuple(map(line_of, (1, 2, 3))),
        location="HAM",
        planned_on=date(2026, 7, 6),
        language="en",
    )
    return paper.model_copy(update=changes)


def return_of(**changes: Any) -> ReturnPaper:
    """Build a return of two drills from London."""
    paper = ReturnPaper(
        return_id="RET-ORD-0815-1",
        order_id="ORD-0815",
        authorised_on=date(2026, 8, 1),
        valid_until=date(2026, 8, 31),
        from_address=CUSTOMER,
        to_address=WAREHOUSE,
        lines=(content_of(),),
        language="en",
    )
    return paper.model_copy(update=changes)


BLACK = 12
"""The brightest pixel of a code, of 255; text is grey."""


def pixels(pdf: bytes, dpi: int, *options: str) -> list[bytes]:
    """Draw the first page, or the part chosen by `options`, as rows of grey pixels."""
    draw = ("pdftoppm", "-gray", "-singlefile", "-r", str(dpi), *options, "-")
    image = subprocess.run(draw, input=pdf, check=True, capture_output=True).stdout
    head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", image)
    assert head is not None
    width, body = int(head[1]), image[head.end() :]
    return [body[start : start + width] for start in range(0, len(body), width)]


def black_bars(pdf: bytes) -> list[tuple[float, float, float]]:
    """List left, width and height in mm of the black areas across the middle of each code of the
    first page."""
    coarse, fine = 300, 9600
    found = []
    for top, rows in black_bands(pixels(pdf, coarse)):
        middle = round((top + rows / 2) * fine / coarse)
        [line] = pixels(pdf, fine, "-y", str(middle), "-H", "1")
        mm = 25.4 / fine
        found += [(x * mm, width * mm, rows * 25.4 / coarse) for x, width in black_runs(line)]
    return found


def black_bands(rows: list[bytes]) -> Iterator[tuple[int, int]]:
    """Find adjacent rows with black pixels: the first row and their number."""
    yield from black_runs(bytes(min(row) for row in rows))


def black_runs(line: bytes) -> Iterator[tuple[int, int]]:
    """Find adjacent black pixels: the first and their number."""
    at = 0
    for is_black, run in groupby(line, lambda pixel: pixel <= BLACK):
        length = len(list(run))
        if is_black:
            yield at, length
        at += length


def zbar(pdf: bytes, folder: Path, page: int, *options: str) -> str:
    """Scan a page; returns the scanner's output."""
    image = folder / "page"
    draw = ("pdftoppm", *["-r", "300", "-gray", "-png", "-singlefile", "-f"], str(page))
    subprocess.run((*draw, "-", image), input=pdf, check=True)
    kinds = ("-Sdisable", "-Scode128.enable", "-Sqrcode.enable")
    scan = ("zbarimg", "--quiet", *options, *kinds, f"{image}.png")
    return subprocess.run(
        scan, check=False, capture_output=True, text=True
    ).stdout  # status 4: no code


def scanned(pdf: bytes, folder: Path, page: int = 1) -> set[str]:
    """Scan the codes of a page, such as "CODE-128:SH-1"; a leading FNC1 isn't shown."""
    return set(zbar(pdf, folder, page).splitlines())
