"""The font of our documents: Noto Sans in two weights, cut down once in a process."""

import io
import logging
import threading
import unicodedata
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]  # no py.typed
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # no py.typed
from fontTools.varLib.instancer import (  # type: ignore[import-untyped]  # no py.typed
    instantiateVariableFont,
)

logging.getLogger("fontTools").setLevel(logging.WARNING)  # else 60 lines at INFO per invoice


class Fonts(NamedTuple):
    """Two weights of Noto Sans in `directory`, which lives as long as the process."""

    directory: TemporaryDirectory[str]
    regular: Path
    bold: Path
    characters: frozenset[str]


_WEIGHTS = {"regular": 400, "bold": 650}
_FONTS_LOCK = threading.Lock()


_SCRIPTS = (
    range(0x0020, 0x0250),  # Latin
    range(0x0300, 0x0530),  # combining marks, Greek, Cyrillic
    range(0x1E00, 0x1F00),  # Latin of Vietnam and others
    range(0x2000, 0x2400),  # punctuation, currencies, signs
    range(0xFFFD, 0xFFFE),  # the replacement mark
)
"""What needs no shaping, so that fpdf2 can set it."""


@cache
def _cut_fonts() -> Fonts:
    """Cut the 2 MB variable font down once: embedding it anew takes a second per invoice."""
    source = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    font = TTFont(io.BytesIO(source.read_bytes()), recalcTimestamp=False)
    cmap = font.getBestCmap()
    code_points = [point for script in _SCRIPTS for point in script if point in cmap]
    options = Options(hinting=False, name_IDs=["*"], notdef_outline=True, glyph_names=True)
    options.drop_tables += ["GDEF", "GPOS", "GSUB"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points)
    subsetter.subset(font)
    variable = io.BytesIO()
    font.save(variable)
    directory = TemporaryDirectory(prefix="invoice-fonts-")
    paths = {name: Path(directory.name, f"{name}.ttf") for name in _WEIGHTS}
    for name, weight in _WEIGHTS.items():
        axes = {"wght": weight, "wdth": 100}
        static = TTFont(io.BytesIO(variable.getvalue()), recalcTimestamp=False)
        instantiateVariableFont(static, axes, inplace=True, static=True)
        static.save(paths[name])
    return Fonts(directory, paths["regular"], paths["bold"], frozenset(map(chr, code_points)))


def prepare_fonts() -> None:
    """Make what every document needs: takes two seconds, once in a process."""
    prepared_fonts()


def prepared_fonts() -> Fonts:
    """The fonts, from now on at hand."""
    with _FONTS_LOCK:
        return _cut_fonts()


def showable(text: str, characters: frozenset[str]) -> str:
    """`text` on one line, with a replacement mark for what the font can't show."""
    return "".join(
        char if char in characters else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in unicodedata.normalize("NFC", text)
    )
