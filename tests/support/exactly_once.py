"""Nothing twice: by the partners' own books, and by ours."""

from collections import Counter

from sqlmodel import Session, col, select

from models.ledger import Account
from models.tables.billing import InvoiceRow, Refund
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.purchasing import GoodsReceipt, PurchaseOrderLine
from models.tables.shipping import Shipment
from tests.support.shop import Document
from tests.support.waiting import until
from tests.support.world import World

SEVERAL_TIMES = {"mailed", "mail_refused", "attention", "mended", "cancel_refused"}
"""What an order's history may tell more than once."""


async def keys_of(world: World, partner: str, operation: str, subject: str) -> set[str]:
    """The idempotency keys under which a partner was ever called about `subject`."""
    calls = (await world.books(partner))["calls"]
    return {
        call["key"]
        for call in calls
        if call["operation"] == operation and subject in str(call["body"])
    }


async def until_asked(world: World, partner: str, operation: str, subject: str) -> None:
    """Wait until a partner has done what it was asked; its answer may still be out."""
    await until(lambda: world.requests(partner, operation, subject))


async def assert_asked_once(world: World, partner: str, operation: str, subject: str) -> None:
    """The partner did it once, and was never asked under another key."""
    done = await world.requests(partner, operation, subject)
    keys = await keys_of(world, partner, operation, subject)
    assert len(done) == 1, (operation, done)
    assert keys == {done[0]["key"]}, (operation, keys)


async def assert_completed_once(world: World, order_id: str, *, bought: str | None = None) -> None:
    """A prepaid order of one consignment is complete, and nothing of it happened twice.

    `bought`: the SKU that had to be bought for it.
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
    if bought:
        await assert_asked_once(world, "suppliers", "purchase_order", bought)
        world.database.read(lambda session: _assert_one_receipt(session, bought))
    assert_happened_once(shown)
    world.database.read(lambda session: _assert_rows(session, shown))
    await assert_mails(world, order_id, shown["invoice_number"])
    world.check_books()


def assert_happened_once(shown: Document) -> None:
    """No business fact stands twice in the order's history."""
    counts = Counter(row["event"] for row in shown["history"] if row["event"] not in SEVERAL_TIMES)
    assert set(counts.values()) == {1}, counts


async def assert_mails(world: World, order_id: str, invoice_number: str) -> None:
    """One Message-ID for the order, one for the invoice, one for the dispatch: each may have
    arrived twice. Goods that were short may have had one about their date."""
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
    assert not refunds


def accounts_of(world: World, order_id: str) -> dict[str, int]:
    """What the ledger says of one order: account name -> balance in minor units, zeros left out."""

    def work(session: Session) -> dict[str, int]:
        rows = session.exec(
            select(JournalPosting.account, JournalPosting.amount_minor)
            .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
            .where(JournalEntry.order_id == order_id)
        )
        sums: Counter[str] = Counter()
        for account, amount_minor in rows:
            sums[Account(account).name] += amount_minor
        return {account: amount_minor for account, amount_minor in sums.items() if amount_minor}

    return world.database.read(work)
