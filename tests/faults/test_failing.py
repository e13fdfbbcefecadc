"""Workers whose code doesn't fit: orders that don't go on are seen, and go on once it does."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import engine
from tests.support.command_line import reconciled, run, run_json
from tests.support.exactly_once import assert_completed_once
from tests.support.shop import order
from tests.support.waiting import until
from tests.support.world import World
from worker import WORKFLOWS, build_activities
from workflows.order import OrderWorkflow

TOTAL = "119.00"


@workflow.defn(name="OrderWorkflow", sandboxed=False)
class Misfit:
    """Code that no order can go on with, as after a deployment that went wrong."""

    @workflow.run
    async def run(self, _order: Any) -> None:
        raise KeyError("code that doesn't fit")


def misfit(world: World) -> Worker:
    """A worker that can do everything but orders."""
    return Worker(
        world.client,
        task_queue=engine.TASK_QUEUE,
        workflows=[Misfit, *(kind for kind in WORKFLOWS if kind is not OrderWorkflow)],
        activities=build_activities(world.settings, world.database, world.client),
        activity_executor=ThreadPoolExecutor(),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def new_order(world: World) -> str:
    """Placed, and nothing more; returns its id."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer)
    await world.place(document)
    return str(document["order_id"])


async def test_orders_whose_workflow_fails_are_listed_until_they_go_on(idle_world: World) -> None:
    """Also one that isn't in the tables yet. Nothing of them happens twice."""
    world = idle_world
    async with world.worker():
        known = await new_order(world)
        await world.until_event(known, "payment_requested")
    await world.pay(known, TOTAL)
    new = await new_order(world)
    async with misfit(world):
        found = await until(world.attentions, lambda rows: {known, new} <= rows.keys())
        assert (found[known], found[new]) == ("workflow_fails", "workflow_fails")
        for order_id, stage in ((known, "awaiting_payment"), (new, "received")):
            shown = await world.order(order_id)
            assert (shown["stage"], shown["attention"]["code"]) == (stage, "workflow_fails")
        for command in ("retry", "cancel"):
            status, _, said = await run(world, command, known)
            assert status == 1
            assert "its workflow fails whenever it is to go on" in said
        rows = {row["order_id"]: row["attention"] for row in await run_json(world, "list")}
        assert rows[known]["code"] == "workflow_fails"
        received = await run_json(world, "list", "--stage", "received", "--limit", "0")
        assert new in {row["order_id"] for row in received}
        newest = await run_json(world, "list", "--attention", "--limit", "1")
        assert [row["order_id"] for row in newest] == [new]
        assert {f"fails:order-{known}", f"fails:order-{new}"} <= await reconciled(world)
    async with world.worker():
        await world.until_event(new, "payment_requested")
        await world.pay(new, TOTAL)
        for order_id in (known, new):
            await world.until_event(order_id, "booked")
            for what in ("dispatched", "delivered"):
                await world.ship(order_id, what)
            await assert_completed_once(world, order_id)
        await until(world.attentions, lambda rows: not {known, new} & rows.keys())
        assert not {f"fails:order-{known}", f"fails:order-{new}"} & await reconciled(world)
