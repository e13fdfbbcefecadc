"""Stock as read by API and CLI."""

import pytest
from sqlmodel import col, delete, select

from activities.database.unit_of_work import UnitOfWork
from activities.orders.steps import record_order
from activities.stock.reading import stock_of
from activities.stock.steps import allocate_stock
from models.messages.steps import OrderStep, RecordOrder
from models.orders import OrderDocument
from models.purchasing import PurchaseOrderState
from models.tables.masterdata import SupplierOffer
from models.tables.purchasing import PurchaseOrder
from models.views.stock import StockView
from tests.support.masterdata.shop import SHIP_TO
from tests.support.stock.machine import Warehouse


@pytest.fixture
def sold_by_x(warehouse: Warehouse) -> Warehouse:
    """A warehouse without orders and without C, which X sells in any quantity."""
    offer = SupplierOffer(
        supplier_id="X",
        sku="C",
        unit_cost_minor=100,
        currency="EUR",
        minimum_quantity=1,
        pack_size=1,
        lead_time_days=3,
    )

    def change(work: UnitOfWork) -> None:
        work.session.exec(delete(SupplierOffer).where(col(SupplierOffer.sku) == "C"))
        work.session.add(offer)

    warehouse.database.transaction(change)
    return warehouse


def shown(warehouse: Warehouse) -> StockView:
    """Read the stock of C."""
    found = warehouse.database.read(lambda s: stock_of(s, "C", warehouse.now.date()))
    assert found is not None
    return found


def test_units_on_order_without_date_cover_a_shortage_and_are_not_available_to_promise(
    sold_by_x: Warehouse,
) -> None:
    document = OrderDocument.model_validate(
        {
            "order_id": "O1",
            "channel": "online",
            "customer": "ADA",
            "ship_to": SHIP_TO,
            "currency": "EUR",
            "terms": "net30",
            "lines": [{"sku": "C", "quantity": 4}],
        }
    )
    record = RecordOrder(order=document, digest="d", placed_at=sold_by_x.now, workflow_id="o")
    sold_by_x.database.transaction(lambda work: record_order(work, record))
    allocate_stock.run(sold_by_x.database, OrderStep(order_id="O1"))
    assert [row.units for row in shown(sold_by_x).available_to_promise] == [-4]
    sold_by_x.buy(pick=0, sku="C", location="BER", sends=True, again=False)
    [order] = sold_by_x.read(select(PurchaseOrder))
    assert order.state is PurchaseOrderState.SENT
    assert [row.units for row in shown(sold_by_x).available_to_promise] == [0]
