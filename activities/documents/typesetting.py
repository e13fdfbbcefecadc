"""Typesetting: typst compiles a template with the data of one document to a PDF/A-3b.

Data reach the template as the file `data.json`, so text in them is never markup.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Any

import typst

from models.documents import DocumentRules, Printed
from models.errors import TemplateBroken, UnprintableCharacters

EINVOICE = "factur-x.xml"
"""The file of the e-invoice, for the template to attach."""
_MAIN = "main.typ"
_SHIPPED = Path(__file__).parent / "templates"
_LARGE = 30_000
"""The content of about 200 lines, in characters."""
_MARK = "\N{REPLACEMENT CHARACTER}"
_PLACE = re.compile(r"┌─ (?:.*/)?(?P<file>[^/]+):(?P<line>\d+):\d+$", re.MULTILINE)
_UNPRINTABLE = re.compile(r'error: .*the text `"(.+?)"` could not be displayed with font')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
_REPLACED = {"Cc": " ", "Cf": "", "Cs": _MARK, "Zl": " ", "Zp": " "}
"""What is printed for the characters of a Unicode category: control, formatting, surrogates,
separators of lines and paragraphs."""
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def template_file(name: str, rules: DocumentRules) -> Path:
    """Choose the shop's own file of this name, or the shipped one."""
    own = rules.folder / name if rules.folder else None
    return own if own and own.is_file() else _SHIPPED / name


def typeset(
    template: str,
    data: Mapping[str, Any],
    day: date,
    rules: DocumentRules,
    einvoice: bytes | None = None,
) -> Printed:
    """Compile `template`.typ; the same data give the same bytes. Takes about 10 ms for a page.

    The file is dated by `day`, the day of the document. Raises TemplateBroken, and
    UnprintableCharacters unless the rules print marks.
    """
    content, unprintable = json.dumps(_cleaned(data), ensure_ascii=False), dict[str, None]()
    attached = {} if einvoice is None else {EINVOICE: einvoice}
    while True:
        try:
            pdf = _template(template, rules).compile(content, day, attached)
        except typst.TypstError as error:
            missing = [text for text in _missing(error.diagnostic) if text in content]
            if not missing:
                raise _broken(template, error) from error
            for text in missing:
                content = content.replace(text, _MARK)
            unprintable |= dict.fromkeys(missing)
        else:
            if unprintable and not rules.prints_marks:
                raise UnprintableCharacters(unprintable)
            return Printed(pdf, tuple(unprintable))


class _Template:
    """A template with the compiler that caches its parts; one for each process."""

    def __init__(self, name: str, rules: DocumentRules) -> None:
        self._folder = rules.folder or _SHIPPED
        self._main = f'#include "/{name}.typ"'.encode()
        self._lock = Lock()
        self._fonts = _fonts(rules.fonts)
        self._compiler = typst.Compiler(root=str(self._folder), font_paths=self._fonts)

    def compile(self, content: str, day: date, attached: Mapping[str, bytes]) -> bytes:
        """Read the templates as they are now, and compile them. Raises TypstError."""
        shipped = [] if self._folder == _SHIPPED else _SHIPPED.glob("*.typ")
        files: Any = {
            path.name: path for path in shipped if not (self._folder / path.name).exists()
        }
        data = {"data.json": content.encode(), _MAIN: self._main, **attached}
        with self._lock:
            pdf = self._compiler.compile(
                files | data,  # `Any`: the annotations of typst leave out files by name
                format="pdf",
                pdf_standards=["a-3b"],
                timestamp=datetime.combine(day, time(), UTC),
            )
            if len(content) > _LARGE:
                _forget_layouts(self._fonts)
        assert isinstance(pdf, bytes)  # as the format is PDF
        return pdf


def _forget_layouts(fonts: typst.Fonts) -> None:
    """Free the layouts that typst remembers: those of ten compilations, each 80 MB for 1,000 lines
    of a bill."""
    compiler = typst.Compiler(font_paths=fonts)
    for _ in range(11):
        compiler.compile(b"")


@cache
def _template(name: str, rules: DocumentRules) -> _Template:
    return _Template(name, rules)


@cache
def _fonts(names: tuple[str, ...]) -> typst.Fonts:
    """Load the fonts of packages and folders, and no others: every machine prints the same."""
    folders = [name if Path(name).is_dir() else str(resources.files(name)) for name in names]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


def _missing(diagnostic: str) -> list[str]:
    """List the texts for which an error says that no font has them.

    Fonts that lack ASCII or the mark itself are an error of the configuration.
    """
    escaped = _UNPRINTABLE.findall(diagnostic)
    texts = [_ESCAPED.sub(lambda code: chr(int(code[1], 16)), text) for text in escaped]
    return [text for text in texts if text != _MARK and not text.isascii()]


def _broken(template: str, error: typst.TypstError) -> TemplateBroken:
    place = _PLACE.search(error.diagnostic)
    reason = "; hint: ".join((error.message, *error.hints))
    if place is None or place["file"] == _MAIN:
        return TemplateBroken(f"{template}.typ", reason)
    return TemplateBroken(place["file"], reason, place["line"])


def _cleaned(value: Any) -> Any:
    """Reduce every text of JSON data to visible characters on one line, with marks composed."""
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else _visible(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_cleaned(item) for item in value]
    return value


def _visible(text: str) -> str:
    return "".join(
        char if char in _JOINERS else _REPLACED.get(unicodedata.category(char), char)
        for char in unicodedata.normalize("NFC", text)
        if ord(char) & 0xFFFE != 0xFFFE  # noncharacters, which no text has and no XML may have
    )
