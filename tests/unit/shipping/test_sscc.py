"""Serial shipping container codes follow GS1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from models.sscc import sscc


@pytest.mark.parametrize(
    ("company_prefix", "serial", "extension", "number"),
    [
        ("0614141", 234567890, 1, "106141412345678908"),  # GS1 EPC Tag Data Standard
        ("761042500", 2123456, 3, "376104250021234569"),  # GS1 General Specifications
        ("4012345", 0, 3, "340123450000000000"),
    ],
)
def test_published_examples(company_prefix: str, serial: int, extension: int, number: str) -> None:
    assert sscc(company_prefix, serial, extension) == number


@given(
    st.integers(7, 10).flatmap(
        lambda digits: st.tuples(
            st.from_regex(rf"\A[0-9]{{{digits}}}\Z"), st.integers(0, 10 ** (16 - digits) - 1)
        )
    ),
    st.integers(0, 9),
)
def test_number_has_18_digits_with_prefix_serial_and_check_digit(
    unit: tuple[str, int], extension: int
) -> None:
    prefix, serial = unit
    number = sscc(prefix, serial, extension)
    assert len(number) == 18
    assert number[17] == ean.calc_check_digit(number[:17])
    assert number.startswith(f"{extension}{prefix}")
    assert int(number[1 + len(prefix) : 17]) == serial


@pytest.mark.parametrize(
    ("company_prefix", "serial", "extension", "reason"),
    [
        ("4012345", 10**9, 0, "the company prefix 4012345 leaves 9 digits for serials"),
        ("4012345678", 10**6, 0, "1000000 doesn't fit"),
        ("4012345", -1, 0, "-1 doesn't fit"),
        ("401234", 1, 0, "'401234' is not a GS1 company prefix of 7 to 10 digits"),
        ("40123456789", 1, 0, "is not a GS1 company prefix"),
        ("٤٠١٢٣٤٥", 1, 0, "is not a GS1 company prefix"),
        ("4012345", 1, 10, "10 is not an SSCC's extension"),
    ],
)
def test_invalid_parts_are_rejected_with_the_rule(
    company_prefix: str, serial: int, extension: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        sscc(company_prefix, serial, extension)
