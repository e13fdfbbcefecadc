"""The letterhead of a first page."""

from collections.abc import Sequence

from activities.documents.page import ACCENT, GREY, LEFT, RIGHT, WIDTH, Page, Style

_LINES_LEFT = 140.0
_LINE_MM, _RULE = 3.9, 30.0


def letterhead(page: Page, name: str, lines: Sequence[str]) -> None:
    """Draw the sender with up to five `lines` of address, and the fold marks (DIN 5008 form B)."""
    _sender_name(page, name)
    top = min(15.0, _RULE - 1 - len(lines) * _LINE_MM)
    for number, line in enumerate(lines):
        style, width = Style(8, color=GREY), RIGHT - _LINES_LEFT
        shown = page.shortened(line, width, style)
        page.put(shown, _LINES_LEFT, top + number * _LINE_MM, width, style, "R")
    page.rule(LEFT, _RULE, WIDTH, ACCENT)
    for fold in (105.0, 210.0):
        page.rule(4, fold, 4)


def _sender_name(page: Page, name: str) -> None:
    """Draw the name in the largest size that fits above the rule: up to 200 characters."""
    for size_pt, top in ((17, 15.0), (12, 15.0), (9, 12.5)):
        style = Style(size_pt, bold=True, color=ACCENT)
        lines = page.wrapped(name, 110, style)
        if top + len(lines) * style.line_mm < _RULE:
            break
    for number, line in enumerate(lines[:4]):
        page.put(line, LEFT, top + number * style.line_mm, 110, style)
