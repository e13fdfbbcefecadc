"""Offers, purchase orders in our tables and the suppliers' records, and messages of suppliers."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import literal
from sqlmodel import Session, col, select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from models.purchasing import Reason
from models.tables.ledger import JournalEntry
from models.tables.masterdata import Supplier, SupplierOffer
from models.tables.operations import RejectedMessageRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Stock
from tests.support.ledger.balances import balances
from tests.support.masterdata.shop import Document, unique
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.supply import policy


def offer(world: World, sku: str, supplier_id: str, unit_cost_minor: int, **terms: Any) -> None:
    """Add an offer, and its supplier if it is new; `terms` replace columns of the offer.

    Without terms: any quantity, delivered in 3 days.
    """

    def change(work: UnitOfWork) -> None:
        if work.session.get(Supplier, supplier_id) is None:
            work.session.add(
                Supplier(
                    supplier_id=supplier_id, name=supplier_id, email="so@x.example", country="DE"
                )
            )
            work.session.flush()
        columns = {"minimum_quantity": 1, "pack_size": 1, "lead_time_days": 3, **terms}
        work.session.add(
            SupplierOffer(
                supplier_id=supplier_id,
                sku=sku,
                unit_cost_minor=unit_cost_minor,
                currency="EUR",
                **columns,
            )
        )

    world.database.transaction(change)


def reorder_at(world: World, sku: str, reorder_point: int, order_quantity: int) -> None:
    """Set the reorder point of a SKU in Berlin, in units, as the nightly review does."""
    row = policy(
        sku,
        reorder_point=reorder_point,
        order_quantity=order_quantity,
        reviewed_at=datetime.now(UTC),
    )
    world.database.transaction(lambda work: work.session.add(row))


@dataclass(frozen=True)
class Purchase:
    """A purchase order, with its lines by SKU."""

    order: PurchaseOrder
    lines: dict[str, PurchaseOrderLine]

    def reason(self, sku: str) -> Reason:
        """Return the recorded reason of a line."""
        return Reason.model_validate(self.lines[sku].reason)


def bought(database: Database, sku: str) -> list[Purchase]:
    """Read our purchase orders with a SKU, the earliest first."""

    def read(session: Session) -> list[Purchase]:
        orders = session.exec(
            select(PurchaseOrder)
            .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
            .where(PurchaseOrderLine.sku == sku)
            .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
        ).all()
        return [Purchase(order, _lines(session, order.po_id)) for order in orders]

    return database.read(read)


def _lines(session: Session, po_id: str) -> dict[str, PurchaseOrderLine]:
    rows = session.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id))
    return {line.sku: line for line in rows}


async def until_purchases(
    world: World, sku: str, reached: Callable[[list[Purchase]], bool]
) -> list[Purchase]:
    """Wait until our purchase orders with a SKU satisfy `reached`."""
    return await until(lambda: bought(world.database, sku), reached)


async def accepted_by_suppliers(world: World, sku: str) -> list[tuple[str, int]]:
    """Read supplier and units of each purchase order with a SKU from the suppliers' records.

    Fails if a purchase order was sent with two idempotency keys.
    """
    record = await world.books("suppliers")
    keys: dict[str, set[str]] = defaultdict(set)
    for call in record["calls"]:
        if isinstance(call["body"], dict):
            keys[call["body"]["po_id"]].add(call["key"])
    rows = [
        row["body"]
        for row in record["requests"]
        if int(row["status"]) < 300
        and any(line["sku"] == sku for line in row["body"].get("lines", ()))
    ]
    assert all(len(keys[body["po_id"]]) == 1 for body in rows), keys
    return [
        (body["supplier_id"], line["quantity"])
        for body in rows
        for line in body["lines"]
        if line["sku"] == sku
    ]


def purchase_ledger(world: World, po_id: str) -> dict[str, int]:
    """Read the balances of a purchase order's receipts and invoices: account -> minor units."""
    receipts = literal("goods_receipt:") + col(GoodsReceipt.receipt_id)
    invoices = literal("supplier_invoice:") + col(SupplierInvoice.invoice_id)
    entry_id = col(JournalEntry.entry_id)
    return balances(
        world,
        entry_id.in_(select(receipts).where(GoodsReceipt.po_id == po_id))
        | entry_id.in_(select(invoices).where(SupplierInvoice.po_id == po_id)),
    )


def stock_at(world: World, sku: str, location: str = "BER") -> tuple[int, int, int]:
    """Read on hand, reserved, and value in minor units."""
    row = world.database.read(lambda session: session.get_one(Stock, (sku, location)))
    return row.on_hand, row.reserved, row.value_minor


def set_expected_date(world: World, po_id: str, day: date) -> None:
    """Set the expected date of a purchase order and its lines, which may be in the past."""

    def change(work: UnitOfWork) -> None:
        lines = select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id)
        for row in (work.session.get_one(PurchaseOrder, po_id), *work.session.exec(lines)):
            row.expected_date = day

    world.database.transaction(change)


def rejection_reasons(world: World, po_id: str) -> list[str]:
    """Read the reasons of rejected messages about a purchase order."""
    query = select(RejectedMessageRow.reason).where(RejectedMessageRow.subject == po_id)
    return world.database.read(lambda session: list(session.exec(query)))


async def acknowledge(world: World, po_id: str, **fields: Any) -> None:
    """Send a supplier's acknowledgement of a purchase order."""
    data: Document = {"acknowledgement_id": unique("ack"), "po_id": po_id, **fields}
    response = await world.send_fact("purchase_order.acknowledged", data)
    assert response.status_code == 204, response.text


async def send_supplier_invoice(
    world: World, po_id: str, lines: list[tuple[str, int, str]], invoice_id: str | None = None
) -> None:
    """Send a supplier invoice; lines are SKU, units, unit cost."""
    data: Document = {
        "invoice_id": invoice_id or unique("si"),
        "po_id": po_id,
        "currency": "EUR",
        "lines": [{"sku": s, "quantity": n, "unit_cost": cost} for s, n, cost in lines],
    }
    response = await world.send_fact("purchase_order.invoiced", data)
    assert response.status_code == 204, response.text
