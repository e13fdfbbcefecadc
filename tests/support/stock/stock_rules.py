"""Rules of purchasing and stock: purchased, received, invoiced, counted, transferred; and time."""

import asyncio
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlmodel import col, select

from activities.purchasing.receiving import receive_goods
from activities.purchasing.steps import plan_purchases
from activities.purchasing.supplier_invoices import record_supplier_invoice
from activities.purchasing.supplier_reports import apply_acknowledgement
from models.messages.commands.stock import AdjustStock, CountStock, TransferStock
from models.messages.facts import (
    GoodsReceived,
    InvoicedLine,
    PromisedLine,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.messages.steps import PlanStep, PurchaseStep, StockKey
from models.money import format_amount
from models.purchasing import PurchaseOrderState
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from tests.support.database.stateful import picks
from tests.support.stock.model import SENT, WarehouseModel, locations, skus, units
from tests.support.stock.setup import FOUND_COST


class StockRules(WarehouseModel):
    """The events of stock and purchase orders."""

    @rule(pick=picks, sku=skus, location=locations, sends=st.booleans(), again=st.booleans())
    def buy(self, pick: int, sku: str, location: str, sends: bool, again: bool) -> None:
        """Plan purchases, for an open shortage where there is one; `sends`: send them at once."""
        short = self.pick_shortage(pick)
        key = StockKey(
            location=short.location if short else location, sku=short.sku if short else sku
        )
        self._buy(key, sends, again)

    @rule(pick=picks, quantity=units)
    def supply(self, pick: int, quantity: int) -> None:
        """Purchase an open shortage and receive up to `quantity` units."""
        short = self.pick_shortage(pick)
        if short is None:
            return
        self._buy(StockKey(location=short.location, sku=short.sku), sends=True, again=True)
        purchased = (
            select(PurchaseOrderLine)
            .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(PurchaseOrderLine.po_id))
            .where(
                PurchaseOrderLine.sku == short.sku,
                PurchaseOrder.location == short.location,
                PurchaseOrder.state == PurchaseOrderState.SENT,
            )
        )
        line = self.pick(purchased.order_by(PurchaseOrderLine.po_id), pick)
        if line is not None:
            self._receive(line, min(quantity, line.quantity), 0)

    def _buy(self, key: StockKey, sends: bool, again: bool) -> None:
        """Plan purchases for a stock key, and send them."""
        plan = plan_purchases.run(self.database, PlanStep(key=key, again=again))
        short, on_order = self.short_and_incoming(key)
        assert plan.unmet or on_order >= short, "a shortage isn't purchased"
        for planned in plan.send if sends else ():
            step = PurchaseStep(po_id=planned.po_id, sku=key.sku)
            asyncio.run(self.purchasing.send_purchase_order(step))

    @rule(pick=picks, promised=st.integers(0, 6), days=st.integers(0, 4), whole=st.booleans())
    def acknowledge(self, pick: int, promised: int, days: int, whole: bool) -> None:
        """Acknowledge a purchase order: as ordered, or with `promised` units of a line."""
        line = self.pick_purchase_line(pick, PurchaseOrderState.SENT)
        if line is None:
            return
        lines = None if whole else (PromisedLine(sku=line.sku, quantity=promised),)
        fact = SupplierAcknowledged(
            acknowledgement_id=self.next_id("K"),
            po_id=line.po_id,
            expected_date=self.now.date() + timedelta(days=days),
            lines=lines,
        )
        apply_acknowledgement.run(self.database, fact)

    @rule(pick=picks, quantity=units, damaged=st.integers(0, 2), twice=st.booleans())
    def receive(self, pick: int, quantity: int, damaged: int, twice: bool) -> None:
        """Receive goods: less than ordered, as ordered or more, also of a closed purchase order."""
        line = self.pick_purchase_line(pick, *SENT)
        if line is not None:
            self._receive(line, quantity, damaged, twice)

    def _receive(
        self, line: PurchaseOrderLine, quantity: int, damaged: int, twice: bool = False
    ) -> None:
        fact = GoodsReceived(
            receipt_id=self.next_id("R"),
            po_id=line.po_id,
            sku=line.sku,
            quantity=quantity,
            damaged=damaged,
        )
        first = receive_goods.run(self.database, fact)
        if twice:
            self.assert_notified_again(first, receive_goods.run(self.database, fact))

    @rule(pick=picks, more_minor=st.integers(-3, 7))
    def bill(self, pick: int, more_minor: int) -> None:
        """Record a supplier invoice for received units, at another unit cost than ordered."""
        lines = select(PurchaseOrderLine).where(
            PurchaseOrderLine.received > PurchaseOrderLine.invoiced
        )
        line = self.pick(lines.order_by(PurchaseOrderLine.po_id, PurchaseOrderLine.sku), pick)
        if line is None:
            return
        invoiced = InvoicedLine(
            sku=line.sku,
            quantity=line.received - line.invoiced,
            unit_cost=format_amount(max(0, line.unit_cost_minor + more_minor), "EUR"),
        )
        fact = SupplierInvoiced(
            invoice_id=self.next_id("I"), po_id=line.po_id, currency="EUR", lines=(invoiced,)
        )
        record_supplier_invoice.run(self.database, fact)

    @rule(
        sku=skus,
        location=locations,
        difference=st.integers(-5, 5).filter(bool),
        twice=st.booleans(),
    )
    def adjust(self, sku: str, location: str, difference: int, twice: bool) -> None:
        """Adjust stock; refused below the reserved units."""
        stock = self.stock_at(sku, location)
        command = AdjustStock(
            command_id=self.next_id("A"),
            reason="r",
            sku=sku,
            location=location,
            by=difference,
            unit_cost=FOUND_COST if difference > 0 else None,
        )
        allowed = stock.on_hand + difference >= stock.reserved
        self.run_command(command, allowed, twice, changes_stock=True)

    @rule(sku=skus, location=locations, counted=st.integers(0, 12), twice=st.booleans())
    def count(self, sku: str, location: str, counted: int, twice: bool) -> None:
        """Record a stock count; refused below the reserved units."""
        command = CountStock(
            command_id=self.next_id("N"),
            reason="r",
            sku=sku,
            location=location,
            counted=counted,
            unit_cost=FOUND_COST,
        )
        allowed = counted >= self.stock_at(sku, location).reserved
        self.run_command(command, allowed, twice, changes_stock=True)

    @rule(sku=skus, source=locations, goal=locations, quantity=units, twice=st.booleans())
    def transfer(self, sku: str, source: str, goal: str, quantity: int, twice: bool) -> None:
        """Transfer available units to another location at their cost; refused beyond those."""
        if source == goal:
            return
        stock = self.stock_at(sku, source)
        command = TransferStock(
            command_id=self.next_id("T"),
            reason="r",
            sku=sku,
            from_location=source,
            to_location=goal,
            quantity=quantity,
        )
        allowed = quantity <= stock.on_hand - stock.reserved
        self.run_command(command, allowed, twice, changes_stock=True)

    @rule(days=st.integers(1, 4))
    def wait(self, days: int) -> None:
        """Advance the time by some days."""
        self.now += timedelta(days=days)
