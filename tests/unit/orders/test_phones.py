"""Test the phone number of an order: checked by its country, written as E.164."""

import pytest

from models.phones import parse_phone


@pytest.mark.parametrize(
    ("text", "country", "written"),
    [
        ("+49 30 901820", None, "+4930901820"),
        ("030/90 18 20", "DE", "+4930901820"),
        ("+353 1 679 8877", "DE", "+35316798877"),
        ("(212) 736-3100", "US", "+12127363100"),
        ("2123 4567", "HK", "+85221234567"),
        ("044 668 18 00", "CH", "+41446681800"),
        ("038 212 345", "XK", "+38338212345"),
        ("030 901820 ext. 12", "DE", "+4930901820;ext=12"),
        ("(212) 736-3100 x5678", "US", "+12127363100;ext=5678"),
        ("+4930901820;ext=12", None, "+4930901820;ext=12"),
    ],
)
def test_phone_number_is_written_with_its_country_code(
    text: str, country: str | None, written: str
) -> None:
    assert parse_phone(text, country) == written


@pytest.mark.parametrize(
    ("text", "country", "example"),
    [
        ("030 901820", None, "+49 30 901820"),
        ("call me", "DE", "+49 "),
        ("123", "IE", "+353 "),
        ("+49 1", "HK", "+852 "),
    ],
)
def test_number_that_nobody_has_is_refused_with_an_example(
    text: str, country: str | None, example: str
) -> None:
    with pytest.raises(ValueError, match="is not a phone number") as refusal:
        parse_phone(text, country)
    assert example in str(refusal.value)
