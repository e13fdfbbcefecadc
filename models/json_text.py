"""A strict parser of received JSON."""

import json
from collections import Counter
from typing import NoReturn

from pydantic import JsonValue

from models.errors import FieldError, InvalidInput

MAX_BYTES = 5_000_000


def parse_json(raw: bytes) -> JsonValue:
    """Parse `raw` (UTF-8, with or without a byte order mark).

    Raises InvalidInput for another encoding, malformed JSON, NaN, numbers beyond a double,
    duplicate keys, lone surrogates, and more than MAX_BYTES.
    """
    if len(raw) > MAX_BYTES:
        raise _refuse(f"is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(f"is not UTF-8 (byte {error.start})") from error
    try:
        value: JsonValue = json.loads(
            text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates
        )
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise _refuse(f"is not JSON: {error.msg} ({line}column {error.colno})") from error
    except RecursionError as error:
        raise _refuse("is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise _refuse("has half a surrogate pair in a string") from error
    except ValueError as error:
        raise _refuse(str(error)) from error
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"has {name}, which is not JSON")


def _no_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) < len(pairs):
        duplicate, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"has the key {duplicate!r} twice")
    return result


def _refuse(reason: str) -> InvalidInput:
    return InvalidInput([FieldError("document", reason)])
