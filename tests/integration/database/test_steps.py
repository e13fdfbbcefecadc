"""Database steps whose local attempts fail: they go on as ordinary activities, on replay too."""

import asyncio

import pytest
from temporalio import activity, workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from activities.database.step import Step
from tests.conftest import new_client
from tests.support.masterdata.shop import unique
from workflows.steps import run_database_step

FAILING_STEP = Step("fail_locally", input_type=str, output_type=str)


@activity.defn
async def fail_locally(failure: str) -> str:
    """Fail as a local activity; succeed as an ordinary one."""
    if activity.info().is_local and failure == "time-out":
        await asyncio.Event().wait()
    if activity.info().is_local:
        raise ApplicationError("database is locked", type="database_busy")
    return "done"


@workflow.defn(sandboxed=False)
class OneStepWorkflow:
    """One database step."""

    @workflow.run
    async def run(self, failure: str) -> str:
        """Return the result of the step."""
        return await run_database_step(FAILING_STEP, failure, "Try")


@pytest.mark.parametrize("failure", ["time-out", "error"])
async def test_failed_local_attempts_replay_as_they_ran(engine_address: str, failure: str) -> None:
    """A time-out reaches the first run and its replay as different exceptions."""
    client, queue = await new_client(engine_address), unique("queue")
    async with Worker(
        client, task_queue=queue, workflows=[OneStepWorkflow], activities=[fail_locally]
    ):
        handle = await client.start_workflow(
            OneStepWorkflow.run, failure, id=queue, task_queue=queue
        )
        assert await handle.result() == "done"
    history = await handle.fetch_history()
    replayer = Replayer(workflows=[OneStepWorkflow], data_converter=pydantic_data_converter)
    await replayer.replay_workflow(history)
