"""Test services in orders: their tax, and the delivery whose invoice carries them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.orders import OrderDocument
from models.pricing import PricedLine, PriceTerms, ProductPrice, price_lines, total
from models.services import is_service_order, services_net, services_of
from models.tax import AS_GOODS, ProductKind, TaxCase
from tests.support.masterdata.shop import order

STANDARD, REDUCED = 190_000, 70_000
SERVICE = ProductKind.SERVICE


def product(sku: str, price_minor: int, rate_ppm: int = STANDARD, **fields: Any) -> ProductPrice:
    """Make an entry of the price list."""
    return ProductPrice(
        sku=sku, name=sku, unit_price_minor=price_minor, tax_rate_ppm=rate_ppm, **fields
    )


PRODUCTS = {
    one.sku: one
    for one in (
        product("SAW", 10_000),
        product("BOOK", 2_500, REDUCED),
        product("GIFT", 0),
        product("SHIPPING", 490, kind=SERVICE, tax_class=AS_GOODS),
        product("ASSEMBLY", 5_000, kind=SERVICE),
    )
}
GROSS = PriceTerms(includes_tax=True, list_includes_tax=True)
WITH_GOODS = PriceTerms(service_case=TaxCase.DOMESTIC)


def priced(*lines: str, terms: PriceTerms = WITH_GOODS, **changes: Any) -> list[PricedLine]:
    """Price an order of these lines, each as "SKU" or "SKU*units"."""
    sent: list[dict[str, object]] = []
    for line in lines:
        sku, _, units = line.partition("*")
        sent.append({"sku": sku, "quantity": int(units or 1)})
    document = OrderDocument.model_validate(order("A", "C-1", lines=sent, **changes))
    return price_lines(document, PRODUCTS, terms)


UNTAXED = PriceTerms(case=TaxCase.EXPORT, service_case=TaxCase.EXPORT)
CASES = [
    # lines of the order, terms: number, SKU, price and rate of the lines that are services
    (["SAW", "SHIPPING"], None, [(2, "SHIPPING", 490, STANDARD)]),
    (["BOOK", "SHIPPING"], None, [(2, "SHIPPING", 490, REDUCED)]),
    (["SAW", "BOOK", "SHIPPING"], None, [(3, "SHIPPING", 98, REDUCED), (4, "SHIPPING", 392, STANDARD)]),
    (["SHIPPING", "SAW", "BOOK*4"], None, [(1, "SHIPPING", 245, REDUCED), (4, "SHIPPING", 245, STANDARD)]),
    (["SAW", "BOOK*2", "SHIPPING*3"], None, [(3, "3 x SHIPPING", 490, REDUCED), (4, "3 x SHIPPING", 980, STANDARD)]),
    (["SAW", "SHIPPING*3"], None, [(2, "SHIPPING", 1_470, STANDARD)]),
    (["GIFT", "SHIPPING"], None, [(2, "SHIPPING", 490, STANDARD)]),
    (["SHIPPING"], PriceTerms(), [(1, "SHIPPING", 490, STANDARD)]),
    (["BOOK", "ASSEMBLY", "SHIPPING"], None, [(2, "ASSEMBLY", 5_000, STANDARD), (3, "SHIPPING", 490, REDUCED)]),
    (["SAW", "BOOK", "SHIPPING"], UNTAXED, [(3, "SHIPPING", 490, 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "terms", "expected"), CASES)
def test_incidental_service_has_the_rates_of_the_goods(
    lines: list[str], terms: PriceTerms | None, expected: list[tuple[int, str, int, int]]
) -> None:
    """2006/112/EC art. 78 (b); another service has its own rate."""
    found = services_of(priced(*lines, terms=terms) if terms else priced(*lines))
    assert [(row.line_no, row.name, row.net_minor, row.tax_rate_ppm) for row in found] == expected


def test_price_with_tax_of_an_incidental_service_stays_as_it_is() -> None:
    """4.90 are split by the prices with tax, and each part contains the tax of its rate."""
    terms = GROSS.model_copy(update={"service_case": TaxCase.DOMESTIC})
    lines = priced("SAW", "BOOK*4", "SHIPPING", terms=terms)
    assert [(row.gross_minor, row.net_minor) for row in services_of(lines)] == [
        (245, 229),
        (245, 206),
    ]
    assert total(lines).total_minor == 20_000 + 490


@given(
    saws=st.integers(0, 5),
    books=st.integers(0, 5),
    shipping=st.integers(1, 3),
    discount=st.sampled_from(["0", "3.3333", "100"]),
    includes_tax=st.booleans(),
)
def test_parts_of_a_service_add_up_to_its_price(
    saws: int, books: int, shipping: int, discount: str, includes_tax: bool
) -> None:
    """Less the discount of the order; the numbers of lines are unique."""
    kinds = {"SAW": saws, "BOOK": books, "SHIPPING": shipping}
    sent = [f"{sku}*{units}" for sku, units in kinds.items() if units]
    terms = GROSS if includes_tax else PriceTerms()
    if saws or books:
        terms = terms.model_copy(update={"service_case": TaxCase.DOMESTIC})
    lines = priced(*sent, terms=terms, discount_percent=discount)
    before = sum(row.shown_minor for row in services_of(lines))
    assert before == 490 * shipping
    assert len({row.line_no for row in lines}) == len(lines)
    assert {row.tax_rate_ppm for row in services_of(lines)} <= {
        *([STANDARD] if saws or not books else []),
        *([REDUCED] if books else []),
    }


def test_services_are_told_from_goods() -> None:
    lines = priced("SAW", "BOOK", "ASSEMBLY")
    assert services_net(lines) == 5_000
    assert not is_service_order(lines)
    assert is_service_order(services_of(lines))
    assert not is_service_order([])
