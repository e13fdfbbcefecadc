"""Chunks of values: a statement takes a limited number of parameters."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

CHUNK = 500
"""Values in one statement."""
T = TypeVar("T")


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut values into parts for one statement each."""
    return (values[i : i + CHUNK] for i in range(0, len(values), CHUNK))
