"""Growth: `python -m benchmarks.growth` measures reserving stock and reading what may be promised
with 1,000 and with 1,000,000 stock rows in one run, and orders of 1 to 1,000 lines.

`--database URL`, several times: an empty SQLite file's folder needs none (the default is one of our
own); of a PostgreSQL server the URL of any database in which databases may be created. Exit status
1 where the large warehouse takes more than twice as long as the small one.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from benchmarks.warehouse import Warehouse, make
from models.messages.steps import OrderStep

MOST = 2.0
"""The large warehouse may take so many times as long as the small one."""
LINES = (1, 10, 100, 1_000)
LINES_OF_MANY = 3
REPEAT = 5
LOCAL_LIMIT_MS = 2_000
"""How long a step may take as a local activity (`workflows/steps.py`)."""
out = Console()


@dataclass(frozen=True)
class Growth:
    """Medians in milliseconds."""

    what: str
    small_ms: float
    large_ms: float

    @property
    def ratio(self) -> float:
        """How many times as long the large one takes."""
        return self.large_ms / self.small_ms


def took_ms(work: Callable[[], object]) -> float:
    """Milliseconds of the wall clock."""
    begun = perf_counter()
    work()
    return (perf_counter() - begun) * 1_000


def growth(small: Warehouse, large: Warehouse, count: int) -> list[Growth]:
    """Reserve and read in both by turns, so that what else the machine does hits both alike."""
    reserved: dict[int, list[float]] = {small.rows: [], large.rows: []}
    promised: dict[int, list[float]] = {small.rows: [], large.rows: []}
    for _ in range(count):
        for warehouse in (small, large):
            reserved[warehouse.rows].append(_reserve_ms(warehouse))
            sku = warehouse.some_sku()
            promised[warehouse.rows].append(took_ms(lambda w=warehouse, s=sku: w.promise(s)))
    return [
        Growth(what, median(times[small.rows]), median(times[large.rows]))
        for what, times in (("reserve", reserved), ("available to promise", promised))
    ]


def _reserve_ms(warehouse: Warehouse) -> float:
    step = warehouse.record(warehouse.document(LINES_OF_MANY))
    return took_ms(lambda: warehouse.reserve(step))


STEPS = ("record", "reserve", "release", "consign", "issue", "all short")


def lines(warehouse: Warehouse, count: int) -> dict[str, float]:
    """Milliseconds of each step of an order of so many lines: the median of some orders."""
    runs = [_steps_ms(warehouse, count) for _ in range(REPEAT)]
    return {step: median(run[step] for run in runs) for step in STEPS}


def _steps_ms(warehouse: Warehouse, count: int) -> dict[str, float]:
    document, times = warehouse.document(count), dict[str, float]()
    step = OrderStep(order_id=document.order_id)
    times["record"] = took_ms(lambda: warehouse.record(document))
    times["reserve"] = took_ms(lambda: warehouse.reserve(step))
    times["release"] = took_ms(lambda: warehouse.release(step))
    leaving = warehouse.record(warehouse.document(count))
    warehouse.reserve(leaving)
    times["consign"] = took_ms(lambda: warehouse.consign(leaving))
    planned = warehouse.consign(leaving)
    times["issue"] = took_ms(lambda: warehouse.issue(leaving, planned))
    short = warehouse.record(warehouse.document(count, quantity=1_000_000))
    times["all short"] = took_ms(lambda: warehouse.reserve(short))
    warehouse.release(short)
    return times


@contextmanager
def databases(url: str, sizes: Sequence[int]) -> Iterator[list[str]]:
    """An empty database for each size, gone afterwards."""
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
    """Measure one database, print what was found; True where it is within bounds."""
    with databases(url, (small, large)) as urls:
        made = []
        for one, rows in zip(urls, (small, large), strict=True):
            filled = took_ms(lambda u=one, r=rows: made.append(make(u, r)))
            out.print(f"{rows:,} stock rows filled in {filled / 1_000:.1f} s", style="dim")
        found = growth(made[0], made[1], count)
        by_lines = {number: lines(made[1], number) for number in LINES}
        for warehouse in made:
            warehouse.database.close()
    name = "sqlite" if not url else make_url(url).get_backend_name()
    out.print(_growth_table(f"{name}: growth", small, large, found))
    out.print(_lines_table(f"{name}: lines of an order, ms (ms per line)", by_lines))
    slowest = max(time for steps in by_lines.values() for time in steps.values())
    return all(row.ratio <= MOST for row in found) and slowest < LOCAL_LIMIT_MS


def _growth_table(title: str, small: int, large: int, found: Sequence[Growth]) -> Table:
    table = Table("", f"{small:,} rows, ms", f"{large:,} rows, ms", "times", title=title)
    for row in found:
        style = "red" if row.ratio > MOST else None
        numbers = (f"{row.small_ms:.2f}", f"{row.large_ms:.2f}", f"{row.ratio:.2f}")
        table.add_row(row.what, *numbers, style=style)
    return table


def _lines_table(title: str, by_lines: dict[int, dict[str, float]]) -> Table:
    table = Table("lines", *STEPS, title=title)
    for number, steps in by_lines.items():
        table.add_row(f"{number:,}", *(f"{ms:.1f} ({ms / number:.2f})" for ms in steps.values()))
    return table


def main(
    database: Annotated[list[str] | None, typer.Option(help="Where; default SQLite.")] = None,
    small: int = 1_000,
    large: int = 1_000_000,
    count: Annotated[int, typer.Option(help="Orders in each warehouse.")] = 200,
) -> None:
    """Exit status 1 where growth, or an order of 1,000 lines, is out of bounds."""
    within = [measure(url, small, large, count) for url in database or [""]]
    if not all(within):
        out.print("out of bounds", style="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
