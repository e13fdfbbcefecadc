"""Running orders outlive releases: today's code replays the recorded histories of earlier code."""

from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.support.histories import read, recorded
from tests.support.world import SANDBOX
from worker import WORKFLOWS


@pytest.mark.parametrize("path", recorded(), ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_recorded_history_replays_with_current_code(path: Path) -> None:
    """The workflow issues the recorded commands; with other commands it would be stuck."""
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=SANDBOX
    )
    await replayer.replay_workflow(read(path))


def test_each_workflow_type_has_a_recorded_history() -> None:
    """A new workflow type needs a recording, as CONTRIBUTING describes."""
    types = {
        read(path).events[0].workflow_execution_started_event_attributes.workflow_type.name
        for path in recorded()
    }
    assert types == {workflow.__name__ for workflow in WORKFLOWS}
