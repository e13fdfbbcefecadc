"""Shared parts of papers: addresses, facts, notes and tables of packages; lengths in mm."""

from collections.abc import Sequence

from activities.documents.notation import Notation
from activities.documents.page import BODY, LABEL, STRONG, Page, Style
from activities.documents.papers.words import PaperWords
from activities.documents.table import Table, columns
from models.papers import PaperAddress, PaperPackage

_PACKAGE_COLUMNS = columns([(10, "L"), (28, "L"), (44, "L"), (40, "R"), (20, "R"), (28, "R")])
_SMALLEST_PT = 5


def postal_lines(address: PaperAddress, notation: Notation) -> list[str]:
    """List the lines of an address for an envelope, with the country's name."""
    lines = [address.name, *address.lines, notation.country(address.country)]
    return [line for line in lines if line]


def address_block(
    page: Page, address: PaperAddress, x: float, width: float, height: float, largest_pt: float
) -> None:
    """Draw an address at `y`, the name in bold, in the largest size that fits `height`.

    Lines that do not fit in the smallest size are dropped.
    """
    name, *rest = postal_lines(address, page.notation)
    size_pt = largest_pt
    while True:
        styles = [Style(size_pt, bold=True), *(Style(size_pt) for _ in rest)]
        lines = [
            (line, style)
            for text, style in zip([name, *rest], styles, strict=True)
            for line in page.wrapped(text, width, style)
        ]
        if len(lines) * styles[0].line_mm <= height or size_pt <= _SMALLEST_PT:
            break
        size_pt -= 0.5
    for line, style in lines[: int(height / styles[0].line_mm)]:
        page.put(line, x, page.y, width, style)
        page.y += style.line_mm


def facts(
    page: Page, rows: Sequence[tuple[str, str]], x: float, label_width: float, width: float
) -> None:
    """Draw labels and values at `y` and move it below them; rows without a value are left out."""
    for label, value in rows:
        if value:
            page.put(label, x, page.y, label_width - 2, LABEL)
            page.paragraph(value, x + label_width, width - label_width, BODY)
            page.y += 0.9


def note(page: Page, label: str, text: str, x: float, width: float) -> None:
    """Draw a heading and its text, over several pages if needed; nothing without text."""
    if not text:
        return
    page.reserve(2 * BODY.line_mm)
    page.paragraph(label, x, width, STRONG)
    for line in page.wrapped(text, width, BODY):
        page.reserve(BODY.line_mm)
        page.paragraph(line, x, width, BODY)
    page.y += 3


def package_table(page: Page, words: PaperWords, packages: Sequence[PaperPackage]) -> None:
    """Draw one row per package, and the totals."""
    table, notation = Table(_PACKAGE_COLUMNS, words.package_titles), page.notation
    table.draw(
        page,
        (
            [
                notation.count(number),
                words.kinds.get(package.kind, package.kind),
                package.sscc,
                notation.centimetres(package.length_mm, package.width_mm, package.height_mm),
                notation.count(units_in(package)),
                notation.kilograms(package.weight_g),
            ]
            for number, package in enumerate(packages, start=1)
        ),
    )
    units = sum(map(units_in, packages))
    weight_g = sum(package.weight_g for package in packages)
    table.row(
        page,
        [*("", words.total, "", ""), notation.count(units), notation.kilograms(weight_g)],
        bold=True,
    )


def units_in(package: PaperPackage) -> int:
    """Count the units of all SKUs in a package."""
    return sum(content.quantity for content in package.contents)
