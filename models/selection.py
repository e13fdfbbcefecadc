"""Conditions that select orders: `stage = awaiting_stock and attention = no_supply`."""

import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from models.base import Payload
from models.days import check_known
from models.errors import FieldError, InvalidInput
from models.orders import Channel, Terms
from models.progress import Stage

WHERE = "where"
"""The field that errors name."""
NONE = "none"
"""The value of `attention` of orders without one."""
EXAMPLE = "stage = awaiting_stock and attention in (no_supply, supplier_silent)"


class Field(StrEnum):
    """What orders are selected by."""

    STAGE = "stage"
    ATTENTION = "attention"
    CHANNEL = "channel"
    TERMS = "terms"
    CUSTOMER = "customer"
    LOCATION = "location"
    PLACED = "placed"
    ENTERED = "entered"


DAYS = (Field.PLACED, Field.ENTERED)
"""Fields whose values are days of the company: of its placing, and of entering its stage."""
_VALUES: dict[Field, tuple[str, ...]] = {
    Field.STAGE: tuple(Stage),
    Field.CHANNEL: tuple(Channel),
    Field.TERMS: tuple(Terms),
}
"""The possible values of fields that have few."""


class Condition(Payload):
    """A condition. `operator`: in, not in, <, <=, > or >=."""

    field: Field
    operator: str
    values: tuple[str, ...]

    @property
    def days(self) -> tuple[date, ...]:
        """The values of a field of `DAYS`."""
        return tuple(date.fromisoformat(value) for value in self.values)


class _Token(NamedTuple):
    text: str
    is_quoted: bool


_TOKEN = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|(!=|<=|>=|[=<>(),])|([^\s=<>!(),'\"]+))")
_AS_LIST = {"=": "in", "!=": "not in"}
_ORDERED = ("<", "<=", ">", ">=")


def parse_where(text: str) -> tuple[Condition, ...]:
    """Parse conditions joined by `and`. Raises InvalidInput."""
    tokens = list(_tokens(text))
    if not tokens:
        raise _wrong(f"is empty: write conditions, such as {EXAMPLE!r}")
    conditions = []
    while tokens:
        conditions.append(_condition(tokens))
        if tokens and tokens.pop(0).text.lower() != "and":
            raise _wrong(f"conditions are joined by `and`, such as {EXAMPLE!r}")
        if not tokens and text.strip().lower().endswith(" and"):
            raise _wrong("ends with `and`: add a condition")
    return tuple(conditions)


def _tokens(text: str) -> Iterator[_Token]:
    position, text = 0, text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _wrong(f"can't be read from {text[position:][:30]!r} on")
        single, double, operator, word = found.groups()
        quoted = single if single is not None else double
        yield _Token(quoted if quoted is not None else operator or word, quoted is not None)
        position = found.end()


def _condition(tokens: list[_Token]) -> Condition:
    """Take one condition from the tokens."""
    name, operator = _take(tokens, "a field"), _take(tokens, "an operator").lower()
    if name not in set(Field):
        raise _wrong(f"{name!r} is not a field: use {', '.join(Field)}")
    field = Field(name)
    if operator == "not":
        operator = f"not {_take(tokens, '`in`').lower()}"
    if operator in ("in", "not in"):
        values = tuple(_list(tokens))
    elif operator in (*_AS_LIST, *_ORDERED):
        values = (_take(tokens, "a value"),)
    else:
        raise _wrong(
            f"{operator!r} is not an operator: use = != in, not in, and with days < > <= >="
        )
    if operator in _ORDERED and field not in DAYS:
        raise _wrong(f"{field} has no order: use = != in or not in")
    return Condition(
        field=field,
        operator=_AS_LIST.get(operator, operator),
        values=tuple(_checked(field, value) for value in values),
    )


def _list(tokens: list[_Token]) -> Iterator[str]:
    """Take a list in parentheses from the tokens."""
    if _take(tokens, "a list") != "(":
        raise _wrong("after `in` write a list in parentheses, such as (no_supply, no_offer)")
    while True:
        yield _take(tokens, "a value")
        after = _take(tokens, "`)`")
        if after == ")":
            return
        if after != ",":
            raise _wrong("values of a list are separated by commas")


def _take(tokens: list[_Token], expected: str) -> str:
    if not tokens:
        raise _wrong(f"ends where {expected} is missing, as in {EXAMPLE!r}")
    return tokens.pop(0).text


def _checked(field: Field, value: str) -> str:
    """Check a value of a field."""
    allowed = _VALUES.get(field)
    if allowed is not None and value not in allowed:
        raise _wrong(f"{value!r} is not a {field}: use {', '.join(allowed)}")
    if field in DAYS:
        try:
            return check_known(date.fromisoformat(value)).isoformat()
        except ValueError as error:
            raise _wrong(f"{value!r} is not a day such as 2026-10-31") from error
    return value


def _wrong(reason: str) -> InvalidInput:
    return InvalidInput([FieldError(WHERE, reason)])
