"""Base classes and field types: documents come from outside, payloads are exchanged inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from models.patterns import IDENTIFIER, NO_CONTROL_CHARACTERS, SHORT_IDENTIFIER
from models.texts import has_word, visible


def _visible(sent: object) -> object:
    return visible(sent) if isinstance(sent, str) else sent


Visible = BeforeValidator(_visible)
"""Leaves out invisible characters before the text is checked."""
Text = Annotated[
    str,
    StringConstraints(
        strict=True,
        strip_whitespace=True,
        min_length=1,
        max_length=200,
        pattern=NO_CONTROL_CHARACTERS,
    ),
    Visible,
]
"""One line of text, 1 to 200 characters, without control and invisible characters."""


def _check_words(text: str) -> str:
    if not has_word(text):
        raise ValueError(f"{text!r} has no letter and no digit")
    return text


Words = Annotated[Text, AfterValidator(_check_words)]
"""A text with a letter or a digit, such as a name or a street."""

Identifier = Annotated[
    str,
    StringConstraints(strict=True, pattern=IDENTIFIER),
    Field(
        description="An id: 1 to 64 letters, digits, dots, underscores or hyphens; "
        "it starts with a letter or digit."
    ),
]
"""An id chosen by a caller."""

LocationId = Annotated[str, StringConstraints(pattern=SHORT_IDENTIFIER)]
"""The id of a location or a supplier; short, as other ids contain it."""


class Payload(BaseModel):
    """A message between parts of the program.

    Unknown fields are ignored, so that a worker that was rolled back reads newer messages.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


class Document(Payload):
    """A document from outside.

    API and CLI validate it with `extra="forbid"`, so that its sender is notified of unknown fields.
    Inside the program it is a payload.
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})


@contextmanager
def at_field(path: str) -> Iterator[None]:
    """Prefix a ValueError raised inside with the field: "currency: 'X' is not ..."."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


MAX_LISTED = 1_000_000
"""The largest `limit` of a list."""
