"""Words for pydantic's errors in values from outside: what is wrong, and the way out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from models.patterns import mismatch

MISSING: Final = "is missing, and required"

_SHOWN = 60
"""The number of characters of a value that an error shows."""


def reason_of(details: ErrorDetails) -> str:
    """Describe an error of one value."""
    describe = _WORDS.get(details["type"], _otherwise)
    return describe(details["input"], details.get("ctx", {}))


def shown(value: object) -> str:
    """Return a value as its sender wrote it, cut off where it is long."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(cut) if isinstance(value, str) else cut


Context = Mapping[str, Any]
Words = Callable[[Any, Context], str]


def _otherwise(value: object, _context: Context) -> str:
    return f"{shown(value)} is no value of this field"


def _is_not(what: str) -> Words:
    return lambda value, _context: f"{shown(value)} is not {what}"


def _says(words: str) -> Words:
    return lambda _value, _context: words


def _own(_value: object, context: Context) -> str:
    """Return the words of our own check."""
    return str(context["error"])


def _pattern(value: object, context: Context) -> str:
    return mismatch(value, context["pattern"])


def _one_of(value: object, context: Context) -> str:
    return f"{shown(value)} is none of {context['expected']}"


def _too_short(value: Any, context: Context) -> str:
    least = context["min_length"]
    if least == 1:
        return "is empty: give at least one character"
    return f"{shown(value)} is too short: give at least {least} characters"


def _too_long(value: Any, context: Context) -> str:
    return f"is too long: it has {len(value)} characters, and may have {context['max_length']}"


def _too_few(_value: object, context: Context) -> str:
    least = context["min_length"]
    return (
        "is an empty list: give at least one entry"
        if least == 1
        else (f"has too few entries: give at least {least}")
    )


def _too_many(value: Any, context: Context) -> str:
    return f"has {len(value)} entries, and may have {context['max_length']}"


_OBJECT = _says("is not an object: write its fields as {...}")
_LIST = _is_not("a list: write its entries as [...]")
_TEXT = _is_not('a text: write it in quotes, such as "text"')
_WHOLE = _is_not("a whole number such as 12")
_NUMBER = _is_not("a number such as 12.50")
_YES_OR_NO = _is_not("true or false")
_DAY = _is_not("a day such as 2026-10-31")
_CLOCK = _is_not("a time of day such as 14:30")
_MOMENT = _is_not("a time such as 2026-10-31T14:30:00+01:00")

_WORDS: Mapping[str, Words] = {
    "missing": _says(MISSING),
    "extra_forbidden": _says("is not a known field: correct its name, or leave it out"),
    "value_error": _own,
    "assertion_error": _own,
    "string_pattern_mismatch": _pattern,
    "string_type": _TEXT,
    "string_unicode": _is_not("a text in Unicode"),
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "enum": _one_of,
    "literal_error": _one_of,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "greater_than": lambda value, ctx: f"{shown(value)} is not above {ctx['gt']}",
    "greater_than_equal": lambda value, ctx: f"{shown(value)} is below {ctx['ge']}, the least",
    "less_than": lambda value, ctx: f"{shown(value)} is not below {ctx['lt']}",
    "less_than_equal": lambda value, ctx: f"{shown(value)} is above {ctx['le']}, the most",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "too_short": _too_few,
    "too_long": _too_many,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "invalid_key": _says("has a key that is not a text"),
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "time_type": _CLOCK,
    "time_parsing": _CLOCK,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
}
