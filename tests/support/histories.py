"""Recorded histories of workflows, which later code must be able to replay.

`python -m tests.support.histories NAME` records every workflow of a running pipeline (`make up`,
after its orders) in `tests/histories/NAME`. `TEMPORAL_ADDRESS` and `TEMPORAL_NAMESPACE` name its
Temporal server.
"""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from temporalio.client import Client, WorkflowHistory

import engine

FOLDER = Path(__file__).parent.parent / "histories"
"""A folder for each recording, with a file for each workflow: `<id>.json.gz`, `+` for `/`."""


async def fetch(client: Client) -> dict[str, bytes]:
    """Fetch the history of every workflow of a namespace, by id, as compressed JSON."""
    histories = {}
    async for run in client.list_workflows():
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        text = json.dumps(history.to_json_dict(), separators=(",", ":"))
        histories[run.id] = gzip.compress(text.encode(), mtime=0)
    return histories


def write(histories: Mapping[str, bytes], folder: Path) -> None:
    """Write histories into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for workflow_id, history in histories.items():
        (folder / f"{workflow_id.replace('/', '+')}.json.gz").write_bytes(history)


def recorded() -> list[Path]:
    """Return the files of all recorded histories."""
    return sorted(FOLDER.glob("*/*.json.gz"))


def read(path: Path) -> WorkflowHistory:
    """Read a recorded history."""
    workflow_id = path.name.removesuffix(".json.gz")
    return WorkflowHistory.from_json(workflow_id, gzip.decompress(path.read_bytes()).decode())


async def _record(folder: Path) -> None:
    write(await fetch(await engine.connect(os.environ)), folder)


if __name__ == "__main__":
    asyncio.run(_record(FOLDER / sys.argv[1]))
