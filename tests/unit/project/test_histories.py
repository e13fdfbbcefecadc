"""Workflows outlive releases: today's code continues what earlier code began."""

from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.support.orders.histories import continues, kept, read, run_id_of, type_of
from tests.support.orders.ways import WAYS
from tests.support.pipeline.world import SANDBOX
from worker import WORKFLOWS


@pytest.mark.parametrize("path", kept(), ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_kept_history_replays(path: Path) -> None:
    """The code takes every decision that the history records; else the workflow would be stuck."""
    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=SANDBOX
    )
    await replayer.replay_workflow(read(path))


def test_every_workflow_type_has_a_history() -> None:
    """A new type of workflow needs a way that uses it."""
    assert {type_of(read(path)) for path in kept()} == {kind.__name__ for kind in WORKFLOWS}


def test_both_runs_of_a_workflow_that_continued_as_new_have_a_history() -> None:
    """The end of the first run and the beginning of the second one are replayed."""
    histories = [read(path) for path in kept()]
    continued = {continues(history) for history in histories} - {""}
    assert continued
    assert continued <= {run_id_of(history) for history in histories}


def test_every_way_of_an_order_has_a_history() -> None:
    """A new way is recorded with `python -m tests.support.orders.histories FOLDER WAY`."""
    assert {path.name.partition(".")[0] for path in kept()} == set(WAYS)
