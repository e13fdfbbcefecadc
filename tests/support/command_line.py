"""The command line, as a process."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.support.world import World

ROOT = Path(__file__).parents[2]


async def run(pipeline: World, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run `starter.py`; returns exit status, standard output and error."""
    settings = pipeline.settings
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{settings.temporal_port}",
        "TEMPORAL_NAMESPACE": pipeline.client.namespace,
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "starter.py"),
        *words,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def run_json(pipeline: World, *words: str, stdin: str = "") -> Any:
    """Run with `--json`, which must succeed; returns what it printed."""
    status, out, err = await run(pipeline, *words, "--json", stdin=stdin)
    assert status == 0, err + out
    return json.loads(out)
