"""Test the prices of order lines, and their totals."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import MAX_AMOUNT_MINOR, round_half_up
from models.orders import MAX_QUANTITY, OrderLine
from models.pricing import PricedLine, PriceTerms, ProductPrice, price_line, total
from models.tax import TaxCase


def priced(
    net_minor: int = 0, *, rate_ppm: int = 190_000, quantity: int = 1, **changes: Any
) -> PricedLine:
    """Price a line with this list price, by default of one unit without discount."""
    product = ProductPrice(sku="A", name="A", unit_price_minor=net_minor, tax_rate_ppm=rate_ppm)
    line = OrderLine(sku="A", quantity=quantity, **changes)
    return price_line(1, line, product, "EUR", PriceTerms())


@given(
    quantity=st.integers(1, MAX_QUANTITY),
    price_minor=st.integers(0, 10**9),
    discount=st.integers(0, 10_000),
)
def test_line_is_rounded_once_after_discount(
    quantity: int, price_minor: int, discount: int
) -> None:
    percent = f"{discount // 100}.{discount % 100:02d}"
    line = priced(price_minor, quantity=quantity, discount_percent=percent)
    exact = Fraction(quantity * price_minor) * (1 - Fraction(discount, 10_000))
    assert line.net_minor == round_half_up(exact.numerator, exact.denominator)


def test_discounted_units_are_not_rounded_one_by_one() -> None:
    """3 x 0.33 less 50 % is 0.495; each unit rounded, it would be 3 x 0.17."""
    assert priced(33, quantity=3, discount_percent="50").net_minor == 50


def test_price_in_document_overrides_list_price() -> None:
    line = priced(10_000, unit_price="80.00")
    assert (line.list_price_minor, line.unit_price_minor, line.net_minor) == (10_000, 8_000, 8_000)


def test_price_of_zero_is_valid() -> None:
    assert priced(10_000, unit_price="0").net_minor == 0
    assert priced(10_000, discount_percent="100").net_minor == 0


def test_tax_is_computed_once_per_rate() -> None:
    """Three lines of 0.03 at 19 % have 0.0171 of tax; rounded one by one it would be zero."""
    totals = total([priced(3), priced(3), priced(3), priced(10, rate_ppm=70_000)])
    assert [(t.rate_ppm, t.taxable_minor, t.tax_minor) for t in totals.taxes] == [
        (70_000, 10, 1),
        (190_000, 9, 2),
    ]
    assert (totals.net_minor, totals.tax_minor, totals.total_minor) == (19, 3, 22)


@pytest.mark.parametrize("case", [case for case in TaxCase if not case.is_taxed])
def test_untaxed_cases_have_no_tax(case: TaxCase) -> None:
    product = ProductPrice(sku="A", name="A", unit_price_minor=10_000, tax_rate_ppm=190_000)
    line = price_line(1, OrderLine(sku="A", quantity=1), product, "EUR", PriceTerms(case=case))
    totals = total([line])
    assert (line.tax_rate_ppm, totals.tax_minor, totals.total_minor) == (0, 0, 10_000)


@given(
    nets=st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from([0, 70_000, 190_000])), min_size=1
    )
)
def test_total_is_sum_of_net_and_tax_by_rate(nets: list[tuple[int, int]]) -> None:
    totals = total(priced(net, rate_ppm=rate) for net, rate in nets)
    assert totals.net_minor == sum(net for net, _ in nets)
    assert sum(t.taxable_minor for t in totals.taxes) == totals.net_minor
    assert totals.total_minor == totals.net_minor + totals.tax_minor
    for part in totals.taxes:
        assert part.tax_minor == round_half_up(part.taxable_minor * part.rate_ppm, 10**6)


def test_largest_total_is_accepted() -> None:
    assert total([priced(MAX_AMOUNT_MINOR, rate_ppm=0)]).total_minor == MAX_AMOUNT_MINOR


@pytest.mark.parametrize(
    "lines",
    [
        [priced(MAX_AMOUNT_MINOR, rate_ppm=0), priced(1, rate_ppm=0)],
        [priced(MAX_AMOUNT_MINOR, rate_ppm=10_000)],
        [priced(MAX_AMOUNT_MINOR, quantity=MAX_QUANTITY)],
    ],
    ids=["lines", "tax", "quantity"],
)
def test_total_above_largest_amount_is_refused(lines: list[PricedLine]) -> None:
    with pytest.raises(ValueError, match="beyond the largest amount"):
        total(lines)
