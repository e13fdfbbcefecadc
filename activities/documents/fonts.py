"""The font of our documents: Noto Sans in two weights, cut down to what they show.

There are two cuts, as reading one takes longer than drawing a page: the usual one, and one with all
that fpdf2 can set, which is made and read where a name needs it.
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
"""What needs no shaping, so that fpdf2 can set it."""
_INVISIBLE = "Cf"
"""Unicode's category of what only says how to set the rest: soft hyphens, directions, joiners."""
_SEPARATORS = ("Zl", "Zp")
"""Of lines and paragraphs."""


class Cut(NamedTuple):
    """The two weights in `directory`, which lives as long as the process."""

    directory: TemporaryDirectory[str]
    regular: Path
    bold: Path
    characters: frozenset[str]


_LOCK = threading.Lock()


@cache
def _cut(scripts: tuple[range, ...]) -> Cut:
    """Cut the 2 MB variable font down once: embedding it anew takes a second per invoice."""
    source = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    font = TTFont(io.BytesIO(source.read_bytes()), recalcTimestamp=False)
    cmap = font.getBestCmap()
    code_points = [
        point
        for script in scripts
        for point in script
        if point in cmap and unicodedata.category(chr(point)) not in (_INVISIBLE, *_SEPARATORS)
    ]
    for unused in ("GDEF", "GPOS", "GSUB", "STAT", "gasp"):  # reading them would take half the time
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
    return Cut(directory, paths["regular"], paths["bold"], frozenset(map(chr, code_points)))


def usual_cut() -> Cut:
    """What nearly all documents need; made in half a second, once in a process."""
    with _LOCK:
        return _cut(_USUAL)


def whole_cut() -> Cut:
    """All that can be shown; made in two seconds, once in a process."""
    with _LOCK:
        return _cut(_WHOLE)


def showable(text: str, characters: frozenset[str]) -> str:
    """`text` on one line, with a replacement mark for what the font can't show; what is meant to
    be invisible is left out."""
    return "".join(
        char if char in characters else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in unicodedata.normalize("NFC", text)
        if unicodedata.category(char) != _INVISIBLE
    )
