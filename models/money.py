"""Money: whole minor units (cents) and an ISO 4217 code, without floats, rounded one way."""

import re
from functools import cache
from typing import Self

from iso4217 import Currency
from pydantic import model_validator

from models.base import Payload

MAX_AMOUNT_MINOR = 10**15
"""The largest single amount: far below the 64 bits of a database integer, so sums fit too."""

PPM_PER_PERCENT = 10_000
_DECIMAL = re.compile(r"(-?)(\d{1,18})(?:\.(\d{1,30}))?", re.ASCII)


@cache
def decimals(currency: str) -> int:
    """Return the currency's number of decimals (ISO 4217 exponent): EUR 2, JPY 0, KWD 3.

    Raises ValueError for an unknown code, and for codes without minor units such as gold (XAU).
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency (such as EUR)")
    return exponent


def is_currency(code: str) -> bool:
    """Return whether amounts can be in this currency."""
    try:
        decimals(code)
    except ValueError:
        return False
    return True


def parse_scaled(text: str, digits: int) -> int:
    """Parse a plain decimal such as "18.5" to units of 10**-digits.

    Zeros after the last of these decimals change no value: "18.5000" is "18.5".
    Raises ValueError for any other notation and for more decimals than `digits`.
    """
    match = _DECIMAL.fullmatch(text)
    if not match:
        raise ValueError(f'{text!r} is not a plain decimal number such as "18.00"')
    sign, whole, fraction = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(fraction) > digits:
        raise ValueError(f"{text!r} has more than {digits} decimals")
    value = int(whole + fraction.ljust(digits, "0"))
    return -value if sign else value


def same_decimal(text: str) -> str:
    """Write a decimal number in one way, so that equal ones have equal texts: "18.50" -> "18.5".

    Any other text stays as it is.
    """
    match = _DECIMAL.fullmatch(text)
    if not match:
        return text
    sign, whole, fraction = match.group(1), int(match.group(2)), (match.group(3) or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else str(whole)
    return number if number == "0" else sign + number


def parse_amount(text: str, currency: str) -> int:
    """Parse an amount to minor units of `currency`: ("18.00", "EUR") -> 1800.

    Raises ValueError for too many decimals or more than MAX_AMOUNT_MINOR; nothing is rounded.
    """
    amount_minor = parse_scaled(text, decimals(currency))
    if abs(amount_minor) > MAX_AMOUNT_MINOR:
        raise ValueError(f"{text!r} is beyond the largest amount accepted")
    return amount_minor


def format_amount(amount_minor: int, currency: str) -> str:
    """Format minor units, always with all decimals: (1800, "EUR") -> "18.00"."""
    digits = decimals(currency)
    sign, units = ("-", -amount_minor) if amount_minor < 0 else ("", amount_minor)
    text = str(units).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def parse_percent(text: str) -> int:
    """Parse a percentage of 0 to 100 with up to 4 decimals to millionths: "19" -> 190000.

    Raises ValueError for any other text.
    """
    ppm = parse_scaled(text, 4)
    if not 0 <= ppm <= 100 * PPM_PER_PERCENT:
        raise ValueError(f"{text!r} is not between 0 and 100")
    return ppm


def format_percent(ppm: int) -> str:
    """Format millionths as a percentage without trailing zeros: 55000 -> "5.5"."""
    whole, rest = divmod(ppm, PPM_PER_PERCENT)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def round_half_up(numerator: int, denominator: int) -> int:
    """Divide exactly in integers and round halves away from zero."""
    quotient, rest = divmod(abs(numerator), denominator)
    rounded = quotient + (2 * rest >= denominator)
    return rounded if numerator >= 0 else -rounded


def share(amount: int, ppm: int) -> int:
    """Return `ppm` millionths of `amount`, rounded half up once."""
    return round_half_up(amount * ppm, 100 * PPM_PER_PERCENT)


def share_of_units(amount: int, before: int, units: int, of: int) -> int:
    """Return the share of `units` in an amount for `of` units, after `before` units were taken.

    The shares of all units add up to the amount.
    """
    return round_half_up(amount * (before + units), of) - round_half_up(amount * before, of)


class Money(Payload):
    """An amount in minor units with its currency."""

    amount_minor: int
    currency: str

    @model_validator(mode="after")
    def _known_currency(self) -> Self:
        decimals(self.currency)
        return self

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Parse an amount; see `parse_amount`."""
        return cls(amount_minor=parse_amount(text, currency), currency=currency)

    def __str__(self) -> str:
        return f"{format_amount(self.amount_minor, self.currency)} {self.currency}"
