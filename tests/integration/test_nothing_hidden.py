"""What could get lost, and where it is seen: facts that nobody used, orders that weren't told, runs
that were cut off, customers who say what isn't theirs to say."""

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from activities.database.inbox import store_fact
from activities.database.unit_of_work import UnitOfWork, utc_now
from activities.purchasing.receiving import receive_goods
from models.messages.facts import GoodsReceived
from models.tables.operations import FactRow
from tests.support.command_line import run, run_json
from tests.support.shop import order, unique
from tests.support.waiting import until, until_history
from tests.support.world import World


async def test_a_new_customer_gets_no_credit_and_no_exemption_by_saying_so(
    pipeline: World,
) -> None:
    """Credit limit, status and tax treatment are ours to decide, by import."""
    sku, _ = pipeline.shop(on_hand=1)
    whole = {
        "customer_id": unique("C"),
        "name": "Mallory",
        "email": "mallory@example.com",
        "country": "DE",
        "credit_limit": "900000.00",
        "tax_treatment": "exempt",
    }
    document = order(sku, "") | {"terms": "net30", "customer": whole}
    placed = await pipeline.place(document)
    assert placed["total"] == "119.00"
    shown = await pipeline.until_order(document["order_id"], lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "credit_limit_exceeded"
    customer = (await pipeline.api.get(f"/customers/{whole['customer_id']}")).json()
    assert customer["credit_limit"] == "0.00"
    await run(pipeline, "cancel", document["order_id"])
    await pipeline.until(document["order_id"], "cancelled")


async def test_reverse_charge_needs_the_buyers_vat_id(pipeline: World) -> None:
    """It stands on the invoice: 2006/112/EC art. 226 (4)."""
    sku, _ = pipeline.shop(on_hand=1)
    whole = {
        "customer_id": unique("C"),
        "name": "Acme",
        "email": "acme@example.com",
        "country": "FR",
        "tax_treatment": "reverse_charge",
    }
    response = await pipeline.api.post("/orders", json=order(sku, "") | {"customer": whole})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "customer.vat_id"


async def test_a_terminated_order_is_listed_with_what_to_do(pipeline: World) -> None:
    """At once, not only after the nightly reconciliation."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.client.get_workflow_handle(f"order-{order_id}").terminate("test")

    found = await until(pipeline.attentions, lambda rows: order_id in rows)
    assert found[order_id] == "workflow_ended"
    listed = await run_json(pipeline, "list", "--attention", "--limit", "0")
    assert order_id in {row["order_id"] for row in listed}
    response = await pipeline.api.post("/orders", json=document)
    assert response.status_code == 200
    await until(pipeline.attentions, lambda rows: order_id not in rows)
    await pipeline.complete(order_id, "119.00")


@pytest.mark.parametrize("how", ["retry", "replenish"])
async def test_an_order_that_was_not_told_of_its_goods_is_found_and_woken(
    pipeline: World, how: str
) -> None:
    """The replenishment died between taking goods in and telling: both commands wake it."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    po_id = shown["backorders"][0]["po_id"]
    await told_of(pipeline, order_id, po_id)
    replenishment = pipeline.client.get_workflow_handle(f"replenish-BER-{sku}")
    await replenishment.terminate("test")
    receive_untold(pipeline, po_id, sku)
    assert (await pipeline.order(order_id))["stage"] == "awaiting_stock"
    status, _, _ = await run(pipeline, "reconcile")
    assert status == 1
    findings = await run_json(pipeline, "findings")
    assert f"asleep:{order_id}" in {row["finding_id"] for row in findings}
    await run(pipeline, how, order_id if how == "retry" else sku)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.complete(order_id, "119.00")


async def told_of(world: World, order_id: str, po_id: str) -> None:
    """Wait until the order has looked, after it was told that its goods are bought."""
    told = False

    def looked(event: HistoryEvent) -> bool:
        nonlocal told
        told = told or po_id in str(event.workflow_execution_signaled_event_attributes.input)
        return told and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

    await until_history(world.client.get_workflow_handle(f"order-{order_id}"), looked)


def receive_untold(world: World, po_id: str, sku: str) -> None:
    """Goods come in, in a transaction after which nobody is told."""
    fact = GoodsReceived(receipt_id=unique("rc"), po_id=po_id, sku=sku, quantity=1)
    receive_goods.run(world.database, fact)


async def test_goods_that_nobody_took_in_are_taken_in_by_the_next_replenishment(
    pipeline: World,
) -> None:
    """The fact was kept and answered; the workflow that was told died with it in hand."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    po_id = shown["backorders"][0]["po_id"]
    await pipeline.client.get_workflow_handle(f"replenish-BER-{sku}").terminate("test")
    fact = GoodsReceived(receipt_id=unique("rc"), po_id=po_id, sku=sku, quantity=1)
    pipeline.database.transaction(lambda work: store_fact(work, "suppliers", fact.receipt_id, fact))
    await run(pipeline, "replenish", sku)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.complete(order_id, "119.00")


async def test_a_fact_that_nobody_used_is_a_finding(pipeline: World) -> None:
    """Until it is used."""
    fact_id = unique("fact")
    fact = StockFact(fact_id)
    pipeline.database.transaction(fact.keep)
    await run(pipeline, "reconcile")
    assert await fact.is_found(pipeline)
    pipeline.database.transaction(fact.use)
    await run(pipeline, "reconcile")
    assert not await fact.is_found(pipeline)


class StockFact:
    """A receipt that was kept two hours ago."""

    def __init__(self, fact_id: str) -> None:
        self.fact_id = fact_id

    def keep(self, work: UnitOfWork) -> None:
        """As the door does."""
        fact = GoodsReceived(receipt_id=self.fact_id, po_id="PO-GONE", sku="X", quantity=1)
        store_fact(work, "suppliers", self.fact_id, fact)

    def use(self, work: UnitOfWork) -> None:
        """As a step does."""
        mine = update(FactRow).where(col(FactRow.fact_id) == self.fact_id)
        work.session.execute(mine.values(applied_at=utc_now()))

    async def is_found(self, world: World) -> bool:
        """Whether reconciliation shows it."""
        shown = await run_json(world, "findings")
        return f"fact:suppliers:{self.fact_id}" in {row["finding_id"] for row in shown}


async def test_messages_about_nothing_of_ours_are_listed_and_wait_for_nothing(
    pipeline: World,
) -> None:
    """A delivery of an order that nobody placed."""
    order_id = unique("NOORD")
    data = {"event_id": unique("ev"), "order_id": order_id, "shipment_id": f"SH-{order_id}-1"}
    assert (await pipeline.tell("shipment.delivered", data)).status_code == 204

    async def about() -> list[str]:
        rows = await run_json(pipeline, "odd-facts", "--limit", "0")
        return [row["subject"] for row in rows]

    await until(about, lambda subjects: order_id in subjects)
    row = pipeline.database.read(
        lambda s: s.exec(select(FactRow).where(FactRow.order_id == order_id)).one()
    )
    assert row.applied_at is not None
