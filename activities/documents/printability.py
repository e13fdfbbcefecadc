"""Printability: whether the fonts have all characters of a text, known before it is printed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from functools import lru_cache

from activities.documents.typesetting import typeset
from models.documents import DocumentRules
from models.errors import UnprintableCharacters

_COMMON = "\u0500"
"""Below are Latin, Greek and Cyrillic, which the main font has."""
_ANY_DAY = date(2000, 1, 1)


def check_printable(texts: Iterable[str], rules: DocumentRules) -> None:
    """Check the characters of texts. Raises UnprintableCharacters unless the rules print marks."""
    if rules.prints_marks:
        return
    rare = sorted({character for text in texts for character in text if character >= _COMMON})
    if missing := _missing("".join(rare), rules):
        raise UnprintableCharacters(missing)


@lru_cache(maxsize=1024)
def _missing(characters: str, rules: DocumentRules) -> tuple[str, ...]:
    if not characters:
        return ()
    data = {"language": "en", "words": {}, "title": "", "author": "", "text": characters}
    printed = typeset("characters", data, _ANY_DAY, replace(rules, prints_marks=True))
    return printed.unprintable
