"""Ended workflows, missed notifications and unapplied facts are findings until resolved."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from activities.database.inbox import store_fact
from activities.database.unit_of_work import utc_now
from activities.purchasing.receiving import receive_goods
from models.messages.facts import GoodsReceived
from models.tables.operations import FactRow
from tests.support.masterdata.shop import unique
from tests.support.orders.stages import TOTAL, place_order, until_purchased
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until, until_history
from tests.support.pipeline.world import World


async def test_terminated_order_is_listed_at_once_until_it_is_placed_again(pipeline: World) -> None:
    """Before the nightly reconciliation."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.order_workflow(order_id).terminate("test")

    found = await until(pipeline.attentions, lambda rows: order_id in rows)
    assert found[order_id] == "workflow_ended"
    listed = await run_json(pipeline, "list", "--attention", "--limit", "0")
    assert order_id in {row["order_id"] for row in listed}
    response = await pipeline.api.post("/orders", json=placed.document)
    assert response.status_code == 200
    await until(pipeline.attentions, lambda rows: order_id not in rows)
    await pipeline.complete(order_id, TOTAL)


@pytest.mark.parametrize("command", ["retry", "replenish"])
async def test_missed_notification_of_goods_is_a_finding_and_a_command_resumes_the_order(
    pipeline: World, command: str
) -> None:
    """The replenishment ended between the receipt and the notification."""
    placed = await place_order(pipeline, on_hand=0)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(pipeline, order_id)
    await until_notified(pipeline, order_id, po_id)
    await pipeline.replenishment(sku).terminate("test")
    receive_goods.run(pipeline.database, receipt(po_id, sku))
    assert (await pipeline.order(order_id))["stage"] == "awaiting_stock"
    status, _, _ = await run(pipeline, "reconcile")
    assert status == 1
    findings = await run_json(pipeline, "findings")
    assert f"asleep:{order_id}" in {row["finding_id"] for row in findings}
    await run(pipeline, command, order_id if command == "retry" else sku)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.complete(order_id, TOTAL)


async def until_notified(world: World, order_id: str, po_id: str) -> None:
    """Wait until the order has handled the notification that its goods are purchased."""
    notified = False

    def handled(event: HistoryEvent) -> bool:
        nonlocal notified
        signal = event.workflow_execution_signaled_event_attributes
        notified = notified or po_id in str(signal.input)
        return notified and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

    await until_history(world.order_workflow(order_id), handled)


def receipt(po_id: str, sku: str) -> GoodsReceived:
    """Build the goods receipt of one unit."""
    return GoodsReceived(receipt_id=unique("rc"), po_id=po_id, sku=sku, quantity=1)


def store(world: World, fact: GoodsReceived) -> None:
    """Store a fact as the webhook endpoint does, without a workflow that applies it."""
    world.database.transaction(lambda work: store_fact(work, "suppliers", fact.receipt_id, fact))


async def test_receipt_of_a_terminated_replenishment_is_applied_by_the_next(
    pipeline: World,
) -> None:
    """The fact was stored; the workflow that was signalled ended before it was applied."""
    placed = await place_order(pipeline, on_hand=0)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(pipeline, order_id)
    await pipeline.replenishment(sku).terminate("test")
    store(pipeline, receipt(po_id, sku))
    await run(pipeline, "replenish", sku)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.complete(order_id, TOTAL)


async def test_unapplied_fact_is_a_finding_until_it_is_applied(pipeline: World) -> None:
    """From an hour after it was received."""
    fact = receipt("PO-GONE", "X")
    finding_id = f"fact:suppliers:{fact.receipt_id}"
    store(pipeline, fact)
    assert finding_id not in await reconciled(pipeline)
    change(pipeline, fact, received_at=utc_now() - timedelta(hours=2))
    assert finding_id in await reconciled(pipeline)
    change(pipeline, fact, applied_at=utc_now())
    assert finding_id not in await reconciled(pipeline)


def change(world: World, fact: GoodsReceived, **values: datetime) -> None:
    """Change columns of a stored fact."""
    row = update(FactRow).where(col(FactRow.fact_id) == fact.receipt_id)
    world.database.transaction(lambda work: work.session.execute(row.values(**values)))


async def test_fact_about_an_unknown_order_is_a_rejected_message(pipeline: World) -> None:
    """It counts as applied."""
    order_id = unique("NOORD")
    data = {"event_id": unique("ev"), "order_id": order_id, "shipment_id": f"SH-{order_id}-1"}
    assert (await pipeline.send_fact("shipment.delivered", data)).status_code == 204

    async def subjects() -> list[str]:
        rows = await run_json(pipeline, "odd-facts", "--limit", "0")
        return [row["subject"] for row in rows]

    await until(subjects, lambda found: order_id in found)
    row = pipeline.database.read(
        lambda s: s.exec(select(FactRow).where(FactRow.order_id == order_id)).one()
    )
    assert row.applied_at is not None
