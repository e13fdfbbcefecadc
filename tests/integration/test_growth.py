"""What an order costs doesn't depend on how much stock there is: counted in statements and read
from the query plans, as seconds say little on a busy machine. (`benchmarks/growth.py` has them.)"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from benchmarks.warehouse import Warehouse, make
from models.messages.steps import OrderStep
from tests.conftest import DATABASES, new_database

SMALL, LARGE = 1_000, 20_000
OF_STOCK = {"stock", "stock_movements", "stock_policies", "products", "offers"}
"""Tables that grow with the stock."""
CHUNK = 500
"""Rows that one statement takes at a time, at least."""

Statement = tuple[str, Any]
Step = Callable[[Warehouse, OrderStep], object]


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """What the databases are asked in the meantime; of many rows at once it is one statement."""
    seen: list[Statement] = []

    def note(_c: Connection, _cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        many = rest[-1] and isinstance(parameters, list)  # else they are in one statement
        seen.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def issue(warehouse: Warehouse, step: OrderStep) -> None:
    """Goods issue of everything planned."""
    warehouse.issue(step, warehouse.consign(step))


STEPS: dict[str, Step] = {
    "reserve": Warehouse.reserve,
    "consign": Warehouse.consign,
    "issue": issue,
    "release": Warehouse.release,
}


def asked_for(warehouse: Warehouse, lines: int, quantity: int = 2) -> dict[str, list[Statement]]:
    """The statements of each step of an order of so many lines; the last is of another order."""
    found = {}
    with statements() as asked:
        leaving = warehouse.record(warehouse.document(lines, quantity))
    found["record"] = list(asked)
    other = warehouse.record(warehouse.document(lines, quantity))
    warehouse.reserve(other)
    for name, work in STEPS.items():
        with statements() as asked:
            work(warehouse, other if name == "release" else leaving)
        found[name] = list(asked)
    with statements() as asked:
        warehouse.promise(warehouse.some_sku())
    found["promise"] = list(asked)
    return found


@pytest.fixture(scope="module", params=DATABASES)
def warehouses(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[int, Warehouse]]:
    """A small one and one that has twenty times as much."""
    made = {}
    for rows in (SMALL, LARGE):
        folder: Path = tmp_path_factory.mktemp("growth")
        made[rows] = make(new_database(request.param, request, folder), rows)
    yield made
    for warehouse in made.values():
        warehouse.database.close()


def test_no_statement_is_added_by_more_stock(warehouses: dict[int, Warehouse]) -> None:
    """For the same order, step by step."""
    small, large = (asked_for(warehouses[rows], 10) for rows in (SMALL, LARGE))
    assert {k: len(v) for k, v in small.items()} == {k: len(v) for k, v in large.items()}


@pytest.mark.parametrize("quantity", [2, 2_000_000], ids=["there", "short"])
def test_statements_of_an_order_grow_by_chunks_of_lines(
    warehouses: dict[int, Warehouse], quantity: int
) -> None:
    """A thousand lines ask hardly more often than ten."""
    if quantity > 2:
        few, many = (_when_short(warehouses[LARGE], lines) for lines in (10, 1_000))
    else:
        few, many = (
            {name: len(asked) for name, asked in asked_for(warehouses[LARGE], lines).items()}
            for lines in (10, 1_000)
        )
    kinds_of_rows = 8
    for name, count in many.items():
        assert count <= few[name] + kinds_of_rows * (1_000 // CHUNK), (name, few[name], count)


def _when_short(warehouse: Warehouse, lines: int) -> dict[str, int]:
    """Statements where nothing is there: every line waits, and is given up again."""
    step = warehouse.record(warehouse.document(lines, 1_000_000))
    found = {}
    for name in ("reserve", "release"):
        with statements() as asked:
            STEPS[name](warehouse, step)
        found[name] = len(asked)
    return found


def test_no_table_of_stock_is_read_from_end_to_end(warehouses: dict[int, Warehouse]) -> None:
    """Every statement of an order finds its rows by an index."""
    warehouse = warehouses[LARGE]
    if warehouse.database.url.startswith("postgresql"):
        _analyze(warehouse.database)
    for name, asked in asked_for(warehouse, 3).items():
        for statement, parameters in asked:
            if re.match(r"\s*(SELECT|UPDATE)", statement):
                plan = _plan(warehouse.database, statement, parameters)
                assert not scanned(plan) & OF_STOCK, (name, statement, plan)


def _analyze(database: Database) -> None:
    """As the server itself does after a while."""
    database.transaction(lambda work: work.session.execute(text("ANALYZE")))


def _plan(database: Database, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if database.url.startswith("sqlite") else "EXPLAIN"

    def change(work: UnitOfWork) -> str:
        rows = work.session.connection().exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)

    return database.transaction(change)


def scanned(plan: str) -> set[str]:
    """The tables that a plan reads from end to end, of either database."""
    sqlite = re.findall(r"^SCAN (\w+)(?! USING (?:COVERING )?INDEX)", plan, re.M)
    return {*sqlite, *re.findall(r"Seq Scan on (\w+)", plan)}


def test_a_plan_that_reads_everything_is_found() -> None:
    """A rule that can't fail holds nothing."""
    assert scanned("SCAN stock") == {"stock"}
    assert scanned("Hash Join\n  ->  Seq Scan on stock  (cost=0.00)") == {"stock"}
    assert not scanned("SEARCH stock USING INDEX sqlite_autoindex_stock_1 (sku=?)")
