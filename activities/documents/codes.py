"""Barcodes and QR codes as vector graphics (SVG), for `code` in the templates."""

from collections.abc import Iterable, Sequence

import segno
from barcode.codex import Code128, Gs1_128

NARROWEST_MM, WIDEST_MM = 0.25, 0.495
"""Module widths: the smallest for all scanners, and that of GS1 logistic labels."""
_QUIET_MODULES = 10
"""Quiet zone on each side of the bars (ISO/IEC 15417)."""
_QUIET_QR_MODULES = 4

Code = dict[str, str | float | None]
"""A code: its `svg`, its `text`, and its `width_mm`; without that it is as wide as high."""


def sscc_code(sscc: str, width_mm: float) -> Code:
    """Encode an SSCC as GS1-128 (application identifier 00), with its digits as text."""
    digits = [sscc[0], *(sscc[i : i + 4] for i in range(1, 17, 4)), sscc[17:]]
    return _bar_code(Gs1_128(f"00{sscc}").build()[0], width_mm, f"(00) {' '.join(digits)}")


def code(text: str, width_mm: float) -> Code | None:
    """Encode an id or tracking number of up to 200 characters; None without one.

    Code 128; QR if the modules would be narrower than `NARROWEST_MM` or the text is not ASCII.
    """
    if not text:
        return None
    bars = Code128(text).build()[0] if text.isascii() and text.isprintable() else ""
    if bars and _module_mm(bars, width_mm) >= NARROWEST_MM:
        return _bar_code(bars, width_mm, text)
    qr = segno.make(text, error="m", encoding="utf-8", micro=False)
    return qr_code(qr, text, _QUIET_QR_MODULES)


def qr_code(qr: segno.QRCode, text: str, quiet_modules: int = 0) -> Code:
    """Draw a QR code with a quiet zone."""
    return {"svg": _svg(qr.matrix, quiet_modules), "text": text, "width_mm": None}


def _module_mm(bars: str, width_mm: float) -> float:
    """Choose the widest module that fits `width_mm` with quiet zones, up to `WIDEST_MM`."""
    return min(WIDEST_MM, width_mm / (len(bars) + 2 * _QUIET_MODULES))


def _bar_code(bars: str, width_mm: float, text: str) -> Code:
    bars_mm = len(bars) * _module_mm(bars, width_mm)
    return {"svg": _svg([list(map(int, bars))]), "text": text, "width_mm": bars_mm}


def _svg(rows: Sequence[Sequence[int]], quiet: int = 0) -> str:
    """Draw dark modules (1) as one path, adjacent modules of a row as one area."""
    path = "".join(
        f"M{start} {y}h{length}v1h-{length}z"
        for y, modules in enumerate(rows)
        for start, length in _runs(modules)
    )
    width, height = len(rows[0]) + 2 * quiet, len(rows) + 2 * quiet
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="{-quiet} {-quiet} {width} {height}"><path d="{path}"/></svg>'
    )


def _runs(modules: Iterable[int]) -> list[tuple[int, int]]:
    """List start and length of each run of dark modules: 0110 -> [(1, 2)]."""
    runs, start = [], 0
    for end, dark in enumerate([*modules, 0]):
        if not dark:
            if end > start:
                runs.append((start, end - start))
            start = end + 1
    return runs
