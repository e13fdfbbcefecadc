"""Measure orders per second against a floor and a naive pipeline (`make bench`).

One Temporal server runs three contenders in turn: `floor` (a workflow with two signals and no
step), `naive` (five plain activities) and `ours` (all processes as `make up` starts them, partners
without delay). Loads are interleaved: each round runs every load once, so that other work on the
machine affects all of them. The table shows medians of the rounds; the JSON file has every run.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table
from temporalio.client import Client

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from benchmarks.contenders import WORKFLOWS
from engine import connect
from models.settings import Settings
from tests.support.database import postgres
from tests.support.masterdata.shop import SHIP_TO, write_csv, write_shop
from tests.support.pipeline.waiting import until
from tools.processes import Processes, Program
from tools.stack import HOME, Stack, StackConfig, environment

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ON_HAND = 100_000_000
STOCKED_SKUS = 100
ORDER_LIMIT_S = 120
out = Console(width=180)


@dataclass(frozen=True)
class Load:
    """A contender, and the orders that it gets."""

    contender: str
    database: str
    at_once: int
    orders: int
    workers: int = 1
    lines: int = 1
    terms: str = "prepaid"
    short: bool = False
    """All orders want one SKU that is not in stock."""

    @property
    def name(self) -> str:
        """The load in a few words."""
        kind = "short, one SKU" if self.short else self.terms
        lines = f", {self.lines} lines" if self.lines != 1 else ""
        workers = f", {self.workers} workers" if self.workers != 1 else ""
        order = "" if self.contender != "ours" else f" {kind}{lines}"
        return f"{self.contender}{order}, {self.at_once} at once{workers}"


@dataclass(frozen=True)
class Result:
    """What a run of a load took. CPU in milliseconds per order; RSS in MB at the end."""

    load: Load
    orders_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    rss_mb: dict[str, float]
    events: int
    history_bytes: int


@dataclass
class Contest:
    """The running processes of one database kind."""

    client: Client
    api: httpx.AsyncClient
    pids: Callable[[], dict[str, list[int]]]
    set_workers: Callable[[int], Awaitable[None]]
    placed: int = field(default=0)

    def next_id(self) -> str:
        """Return a new order id."""
        self.placed += 1
        return f"B{self.placed:07d}"


def cpu_s(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used (/proc: Linux only)."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
    return total


def rss_mb(pids: list[int]) -> float:
    """Return the resident memory of processes in MB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * PAGE_BYTES / 1e6


async def place(contest: Contest, load: Load) -> str:
    """Start an order, or the contender's workflow, and wait for its end; returns workflow id."""
    order_id = contest.next_id()
    if load.contender != "ours":
        workflow = WORKFLOWS[load.contender]
        workflow_id = f"{load.contender}-{order_id}"
        handle = await contest.client.start_workflow(
            workflow.__name__, order_id, id=workflow_id, task_queue=load.contender
        )
        await handle.signal("paid")
        await handle.signal("delivered")
    else:
        workflow_id = f"order-{order_id}"
        response = await contest.api.post("/orders", json=document(order_id, load))
        response.raise_for_status()
    async with asyncio.timeout(ORDER_LIMIT_S):
        await contest.client.get_workflow_handle(workflow_id).result()
    return workflow_id


def document(order_id: str, load: Load) -> dict[str, object]:
    """Build the order document of a load."""
    number = int(order_id[1:])
    skus = (
        ["SHORT"] if load.short else [f"S{(number + n) % STOCKED_SKUS}" for n in range(load.lines)]
    )
    return {
        "order_id": order_id,
        "channel": "online",
        "customer": "BENCH",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": load.terms,
        "lines": [{"sku": sku, "quantity": 1} for sku in skus],
    }


async def run(contest: Contest, load: Load) -> Result:
    """Run a load with `at_once` shoppers; each places an order when its last one has ended."""
    await contest.set_workers(load.workers)
    pids = contest.pids()
    before = {name: cpu_s(ids) for name, ids in pids.items()}
    latencies: list[float] = []
    workflow_ids: list[str] = []
    left = iter(range(load.orders))
    start = perf_counter()

    async def shopper() -> None:
        for _ in left:
            begin = perf_counter()
            workflow_ids.append(await place(contest, load))
            latencies.append(perf_counter() - begin)

    await asyncio.gather(*(shopper() for _ in range(load.at_once)))
    seconds = perf_counter() - start
    used = {name: cpu_s(ids) - before[name] for name, ids in pids.items()}
    described = await contest.client.get_workflow_handle(
        workflow_ids[len(workflow_ids) // 2]
    ).describe()
    cuts = quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
    return Result(
        load=load,
        orders_per_s=load.orders / seconds,
        p50_ms=1_000 * median(latencies),
        p95_ms=1_000 * cuts[94],
        p99_ms=1_000 * cuts[98],
        cpu_ms={name: 1_000 * total / load.orders for name, total in used.items()},
        rss_mb={name: rss_mb(ids) for name, ids in pids.items()},
        events=described.history_length,
        history_bytes=described.raw_description.workflow_execution_info.history_size_bytes,
    )


def import_shop(database_url: str, folder: Path) -> None:
    """Import a shop with stock for every load, and one product without."""
    rules = Settings(_env_file=None).rules
    database = Database(database_url, rules)
    write_shop(folder / "short", "SHORT", "BENCH", 0, credit_limit="1000000000.00")
    import_folder(database, folder / "short")
    stocked = folder / "stocked"
    stocked.mkdir()
    write_csv(
        stocked,
        "products.csv",
        [
            {
                **{
                    "sku": f"S{n}",
                    "name": f"Product {n}",
                    "unit_price": "10.00",
                    "currency": "EUR",
                },
                **{"tax_rate_percent": "19", "weight_g": 200, "length_mm": 100, "width_mm": 100},
                "height_mm": 20,
            }
            for n in range(STOCKED_SKUS)
        ],
    )
    stock = [
        {"location": "BER", "sku": f"S{n}", "on_hand": ON_HAND, "unit_cost": "5.00"}
        for n in range(STOCKED_SKUS)
    ]
    write_csv(stocked, "stock.csv", stock)
    import_folder(database, stocked)
    database.close()


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'orders.db'}"
        return
    with postgres.server() as server:
        yield postgres.create_database(server, "orders")


@asynccontextmanager
async def contest_on(kind: str, folder: Path) -> AsyncIterator[Contest]:
    """Start all processes for a kind of database."""
    async with AsyncExitStack() as cleanup:
        url = cleanup.enter_context(database_url(kind, folder))
        var = folder / "var"
        settings = Settings(
            _env_file=None,
            var_dir=var,
            database_url=url,
            workers=1,
            partners="auto",
            partner_delay=0,
        )
        environ = environment(os.environ) | {"DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
        config = StackConfig(settings, environ, prefer_default_ports=False)
        stack = await cleanup.enter_async_context(Stack(config, Console(quiet=True)))
        import_shop(url, folder)
        client = await connect({**environ, **stack.env}, stack.addresses.temporal_port)
        limits = httpx.Limits(max_connections=400)
        api = await cleanup.enter_async_context(
            httpx.AsyncClient(base_url=stack.api_url, timeout=60, limits=limits, trust_env=False)
        )
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
        extra: list[AsyncExitStack] = []

        async def set_workers(count: int) -> None:
            while len(extra) < count - 1:
                running = AsyncExitStack()
                program = Program(f"worker-{len(extra) + 2}", (sys.executable, "worker.py"))
                await running.enter_async_context(more.supervised(program))
                extra.append(running)
                await until(partial(_runs, more.log(program.name)))
            while len(extra) > count - 1:
                await extra.pop().aclose()
                more.log(f"worker-{len(extra) + 2}").unlink()

        async def stop_extra() -> None:
            await set_workers(1)

        cleanup.push_async_callback(stop_extra)

        def pids() -> dict[str, list[int]]:
            found: dict[str, list[int]] = {}
            for register in (var / "processes.json", folder / "more" / "processes.json"):
                if not register.exists():
                    continue
                for pid, argv in json.loads(register.read_text()).items():
                    found.setdefault(_process_name(argv), []).append(int(pid))
            return found

        await until(lambda: set(WORKFLOWS) <= pids().keys())
        yield Contest(client, api, pids, set_workers)


def _runs(worker_log: Path) -> bool:
    return "worker is running" in _text(worker_log)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _process_name(argv: list[str]) -> str:
    line = " ".join(argv)
    names = {
        "worker.py": "worker",
        "uvicorn": "API",
        "-m simulators": "simulators",
        "contenders floor": "floor",
        "contenders naive": "naive",
        "start-dev": "server",
    }
    return next(name for word, name in names.items() if word in line)


def loads(kind: str, scale: float) -> list[Load]:
    """The loads of a database: one dimension at a time varies around 50 prepaid orders at once."""

    def ours(at_once: int, orders: int, **changes: object) -> Load:
        load = Load("ours", kind, at_once, max(4, int(orders * scale)))
        return replace(load, **changes)  # type: ignore[arg-type]  # fields by name

    rivals = [
        Load(name, kind, at_once, max(4, int(orders * scale)))
        for name in WORKFLOWS
        for at_once, orders in ((1, 30), (50, 200))
    ]
    shapes = [
        ours(1, 30),
        ours(4, 60),
        ours(16, 100),
        ours(50, 200),
        ours(200, 400),
        ours(50, 100, lines=5),
        ours(4, 10, lines=100),
        ours(50, 150, terms="net30"),
        ours(50, 100, short=True),
        ours(50, 200, workers=2),
        ours(50, 200, workers=4),
    ]
    return [*rivals, *shapes]


async def measure(kinds: list[str], rounds: int, scale: float) -> list[Result]:
    """Run all loads of each database, `rounds` times, interleaved."""
    results = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="orders-bench-") as name:
            folder = Path(name)
            async with contest_on(kind, folder) as contest:
                await run(contest, Load("ours", kind, 4, 12))  # warm up
                for number in range(rounds):
                    for load in loads(kind, scale):
                        result = await run(contest, load)
                        results.append(result)
                        out.print(
                            f"{kind} {number + 1}/{rounds} {load.name}: "
                            f"{result.orders_per_s:.1f} orders/s",
                            style="dim",
                        )
                log = _text(folder / "var" / "log" / "worker.log")
                out.print(f"{kind}: {log.count('database is locked')} times `database is locked`")
    return results


def table(results: list[Result]) -> Table:
    """Show minimum, median and maximum of the orders per second, and medians of the rest."""
    shown = Table(box=None, pad_edge=False)
    for title in (
        "load",
        "orders/s",
        "min",
        "max",
        "p50",
        "p95",
        "p99 ms",
        "worker",
        "server",
        "API",
    ):
        shown.add_column(title, justify="left" if title == "load" else "right")
    for title in ("partners", "events", "bytes", "RSS MB"):
        shown.add_column(title, justify="right")
    by_load: dict[Load, list[Result]] = {}
    for result in results:
        by_load.setdefault(result.load, []).append(result)
    for load, runs in by_load.items():
        rates = [run.orders_per_s for run in runs]
        worker = load.contender if load.contender != "ours" else "worker"

        def cpu(name: str, runs: list[Result] = runs) -> str:
            return f"{median(run.cpu_ms.get(name, 0) for run in runs):.0f}"

        shown.add_row(
            f"{load.database} {load.name}",
            f"{median(rates):.1f}",
            f"{min(rates):.1f}",
            f"{max(rates):.1f}",
            *(
                f"{median(getattr(run, p) for run in runs):.0f}"
                for p in ("p50_ms", "p95_ms", "p99_ms")
            ),
            cpu(worker),
            cpu("server"),
            cpu("API"),
            cpu("simulators"),
            f"{median(run.events for run in runs):.0f}",
            f"{median(run.history_bytes for run in runs):.0f}",
            f"{median(run.rss_mb.get(worker, 0) for run in runs):.0f}",
        )
    return shown


def main(
    database: Annotated[list[str] | None, typer.Option(help="sqlite or postgresql.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each load runs.")] = 5,
    scale: Annotated[float, typer.Option(help="Factor on the number of orders.")] = 1.0,
    results_file: Annotated[Path, typer.Option("--out")] = Path("var/bench.json"),
) -> None:
    """Measure, print the table and write every run as JSON."""
    results = asyncio.run(measure(database or ["sqlite", "postgresql"], rounds, scale))
    out.print(table(results))
    results_file.parent.mkdir(parents=True, exist_ok=True)
    taken = {"measured_at": datetime.now(UTC).isoformat(), "runs": [asdict(r) for r in results]}
    results_file.write_text(json.dumps(taken, indent=1))


if __name__ == "__main__":
    typer.run(main)
