"""Results of loads: medians of their runs, tables, and the numbers that have a goal."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.loads import USUAL, Load
from tools.stack import HOME


@dataclass(frozen=True)
class Result:
    """What a run of a load took, per order where no unit says otherwise."""

    load: Load
    orders: int
    """Orders in the run."""
    orders_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    """CPU of each kind of process."""
    rss_mb: dict[str, float]
    """Memory of each kind of process at the end of the run."""
    events: float
    activities: float
    history_bytes: float
    transactions: float
    statements: float
    busy: int
    """Transactions in the run that failed because the database was busy."""
    unavailable: int
    """Orders in the run that the API answered with 503, and that were sent again."""


Value = Callable[[Result], float]


@dataclass(frozen=True)
class Measurement:
    """All results of a run of the benchmark, and where they were measured."""

    commit: str
    machine: str
    measured_at: str
    results: list[Result]

    def by_load(self) -> dict[Load, list[Result]]:
        """Group the results by load, in the order of the first round."""
        grouped: dict[Load, list[Result]] = {}
        for result in self.results:
            grouped.setdefault(result.load, []).append(result)
        return grouped

    def median(self, load: Load, value: Value) -> float | None:
        """Return the median of a value over the runs of a load; None if it did not run."""
        runs = self.by_load().get(load)
        return None if runs is None else median(map(value, runs))

    def databases(self) -> list[str]:
        """List the kinds of databases."""
        return list(dict.fromkeys(result.load.database for result in self.results))

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load_file(cls, path: Path) -> "Measurement":
        """Read a file that `save` wrote."""
        saved = json.loads(path.read_text())
        results = [Result(**{**row, "load": Load(**row["load"])}) for row in saved.pop("results")]
        return cls(**saved, results=results)


def measured_now(results: list[Result], load_before: float) -> Measurement:
    """Add commit, machine and time to results. `load_before`: the load average at the start."""
    git = ("git", "-C", str(HOME), "describe", "--always", "--dirty", "--abbrev=10")
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    machine = (
        f"{os.cpu_count()} cores of {cpu}, {memory_gb:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, load average {load_before:.1f} before the run"
    )
    return Measurement(commit, machine, datetime.now(UTC).isoformat(timespec="minutes"), results)


COLUMNS = (
    *("load", "orders/s", "min", "max", "p50 ms", "p95", "p99"),
    *("CPU ms: worker", "server", "API", "simulators", "database"),
    *("events", "bytes", "statements", "transactions", "busy", "503"),
    *("RSS MB: worker", "server", "API"),
)


def rows(measurement: Measurement, database: str) -> Iterator[tuple[str, ...]]:
    """Yield a row of COLUMNS for each load of a database: medians of its runs."""
    for load, runs in measurement.by_load().items():
        if load.database != database:
            continue
        rates = [run.orders_per_s for run in runs]
        worker = worker_of(load)
        values: tuple[Value, ...] = (
            *(lambda r: r.p50_ms, lambda r: r.p95_ms, lambda r: r.p99_ms),
            *_each("cpu_ms", worker, "server", "API", "simulators", "database"),
            *(lambda r: r.events, lambda r: r.history_bytes),
            *(lambda r: r.statements, lambda r: r.transactions),
            *(lambda r: r.busy, lambda r: r.unavailable),
            *_each("rss_mb", worker, "server", "API"),
        )
        medians = (f"{median(map(value, runs)):.0f}" for value in values)
        speeds = (f"{rate:.1f}" for rate in (median(rates), min(rates), max(rates)))
        yield (load.name, *speeds, *medians)


def _each(field: str, *processes: str) -> list[Value]:
    return [lambda r, name=name: getattr(r, field).get(name, 0) for name in processes]  # type: ignore[misc]  # a default binds the name


def worker_of(load: Load) -> str:
    """Return the name of the processes that run a load's workflows."""
    return "worker" if load.contender == "ours" else load.contender


@dataclass(frozen=True)
class Goal:
    """A number with a goal."""

    name: str
    value: float | None
    """None: its loads did not run."""
    goal: str

    @property
    def shown(self) -> str:
        """The value as it is read."""
        if self.value is None:
            return "not measured"
        is_whole = self.value >= 10 or self.value == int(self.value)
        return f"{self.value:,.0f}" if is_whole else f"{self.value:.2f}"

    def __str__(self) -> str:
        return f"{self.name}: {self.shown} ({self.goal})"


TWO_WORKERS = {"sqlite": "no less", "postgresql": "1.3 or more"}
"""Goals: SQLite has one writer, whatever the number of workers."""


def goals(measurement: Measurement, database: str) -> list[Goal]:
    """List the numbers that tell whether the pipeline is fast."""
    ours = Load("ours", database, USUAL)
    alone = Load("ours", database, 1)
    floor, naive = (Load(name, database, USUAL) for name in ("floor", "naive"))

    def ratio(one: Load, other: Load, value: Callable[[Load], Value]) -> float | None:
        above, below = measurement.median(one, value(one)), measurement.median(other, value(other))
        return above / below if above is not None and below else None

    def speed(load: Load) -> Value:
        return lambda result: result.orders_per_s

    def worker_cpu(load: Load) -> Value:
        return lambda result: result.cpu_ms[worker_of(load)]

    two = Load("ours", database, USUAL, workers=2)
    at_once = f"{USUAL} at once"
    return [
        Goal(f"orders/s, ours / floor, {at_once}", ratio(ours, floor, speed), "0.40 or more"),
        Goal(f"orders/s, ours / naive, {at_once}", ratio(ours, naive, speed), "1 or more"),
        Goal(f"orders/s, {at_once} / 1 at once", ratio(ours, alone, speed), "2.5 or more"),
        Goal(
            f"orders/s, 2 workers / 1, {at_once}",
            ratio(two, ours, speed),
            "1.3 or more on PostgreSQL",
        ),
        Goal(f"worker CPU, ours / floor, {at_once}", ratio(ours, floor, worker_cpu), "at most 5"),
        *(
            Goal(f"{name}, one order alone", measurement.median(alone, value), goal)
            for name, value, goal in ALONE
        ),
    ]


ALONE: Sequence[tuple[str, Value, str]] = (
    ("events", lambda r: r.events, "at most 36"),
    ("ordinary activities", lambda r: r.activities, "0"),
    ("history bytes", lambda r: r.history_bytes, "at most 10,000"),
    ("transactions", lambda r: r.transactions, "at most 10"),
    ("statements", lambda r: r.statements, "at most 80"),
)
"""Numbers of a prepaid order of one line that is processed alone, and their goals."""
