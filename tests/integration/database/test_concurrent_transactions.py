"""Two overlapping transactions that write. PostgreSQL only: SQLite has a single writer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.database.command import _EXECUTORS
from activities.database.unit_of_work import UnitOfWork
from activities.operations.commands import execute_command
from activities.order_record.progress import lock_order
from activities.purchasing.receiving import receive_goods
from models.messages.commands.base import CommandMessage
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.commands.stock import TransferStock
from models.messages.facts import GoodsReceived
from models.messages.steps import StockKey
from models.orders import Delivery
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrderLine
from models.tables.stock import Reservation, StockMovement
from tests.support.database.stateful import copies
from tests.support.stock.machine import Warehouse
from tests.support.stock.setup import furnish

LOCK_TIMEOUT = "?options=-clock_timeout%3D2s"
"""A deadlock is an error."""


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse with goods and without orders."""
    copy = copies("postgresql", request, tmp_path, furnish)
    made = Warehouse(lambda: copy() + LOCK_TIMEOUT)
    yield made
    made.teardown()


def test_receipt_does_not_wait_for_a_locked_order(warehouse: Warehouse) -> None:
    """The step with the order's lock may wait for the stock that the receipt holds."""
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


def test_command_that_overlaps_its_first_attempt_returns_the_same_result(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt transferred all available units."""
    movements = warehouse.read(select(StockMovement))
    assert movements, "an opening balance"
    largest = max(movements, key=lambda row: row.on_hand_change)
    command = TransferStock(
        command_id="T",
        reason="r",
        sku=largest.sku,
        from_location=largest.location,
        to_location=next(name for name in ("BER", "MUC", "VIE") if name != largest.location),
        quantity=largest.on_hand_change,
    )
    kind: type[CommandMessage] = TransferStock
    step, transfer = CommandStep(command=command), _EXECUTORS[kind]
    first: list[CommandResult] = []

    def overtaken(work: UnitOfWork, command: TransferStock) -> CommandResult:
        if not first:
            monkeypatch.setitem(_EXECUTORS, kind, transfer)
            first.append(execute_command.run(warehouse.database, step))
        return transfer(work, command)

    monkeypatch.setitem(_EXECUTORS, kind, overtaken)
    again = execute_command.run(warehouse.database, step)
    assert first == [again]
    assert again.refusal is None
