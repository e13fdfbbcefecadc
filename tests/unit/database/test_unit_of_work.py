"""The unit of work: one time for a transaction, read again after each lock."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.progress import lock_order
from activities.purchasing.planning import lock_offers
from activities.purchasing.purchase_orders import lock_purchase
from activities.stock.counters import lock_stock
from models.messages.steps import StockKey
from models.orders import Delivery
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder
from tests.support.database.stateful import copies
from tests.support.stock.machine import Warehouse
from tests.support.stock.setup import furnish

BERLIN_C = StockKey(location="BER", sku="C")
LOCKS: dict[str, Callable[[UnitOfWork], object]] = {
    "order": lambda work: lock_order(work, work.session.exec(select(Order.order_id)).one()),
    "stock": lambda work: lock_stock(work, ["C"]),
    "offers": lambda work: lock_offers(work, BERLIN_C),
    "purchase order": lambda work: lock_purchase(
        work, work.session.exec(select(col(PurchaseOrder.po_id))).one()
    ),
}


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse with one order, whose shortage is on order."""
    made = Warehouse(copies("sqlite", request, tmp_path, furnish))
    made.reserve([("C", 4)], Delivery.COMPLETE, "DE", twice=False)
    made._buy(BERLIN_C, sends=True, again=False)
    yield made
    made.teardown()


def test_transaction_has_one_time(warehouse: Warehouse) -> None:
    """The clock of these tests advances whenever it is read."""
    assert warehouse.database.transaction(lambda work: work.now == work.now)


@pytest.mark.parametrize("name", LOCKS)
def test_time_is_read_again_after_a_lock(warehouse: Warehouse, name: str) -> None:
    """Else who waited for the lock would be dated before the transaction that held it."""

    def times(work: UnitOfWork) -> bool:
        before = work.now
        LOCKS[name](work)
        return before < work.now

    assert warehouse.database.transaction(times)
