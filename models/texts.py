"""Texts as they are seen: without invisible characters, and folded to be compared."""

import re
import unicodedata

from models.patterns import BLANKS, INVISIBLE

_UNSEEN = re.compile(
    rf"[{INVISIBLE}\U000e0000-\U000e007f]"
    r"|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
"""Joiners stay between letters beyond ASCII: Persian and Indian names are written with them."""
_BLANK = re.compile(rf"[{BLANKS}]")
_JOINERS = re.compile(r"[\u200c\u200d]")
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u03b1\u03bf\u03bd\u03c1\u03b9\u03ba\u03c5\u0131\u0142\u0111\u00f8",
    "aeopcxyijshdqw" + "aovpiku" + "ildo",
    "\u0307",
)
"""Small letters that look like Latin ones, Cyrillic and Greek; strokes that no accent is."""
_LIGATURES = {"\u00e6": "ae", "\u0153": "oe"}
_SECOND_VOWELS = re.compile(r"(?<=[aou])e|(?<=a)a")


def visible(text: str) -> str:
    """Return a text without invisible characters; a blank that is no space becomes one."""
    if text.isascii():
        return text
    return _BLANK.sub(" ", _UNSEEN.sub("", text))


def has_word(text: str) -> bool:
    """Return whether a text has a letter or a digit."""
    return any(c.isalnum() for c in text)


def lookalike(text: str) -> str:
    """Return a text in small letters, with Latin ones for letters that look like them."""
    compatible = unicodedata.normalize("NFKC", _JOINERS.sub("", visible(text)))
    return compatible.casefold().translate(_LOOKALIKES)


def without_accents(text: str) -> str:
    """Return a text in small letters without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def folded(text: str) -> str:
    """Return a text in a form in which its spellings are equal: Müller, Mueller and MULLER."""
    plain = without_accents(lookalike(text))
    for ligature, letters in _LIGATURES.items():
        plain = plain.replace(ligature, letters)
    return _SECOND_VOWELS.sub("", plain)
