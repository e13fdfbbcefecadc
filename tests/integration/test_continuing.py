"""A replenishment that lives for long: its history is cut off again and again, and nothing is lost."""

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
from tests.conftest import DATABASES, new_world, running_engine
from tests.support.purchases import bought, offer, reorder_at, stock_at, until_purchases
from tests.support.shop import order, unique
from tests.support.waiting import until
from tests.support.world import World

SMALL, FULL = 90, 1_000
WAVES = 15
ON_HAND, COST_MINOR = 1, 5_000
SUGGESTED_AFTER = 40
"""Events after which the engine suggests to continue as new, instead of 4,096."""
LEAST_RUNS = 4
WAVES_OF_A_RUN = 3
"""Together they are more than `SUGGESTED_AFTER` events. A run changes when it has nothing in hand,
which on a busy machine may not be before the next wave comes: after so many it is waited for."""


@pytest.fixture(params=DATABASES)
async def forgetful(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A pipeline whose engine suggests to continue as new early and often."""
    option = f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AFTER}"
    async with (
        running_engine(tmp_path, "--dynamic-config-value", option) as address,
        new_world(request, address, worker=True, auto=False) as made,
    ):
        yield made


@pytest.mark.sized
async def test_of_many_signals_across_continue_as_new_none_is_lost_and_none_applied_twice(
    forgetful: World, full: bool
) -> None:
    """Receipts of one unit each, every fifth told twice, faster than the runs change."""
    units = FULL if full else SMALL
    sku, customer = forgetful.shop(on_hand=ON_HAND, offers=False)
    offer(forgetful, sku, unique("S"), COST_MINOR)
    reorder_at(forgetful, sku, reorder_point=0, order_quantity=units)
    await forgetful.place(order(sku, customer))
    [only] = await until_purchases(
        forgetful, sku, lambda found: [b.order.state for b in found] == [State.SENT]
    )
    po_id, wave = only.order.po_id, units // WAVES
    workflow_id = f"replenish-BER-{sku}"
    replenishment = forgetful.client.get_workflow_handle(workflow_id)

    async def tell(number: int) -> None:
        receipt = {"receipt_id": f"{po_id}-{number}", "po_id": po_id, "sku": sku, "quantity": 1}
        await replenishment.signal("goods_received", receipt)
        if number % 5 == 0:
            await replenishment.signal("goods_received", receipt)

    async def its_run() -> str:
        return (await replenishment.describe()).run_id

    known = await its_run()
    for count, first in enumerate(range(0, units - wave, wave), start=1):
        await asyncio.gather(*(tell(number) for number in range(first, first + wave)))
        nearly = first + wave - 3  # the next wave arrives while the last ones are taken in
        await until_purchases(forgetful, sku, lambda f, n=nearly: f[0].lines[sku].received >= n)
        if count % WAVES_OF_A_RUN == 0:  # however busy the machine is, runs do change
            known = await until(its_run, lambda run, before=known: run != before)
    await asyncio.gather(*(tell(number) for number in range(units - wave, units - 1)))
    await tell(units - 1)  # once, and last: what is told twice must find somebody who listens
    async with asyncio.timeout(60):
        await replenishment.result()
    [done] = bought(forgetful.database, sku)
    assert (done.order.state, done.lines[sku].received) == (State.RECEIVED, units)
    assert stock_at(forgetful, sku) == (ON_HAND + units, 1, 6_000 + units * COST_MINOR)
    assert forgetful.database.read(lambda session: _taken_in(session, sku)) == (units, units)
    runs = [
        run.status async for run in forgetful.client.list_workflows(f"WorkflowId = '{workflow_id}'")
    ]
    print(f"\n{units} receipts in {len(runs)} runs")
    assert runs.count(WorkflowExecutionStatus.CONTINUED_AS_NEW) >= LEAST_RUNS


def _taken_in(session: Session, sku: str) -> tuple[int, int]:
    """Receipts, and movements of receipts."""
    receipts = select(func.count()).select_from(GoodsReceipt).where(col(GoodsReceipt.sku) == sku)
    movements = (
        select(func.count())
        .select_from(StockMovement)
        .where(col(StockMovement.sku) == sku, col(StockMovement.kind) == MovementKind.RECEIPT)
    )
    return session.exec(receipts).one(), session.exec(movements).one()
