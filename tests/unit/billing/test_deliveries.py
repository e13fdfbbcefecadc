"""Parts of orders: the invoices of all deliveries add up to the order, to the cent."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.deliveries import cancel_units, part_of_order, totals_of_units, units_of_line
from models.pricing import NetAmounts, PricedLine, discount_order, total

RATES = (0, 70_000, 190_000)


def line(number: int, quantity: int, price: int, rate: int, *, gross: bool = False) -> PricedLine:
    """Price a line without a discount of its own."""
    amount = quantity * price
    return PricedLine(
        line_no=number,
        sku=f"S{number}",
        name="Saw",
        quantity=quantity,
        list_price_minor=price,
        unit_price_minor=price,
        discount_ppm=0,
        net_minor=NetAmounts().take(amount, rate) if gross else amount,
        tax_rate_ppm=rate,
        gross_minor=amount if gross else None,
    )


@pytest.mark.parametrize(
    ("before", "units", "net", "tax"),
    [
        ({}, {1: 1}, 333, 63),
        ({1: 1}, {1: 1}, 334, 64),
        ({1: 2}, {1: 1}, 333, 63),
        ({1: 1}, {1: 2}, 667, 127),
        ({}, {1: 3}, 1_000, 190),
    ],
)
def test_part_has_the_difference_of_cumulated_amounts(
    before: dict[int, int], units: dict[int, int], net: int, tax: int
) -> None:
    """Three units for 10.00 and 1.90 of tax: no cent is lost, however they are delivered."""
    third = line(1, 3, 334, 190_000).model_copy(update={"net_minor": 1_000})
    part = part_of_order([third], before, units)
    assert (part.net_minor, part.tax_minor) == (net, tax)


@given(data=st.data(), gross=st.booleans(), discount=st.sampled_from([0, 30_000, 125_000]))
def test_all_parts_add_up_to_the_order(data: st.DataObject, gross: bool, discount: int) -> None:
    """At each rate; so do the lines of each part, and all discounts."""
    drawn = data.draw(
        st.lists(
            st.tuples(st.integers(1, 9), st.integers(1, 9_999), st.sampled_from(RATES)),
            min_size=1,
            max_size=4,
        )
    )
    lines = discount_order(
        [line(n, *one, gross=gross) for n, one in enumerate(drawn, start=1)], discount
    )
    left = Counter({one.line_no: one.quantity for one in lines})
    before, parts = Counter[int](), []
    while left.total():
        units = {n: data.draw(st.integers(0, count)) for n, count in left.items()}
        if not any(units.values()):
            units = dict(left)
        parts.append(part_of_order(lines, before, units))
        before.update(units)
        left.subtract(units)
    whole = total(lines)
    assert sum(part.net_minor + part.tax_minor for part in parts) == whole.total_minor
    for tax in whole.taxes:
        at_rate = [one for part in parts for one in part.taxes if one.rate_ppm == tax.rate_ppm]
        assert sum(one.taxable_minor for one in at_rate) == tax.taxable_minor
        assert sum(one.tax_minor for one in at_rate) == tax.tax_minor
    for part in parts:
        assert sum(one.net_minor for one in part.lines) == part.net_minor
        assert min(one.net_minor for one in part.lines) >= 0
        assert all(tax.tax_minor >= 0 for tax in part.taxes)
        if gross:
            assert sum(one.gross_minor or 0 for one in part.lines) == (
                part.net_minor + part.tax_minor
            )
    shown = [one for part in parts for one in part.lines]
    for field in ("order_discount_minor", "gross_discount_minor", "quantity"):
        assert sum(getattr(one, field) for one in shown) == sum(getattr(o, field) for o in lines)


@pytest.mark.parametrize(
    ("invoiced", "before", "cancelled", "credited", "net"),
    [
        (2, 0, 4, 0, 0),  # two of six delivered, the rest is cancelled
        (0, 0, 6, 0, 0),
        (2, 0, 6, 2, 333),  # two were lost and are to be sent again: all of it is cancelled
        (2, 4, 2, 2, 333),
        (2, 0, 5, 1, 166),
        (6, 0, 1, 1, 167),
    ],
)
def test_cancelled_units_are_credited_as_far_as_they_are_invoiced(
    invoiced: int, before: int, cancelled: int, credited: int, net: int
) -> None:
    """Six units for 10.00: the credited ones are the last that were invoiced."""
    six = line(1, 6, 167, 190_000).model_copy(update={"net_minor": 1_000})
    found = cancel_units(six, invoiced=invoiced, cancelled_before=before, cancelled=cancelled)
    assert (found.credited, found.net_minor) == (credited, net)


def test_order_without_cancelled_units_costs_what_is_left() -> None:
    lines = [line(1, 3, 100, 190_000), line(2, 2, 50, 70_000)]
    assert totals_of_units(lines, {1: 3, 2: 2}) == total(lines)
    left = totals_of_units(lines, {1: 1})
    assert (left.net_minor, left.total_minor) == (100, 119)
    assert units_of_line(lines[0], 0, 3) == lines[0]
