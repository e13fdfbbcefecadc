"""What is unlikely about imported values: imported as it is, and listed as a warning."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from html import unescape

from models.addresses import postal_code_problem
from models.customers import CustomerDocument
from models.imports import OfferRow, ProductRow
from models.money import parse_percent
from models.phones import parse_phone
from models.tax import ProductKind
from models.texts import visible

MIN_RATE_PPM = 10_000
"""1 %: a tax rate below it is probably a fraction such as 0.19."""
MAX_DENSITY = 25
"""Grams of a cubic centimetre: more than any metal but a few has."""
MIN_DENSITY = 0.001
"""Less than the lightest foam has."""
FACTOR = 10
"""A price that rises or falls to its tenth has probably lost its decimal mark."""
MAX_LEAD_TIME_DAYS = 365
_NO_VALUES = frozenset({"null", "nan", "undefined", "#n/a", "#ref!", "#value!", "\\n"})
"""What databases and programs write for no value, in small letters."""
_HTML = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+\d*);", re.IGNORECASE)
"""A character as web pages write it: &amp;."""
Doubt = tuple[str, str]
"""A column, and what is unlikely about it."""


def doubts_of_product(row: ProductRow) -> Iterator[Doubt]:
    """Find what is unlikely about a product by itself."""
    rate_ppm = parse_percent(row.tax_rate_percent)
    if 0 < rate_ppm < MIN_RATE_PPM:
        percent = f"{rate_ppm / 10_000:g}"
        meant = f"{rate_ppm / 100:g}"
        yield "tax_rate_percent", f"{percent} is {percent} %: write {meant} for {meant} %"
    if not float(row.unit_price):
        yield "unit_price", "is 0: the product is free"
    if row.kind is ProductKind.SERVICE:
        return
    sizes = (row.length_mm, row.width_mm, row.height_mm)
    volume_cm3 = sizes[0] * sizes[1] * sizes[2] / 1000
    if not row.weight_g or not volume_cm3:
        yield "weight_g", "or a size is 0: freight can't be planned"
    elif not MIN_DENSITY <= row.weight_g / volume_cm3 <= MAX_DENSITY:
        size = " x ".join(map(str, sizes))
        yield "weight_g", f"{row.weight_g} g is unlikely for {size} mm"


def doubts_of_customer(row: CustomerDocument) -> Iterator[Doubt]:
    """Find what is unlikely about a customer by itself."""
    if row.phone:
        try:
            parse_phone(row.phone, row.country)
        except ValueError as error:
            yield "phone", str(error)
    if problem := postal_code_problem(row.country, row.postal_code):
        yield "postal_code", problem


def doubts_of_offer(row: OfferRow, today: date) -> Iterator[Doubt]:
    """Find what is unlikely about an offer by itself."""
    if row.valid_until is not None and row.valid_until < today:
        yield "valid_until", f"{row.valid_until} is past: nothing is purchased from this offer"
    if row.lead_time_days > MAX_LEAD_TIME_DAYS:
        yield "lead_time_days", f"{row.lead_time_days} days are more than a year"
    if row.break_unit_cost is not None and float(row.break_unit_cost) > float(row.unit_cost):
        yield "break_unit_cost", f"{row.break_unit_cost} is above the price {row.unit_cost}"
    if row.break_quantity is not None and row.break_quantity <= row.minimum_quantity:
        yield "break_quantity", "is not above the minimum quantity: the price never applies"
    elif row.break_quantity is not None and row.break_quantity <= row.from_quantity:
        yield "break_quantity", "is not above from_quantity: unit_cost never applies"


def doubts_of_change(before: str, after: str) -> Iterator[str]:
    """Find what is unlikely about a changed amount."""
    old, new = float(before or 0), float(after or 0)
    if old and new and not 1 / FACTOR < new / old < FACTOR:
        yield f"{before} -> {after} is a change by a factor of {max(old / new, new / old):.0f}"


def doubts_of_text(text: str) -> Iterator[str]:
    """Find texts that were written wrongly to the file, or decoded wrongly before."""
    if text.casefold() in _NO_VALUES:
        yield f"{text!r} is probably no value: leave the cell empty"
    if _HTML.search(text) and (meant := visible(unescape(text))) != text:
        yield f"{text!r} is probably {meant!r}"
    if "\ufffd" in text:
        yield f"{text!r} has lost a character"
    if any(mark in text for mark in ("Ã", "Â", "â€")):
        try:
            meant = text.encode("windows-1252").decode("utf-8")
        except UnicodeError:
            return
        yield f"{text!r} is probably {meant!r}"


def lookalikes(ids: Iterable[str]) -> list[Sequence[str]]:
    """Return the groups of ids that differ in case only, or in leading zeros of a number.

    Spreadsheets drop such zeros.
    """
    groups: dict[str, list[str]] = {}
    for id_ in ids:
        groups.setdefault(str(int(id_)) if id_.isdecimal() else id_.casefold(), []).append(id_)
    return [group for group in groups.values() if len(group) > 1]
