"""Invoices are numbered without gaps, whatever dies while they are being written."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func
from sqlmodel import Session, col, select

from models.errors import Unavailable
from models.tables.billing import InvoiceRow
from models.tables.ledger import JournalEntry
from models.tables.operations import NumberSeries
from tests.conftest import DATABASES, new_client
from tests.support import postgres
from tests.support.pipeline import running_world
from tests.support.processes import WorkerProcess
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World
from tools.prepare import migrate

CLIENTS, WORKERS = 16, 2
SMALL, FULL = 24, 2_000
KILLS = (1, 3)
STALLED_S = 300.0
"""After which an invoice more should have been issued, on a machine that is busy with other things
too."""


@dataclass
class Doomed:
    """A pipeline whose workers, and database server, are killed now and then."""

    world: World
    workers: Sequence[WorkerProcess]
    server: postgres.Server | None
    """None: SQLite, which dies with the workers."""

    async def kill(self) -> None:
        """SIGKILL to all of them; then they are started again."""
        for worker in self.workers:
            worker.kill()
        if self.server is not None:
            await asyncio.to_thread(self.server.kill)
            await asyncio.to_thread(self.server.start)
        for worker in self.workers:
            worker.start()


@pytest.fixture(params=DATABASES)
async def doomed(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[Doomed]:
    """A database (and its server) of its own."""
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory() as name:
            async for made in _doomed(Path(name), f"sqlite:///{name}/orders.db", engine_address):
                yield made
        return
    with postgres.own_server() as server, tempfile.TemporaryDirectory() as name:
        url = postgres.create_database(server.url, unique("orders"))
        async for made in _doomed(Path(name), url, engine_address):
            made.server = server
            yield made


async def _doomed(folder: Path, url: str, engine_address: str) -> AsyncIterator[Doomed]:
    migrate(url)
    client = await new_client(engine_address)
    async with running_world(client, engine_address, url, folder, worker=False, auto=False) as made:
        workers = [WorkerProcess(made) for _ in range(WORKERS)]
        try:
            for worker in workers:
                worker.start()
            yield Doomed(made, workers, None)
        finally:
            for worker in workers:
                worker.kill()
        made.check_books()


@pytest.mark.sized
async def test_invoices_have_no_gaps_though_workers_and_database_are_killed(
    doomed: Doomed, full: bool
) -> None:
    """Orders on credit from many clients at once; each is billed once, in one series."""
    count, kills = FULL if full else SMALL, KILLS[full]
    sku, customer = doomed.world.shop(on_hand=count, credit_limit="100000000.00")
    documents = [order(sku, customer, terms="net30") for _ in range(count)]

    async def buy(client: int) -> None:
        for document in documents[client::CLIENTS]:
            while not await _is_taken(doomed.world, document):
                pass

    clients = asyncio.gather(*(buy(client) for client in range(CLIENTS)))
    for number in range(1, kills + 1):
        part = count * number // (kills + 1)
        await _until(doomed, lambda issued, least=part: len(issued) >= least)
        await doomed.kill()
    await clients
    issued = await _until(doomed, lambda issued: len(issued) == count)
    numbers = sorted(int(number.rpartition("-")[2]) for number in issued)
    assert numbers == list(range(1, count + 1))
    assert doomed.world.database.read(_drawn) == count
    assert doomed.world.database.read(_posted) == count


async def _is_taken(world: World, document: Document) -> bool:
    """Whether the order was accepted: while something is dead, it is to be sent again."""
    response = await world.api.post("/orders", json=document)
    assert response.status_code in (200, 201, 503), response.text
    return response.is_success


async def _until(doomed: Doomed, reached: Callable[[list[str]], bool]) -> list[str]:
    """Wait for invoices, as long as there are more of them; the database may be away."""
    issued: list[str] = []

    def look() -> list[str]:
        for worker in doomed.workers:
            worker.check()
        try:
            return doomed.world.database.read(lambda s: list(s.exec(select(InvoiceRow.number))))
        except Unavailable:
            return []

    while not reached(issued):
        known = len(issued)
        issued = await until(
            lambda: asyncio.to_thread(look),
            lambda seen, known=known: reached(seen) or len(seen) > known,
            patience_s=STALLED_S,
        )
    return issued


def _drawn(session: Session) -> int:
    """The last number of the only series."""
    return session.exec(select(NumberSeries.last_number)).one()


def _posted(session: Session) -> int:
    """Entries of invoices."""
    entries = select(func.count()).select_from(JournalEntry)
    return session.exec(entries.where(col(JournalEntry.entry_id).startswith("invoice:"))).one()
