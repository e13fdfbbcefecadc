"""A replenishment with many signals continues as new again and again, and loses none of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio.client import WorkflowExecutionStatus

from models.purchasing import PurchaseOrderState as State
from models.stock import MovementKind
from models.tables.purchasing import GoodsReceipt
from models.tables.stock import StockMovement
from tests.conftest import DATABASES, SHORT_HISTORIES, new_world, running_engine
from tests.support.masterdata.shop import order, unique
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import bought, offer, reorder_at, stock_at, until_purchases

SMALL, FULL = 90, 1_000
WAVES = 15
ON_HAND, COST_MINOR = 1, 5_000
LEAST_RUNS = 4
WAVES_PER_RUN = 3
"""Waves of signals after which the test waits for a new run.

A run continues as new only when no signal is pending, which on a busy machine may not be before the
next wave. The events of so many waves are more than SHORT_HISTORIES has.
"""


@pytest.fixture(params=DATABASES)
async def short_histories(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Run a pipeline whose engine suggests early to continue as new."""
    async with (
        running_engine(tmp_path, *SHORT_HISTORIES) as address,
        new_world(request, address, worker=True, auto=False) as world,
    ):
        yield world


@pytest.mark.sized
async def test_signals_across_continue_as_new_are_applied_once(
    short_histories: World, full: bool
) -> None:
    """Receipts of one unit each, every fifth sent twice, faster than the runs change."""
    world, units = short_histories, FULL if full else SMALL
    sku, customer = world.shop(on_hand=ON_HAND, offers=False)
    offer(world, sku, unique("S"), COST_MINOR)
    reorder_at(world, sku, reorder_point=0, order_quantity=units)
    await world.place(order(sku, customer))
    [only] = await until_purchases(
        world, sku, lambda found: [p.order.state for p in found] == [State.SENT]
    )
    po_id, wave = only.order.po_id, units // WAVES
    workflow_id = f"replenish-BER-{sku}"
    replenishment = world.client.get_workflow_handle(workflow_id)

    async def receive(number: int) -> None:
        receipt = {"receipt_id": f"{po_id}-{number}", "po_id": po_id, "sku": sku, "quantity": 1}
        await replenishment.signal("goods_received", receipt)
        if number % 5 == 0:
            await replenishment.signal("goods_received", receipt)

    async def read_run_id() -> str:
        return (await replenishment.describe()).run_id

    async def until_received(units: int) -> None:
        await until_purchases(world, sku, lambda found: found[0].lines[sku].received >= units)

    async def until_next_run(run_id: str) -> str:
        return await until(read_run_id, lambda found: found != run_id)

    run_id = await read_run_id()
    for count, first in enumerate(range(0, units - wave, wave), start=1):
        await asyncio.gather(*(receive(number) for number in range(first, first + wave)))
        await until_received(first + wave - 3)  # the next wave arrives while the last are applied
        if count % WAVES_PER_RUN == 0:
            run_id = await until_next_run(run_id)
    await asyncio.gather(*(receive(number) for number in range(units - wave, units - 1)))
    await receive(units - 1)  # the last one, sent once: a second signal would find no workflow
    async with asyncio.timeout(60):
        await replenishment.result()
    [done] = bought(world.database, sku)
    assert (done.order.state, done.lines[sku].received) == (State.RECEIVED, units)
    assert stock_at(world, sku) == (ON_HAND + units, 1, 6_000 + units * COST_MINOR)
    counts = world.database.read(lambda session: _receipts_and_movements(session, sku))
    assert counts == (units, units)
    runs = [
        run.status async for run in world.client.list_workflows(f"WorkflowId = '{workflow_id}'")
    ]
    assert runs.count(WorkflowExecutionStatus.CONTINUED_AS_NEW) >= LEAST_RUNS


def _receipts_and_movements(session: Session, sku: str) -> tuple[int, int]:
    """Count the receipts of a SKU, and the stock movements of receipts."""
    receipts = select(func.count()).select_from(GoodsReceipt).where(col(GoodsReceipt.sku) == sku)
    movements = (
        select(func.count())
        .select_from(StockMovement)
        .where(col(StockMovement.sku) == sku, col(StockMovement.kind) == MovementKind.RECEIPT)
    )
    return session.exec(receipts).one(), session.exec(movements).one()
