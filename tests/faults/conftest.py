"""A pipeline without a worker: the tests start, stop and kill workers themselves."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import DATABASES, new_world
from tests.support.processes import WorkerProcess
from tests.support.world import World


@pytest.fixture(scope="session", params=DATABASES)
async def idle_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """As `shared_world`, and nobody works in it."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


@pytest.fixture(scope="module", params=DATABASES)
async def busy_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline whose partners do by themselves what they are there for."""
    async with new_world(request, engine_address, worker=True, auto=True) as made:
        yield made


@pytest.fixture(scope="session")
def worker_process(idle_world: World) -> Iterator[WorkerProcess]:
    """A worker process to be started and killed; whatever runs at the end is killed too."""
    process = WorkerProcess(idle_world)
    yield process
    process.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the worker's log where a test with a worker process failed."""
    report = yield
    process = getattr(item, "funcargs", {}).get("worker_process")
    if report.failed and process is not None:
        report.sections.append(("worker log", process.tail()))
    return report
