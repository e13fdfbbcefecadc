"""Orders outlive releases: what ran with earlier code goes on with today's."""

from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.support.histories import kept, read
from tests.support.world import SANDBOX
from worker import WORKFLOWS


@pytest.mark.parametrize("path", kept(), ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_workflow_that_ran_with_earlier_code_is_taken_over(path: Path) -> None:
    """Today's code does, step by step, what the history says was done; else it would be stuck."""
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=SANDBOX
    )
    await replayer.replay_workflow(read(path))


def test_each_kind_of_workflow_was_kept() -> None:
    """Also each kind that people added since: keep some, as CONTRIBUTING says."""
    started = {
        read(path).events[0].workflow_execution_started_event_attributes.workflow_type.name
        for path in kept()
    }
    assert started == {workflow.__name__ for workflow in WORKFLOWS}
