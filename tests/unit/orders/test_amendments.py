"""Amended lines: agreed prices, other quantities, and the discount of the new order."""

from typing import Any

import pytest

from models.amendments import amend_lines
from models.pricing import PricedLine, total


def line(sku: str, quantity: int, unit_minor: int = 1_000, **changes: Any) -> PricedLine:
    """Make a line without tax in its price."""
    fields: dict[str, Any] = {
        "line_no": 1,
        "name": sku,
        "list_price_minor": unit_minor,
        "unit_price_minor": unit_minor,
        "discount_ppm": 0,
        "net_minor": unit_minor * quantity,
        "tax_rate_ppm": 190_000,
    }
    return PricedLine(sku=sku, quantity=quantity, **fields | changes)


SAW, BIT = line("SAW", 3), line("BIT", 2, 250, line_no=2)


@pytest.mark.parametrize(
    ("quantities", "added", "discount_ppm", "expected", "total_minor"),
    [
        ({}, (), 0, [("SAW", 1, 3, 3_000), ("BIT", 2, 2, 500)], 4_165),
        ({"SAW": 1}, (), 0, [("SAW", 1, 1, 1_000), ("BIT", 2, 2, 500)], 1_785),
        ({"SAW": 0}, (), 0, [("BIT", 2, 2, 500)], 595),
        ({"SAW": 5}, (), 0, [("SAW", 1, 5, 5_000), ("BIT", 2, 2, 500)], 6_545),
        ({"SAW": 0}, (line("OIL", 1, 400),), 0, [("BIT", 2, 2, 500), ("OIL", 3, 1, 400)], 1_071),
        ({"SAW": 1}, (), 100_000, [("SAW", 1, 1, 900), ("BIT", 2, 2, 450)], 1_607),
    ],
)
def test_amended_lines(
    quantities: dict[str, int],
    added: tuple[PricedLine, ...],
    discount_ppm: int,
    expected: list[tuple[str, int, int, int]],
    total_minor: int,
) -> None:
    """They keep their number and price; the order's discount is shared again."""
    lines = amend_lines([SAW, BIT], quantities, added, discount_ppm)
    found = [(each.sku, each.line_no, each.quantity, each.net_minor) for each in lines]
    assert (found, total(lines).total_minor) == (expected, total_minor)


def test_number_of_a_removed_line_is_not_reused() -> None:
    """Its reservations and shortages keep the number."""
    [_, added] = amend_lines([SAW], {}, (line("OIL", 1),), 0, used_no=2)
    assert (added.sku, added.line_no) == ("OIL", 3)


def test_prices_with_tax_stay_exact() -> None:
    """The total is the sum of the prices."""
    gross = line("SAW", 3, 1_190, gross_minor=3_570, net_minor=3_000)
    [amended] = amend_lines([gross], {"SAW": 2}, (), 0)
    assert (amended.gross_minor, amended.net_minor) == (2_380, 2_000)
    assert total([amended]).total_minor == 2_380


def test_discount_of_a_line_stays() -> None:
    [amended] = amend_lines([line("SAW", 3, discount_ppm=100_000)], {"SAW": 2}, (), 0)
    assert amended.net_minor == 1_800
