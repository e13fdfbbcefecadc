"""Numbers, dates and countries as people who speak a language write them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from activities.documents.words import WORDS
from models.customers import Address
from models.money import decimals


def written_language(language: str) -> str:
    """The language we write to a customer of `language`: English where we don't speak theirs."""
    return language if language in WORDS else "en"


@dataclass(frozen=True)
class Notation:
    """Numbers, dates and countries as people who speak `language` write them."""

    language: str
    currency: str = ""
    """ISO 4217; documents without amounts have none."""

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)

    def amount(self, amount_minor: int) -> str:
        """With all decimals of the currency (ISO 4217), without its code."""
        digits = decimals(self.currency)
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        value = Decimal(amount_minor).scaleb(-digits)
        return format_decimal(value, format=pattern, locale=self._locale)

    def money(self, amount_minor: int) -> str:
        """With the currency's code, never parted at the end of a line."""
        return f"{self.amount(amount_minor)}\N{NO-BREAK SPACE}{self.currency}"

    def percent(self, ppm: int) -> str:
        """Millionths as a percentage, without the sign: 55000 -> "5.5"."""
        return format_decimal(Decimal(ppm).scaleb(-4), format="#,##0.####", locale=self._locale)

    def count(self, quantity: int) -> str:
        """A whole number."""
        return format_decimal(quantity, locale=self._locale)

    def kilograms(self, weight_g: int) -> str:
        """To the gram, without the unit: 12500 -> "12.5"."""
        return format_decimal(Decimal(weight_g).scaleb(-3), "#,##0.0##", locale=self._locale)

    def centimetres(self, *lengths_mm: int) -> str:
        """Without the unit: 400, 305 -> "40 x 30.5", with a real multiplication sign."""
        lengths = (Decimal(length_mm).scaleb(-1) for length_mm in lengths_mm)
        shown = (format_decimal(length, "#,##0.#", locale=self._locale) for length in lengths)
        return " \N{MULTIPLICATION SIGN} ".join(shown)

    def day(self, day: date) -> str:
        """With the month's name, so that nobody mistakes it."""
        return format_date(day, format="long", locale=self._locale)

    def postal_lines(self, address: Address) -> list[str]:
        """As printed on an envelope, with the country's name."""
        *lines, code = address.lines()
        return [*lines, self.country(code)]

    def country(self, code: str) -> str:
        """The name of an ISO 3166 country."""
        return str(self._locale.territories.get(code, code))


def grouped_iban(iban: str) -> str:
    """In fours, as ISO 13616 prints an IBAN."""
    compact = "".join(iban.split())
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))
