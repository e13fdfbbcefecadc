"""Received JSON is parsed strictly: input that Python's parser accepts is rejected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.json_text import MAX_BYTES, parse_json

BOM = b"\xef\xbb\xbf"

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**100), 10**100)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def refusal(raw: bytes) -> str:
    """Read the reason for rejecting `raw`."""
    with pytest.raises(InvalidInput) as refused:
        parse_json(raw)
    [error] = refused.value.fields
    assert error.field == "document"
    return error.reason


@given(value=values, ascii_only=st.booleans(), mark=st.sampled_from([b"", BOM]))
def test_written_values_are_read_back(value: object, ascii_only: bool, mark: bytes) -> None:
    assert parse_json(mark + json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_encoding_other_than_utf_8_is_rejected(encoding: str) -> None:
    assert refusal('{"name": "Müller"}'.encode(encoding)).startswith(
        ("is not UTF-8", "is not JSON")
    )


def test_error_names_position_of_invalid_byte() -> None:
    assert refusal('"Müller"'.encode("latin-1")) == "is not UTF-8 (byte 2)"


def test_error_names_position_of_malformed_json() -> None:
    assert refusal(b'{"a": }') == "is not JSON: Expecting value (column 7)"
    assert refusal(b'{"a":\n}') == "is not JSON: Expecting value (line 2, column 1)"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_outside_of_json_are_rejected(constant: str) -> None:
    assert refusal(f'{{"a": [{constant}]}}'.encode()) == f"has {constant}, which is not JSON"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400 + ".0", "1" * 5_000])
def test_number_too_large_is_rejected(number: str) -> None:
    assert refusal(f"[{number}]".encode())


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "b"),
        (b'[{"x": 1}, {"x": 1, "\\u0078": 2}]', "x"),
    ],
)
def test_duplicate_key_is_rejected_by_name(raw: bytes, key: str) -> None:
    assert refusal(raw) == f"has the key '{key}' twice"


def test_duplicate_key_among_many_is_found_fast() -> None:
    """Comparing the keys pairwise would take an hour."""
    keys = [*(f"k{number}" for number in range(250_000)), "last", "last"]
    raw = "{" + ",".join(f'"{key}":0' for key in keys) + "}"
    assert refusal(raw.encode()) == "has the key 'last' twice"


@pytest.mark.parametrize("raw", [rb'"\ud800"', rb'{"\udc00": 1}', rb'["\ud83d", "\ude00"]'])
def test_half_a_surrogate_pair_is_rejected(raw: bytes) -> None:
    assert refusal(raw) == "has half a surrogate pair in a string"


def test_whole_surrogate_pair_is_one_character() -> None:
    assert parse_json(rb'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_rejected(opening: bytes) -> None:
    assert refusal(opening * 100_000) == "is nested too deeply"


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", BOM, BOM + BOM + b"{}", b"{} {}", b'{"a": 1}}', b"[1,]", b'{"a": 1,}'),
        *(b"{'a': 1}", b"{a: 1}", b"01", b"+1", b".5", b"1.", b"True", b"// c\n1", b'"a\nb"'),
        *(b'"\x00"', b'{"a"', b'["a" "b"]', b"\x00", b'"\\x41"', b"undefined"),
    ],
    ids=ascii,
)
def test_malformed_json_is_rejected(raw: bytes) -> None:
    assert refusal(raw).startswith("is not JSON")


def test_document_up_to_the_size_limit_is_accepted() -> None:
    largest = b'"' + b"a" * (MAX_BYTES - 2) + b'"'
    assert parse_json(largest) == "a" * (MAX_BYTES - 2)
    assert refusal(largest + b" ") == f"is larger than {MAX_BYTES} bytes"
