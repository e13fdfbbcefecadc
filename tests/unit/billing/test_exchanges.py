"""The value of an exchange's units: by property."""

from hypothesis import given
from hypothesis import strategies as st

from models.pricing import PricedLine
from models.returns import ExchangeLine

lines = st.builds(
    lambda quantity, net_minor: ExchangeLine(
        sku="A",
        quantity=quantity,
        credited=PricedLine(
            line_no=7,
            sku="A",
            name="Drill",
            quantity=quantity,
            list_price_minor=999,
            unit_price_minor=999,
            discount_ppm=0,
            net_minor=net_minor,
            tax_rate_ppm=190_000,
        ),
    ),
    st.integers(1, 20),
    st.integers(0, 100_000),
)


@given(line=lines, steps=st.lists(st.integers(0, 9), max_size=9))
def test_parts_of_exchange_line_add_up_to_line(line: ExchangeLine, steps: list[int]) -> None:
    """No unit is settled twice, also if more units are requested than are left."""
    rest, parts = line, []
    for units in (*steps, line.quantity):
        rest, part = rest.take(units)
        assert part.net_minor >= 0
        parts.append(part)
    assert rest.settled == line.quantity
    assert sum(part.quantity for part in parts) == line.quantity
    assert sum(part.net_minor for part in parts) == line.credited.net_minor
    assert {part.line_no for part in parts} == {line.credited.line_no}
