"""Nothing happens twice: asserted by the partners' own records, and by our tables."""

from collections import Counter
from decimal import Decimal

from sqlmodel import Session, select

from activities.operations.delivery_comparison import compare_deliveries
from models.tables.billing import CreditNoteRow, InvoiceRow, Refund
from models.tables.orders import Order
from models.tables.purchasing import GoodsReceipt, PurchaseOrderLine
from models.tables.shipping import Shipment
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

REPEATABLE_EVENTS = {"mailed", "mail_refused", "attention", "mended", "cancel_refused"}
"""The events that an order's history may contain more than once."""


async def keys_of(world: World, partner: str, operation: str, subject: str) -> set[str]:
    """Return the idempotency keys of all calls of a partner about a subject."""
    calls = (await world.books(partner))["calls"]
    return {
        call["key"]
        for call in calls
        if call["operation"] == operation and subject in str(call["body"])
    }


async def until_asked(world: World, partner: str, operation: str, subject: str) -> None:
    """Wait until a partner has processed a request; its answer may not have arrived yet."""
    await until(lambda: world.requests(partner, operation, subject))


async def assert_asked_once(world: World, partner: str, operation: str, subject: str) -> None:
    """Assert that a partner processed a request once, and was never called with another key."""
    done = await world.requests(partner, operation, subject)
    keys = await keys_of(world, partner, operation, subject)
    assert len(done) == 1, (operation, done)
    assert keys == {done[0]["key"]}, (operation, keys)


async def assert_completed_once(
    world: World, order_id: str, *, purchased_sku: str | None = None
) -> None:
    """Assert that an order of one shipment completed and nothing of it happened twice.

    `purchased_sku`: the SKU that was purchased for it.
    """
    shown = await world.until(order_id, "completed")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert shown["attention"] is None
    assert shown["paid"] == shown["total"]
    await assert_asked_once(world, "payments", "request", order_id)
    await assert_asked_once(world, "carriers", "booking", f"SH-{order_id}-")
    assert await world.requests("payments", "refund", order_id) == []
    assert await world.requests("carriers", "cancel", f"SH-{order_id}-") == []
    if purchased_sku:
        await assert_asked_once(world, "suppliers", "purchase_order", purchased_sku)
        world.database.read(lambda session: _assert_one_receipt(session, purchased_sku))
    assert_happened_once(shown)
    world.database.read(lambda session: _assert_rows(session, shown))
    await assert_mails(world, order_id, shown["invoice_number"])
    world.check_books()


async def assert_undone(world: World, order_id: str, refunded: str) -> Document:
    """Assert that an order is cancelled, `refunded` in total, and nothing else is left of it.

    No stock, booking, payment request or ledger balance. Returns the order.
    """
    await world.until(order_id, "cancelled")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert_happened_once(shown)
    assert shown["attention"] is None
    assert all(shipment["state"] == "cancelled" for shipment in shown["shipments"])
    assert shown["lines"][0]["reserved"] == shown["lines"][0]["shipped"] == 0
    requests = await world.requests("payments", "request", order_id)
    assert {row["state"] for row in requests} <= {"voided"}
    bookings = await world.requests("carriers", "booking", order_id)
    assert {row["state"] for row in bookings} <= {"cancelled"}
    assert await refunded_by_provider(world, order_id) == Decimal(refunded)
    assert accounts_of(world, order_id) == {}
    credit_notes = select(CreditNoteRow).where(CreditNoteRow.order_id == order_id)
    notes = world.database.read(lambda session: session.exec(credit_notes).all())
    assert len(notes) == (1 if shown["invoice_number"] else 0)
    world.check_books()
    return shown


async def refunded_by_provider(world: World, order_id: str) -> Decimal:
    """Add up the refunds of an order in the payment provider's record."""
    rows = await world.requests("payments", "refund", order_id)
    return sum((Decimal(row["body"]["amount"]) for row in rows), Decimal("0.00"))


def assert_happened_once(shown: Document, *repeated: str) -> None:
    """Assert that no event but REPEATABLE_EVENTS and `repeated` is in an order's history twice."""
    ignored = REPEATABLE_EVENTS | set(repeated)
    counts = Counter(row["event"] for row in shown["history"] if row["event"] not in ignored)
    assert set(counts.values()) == {1}, counts


async def assert_mails(world: World, order_id: str, invoice_number: str) -> None:
    """Assert that order, invoice and dispatch have one Message-ID each, a backorder at most one.

    The same mail may have been delivered twice.
    """
    mails = await world.mails(order_id, invoice_number)
    kinds = [mail_id.strip("<").split(".")[0] for mail_id in {m["message_id"] for m in mails}]
    expected = ["confirmation", "dispatch", "invoice"]
    assert sorted(kinds) in (expected, sorted([*expected, "backorder"])), mails


def _assert_one_receipt(session: Session, sku: str) -> None:
    receipts = session.exec(select(GoodsReceipt).where(GoodsReceipt.sku == sku)).all()
    lines = session.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.sku == sku)).all()
    assert len(receipts) == 1, receipts
    assert [line.received for line in lines] == [receipts[0].quantity]


def _assert_rows(session: Session, shown: Document) -> None:
    order_id = shown["order_id"]
    invoices = session.exec(select(InvoiceRow).where(InvoiceRow.order_id == order_id)).all()
    shipments = session.exec(select(Shipment).where(Shipment.order_id == order_id)).all()
    refunds = session.exec(select(Refund).where(Refund.order_id == order_id)).all()
    assert [row.number for row in invoices] == [shown["invoice_number"]]
    assert len(shipments) == 1
    if invoices[0].shipment_id is not None:  # on credit: each issued unit is invoiced once
        orders = session.exec(select(Order).where(Order.order_id == order_id)).all()
        assert [*compare_deliveries(session, orders)] == []
    assert not refunds
