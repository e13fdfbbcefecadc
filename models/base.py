"""The two kinds of model: documents that people send us, payloads that our own parts exchange."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"

Text = Annotated[
    str,
    StringConstraints(
        strict=True,
        strip_whitespace=True,
        min_length=1,
        max_length=200,
        pattern=NO_CONTROL_CHARACTERS,
    ),
]
"""One line of text, 1 to 200 characters, without control characters."""

Identifier = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(
        description="An id: 1 to 64 letters, digits, dots, underscores or hyphens; "
        "it starts with a letter or digit."
    ),
]
"""An id as callers choose them."""


LocationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
"""The id of a place, or of a supplier: part of other ids, so it is short."""


class Payload(BaseModel):
    """What our parts send each other: unknown fields are ignored, so that a worker that was
    rolled back can read what a newer one wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Document(Payload):
    """What somebody outside wrote. The doors validate it with `extra="forbid"`: there an unknown
    field is an error its sender wants to hear of. Inside it travels as a payload."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})


@contextmanager
def at_field(path: str) -> Iterator[None]:
    """Name the field in a ValueError raised inside: "currency: 'X' is not ..."."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


MAX_LISTED = 1_000_000
"""The largest `limit` that a list takes."""
