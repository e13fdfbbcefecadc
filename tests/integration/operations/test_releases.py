"""A changed workflow is deployed under running orders, old and new worker side by side."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Worker

import engine
import worker
from activities.database.engine import Database
from activities.orders.steps import read_order_progress
from models.acceptance import AcceptedOrder
from models.errors import NotFound
from models.messages.steps import OrderOutcome
from tests.conftest import new_client, new_database
from tests.support.orders.stages import TOTAL, place_order
from tests.support.pipeline.start import running_world
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from workflows.order import OrderWorkflow

CHANGE = "read-progress-before-billing"
FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@workflow.defn(name="OrderWorkflow", sandboxed=False)
class ChangedOrderWorkflow(OrderWorkflow):
    """The next version of the workflow: it has one more step before billing."""

    @workflow.init
    def __init__(self, document: AcceptedOrder) -> None:
        super().__init__(document)

    @workflow.run
    async def run(self, document: AcceptedOrder) -> OrderOutcome:
        """Follow the order."""
        return await super().run(document)

    async def _bill(self) -> None:
        if workflow.patched(CHANGE):
            order = self._order
            await order.steps.run_database_step(read_order_progress, order.step, "Read progress")
        await super()._bill()


async def test_new_version_takes_over_running_orders(
    request: pytest.FixtureRequest, engine_address: str, tmp_path: Path
) -> None:
    """An order of the old version goes on as it began; a new one has the new step; no task fails."""
    client = await new_client(engine_address)
    url = new_database("sqlite", request, tmp_path)
    async with running_world(
        client, engine_address, url, tmp_path, worker=False, auto=False
    ) as world:
        with pytest.raises(NotFound, match=r"BUILD_ID=1\.0"):
            await engine.use_version(client, "1.0")
        async with _worker(world, "1.0", OrderWorkflow):
            await _use(world, "1.0")
            before = (await place_order(world)).order_id
            await world.until_event(before, "payment_requested")
            async with _worker(world, "2.0", ChangedOrderWorkflow):
                await _use(world, "2.0")
                await world.complete(before, TOTAL)
                after = (await place_order(world)).order_id
                await world.complete(after, TOTAL)
                assert await _versions_of(world, before) == ["1.0", "2.0"]
                assert await _versions_of(world, after) == ["2.0"]
                assert not await _has_change(world, before)
                assert await _has_change(world, after)
        statuses = dict(await engine.read_versions(client))
        assert statuses["2.0"] == "current"
        assert statuses["1.0"] in ("draining", "drained")


def _worker(
    world: World, build_id: str, order_workflow: type
) -> AbstractAsyncContextManager[Worker]:
    """Run a worker of a version during a block."""
    settings = world.settings.model_copy(update={"build_id": build_id})
    database = Database(world.database.url, settings.rules)
    world.worker_databases.append(database)
    others = [kind for kind in worker.WORKFLOWS if kind is not OrderWorkflow]
    return worker.running_worker(
        settings, database, world.client, workflows=[order_workflow, *others]
    )


async def _use(world: World, build_id: str) -> None:
    """Make a version the current one once its worker is known."""

    async def known() -> bool:
        return build_id in dict(await engine.read_versions(world.client))

    await until(known)
    await engine.use_version(world.client, build_id)


async def _versions_of(world: World, order_id: str) -> list[str]:
    """Return the versions that completed workflow tasks of an order; no task may have failed."""
    history = await world.order_workflow(order_id).fetch_history()
    assert not [event for event in history.events if event.event_type == FAILED]
    done = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in history.events
        if event.event_type == COMPLETED
    ]
    return list(dict.fromkeys(done))


async def _has_change(world: World, order_id: str) -> bool:
    """Return whether an order's history has the marker of the change."""
    history = await world.order_workflow(order_id).fetch_history()
    markers = [event.marker_recorded_event_attributes for event in history.events]
    return any(
        marker.marker_name == "core_patch" and CHANGE in str(marker.details) for marker in markers
    )
