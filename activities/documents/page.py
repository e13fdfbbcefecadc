"""The page that every document is drawn on; lengths in mm."""

from datetime import UTC, date, datetime, time
from typing import Literal, NamedTuple, cast

from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from activities.documents.fonts import showable, usual_subset, whole_subset
from activities.documents.notation import Notation

LEFT, RIGHT, BOTTOM = 25.0, 195.0, 262.0
WIDTH = RIGHT - LEFT
"""The content area on A4."""
PAD = 1.2
_SMALLEST = 0.7
"""The smallest fraction of its size to which text is reduced; longer names are cut."""
PAGES = "\ue000\ue000\ue000"
"""Placeholder for the number of pages; no text can contain it (`showable`)."""

Align = Literal["L", "C", "R"]
Color = tuple[int, int, int]
INK: Color = (33, 37, 41)
GREY: Color = (108, 117, 125)
ACCENT: Color = (24, 70, 99)
RULE: Color = (206, 212, 218)
TINT: Color = (238, 243, 246)


class Style(NamedTuple):
    """Size, weight and colour of text."""

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


class Page(FPDF):
    """Pages of one size in one font. Content ends at `bottom`; `y` is the current position.

    The file is dated by `day`, the day of the document, so that drawing it again gives the same
    bytes.
    """

    def __init__(
        self,
        title: str,
        author: str,
        day: date,
        notation: Notation,
        *,
        size: Literal["A4"] | tuple[float, float] = "A4",
        bottom: float = BOTTOM,
        compliance: str | None = None,
    ) -> None:
        super().__init__(format=size, enforce_compliance=compliance)
        self.notation = notation
        self.bottom = bottom
        usual = usual_subset()
        self.usual = usual.characters
        self.add_font("noto", "", usual.regular)
        self.add_font("noto", "B", usual.bold)
        self.alias_nb_pages(PAGES)
        self.set_auto_page_break(False)
        self.c_margin = 0
        self.set_lang(notation.language)
        self.set_title(title)
        self.set_author(author)
        self.set_creation_date(datetime.combine(day, time(), UTC))

    def put(
        self, text: str, x: float, y: float, width: float, style: Style, align: Align = "L"
    ) -> None:
        """Draw one line, reduced in size if it is wider than `width`."""
        shown = self.styled(text, style)
        text_width = self.get_string_width(shown)
        if text_width > width:
            self.set_font_size(style.size_pt * width / text_width)
        self.set_xy(x, y)
        self.cell(width, style.line_mm, shown, align=align)

    def shortened(self, text: str, width: float, style: Style) -> str:
        """Cut `text` with an ellipsis if `put` would reduce it too far."""
        shown, widest = self.styled(text, style), width / _SMALLEST
        if self.get_string_width(shown) <= widest:
            return shown
        while shown and self.get_string_width(f"{shown}\N{HORIZONTAL ELLIPSIS}") > widest:
            shown = shown[:-1]
        return f"{shown.rstrip()}\N{HORIZONTAL ELLIPSIS}"

    def wrapped(self, text: str, width: float, style: Style) -> list[str]:
        """Break `text` into lines of `width`; longer words are broken too."""
        shown = self.styled(text, style)
        if self.get_string_width(shown) <= width:
            return [shown]
        lines = self.multi_cell(
            width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return cast(list[str], lines)  # fpdf has one type for the results of all `output`s

    def styled(self, text: str, style: Style) -> str:
        """Set font and colour; returns `text` in characters of that font."""
        usual = self.usual.issuperset(text)
        shown = text if usual else showable(text, whole_subset().characters)
        weight = "B" if style.bold else ""
        family = "noto" if usual or self.usual.issuperset(shown) else self._whole(weight)
        self.set_font(family, weight, style.size_pt)
        self.set_text_color(*style.color)
        return shown

    def _whole(self, weight: str) -> str:
        """Add the font of all characters to this document, once; returns its family."""
        family = "noto whole"
        if f"{family}{weight}" not in self.fonts:
            self.add_font(family, weight, whole_subset().bold if weight else whole_subset().regular)
        return family

    def paragraph(self, text: str, x: float, width: float, style: Style) -> None:
        """Draw wrapped lines at `y` and move it below them."""
        top = self.y
        for line in self.wrapped(text, width, style):
            self.put(line, x, top, width, style)
            top += style.line_mm
        self.y = top

    def rule(self, x: float, y: float, width: float, color: Color = RULE) -> None:
        """Draw a fine line."""
        self.set_draw_color(*color)
        self.set_line_width(0.2)
        self.line(x, y, x + width, y)

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a tinted area."""
        self.set_fill_color(*TINT)
        self.rect(x, y, width, height, style="F")

    def reserve(self, height: float) -> bool:
        """Start a new page if `height` does not fit on this one; returns whether it did."""
        if self.y + height <= self.bottom:
            return False
        self.add_page()
        return True
