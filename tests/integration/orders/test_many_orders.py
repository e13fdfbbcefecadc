"""Many orders at once, with partners that act by themselves: everything happens exactly once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlmodel import select

from models.tables.billing import InvoiceRow
from models.tables.stock import Stock
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import Document, order
from tests.support.pipeline.world import World

SMALL, FULL = 12, 300
AT_ONCE = 16


@pytest.fixture(params=DATABASES)
async def busy(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline whose partners act by themselves."""
    async with new_world(request, engine_address, worker=True, auto=True) as world:
        yield world


@pytest.mark.sized
async def test_each_of_many_concurrent_orders_completes_exactly_once(
    busy: World, full: bool
) -> None:
    """Half of the units are purchased; invoice numbers have no gaps; one booking each."""
    count = FULL if full else SMALL
    sku, customer = busy.shop(on_hand=count // 2)
    documents = [order(sku, customer) for _ in range(count)]
    slots = asyncio.Semaphore(AT_ONCE)

    async def complete(document: Document) -> None:
        async with slots:
            await busy.place(document)
            async with asyncio.timeout(300):
                await busy.order_workflow(document["order_id"]).result()

    await asyncio.gather(*(complete(document) for document in documents))
    shown = (await busy.api.get("/orders", params={"limit": 0})).json()
    assert Counter(o["stage"] for o in shown) == {"completed": count}

    issued = busy.database.read(lambda s: s.exec(select(InvoiceRow.number)).all())
    numbers = sorted(int(number.rpartition("-")[2]) for number in issued)
    assert numbers == list(range(1, count + 1))
    requests = (await busy.books("payments"))["requests"]
    requested = Counter(r["body"]["order_id"] for r in requests if r["operation"] == "request")
    bookings = (await busy.books("carriers"))["requests"]
    booked = Counter(r["body"]["order_id"] for r in bookings if r["operation"] == "booking")
    each_once = {d["order_id"]: 1 for d in documents}
    assert requested == each_once
    assert booked == each_once
    purchases = [r["body"] for r in (await busy.books("suppliers"))["requests"]]
    units = sum(line["quantity"] for po in purchases for line in po["lines"])
    assert units == count - count // 2
    [stock] = busy.database.read(lambda s: list(s.exec(select(Stock))))
    assert (stock.on_hand, stock.reserved, stock.value_minor) == (0, 0, 0)
