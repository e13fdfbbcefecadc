"""Money: exact parsing and formatting, and one way of rounding."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.money import (
    MAX_AMOUNT_MINOR,
    Money,
    decimals,
    format_amount,
    format_percent,
    parse_amount,
    parse_percent,
    round_half_up,
    same_decimal,
    share,
)

EXPONENTS = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}
"""One currency of each ISO 4217 exponent."""

amounts = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
rates = st.integers(0, 1_000_000)


def half_up(exact: Fraction) -> int:
    """Round a fraction with halves away from zero."""
    rounded = math.floor(abs(exact) + Fraction(1, 2))
    return rounded if exact >= 0 else -rounded


@pytest.mark.parametrize(("currency", "exponent"), EXPONENTS.items())
def test_currency_has_decimals_of_iso_4217(currency: str, exponent: int) -> None:
    assert decimals(currency) == exponent


@pytest.mark.parametrize("code", ["", "eur", "EURO", "EUR ", "978", "Euro", "XXX", "XAU", "€"])
def test_unknown_currency_is_rejected(code: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        decimals(code)


@pytest.mark.parametrize("currency", EXPONENTS)
@given(amount_minor=amounts)
def test_formatted_amount_parses_to_itself(currency: str, amount_minor: int) -> None:
    text = format_amount(amount_minor, currency)
    assert parse_amount(text, currency) == amount_minor
    assert len(text.partition(".")[2]) == EXPONENTS[currency]


@given(text=st.from_regex(r"-?(0|[1-9][0-9]{0,12})\.[0-9]{2}", fullmatch=True))
def test_parsed_amount_formats_to_itself(text: str) -> None:
    expected = text.removeprefix("-") if text.startswith("-0.00") else text
    assert format_amount(parse_amount(text, "EUR"), "EUR") == expected


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("18", "EUR", 1800),
        ("18.5", "EUR", 1850),
        ("0.01", "EUR", 1),
        ("-0.01", "EUR", -1),
        ("-0.00", "EUR", 0),
        ("007.00", "EUR", 700),
        ("18", "JPY", 18),
        ("18.5", "KWD", 18_500),
        ("0.0001", "CLF", 1),
    ],
)
def test_amount_is_parsed_to_minor_units(text: str, currency: str, amount_minor: int) -> None:
    assert parse_amount(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("6318.00", "JPY", 6_318),
        ("37.6040", "KWD", 37_604),
        ("18.000", "EUR", 1_800),
        ("-0.010000000", "EUR", -1),
        ("1." + "0" * 30, "CLF", 10_000),
    ],
)
def test_zeros_after_the_currency_s_decimals_change_no_amount(
    text: str, currency: str, amount_minor: int
) -> None:
    assert parse_amount(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency"), [("1.5", "JPY"), ("1.001", "EUR"), ("1.0001", "KWD"), ("1.00001", "CLF")]
)
def test_fraction_of_a_minor_unit_is_rejected(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=f"more than {EXPONENTS[currency]} decimals"):
        parse_amount(text, currency)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        *(("18.00", "18"), ("18.50", "18.5"), ("018.5", "18.5"), ("-0.0", "0"), ("0.010", "0.01")),
        *(("-1.0", "-1"), ("18", "18"), ("100", "100"), ("1,00", "1,00"), ("", ""), ("1.", "1.")),
    ],
)
def test_equal_decimals_are_written_in_one_way(text: str, same: str) -> None:
    """Any other text stays as it is, for the error that names it."""
    assert same_decimal(text) == same


JUNK = (
    *("", " ", " 1", "1 ", "1\n", "\t1", "1.", ".5", ".", "-", "--1", "+1", "1-", "- 1"),
    *("NaN", "nan", "Infinity", "-inf", "1e5", "1E5", "0x10", "1_000", "1,000.00", "1,50", "1.2.3"),
    *("١٢", "\uff11\uff12", "²", "1\u066b5", "€1", "1 EUR"),
    *("True", "None", "1\x00", "9" * 19, "9" * 5_000),
)


@pytest.mark.parametrize("text", JUNK, ids=lambda text: ascii(text[:20]))
def test_other_notation_than_plain_decimal_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a plain decimal number"):
        parse_amount(text, "EUR")


@pytest.mark.parametrize("sign", ["", "-"])
def test_largest_amount_is_accepted_and_next_is_rejected(sign: str) -> None:
    assert abs(parse_amount(f"{sign}10000000000000.00", "EUR")) == MAX_AMOUNT_MINOR
    with pytest.raises(ValueError, match="beyond the largest amount"):
        parse_amount(f"{sign}10000000000000.01", "EUR")


@given(numerator=st.integers(), denominator=st.integers(1))
def test_rounding_is_half_away_from_zero(numerator: int, denominator: int) -> None:
    assert round_half_up(numerator, denominator) == half_up(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("numerator", "rounded"), [(1, 1), (-1, -1), (3, 2), (-3, -2), (0, 0), (5, 3)]
)
def test_halves_are_not_rounded_to_even(numerator: int, rounded: int) -> None:
    assert round_half_up(numerator, 2) == rounded


@given(amount=amounts, ppm=rates)
def test_share_is_exact_share_rounded_once(amount: int, ppm: int) -> None:
    assert share(amount, ppm) == half_up(Fraction(amount * ppm, 1_000_000))


@given(amount=amounts, ppm=rates)
def test_share_and_remainder_add_up_within_one_unit(amount: int, ppm: int) -> None:
    assert abs(share(amount, ppm) + share(amount, 1_000_000 - ppm) - amount) <= 1


@given(ppm=rates)
def test_formatted_percentage_parses_to_itself(ppm: int) -> None:
    text = format_percent(ppm)
    assert parse_percent(text) == ppm
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("text", "ppm"), [("0", 0), ("19", 190_000), ("5.5", 55_000), ("0.0001", 1), ("100", 10**6)]
)
def test_percentage_is_parsed_to_millionths(text: str, ppm: int) -> None:
    assert parse_percent(text) == ppm


@pytest.mark.parametrize("text", ["-0.0001", "100.0001", "101", "0.00001", "19%", "", "1e1"])
def test_invalid_percentage_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 100|more than 4 decimals|plain decimal"):
        parse_percent(text)


def test_money_is_printed_with_currency() -> None:
    assert str(Money.parse("18.5", "EUR")) == "18.50 EUR"
    assert str(Money(amount_minor=-5, currency="KWD")) == "-0.005 KWD"
    assert str(Money(amount_minor=1800, currency="JPY")) == "1800 JPY"


def test_money_in_unknown_currency_is_rejected() -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        Money(amount_minor=1, currency="ABC")
