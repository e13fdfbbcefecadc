"""The value of an exchange's units, by property, and the locks of its commands."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlmodel import select

from models.pricing import PricedLine
from models.returns import Condition, Disposition, ExchangeLine, RequestedOutcome
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper

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


def test_paid_order_of_an_exchange_is_locked_before_stock(till: Bookkeeper) -> None:
    """In this order every command locks them, so that none waits for another in a circle."""
    till.place([("A", 2)], "prepaid", "ADA", "0", early=False)
    till.pay(0, "all", twice=False)
    till.issue_goods(pick=0)
    till.deliver(pick=0)
    till.take_back(0, True, Disposition.SCRAP, Condition.AS_NEW, RequestedOutcome.EXCHANGE)
    exchange_id = next(key for key in till.read(select(Order.order_id)) if key.endswith("-X1"))
    paid_id = exchange_id.removesuffix("-X1")
    locks: list[str] = []

    def record(_c: object, _cursor: object, statement: str, parameters: Any, *_rest: Any) -> None:
        if "FROM stock " in statement.replace("\n", " "):
            locks.append("stock")
        elif "FROM orders" in statement and paid_id in tuple(parameters):
            locks.append("paid order")

    event.listen(Engine, "before_cursor_execute", record)
    try:
        done = till.command(
            "amend", kind="amend", order_id=exchange_id, lines=[{"sku": "A", "quantity": 1}]
        )
    finally:
        event.remove(Engine, "before_cursor_execute", record)
    assert done.refusal is None, done
    assert locks[:1] == ["paid order"], locks
    assert "stock" in locks
