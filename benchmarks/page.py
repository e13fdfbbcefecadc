"""Write measured numbers into docs/performance.md: `python -m benchmarks.page var/bench.json`.

Each part between `<!-- measured: NAME -->` and `<!-- end -->` is replaced; the plot is drawn again.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.loads import USUAL, Load
from benchmarks.plot import draw
from benchmarks.results import Measurement, Result, goals, worker_of
from tools.stack import HOME

PAGE = HOME / "docs" / "performance.md"
PLOT = HOME / "docs" / "performance.svg"
PART = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.S)
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Format a Markdown table whose numbers are aligned to the right."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def setting(measurement: Measurement) -> str:
    """State where and when the numbers were measured."""
    rounds = max(map(len, measurement.by_load().values()))
    return (
        f"Commit `{measurement.commit}`, {measurement.measured_at[:10]}. {measurement.machine}. "
        f"Medians of {rounds} rounds."
    )


def goal_table(measurement: Measurement) -> str:
    """Compare the numbers that have a goal."""
    databases = measurement.databases()
    columns = zip(*(goals(measurement, database) for database in databases), strict=True)
    rows = ((row[0].name, *(goal.shown for goal in row), row[0].goal) for row in columns)
    return table(("", *(TITLES[database] for database in databases), "goal"), rows)


LOAD_COLUMNS = (
    *("", "orders/s (min-max)", "p50 ms", "p95", "p99"),
    *("worker", "server", "API", "partners", "database"),
    *("events", "kB", "transactions", "statements", "busy", "503"),
)


def load_table(measurement: Measurement) -> str:
    """List all loads: a table for each database."""
    parts = []
    for database in measurement.databases():
        runs = {
            load: each for load, each in measurement.by_load().items() if load.database == database
        }
        rows = (_load_row(load, each) for load, each in runs.items())
        parts.append(f"**{TITLES[database]}**\n\n{table(LOAD_COLUMNS, rows)}")
    return "\n\n".join(parts)


def _load_row(load: Load, runs: list[Result]) -> tuple[str, ...]:
    def middle(value: Callable[[Result], float]) -> str:
        return f"{median(map(value, runs)):,.0f}"

    def cpu(process: str) -> str:
        return middle(lambda run: run.cpu_ms.get(process, 0))

    rates = [run.orders_per_s for run in runs]
    return (
        load.name,
        f"{median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})",
        *(middle(lambda run: run.p50_ms), middle(lambda run: run.p95_ms)),
        middle(lambda run: run.p99_ms),
        *map(cpu, (worker_of(load), "server", "API", "simulators", "database")),
        middle(lambda run: run.events),
        middle(lambda run: run.history_bytes / 1_000),
        middle(lambda run: run.transactions),
        *(middle(lambda run: run.statements), middle(lambda run: run.busy)),
        middle(lambda run: run.unavailable),
    )


def memory_table(measurement: Measurement) -> str:
    """List the memory of each process after loads of ours, in MB."""
    processes = ("worker", "server", "API", "simulators")
    rows = []
    for load, runs in measurement.by_load().items():
        if load.contender == "ours" and load in (
            Load("ours", load.database, 1),
            Load("ours", load.database, USUAL),
            Load("ours", load.database, USUAL, workers=2),
        ):
            medians = (median(run.rss_mb[name] for run in runs) for name in processes)
            name = f"{TITLES[load.database]}, {load.name}"
            rows.append((name, *(f"{value:,.0f}" for value in medians)))
    return table(("", *processes), rows)


PARTS: dict[str, Callable[[Measurement], str]] = {
    "setting": setting,
    "goals": goal_table,
    "loads": load_table,
    "memory": memory_table,
}


def filled(page: str, measurement: Measurement) -> str:
    """Replace the measured parts of a page."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]](measurement)}\n\n{part[3]}", page)


def main(
    results_file: Annotated[Path, typer.Argument(help="Written by `make bench`.")] = Path(
        "var/bench.json"
    ),
) -> None:
    """Fill the page and draw the plot."""
    measurement = Measurement.load_file(results_file)
    PAGE.write_text(filled(PAGE.read_text(), measurement))
    PLOT.write_text(draw(measurement))


if __name__ == "__main__":
    typer.run(main)
