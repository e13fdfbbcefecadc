"""Money and stock that tests move by hand: the activities on a SQLite of their own."""

from collections.abc import Callable, Iterator

import pytest

from tests.support import machine
from tests.support import till as tills
from tests.support.machine import Warehouse
from tests.support.stateful import copies
from tests.support.till import Bookkeeper


@pytest.fixture(scope="session")
def tills_copy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes databases with goods and customers; each call a URL."""
    return copies("sqlite", request, tmp_path_factory.mktemp("tills"), tills.furnish)


@pytest.fixture(scope="session")
def warehouses_copy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes databases with goods and offers; each call a URL."""
    return copies("sqlite", request, tmp_path_factory.mktemp("warehouses"), machine.furnish)


@pytest.fixture
def till(tills_copy: Callable[[], str]) -> Iterator[Bookkeeper]:
    """A bookkeeper, whose books agree with the orders at the end."""
    made = Bookkeeper(tills_copy)
    yield made
    made.books_balance()
    made.each_account_says_what_the_orders_say()
    made.ageing_agrees()
    made.teardown()


@pytest.fixture
def warehouse(warehouses_copy: Callable[[], str]) -> Iterator[Warehouse]:
    """A warehouse whose suppliers take every order at once."""
    made = Warehouse(warehouses_copy)
    yield made
    made.teardown()
