"""Messages of partners as signals and webhooks carry them, and their effects."""

from decimal import Decimal
from typing import Any

from sqlmodel import Session, col, select

from models.tables.operations import FactRow, RejectedMessageRow
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.exactly_once import assert_completed_once
from tests.support.orders.stages import PLAIN_HISTORY, TOTAL, events
from tests.support.pipeline.world import World


def payment(order_id: str, /, **changes: Any) -> Document:
    """Build the data of a payment of one unit."""
    return {
        "payment_id": unique("pay"),
        "order_id": order_id,
        "amount": TOTAL,
        "currency": "EUR",
        "method": "card",
    } | changes


def carrier_event(order_id: str) -> Document:
    """Build the data of a carrier's event about an order's first shipment."""
    return {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": f"SH-{order_id}-1",
    }


async def assert_completed_as_plain(world: World, order_id: str) -> Document:
    """Assert that an order of one unit has the history of an undisturbed one; returns the order."""
    await assert_completed_once(world, order_id)
    shown = await world.order(order_id)
    assert [event for event in events(shown) if event != "mailed"] == PLAIN_HISTORY
    assert {k: v for k, v in shown["lines"][0].items() if k != "sku"} == {
        "kind": "goods",
        "ordered": 1,
        "reserved": 0,
        "backordered": 0,
        "shipped": 1,
        "delivered": 1,
        "returned": 0,
        "given_up": 0,
    }
    return shown


async def until_facts_applied(world: World, subject: str) -> None:
    """Wait until the workflows of all stored facts about an order or purchase order have ended."""

    def stored(session: Session) -> list[tuple[str, str]]:
        of_subject = (col(FactRow.order_id) == subject) | (col(FactRow.po_id) == subject)
        return list(session.exec(select(FactRow.source, FactRow.fact_id).where(of_subject)))

    for source, fact_id in world.database.read(stored):
        await world.client.get_workflow_handle(f"fact-{source}-{fact_id}").result()


def rejected_messages(world: World, subject: str) -> list[str]:
    """Read the names of the rejected messages about a subject, the earliest first."""
    rows = select(RejectedMessageRow.name).where(RejectedMessageRow.subject == subject)
    rows = rows.order_by(col(RejectedMessageRow.recorded_at))
    return world.database.read(lambda session: list(session.exec(rows)))


def unused_amount(rows: list[Document]) -> Decimal:
    """Add up the unmatched payments' amounts that aren't applied."""
    return sum((Decimal(row["amount"]) - Decimal(row["applied"]) for row in rows), Decimal(0))
