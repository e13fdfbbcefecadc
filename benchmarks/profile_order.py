"""Show what an order costs, statement by statement: `python -m benchmarks.profile_order`.

First one order is placed alone: its SQL transactions are listed as they end, with the step that
runs each, its statements by shape, and the functions that execute them. Then the worker's CPU time
is sampled while more orders are processed, and shown by package and by function.
"""

import asyncio
import json
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.contest import Contest, contest_on
from benchmarks.instrumented import SWITCH_POLL_S
from benchmarks.loads import Load, place
from benchmarks.statements import HOME
from tests.support.pipeline.waiting import until
from tools.processes import run_until_signal

WARM_UP_ORDERS = 4
QUIET_S = 1.0
"""The time without a transaction after which all that follows an order is done."""
TOP = 40
PROJECT = "this project"
STANDARD = "standard library"
out = Console(width=200, highlight=False)


@asynccontextmanager
async def switched_on(contest: Contest, name: str) -> AsyncIterator[None]:
    """Let the processes trace or sample during the block."""
    switch = contest.counts / name
    switch.touch()
    await asyncio.sleep(4 * SWITCH_POLL_S)
    try:
        yield
    finally:
        switch.unlink()
        await asyncio.sleep(4 * SWITCH_POLL_S)


async def until_quiet(contest: Contest) -> None:
    """Wait until no process executes transactions any more."""
    last = None
    while (now := contest.counted()) != last:
        last = now
        await asyncio.sleep(QUIET_S)


async def place_many(contest: Contest, load: Load, orders: int) -> None:
    """Place orders, `at_once` at a time, and wait for their end."""
    left = iter(range(orders))

    async def shopper() -> None:
        for _ in left:
            await place(contest, load)

    await asyncio.gather(*(shopper() for _ in range(load.at_once)))


def process_name(contest: Contest, path: Path) -> str:
    """Return the name of the process that wrote a file."""
    return next(name for name, pids in contest.pids().items() if int(path.stem) in pids)


async def trace(contest: Contest, load: Load) -> list[dict[str, Any]]:
    """Place one order; returns its transactions in their order (`Any`: JSON)."""
    await until_quiet(contest)
    async with switched_on(contest, "tracing"):
        await place(contest, load)
        await until_quiet(contest)
    transactions = [
        {"process": process_name(contest, path), **json.loads(line)}
        for path in contest.counts.glob("*.trace")
        for line in path.read_text().splitlines()
    ]
    return sorted(transactions, key=lambda transaction: float(transaction["ended_at"]))


def shape(sql: str) -> str:
    """Shorten a statement to its verb, table and condition; column lists are left out."""
    sql = " ".join(sql.split())
    sql = re.sub(r"^SELECT .*? FROM ", "SELECT .. FROM ", sql)
    sql = re.sub(r"^(INSERT INTO \w+) .*", r"\1", sql)
    sql = re.sub(r"(%\(\w+\)s(::\w+)?|\?)", "?", sql)
    return re.sub(r"\(\?(?:, \?)+\)", "(?..)", sql)


def show_transactions(transactions: list[dict[str, Any]]) -> None:
    """Print each transaction with its statements by shape and origin."""
    for number, transaction in enumerate(transactions, 1):
        statements = transaction["statements"]
        kind = "read" if transaction["reads_only"] else "write"
        out.print(
            f"[bold]{number}. {transaction['process']} {transaction['step']}[/] ({kind}, "
            f"{len(statements)} statements, {transaction['elapsed_ms']:.1f} ms)"
        )
        rows: Counter[tuple[str, str]] = Counter()
        for statement in statements:
            rows[shape(statement["sql"]), statement["origin"]] += 1
        for (sql, origin), count in rows.items():
            out.print(f"   {count} x {sql[:120]}", markup=False, soft_wrap=True)
            out.print(f"         {origin}", style="dim", markup=False, soft_wrap=True)


def show_totals(transactions: list[dict[str, Any]]) -> None:
    """Print the statements of all transactions by shape, and the totals of each process."""
    shapes = Counter(shape(s["sql"]) for t in transactions for s in t["statements"])
    table = Table("count", "statement", box=None, title="statements of one order by shape")
    for sql, count in shapes.most_common():
        table.add_row(str(count), sql[:170])
    out.print(table)
    for process in sorted({transaction["process"] for transaction in transactions}):
        own = [t for t in transactions if t["process"] == process]
        writes = sum(not t["reads_only"] for t in own)
        statements = sum(len(t["statements"]) for t in own)
        out.print(
            f"{process}: {len(own)} transactions ({writes} writing), {statements} statements",
            style="bold",
        )


async def sample(contest: Contest, load: Load, orders: int) -> None:
    """Sample the processes while `orders` orders are processed, and print the profiles."""
    before = contest.counted()
    async with switched_on(contest, "sampling"):
        await place_many(contest, load, orders)
    used = contest.counted() - before
    workers = contest.pids()["worker"]
    files = [contest.counts / f"{pid}.samples" for pid in workers]
    await until(lambda: all(file.exists() for file in files))
    out.print(f"\n{orders} orders, {load.name}: {used.busy} transactions failed as busy")
    for file in files:
        show_profile(json.loads(file.read_text()), orders)


def show_profile(profile: dict[str, Any], orders: int) -> None:
    """Print the CPU time of a worker by package and by function, in ms per order."""
    packages: Counter[str] = Counter()
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for row in profile["stacks"]:
        stack, ns = [_located(function) for function in row["stack"]], row["ns"]
        packages[_package(stack)] += ns
        own[": ".join(stack[-1])] += ns
        for function in set(stack):
            inclusive[": ".join(function)] += ns
    packages["SDK core and other threads without Python"] = profile["process_ns"] - own.total()
    ours = Counter({name: ns for name, ns in inclusive.items() if name.startswith(PROJECT)})
    total_ms = profile["process_ns"] / orders / 1e6
    out.print(f"worker: {total_ms:.1f} ms of CPU per order, without the sampler", style="bold")
    for title, table in (
        ("by package, the standard library under its caller", packages),
        ("by function of this project, with what it calls", ours),
        ("by any function, with what it calls", inclusive - ours),
        ("by any function, without what it calls", own),
    ):
        _print_profile(title, table, orders)


def _located(function: str) -> tuple[str, str]:
    """Return the package of a function, and its file and name inside of it."""
    path, _, name = function.rpartition(":")
    if "site-packages/" in path:
        package, _, file = path.rpartition("site-packages/")[2].partition("/")
        return package, f"{file} {name}"
    if path.startswith(f"{HOME}/"):
        return PROJECT, f"{Path(path).relative_to(HOME)} {name}"
    return STANDARD, f"{Path(path).name} {name}"


def _package(stack: list[tuple[str, str]]) -> str:
    """Return the package of the innermost function outside the standard library."""
    return next((package for package, _ in reversed(stack) if package != STANDARD), STANDARD)


def _print_profile(title: str, ns: Counter[str], orders: int) -> None:
    table = Table("ms per order", title, box=None)
    for name, used in ns.most_common(TOP):
        table.add_row(f"{used / orders / 1e6:.2f}", escape(name))
    out.print(table)
    out.print()


async def profile(load: Load, orders: int) -> int:
    """Trace one order and sample more of them; returns exit status 0."""
    with tempfile.TemporaryDirectory(prefix="orders-profile-") as name:
        async with contest_on(load.database, Path(name)) as contest:
            await place_many(contest, load, WARM_UP_ORDERS)
            transactions = await trace(contest, load)
            show_transactions(transactions)
            show_totals(transactions)
            if orders:
                await sample(contest, load, orders)
    return 0


def main(
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "sqlite",
    orders: Annotated[int, typer.Option(help="Orders to sample; 0: none.")] = 50,
    at_once: Annotated[int, typer.Option(help="Sampled orders at once.")] = 1,
    lines: Annotated[int, typer.Option(help="Lines of each order.")] = 1,
    terms: Annotated[str, typer.Option(help="Payment terms.")] = "prepaid",
    short: Annotated[bool, typer.Option(help="The goods have to be purchased.")] = False,
) -> None:
    """Trace one order, then sample more of them."""
    load = Load("ours", database, at_once, lines=lines, terms=terms, short=short)
    raise typer.Exit(run_until_signal(profile(load, orders)))


if __name__ == "__main__":
    typer.run(main)
