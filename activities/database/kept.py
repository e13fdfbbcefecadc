"""What a transaction reads once: values kept in its session, each under a name and a key."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlmodel import Session

Value = TypeVar("Value")


def read_once(session: Session, name: str, key: str, read: Callable[[], Value]) -> Value:
    """Return the kept value; read and keep it at the first use."""
    values = _kept(session)
    if (name, key) not in values:
        values[name, key] = read()
    value: Value = values[name, key]
    return value


def keep(session: Session, name: str, key: str, value: object) -> None:
    """Keep a value that was written, or read with something else."""
    _kept(session)[name, key] = value


def kept(session: Session, name: str, key: str) -> Any:
    """Return the kept value, None if there is none; `Any`: each name has a type of its own."""
    return _kept(session).get((name, key))


def forget(session: Session, name: str, key: str) -> None:
    """Read the value again at its next use."""
    _kept(session).pop((name, key), None)


def forget_all(session: Session) -> None:
    """Read all values again: what was written since they were kept is undone."""
    _kept(session).clear()


def _kept(session: Session) -> dict[tuple[str, str], Any]:
    values: dict[tuple[str, str], Any] = session.info.setdefault("kept", {})
    return values
