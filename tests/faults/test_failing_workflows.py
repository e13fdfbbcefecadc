"""Workers with code that fails: its orders are listed, and continue with a fixed worker."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import engine
from tests.support.masterdata.shop import order
from tests.support.orders.exactly_once import assert_completed_once
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from worker import WORKFLOWS, build_activities, open_gateways
from workflows.order import OrderWorkflow

TOTAL = "119.00"


@workflow.defn(name="OrderWorkflow", sandboxed=False)
class FailingOrderWorkflow:
    """An order workflow that always fails, as after a faulty deployment."""

    @workflow.run
    async def run(self, _order: Any) -> None:
        """Fail the workflow task."""
        raise KeyError("faulty code")


@asynccontextmanager
async def failing_worker(world: World) -> AsyncIterator[None]:
    """Run a worker that runs everything but orders."""
    async with (
        open_gateways(world.settings) as gateways,
        Worker(
            world.client,
            task_queue=engine.TASK_QUEUE,
            workflows=[
                FailingOrderWorkflow,
                *(kind for kind in WORKFLOWS if kind is not OrderWorkflow),
            ],
            activities=build_activities(world.settings, world.database, world.client, gateways),
            activity_executor=ThreadPoolExecutor(),
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        yield


async def new_order(world: World) -> str:
    """Place an order and return its id."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer)
    await world.place(document)
    return str(document["order_id"])


async def test_order_with_failing_workflow_is_listed_until_it_continues(idle_world: World) -> None:
    """An unrecorded order too. No step of theirs has two effects."""
    world = idle_world
    async with world.worker():
        recorded = await new_order(world)
        await world.until_event(recorded, "payment_requested")
    await world.pay(recorded, TOTAL)
    new = await new_order(world)
    async with failing_worker(world):
        found = await until(world.attentions, lambda rows: {recorded, new} <= rows.keys())
        assert (found[recorded], found[new]) == ("workflow_fails", "workflow_fails")
        for order_id, stage in ((recorded, "awaiting_payment"), (new, "received")):
            shown = await world.order(order_id)
            assert (shown["stage"], shown["attention"]["code"]) == (stage, "workflow_fails")
        for command in ("retry", "cancel"):
            status, _, error = await run(world, command, recorded)
            assert status == 1
            assert "the code of its workflow fails" in error
        rows = {row["order_id"]: row["attention"] for row in await run_json(world, "list")}
        assert rows[recorded]["code"] == "workflow_fails"
        unrecorded = await run_json(world, "list", "--stage", "received", "--limit", "0")
        assert new in {row["order_id"] for row in unrecorded}
        newest = await run_json(world, "list", "--attention", "--limit", "1")
        assert [row["order_id"] for row in newest] == [new]
        assert {f"fails:order-{recorded}", f"fails:order-{new}"} <= await reconciled(world)
    async with world.worker():
        await world.until_event(new, "payment_requested")
        await world.pay(new, TOTAL)
        for order_id in (recorded, new):
            await world.until_event(order_id, "booked")
            for what in ("dispatched", "delivered"):
                await world.ship(order_id, what)
            await assert_completed_once(world, order_id)
        await until(world.attentions, lambda rows: not {recorded, new} & rows.keys())
        assert not {f"fails:order-{recorded}", f"fails:order-{new}"} & await reconciled(world)
