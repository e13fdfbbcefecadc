"""Duplicates: messages under an id that is recorded already."""

from sqlmodel import SQLModel


def repeats(recorded: SQLModel, **content: object) -> bool:
    """Return whether a message repeats the recorded row: each column has the value in `content`."""
    return all(getattr(recorded, column) == value for column, value in content.items())


def conflict(recorded: SQLModel, id_field: str, **content: object) -> str | None:
    """Return the reason to reject a message under a recorded id; None if it repeats the row.

    `id_field`: the message's field with the id, such as `payment_id`.
    """
    return None if repeats(recorded, **content) else f"{id_field}: known with other content"
