"""Run and supervise child processes, each with its own process group and log file."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from tools.ports import is_free, listens

STOP_S = 25
"""Seconds from SIGTERM to SIGKILL; longer than the worker's graceful shutdown."""
FIRST_DELAY_S = 1.0
MAX_DELAY_S = 30.0
STABLE_AFTER_S = 30.0
"""After this uptime the restart delay begins at the first one again."""
TAIL_LINES = 15
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """A program to run: its name in messages, its command line, the ports it listens on."""

    name: str
    argv: tuple[str, ...]
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """Its own variables, beside those of all programs."""


class Processes:
    """Run programs in `home`, log to `<var_dir>/log/<name>.log`, report restarts.

    `<var_dir>/processes.json` lists the running processes, so that the next start can stop those
    that a killed supervisor left behind.
    """

    def __init__(
        self, home: Path, var_dir: Path, env: Mapping[str, str], report: Callable[[str], None]
    ) -> None:
        self._home = home
        self._logs = var_dir / "log"
        self._register = var_dir / "processes.json"
        self._env = env
        self._report = report
        self._running: dict[int, Program] = {}
        self.exits: dict[str, str] = {}
        """By program name: a description of its latest unexpected exit."""
        self._logs.mkdir(parents=True, exist_ok=True)

    def log(self, name: str) -> Path:
        """Return the path of a program's log."""
        return self._logs / f"{name}.log"

    def tail(self, name: str) -> str:
        """Return the path and the last lines of a program's log."""
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([f"--- {log}", *lines[-TAIL_LINES:]])

    async def run(self, program: Program) -> int:
        """Run a program to its end; return the exit status."""
        async with self._started(program) as process:
            return await process.wait()

    async def wait_until_listening(self, program: Program) -> bool:
        """Return True once a supervised program listens on all its ports.

        Return False if it exited and another program uses one of the ports: two stacks that start
        at the same time may choose the same free port.
        """
        while True:
            # Checked first: otherwise the program could start listening between the two checks.
            in_use = program.name in self.exits and not all(map(is_free, program.ports))
            groups = [pid for pid, running in self._running.items() if running == program]
            if groups and all(listens(groups[0], port) for port in program.ports):
                return True
            if in_use:
                return False
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def supervised(self, program: Program) -> AsyncIterator[None]:
        """Keep a program running during the block, then stop its process group."""
        supervisor = asyncio.create_task(self._supervise(program))
        try:
            yield
        finally:
            supervisor.cancel()
            await asyncio.wait({supervisor})

    async def _supervise(self, program: Program) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            started = monotonic()
            ending = await self._run_until_exit(program)
            uptime_s = monotonic() - started
            delay_s = restart_delay(delay_s, uptime_s)
            self.exits[program.name] = f"{program.name} {ending} after {uptime_s:.0f} s"
            self._report(
                f"{self.exits[program.name]}; restarting in {delay_s:g} s. "
                f"Log: {self.log(program.name)}"
            )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, MAX_DELAY_S)

    async def _run_until_exit(self, program: Program) -> str:
        """Run a program to its end; return a description of the exit."""
        try:
            status = await self.run(program)
        except OSError as error:
            return f"failed to start ({error})"
        if status < 0:
            return f"was stopped by {signal.Signals(-status).name}"
        return f"exited with status {status}"

    @asynccontextmanager
    async def _started(self, program: Program) -> AsyncIterator[Process]:
        with self.log(program.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                cwd=self._home,
                env={**self._env, **program.env},
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
            await stop_group(process)
            del self._running[process.pid]
            self._write_register()

    def _write_register(self) -> None:
        running = {pid: program.argv for pid, program in self._running.items()}
        self._register.write_text(json.dumps(running))


def restart_delay(delay_s: float, uptime_s: float) -> float:
    """Return the delay before a restart: the first one after a stable run, else `delay_s`."""
    return FIRST_DELAY_S if uptime_s >= STABLE_AFTER_S else delay_s


async def run_captured(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a program to its end; return exit status and output. Cancellation stops the program."""
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=env, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        output, _ = await process.communicate()
    finally:
        await stop_group(process)
    return await process.wait(), output.decode(errors="replace")


async def stop_group(process: Process) -> None:
    """Send SIGTERM to a process group, then SIGKILL to its remaining processes."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def stop_orphans(var_dir: Path) -> None:
    """Stop processes that a killed supervisor left running (reads /proc: Linux only)."""
    register = var_dir / "processes.json"
    if not register.exists():
        return
    registered = {int(pid): argv for pid, argv in json.loads(register.read_text()).items()}
    remaining = orphans = [pid for pid, argv in registered.items() if _is_running(pid, argv)]
    for pid in reversed(orphans):
        _signal_group(pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            while remaining:
                await asyncio.sleep(0.1)
                remaining = [pid for pid in remaining if _is_running(pid, registered[pid])]
    for pid in orphans:
        _signal_group(pid, signal.SIGKILL)
    register.unlink()


def run_until_signal(work: Coroutine[Any, Any, int], *, interrupted: int = 130) -> int:
    """Run `work`; return its exit status, or `interrupted` if a signal cancelled it.

    Only the first SIGINT, SIGTERM or SIGHUP cancels it; later ones don't disturb the shutdown.
    """
    return asyncio.run(_run_until_signal(work, interrupted))


async def _run_until_signal(work: Coroutine[Any, Any, int], interrupted: int) -> int:
    task = asyncio.ensure_future(work)

    def interrupt() -> None:
        if task.cancelling():
            print(f"Stopping; each process may take up to {STOP_S} s.", file=sys.stderr)
        else:
            task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    await asyncio.wait({task})
    return interrupted if task.cancelled() else task.result()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _is_running(pid: int, argv: list[str]) -> bool:
    """Return whether a process runs with this id and command line; ids are reused."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"".join(
            arg.encode() + b"\0" for arg in argv
        )
    return False
