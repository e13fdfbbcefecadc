"""Lists by time are read from an index, whatever the tables hold."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlmodel import Session

from activities.billing.reading import unmatched_payments
from activities.database.engine import Database
from activities.purchasing.reading import purchase_orders
from activities.shipping.reading import shipments
from tests.conftest import DATABASES, new_database
from tests.support.billing.setup import RULES

LISTS: dict[str, Callable[[Session], object]] = {
    "ix_shipments_planned_at": shipments,
    "ix_purchase_orders_created_at": purchase_orders,
    "ix_payments_unmatched": unmatched_payments,
}


@pytest.mark.parametrize("kind", DATABASES)
def test_lists_by_time_follow_an_index(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """No plan sorts. PostgreSQL scans and sorts tables as small as these, unless both are disabled."""
    database = Database(new_database(kind, request, tmp_path), RULES)
    for index, read in LISTS.items():
        plan = database.read(partial(_plan, read))
        assert index in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
    database.close()


def _plan(read: Callable[[Session], object], session: Session) -> str:
    """Return the plan of the first statement of a list."""
    connection, statements = session.connection(), []

    def record(_c: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", record)
    try:
        read(session)
    finally:
        event.remove(Engine, "before_cursor_execute", record)
    statement, parameters = statements[0]
    explain = "EXPLAIN QUERY PLAN"
    if connection.dialect.name == "postgresql":
        explain = "EXPLAIN"
        connection.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"))
    rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
    return "\n".join(str(row[-1]) for row in rows)
