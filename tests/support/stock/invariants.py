"""The invariants of the warehouse: asserted after every rule."""

from collections import defaultdict

from hypothesis.stateful import invariant
from sqlmodel import col, select

from activities.ledger import reading as ledger_reading
from activities.operations.delivery_comparison import compare_deliveries
from models.claims import ClaimState
from models.ledger import Account
from models.progress import FINAL_STAGES, Cancellation, Stage
from models.returns import ExchangeLine
from models.stock import SERVING, MovementKind, ReservationState
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.ledger import JournalPosting
from models.tables.orders import Order, OrderLineRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrderLine
from models.tables.returns import Settlement
from models.tables.shipping import Claim
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from tests.support.stock.model import HELD, WarehouseModel
from tests.support.stock.setup import RULES


class WarehouseInvariants(WarehouseModel):
    """The invariants of stock, purchases, returns and value."""

    @invariant()
    def counters_equal_movements_and_reservations(self) -> None:
        """On hand, reserved and value are never negative, and are the sums of the movements."""
        moved: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for one in self.read(select(StockMovement)):
            changes = (one.on_hand_change, one.reserved_change, one.value_change_minor)
            for number, change in enumerate(changes):
                moved[one.sku, one.location][number] += change
        held: dict[tuple[str, str], int] = defaultdict(int)
        for reserved in self.read(select(Reservation).where(col(Reservation.state).in_(HELD))):
            held[reserved.sku, reserved.location] += reserved.quantity
        for row in self.read(select(Stock)):
            key = (row.sku, row.location)
            assert 0 <= row.reserved <= row.on_hand
            assert row.value_minor >= 0
            assert moved.pop(key, [0, 0, 0]) == [row.on_hand, row.reserved, row.value_minor]
            assert held.pop(key, 0) == row.reserved
        assert not moved
        assert not held

    @invariant()
    def ledger_balances_and_inventory_equals_stock(self) -> None:
        """The trial balance has no difference."""
        assert self.database.read(ledger_reading.trial_balance).balanced

    @invariant()
    def shortages_are_served_in_order_of_promise(self) -> None:
        """Where an order is short nothing is available, and no later order has got stock since."""
        available = {(r.sku, r.location): r.on_hand - r.reserved for r in self.read(select(Stock))}
        reserved = self.read(
            select(StockMovement).where(StockMovement.kind == MovementKind.RESERVE)
        )
        for shortage in self.read(self.open_shortages()):
            key = (shortage.sku, shortage.location)
            assert available[key] == 0, (key, shortage.order_id)
            for row in reserved:
                if (row.sku, row.location) == key and row.recorded_at > shortage.promised_at:
                    allocated_at = self.allocated_at[row.order_id or ""]
                    assert allocated_at <= shortage.promised_at, (row.order_id, shortage.order_id)

    @invariant()
    def reserved_and_short_units_equal_ordered_units(self) -> None:
        """For each line of an order that isn't cancelled; lost units don't count."""
        found: dict[tuple[str, int], int] = defaultdict(int)
        for row in self.read(select(Reservation).where(col(Reservation.state).in_(SERVING))):
            found[row.order_id, row.line_no] += row.quantity
        for short in self.read(self.open_shortages()):
            assert short.filled < short.quantity
            found[short.order_id, short.line_no] += short.quantity - short.filled
        alive = select(Order.order_id).where(Order.cancellation == Cancellation.NONE)
        lines = self.read(select(OrderLineRow).where(col(OrderLineRow.order_id).in_(alive)))
        assert {(row.order_id, row.line_no): row.quantity for row in lines} == found

    @invariant()
    def ended_orders_have_no_stock_and_no_shortage(self) -> None:
        """Reconciliation finds such orders too."""
        ended = select(Order.order_id).where(col(Order.stage).in_(FINAL_STAGES))
        held = select(Reservation).where(col(Reservation.state).in_(HELD))
        assert not self.read(held.where(col(Reservation.order_id).in_(ended)))
        assert not self.read(self.open_shortages().where(col(Shortage.order_id).in_(ended)))

    @invariant()
    def only_delivered_units_are_returned(self) -> None:
        """And only received units are inspected."""
        delivered = self.delivered_units()
        returned: dict[tuple[str, int], int] = defaultdict(int)
        for order_id, line in self.returned_lines():
            assert 0 <= line.inspected <= line.received <= line.quantity - line.lost
            returned[order_id, line.line_no] += line.quantity
        for key, count in returned.items():
            assert count <= delivered[key], key

    @invariant()
    def contract_liability_is_the_invoiced_value_of_undispatched_goods(self) -> None:
        """By order: its invoice less goods dispatched or written off; none once it is cancelled."""
        net = self.sums_by_order(
            select(InvoiceRow.order_id, InvoiceRow.net_minor)
            .join(Order, col(Order.order_id) == col(InvoiceRow.order_id))
            .where(Order.cancellation == Cancellation.NONE)
        )
        gone = self.sums_by_order(
            select(Reservation.order_id, Reservation.revenue_minor).where(
                col(Reservation.state).in_([ReservationState.SHIPPED, ReservationState.WRITTEN_OFF])
            )
        )
        posted = self._posted(Account.CONTRACT_LIABILITIES)
        for order_id in {*net, *gone, *posted}:
            liability_minor = net[order_id] - gone[order_id]
            assert liability_minor >= 0, order_id
            assert -posted[order_id] == liability_minor, order_id

    @invariant()
    def issued_units_are_invoiced_once(self) -> None:
        """Of orders that are invoiced by delivery; their invoices are the total once all has left.

        A credit note credits no more than its invoice.
        """
        orders = self.read(select(Order).where(col(Order.invoiced_by_delivery)))
        assert [*self.database.read(lambda s: compare_deliveries(s, orders))] == []
        issued = self.sums_by_order(select(InvoiceRow.order_id, InvoiceRow.total_minor))
        for order in orders:
            assert order.invoiced_minor == issued[order.order_id] <= order.total_minor
            if order.stage in (Stage.IN_TRANSIT, Stage.DELIVERED, Stage.COMPLETED):
                assert order.invoiced_minor == order.total_minor, order.order_id
        credited: dict[str, int] = defaultdict(int)
        for note in self.read(select(CreditNoteRow)):
            credited[note.invoice_number] += note.total_minor
        for invoice in self.read(select(InvoiceRow)):
            assert credited[invoice.number] <= invoice.total_minor, invoice.number

    @invariant()
    def value_is_conserved(self) -> None:
        """All accounts add up to zero; inventory is the value of stock, claims receivable the open
        claims, bank the settled ones; an order whose goods are all back has no cost."""
        sums: dict[str, int] = defaultdict(int)
        for row in self.read(select(JournalPosting)):
            sums[row.account] += row.amount_minor
        assert sum(sums.values()) == 0
        assert sums[Account.INVENTORY] == sum(self.read(select(Stock.value_minor)))
        claims = self.read(select(Claim))
        open_minor = sum(row.amount_minor for row in claims if row.state is ClaimState.OPEN)
        assert sums[Account.CLAIMS_RECEIVABLE] == open_minor
        assert sums[Account.BANK] == sum(claim.settled_minor or 0 for claim in claims)
        shipped, settled = self.shipped_units(), self.settled_units()
        for order_id, cost_minor in self._posted(Account.COST_OF_GOODS_SOLD).items():
            assert cost_minor >= 0, (order_id, cost_minor)
            assert cost_minor == 0 or shipped[order_id] > settled[order_id], (order_id, cost_minor)

    @invariant()
    def exchanged_units_are_settled_once(self) -> None:
        """By line of an exchange order: the units written off or returned, or all if it is
        cancelled. An exchange order has no credit notes."""
        gone: dict[tuple[str, int], int] = defaultdict(int)
        for lost in self.read(
            select(Reservation).where(Reservation.state == ReservationState.WRITTEN_OFF)
        ):
            gone[lost.order_id, lost.line_no] += lost.quantity
        for returned_from, line in self.returned_lines():
            gone[returned_from, line.line_no] += line.settled
        done = select(Order.order_id).where(Order.cancellation == Cancellation.DONE)
        cancelled, credited = set(self.read(done)), set(self.read(select(CreditNoteRow.order_id)))
        for row in self.read(select(Settlement).where(col(Settlement.exchange_lines).is_not(None))):
            order_id = row.exchange_order_id
            assert order_id is not None
            assert order_id not in credited
            assert row.exchange_lines is not None
            for line_no, stored in enumerate(row.exchange_lines, start=1):
                sent = ExchangeLine.model_validate(stored)
                expected = sent.quantity if order_id in cancelled else gone[order_id, line_no]
                assert sent.settled == expected, (order_id, line_no)
                self.events["exchange settled"] += sent.settled > 0

    @invariant()
    def receipts_stay_within_the_purchase_order(self) -> None:
        """Of each line of a purchase order, with the tolerated excess."""
        received: dict[tuple[str, str], int] = defaultdict(int)
        for row in self.read(select(GoodsReceipt)):
            received[row.po_id, row.sku] += row.quantity - row.damaged
        for line in self.read(select(PurchaseOrderLine)):
            most = RULES.purchasing.most_units(line.quantity)
            assert received[line.po_id, line.sku] == line.received <= most
