"""How a step goes on when its short attempts are spent, also where that is replayed."""

import asyncio

import pytest
from temporalio import activity, workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from tests.conftest import new_client
from tests.support.shop import unique
from workflows.steps import run_database_step


class Troubled:
    """A database step whose local attempts are all in vain."""

    @activity.defn
    async def step(self, trouble: str) -> str:
        """Done only where operators can see it."""
        if activity.info().is_local and trouble == "hangs":
            await asyncio.Event().wait()
        if activity.info().is_local:
            raise ApplicationError("database is locked", type="database_busy")
        return "done"


@workflow.defn(sandboxed=False)
class OneStep:
    """One database step."""

    @workflow.run
    async def run(self, trouble: str) -> str:
        """Returns what the step returned."""
        return await run_database_step(Troubled.step, trouble, "Try")


@pytest.mark.parametrize("trouble", ["hangs", "fails"])
async def test_spent_local_attempts_are_replayed_as_they_went(
    engine_address: str, trouble: str
) -> None:
    """A time-out is told to a replay otherwise than to the first run."""
    client, queue = await new_client(engine_address), unique("queue")
    async with Worker(client, task_queue=queue, workflows=[OneStep], activities=[Troubled().step]):
        handle = await client.start_workflow(OneStep.run, trouble, id=queue, task_queue=queue)
        assert await handle.result() == "done"
    history = await handle.fetch_history()
    await Replayer(workflows=[OneStep], data_converter=pydantic_data_converter).replay_workflow(
        history
    )
