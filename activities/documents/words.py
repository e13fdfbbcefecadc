"""The fixed texts of documents, in the languages of `words.json`."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from babel import localedata

from activities.documents.typesetting import template_file
from models.documents import DocumentRules
from models.errors import TemplateBroken

_FILE = "words.json"
_DEFAULT = "en"


class Words(dict[str, Any]):
    """The texts of one `language` by their keys: strings, or lists and objects of strings.

    Raises TemplateBroken for a missing text and for one with other placeholders than its values.
    """

    def __init__(self, language: str, texts: Mapping[str, Any]) -> None:
        super().__init__(texts)
        self.language = language

    def __missing__(self, key: str) -> Any:
        raise self._broken(f"the text {key!r} is missing")

    def fill(self, key: str, **values: str) -> str:
        """Fill the placeholders of a text."""
        try:
            return str(self[key]).format(**values)
        except (LookupError, ValueError) as error:
            names = ", ".join(f"{{{name}}}" for name in values)
            raise self._broken(f"the text {key!r} has other placeholders than {names}") from error

    def _broken(self, reason: str) -> TemplateBroken:
        return TemplateBroken(_FILE, f"{reason} in {self.language!r}")


def words_of(language: str, rules: DocumentRules) -> Words:
    """Read the texts in a language; in English if it is not available. Raises TemplateBroken."""
    languages = _parsed(template_file(_FILE, rules).read_bytes())
    chosen = language if language in languages else _DEFAULT
    return Words(chosen, languages[chosen])


@lru_cache(maxsize=4)
def _parsed(content: bytes) -> dict[str, dict[str, Any]]:
    try:
        languages = json.loads(content)
    except ValueError as error:
        line = getattr(error, "lineno", None)  # of a JSONDecodeError
        raise TemplateBroken(_FILE, str(error), line) from error
    if not isinstance(languages, dict) or not all(
        isinstance(texts, dict) and localedata.exists(language)
        for language, texts in languages.items()
    ):
        raise TemplateBroken(_FILE, "is not an object of languages, each an object of texts")
    if _DEFAULT not in languages:
        raise TemplateBroken(_FILE, f"the language {_DEFAULT!r} is missing")
    return languages
