"""The report of tax: net amounts and tax of a period by country, category and rate.

Invoices and credit notes state their tax by rate. Tax of payments on account (2006/112/EC art. 65)
and relief for bad debts (art. 90) are postings of one amount: it is split over the rates of its
order by their tax. The split is of running totals, so that at each rate a payment and the invoice
that deducts it are equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.money import round_half_up
from models.orders import Fulfilment
from models.pricing import TaxAmount
from models.tax import TaxCase, vat_area


class TaxKey(NamedTuple):
    """Where and how amounts are taxed. `category`: of EN 16931 (UNTDID 5305)."""

    currency: str
    country: str
    category: str
    rate_ppm: int


def split_tax(tax_minor: int, taxes: Sequence[TaxAmount]) -> list[TaxAmount]:
    """Split tax over the rates of an order by their tax, with the net amounts that it is of."""
    whole_minor = sum(tax.tax_minor for tax in taxes)
    parts, before_minor, taken_minor = [], 0, 0
    for tax in taxes:
        before_minor += tax.tax_minor
        until_minor = round_half_up(tax_minor * before_minor, whole_minor) if whole_minor else 0
        part_minor, taken_minor = until_minor - taken_minor, until_minor
        net_minor = round_half_up(tax.taxable_minor * part_minor, tax.tax_minor or 1)
        parts.append(
            TaxAmount(
                rate_ppm=tax.rate_ppm,
                taxable_minor=net_minor if part_minor else 0,
                tax_minor=part_minor,
            )
        )
    return parts


def tax_country(
    case: TaxCase,
    fulfilment: Fulfilment,
    *,
    seller: tuple[str, str],
    location: tuple[str, str] | None,
    ship_to: tuple[str, str],
) -> str:
    """Return the country to which an order's tax is declared; each place: country, postal code.

    It is the destination of a distance sale, else the place where goods are handed over, or the
    seller's.
    """
    if case is TaxCase.DISTANCE_SALE:
        return vat_area(*ship_to)
    if case is TaxCase.DOMESTIC and fulfilment is not Fulfilment.CARRIER and location is not None:
        return vat_area(*location)
    return vat_area(*seller)
