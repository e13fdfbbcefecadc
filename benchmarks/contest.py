"""Start all processes of a measurement: the pipeline with counters, and the contenders."""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from temporalio.client import Client

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from benchmarks.contenders import WORKFLOWS
from benchmarks.instrumented import Counts
from engine import connect
from models.settings import Settings
from tests.support.database import postgres
from tests.support.masterdata.shop import product_row, stock_row, write_shop, write_tables
from tests.support.pipeline.waiting import until
from tools.processes import Processes, Program
from tools.stack import HOME, Stack, StackConfig, environment

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ON_HAND = 100_000_000
STOCKED_SKUS = 100
CUSTOMER = "BENCH"
SHORT_SKU = "SHORT"
COUNTED = ("worker", "api")
"""The programs that use the database."""
PROCESS_NAMES = {
    "worker.py": "worker",
    "uvicorn": "API",
    "-m simulators": "simulators",
    "contenders floor": "floor",
    "contenders naive": "naive",
    "start-dev": "server",
}
"""The names of processes, by a part of their command lines."""


@dataclass
class Contest:
    """The running processes of one database."""

    client: Client
    api: httpx.AsyncClient
    database_url: str
    counts: Path
    """The folder of counters (`benchmarks/instrumented.py`)."""
    pids: Callable[[], dict[str, list[int]]]
    """Lists the running processes by name."""
    set_workers: Callable[[int], Awaitable[None]]
    placed: int = field(default=0)
    unavailable: int = field(default=0)
    """Orders that the API answered with 503, and that were sent again."""

    def next_id(self) -> str:
        """Return a new order id."""
        self.placed += 1
        return f"B{self.placed:07d}"

    def counted(self) -> Counts:
        """Add up the counts of all processes, those that have ended too."""
        every = [Counts.load(path) for path in self.counts.glob("*.counts")]
        return sum(every, Counts())


class InstrumentedStack(Stack):
    """A stack whose worker and API are counted."""

    @property
    def counts(self) -> Path:
        """The folder of counters."""
        return self.var_dir / "counts"

    def programs(self) -> list[Program]:
        self.counts.mkdir(exist_ok=True)
        return [
            instrumented(program, self.counts) if program.name in COUNTED else program
            for program in super().programs()
        ]


def instrumented(program: Program, counts: Path) -> Program:
    """Return a program that publishes its counts in a folder."""
    python, *arguments = program.argv
    argv = (python, "-m", "benchmarks.instrumented", str(counts), *arguments)
    return Program(program.name, argv, program.ports)


def cpu_s(pids: list[int]) -> float:
    """Return the CPU seconds of processes and of their children that ended (/proc: Linux only)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / CLOCK_TICKS


def rss_mb(pids: list[int]) -> float:
    """Return the resident memory of processes in MB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * PAGE_BYTES / 1e6


def import_shop(database_url: str, folder: Path) -> None:
    """Import a shop with stock for every load, and one product without."""
    tables = Database(database_url, Settings(_env_file=None).rules)
    write_shop(folder / "short", SHORT_SKU, CUSTOMER, 0, credit_limit="1000000000.00")
    import_folder(tables, folder / "short")
    skus = [f"S{number}" for number in range(STOCKED_SKUS)]
    light = {"unit_price": "10.00", "weight_g": 200, "length_mm": 100, "width_mm": 100}
    write_tables(
        folder / "stocked",
        products=[product_row(sku, name=f"Product {sku}", **light, height_mm=20) for sku in skus],
        stock=[stock_row("BER", sku, ON_HAND, "5.00") for sku in skus],
    )
    import_folder(tables, folder / "stocked")
    tables.close()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """Yield the URL of an empty database, and a function that lists its server's processes."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'orders.db'}", list
        return
    with postgres.own_server(fsync=True) as server:
        yield postgres.create_database(server.url, "orders"), partial(_with_children, server.pid)


def _with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


@asynccontextmanager
async def contest_on(kind: str, folder: Path) -> AsyncIterator[Contest]:
    """Start all processes for a kind of database."""
    async with AsyncExitStack() as cleanup:
        url, database_pids = cleanup.enter_context(database(kind, folder))
        var = folder / "var"
        settings = Settings(
            _env_file=None, var_dir=var, database_url=url, partners="auto", partner_delay=0
        )
        environ = environment(os.environ) | {"DATABASE_URL": url}
        config = StackConfig(settings, environ, prefer_default_ports=False)
        stack = await cleanup.enter_async_context(InstrumentedStack(config, Console(quiet=True)))
        import_shop(url, folder)
        client = await connect({**environ, **stack.env}, stack.addresses.temporal_port)
        limits = httpx.Limits(max_connections=400)
        api = await cleanup.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.api_url,
                headers=stack.authorization,
                timeout=60,
                limits=limits,
                trust_env=False,
            )
        )
        await api.get(
            "/orders", params={"limit": 1}
        )  # the first use of a token in a day is written
        naive_url = url if kind != "sqlite" else f"sqlite:///{folder / 'naive.db'}"
        env = {
            **stack.env,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{stack.addresses.temporal_port}",
            "NAIVE_DATABASE_URL": naive_url,
        }
        more = Processes(HOME, folder / "more", env, lambda line: None)
        for contender in WORKFLOWS:
            program = Program(contender, (sys.executable, "-m", "benchmarks.contenders", contender))
            await cleanup.enter_async_context(more.supervised(program))
        set_workers = await cleanup.enter_async_context(more_workers(more, stack.counts))
        registers = (var / "processes.json", folder / "more" / "processes.json")

        def pids() -> dict[str, list[int]]:
            return {**_registered(registers), "database": database_pids()}

        await until(lambda: set(WORKFLOWS) <= pids().keys())
        yield Contest(client, api, url, stack.counts, pids, set_workers)


@asynccontextmanager
async def more_workers(
    processes: Processes, counts: Path
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Yield a function that starts and stops workers besides the first one."""
    extra: list[AsyncExitStack] = []

    def program(number: int) -> Program:
        return instrumented(Program(f"worker-{number}", (sys.executable, "worker.py")), counts)

    async def set_workers(count: int) -> None:
        while len(extra) < count - 1:
            running = AsyncExitStack()
            started = program(len(extra) + 2)
            await running.enter_async_context(processes.supervised(started))
            extra.append(running)
            await until(partial(_runs, processes.log(started.name)))
        while len(extra) > count - 1:
            await extra.pop().aclose()
            processes.log(program(len(extra) + 2).name).unlink()

    try:
        yield set_workers
    finally:
        await set_workers(1)


def _runs(worker_log: Path) -> bool:
    return worker_log.exists() and "worker is running" in worker_log.read_text()


def _registered(registers: tuple[Path, ...]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for register in registers:
        running = json.loads(register.read_text()) if register.exists() else {}
        for pid, argv in running.items():
            line = " ".join(argv)
            name = next(name for word, name in PROCESS_NAMES.items() if word in line)
            found.setdefault(name, []).append(int(pid))
    return found
