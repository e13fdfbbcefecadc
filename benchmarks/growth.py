"""Measure how run time grows with stock rows and order lines: `python -m benchmarks.growth`.

Reserve stock and read available-to-promise quantities with 1,000 and with 1,000,000 stock rows, and
process orders of 1 to 1,000 lines.

`--database URL` can be repeated. Give the URL of a PostgreSQL database whose user may create
databases; the default is a temporary SQLite file. The exit status is 1 if the large warehouse takes
more than twice as long as the small one, or if a step exceeds its time limit.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from benchmarks.warehouse import Warehouse, create_warehouse
from models.messages.steps import OrderStep

MAX_RATIO = 2.0
"""The largest accepted ratio of the large warehouse's time to the small one's."""
LINE_COUNTS = (1, 10, 100, 1_000)
LINES_PER_ORDER = 3
REPETITIONS = 5
STEP_LIMIT_MS = 2_000
"""The time limit of a step as a local activity (`workflows/steps.py`)."""
out = Console()


@dataclass(frozen=True)
class Growth:
    """The median times of an operation in both warehouses, in milliseconds."""

    operation: str
    small_ms: float
    large_ms: float

    @property
    def ratio(self) -> float:
        """The large warehouse's time divided by the small one's."""
        return self.large_ms / self.small_ms


def elapsed_ms(work: Callable[[], object]) -> float:
    """Run `work`; return the elapsed milliseconds."""
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1_000


def measure_growth(small: Warehouse, large: Warehouse, count: int) -> list[Growth]:
    """Measure both warehouses alternately, so that other load affects them equally."""
    reserve_ms: dict[int, list[float]] = {small.rows: [], large.rows: []}
    promise_ms: dict[int, list[float]] = {small.rows: [], large.rows: []}
    for _ in range(count):
        for warehouse in (small, large):
            reserve_ms[warehouse.rows].append(_reserve_ms(warehouse))
            sku = warehouse.random_sku()
            read_promise = partial(warehouse.available_to_promise, sku)
            promise_ms[warehouse.rows].append(elapsed_ms(read_promise))
    return [
        Growth(operation, median(times[small.rows]), median(times[large.rows]))
        for operation, times in (("reserve", reserve_ms), ("available to promise", promise_ms))
    ]


def _reserve_ms(warehouse: Warehouse) -> float:
    step = warehouse.record(warehouse.document(LINES_PER_ORDER))
    return elapsed_ms(lambda: warehouse.reserve(step))


STEPS = ("record", "reserve", "release", "plan", "issue", "backorder")


def measure_steps(warehouse: Warehouse, line_count: int) -> dict[str, float]:
    """Return the median milliseconds of each step for orders of `line_count` lines."""
    runs = [_steps_ms(warehouse, line_count) for _ in range(REPETITIONS)]
    return {step: median(run[step] for run in runs) for step in STEPS}


def _steps_ms(warehouse: Warehouse, line_count: int) -> dict[str, float]:
    document, times = warehouse.document(line_count), dict[str, float]()
    step = OrderStep(order_id=document.order_id)
    times["record"] = elapsed_ms(lambda: warehouse.record(document))
    times["reserve"] = elapsed_ms(lambda: warehouse.reserve(step))
    times["release"] = elapsed_ms(lambda: warehouse.release(step))
    shipped = warehouse.record(warehouse.document(line_count))
    warehouse.reserve(shipped)
    times["plan"] = elapsed_ms(lambda: warehouse.plan_shipments(shipped))
    planned = warehouse.plan_shipments(shipped)
    times["issue"] = elapsed_ms(lambda: warehouse.issue_goods(shipped, planned))
    short = warehouse.record(warehouse.document(line_count, quantity=1_000_000))
    times["backorder"] = elapsed_ms(lambda: warehouse.reserve(short))
    warehouse.release(short)
    return times


@contextmanager
def databases(url: str, sizes: Sequence[int]) -> Iterator[list[str]]:
    """Create an empty database for each size; drop them after the block."""
    if not url or make_url(url).get_backend_name() == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield [f"sqlite:///{Path(folder) / str(size)}.db" for size in sizes]
        return
    names = [f"growth_{size}" for size in sizes]
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield [str(make_url(url).set(database=name)) for name in names]
        finally:
            for name in names:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def measure(url: str, small: int, large: int, count: int) -> bool:
    """Measure one database and print the results; return whether all limits are met."""
    with databases(url, (small, large)) as urls:
        warehouses = []
        for database_url, rows in zip(urls, (small, large), strict=True):
            start = perf_counter()
            warehouses.append(create_warehouse(database_url, rows))
            seconds = perf_counter() - start
            out.print(f"{rows:,} stock rows created in {seconds:.1f} s", style="dim")
        results = measure_growth(warehouses[0], warehouses[1], count)
        by_lines = {number: measure_steps(warehouses[1], number) for number in LINE_COUNTS}
        for warehouse in warehouses:
            warehouse.database.close()
    name = "sqlite" if not url else make_url(url).get_backend_name()
    out.print(_growth_table(f"{name}: growth", small, large, results))
    out.print(_lines_table(f"{name}: order lines, ms (ms per line)", by_lines))
    slowest = max(time for steps in by_lines.values() for time in steps.values())
    return all(row.ratio <= MAX_RATIO for row in results) and slowest < STEP_LIMIT_MS


def _growth_table(title: str, small: int, large: int, results: Sequence[Growth]) -> Table:
    table = Table("", f"{small:,} rows, ms", f"{large:,} rows, ms", "ratio", title=title)
    for row in results:
        style = "red" if row.ratio > MAX_RATIO else None
        numbers = (f"{row.small_ms:.2f}", f"{row.large_ms:.2f}", f"{row.ratio:.2f}")
        table.add_row(row.operation, *numbers, style=style)
    return table


def _lines_table(title: str, by_lines: dict[int, dict[str, float]]) -> Table:
    table = Table("lines", *STEPS, title=title)
    for number, steps in by_lines.items():
        table.add_row(f"{number:,}", *(f"{ms:.1f} ({ms / number:.2f})" for ms in steps.values()))
    return table


def main(
    database: Annotated[
        list[str] | None, typer.Option(help="Database URL; default: a temporary SQLite file.")
    ] = None,
    small: Annotated[int, typer.Option(help="Stock rows of the small warehouse.")] = 1_000,
    large: Annotated[int, typer.Option(help="Stock rows of the large warehouse.")] = 1_000_000,
    count: Annotated[int, typer.Option(help="Orders measured in each warehouse.")] = 200,
) -> None:
    """Measure growth; exit with status 1 if a limit is exceeded."""
    results = [measure(url, small, large, count) for url in database or [""]]
    if not all(results):
        out.print("limit exceeded", style="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
