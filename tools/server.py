"""Get a Temporal server on a machine that may have none, and say how it is started.

Ways, in this order: `temporal` on PATH, our cache, the SDK's download, building the official
CLI from `tools/temporal/` (a module pinned and checksummed). `python -m tools.server` prints
the binary's path.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from rich.console import Console
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from exits import told
from models.errors import Unavailable
from tools.processes import output_of, until_signal

VERSION = "1.8.2"
"""Of the CLI; its server is 1.31.2, its UI 2.50.1."""
MODULE = Path(__file__).parent / "temporal"
PROBLEMS_SHOWN_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"
DOWNLOAD_LIMIT_S = 60
PROGRESS_LINE_S = 15
LAST_LINES = 5

Result = TypeVar("Result")


class NoServer(Unavailable):
    """Every way to get a server failed: lists what was tried, why it failed, what to install."""

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        tried = "\n".join(f"  - {way}: {reason}" for way, reason in failures)
        super().__init__(
            "no_temporal_server",
            f"There is no Temporal server on this machine, and no way to get one worked:\n{tried}\n"
            f"Any one of these is enough: the `temporal` CLI {VERSION} or later on PATH, access\n"
            "to the internet, Go 1.21 or later with access to a Go module proxy, or a running\n"
            "server's address in TEMPORAL_ADDRESS.",
        )


class WayError(Exception):
    """This way gave no binary; the text says why."""


def cache_path(environ: Mapping[str, str]) -> Path:
    """Where a user keeps our copy of the CLI, by version."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "order-pipeline" / f"temporal-{VERSION}" / "temporal"


def command(binary: Path, *, port: int, ui_port: int, database: Path) -> tuple[str, ...]:
    """The dev server's command line: its state is kept in the file `database`.

    It hands out tasks on a 50 ms grid unless the two poll rates are raised; workflows whose code
    fails are marked when it has failed twice, not five times.
    """
    return (
        *(str(binary), "server", "start-dev", "--ip", "127.0.0.1"),
        *("--port", str(port), "--ui-port", str(ui_port), "--db-filename", str(database)),
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
        *("--log-level", "warn"),
        *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
        *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000"),
        *("--dynamic-config-value", f"{PROBLEMS_SHOWN_AFTER}=2"),
    )


async def wait_until_serving(address: str) -> None:
    """Return when the server at `address` answers; the caller bounds the wait."""
    while True:
        try:
            client = await Client.connect(address)
            if await client.service_client.check_health():
                return
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.1)


async def ensure(environ: Mapping[str, str], console: Console) -> Path:
    """The path of a `temporal` binary that runs, got in the first way that works.

    Raises NoServer where every way fails.
    """
    cache = cache_path(environ)
    ways: dict[str, Callable[[], Awaitable[Path]]] = {
        "`temporal` on PATH": lambda: _on_path(environ),
        f"our cache ({cache})": lambda: _verified(cache, VERSION),
        "the SDK's download": lambda: _downloaded(cache, console),
        "building it with Go": lambda: _built(cache, environ, console),
    }
    failures = []
    for way, get in ways.items():
        try:
            return await get()
        except WayError as failure:
            failures.append((way, str(failure)))
    raise NoServer(failures)


async def _on_path(environ: Mapping[str, str]) -> Path:
    found = shutil.which("temporal", path=environ.get("PATH"))
    if not found:
        raise WayError("not found")
    return await _verified(Path(found))


async def _verified(binary: Path, version: str = "") -> Path:
    """`binary`, if it runs and says that it is of this version."""
    status, output = await _last_lines((str(binary), "--version"))
    if status or not output.startswith("temporal version") or version not in output:
        raise WayError(f"`{binary} --version` says {output!r} (exit status {status})")
    return binary


async def _downloaded(cache: Path, console: Console) -> Path:
    with _filling(cache) as scratch:
        starting = WorkflowEnvironment.start_local(
            download_dest_dir=str(scratch), dev_server_download_version=f"v{VERSION}"
        )
        try:
            async with asyncio.timeout(DOWNLOAD_LIMIT_S):
                server = await _shown(console, f"Downloading Temporal {VERSION}", starting)
        except TimeoutError:
            raise WayError(f"nothing usable within {DOWNLOAD_LIMIT_S} s") from None
        except RuntimeError as error:
            raise WayError(str(error)) from error
        await server.shutdown()
    return await _verified(cache, VERSION)


async def _built(cache: Path, environ: Mapping[str, str], console: Console) -> Path:
    go = shutil.which("go", path=environ.get("PATH"))
    if not go:
        raise WayError("`go` is not on PATH")
    with _filling(cache) as scratch:
        setting = f"github.com/temporalio/cli/internal/temporalcli.Version={VERSION}"
        flags = ("-trimpath", "-ldflags", f"-s -w -X {setting}", "-o", str(scratch / "temporal"))
        build = _last_lines(
            (go, "build", *flags, "github.com/temporalio/cli/cmd/temporal"),
            cwd=MODULE,
            env={**environ, "CGO_ENABLED": "0"},
        )
        doing = f"Building Temporal {VERSION} with Go (once; about 4 minutes)"
        status, output = await _shown(console, doing, build)
        if status:
            raise WayError(f"`go build` ended with exit status {status}: {output}")
    return await _verified(cache, VERSION)


@contextmanager
def _filling(cache: Path) -> Iterator[Path]:
    """A scratch directory: the binary that the block makes in it is renamed into the cache."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix="making-") as scratch:
        yield Path(scratch)
        next(Path(scratch).glob("temporal*")).rename(cache)


async def _last_lines(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """A program's exit status and the last lines of what it says."""
    try:
        status, said = await output_of(argv, cwd=cwd, env=env)
    except OSError as error:
        raise WayError(f"can't run {argv[0]}: {error.strerror}") from error
    return status, "\n".join(said.strip().splitlines()[-LAST_LINES:])


async def _shown(console: Console, doing: str, work: Coroutine[Any, Any, Result]) -> Result:
    """Await `work`, showing for how long: each second to a person, now and then to a log."""
    step_s = 1 if console.is_terminal else PROGRESS_LINE_S
    start = monotonic()
    task = asyncio.ensure_future(work)
    try:
        with console.status(doing) as status:
            while not (await asyncio.wait({task}, timeout=step_s))[0]:
                line = f"{doing}: {monotonic() - start:.0f} s"
                status.update(line) if console.is_terminal else console.print(line)
    finally:
        task.cancel()
        await asyncio.wait({task})
    return task.result()


async def _print_path(environ: Mapping[str, str]) -> int:
    print(await ensure(environ, Console(stderr=True)))
    return 0


if __name__ == "__main__":
    with told():
        sys.exit(until_signal(_print_path(os.environ)))
