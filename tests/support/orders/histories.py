"""Histories of workflows, kept to be replayed by later code.

`python -m tests.support.orders.histories FOLDER [WAY...]` plays each way of an order (`ways.py`), or
those named, in a pipeline of its own and keeps the histories of its workflows in
`tests/histories/FOLDER`.
"""

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from temporalio.client import Client, WorkflowHistory

from tests.conftest import SHORT_HISTORIES, new_client, running_engine
from tests.support.orders.ways import WAYS, WITHOUT_WORKER
from tests.support.pipeline.start import running_world
from tools.prepare import migrate

KEPT = Path(__file__).parents[2] / "histories"
"""A folder for each recording; a file for each workflow: `<way>.<type of workflow>-<n>.json.gz`."""


def kept() -> list[Path]:
    """Every history that is kept."""
    return sorted(KEPT.glob("*/*.json.gz"))


def read(path: Path) -> WorkflowHistory:
    """Read a kept history."""
    workflow_id = path.name.removesuffix(".json.gz")
    return WorkflowHistory.from_json(workflow_id, gzip.decompress(path.read_bytes()).decode())


def type_of(history: WorkflowHistory) -> str:
    """The type of a history's workflow."""
    started = history.events[0].workflow_execution_started_event_attributes
    return started.workflow_type.name


def run_id_of(history: WorkflowHistory) -> str:
    """The id of a history's run."""
    return history.events[0].workflow_execution_started_event_attributes.original_execution_run_id


def continues(history: WorkflowHistory) -> str:
    """The id of the run that continued as new in this one; empty for a first run."""
    started = history.events[0].workflow_execution_started_event_attributes
    return started.continued_execution_run_id


def keep(history: WorkflowHistory, path: Path) -> None:
    """Write a history to `path`."""
    content = json.dumps(history.to_json_dict(), separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(content, mtime=0))


async def record(folder: Path, ways: Collection[str]) -> None:
    """Play ways and keep their histories in `folder`."""
    with tempfile.TemporaryDirectory() as name:
        async with running_engine(Path(name), *SHORT_HISTORIES) as address:
            for way in ways:
                with tempfile.TemporaryDirectory(dir=name) as workplace:
                    histories = await _play(way, address, Path(workplace))
                for number, history in enumerate(histories, start=1):
                    keep(history, folder / f"{way}.{type_of(history)}-{number}.json.gz")
                sys.stdout.write(f"{way}\n")


async def _play(way: str, address: str, workplace: Path) -> list[WorkflowHistory]:
    """Play a way on a database of its own; returns the histories of its workflows' runs."""
    url = f"sqlite:///{workplace / 'orders.db'}"
    migrate(url)
    client = await new_client(address)
    async with running_world(
        client, address, url, workplace, worker=way not in WITHOUT_WORKER, auto=False
    ) as made:
        workflow_ids = await WAYS[way](made)
        return [
            history for workflow_id in workflow_ids for history in await _runs(client, workflow_id)
        ]


async def _runs(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """Fetch the histories of a workflow's last run and of the runs that it continues, in order."""
    histories: list[WorkflowHistory] = []
    run_id: str | None = None
    while run_id != "":
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        histories.insert(0, await handle.fetch_history())
        run_id = continues(histories[0])
    return histories


if __name__ == "__main__":
    target = KEPT / sys.argv[1]
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(record(target, sys.argv[2:] or WAYS))
