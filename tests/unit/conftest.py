"""State machines whose rules unit tests call: the real steps on SQLite, without an engine."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.billing import setup as billing
from tests.support.billing.machine import Bookkeeper
from tests.support.database.stateful import copies
from tests.support.stock import setup as warehouses
from tests.support.stock.machine import Warehouse


@pytest.fixture(scope="session")
def billing_databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Return a function that makes a database with goods and customers and returns its URL."""
    return copies("sqlite", request, tmp_path_factory.mktemp("billing"), billing.furnish)


@pytest.fixture(scope="session")
def warehouse_databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Return a function that makes a database with goods and offers and returns its URL."""
    return copies("sqlite", request, tmp_path_factory.mktemp("warehouses"), warehouses.furnish)


@pytest.fixture
def till(billing_databases: Callable[[], str]) -> Iterator[Bookkeeper]:
    """Billing, whose invariants hold after the test."""
    machine = Bookkeeper(billing_databases)
    yield machine
    machine.assert_invariants()
    machine.teardown()


@pytest.fixture
def warehouse(warehouse_databases: Callable[[], str]) -> Iterator[Warehouse]:
    """A warehouse whose suppliers accept each purchase order at once."""
    machine = Warehouse(warehouse_databases)
    yield machine
    machine.teardown()
