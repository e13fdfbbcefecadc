"""Numbers, dates and countries in the notation of a language."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberPattern, parse_pattern

from models.addresses import Postal, printed_lines
from models.money import decimals

_locale = cache(Locale.parse)


@cache
def _pattern(pattern: str) -> NumberPattern:
    return parse_pattern(pattern)


@dataclass(frozen=True)
class Notation:
    """Numbers, dates and countries in the notation of `language`."""

    language: str
    currency: str = ""
    """ISO 4217; empty for documents without amounts."""

    def amount(self, amount_minor: int) -> str:
        """Format an amount with all decimals of the currency (ISO 4217), without its code."""
        digits = decimals(self.currency)
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return self._number(Decimal(amount_minor).scaleb(-digits), pattern)

    def money(self, amount_minor: int) -> str:
        """Format an amount with the currency's code; a line never breaks between them."""
        return f"{self.amount(amount_minor)}\N{NO-BREAK SPACE}{self.currency}"

    def percent(self, ppm: int) -> str:
        """Format millionths as a percentage, without the sign: 55000 -> "5.5"."""
        return self._number(Decimal(ppm).scaleb(-4), "#,##0.####")

    def count(self, quantity: int) -> str:
        """Format a whole number."""
        return self._number(Decimal(quantity), "#,##0")

    def kilograms(self, weight_g: int) -> str:
        """Format a weight in kg to the gram, without the unit: 12500 -> "12.5"."""
        return self._number(Decimal(weight_g).scaleb(-3), "#,##0.0##")

    def centimetres(self, *lengths_mm: int) -> str:
        """Format a size in cm, without the unit: 400, 305 -> "40 x 30.5" (as a times sign)."""
        shown = (self._number(Decimal(length).scaleb(-1), "#,##0.#") for length in lengths_mm)
        return " \N{MULTIPLICATION SIGN} ".join(shown)

    def day(self, day: date) -> str:
        """Format a date with the name of the month."""
        return format_date(day, format="long", locale=_locale(self.language))

    def postal_lines(self, address: Postal, *names: str) -> list[str]:
        """List the lines of an envelope in the order of its country, and the country's name."""
        return [*printed_lines(address, *names), self.country(address.country)]

    def country(self, code: str) -> str:
        """Name a country given as ISO 3166 alpha-2."""
        return str(_locale(self.language).territories.get(code, code))

    def _number(self, value: Decimal, pattern: str) -> str:
        return str(_pattern(pattern).apply(value, _locale(self.language)))


def grouped_iban(iban: str) -> str:
    """Group an IBAN in fours (ISO 13616)."""
    compact = "".join(iban.split())
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))
