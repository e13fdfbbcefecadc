"""Histories of workflows, kept so that later code can be held against them.

`python -m tests.support.histories FOLDER` keeps every workflow of a running pipeline (`make up`,
after its orders) in `tests/histories/FOLDER`; the engine is the one that `TEMPORAL_ADDRESS` and
`TEMPORAL_NAMESPACE` name.
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

KEPT = Path(__file__).parent.parent / "histories"
"""A folder for each time that somebody kept some; a file for each workflow: `<id>.json.gz`."""


async def fetched(client: Client) -> dict[str, bytes]:
    """The history of every workflow of the client's namespace, by its id, as it is kept."""
    found = {}
    async for run in client.list_workflows():
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        said = json.dumps(history.to_json_dict(), separators=(",", ":")).encode()
        found[run.id] = gzip.compress(said, mtime=0)
    return found


def keep(histories: Mapping[str, bytes], folder: Path) -> None:
    """Write them into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for workflow_id, history in histories.items():
        (folder / f"{workflow_id}.json.gz").write_bytes(history)


def kept() -> list[Path]:
    """Every history that was kept."""
    return sorted(KEPT.glob("*/*.json.gz"))


def read(path: Path) -> WorkflowHistory:
    """A history as it was kept."""
    workflow_id = path.name.removesuffix(".json.gz")
    return WorkflowHistory.from_json(workflow_id, gzip.decompress(path.read_bytes()).decode())


async def _now() -> dict[str, bytes]:
    return await fetched(await engine.connect(os.environ))


if __name__ == "__main__":
    keep(asyncio.run(_now()), KEPT / sys.argv[1])
