"""The font of all documents: Noto Sans in two weights, reduced to subsets.

Reading a font takes longer than drawing a page, so there are two subsets: the usual one, and the
whole one with all characters that fpdf2 can set, made when a text first needs it.
"""

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

_WEIGHTS = {"regular": 400, "bold": 650}
_USUAL = (
    range(0x0020, 0x0180),  # Latin
    range(0x2010, 0x2028),  # dashes, quotation marks, the ellipsis
    range(0x20A0, 0x20C1),  # currencies
    range(0x2212, 0x2213),  # minus
)
_WHOLE = (
    range(0x0020, 0x0530),  # Latin, combining marks, Greek, Cyrillic
    range(0x1E00, 0x2400),  # Latin of Vietnam and others, old Greek, punctuation, signs
    range(0xFB00, 0xFB07),  # ligatures
    range(0xFFFD, 0xFFFE),  # the replacement mark
)
"""Scripts without shaping: fpdf2 can set them."""
_INVISIBLE = "Cf"
"""Unicode category of formatting characters: soft hyphens, directions, joiners."""
_SEPARATORS = ("Zl", "Zp")
"""Unicode categories of line and paragraph separators."""


class Subset(NamedTuple):
    """A subset in two weights; `directory` lives as long as the process."""

    directory: TemporaryDirectory[str]
    regular: Path
    bold: Path
    characters: frozenset[str]


_LOCK = threading.Lock()


@cache
def _subset(scripts: tuple[range, ...]) -> Subset:
    """Reduce the variable font of 2 MB once; embedding it whole takes a second per invoice."""
    source = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    font = TTFont(io.BytesIO(source.read_bytes()), recalcTimestamp=False)
    cmap = font.getBestCmap()
    code_points = [
        point
        for script in scripts
        for point in script
        if point in cmap and unicodedata.category(chr(point)) not in (_INVISIBLE, *_SEPARATORS)
    ]
    for unused in ("GDEF", "GPOS", "GSUB", "STAT", "gasp"):  # reading them takes half the time
        del font[unused]
    options = Options(hinting=False, name_IDs=[1, 2], notdef_outline=True, glyph_names=True)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points)
    subsetter.subset(font)
    variable = io.BytesIO()
    font.save(variable)
    directory = TemporaryDirectory(prefix="fonts-")
    paths = {name: Path(directory.name, f"{name}.ttf") for name in _WEIGHTS}
    for name, weight in _WEIGHTS.items():
        axes = {"wght": weight, "wdth": 100}
        static = TTFont(io.BytesIO(variable.getvalue()), recalcTimestamp=False)
        instantiateVariableFont(static, axes, inplace=True, static=True)
        static.save(paths[name])
    return Subset(directory, paths["regular"], paths["bold"], frozenset(map(chr, code_points)))


def usual_subset() -> Subset:
    """Make the subset for nearly all documents, once per process; takes half a second."""
    with _LOCK:
        return _subset(_USUAL)


def whole_subset() -> Subset:
    """Make the subset of all characters that can be set, once per process; takes two seconds."""
    with _LOCK:
        return _subset(_WHOLE)


def showable(text: str, characters: frozenset[str]) -> str:
    """Reduce `text` to one line of `characters`: others become a replacement character, formatting
    characters are dropped."""
    return "".join(
        char if char in characters else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in unicodedata.normalize("NFC", text)
        if unicodedata.category(char) != _INVISIBLE
    )
