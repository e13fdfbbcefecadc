"""What all tests share: a Temporal server, both databases, and a pipeline on each."""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console
from temporalio.client import Client

import engine
from tests.support import postgres
from tests.support.shop import unique
from tests.support.world import World, world
from tools import server
from tools.ports import any_free
from tools.prepare import migrate

DATABASES = ("sqlite", "postgresql")
ALONE = {"GOMAXPROCS": "1", "GOGC": "800"}
"""Each process of the tests has a server: with one thread of Go's, and less collecting of garbage,
an order takes it a quarter less CPU."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: the sizes of `make prove`."""
    parser.addoption("--full", action="store_true", help="full size, as `make prove` runs it")


def pytest_collection_finish() -> None:
    """What the imports have made stays: it isn't looked through for garbage again."""
    gc.freeze()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether this is `make prove`."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
async def engine_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A Temporal dev server of the tests' own."""
    async with running_engine(tmp_path_factory.mktemp("engine")) as address:
        _spare[address] = asyncio.create_task(_made_client(address))
        yield address
        _spare.pop(address).cancel()


@asynccontextmanager
async def running_engine(folder: Path, *options: str) -> AsyncIterator[str]:
    """A Temporal dev server with more `options`; yields its address."""
    binary = await server.ensure(os.environ, Console(stderr=True))
    port = any_free()
    command = server.command(binary, port=port, ui_port=any_free(), database=folder / "engine.db")
    command = [*command, *options]
    with (folder / "log").open("w") as log:
        env = os.environ | ALONE
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=log, stderr=log)
        try:
            await asyncio.wait_for(server.wait_until_serving(f"127.0.0.1:{port}"), 60)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres.server() as url:
        yield url


_spare: dict[str, asyncio.Task[Client]] = {}
"""One is made ahead: a namespace takes the engine a second, for which no test needs to wait."""


async def new_client(address: str) -> Client:
    """A client of a namespace of its own."""
    if address not in _spare:
        return await _made_client(address)
    spare, _spare[address] = _spare[address], asyncio.create_task(_made_client(address))
    return await spare


async def _made_client(address: str) -> Client:
    client = await engine.connect(
        {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": unique("test")}
    )
    await engine.prepare(client)
    return client


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database that nobody uses, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "orders.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_database(postgresql_server: str) -> str:
    """The name of such a PostgreSQL database."""
    name = unique("migrated")
    migrate(postgres.create_database(postgresql_server, name))
    return name


def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """A migrated database of `kind`; returns its URL."""
    if kind == "sqlite":
        path = folder / "orders.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("migrated_database")
    return postgres.create_database(server, unique("orders"), template)


@asynccontextmanager
async def new_world(
    request: pytest.FixtureRequest, engine_address: str, *, worker: bool, auto: bool
) -> AsyncIterator[World]:
    """A pipeline of its own on a database of the fixture's parameter; its books add up after."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = new_database(request.param, request, folder)
        client = await new_client(engine_address)
        async with world(client, engine_address, url, folder, worker=worker, auto=auto) as made:
            yield made
            made.check_books()


@pytest.fixture(scope="session", params=DATABASES)
async def shared_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """One pipeline for all tests of a database: each test brings its own goods and customers."""
    async with new_world(request, engine_address, worker=True, auto=False) as made:
        yield made


@pytest.fixture
async def pipeline(shared_world: World) -> AsyncIterator[World]:
    """The shared pipeline; after the test its partners behave again and its books add up."""
    yield shared_world
    await shared_world.partners.delete("/control/faults")
    shared_world.check_books()
