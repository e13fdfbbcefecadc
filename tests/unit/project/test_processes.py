"""Test the supervision of processes: ports, restarts, and the number of workers."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from rich.console import Console

from models.settings import Settings
from tests.support.pipeline.waiting import until
from tools.addresses import choose_addresses
from tools.ports import Ports
from tools.processes import MAX_DELAY_S, STOP_S, Processes, Program, restart_delay
from tools.stack import Stack, StackConfig
from worker import GRACE

ROOT = Path(__file__).parents[2]
LISTENER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


async def test_foreign_process_does_not_count_as_listening(tmp_path: Path) -> None:
    """Another program on the same port is distinguished from the supervised one."""
    processes = Processes(ROOT, tmp_path, os.environ, lambda line: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = Program("listener", (sys.executable, "-c", LISTENER, str(port)), (port,))
        async with asyncio.timeout(20), processes.supervised(program):
            assert not await processes.wait_until_listening(program)
            other.close()
            assert await processes.wait_until_listening(program)


def test_restart_delay_is_reset_after_stable_run() -> None:
    """A process that exits early keeps its growing delay."""
    assert restart_delay(MAX_DELAY_S, uptime_s=31) == 1
    assert restart_delay(8, uptime_s=2) == 8


async def test_each_worker_is_restarted_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names the one that was killed; the other keeps running."""
    monkeypatch.setattr("tools.processes.FIRST_DELAY_S", 0.01)
    reports: list[str] = []
    supervisor = Processes(ROOT, tmp_path, os.environ, reports.append)
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")

    def pids() -> list[int]:
        register = tmp_path / "processes.json"
        return [int(pid) for pid in json.loads(register.read_text())] if register.exists() else []

    async with (
        supervisor.supervised(Program("worker", sleeper)),
        supervisor.supervised(Program("worker-2", sleeper)),
    ):
        first, second = await until(pids, lambda found: len(found) == 2)
        os.kill(second, signal.SIGKILL)
        await until(pids, lambda found: len(found) == 2 and second not in found)
        assert first in pids()
    [report] = reports
    assert report.startswith("worker-2 was stopped by SIGKILL after ")
    assert report.endswith(f"Log: {tmp_path / 'log' / 'worker-2.log'}")


@pytest.mark.parametrize(
    ("workers", "names"),
    [(1, ["worker"]), (3, ["worker", "worker-2", "worker-3"])],
)
def test_stack_runs_configured_number_of_workers(
    workers: int, names: list[str], tmp_path: Path
) -> None:
    """Each has a name, and so a log, of its own."""
    settings = Settings(_env_file=None, var_dir=tmp_path, workers=workers)
    stack = Stack(StackConfig(settings, {}), Console(quiet=True))
    stack.addresses = choose_addresses(settings, {}, Ports(prefer_defaults=False), {})
    programs = [program for program in stack.programs() if "worker.py" in program.argv]
    assert [program.name for program in programs] == names


def test_default_is_one_worker_for_two_cores_and_at_least_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other processes of the machine need the rest."""
    monkeypatch.delenv("WORKERS", raising=False)
    assert Settings(_env_file=None).workers == max(1, (os.cpu_count() or 1) // 2)


def test_worker_is_not_killed_during_graceful_shutdown() -> None:
    """SIGKILL follows at least five seconds after the worker's grace period."""
    assert GRACE.total_seconds() + 5 <= STOP_S
