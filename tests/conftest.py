"""Fixtures of all tests: a Temporal server, both databases, and a pipeline on each."""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from rich.console import Console
from temporalio.client import Client

import engine
from activities.database import engine as database_engine
from tests.support.database import postgres
from tests.support.masterdata.shop import unique
from tests.support.pipeline.start import running_world
from tests.support.pipeline.world import World
from tools import server
from tools.ports import any_free
from tools.prepare import migrate

DATABASES = ("sqlite", "postgresql")
ENGINE_ENVIRONMENT = {"GOMAXPROCS": "1", "GOGC": "800"}
"""One Go thread and less garbage collection: an order costs a quarter less CPU that way.

Each test process has a server of its own.
"""

SHORT_HISTORIES = ("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=40")
"""Options of an engine that suggests to continue as new after 40 events, instead of 4,096."""

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
# Both limits are wall-clock times, which a busy machine exceeds without a defect.


LONGEST = (
    "test_invariants.py",
    "test_largest_order.py",
    "test_killed_at_every_point.py",
    "test_commands_at_every_point.py",
)
"""Files of tests that take half a minute and more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`."""
    parser.addoption("--full", action="store_true", help="full size, as `make prove` runs it")


def pytest_configure() -> None:
    """Let SQLite databases of this process not wait for the disk, as the PostgreSQL server doesn't.

    Data survive a killed process, as before. Programs that tests start flush every commit.
    """
    database_engine.PRAGMAS += ("synchronous=OFF",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first: started last, one would keep a core busy alone for a minute."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Exclude the imported modules from later garbage collections."""
    gc.freeze()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Return whether `sized` tests run at full size."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
async def engine_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run a Temporal dev server; yields its address."""
    async with running_engine(tmp_path_factory.mktemp("engine")) as address:
        _spare[address] = asyncio.create_task(_new_client(address))
        yield address
        _spare.pop(address).cancel()


@asynccontextmanager
async def running_engine(folder: Path, *options: str) -> AsyncIterator[str]:
    """Run a Temporal dev server with more `options`; yields its address."""
    binary = await server.ensure(os.environ, Console(stderr=True))
    port = any_free()
    command = server.command(binary, port=port, ui_port=any_free(), database=folder / "engine.db")
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, *options, env=os.environ | ENGINE_ENVIRONMENT, stdout=log, stderr=log
        )
        try:
            await asyncio.wait_for(server.wait_until_serving(f"127.0.0.1:{port}"), 60)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Run a PostgreSQL server; yields its URL, without a database name."""
    with postgres.server() as url:
        yield url


_spare: dict[str, asyncio.Task[Client]] = {}
"""A client made ahead for each engine: a new namespace takes a second, which no test waits for."""


async def new_client(address: str) -> Client:
    """Return a client of a new namespace."""
    if address not in _spare:
        return await _new_client(address)
    spare, _spare[address] = _spare[address], asyncio.create_task(_new_client(address))
    return await spare


async def _new_client(address: str) -> Client:
    client = await engine.connect(
        {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": unique("test")}
    )
    await engine.prepare(client)
    return client


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "orders.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_database(postgresql_server: str) -> str:
    """Migrate a PostgreSQL database, to be copied; returns its name."""
    name = unique("migrated")
    migrate(postgres.create_database(postgresql_server, name))
    return name


def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Create a migrated database of a kind of DATABASES; returns its URL."""
    if kind == "sqlite":
        path = folder / "orders.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"
    server_url = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("migrated_database")
    return postgres.create_database(server_url, unique("orders"), template)


@asynccontextmanager
async def new_world(
    request: pytest.FixtureRequest, engine_address: str, *, worker: bool, auto: bool
) -> AsyncIterator[World]:
    """Run a pipeline on a new database of the fixture's parameter; check its books at the end.

    `worker`: with a worker in this process. `auto`: partners act by themselves.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = new_database(request.param, request, folder)
        client = await new_client(engine_address)
        async with running_world(
            client, engine_address, url, folder, worker=worker, auto=auto
        ) as world:
            yield world
            world.check_books()


@pytest.fixture(scope="session", params=DATABASES)
async def shared_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run one pipeline on each database; tests import their own goods and customers."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


@pytest.fixture
async def pipeline(shared_world: World) -> AsyncIterator[World]:
    """The shared pipeline; after the test its faults are removed and its books checked."""
    yield shared_world
    await shared_world.partners.delete("/control/faults")
    shared_world.check_books()
