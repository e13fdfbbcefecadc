"""Test that SQL and Python compute the same amount due."""

from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from sqlmodel import select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.customers import record_customer
from activities.order_record.balance import DUE_MINOR, balance_of
from models.customers import CustomerDocument
from models.progress import Cancellation
from models.tables.orders import Order
from tests.conftest import DATABASES, new_database
from tests.support.database.rules import RULES
from tests.support.ledger.journal import net30_order

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
AMOUNTS_MINOR = (0, 1, 10**15)
SUMMANDS = (
    *("total_minor", "paid_minor", "fees_minor", "reclaimed_minor", "credited_minor"),
    *("payable_minor", "forgiven_minor"),
)
"""The columns of `Order` that make up the amount due."""


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A migrated database without rows, on SQLite and on PostgreSQL."""
    return Database(new_database(request.param, request, tmp_path), RULES, lambda: NOW)


def insert_orders(work: UnitOfWork) -> list[Order]:
    """Insert an order for every combination of amounts; every third is cancelled."""
    customer = CustomerDocument(
        customer_id="C-1", name="Ada", email="ada@example.com", country="DE"
    )
    record_customer(work, customer)
    orders = [
        net30_order(
            f"O-{number}",
            customer.customer_id,
            net_minor=0,
            cancellation=tuple(Cancellation)[number % 3],
            **dict(zip(SUMMANDS, amounts, strict=True)),
        )
        for number, amounts in enumerate(product(AMOUNTS_MINOR, repeat=len(SUMMANDS)))
    ]
    work.session.add_all(orders)
    return orders


def test_due_amount_in_sql_equals_balance(database: Database) -> None:
    """The credit check sums up the former, all other code uses the latter."""
    orders = database.transaction(insert_orders)
    expected = {row.order_id: balance_of(row).due_minor for row in orders}
    assert len(set(expected.values())) > 20
    rows = database.read(lambda session: session.exec(select(Order.order_id, DUE_MINOR)).all())
    assert dict(rows) == expected
