"""Numbers, dates and countries in the notation of a language."""

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
    """Choose the language of documents and mails: English if `language` is not available."""
    return language if language in WORDS else "en"


@dataclass(frozen=True)
class Notation:
    """Numbers, dates and countries in the notation of `language`."""

    language: str
    currency: str = ""
    """ISO 4217; empty for documents without amounts."""

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)

    def amount(self, amount_minor: int) -> str:
        """Format an amount with all decimals of the currency (ISO 4217), without its code."""
        digits = decimals(self.currency)
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        value = Decimal(amount_minor).scaleb(-digits)
        return format_decimal(value, format=pattern, locale=self._locale)

    def money(self, amount_minor: int) -> str:
        """Format an amount with the currency's code; a line never breaks between them."""
        return f"{self.amount(amount_minor)}\N{NO-BREAK SPACE}{self.currency}"

    def percent(self, ppm: int) -> str:
        """Format millionths as a percentage, without the sign: 55000 -> "5.5"."""
        return format_decimal(Decimal(ppm).scaleb(-4), format="#,##0.####", locale=self._locale)

    def count(self, quantity: int) -> str:
        """Format a whole number."""
        return format_decimal(quantity, locale=self._locale)

    def kilograms(self, weight_g: int) -> str:
        """Format a weight in kg to the gram, without the unit: 12500 -> "12.5"."""
        return format_decimal(Decimal(weight_g).scaleb(-3), "#,##0.0##", locale=self._locale)

    def centimetres(self, *lengths_mm: int) -> str:
        """Format a size in cm, without the unit: 400, 305 -> "40 x 30.5" (as a times sign)."""
        lengths = (Decimal(length_mm).scaleb(-1) for length_mm in lengths_mm)
        shown = (format_decimal(length, "#,##0.#", locale=self._locale) for length in lengths)
        return " \N{MULTIPLICATION SIGN} ".join(shown)

    def day(self, day: date) -> str:
        """Format a date with the name of the month."""
        return format_date(day, format="long", locale=self._locale)

    def postal_lines(self, address: Address) -> list[str]:
        """List the lines of an address for an envelope, with the country's name."""
        *lines, code = address.lines()
        return [*lines, self.country(code)]

    def country(self, code: str) -> str:
        """Name a country given as ISO 3166 alpha-2."""
        return str(self._locale.territories.get(code, code))


def grouped_iban(iban: str) -> str:
    """Group an IBAN in fours (ISO 13616)."""
    compact = "".join(iban.split())
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))
