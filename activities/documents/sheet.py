"""The sheet: A4 pages with the seller's letterhead and footer; lengths in mm."""

from datetime import UTC, datetime, time
from typing import Literal, NamedTuple, cast

from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from activities.documents.fonts import prepared_fonts, showable
from activities.documents.notation import grouped_iban
from activities.documents.wording import AnyBill, spoken, title_of

LEFT, RIGHT, BOTTOM = 25.0, 195.0, 262.0
WIDTH = RIGHT - LEFT
PAD = 1.2
_SMALLEST = 0.7
"""Of its size; names that would be smaller are cut, amounts never are."""
PAGES = "\ue000\ue000\ue000"
"""Stands for the number of pages while it isn't known; no text can contain it (`showable`)."""

Align = Literal["L", "C", "R"]
Color = tuple[int, int, int]
INK: Color = (33, 37, 41)
GREY: Color = (108, 117, 125)
ACCENT: Color = (24, 70, 99)
RULE: Color = (206, 212, 218)
TINT: Color = (238, 243, 246)


class Style(NamedTuple):
    size_pt: float
    bold: bool = False
    color: Color = INK

    @property
    def line_mm(self) -> float:
        return self.size_pt * 0.3528 * 1.35


BODY = Style(9)
STRONG = Style(9, bold=True)
LABEL = Style(9, color=GREY)
CELL = Style(8.5)
HEAD = Style(8, bold=True, color=ACCENT)
SMALL = Style(7, color=GREY)


class Sheet(FPDF):
    """A4 pages of one bill with the seller's letterhead and footer; `y` is where to go on.

    What is drawn is fit for an archive (PDF/A-3b), and nothing in it tells when it was drawn.
    """

    def __init__(self, bill: AnyBill) -> None:
        super().__init__(format="A4", enforce_compliance="PDF/A-3B")
        self.bill = bill
        self.words, self.notation = spoken(bill)
        fonts = prepared_fonts()
        self.characters = fonts.characters
        self.add_font("noto", "", fonts.regular)
        self.add_font("noto", "B", fonts.bold)
        self.alias_nb_pages(PAGES)
        self.set_auto_page_break(False)
        self.c_margin = 0
        self.set_lang(self.notation.language)
        self.set_title(title_of(bill))
        self.set_author(bill.seller.name)
        self.set_creation_date(datetime.combine(bill.issued_on, time(), UTC))

    def put(
        self, text: str, x: float, y: float, width: float, style: Style, align: Align = "L"
    ) -> None:
        """One line, set smaller where it would be wider than `width`."""
        shown = self.styled(text, style)
        text_width = self.get_string_width(shown)
        if text_width > width:
            self.set_font_size(style.size_pt * width / text_width)
        self.set_xy(x, y)
        self.cell(width, style.line_mm, shown, align=align)

    def shortened(self, text: str, width: float, style: Style) -> str:
        """`text`, with an ellipsis for its end where `put` would have to make it too small."""
        shown, widest = self.styled(text, style), width / _SMALLEST
        if self.get_string_width(shown) <= widest:
            return shown
        while shown and self.get_string_width(f"{shown}\N{HORIZONTAL ELLIPSIS}") > widest:
            shown = shown[:-1]
        return f"{shown.rstrip()}\N{HORIZONTAL ELLIPSIS}"

    def wrapped(self, text: str, width: float, style: Style) -> list[str]:
        """`text` in lines that fit `width`; words that are longer are cut."""
        shown = self.styled(text, style)
        if self.get_string_width(shown) <= width:
            return [shown]
        lines = self.multi_cell(
            width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return cast(list[str], lines)  # fpdf types the result of every `output` at once

    def styled(self, text: str, style: Style) -> str:
        """Choose the font; returns `text` as that font can show it."""
        self.set_font("noto", "B" if style.bold else "", style.size_pt)
        self.set_text_color(*style.color)
        return showable(text, self.characters)

    def paragraph(self, text: str, x: float, width: float, style: Style) -> None:
        """Wrapped lines from `y` on, which moves below them."""
        top = self.y
        for line in self.wrapped(text, width, style):
            self.put(line, x, top, width, style)
            top += style.line_mm
        self.y = top

    def rule(self, x: float, y: float, width: float, color: Color = RULE) -> None:
        """A fine line."""
        self.set_draw_color(*color)
        self.set_line_width(0.2)
        self.line(x, y, x + width, y)

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        """A tinted area."""
        self.set_fill_color(*TINT)
        self.rect(x, y, width, height, style="F")

    def reserve(self, height: float) -> bool:
        """Start a new page unless `height` fits on this one; True where it did."""
        if self.y + height <= BOTTOM:
            return False
        self.add_page()
        return True

    def header(self) -> None:
        """The letterhead on the first page, a line to tell pages apart on the others."""
        seller = self.bill.seller
        if self.page_no() == 1:
            _letterhead(self)
            return
        half = WIDTH / 2 - 2
        self.put(self.shortened(seller.name, half, STRONG), LEFT, 15, half, STRONG)
        self.put(title_of(self.bill), LEFT + WIDTH / 2, 15, WIDTH / 2, LABEL, "R")
        self.rule(LEFT, 21, WIDTH, ACCENT)
        self.y = 27

    def footer(self) -> None:
        """The company's data and the page number."""
        seller, words = self.bill.seller, self.words
        ids = ((words.vat_id, seller.vat_id), ("IBAN", grouped_iban(seller.iban)))
        self.rule(LEFT, 271, WIDTH)
        columns = (
            (25.0, 52.0, [seller.name, seller.street]),
            (
                80.0,
                38.0,
                [f"{seller.postal_code} {seller.city}", self.notation.country(seller.country)],
            ),
            (121.0, 50.0, [f"{label} {value}" for label, value in ids if value]),
        )
        for x, width, lines in columns:
            for number, line in enumerate(lines):
                shown = self.shortened(line, width, SMALL)
                self.put(shown, x, 274 + number * 3.8, width, SMALL)
        self.styled("", SMALL)
        self.set_xy(177, 274)
        self.cell(text=words.page.format(page=self.page_no(), pages=PAGES), h=SMALL.line_mm)


def _letterhead(sheet: Sheet) -> None:
    """The seller, and marks where the sheet is folded for an envelope (DIN 5008 form B)."""
    seller = sheet.bill.seller
    town = f"{seller.postal_code} {seller.city}"
    _seller_name(sheet)
    for number, line in enumerate([seller.street, town, sheet.notation.country(seller.country)]):
        style, width = Style(8, color=GREY), RIGHT - 140
        shown = sheet.shortened(line, width, style)
        sheet.put(shown, 140, 15 + number * 3.9, width, style, "R")
    sheet.rule(LEFT, 30, WIDTH, ACCENT)
    for fold in (105.0, 210.0):
        sheet.rule(4, fold, 4)


def _seller_name(sheet: Sheet) -> None:
    """As large as leaves all of it above the line; 200 characters take four lines."""
    for size_pt, top in ((17, 15.0), (12, 15.0), (9, 12.5)):
        style = Style(size_pt, bold=True, color=ACCENT)
        lines = sheet.wrapped(sheet.bill.seller.name, 110, style)
        if top + len(lines) * style.line_mm < 30:
            break
    for number, line in enumerate(lines[:4]):
        sheet.put(line, LEFT, top + number * style.line_mm, 110, style)
