"""The worker process is killed at every point of a prepaid order: nothing is lost or doubled.

A first order counts the points: each statement and COMMIT of its steps, and each call to a partner
(`tests/support/pipeline/dying_worker.py`). Then each point has an order of its own, whose worker
dies there. The next workers also continue the earlier orders, so some of these lose two workers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlmodel import select

from models.tables.billing import InvoiceRow
from models.tables.stock import Stock
from tests.conftest import DATABASES, new_world
from tests.support.orders.exactly_once import (
    assert_asked_once,
    assert_completed_once,
    until_asked,
)
from tests.support.orders.stages import TOTAL, NewOrder, new_order
from tests.support.pipeline import dying_worker
from tests.support.pipeline.processes import WorkerProcess
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import reorder_at

SPREAD = 20
"""Without --full the worker is killed at every twentieth point, and at those of ALWAYS."""
ALWAYS = ("after COMMIT (1)", "after COMMIT (3)")
"""The order is recorded, or paid: no partner has been called, and no workflow notified."""
EXPECTED_POINTS = 80
"""Fewer would mean that points are no longer found."""


@dataclass
class Played:
    """An order and the messages that it was sent."""

    world: World
    terms: str
    new: NewOrder = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.new = new_order(self.world, terms=self.terms)
        reorder_at(self.world, self.new.sku, reorder_point=0, order_quantity=5)

    @property
    def order_id(self) -> str:
        """The order's id."""
        return self.new.order_id

    async def send_next(self) -> None:
        """Send the next message of its story."""
        send, _ = STORIES[self.terms][self.sent]
        self.sent += 1
        await send(self)

    async def until_applied(self) -> None:
        """Wait until all that the last message causes is recorded."""
        _, applied = STORIES[self.terms][self.sent - 1]
        await applied(self)

    async def finish(self) -> None:
        """Send the other messages, each when the last one is applied."""
        while self.sent < len(STORIES[self.terms]):
            await self.until_applied()
            await self.send_next()
        await self.until_applied()

    async def place(self) -> None:
        """Place the order."""
        await self.world.place(self.new.document)

    async def pay(self) -> None:
        """Report the payment."""
        await self.world.pay(self.order_id, TOTAL)

    async def dispatch(self) -> None:
        """Report the dispatch."""
        await self.world.ship(self.order_id, "dispatched")

    async def deliver(self) -> None:
        """Report the delivery."""
        await self.world.ship(self.order_id, "delivered")

    async def requested(self) -> None:
        """Wait until the payment is requested."""
        await self.world.until_event(self.order_id, "payment_requested")

    async def booked(self) -> None:
        """Wait until a carrier is booked."""
        await self.world.until_event(self.order_id, "booked")

    async def announced(self) -> None:
        """Wait until the dispatch is mailed."""
        await self.world.until_order(
            self.order_id,
            lambda shown: any(row["detail"].startswith("dispatch to") for row in shown["history"]),
        )

    async def completed(self) -> None:
        """Wait until the order is completed and its workflow has ended."""
        await self.world.until(self.order_id, "completed")
        await self.world.ended(self.order_id)


Act = Callable[[Played], Awaitable[None]]
STORIES: dict[str, tuple[tuple[Act, Act], ...]] = {
    "prepaid": (
        (Played.place, Played.requested),
        (Played.pay, Played.booked),
        (Played.dispatch, Played.announced),
        (Played.deliver, Played.completed),
    ),
    "net30": (
        (Played.place, Played.booked),
        (Played.dispatch, Played.requested),
        (Played.pay, Played.announced),
        (Played.deliver, Played.completed),
    ),
}
"""The messages of an order by its terms, and what is waited for after each."""


@pytest.fixture(params=DATABASES)
async def own_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker, whose orders are all of this test."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


@pytest.mark.sized
@pytest.mark.parametrize("terms", STORIES)
async def test_order_completes_exactly_once_after_a_kill_at_any_point(
    own_world: World, full: bool, terms: str
) -> None:
    """One invoice, payment request, quote, booking and goods issue; numbers without gaps. The order
    takes the last unit, which is purchased anew once."""
    process = WorkerProcess(own_world, Path(dying_worker.__file__))
    points = await count_points(process, terms)
    assert len(points) >= EXPECTED_POINTS, points
    fatal = [
        point
        for number, point in enumerate(points)
        if full or number % SPREAD == 0 or point in ALWAYS
    ]
    try:
        orders = {point: await kill_at(process, point, terms) for point in fatal}
        process.start(("never", "none"))
        await asyncio.gather(*(played.finish() for played in orders.values()))
        for played in orders.values():
            await until_asked(own_world, "suppliers", "purchase_order", played.new.sku)
    finally:
        process.kill()
    for played in orders.values():
        await assert_completed_once(own_world, played.order_id)
        await assert_asked_once(own_world, "carriers", "quote", f"SH-{played.order_id}-")
        await assert_asked_once(own_world, "suppliers", "purchase_order", played.new.sku)
    assert_numbers_and_stock(own_world, 1 + len(orders))


async def count_points(process: WorkerProcess, terms: str) -> list[str]:
    """Play an order undisturbed; return the points that its steps reach."""
    played = Played(process.world, terms)
    log = process.world.folder / "points"
    process.start((str(log), f"order-{played.order_id}"))
    try:
        await played.send_next()
        await played.finish()
    finally:
        process.kill()
    return log.read_text().splitlines()


async def kill_at(process: WorkerProcess, point: str, terms: str) -> Played:
    """Play an order until the worker dies at a point of it."""
    played = Played(process.world, terms)
    log = process.world.folder / f"points-{played.order_id}"
    process.start((str(log), f"order-{played.order_id}", point))
    assert process.running is not None
    death = asyncio.create_task(asyncio.to_thread(process.running.join))
    while not death.done():
        assert played.sent < len(STORIES[terms]), f"{point} not reached, only {log.read_text()}"
        await played.send_next()
        applied = asyncio.create_task(played.until_applied())
        await asyncio.wait((death, applied), return_when=asyncio.FIRST_COMPLETED)
        applied.cancel()
    process.kill()
    return played


def assert_numbers_and_stock(world: World, orders: int) -> None:
    """Assert one invoice for each order, numbered without gaps, and that all goods have left."""
    invoices = world.database.read(lambda session: session.exec(select(InvoiceRow.number)).all())
    assert sorted(int(number.rpartition("-")[2]) for number in invoices) == [*range(1, orders + 1)]
    stock = world.database.read(lambda session: session.exec(select(Stock)).all())
    assert [(row.on_hand, row.reserved, row.value_minor) for row in stock] == [(0, 0, 0)] * orders
