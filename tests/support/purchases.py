"""Offers of several suppliers, and purchases as both sides have them in their books."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlmodel import Session, col, select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from models.ledger import Account
from models.purchasing import Reason
from models.tables.ledger import JournalPosting
from models.tables.masterdata import Supplier, SupplierOffer
from models.tables.operations import RejectedMessageRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Stock, StockPolicy
from tests.support.shop import Document, unique
from tests.support.waiting import until
from tests.support.world import World


def offer(world: World, sku: str, supplier_id: str, unit_cost_minor: int, **terms: Any) -> None:
    """A supplier, where it is new, and its offer: any units, 3 days, or as `terms` say."""

    def change(work: UnitOfWork) -> None:
        if work.session.get(Supplier, supplier_id) is None:
            work.session.add(
                Supplier(
                    supplier_id=supplier_id, name=supplier_id, email="so@x.example", country="DE"
                )
            )
            work.session.flush()
        given = {"minimum_quantity": 1, "pack_size": 1, "lead_time_days": 3, **terms}
        work.session.add(
            SupplierOffer(
                supplier_id=supplier_id,
                sku=sku,
                unit_cost_minor=unit_cost_minor,
                currency="EUR",
                **given,
            )
        )

    world.database.transaction(change)


def reorder_at(world: World, sku: str, reorder_point: int, order_quantity: int) -> None:
    """What the nightly review would have found for Berlin."""
    row = StockPolicy(
        sku=sku,
        location="BER",
        demand_a_day=2.0,
        demand_deviation=0.5,
        observed_days=90,
        lead_time_days=3.0,
        lead_time_deviation=0.0,
        safety_stock=2,
        reorder_point=reorder_point,
        order_quantity=order_quantity,
        reviewed_at=datetime.now(UTC),
    )
    world.database.transaction(lambda work: work.session.add(row))


@dataclass(frozen=True)
class Bought:
    """A purchase order of ours, with its lines by SKU."""

    order: PurchaseOrder
    lines: dict[str, PurchaseOrderLine]

    def reason(self, sku: str) -> Reason:
        """Why a line was bought."""
        return Reason.model_validate(self.lines[sku].reason)


def bought(database: Database, sku: str) -> list[Bought]:
    """Our purchase orders with a SKU, the earliest first."""

    def read(session: Session) -> list[Bought]:
        orders = session.exec(
            select(PurchaseOrder)
            .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
            .where(PurchaseOrderLine.sku == sku)
            .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
        ).all()
        return [Bought(order, _lines(session, order.po_id)) for order in orders]

    return database.read(read)


def _lines(session: Session, po_id: str) -> dict[str, PurchaseOrderLine]:
    rows = session.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id))
    return {line.sku: line for line in rows}


async def until_bought(
    world: World, sku: str, reached: Callable[[list[Bought]], bool]
) -> list[Bought]:
    """Wait until our purchase orders with a SKU satisfy `reached`."""
    return await until(lambda: bought(world.database, sku), reached)


async def taken_by_suppliers(world: World, sku: str) -> list[tuple[str, int]]:
    """Supplier and units of each purchase order with a SKU, by the suppliers' books; none was
    ever asked for under two keys."""
    rows = [
        row
        for row in (await world.books("suppliers"))["requests"]
        if int(row["status"]) < 300 and any(line["sku"] == sku for line in row["body"]["lines"])
    ]
    keys: dict[str, set[str]] = {}
    for call in (await world.books("suppliers"))["calls"]:
        if isinstance(call["body"], dict):
            keys.setdefault(call["body"]["po_id"], set()).add(call["key"])
    assert all(len(keys[row["body"]["po_id"]]) == 1 for row in rows), keys
    return [
        (row["body"]["supplier_id"], line["quantity"])
        for row in rows
        for line in row["body"]["lines"]
        if line["sku"] == sku
    ]


def ledger_of(world: World, po_id: str) -> dict[str, int]:
    """What the ledger says of a purchase order's receipts and invoices: account -> minor units,
    zeros left out."""

    def read(session: Session) -> dict[str, int]:
        receipts = session.exec(select(GoodsReceipt.receipt_id).where(GoodsReceipt.po_id == po_id))
        invoices = session.exec(
            select(SupplierInvoice.invoice_id).where(SupplierInvoice.po_id == po_id)
        )
        entries = [f"goods_receipt:{r}" for r in receipts]
        entries += [f"supplier_invoice:{i}" for i in invoices]
        sums: Counter[str] = Counter()
        for row in session.exec(
            select(JournalPosting).where(col(JournalPosting.entry_id).in_(entries))
        ):
            sums[Account(row.account).name] += row.amount_minor
        return {account: amount_minor for account, amount_minor in sums.items() if amount_minor}

    return world.database.read(read)


def stock_at(world: World, sku: str, location: str = "BER") -> tuple[int, int, int]:
    """On hand, reserved and value in minor units."""
    row = world.database.read(lambda session: session.get_one(Stock, (sku, location)))
    return row.on_hand, row.reserved, row.value_minor


def expect_on(world: World, po_id: str, day: date) -> None:
    """As if the supplier had named that day, some time ago."""

    def change(work: UnitOfWork) -> None:
        of_it = select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id)
        for row in (work.session.get_one(PurchaseOrder, po_id), *work.session.exec(of_it)):
            row.expected_date = day

    world.database.transaction(change)


def odd_reasons(world: World, po_id: str) -> list[str]:
    """Why facts about a purchase order could not be used."""
    query = select(RejectedMessageRow.reason).where(RejectedMessageRow.subject == po_id)
    return world.database.read(lambda session: list(session.exec(query)))


async def acknowledge(world: World, po_id: str, **said: Any) -> None:
    """The supplier answers."""
    data: Document = {"acknowledgement_id": unique("ack"), "po_id": po_id, **said}
    response = await world.tell("purchase_order.acknowledged", data)
    assert response.status_code == 204, response.text


async def invoice(
    world: World, po_id: str, lines: list[tuple[str, int, str]], invoice_id: str | None = None
) -> None:
    """The supplier asks for its money: SKU, units, unit cost."""
    data: Document = {
        "invoice_id": invoice_id or unique("si"),
        "po_id": po_id,
        "currency": "EUR",
        "lines": [{"sku": s, "quantity": n, "unit_cost": cost} for s, n, cost in lines],
    }
    response = await world.tell("purchase_order.invoiced", data)
    assert response.status_code == 204, response.text
