"""Documents: their configuration, and a printed one."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FONTS = ("manimgx_fonts", "noto_cjk_sans_jp_regular")
"""Noto Sans for Latin and 20 other scripts, and for Chinese, Japanese and Korean."""


@dataclass(frozen=True)
class DocumentRules:
    """The templates and fonts of documents.

    `folder`: the shop's own templates and words; its files replace the shipped ones of the same
    name. `fonts`: Python packages or folders with font files. `prints_marks`: whether a document is
    printed with marks for characters that no font has; otherwise it waits for an operator.
    """

    folder: Path | None = None
    fonts: tuple[str, ...] = FONTS
    prints_marks: bool = False


class Printed(NamedTuple):
    """A document as PDF. `unprintable`: texts that no font has; each is printed as a mark."""

    pdf: bytes
    unprintable: tuple[str, ...] = ()
