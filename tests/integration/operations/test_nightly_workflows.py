"""The nightly workflows: stock review and reconciliation, and their schedules."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleOverlapPolicy,
)

import engine
from activities.database.unit_of_work import utc_now
from models.messages.nightly import (
    RECONCILE,
    STOCK_REVIEW,
    ReconcileOutcome,
    ReconcileProgress,
    ReviewOutcome,
    ReviewProgress,
)
from models.messages.steps import StockKey
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Stock, StockPolicy
from tests.conftest import DATABASES, new_client, new_world
from tests.support.masterdata.shop import order, product_row, unique
from tests.support.orders.stages import place_order
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import PATIENCE_S, until
from tests.support.pipeline.world import World
from workflows.schedules import BATCHES_PER_RUN, ReconcileWorkflow, StockReviewWorkflow


@pytest.fixture(scope="module", params=DATABASES)
async def nights(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of its own: reconciliation compares everything."""
    async with (
        new_world(request, engine_address, worker=False, auto=False) as world,
        world.worker(approve_first_purchase=True),
    ):
        yield world


async def review(world: World, **progress: Any) -> ReviewOutcome:
    """Run a stock review."""
    outcome: ReviewOutcome = await world.client.execute_workflow(
        StockReviewWorkflow.run,
        ReviewProgress(**progress),
        id=unique("review"),
        task_queue=engine.TASK_QUEUE,
    )
    return outcome


async def reconcile(world: World, **progress: Any) -> ReconcileOutcome:
    """Run a reconciliation."""
    outcome: ReconcileOutcome = await world.client.execute_workflow(
        ReconcileWorkflow.run,
        ReconcileProgress(**progress),
        id=unique("reconcile"),
        task_queue=engine.TASK_QUEUE,
    )
    return outcome


def policy_of(world: World, sku: str) -> StockPolicy:
    """Read the stock policy of a SKU in Berlin."""
    return world.database.read(lambda session: session.get_one(StockPolicy, (sku, "BER")))


async def test_review_purchases_low_stock_before_an_order_is_short(nights: World) -> None:
    """Eight units on the first day count as eight in four weeks. The first purchase for stock
    waits for an operator."""
    sku, customer = nights.shop(on_hand=10)
    document = order(sku, customer, quantity=8)
    await nights.place(document)
    order_id = document["order_id"]
    await nights.until_event(order_id, "payment_requested")
    await review(nights)
    unpaid = policy_of(nights, sku)
    assert (unpaid.demand_a_day, unpaid.reorder_point, unpaid.order_quantity) == (0.0, 0, 0)
    await nights.pay(order_id, "952.00")
    await nights.until_event(order_id, "invoiced")
    outcome = await review(nights)
    assert outcome.low >= 1
    policy = policy_of(nights, sku)
    assert (policy.demand_a_day, policy.observed_days) == (8 / 28, 28)
    assert (policy.lead_time_days, policy.safety_stock, policy.reorder_point) == (3.0, 5, 6)
    assert policy.order_quantity == 21  # sqrt(2 * 104 * 25.00 / 12.00) = 20.8
    [proposed] = await until(lambda: proposals(nights, sku))
    assert (proposed["state"], proposed["quantity"]) == ("open", 21)
    assert await nights.requests("suppliers", "purchase_order", sku) == []
    body = {"command_id": unique("D"), "location": "BER", "reason": "we need them"}
    rejected = await nights.api.post(f"/stock/{sku}/purchases/reject", json=body)
    assert rejected.status_code == 200, rejected.text
    assert (await proposals(nights, sku))[0]["state"] == "rejected"
    assert (await run(nights, "replenish", sku, "--location", "BER"))[0] == 0
    await until(lambda: proposals(nights, sku, "open"))
    approve = ("stock", "approve-purchase", sku, "BER", "--reason", "we need them")
    cost = proposed["landed"]
    changed = body | {"command_id": unique("D"), "expect_units": 21, "expect_cost": "1.00"}
    refused = await nights.api.post(f"/stock/{sku}/purchases/approve", json=changed)
    [error] = refused.json()["errors"]
    assert (error["field"], f"--expect-units 21 --expect-cost {cost}`" in error["reason"]) == (
        "expect_cost",
        True,
    )
    status, _, err = await run(nights, *approve, "--expect-units", "20", "--expect-cost", cost)
    assert (status, "the proposed purchase is now 21 x" in err) == (1, True)
    assert (await run(nights, *approve, "--expect-units", "21", "--expect-cost", cost))[0] == 0
    sent = await until(lambda: nights.requests("suppliers", "purchase_order", sku))
    [line] = sent[0]["body"]["lines"]
    assert (line["sku"], line["quantity"]) == (sku, 21)
    await until(lambda: proposals(nights, sku, "ended"))  # the approval holds for one purchase
    listed = await run_json(nights, "purchase-proposals", "--state", "ended")
    assert [row["quantity"] for row in listed if row["sku"] == sku] == [21]
    await review(nights)  # purchased already: the units on order count as stock
    lines = nights.database.read(
        lambda s: list(s.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.sku == sku)))
    )
    assert len(lines) == 1


async def proposals(world: World, sku: str, state: str | None = None) -> list[Any]:
    """List the proposed purchases of a SKU by API."""
    params = {"state": state} if state else {}
    rows = (await world.api.get("/purchase-proposals", params=params)).json()
    return [row for row in rows if row["sku"] == sku]


async def test_sku_without_demand_and_offer_has_a_reorder_point_of_zero(nights: World) -> None:
    sku, _ = nights.shop(on_hand=3, offers=False)
    await review(nights)
    policy = policy_of(nights, sku)
    assert (policy.demand_a_day, policy.lead_time_days) == (0.0, None)
    assert (policy.reorder_point, policy.order_quantity) == (0, 0)


async def test_both_workflows_cover_more_batches_than_one_run_takes(nights: World) -> None:
    products = [product_row(unique("Z")) for _ in range(BATCHES_PER_RUN + 5)]
    nights.import_tables(products=products)
    whole = await review(nights)
    assert whole.skus > BATCHES_PER_RUN
    assert await review(nights, batch_skus=1) == whole
    assert (await reconcile(nights, batch=1)).places == (await reconcile(nights)).places


async def test_finding_is_recorded_once_and_marked_when_it_is_gone(nights: World) -> None:
    """Counters changed by hand."""
    sku, _ = nights.shop(on_hand=5)
    assert (await reconcile(nights)).findings == 0
    _change(nights, sku, reserved=2, value_minor=29_999)
    first, second = await reconcile(nights), await reconcile(nights)
    ids = {f"reservations:{sku}:BER", f"reserved:{sku}:BER", f"value:{sku}:BER", "inventory:EUR"}
    assert first.findings == second.findings == len(ids)
    assert second.attention is not None
    assert second.attention.code == "books_differ"
    rows = (await nights.api.get("/findings")).json()
    assert {row["finding_id"] for row in rows} == ids
    assert all(row["found_at"] < row["last_seen_at"] for row in rows)
    status, out, _ = await run(nights, "reconcile", "--json")
    assert status == 1
    assert json.loads(out)["findings"] == len(ids)
    assert len(await run_json(nights, "findings")) == len(ids)

    _change(nights, sku, reserved=0, value_minor=30_000)
    assert (await run_json(nights, "reconcile"))["attention"] is None
    assert (await nights.api.get("/findings")).json() == []
    gone = (await nights.api.get("/findings", params={"gone": True})).json()
    assert {row["finding_id"] for row in gone if row["gone_at"]} == ids


def _change(world: World, sku: str, **values: int) -> None:
    world.database.transaction(
        lambda work: work.session.execute(
            update(Stock).where(col(Stock.sku) == sku).values(**values)
        )
    )


async def test_terminated_order_is_a_finding_until_it_is_placed_again(nights: World) -> None:
    """An order that runs is none."""
    sku, customer = nights.shop()
    ended, running = order(sku, customer), order(sku, customer)
    for document in (ended, running):
        await nights.place(document)
        await nights.until_event(document["order_id"], "payment_requested")
    await nights.order_workflow(ended["order_id"]).terminate("by the test")
    outcome = await reconcile(nights)
    assert outcome.findings == 1
    assert outcome.attention is not None
    assert ended["order_id"] in outcome.attention.message
    assert await nights.attentions() == {ended["order_id"]: "workflow_ended"}

    assert (await nights.api.post("/orders", json=ended)).status_code == 200
    shown = await nights.until_event(ended["order_id"], "mended")
    assert shown["attention"] is None
    assert await nights.attentions() == {}
    assert (await reconcile(nights)).findings == 0
    await nights.pay(ended["order_id"], "119.00")
    await nights.until_event(ended["order_id"], "booked")


async def test_terminated_replenishment_is_a_finding_until_it_is_started_again(
    nights: World,
) -> None:
    """Nothing else would detect that its supplier doesn't answer."""
    placed = await place_order(nights, on_hand=0)
    sku = placed.sku
    await nights.until_event(placed.order_id, "bought")
    assert (await reconcile(nights)).findings == 0
    long_ago = utc_now() - timedelta(hours=2)
    nights.database.transaction(
        lambda work: work.session.execute(update(PurchaseOrder).values(created_at=long_ago))
    )
    assert (await reconcile(nights)).findings == 0
    key = StockKey(location="BER", sku=sku)
    await nights.client.get_workflow_handle(key.workflow_id).terminate("by the test")
    outcome = await reconcile(nights)
    assert outcome.attention is not None
    assert f"`replenish {sku} --location BER` starts it again" in outcome.attention.message
    await run(nights, "replenish", sku, "--location", "BER")
    assert (await reconcile(nights)).findings == 0


async def test_both_workflows_run_from_cli_and_without_an_argument(nights: World) -> None:
    """The Temporal UI starts them without one."""
    assert (await run_json(nights, "review"))["skus"] >= 0
    for workflow in ("StockReviewWorkflow", "ReconcileWorkflow"):
        handle = await nights.client.start_workflow(
            workflow, id=unique("by-hand"), task_queue=engine.TASK_QUEUE
        )
        async with asyncio.timeout(PATIENCE_S):
            await handle.result()


async def test_triggered_schedules_run_their_workflows(nights: World) -> None:
    await engine.prepare_schedules(nights.client, "02:30", "03:30", "UTC")
    for schedule_id in (STOCK_REVIEW, RECONCILE):
        handle = nights.client.get_schedule_handle(schedule_id)
        await handle.trigger()
        description = await until(handle.describe, lambda found: found.info.recent_actions)
        started = description.info.recent_actions[0].action
        assert isinstance(started, ScheduleActionExecutionStartWorkflow)
        async with asyncio.timeout(PATIENCE_S):
            await nights.client.get_workflow_handle(started.workflow_id).result()


async def times_of(client: Client) -> list[tuple[int, int, bool]]:
    """Read hour, minute and pause of both schedules."""
    found = []
    for schedule_id in (STOCK_REVIEW, RECONCILE):
        schedule = (await client.get_schedule_handle(schedule_id).describe()).schedule
        [calendar] = schedule.spec.calendars
        assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert schedule.policy.catchup_window == engine.CATCH_UP
        found.append((calendar.hour[0].start, calendar.minute[0].start, schedule.state.paused))
    return found


async def test_schedule_is_created_once_and_follows_the_settings(engine_address: str) -> None:
    """A paused schedule stays paused; an unchanged one isn't updated."""
    client = await new_client(engine_address)
    await engine.prepare_schedules(client, "02:30", "03:30", "UTC")
    assert await times_of(client) == [(2, 30, False), (3, 30, False)]
    handle = client.get_schedule_handle(STOCK_REVIEW)
    await handle.pause(note="not tonight")
    await engine.prepare_schedules(client, "02:30", "03:30", "UTC")
    untouched = (await client.get_schedule_handle(RECONCILE).describe()).info.last_updated_at
    assert untouched is None
    await engine.prepare_schedules(client, "22:05", "03:30", "UTC")
    assert await times_of(client) == [(22, 5, True), (3, 30, False)]
    next_times = (await handle.describe()).info.next_action_times
    assert all((at.hour, at.minute) == (22, 5) and at.tzinfo == UTC for at in next_times)
    assert all(at > datetime.now(UTC) for at in next_times)
    for schedule_id in (STOCK_REVIEW, RECONCILE):
        await client.get_schedule_handle(schedule_id).delete()
