"""Every error of the project, in one tree.

    PipelineError                  every error of ours, with a stable code and a message
    ├── Refused                    a retry gives the same answer; other input may succeed
    │   ├── InvalidInput           the input breaks a rule; lists the fields
    │   │   └── InvalidConfiguration     environment variables are invalid; lists them
    │   ├── Conflict               the id is in use for other content
    │   ├── NotFound               the id is unknown
    │   ├── PartnerRefused         a partner refused
    │   ├── TemplateBroken         a template of documents has an error
    │   └── UnprintableCharacters  no font has a character of a document
    └── Unavailable                a retry may succeed
        ├── DatabaseBusy           a lock or a serialisation conflict
        ├── DatabaseUnavailable    the database does not answer or has no tables
        ├── EngineUnavailable      the Temporal server does not answer
        └── PartnerUnavailable     time-out, connection lost, 5xx

API, CLI and the Temporal UI show the same code and message.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from models.validation import reason_of

Found = TypeVar("Found")

_PATH = re.compile(r"\w+(\.\w+)*")

_UNION_TAGS = {"<id>", "<whole>"}
"""Pydantic's names of the variants of `customer`, left out of paths."""


class PipelineError(Exception):
    """The base of all errors. `code` is stable, for programs; `message` is for readers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Refused(PipelineError):
    """A refusal: the same call gives the same answer."""


@dataclass(frozen=True)
class FieldError:
    """An invalid field. `field`: its path, such as `lines.0.quantity`."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidInput(Refused):
    """The input breaks a rule. `fields` lists every invalid field with the reason."""

    def __init__(self, fields: Sequence[FieldError], code: str = "invalid_input") -> None:
        super().__init__(code, "; ".join(str(field) for field in fields))
        self.fields = tuple(fields)


class InvalidConfiguration(InvalidInput):
    """Environment variables are invalid. The message has one line for each."""

    def __init__(self, fields: Iterable[FieldError]) -> None:
        super().__init__(list(fields), "wrong_variables")
        self.message = "\n".join(map(str, self.fields))


def require_found(result: Found | None, code: str, message: str) -> Found:
    """Return `result`. Raises NotFound if it is None."""
    if result is None:
        raise NotFound(code, message)
    return result


def invalid_input(error: ValidationError) -> InvalidInput:
    """Convert pydantic's validation error."""
    return InvalidInput(
        [_field_error(details["loc"], reason_of(details)) for details in error.errors()]
    )


def _field_error(path_parts: tuple[int | str, ...], message: str) -> FieldError:
    """Join the path; validators of a whole document prefix their message with it (`at_field`)."""
    path = ".".join(str(part) for part in path_parts if part not in _UNION_TAGS)
    field, colon, reason = message.partition(": ")
    if colon and _PATH.fullmatch(field):
        return FieldError(".".join(filter(None, [path, field])), reason)
    return FieldError(path or "document", message)


class Conflict(Refused):
    """The id is in use for other content."""


class NotFound(Refused):
    """The id is unknown."""


class PartnerRefused(Refused):
    """A payment provider, supplier, carrier or mail server refused."""


class TemplateBroken(Refused):
    """A template of documents, or `words.json`, has an error.

    A retry reads the file again.
    """

    def __init__(self, file: str, reason: str, line: int | str | None = None) -> None:
        place = f"{file}, line {line}" if line else file
        super().__init__("template_broken", f"{place}: {reason}")


class UnprintableCharacters(Refused):
    """A document has characters that no configured font has.

    A retry prints it with the fonts of then.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        shown = ", ".join(f"{text} ({' '.join(f'U+{ord(c):04X}' for c in text)})" for text in texts)
        super().__init__(
            "unprintable_characters",
            f"no font has {shown}: add a font to DOCUMENTS_FONTS and restart, then retry; or print "
            "marks instead (DOCUMENTS_UNPRINTABLE=mark)",
        )


class Unavailable(PipelineError):
    """A temporary fault: the engine or the caller tries again."""


class DatabaseBusy(Unavailable):
    """SQLITE_BUSY, or PostgreSQL's 40001 and 40P01."""

    def __init__(self, message: str) -> None:
        super().__init__("database_busy", message)


class DatabaseUnavailable(Unavailable):
    """The database does not answer or has no tables."""

    def __init__(self, message: str) -> None:
        super().__init__("database_unavailable", message)


class EngineUnavailable(Unavailable):
    """The Temporal server does not answer."""

    def __init__(self, message: str) -> None:
        super().__init__("engine_unavailable", message)


class PartnerUnavailable(Unavailable):
    """A partner does not answer. It may have executed the call: repeat it with the same key."""

    def __init__(self, message: str) -> None:
        super().__init__("partner_unavailable", message)
