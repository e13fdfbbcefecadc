"""Run the command line as a process."""

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.support.pipeline.forking import Program
from tests.support.pipeline.world import World

PROGRAM = Path(__file__).parents[3] / "starter.py"


async def run(pipeline: World, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run `starter.py`; returns exit status, standard output and error."""
    settings = pipeline.settings
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{settings.temporal_port}",
        "TEMPORAL_NAMESPACE": pipeline.client.namespace,
        "WEBHOOK_PRIVATE_ADDRESSES": "true",
        "COLUMNS": "200",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_text(stdin)
        program = Program(PROGRAM, words, environment, folder, stdin=Path("stdin"))
        status = await asyncio.to_thread(program.run)
        return status, (folder / "stdout").read_text(), (folder / "stderr").read_text()


async def run_json(pipeline: World, *words: str, stdin: str = "") -> Any:
    """Run a command with `--json`, which must succeed; returns the printed document."""
    status, out, err = await run(pipeline, *words, "--json", stdin=stdin)
    assert status == 0, err + out
    return json.loads(out)


async def reconciled(pipeline: World) -> set[str]:
    """Run a reconciliation; returns the ids of its findings."""
    await run(pipeline, "reconcile")
    return {row["finding_id"] for row in await run_json(pipeline, "findings")}
