"""The benchmark starts all processes and counts what an order costs; its measurements are by hand."""

from pathlib import Path

from benchmarks.contest import contest_on
from benchmarks.loads import Load
from benchmarks.throughput import run


async def test_benchmark_of_an_order_with_two_workers(tmp_path: Path) -> None:
    """One order, by two workers that share the database, with its exact counts."""
    async with contest_on("sqlite", tmp_path) as contest:
        result = await run(contest, Load("ours", "sqlite", at_once=1, workers=2), seconds=0)
    assert (result.orders, result.busy, result.unavailable) == (1, 0, 0)
    assert result.transactions == 10
    assert result.cpu_ms["worker"] > 0
