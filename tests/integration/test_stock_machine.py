"""Stock and value are conserved after every step, whatever is done in whatever order; and who brings
goods doesn't wait for who looks at the orders they are for."""

from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from activities.progress import lock_order
from models.messages import GoodsReceived, StockPlace
from models.orders import Delivery
from models.stock import MovementKind
from models.tables import Order, PurchaseOrderLine, Reservation
from tests.conftest import DATABASES
from tests.support.machine import Warehouse, furnish
from tests.support.stateful import copies, explore

MOVED = (MovementKind.RESERVE, MovementKind.RELEASE, MovementKind.ISSUE, MovementKind.RECEIPT)
SURE = (
    *(*MOVED, MovementKind.COUNT, MovementKind.RETURN, "a later part", "reship lost", "restock"),
    *("cancel_rest", "exchange", "exchange settled", "recovered", "settle_claim"),
)
EXAMPLES = {"sqlite": (9, 200), "postgresql": (2, 100)}
STEPS = (28, 50)


@pytest.mark.sized
@pytest.mark.parametrize("kind", DATABASES)
def test_stock_and_value_are_conserved(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, full: bool
) -> None:
    explore(
        Warehouse,
        copies(kind, request, tmp_path, furnish),
        full=full,
        examples=EXAMPLES[kind][full],
        steps=STEPS[full],
        sure=SURE if kind == "sqlite" else (),
    )


def test_goods_arrive_while_a_step_holds_the_order_that_they_are_for(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Such a step may wait for the stock that the receipt holds: neither would end. PostgreSQL
    only: SQLite has one who writes."""
    copy = copies("postgresql", request, tmp_path, furnish)
    warehouse = Warehouse(lambda: f"{copy()}?options=-clock_timeout%3D2s")
    warehouse.reserve([("C", 4)], Delivery.COMPLETE, "DE", twice=False)
    warehouse._buy(StockPlace(location="BER", sku="C"), sends=True, again=False)
    [line] = warehouse.read(select(PurchaseOrderLine))
    fact = GoodsReceived(receipt_id="R", po_id=line.po_id, sku="C", quantity=4)
    order_id = warehouse.read(select(col(Order.order_id)))[0]

    def hold(session: Session) -> None:
        lock_order(session, order_id)
        warehouse.receiving.receive_goods(fact)

    warehouse.database.transaction(hold)
    assert [row.quantity for row in warehouse.read(select(Reservation))] == [4]
    warehouse.teardown()
