"""Every error of the project, in one tree.

    PipelineError                  anything we raise on purpose; has a stable code and a sentence
    ├── Refused                    retrying can't mend it; a person or another input can
    │   ├── InvalidInput           the input breaks a rule; names each field
    │   │   └── WrongVariables     an environment variable breaks one; names each
    │   ├── Conflict               the same id was used for something else
    │   ├── NotFound               there is nothing by that id
    │   └── PartnerRefused         a partner gave a definite no
    └── Unavailable                trying again may help
        ├── DatabaseBusy           a lock or a serialisation conflict
        ├── DatabaseUnavailable    the database can't be reached or isn't prepared
        ├── EngineUnavailable      Temporal can't be reached
        └── PartnerUnavailable     time-out, connection lost, 5xx

API, CLI and the Temporal UI show the same code and sentence.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

Found = TypeVar("Found")

_PATH = re.compile(r"\w+(\.\w+)*")

UNION_TAGS = {"<id>", "<whole>"}
"""Which branch of `customer` pydantic took: of no interest to who sent it. No field's name."""


NOT_AN_OBJECT = {"model_type", "model_attributes_type", "dict_type"}
"""Pydantic's types of an error where a JSON object should be."""


class PipelineError(Exception):
    """Base of the tree: `code` is stable and for machines, `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Refused(PipelineError):
    """A definite no: the same call again gives the same answer."""


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with an input: `field` is a path such as `lines.0.quantity`."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class InvalidInput(Refused):
    """The input breaks a rule. `fields` names every place and says why."""

    def __init__(self, fields: Sequence[FieldError], code: str = "invalid_input") -> None:
        super().__init__(code, "; ".join(str(field) for field in fields))
        self.fields = tuple(fields)


class WrongVariables(InvalidInput):
    """The environment variables `fields` can't be used; the message has a line for each."""

    def __init__(self, fields: Iterable[FieldError]) -> None:
        super().__init__(list(fields), "wrong_variables")
        self.message = "\n".join(map(str, self.fields))


def found(what: Found | None, code: str, message: str) -> Found:
    """`what` was asked for. Raises NotFound where it isn't there."""
    if what is None:
        raise NotFound(code, message)
    return what


def invalid_input(error: ValidationError) -> InvalidInput:
    """Pydantic's findings as ours: one field and reason each."""
    return InvalidInput(
        [
            _field_error(found["loc"], _in_words(found["type"], found["msg"]))
            for found in error.errors()
        ]
    )


def _in_words(kind: str, message: str) -> str:
    """Pydantic names our classes where something isn't an object."""
    return "is not an object" if kind in NOT_AN_OBJECT else message


def _field_error(where: tuple[int | str, ...], message: str) -> FieldError:
    """A check of the whole document names its field itself, in front of its message."""
    message = message.removeprefix("Value error, ")
    path = ".".join(str(part) for part in where if part not in UNION_TAGS)
    field, colon, reason = message.partition(": ")
    if colon and _PATH.fullmatch(field):
        return FieldError(".".join(filter(None, [path, field])), reason)
    return FieldError(path or "document", message)


class Conflict(Refused):
    """The id is taken by different content."""


class NotFound(Refused):
    """No such thing."""


class PartnerRefused(Refused):
    """A payment provider, supplier or carrier refused; asking again unchanged won't help."""


class Unavailable(PipelineError):
    """A passing fault: the engine or the caller tries again."""


class DatabaseBusy(Unavailable):
    """SQLITE_BUSY, or PostgreSQL's 40001 and 40P01."""

    def __init__(self, message: str) -> None:
        super().__init__("database_busy", message)


class DatabaseUnavailable(Unavailable):
    """The database can't be reached, or its tables aren't there yet."""

    def __init__(self, message: str) -> None:
        super().__init__("database_unavailable", message)


class EngineUnavailable(Unavailable):
    """Temporal didn't answer."""

    def __init__(self, message: str) -> None:
        super().__init__("engine_unavailable", message)


class PartnerUnavailable(Unavailable):
    """The partner may or may not have done it: repeat with the same idempotency key."""

    def __init__(self, message: str) -> None:
        super().__init__("partner_unavailable", message)
