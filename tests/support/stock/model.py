"""The state of the warehouse: its database, and the queries that rules and invariants share."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.purchasing.steps import Purchasing
from activities.stock.backorders import incoming
from models.claims import ClaimState
from models.ledger import Account
from models.messages.commands.registry import Command
from models.messages.commands.returns import ReturnedUnits
from models.messages.steps import Notification, StockKey
from models.progress import ShipmentState
from models.purchasing import PurchaseOrderState
from models.returns import ReturnState
from models.stock import MovementKind, ReservationState, ShortageState
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.orders import OrderLineRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Claim, Shipment
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from tests.support.orders.machine import OrderMachine
from tests.support.stock.setup import LOCATIONS, RULES, SKUS

SENT = tuple(state for state in PurchaseOrderState if state is not PurchaseOrderState.PLANNED)
OPEN_RETURNS = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)
HELD = (ReservationState.HELD, ReservationState.PICKED)
skus = st.sampled_from(SKUS)
locations = st.sampled_from(tuple(LOCATIONS))
units = st.integers(1, 6)


class WarehouseModel(OrderMachine):
    """The database of a warehouse, and the time at which each order was allocated."""

    def __init__(self, new_database: Callable[[], str]) -> None:
        super().__init__(new_database, RULES)
        self.allocated_at: dict[str, datetime] = {}
        self.purchasing = Purchasing(self.database, self.partners)

    def teardown(self) -> None:
        """Count the stock movements by kind, and the reservations made after a first delivery."""
        self.events.update(row.kind.value for row in self.read(select(StockMovement)))
        later = self.read(select(Reservation).where(Reservation.part > 1))
        self.events["later part"] += len(later)
        super().teardown()

    def run_command(
        self, command: Command, allowed: bool, twice: bool, changes_stock: bool = False
    ) -> tuple[str, ...]:
        """Execute a command, once however often it is sent; return the returns it concerns.

        A refused command changes nothing.
        """
        before = self.stock_and_ledger()
        done = self.execute(command)
        assert (done.refusal is None) == allowed, done
        after = self.stock_and_ledger()
        assert allowed or before == after
        assert before != after or not (allowed and changes_stock)
        if twice:
            assert self.execute(command) == done
            assert self.stock_and_ledger() == after
        return done.notification.returns

    def assert_notified_again(self, first: Notification, again: Notification) -> None:
        """Assert that the repeated step notifies all orders of the first, whose answer may be lost."""
        served = select(col(StockMovement.order_id)).where(
            StockMovement.cause == first.cause, StockMovement.kind == MovementKind.RESERVE
        )
        assert set(self.read(served)) <= set(first.orders) <= set(again.orders)
        assert set(first.stock_keys) <= set(again.stock_keys)

    # Stock

    def stock_and_ledger(self) -> list[Any]:
        """Read all rows that move with stock."""
        return [
            sorted(str(row.model_dump()) for row in self.read(select(table)))
            for table in (Stock, StockMovement, Shortage, Reservation, JournalPosting, ReturnLine)
        ]

    def stock_at(self, sku: str, location: str) -> Stock:
        """Read the counters of a SKU at a location; zeros where there are none."""
        rows = self.read(select(Stock).where(Stock.sku == sku, Stock.location == location))
        return rows[0] if rows else Stock(sku=sku, location=location)

    def open_shortages(self) -> Any:
        """Select the open shortages."""
        return select(Shortage).where(Shortage.state == ShortageState.OPEN)

    def pick_shortage(self, pick: int) -> Shortage | None:
        """Pick an open shortage."""
        return self.pick(self.open_shortages().order_by(Shortage.shortage_id), pick)

    # Purchasing

    def pick_purchase_line(self, pick: int, *states: PurchaseOrderState) -> Any:
        """Pick a line of a purchase order in one of `states`."""
        lines = select(PurchaseOrderLine).order_by(PurchaseOrderLine.po_id, PurchaseOrderLine.sku)
        in_states = select(PurchaseOrder.po_id).where(col(PurchaseOrder.state).in_(states))
        return self.pick(lines.where(col(PurchaseOrderLine.po_id).in_(in_states)), pick)

    def short_and_incoming(self, key: StockKey) -> tuple[int, int]:
        """Read the units of a stock key that are short, and those on order for it."""
        short = select(func.sum(col(Shortage.quantity) - col(Shortage.filled))).where(
            Shortage.sku == key.sku,
            Shortage.location == key.location,
            Shortage.state == ShortageState.OPEN,
        )

        def read(session: Session) -> tuple[int, int]:
            on_order = incoming(session, key, self.now.date())
            return int(session.exec(short).one() or 0), sum(po.units for po in on_order)

        return self.database.read(read)

    # Shipments and returns

    def claimed_shipments(self) -> list[str]:
        """Read the ids of the shipments with an open claim."""
        return self.read(select(Claim.shipment_id).where(Claim.state == ClaimState.OPEN))

    def delivered_units(self) -> dict[tuple[str, int], int]:
        """Read the delivered units by order and line."""
        delivered: dict[tuple[str, int], int] = defaultdict(int)
        arrived = (
            select(Reservation)
            .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
            .where(Shipment.state == ShipmentState.DELIVERED)
        )
        for row in self.read(arrived):
            delivered[row.order_id, row.line_no] += row.quantity
        return delivered

    def pick_units_to_return(
        self, pick: int, quantity: int
    ) -> tuple[str, tuple[ReturnedUnits, ...], bool] | None:
        """Pick an order and a SKU of it, and whether `quantity` of its units may be returned."""
        delivered = self.delivered_units()
        if not delivered:
            return None
        order_id, line_no = sorted(delivered)[pick % len(delivered)]
        lines = {
            line.line_no: line.sku
            for line in self.read(select(OrderLineRow).where(OrderLineRow.order_id == order_id))
        }
        sku = lines[line_no]
        of_sku = sum(n for (of, no), n in delivered.items() if of == order_id and lines[no] == sku)
        returned = select(ReturnLine.quantity).join(ReturnRow)
        returned = returned.where(ReturnRow.order_id == order_id, ReturnLine.sku == sku)
        allowed = quantity <= of_sku - sum(self.read(returned))
        return order_id, (ReturnedUnits(sku=sku, quantity=quantity),), allowed

    def pick_return_line(self, condition: Any, pick: int) -> ReturnLine | None:
        """Pick a line of an open return that meets `condition`."""
        lines = select(ReturnLine).join(ReturnRow)
        lines = lines.where(col(ReturnRow.state).in_(OPEN_RETURNS), condition)
        return self.pick(lines.order_by(ReturnLine.return_id, col(ReturnLine.line_no)), pick)

    def return_lines(self, return_id: str, sku: str) -> list[ReturnLine]:
        """Read the lines of a return with a SKU."""
        return self.read(
            select(ReturnLine).where(ReturnLine.return_id == return_id, ReturnLine.sku == sku)
        )

    # Sums by order

    def sums_by_order(self, query: Any) -> dict[str, int]:
        """Add up the numbers of a query of pairs: order id, number."""
        sums: dict[str, int] = defaultdict(int)
        for order_id, number in self.read(query):
            sums[order_id] += number
        return sums

    def _posted(self, account: Account) -> dict[str, int]:
        """Read an account's balance in minor units, by order."""
        return self.sums_by_order(
            select(JournalEntry.order_id, JournalPosting.amount_minor)
            .join(JournalPosting, col(JournalPosting.entry_id) == col(JournalEntry.entry_id))
            .where(JournalPosting.account == account, col(JournalEntry.order_id).is_not(None))
        )

    def shipped_units(self) -> dict[str, int]:
        """Read the units dispatched and not written off, by order."""
        return self.sums_by_order(
            select(Reservation.order_id, Reservation.quantity).where(
                Reservation.state == ReservationState.SHIPPED
            )
        )

    def returned_lines(self) -> list[tuple[str, ReturnLine]]:
        """Read every line of a return, with its order."""
        query = select(ReturnRow.order_id, ReturnLine).join(ReturnRow)
        return self.database.read(lambda session: list(session.exec(query)))

    def settled_units(self) -> dict[str, int]:
        """Read the returned units that were inspected, or lost on their way back, by order."""
        sums: dict[str, int] = defaultdict(int)
        for order_id, line in self.returned_lines():
            sums[order_id] += line.settled
        return sums
