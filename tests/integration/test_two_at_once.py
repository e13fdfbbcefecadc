"""Two who write at once, each of whom has begun before the other ends. PostgreSQL only: SQLite has
one who writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.database.command import _EXECUTORS
from activities.database.unit_of_work import UnitOfWork
from activities.operations.commands import execute_command
from activities.order_record.progress import lock_order
from activities.purchasing.receiving import receive_goods
from models.messages.commands import CommandResult, CommandStep, TransferStock
from models.messages.facts import GoodsReceived
from models.messages.steps import StockKey
from models.orders import Delivery
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrderLine
from models.tables.stock import Reservation, StockMovement
from tests.support.machine import Warehouse, furnish
from tests.support.stateful import copies

ONE_WAITS = "?options=-clock_timeout%3D2s"
"""What would wait for ever is an error."""


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """Goods, and nothing that was ordered."""
    copy = copies("postgresql", request, tmp_path, furnish)
    made = Warehouse(lambda: copy() + ONE_WAITS)
    yield made
    made.teardown()


def test_goods_arrive_while_a_step_holds_the_order_that_they_are_for(warehouse: Warehouse) -> None:
    """Such a step may wait for the stock that the receipt holds: neither would end."""
    warehouse.reserve([("C", 4)], Delivery.COMPLETE, "DE", twice=False)
    warehouse._buy(StockKey(location="BER", sku="C"), sends=True, again=False)
    [line] = warehouse.read(select(PurchaseOrderLine))
    fact = GoodsReceived(receipt_id="R", po_id=line.po_id, sku="C", quantity=4)
    order_id = warehouse.read(select(col(Order.order_id)))[0]

    def hold(work: UnitOfWork) -> None:
        lock_order(work, order_id)
        receive_goods.run(warehouse.database, fact)

    warehouse.database.transaction(hold)
    assert [row.quantity for row in warehouse.read(select(Reservation))] == [4]


def test_a_command_whose_first_attempt_ends_while_it_is_tried_again_is_not_refused(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one took all there was to transfer; what came of it is told."""
    there = warehouse.read(select(StockMovement))
    assert there, "an opening balance"
    one = max(there, key=lambda row: row.on_hand_change)
    command = TransferStock(
        command_id="T",
        reason="r",
        sku=one.sku,
        from_location=one.location,
        to_location=next(place for place in ("BER", "MUC", "VIE") if place != one.location),
        quantity=one.on_hand_change,
    )
    step, transfer = CommandStep(command=command), _EXECUTORS[TransferStock]
    first: list[CommandResult] = []

    def late(work: UnitOfWork, wanted: TransferStock) -> CommandResult:
        if not first:
            monkeypatch.setitem(_EXECUTORS, TransferStock, transfer)
            first.append(execute_command.run(warehouse.database, step))
        return transfer(work, wanted)

    monkeypatch.setitem(_EXECUTORS, TransferStock, late)
    again = execute_command.run(warehouse.database, step)
    assert first == [again]
    assert again.refusal is None
