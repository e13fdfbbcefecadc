"""Invoice numbers have no gaps, though workers and database servers are killed meanwhile."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
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
from tests.support.database import postgres
from tests.support.masterdata.shop import Document, order, unique
from tests.support.pipeline.processes import WorkerProcess
from tests.support.pipeline.start import running_world
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tools.prepare import migrate

CLIENTS, WORKERS = 16, 2
SMALL, FULL = 24, 2_000
KILLS = (1, 3)
STALLED_S = 300.0
"""The longest time between two invoices, on a busy machine."""


@dataclass
class KilledPipeline:
    """A pipeline whose workers and database server are killed now and then."""

    world: World
    workers: Sequence[WorkerProcess]
    server: postgres.Server | None
    """None on SQLite, which has no server."""

    async def kill(self) -> None:
        """Kill all of them with SIGKILL and start them again."""
        for worker in self.workers:
            worker.kill()
        if self.server is not None:
            await asyncio.to_thread(self.server.kill)
            await asyncio.to_thread(self.server.start)
        for worker in self.workers:
            worker.start()


@pytest.fixture(params=DATABASES)
async def killed_pipeline(
    request: pytest.FixtureRequest, engine_address: str
) -> AsyncIterator[KilledPipeline]:
    """Run a pipeline on a database (and a server) of its own."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        if request.param == "sqlite":
            server, url = None, f"sqlite:///{name}/orders.db"
        else:
            server = stack.enter_context(postgres.own_server())
            url = postgres.create_database(server.url, unique("orders"))
        migrate(url)
        client = await new_client(engine_address)
        async with running_world(
            client,
            engine_address,
            url,
            Path(name),
            worker=False,
            auto=False,
            invoice_at="acceptance",
        ) as world:
            workers = [WorkerProcess(world) for _ in range(WORKERS)]
            try:
                for worker in workers:
                    worker.start()
                yield KilledPipeline(world, workers, server)
            finally:
                for worker in workers:
                    worker.kill()
            world.check_books()


@pytest.mark.sized
async def test_invoice_numbers_have_no_gaps_despite_killed_workers_and_database(
    killed_pipeline: KilledPipeline, full: bool
) -> None:
    """Many clients place orders on credit at once; each gets one invoice, all in one series."""
    world = killed_pipeline.world
    count, kills = FULL if full else SMALL, KILLS[full]
    sku, customer = world.shop(on_hand=count, credit_limit="100000000.00")
    documents = [order(sku, customer, terms="net30") for _ in range(count)]

    async def place_all(client: int) -> None:
        for document in documents[client::CLIENTS]:
            while not await _is_accepted(world, document):
                pass

    clients = asyncio.gather(*(place_all(client) for client in range(CLIENTS)))
    for number in range(1, kills + 1):
        part = count * number // (kills + 1)
        await _until_invoiced(killed_pipeline, part)
        await killed_pipeline.kill()
    await clients
    issued = await _until_invoiced(killed_pipeline, count)
    numbers = sorted(int(number.rpartition("-")[2]) for number in issued)
    assert numbers == list(range(1, count + 1))
    assert world.database.read(_last_number) == count
    assert world.database.read(_invoice_entries) == count


async def _is_accepted(world: World, document: Document) -> bool:
    """Place an order; returns False while a part of the pipeline is down."""
    response = await world.api.post("/orders", json=document)
    assert response.status_code in (200, 201, 503), response.text
    return response.is_success


async def _until_invoiced(pipeline: KilledPipeline, count: int) -> list[str]:
    """Wait for `count` invoices while their number grows; returns the invoice numbers."""
    issued: list[str] = []

    def read() -> list[str]:
        for worker in pipeline.workers:
            worker.check()
        with suppress(Unavailable):  # the database may be down
            return pipeline.world.database.read(lambda s: list(s.exec(select(InvoiceRow.number))))
        return []

    while len(issued) < count:
        known = len(issued)
        issued = await until(
            lambda: asyncio.to_thread(read),
            lambda found, known=known: len(found) > known,  # type: ignore[misc]  # bound per loop
            patience_s=STALLED_S,
        )
    return issued


def _last_number(session: Session) -> int:
    """Read the last number of the only series."""
    return session.exec(select(NumberSeries.last_number)).one()


def _invoice_entries(session: Session) -> int:
    """Count the journal entries of invoices."""
    entries = select(func.count()).select_from(JournalEntry)
    return session.exec(entries.where(col(JournalEntry.entry_id).startswith("invoice:"))).one()
