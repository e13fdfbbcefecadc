"""Pipelines without a worker, whose tests start and kill workers themselves; and a busy one."""

from collections.abc import AsyncIterator, Generator, Iterator

import pytest

from tests.conftest import DATABASES, new_world
from tests.support.pipeline.processes import WorkerProcess
from tests.support.pipeline.world import World


@pytest.fixture(scope="session", params=DATABASES)
async def idle_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


@pytest.fixture(scope="module", params=DATABASES)
async def busy_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline whose partners act by themselves: they pay, deliver and ship."""
    async with new_world(request, engine_address, worker=True, auto=True) as world:
        yield world


@pytest.fixture(scope="session")
def worker_process(idle_world: World) -> Iterator[WorkerProcess]:
    """A worker process to start and kill; it is killed at the end."""
    process = WorkerProcess(idle_world)
    yield process
    process.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the worker's log to the report of a failed test."""
    report = yield
    process = getattr(item, "funcargs", {}).get("worker_process")
    if report.failed and process is not None:
        report.sections.append(("worker log", process.tail()))
    return report
