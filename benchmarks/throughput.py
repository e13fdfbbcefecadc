"""Measure orders per second against a floor and a naive pipeline (`make bench`).

One Temporal server runs three contenders in turn: `floor` (a workflow with two signals and no
step), `naive` (five plain activities) and `ours` (all processes as `make up` starts them, partners
without delay). Loads are interleaved: each round runs every load once, so that other work on the
machine affects all of them. The tables show medians of the rounds; the JSON file has every run.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import fmean, median, quantiles
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import WORKFLOWS
from benchmarks.contest import Contest, contest_on, cpu_s, rss_mb
from benchmarks.filling import fill
from benchmarks.loads import (
    Load,
    all_loads,
    loads_on_full_tables,
    place,
    quick_loads,
    usual_loads,
)
from benchmarks.plot import draw
from benchmarks.results import COLUMNS, Measurement, Result, goals, measured_now, rows
from tests.support.orders.stages import scheduled_activities
from tools.processes import run_until_signal

HISTORIES = 3
"""Workflows of a run whose histories are read."""
WARM_UP_S = 1.0
out = Console(width=230, highlight=False)


async def run(contest: Contest, load: Load, seconds: float) -> Result:
    """Run a load with `at_once` shoppers; each places an order when its last one has ended.

    No order is placed after `seconds`, but at least one by each shopper.
    """
    await contest.set_workers(load.workers)
    cpu_before, counts_before = _cpu(contest), contest.counted()
    unavailable_before = contest.unavailable
    latencies: list[float] = []
    workflow_ids: list[str] = []
    start = perf_counter()

    async def shopper() -> None:
        while True:
            begin = perf_counter()
            workflow_ids.append(await place(contest, load))
            latencies.append(perf_counter() - begin)
            if perf_counter() - start > seconds:
                return

    await asyncio.gather(*(shopper() for _ in range(load.at_once)))
    elapsed = perf_counter() - start
    orders, counts = len(latencies), contest.counted() - counts_before
    used = {name: total - cpu_before.get(name, 0) for name, total in _cpu(contest).items()}
    histories = [await _history(contest, each) for each in workflow_ids[:: orders // HISTORIES + 1]]
    events, activities, history_bytes = map(fmean, zip(*histories, strict=True))
    cuts = quantiles(latencies, n=100) if orders > 1 else latencies * 99
    return Result(
        load=load,
        orders=orders,
        orders_per_s=orders / elapsed,
        p50_ms=1_000 * median(latencies),
        p95_ms=1_000 * cuts[94],
        p99_ms=1_000 * cuts[98],
        cpu_ms={name: 1_000 * total / orders for name, total in used.items()},
        rss_mb={name: rss_mb(ids) for name, ids in contest.pids().items()},
        events=events,
        activities=activities,
        history_bytes=history_bytes,
        transactions=(counts.writes + counts.reads) / orders,
        statements=counts.statements / orders,
        busy=counts.busy,
        unavailable=contest.unavailable - unavailable_before,
    )


def _cpu(contest: Contest) -> dict[str, float]:
    return {name: cpu_s(pids) for name, pids in contest.pids().items()}


async def _history(contest: Contest, workflow_id: str) -> tuple[int, int, int]:
    """Return the events, ordinary activities and bytes of a workflow's history."""
    handle = contest.client.get_workflow_handle(workflow_id)
    history = await handle.fetch_history()
    info = (await handle.describe()).raw_description.workflow_execution_info
    return len(history.events), len(scheduled_activities(history)), info.history_size_bytes


async def measure(
    loads: list[Load], rounds: int, seconds: float, open_orders: int, results: list[Result]
) -> int:
    """Run the loads, `rounds` times, interleaved; append to `results`. Returns exit status 0."""
    contests: dict[tuple[str, int], Contest] = {}
    async with AsyncExitStack() as cleanup:
        for load in loads:
            tables = (load.database, load.earlier_orders)
            if tables not in contests:
                contest = await cleanup.enter_async_context(_warm_contest(load.database))
                contests[tables] = contest
                if load.earlier_orders:
                    filled = await fill(contest, load.earlier_orders, open_orders)
                    out.print(f"{load.database}: {filled}", style="dim")
        for number in range(rounds):
            for load in loads:
                contest = contests[load.database, load.earlier_orders]
                results.append(await run(contest, load, seconds))
                rate = f"{results[-1].orders_per_s:.1f} orders/s"
                out.print(f"{number + 1}/{rounds} {load.database} {load.name}: {rate}", style="dim")
    return 0


@asynccontextmanager
async def _warm_contest(kind: str) -> AsyncIterator[Contest]:
    """Start all processes, and place a few orders with each contender."""
    with tempfile.TemporaryDirectory(prefix="orders-bench-") as name:
        async with contest_on(kind, Path(name)) as contest:
            for contender in (*WORKFLOWS, "ours"):
                await run(contest, Load(contender, kind, 4), WARM_UP_S)
            yield contest


def show(measurement: Measurement) -> None:
    """Print a table of all loads and the list of goals for each database."""
    for database in measurement.databases():
        table = Table(*COLUMNS, title=database, box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows(measurement, database):
            table.add_row(*row)
        out.print(table)
    for database in measurement.databases():
        out.print(f"\n{database}", style="bold")
        for goal in goals(measurement, database):
            out.print(str(goal))


def main(
    database: Annotated[list[str] | None, typer.Option(help="sqlite or postgresql.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few loads, once: two minutes.")] = False,
    full: Annotated[bool, typer.Option("--full", help="All combinations: hours.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each load runs.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long a load places orders.")] = 4.0,
    table_orders: Annotated[
        int, typer.Option(help="Also measure on tables with so many completed orders.")
    ] = 0,
    open_orders: Annotated[int, typer.Option(help="Open orders in these tables.")] = 0,
    results_file: Annotated[Path, typer.Option("--out")] = Path("var/bench.json"),
) -> None:
    """Measure, print the tables, write every run as JSON and draw the plot next to it.

    Ctrl-C ends the measurement; the loads that have run are shown.
    """
    grid: Callable[[str], list[Load]] = usual_loads
    if quick or full:
        grid = quick_loads if quick else all_loads
    kinds = database or ["sqlite", "postgresql"]
    loads = [load for group in zip(*map(grid, kinds), strict=True) for load in group]
    if earlier := table_orders + open_orders:
        loads += [load for kind in kinds for load in loads_on_full_tables(kind, earlier)]
    results: list[Result] = []
    load_before, _, _ = os.getloadavg()
    work = measure(loads, 1 if quick else rounds, seconds, open_orders, results)
    status = run_until_signal(work)
    if results:
        measurement = measured_now(results, load_before)
        show(measurement)
        measurement.save(results_file)
        results_file.with_suffix(".svg").write_text(draw(measurement))
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
