"""Fill the tables with orders: one completed and one open order are copied by plain SQL.

Every row that belongs to such an order is copied, whatever its table. So the tables are filled as
the product fills them. Only the rows are there: their workflows, and the stock that they moved,
are not.
"""

import asyncio
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Insert,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    cast,
    create_engine,
    event,
    insert,
    literal,
    null,
    select,
    text,
)
from sqlmodel import SQLModel

from activities.database.engine import Database, with_driver
from activities.masterdata.importing import import_folder
from benchmarks.contest import STOCKED_SKUS, Contest
from models.settings import Settings
from tests.support.masterdata.shop import Document, order, write_shop
from tests.support.pipeline.waiting import until

Row = dict[str, Any]
"""A row as read from a table of any shape."""
DONE, OPEN = "TEMPLATE-DONE", "TEMPLATE-OPEN"
TEMPLATE_SKU, TEMPLATE_CUSTOMER = "TEMPLATE-SKU", "TEMPLATE-CUSTOMER"
MASTER_DATA = {"accounts", "customers", "locations", "products", "suppliers"}
"""Tables that are not copied, apart from customers."""
ENTRIES = "journal_entries"
ORDERS_OF_A_CUSTOMER = 20
CHUNK = 10_000
"""Orders that are copied in one transaction: their pages fit the cache of the database."""


async def fill(contest: Contest, orders: int, open_orders: int) -> str:
    """Fill the tables with `orders` orders, of which `open_orders` wait for their payment.

    Returns a sentence about what was done.
    """
    await asyncio.to_thread(_import_templates, contest.database_url)
    await _place(contest, order(TEMPLATE_SKU, TEMPLATE_CUSTOMER, order_id=DONE))
    await contest.client.get_workflow_handle(f"order-{DONE}").result()
    await _place(contest, order(TEMPLATE_SKU, TEMPLATE_CUSTOMER, order_id=OPEN, terms="cash"))
    await until(lambda: _stage(contest, OPEN), lambda stage: stage == "awaiting_payment")
    start = perf_counter()
    rows = await asyncio.to_thread(
        _copy_all, contest.database_url, orders - open_orders, open_orders
    )
    seconds = perf_counter() - start
    return f"{orders:,} orders, {rows:,} rows in {seconds:.0f} s"


def _import_templates(url: str) -> None:
    tables = Database(url, Settings(_env_file=None).rules)
    with tempfile.TemporaryDirectory() as name:
        write_shop(Path(name), TEMPLATE_SKU, TEMPLATE_CUSTOMER, on_hand=10)
        import_folder(tables, Path(name))
    tables.close()


async def _place(contest: Contest, document: Document) -> None:
    (await contest.api.post("/orders", json=document)).raise_for_status()


async def _stage(contest: Contest, order_id: str) -> str:
    response = await contest.api.get(f"/orders/{order_id}")
    return str(response.json()["stage"])


def _copy_all(url: str, completed: int, open_orders: int) -> int:
    """Copy customers and both orders; returns the number of rows."""
    engine = create_engine(with_driver(url))
    event.listen(engine, "connect", _hurry)
    customers = (completed + open_orders) // ORDERS_OF_A_CUSTOMER + 1
    counts = {("C", TEMPLATE_CUSTOMER): customers, ("D", DONE): completed, ("O", OPEN): open_orders}
    with engine.connect() as connection:
        templates = {template: order_rows(connection, template) for _, template in counts}
    own = [(table, row) for table, row in templates[TEMPLATE_CUSTOMER] if table.name == "customers"]
    templates[TEMPLATE_CUSTOMER] = own
    for (prefix, template), count in counts.items():
        copying = Copying(template, prefix, customers, engine.dialect.name)
        for first in range(0, count, CHUNK):
            numbers = range(first, min(first + CHUNK, count))
            with engine.begin() as connection:
                for table, row in templates[template]:
                    connection.execute(copying.statement(table, row, numbers))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return sum(count * len(templates[template]) for (_, template), count in counts.items())


def _hurry(connection: Any, _record: object) -> None:
    """Set up a connection of either driver for inserts that need not survive a crash."""
    cursor = connection.cursor()
    if isinstance(connection, sqlite3.Connection):
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("PRAGMA cache_size=-500000")  # kB
    else:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
    connection.commit()


def order_rows(connection: Connection, order_id: str) -> list[tuple[Table, Row]]:
    """List the rows of an order in the order of their insertion: an entry seals its postings."""
    return sorted(_rows_of(connection, order_id), key=lambda row: row[0].name == ENTRIES)


def _rows_of(connection: Connection, order_id: str) -> Iterator[tuple[Table, Row]]:
    """Yield the rows that name an order or refer to such a row, each after what it refers to."""
    keys: dict[str, set[object]] = {}
    for table in SQLModel.metadata.sorted_tables:
        parents = [
            (key.parent.name, keys[key.target_fullname])
            for key in table.foreign_keys
            if key.target_fullname in keys
        ]
        for row in map(dict, connection.execute(select(table)).mappings()):
            if order_id in str(row) or any(row[name] in known for name, known in parents):
                for column in table.primary_key:
                    keys.setdefault(f"{table.name}.{column.name}", set()).add(row[column.name])
                yield table, row


@dataclass(frozen=True)
class Copying:
    """How the rows of an order are copied."""

    template: str
    """The id that every copy replaces by one of its own."""
    prefix: str
    """The prefix of the copies' ids."""
    customers: int
    dialect: str

    def statement(self, table: Table, row: Row, numbers: range) -> Insert:
        """Return the statement that inserts a copy of a row for each number."""
        first = select(literal(numbers.start).label("number")).cte("copies", recursive=True)
        last = numbers.stop - 1
        copies = first.union_all(select(first.c.number + 1).where(first.c.number < last))
        number = copies.c.number
        own_id = literal(self.prefix) + cast(number, String)
        ids: dict[str, ColumnElement[str]] = {
            TEMPLATE_CUSTOMER: literal("C") + cast(number % self.customers, String),
            TEMPLATE_SKU: literal("S") + cast(number % STOCKED_SKUS, String),
            self.template: own_id,
        }
        columns = [column for column in table.columns if not _is_generated(column)]
        made_unique = _columns_to_make_unique(table, row, self.template)
        values: list[ColumnElement[Any]] = []
        for column in columns:
            value = self._renamed(column, row[column.name], ids)
            values.append(value + "-" + own_id if column.name in made_unique else value)
        return insert(table).from_select(columns, select(*values).select_from(copies))

    def _renamed(
        self, column: Column[Any], value: object, ids: dict[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Return the SQL for a value in which each id is replaced."""
        if value is None:
            return null()
        is_json = isinstance(column.type, JSON)
        if not is_json and type(value) is not str:
            return literal(value, column.type)
        written = json.dumps(value) if is_json else str(value)
        parts = re.split(f"({'|'.join(map(re.escape, ids))})", written)
        pieces = [ids[part] if part in ids else literal(part) for part in parts if part]
        joined: ColumnElement[str] = reduce(add, pieces, literal(""))
        return cast(joined, JSON) if is_json and self.dialect == "postgresql" else joined


def _is_generated(column: Column[Any]) -> bool:
    """Whether the database numbers the rows by this column."""
    keys = list(column.table.primary_key)
    return keys == [column] and isinstance(column.type, Integer)


def _columns_to_make_unique(table: Table, row: Row, template: str) -> set[str]:
    """List a column of each key that does not contain the order's id."""
    found = set()
    for constraint in table.constraints:
        if not isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            continue
        columns = [c for c in constraint.columns if not _is_generated(c)]
        if any(template in str(row[column.name]) for column in columns):
            continue
        free = [c.name for c in columns if c.name not in _names_of_master_data(table)]
        found.update(free[-1:])
    return found


def _names_of_master_data(table: Table) -> set[str]:
    return {key.parent.name for key in table.foreign_keys if key.column.table.name in MASTER_DATA}
