"""Child processes: each leads a group of its own, logs to a file, and is started again."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from tools.ports import is_free, listens

STOP_S = 25
"""What SIGTERM doesn't end within this is killed: later than a worker's whole grace."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0
"""A process that lived this long starts its next pauses from the first."""
TAIL_LINES = 15
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """What is run, under which name it is spoken of, and where it is going to listen."""

    name: str
    argv: tuple[str, ...]
    ports: tuple[int, ...] = ()


class Processes:
    """Runs programs in `home`, writes `<var_dir>/log/<name>.log`, says what a person should know.

    `<var_dir>/processes.json` names what runs, so that the next start can end what a killed
    supervisor left behind.
    """

    def __init__(
        self, home: Path, var_dir: Path, env: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._home = home
        self._logs = var_dir / "log"
        self._register = var_dir / "processes.json"
        self._env = env
        self._say = say
        self._running: dict[int, Program] = {}
        self.deaths: dict[str, str] = {}
        """How the programs that died did so, by name: the latest death."""
        self._logs.mkdir(parents=True, exist_ok=True)

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines of a program's log, with its path."""
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([f"--- {log}", *lines[-TAIL_LINES:]])

    async def run(self, program: Program) -> int:
        """Run to the end; gives the exit status."""
        async with self._started(program) as process:
            return await process.wait()

    async def listening(self, program: Program) -> bool:
        """Return True once it listens on all its ports, and so nobody else does.

        False: it died, and somebody has one of them. Two stacks that start at once may choose the
        same free port.
        """
        while True:
            taken = program.name in self.deaths and not all(map(is_free, program.ports))
            groups = [pid for pid, running in self._running.items() if running == program]
            if groups and all(listens(groups[0], port) for port in program.ports):
                return True
            if taken:  # before we looked whether it is by us
                return False
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def kept_alive(self, program: Program) -> AsyncIterator[None]:
        """Keep it running while the block lasts, then end it and all of its group."""
        keeper = asyncio.create_task(self._keep_alive(program))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})

    async def _keep_alive(self, program: Program) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            born = monotonic()
            end = await self._ended(program)
            lived_s = monotonic() - born
            pause_s = pause_after(pause_s, lived_s)
            self.deaths[program.name] = f"{program.name} {end} after {lived_s:.0f} s"
            self._say(
                f"{self.deaths[program.name]}; starting it again in {pause_s:g} s. "
                f"Log: {self.log(program.name)}"
            )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _ended(self, program: Program) -> str:
        """Run it until it dies and say how."""
        try:
            status = await self.run(program)
        except OSError as error:
            return f"couldn't be started ({error})"
        return (
            f"was ended by {signal.Signals(-status).name}"
            if status < 0
            else (f"ended with exit status {status}")
        )

    @asynccontextmanager
    async def _started(self, program: Program) -> AsyncIterator[Process]:
        with self.log(program.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                cwd=self._home,
                env=self._env,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
            )
        try:
            self._running[process.pid] = program
            self._write_register()
            yield process
        finally:
            await end_group(process)
            del self._running[process.pid]
            self._write_register()

    def _write_register(self) -> None:
        running = {pid: program.argv for pid, program in self._running.items()}
        self._register.write_text(json.dumps(running))


def pause_after(pause_s: float, lived_s: float) -> float:
    """The pause before the next start, by how long the process lived."""
    return FIRST_PAUSE_S if lived_s >= STEADY_S else pause_s


async def output_of(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a program to its end: exit status and all it says. It ends if we are interrupted."""
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=env, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        said, _ = await process.communicate()
    finally:
        await end_group(process)
    return await process.wait(), said.decode(errors="replace")


async def end_group(process: Process) -> None:
    """SIGTERM to the process's group, SIGKILL to who is left of it."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def end_leftovers(var_dir: Path) -> None:
    """End what a supervisor that was itself killed left running (found through /proc: Linux)."""
    register = var_dir / "processes.json"
    if not register.exists():
        return
    registered = {int(pid): argv for pid, argv in json.loads(register.read_text()).items()}
    left = groups = [pid for pid, argv in registered.items() if _runs(pid, argv)]
    for pid in reversed(groups):
        _signal_group(pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            while left:
                await asyncio.sleep(0.1)
                left = [pid for pid in left if _runs(pid, registered[pid])]
    for pid in groups:
        _signal_group(pid, signal.SIGKILL)
    register.unlink()


def until_signal(work: Coroutine[Any, Any, int], *, interrupted: int = 130) -> int:
    """Run `work` to its exit status, or to `interrupted`.

    The first Ctrl-C or SIGTERM cancels it, once: a second one doesn't disturb what it does to
    stop in order.
    """
    return asyncio.run(_until_signal(work, interrupted))


async def _until_signal(work: Coroutine[Any, Any, int], interrupted: int) -> int:
    task = asyncio.ensure_future(work)

    def interrupt() -> None:
        if task.cancelling():
            print(f"Stopping; this takes {STOP_S} s at most for each process.", file=sys.stderr)
        else:
            task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    await asyncio.wait({task})
    return interrupted if task.cancelled() else task.result()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _runs(pid: int, argv: list[str]) -> bool:
    """Whether that process is there and is the one we started, not another with its number."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"".join(
            arg.encode() + b"\0" for arg in argv
        )
    return False
