"""Find or install a Temporal server binary and build its command line.

Sources, in this order: `temporal` on PATH, the cache, the SDK's download, a build of the official
CLI from `tools/temporal/` (a pinned Go module with checksums). `python -m tools.server` prints the
binary's path.
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

from exits import exit_on_error
from models.errors import Unavailable
from tools.processes import run_captured, run_until_signal

VERSION = "1.8.2"
"""The version of the CLI; it contains server 1.31.2 and UI 2.50.1."""
MODULE = Path(__file__).parent / "temporal"
FAILURES_UNTIL_REPORTED = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"
DOWNLOAD_LIMIT_S = 60
PROGRESS_INTERVAL_S = 15
TAIL_LINES = 5

Result = TypeVar("Result")


class TemporalServerNotFound(Unavailable):
    """Every source of the server binary failed; lists each failure and the possible remedies."""

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        tried = "\n".join(f"  - {source}: {reason}" for source, reason in failures)
        super().__init__(
            "no_temporal_server",
            f"No Temporal server was found on this machine and none could be installed:\n{tried}\n"
            f"Provide one of these: the `temporal` CLI {VERSION} or later on PATH, internet\n"
            "access, Go 1.21 or later with access to a Go module proxy, or the address of a\n"
            "running server in TEMPORAL_ADDRESS.",
        )


class SourceFailed(Exception):
    """A source provided no working binary; the message is the reason."""


def cache_path(environ: Mapping[str, str]) -> Path:
    """Return the path of the cached CLI binary of this version."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "order-pipeline" / f"temporal-{VERSION}" / "temporal"


def command(binary: Path, *, port: int, ui_port: int, database: Path) -> tuple[str, ...]:
    """Build the dev server's command line; it stores its state in the file `database`.

    Two raised poll rates remove a delay of up to 50 ms per task. Workflows with failing code get
    their search attribute after two failures instead of five.
    """
    return (
        *(str(binary), "server", "start-dev", "--ip", "127.0.0.1"),
        *("--port", str(port), "--ui-port", str(ui_port), "--db-filename", str(database)),
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
        *("--log-level", "warn"),
        *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
        *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000"),
        *("--dynamic-config-value", f"{FAILURES_UNTIL_REPORTED}=2"),
    )


async def wait_until_serving(address: str) -> None:
    """Wait until the server at `address` is healthy, without a time limit."""
    while True:
        try:
            client = await Client.connect(address)
            if await client.service_client.check_health():
                return
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.1)


async def ensure(environ: Mapping[str, str], console: Console) -> Path:
    """Return the path of a working `temporal` binary from the first source that has one.

    Raises TemporalServerNotFound if every source fails.
    """
    cache = cache_path(environ)
    sources: dict[str, Callable[[], Awaitable[Path]]] = {
        "`temporal` on PATH": lambda: _on_path(environ),
        f"cache ({cache})": lambda: _verified(cache, VERSION),
        "download by the SDK": lambda: _download(cache, console),
        "build with Go": lambda: _build(cache, environ, console),
    }
    failures = []
    for source, provide in sources.items():
        try:
            return await provide()
        except SourceFailed as failure:
            failures.append((source, str(failure)))
    raise TemporalServerNotFound(failures)


async def _on_path(environ: Mapping[str, str]) -> Path:
    found = shutil.which("temporal", path=environ.get("PATH"))
    if not found:
        raise SourceFailed("not found")
    return await _verified(Path(found))


async def _verified(binary: Path, version: str = "") -> Path:
    """Return `binary` if it runs and reports this version; raises SourceFailed otherwise."""
    status, output = await _last_lines((str(binary), "--version"))
    if status or not output.startswith("temporal version") or version not in output:
        raise SourceFailed(f"`{binary} --version` printed {output!r} (exit status {status})")
    return binary


async def _download(cache: Path, console: Console) -> Path:
    with _installing(cache) as scratch:
        starting = WorkflowEnvironment.start_local(
            download_dest_dir=str(scratch), dev_server_download_version=f"v{VERSION}"
        )
        try:
            async with asyncio.timeout(DOWNLOAD_LIMIT_S):
                server = await _with_progress(console, f"Downloading Temporal {VERSION}", starting)
        except TimeoutError:
            raise SourceFailed(f"not finished within {DOWNLOAD_LIMIT_S} s") from None
        except RuntimeError as error:
            raise SourceFailed(str(error)) from error
        await server.shutdown()
    return await _verified(cache, VERSION)


async def _build(cache: Path, environ: Mapping[str, str], console: Console) -> Path:
    go = shutil.which("go", path=environ.get("PATH"))
    if not go:
        raise SourceFailed("`go` is not on PATH")
    with _installing(cache) as scratch:
        version_variable = f"github.com/temporalio/cli/internal/temporalcli.Version={VERSION}"
        flags = (
            "-trimpath",
            "-ldflags",
            f"-s -w -X {version_variable}",
            "-o",
            str(scratch / "temporal"),
        )
        build = _last_lines(
            (go, "build", *flags, "github.com/temporalio/cli/cmd/temporal"),
            cwd=MODULE,
            env={**environ, "CGO_ENABLED": "0"},
        )
        activity = f"Building Temporal {VERSION} with Go (once; about 4 minutes)"
        status, output = await _with_progress(console, activity, build)
        if status:
            raise SourceFailed(f"`go build` exited with status {status}: {output}")
    return await _verified(cache, VERSION)


@contextmanager
def _installing(cache: Path) -> Iterator[Path]:
    """Yield a scratch directory; move the binary created in it to the cache."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix="making-") as scratch:
        yield Path(scratch)
        next(Path(scratch).glob("temporal*")).rename(cache)


async def _last_lines(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a program; return its exit status and last lines of output."""
    try:
        status, output = await run_captured(argv, cwd=cwd, env=env)
    except OSError as error:
        raise SourceFailed(f"cannot run {argv[0]}: {error.strerror}") from error
    return status, "\n".join(output.strip().splitlines()[-TAIL_LINES:])


async def _with_progress(
    console: Console, activity: str, work: Coroutine[Any, Any, Result]
) -> Result:
    """Await `work`, showing the elapsed seconds: every second on a terminal, else every 15 s."""
    interval_s = 1 if console.is_terminal else PROGRESS_INTERVAL_S
    start = monotonic()
    task = asyncio.ensure_future(work)
    try:
        with console.status(activity) as status:
            while not (await asyncio.wait({task}, timeout=interval_s))[0]:
                line = f"{activity}: {monotonic() - start:.0f} s"
                status.update(line) if console.is_terminal else console.print(line)
    finally:
        task.cancel()
        await asyncio.wait({task})
    return task.result()


async def _print_path(environ: Mapping[str, str]) -> int:
    print(await ensure(environ, Console(stderr=True)))
    return 0


if __name__ == "__main__":
    with exit_on_error():
        sys.exit(run_until_signal(_print_path(os.environ)))
