"""Barcodes: Code 128, GS1-128 and QR, drawn as vectors; lengths in mm."""

from collections.abc import Iterable

import segno
from barcode.codex import Code128, Gs1_128

from activities.documents.page import Page, Style

NARROWEST_MM, WIDEST_MM = 0.25, 0.495
"""Module widths: the smallest for all scanners, and that of GS1 logistic labels."""
_QUIET_MODULES = 10
"""Quiet zone on each side of the bars (ISO/IEC 15417)."""
_QUIET_QR_MODULES = 4
_CAPTION = Style(8)
_SSCC_CAPTION = Style(10, bold=True)
_GAP_MM = 0.8
"""Between a code and its caption."""


def draw_sscc(page: Page, sscc: str, x: float, y: float, width: float, height: float) -> None:
    """Draw an SSCC as GS1-128 (application identifier 00), with its digits below."""
    digits = [sscc[0], *(sscc[i : i + 4] for i in range(1, 17, 4)), sscc[17:]]
    bars_mm = height - _SSCC_CAPTION.line_mm - _GAP_MM
    _draw_bars(page, Gs1_128(f"00{sscc}").build()[0], x, y, width, bars_mm)
    caption = f"(00) {' '.join(digits)}"
    page.put(caption, x, y + bars_mm + _GAP_MM, width, _SSCC_CAPTION, "C")


def draw_code(page: Page, text: str, x: float, y: float, width: float, height: float) -> None:
    """Draw an id or tracking number of up to 200 characters, with its text below.

    Code 128; QR if the modules would be narrower than `NARROWEST_MM` or the text is not ASCII.
    """
    bars_mm = height - _CAPTION.line_mm - _GAP_MM
    bars = _bars(text)
    if bars and _module_mm(bars, width) >= NARROWEST_MM:
        _draw_bars(page, bars, x, y, width, bars_mm)
    else:
        code = segno.make(text, error="m", encoding="utf-8", micro=False)
        quiet_mm = bars_mm / code.symbol_size(_QUIET_QR_MODULES)[0] * _QUIET_QR_MODULES
        side = bars_mm - 2 * quiet_mm
        draw_qr(page, code, x + (width - side) / 2, y + quiet_mm, side)
    page.put(text, x, y + bars_mm + _GAP_MM, width, _CAPTION, "C")


def draw_qr(page: Page, code: segno.QRCode, x: float, y: float, side: float) -> None:
    """Draw the modules of a QR code without a quiet zone; adjacent modules of a row as one."""
    module_mm = side / code.symbol_size(border=0)[0]
    page.set_fill_color(0)
    for row, modules in enumerate(code.matrix):
        for start, length in _runs(modules):
            top = y + row * module_mm
            page.rect(x + start * module_mm, top, length * module_mm, module_mm, style="F")


def _bars(text: str) -> str:
    """Encode as modules of Code 128, 1 for dark; empty if the text is not printable ASCII."""
    return Code128(text).build()[0] if text.isascii() and text.isprintable() else ""


def _module_mm(bars: str, width: float) -> float:
    """Choose the widest module that fits `width` with quiet zones, up to `WIDEST_MM`."""
    return min(WIDEST_MM, width / (len(bars) + 2 * _QUIET_MODULES))


def _draw_bars(page: Page, bars: str, x: float, y: float, width: float, height: float) -> None:
    """Draw modules, centred in `width`."""
    module_mm = _module_mm(bars, width)
    left = x + (width - len(bars) * module_mm) / 2
    page.set_fill_color(0)
    for start, length in _runs(map(int, bars)):
        page.rect(left + start * module_mm, y, length * module_mm, height, style="F")


def _runs(modules: Iterable[int]) -> list[tuple[int, int]]:
    """List start and length of each run of dark modules: 0110 -> [(1, 2)]."""
    runs, start = [], 0
    for end, dark in enumerate([*modules, 0]):
        if not dark:
            if end > start:
                runs.append((start, end - start))
            start = end + 1
    return runs
