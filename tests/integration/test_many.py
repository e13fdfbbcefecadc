"""Many orders at once, partners acting by themselves: everything exactly once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlmodel import Session, select

from models.tables.billing import InvoiceRow
from models.tables.stock import Stock
from tests.conftest import DATABASES, new_world
from tests.support.shop import order
from tests.support.world import World

SMALL, FULL = 12, 300
AT_ONCE = 16


@pytest.fixture(params=DATABASES)
async def busy(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline whose partners answer by themselves."""
    async with new_world(request, engine_address, worker=True, auto=True) as made:
        yield made


@pytest.mark.sized
async def test_many_orders_at_once_are_each_done_exactly_once(busy: World, full: bool) -> None:
    """More is ordered than there is: bought, billed without gaps, asked and booked once each."""
    count = FULL if full else SMALL
    sku, customer = busy.shop(on_hand=count // 2)
    documents = [order(sku, customer) for _ in range(count)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def place_and_wait(order_id: str, document: dict[str, object]) -> None:
        async with gate:
            await busy.place(document)
            async with asyncio.timeout(300):
                await busy.client.get_workflow_handle(f"order-{order_id}").result()

    await asyncio.gather(*(place_and_wait(d["order_id"], d) for d in documents))
    shown = (await busy.api.get("/orders", params={"limit": 0})).json()
    assert Counter(o["stage"] for o in shown) == {"completed": count}

    def numbers(session: Session) -> list[str]:
        return sorted(session.exec(select(InvoiceRow.number)).all())

    issued = busy.database.read(numbers)
    assert [int(number.rpartition("-")[2]) for number in issued] == list(range(1, count + 1))
    requests = (await busy.books("payments"))["requests"]
    asked = Counter(r["body"]["order_id"] for r in requests if r["operation"] == "request")
    bookings = (await busy.books("carriers"))["requests"]
    booked = Counter(r["body"]["order_id"] for r in bookings if r["operation"] == "booking")
    each_once = {d["order_id"]: 1 for d in documents}
    assert asked == each_once
    assert booked == each_once
    bought = [r["body"] for r in (await busy.books("suppliers"))["requests"]]
    units = sum(line["quantity"] for po in bought for line in po["lines"])
    assert units == count - count // 2
    [stock] = busy.database.read(lambda s: list(s.exec(select(Stock))))
    assert (stock.on_hand, stock.reserved, stock.value_minor) == (0, 0, 0)
