"""Test the prices of order lines, and their totals."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import MAX_AMOUNT_MINOR, parse_percent, round_half_up, share
from models.orders import MAX_QUANTITY, OrderDocument, OrderLine
from models.pricing import (
    PricedLine,
    PriceTerms,
    ProductPrice,
    price_line,
    price_lines,
    total,
    without_tax,
)
from models.tax import TaxCase
from tests.support.masterdata.shop import order


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


WITH_TAX = PriceTerms(includes_tax=True, list_includes_tax=True)
AUSTRIAN = WITH_TAX.model_copy(update={"case": TaxCase.DISTANCE_SALE, "taxed_in": "AT"})
UNTAXED = WITH_TAX.model_copy(update={"case": TaxCase.EXPORT})


def order_of(*lines: dict[str, Any], **changes: Any) -> OrderDocument:
    """Build an order with these lines."""
    return OrderDocument.model_validate(order("A", "C-1", lines=list(lines), **changes))


def price_of(price_minor: int, rate_ppm: int = 190_000) -> ProductPrice:
    """Build the entry of SKU A in the price list, with 20 % tax abroad."""
    return ProductPrice(
        sku="A",
        name="A",
        unit_price_minor=price_minor,
        tax_rate_ppm=rate_ppm,
        foreign_rate_ppm=200_000,
    )


@pytest.mark.parametrize(
    ("terms", "line", "expected"),
    [
        (WITH_TAX, {}, (999, 839, 160, 999)),
        (WITH_TAX, {"unit_price": "1.19"}, (119, 100, 19, 119)),
        (AUSTRIAN, {}, (999, 833, 166, 999)),
        (UNTAXED, {}, (839, 839, 0, 839)),
        (UNTAXED, {"unit_price": "9.99"}, (999, 999, 0, 999)),
        (WITH_TAX.model_copy(update={"includes_tax": False}), {}, (839, 839, 159, 998)),
        (PriceTerms(includes_tax=True), {}, (1189, 999, 190, 1189)),
        (PriceTerms(includes_tax=True, case=TaxCase.EXPORT), {}, (999, 999, 0, 999)),
        (PriceTerms(), {}, (999, 999, 190, 1189)),
    ],
    ids=[
        "list price with tax",
        "given price with tax",
        "list price with tax, at another rate",
        "list price with tax, untaxed",
        "given price, untaxed",
        "list price with tax, order without",
        "list price without tax, order with",
        "the same, untaxed",
        "without tax",
    ],
)
def test_prices_are_given_with_or_without_tax(
    terms: PriceTerms, line: dict[str, Any], expected: tuple[int, ...]
) -> None:
    """Unit price, net, tax and total of one unit of 9.99 in the price list, at 19 % at home."""
    lines = price_lines(order_of({"sku": "A", "quantity": 1} | line), {"A": price_of(999)}, terms)
    totals = total(lines)
    found = (lines[0].unit_price_minor, totals.net_minor, totals.tax_minor, totals.total_minor)
    assert found == expected


@given(
    sold=st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.sampled_from([1, 2, 3, 7, 1_000]),
            st.sampled_from([0, 70_000, 190_000, 255_000]),
            st.sampled_from(["0", "33.3333", "100"]),
        ),
        min_size=1,
        max_size=8,
    ),
    discount=st.sampled_from(["0", "3", "12.5", "99.9999"]),
)
def test_total_with_tax_is_exactly_the_sum_of_prices(
    sold: list[tuple[int, int, int, str]], discount: str
) -> None:
    """Less discounts; net amounts of lines add up at each rate, and none is a cent off its own."""
    products = {
        f"A{n}": price_of(price, rate).model_copy(update={"sku": f"A{n}"})
        for n, (price, _, rate, _) in enumerate(sold)
    }
    document = order_of(
        *(
            {"sku": f"A{n}", "quantity": quantity, "discount_percent": off}
            for n, (_, quantity, _, off) in enumerate(sold)
        ),
        discount_percent=discount,
    )
    lines = price_lines(document, products, WITH_TAX)
    totals = total(lines)
    promised_minor = sum(
        share(price * quantity, 1_000_000 - parse_percent(off)) for price, quantity, _, off in sold
    )
    promised_minor -= share(promised_minor, parse_percent(discount))
    assert totals.total_minor == promised_minor == sum(line.gross_minor or 0 for line in lines)
    for tax in totals.taxes:
        at_rate = [line for line in lines if line.tax_rate_ppm == tax.rate_ppm]
        gross_minor = sum(line.gross_minor or 0 for line in at_rate)
        assert tax.taxable_minor == sum(line.net_minor for line in at_rate)
        assert tax.taxable_minor == without_tax(gross_minor, tax.rate_ppm)
        for line in at_rate:
            exact = Fraction((line.gross_minor or 0) * 1_000_000, 1_000_000 + line.tax_rate_ppm)
            assert abs(line.net_minor - exact) < 1


def test_product_without_rate_where_it_is_taxed_is_an_error() -> None:
    product = price_of(999).model_copy(update={"foreign_rate_ppm": None})
    with pytest.raises(ValueError, match="a row AT,standard,RATE"):
        price_lines(order_of({"sku": "A", "quantity": 1}), {"A": product}, AUSTRIAN)
