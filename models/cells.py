"""Kinds of cells in the files of an import, and the notations of numbers that are read as meant."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class CellKind(StrEnum):
    """How the cells of a column are written. A field without a kind is text."""

    TEXT = "text"
    AMOUNT = "amount"
    PERCENT = "percent"
    WHOLE = "whole"
    DAY = "day"
    TIME = "time"
    TRUTH = "truth"


NUMBERS = {CellKind.AMOUNT, CellKind.PERCENT, CellKind.WHOLE}


class DecimalMark(StrEnum):
    """The mark before the decimals of a number."""

    DOT = "."
    COMMA = ","


class TypedNumber(str):
    """A number in the documented notation, as its file stores a number and not a text."""

    __slots__ = ()


EXAMPLES = {DecimalMark.DOT: "1234.56", DecimalMark.COMMA: "1.234,56"}
_SPACES = "\u0020\u00a0\u2009\u202f"
_PLAIN = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_READINGS = {
    DecimalMark.DOT: re.compile(
        rf"-?(\d+|\d{{1,3}}(?:([,'\u2019{_SPACES}])\d{{3}})(?:\2\d{{3}})*)(\.\d+)?", re.ASCII
    ),
    DecimalMark.COMMA: re.compile(
        rf"-?(\d+|\d{{1,3}}(?:([.'\u2019{_SPACES}])\d{{3}})(?:\2\d{{3}})*)(,\d+)?", re.ASCII
    ),
}
_EXPONENT = re.compile(r"-?\d+([.,]\d+)?[eE][+-]?\d+", re.ASCII)
_WITH_CURRENCY = re.compile(r"(?:[A-Z]{3}|[^\w\s.,'%-])\s*-?[\d.,]+|-?[\d.,]+\s*(?:[A-Z]{3}|\D)")


@cache
def kinds_of(model: type[BaseModel]) -> Mapping[str, CellKind]:
    """Return the kind of each column of a file whose rows are of `model`."""
    return {name: _kind(field) for name, field in model.model_fields.items()}


def _kind(field: FieldInfo) -> CellKind:
    """Find the marker of a field, also inside `X | None`; a truth value has none."""
    if field.annotation is bool:
        return CellKind.TRUTH
    inside = (part for option in get_args(field.annotation) for part in get_args(option))
    markers = (marker for marker in (*field.metadata, *inside) if isinstance(marker, CellKind))
    return next(markers, CellKind.TEXT)


def is_plain(text: str) -> bool:
    """Return whether a number is written in the documented notation, such as 1234.56."""
    return _PLAIN.fullmatch(text) is not None


def decimal_mark(text: str) -> DecimalMark | None:
    """Return the decimal mark of a number if it can be read in one way only; else None."""
    if text.isdigit():
        return None
    readings = _readings(text)
    return next(iter(readings)) if len(readings) == 1 else None


def plain_number(text: str, kind: CellKind, mark: DecimalMark | None) -> str:
    """Return a number in the documented notation. `mark`: the decimal mark of its file, if known.

    Raises ValueError for text that is no number, or that can be read as two numbers.
    """
    if kind is CellKind.PERCENT:
        text = text.removesuffix("%").rstrip()
    readings = _readings(text)
    if not readings:
        raise ValueError(_why_no_number(text, kind))
    if mark is not None:
        if mark not in readings:
            raise ValueError(f"{text!r} is not a number such as {EXAMPLES[mark]}")
        return readings[mark]
    if has_two_values(text) and (kind is CellKind.WHOLE or not is_plain(text)):
        raise ValueError(two_values(text, kind))
    return readings[next(iter(readings))]


def has_two_values(text: str) -> bool:
    """Return whether a number such as 1,234 or 1.234 can be read in two ways."""
    return len(set(_readings(text).values())) > 1


def two_values(text: str, kind: CellKind) -> str:
    """Describe a number that can be read in two ways."""
    decimal, whole = sorted(_readings(text).values(), key=lambda reading: "." not in reading)
    ways_out = whole if kind is CellKind.WHOLE else f"{whole} or {decimal}0"
    return f"{text!r} can be {whole} or {decimal}: write {ways_out}"


def _readings(text: str) -> dict[DecimalMark, str]:
    """Return the plain notation of a number by decimal mark; equal values are of both."""
    text = text.replace("\u2212", "-")
    readings = {}
    for mark, pattern in _READINGS.items():
        if match := pattern.fullmatch(text):
            whole = "".join(filter(str.isdigit, match.group(1)))
            sign = "-" if text.startswith("-") else ""
            readings[mark] = f"{sign}{whole}{(match.group(3) or '').replace(',', '.')}"
    return readings


def _why_no_number(text: str, kind: CellKind) -> str:
    if _EXPONENT.fullmatch(text):
        return f"{text!r} is in scientific notation: write all digits"
    example = "12" if kind is CellKind.WHOLE else "18.00"
    if _WITH_CURRENCY.fullmatch(text):
        return f"{text!r} is not a number such as {example}: leave out the unit or currency"
    return f"{text!r} is not a number such as {example}"


def marks_of(texts: Iterable[str]) -> set[DecimalMark]:
    """Return the decimal marks of the numbers that can be read in one way only."""
    return {mark for text in texts if (mark := decimal_mark(text))}
