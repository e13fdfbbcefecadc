"""Parts of orders that are reshipped, returned, cancelled or credited in an unusual sequence."""

from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.operations.commands import execute_command
from activities.orders.steps import read_order_progress
from models.ledger import Account
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.orders import CancelRest
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.commands.shipping import Reship
from models.messages.steps import OrderStep
from models.orders import Delivery
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason
from models.stock import ReservationState
from models.tables.billing import InvoiceRow
from models.tables.orders import Order
from models.tables.stock import Reservation
from models.tracking import TrackingStatus
from tests.conftest import DATABASES
from tests.support.billing.invariants import balances_by_order
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import furnish as furnish_billing
from tests.support.database.stateful import Machine, copies
from tests.support.stock.machine import Warehouse
from tests.support.stock.setup import furnish as furnish_warehouse


def check(of: Machine) -> None:
    """Check all invariants."""
    for invariant in of.invariants:
        invariant.function(of)


@pytest.fixture(params=DATABASES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    return Warehouse(copies(request.param, request, tmp_path, furnish_warehouse))


@pytest.fixture(params=DATABASES)
def bookkeeper(request: pytest.FixtureRequest, tmp_path: Path) -> Bookkeeper:
    return Bookkeeper(copies(request.param, request, tmp_path, furnish_billing))


def test_returned_part_fills_the_shortage_of_its_line_before_it_is_reshipped(
    warehouse: Warehouse,
) -> None:
    """Five of eight left and came back, three are short: these are filled first, then five are
    reserved again."""
    warehouse.reserve([("B", 8)], Delivery.PARTIAL, "AT", twice=False)
    warehouse.issue(pick=0, twice=False)
    warehouse.fail(0, TrackingStatus.RETURNED_TO_SENDER, Reship, claim=None, twice=True)
    check(warehouse)
    held = warehouse.read(select(Reservation).where(Reservation.part > 1))
    assert [(row.part, row.quantity) for row in held] == [(2, 5)]


def test_reshipped_goods_add_to_the_shortage_of_their_line(warehouse: Warehouse) -> None:
    """At the location where the line is short already."""
    warehouse.reserve([("B", 6)], Delivery.PARTIAL, "AT", twice=False)
    warehouse.issue(pick=0, twice=False)
    warehouse.fail(0, TrackingStatus.LOST, Reship, claim=None, twice=False)
    check(warehouse)
    warehouse.count("B", "VIE", 6, twice=True)
    check(warehouse)
    held = warehouse.read(select(Reservation).where(Reservation.part > 1))
    assert [row.quantity for row in held] == [6]


def test_returned_part_costs_what_it_cost_at_goods_issue(warehouse: Warehouse) -> None:
    """An expensive part is returned before a cheap one leaves and is returned as well."""
    warehouse.reserve([("B", 6)], Delivery.PARTIAL, "AT", twice=False)
    warehouse.issue(pick=0, twice=False)
    warehouse.deliver(pick=0, twice=False)
    for part in (5, 1):
        wish = RequestedOutcome.REFUND
        warehouse.announce(0, part, ReturnReason.DEFECTIVE, wish, authorises=True, twice=False)
        warehouse.take_in(0, part, None, announced=True, twice=False)
        warehouse.inspect(0, part, Disposition.SCRAP, Condition.AS_NEW, twice=True)
        check(warehouse)
        if part == 5:
            warehouse.count("B", "VIE", 1, twice=False)
            warehouse.supply(pick=0, quantity=1)
            warehouse.issue(pick=0, twice=False)
            check(warehouse)
            warehouse.deliver(pick=0, twice=False)
    [cost_minor] = warehouse._posted(Account.COST_OF_GOODS_SOLD).values()
    assert cost_minor == 0


def cancel_rest(of: Warehouse, order_id: str) -> CommandResult:
    """Cancel the rest of an order."""
    command = CancelRest(command_id=of.next_id("X"), reason="r", order_id=order_id)
    return execute_command.run(of.database, CommandStep(command=command))


def test_cancelled_rest_of_a_line_is_exact_to_the_cent_and_fills_other_shortages(
    warehouse: Warehouse,
) -> None:
    """Five of eight left, one is reserved, two are short; another order is short of two."""
    warehouse.reserve([("B", 8)], Delivery.PARTIAL, "AT", twice=False)
    warehouse.issue(pick=0, twice=False)
    warehouse.supply(pick=0, quantity=1)
    warehouse.reserve([("B", 2)], Delivery.PARTIAL, "AT", twice=False)
    first, second = (
        row.order_id for row in warehouse.read(select(Order).order_by(col(Order.placed_at)))
    )
    done = cancel_rest(warehouse, first)
    assert done.refusal is None, done
    check(warehouse)
    assert set(done.notification.orders) == {first, second}
    rows = warehouse.read(select(Reservation).where(Reservation.order_id == first))
    by_state = {(row.state, row.quantity, row.cost_minor > 0) for row in rows}
    assert by_state == {
        (ReservationState.SHIPPED, 5, True),
        (ReservationState.WRITTEN_OFF, 1, False),
        (ReservationState.WRITTEN_OFF, 2, False),
    }
    assert sum(row.revenue_minor for row in rows) == 8 * 999
    assert warehouse._posted(Account.CONTRACT_LIABILITIES)[first] == 0
    [held] = warehouse.read(select(Reservation).where(Reservation.order_id == second))
    assert (held.state, held.quantity) == (ReservationState.HELD, 1)
    refused = cancel_rest(warehouse, first)
    assert refused.refusal is not None
    warehouse.deliver(pick=0, twice=False)
    assert read_order_progress.run(warehouse.database, OrderStep(order_id=first)).fulfilled


def test_rest_credited_before_leaves_no_contract_liability(warehouse: Warehouse) -> None:
    """An allowance beyond the price of the dispatched part lowers the price of the rest."""
    warehouse.reserve([("B", 8)], Delivery.PARTIAL, "AT", twice=False)
    warehouse.issue(pick=0, twice=False)
    [invoice] = warehouse.read(select(InvoiceRow))
    allowance = CreditInvoice(
        command_id="C1", reason="late", invoice_number=invoice.number, amount="80.00"
    )
    assert execute_command.run(warehouse.database, CommandStep(command=allowance)).refusal is None
    done = cancel_rest(warehouse, invoice.order_id)
    assert done.refusal is None, done
    check(warehouse)
    posted = warehouse._posted(Account.CONTRACT_LIABILITIES)
    assert posted[invoice.order_id] == 0


@pytest.mark.parametrize("amount", [None, "3.33"])
def test_lost_goods_credited_before_leave_no_contract_liability(
    bookkeeper: Bookkeeper, amount: str | None
) -> None:
    bookkeeper.place([("A", 2), ("B", 1)], "net30", "ADA", "3", early=False)
    bookkeeper.issue_goods(pick=0)
    bookkeeper.credit(pick=0, amount=amount, keep=False)
    bookkeeper.lose(pick=0, says=TrackingStatus.LOST, again=False)
    check(bookkeeper)


@pytest.mark.parametrize("amount", [None, "3.33"])
def test_cancelled_order_whose_goods_came_back_has_no_revenue_left(
    bookkeeper: Bookkeeper, amount: str | None
) -> None:
    """What was credited while the goods were on their way is no allowance any more."""
    bookkeeper.place([("A", 2), ("B", 1)], "net30", "ADA", "3", early=False)
    bookkeeper.issue_goods(pick=0)
    bookkeeper.credit(pick=0, amount=amount, keep=False)
    bookkeeper.lose(pick=0, says=TrackingStatus.RETURNED_TO_SENDER, again=True)
    bookkeeper.cancel(pick=0)
    assert bookkeeper.events["cancelled"] == 1
    check(bookkeeper)
    [order] = bookkeeper.read(select(Order))
    posted = bookkeeper.database.read(balances_by_order)[order.order_id]
    accounts = (Account.REVENUE, Account.SALES_RETURNS, Account.CONTRACT_LIABILITIES)
    assert [posted[account] for account in accounts] == [0, 0, 0]
