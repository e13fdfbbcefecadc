"""Test that the cost of an order doesn't depend on the number of stock rows.

The tests count SQL statements and read query plans, because times vary on a busy machine;
`benchmarks/growth.py` measures times.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from benchmarks.warehouse import Warehouse, create_warehouse
from models.messages.steps import OrderStep
from tests.conftest import DATABASES, new_database

SMALL, LARGE = 1_000, 20_000
STOCK_TABLES = {"stock", "stock_movements", "stock_policies", "products", "offers"}
"""Tables that grow with the number of SKUs."""
CHUNK = 500
"""The smallest number of rows that one statement processes."""

Statement = tuple[str, Any]
Step = Callable[[Warehouse, OrderStep], object]


@contextmanager
def recorded_statements() -> Iterator[list[Statement]]:
    """Record the SQL statements of the block; a statement for many rows counts once."""
    statements: list[Statement] = []

    def record(_c: Connection, _cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        is_batch = rest[-1] and isinstance(parameters, list)
        statements.append((statement, parameters[0] if is_batch else parameters))

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def issue_goods(warehouse: Warehouse, step: OrderStep) -> None:
    """Dispatch all shipments of an order."""
    warehouse.issue_goods(step, warehouse.plan_shipments(step))


STEPS: dict[str, Step] = {
    "reserve": Warehouse.reserve,
    "plan shipments": Warehouse.plan_shipments,
    "goods issue": issue_goods,
    "release": Warehouse.release,
}


def statements_of_steps(warehouse: Warehouse, line_count: int) -> dict[str, list[Statement]]:
    """Return the statements of each step; `release` is measured on a second, reserved order."""
    by_step: dict[str, list[Statement]] = {}
    with recorded_statements() as by_step["record"]:
        shipped = warehouse.record(warehouse.document(line_count))
    reserved = warehouse.record(warehouse.document(line_count))
    warehouse.reserve(reserved)
    for name, work in STEPS.items():
        with recorded_statements() as by_step[name]:
            work(warehouse, reserved if name == "release" else shipped)
    with recorded_statements() as by_step["available to promise"]:
        warehouse.available_to_promise(warehouse.random_sku())
    return by_step


@pytest.fixture(scope="module", params=DATABASES)
def warehouses(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[int, Warehouse]]:
    """Create a small warehouse and one with twenty times as many stock rows."""
    created = {}
    for rows in (SMALL, LARGE):
        folder: Path = tmp_path_factory.mktemp("growth")
        created[rows] = create_warehouse(new_database(request.param, request, folder), rows)
    yield created
    for warehouse in created.values():
        warehouse.database.close()


def test_statement_count_is_independent_of_stock_rows(warehouses: dict[int, Warehouse]) -> None:
    """Each step of the same order needs as many statements in both warehouses."""
    small, large = (_count(statements_of_steps(warehouses[rows], 10)) for rows in (SMALL, LARGE))
    assert small == large


@pytest.mark.parametrize("in_stock", [True, False], ids=["in-stock", "out-of-stock"])
def test_statement_count_grows_with_chunks_of_order_lines(
    warehouses: dict[int, Warehouse], in_stock: bool
) -> None:
    """An order of 1,000 lines needs only a few more statements than one of 10."""
    measure = statements_of_steps if in_stock else statements_of_shortage
    few, many = (_count(measure(warehouses[LARGE], line_count)) for line_count in (10, 1_000))
    kinds_of_rows = 8
    for name, count in many.items():
        assert count <= few[name] + kinds_of_rows * (1_000 // CHUNK), (name, few[name], count)


def statements_of_shortage(warehouse: Warehouse, line_count: int) -> dict[str, list[Statement]]:
    """Return the statements that backorder every line of an order and release it again."""
    step = warehouse.record(warehouse.document(line_count, 1_000_000))
    by_step: dict[str, list[Statement]] = {}
    for name in ("reserve", "release"):
        with recorded_statements() as by_step[name]:
            STEPS[name](warehouse, step)
    return by_step


def _count(by_step: dict[str, list[Statement]]) -> dict[str, int]:
    return {name: len(statements) for name, statements in by_step.items()}


def test_no_stock_table_is_scanned(warehouses: dict[int, Warehouse]) -> None:
    """Every statement of an order uses an index on the stock tables."""
    warehouse = warehouses[LARGE]
    if warehouse.database.url.startswith("postgresql"):
        _analyze(warehouse.database)
    for name, statements in statements_of_steps(warehouse, 3).items():
        for statement, parameters in statements:
            if re.match(r"\s*(SELECT|UPDATE)", statement):
                plan = _plan(warehouse.database, statement, parameters)
                assert not scanned_tables(plan) & STOCK_TABLES, (name, statement, plan)


def _analyze(database: Database) -> None:
    """Update the statistics, which PostgreSQL otherwise does later by itself."""
    database.transaction(lambda work: work.session.execute(text("ANALYZE")))


def _plan(database: Database, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if database.url.startswith("sqlite") else "EXPLAIN"

    def read_plan(work: UnitOfWork) -> str:
        rows = work.session.connection().exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)

    return database.transaction(read_plan)


def scanned_tables(plan: str) -> set[str]:
    """Return the tables that a query plan of SQLite or PostgreSQL scans."""
    sqlite = re.findall(r"^SCAN (\w+)(?! USING (?:COVERING )?INDEX)", plan, re.M)
    return {*sqlite, *re.findall(r"Seq Scan on (\w+)", plan)}


def test_table_scan_is_detected_in_query_plan() -> None:
    """Scans are recognised in the plans of both databases, index searches are not."""
    assert scanned_tables("SCAN stock") == {"stock"}
    assert scanned_tables("Hash Join\n  ->  Seq Scan on stock  (cost=0.00)") == {"stock"}
    assert not scanned_tables("SEARCH stock USING INDEX sqlite_autoindex_stock_1 (sku=?)")
