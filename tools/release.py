"""Move orders to another version of the workers.

`python -m tools.release` lists the versions. `python -m tools.release BUILD_ID` makes one the
current: new orders start on its workers, and running orders go on there with their next task.
"""

import asyncio
import os
import sys

from rich.console import Console
from rich.table import Table

import engine
from exits import exit_on_error, exit_process
from models.settings import Settings


async def release(build_id: str | None, console: Console) -> None:
    """List the versions, after making one the current. Raises NotFound, EngineUnavailable."""
    client = await engine.connect(os.environ, Settings.read().temporal_port)
    if build_id is not None:
        await engine.use_version(client, build_id)
    table = Table("version", "status")
    for version in await engine.read_versions(client):
        table.add_row(version.build_id, version.status)
    console.print(table if table.row_count else "no worker with a BUILD_ID has started")


if __name__ == "__main__":
    with exit_on_error():
        asyncio.run(release(sys.argv[1] if len(sys.argv) > 1 else None, Console()))
    exit_process(0)
