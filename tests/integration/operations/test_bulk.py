"""One action for many orders: each once, at a limited rate, and nothing is lost with the worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from activities.operations import audit
from activities.operations import bulk as bulk_reading
from intake.bulk import BulkIntake
from models.errors import Refused
from models.messages.bulk import BulkAction, BulkRequest
from models.messages.commands.shipping import RefundShipment
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order, unique
from tests.support.orders.stages import booked, requested
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.processes import WorkerProcess
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import give_up, lost, report

SMALL, FULL = 12, 2_000
REASON = ("--reason", "the provider is back", "--actor", "ann")


@pytest.fixture(params=DATABASES)
async def outage(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline of its own, whose payment provider refuses all requests."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        await world.misbehave(
            partner="payments", operation="request", fault="refuse", code="closed", times=None
        )
        yield world


async def place_refused(world: World, count: int) -> list[str]:
    """Place orders of one customer, and wait until each needs an operator."""
    sku, customer = world.shop(on_hand=count)
    documents = [order(sku, customer, order_id=unique("B")) for _ in range(count)]
    for document in documents:
        await world.place(document)
    ids = sorted(str(document["order_id"]) for document in documents)
    await until(world.attentions, lambda rows: set(ids) <= set(rows), patience_s=30 + count)
    return ids


@pytest.mark.sized
async def test_retry_of_all_orders_in_attention_survives_the_worker(
    outage: World, full: bool
) -> None:
    """After a partner's outage: each is requested once, also if the worker is killed half way."""
    count = FULL if full else SMALL
    where = "channel = online and attention != none"
    sent = {
        **{"bulk_id": unique("b"), "action": "retry", "where": where, "reason": "provider is back"},
        "per_second": 100 if full else 8,
    }
    worker = WorkerProcess(outage)
    worker.start()
    try:
        ids = await place_refused(outage, count)
        preview = await run_json(outage, "retry", "--where", where, *REASON, "--dry-run")
        assert (preview["orders"], preview["first"]) == (count, ids[:10])
        await outage.partners.delete("/control/faults")
        response = await outage.api.post("/bulks", json=sent)
        assert response.status_code == 202, response.text
        await until(
            lambda: len(outcomes(outage, sent["bulk_id"])),
            lambda found: found >= count // 3,
            patience_s=30 + count,
        )
        worker.check()
        worker.kill()
        assert len(outcomes(outage, sent["bulk_id"])) < count
        worker.start()
        again = await outage.api.post("/bulks", json=sent)
        assert again.status_code == 202
        await until(
            lambda: outage.database.read(lambda s: bulk_reading.bulk_view(s, str(sent["bulk_id"]))),
            lambda view: view is not None and view.ended_at is not None,
            patience_s=60 + count,
        )
        status, out, err = await run(outage, "bulk", "follow", str(sent["bulk_id"]))
        assert status == 0, err
        assert f"{count} done, 0 refused, 0 failed" in out
        assert len([line for line in out.splitlines() if " done: " in line]) == count
        for order_id in ids:
            await outage.until_event(order_id, "payment_requested")
        worker.check()
    finally:
        worker.kill()
    calls = (await outage.books("payments"))["requests"]
    asked = Counter(
        row["body"]["order_id"]
        for row in calls
        if row["operation"] == "request" and int(row["status"]) < 300
    )
    assert asked == dict.fromkeys(ids, 1)
    assert await outage.attentions() == {}
    for order_id in ids:
        trail = outage.database.read(lambda s, id_=order_id: audit.trail_of(s, id_))  # type: ignore[misc]
        retried = [entry for entry in trail.entries if entry.event == "retried"]
        assert [(entry.actor, entry.source) for entry in retried] == [("operator", "api")]


def outcomes(world: World, bulk_id: object) -> list[str]:
    """Read the orders that have an outcome."""
    rows = world.database.read(lambda s: bulk_reading.bulk_outcomes(s, str(bulk_id)))
    return [row.order_id for row in rows]


async def test_pause_resume_and_cancel_of_one_customers_orders(pipeline: World) -> None:
    """One line for each outcome; an order that can't be cancelled is refused, and the status 1."""
    first = await requested(pipeline)
    customer = (await pipeline.order(first))["customer_id"]
    second = unique("R")
    sku, _ = pipeline.shop(on_hand=5)
    await pipeline.place(order(sku, customer, order_id=second))
    await pipeline.until_event(second, "payment_requested")
    where = ("--where", f"customer = {customer}", *REASON, "--yes")
    paused = await run_json(pipeline, "pause", *where)
    assert (paused["done"], paused["state"]) == (2, "completed")
    assert {await stage_and_attention(pipeline, each) for each in (first, second)} == {
        ("awaiting_payment", "paused")
    }
    resumed = await run_json(pipeline, "resume", *where)
    assert resumed["done"] == 2
    refused_again = await run(pipeline, "resume", *where)
    assert refused_again[0] == 1
    assert "2 refused" in refused_again[1]
    lines = await run(pipeline, "why", "--where", f"customer = {customer}")
    assert lines[1].count("payment (customer)") == 2
    cancelled = await run_json(pipeline, "cancel", *where)
    assert cancelled["done"] == 2
    for each in (first, second):
        await pipeline.ended(each)
        trail = await run_json(pipeline, "audit", each)
        [asked] = [row for row in trail["entries"] if row["event"] == "cancel_requested"]
        assert (asked["actor"], asked["source"]) == ("ann", "cli")
    listed = await run_json(pipeline, "bulk", "list", "--limit", "4")
    assert cancelled["bulk_id"] in {row["bulk_id"] for row in listed}
    assert (await run_json(pipeline, "bulk", cancelled["bulk_id"]))["outcomes"]


async def test_second_attempt_reports_what_the_first_one_did(pipeline: World) -> None:
    """As after a worker that was killed before it recorded the outcomes."""
    cancelled, acknowledged = await requested(pipeline), await lost(pipeline)
    await give_up(pipeline, RefundShipment, f"SH-{acknowledged}-1")
    await pipeline.ended(acknowledged)
    await report(pipeline, acknowledged, "delivered")
    await pipeline.until_order(acknowledged, lambda o: o["attention"])
    intake = BulkIntake(pipeline.client, pipeline.database, "api")
    for order_id, action in ((cancelled, BulkAction.CANCEL), (acknowledged, BulkAction.RETRY)):
        request = BulkRequest(
            **{"bulk_id": unique("b"), "action": action, "where": "", "conditions": ()},
            **{"reason": "agreed", "actor": "ann", "source": "api", "per_second": 1},
        )
        first = await intake.act(request, order_id)
        await pipeline.ended(order_id)
        assert await intake.act(request, order_id) == first
        other = request.model_copy(update={"bulk_id": unique("b")})
        with pytest.raises(Refused):
            await intake.act(other, order_id)


async def stage_and_attention(world: World, order_id: str) -> tuple[str, str]:
    """Read the stage of an order and the code of its attention."""
    shown = await world.order(order_id)
    return shown["stage"], (shown["attention"] or {}).get("code", "")


async def test_stopped_bulk_leaves_the_other_orders(pipeline: World) -> None:
    """It ends after the orders in progress, says so, and can't be stopped twice."""
    sku, customer = pipeline.shop(on_hand=60)
    ids = [unique("S") for _ in range(55)]
    await asyncio.gather(
        *(pipeline.place(order(sku, customer, order_id=order_id)) for order_id in ids)
    )
    sent = {
        **{"action": "pause", "where": f"customer = {customer}", "reason": "stock-taking"},
        "per_second": 50,
    }
    for order_id in ids:
        await pipeline.until_event(order_id, "payment_requested")
    started = (await pipeline.api.post("/bulks", json=sent)).json()
    bulk_id = started["bulk_id"]
    stopped = await pipeline.api.post(f"/bulks/{bulk_id}/stop")
    assert stopped.status_code == 200, stopped.text
    ended = await until(
        lambda: pipeline.database.read(lambda s: bulk_reading.bulk_view(s, bulk_id)),
        lambda view: view is not None and view.state == "stopped",
    )
    assert ended is not None
    assert (ended.waiting, ended.done + ended.skipped) == (0, len(ids))
    assert ended.skipped
    again = await pipeline.api.post(f"/bulks/{bulk_id}/stop")
    assert (again.status_code, "stopped" in again.text) == (409, True)
    rows = (await pipeline.api.get(f"/bulks/{bulk_id}/outcomes")).json()
    assert {row["message"] for row in rows if row["outcome"] == "skipped"} == {
        "the bulk was stopped"
    }
    await run_json(pipeline, "cancel", "--where", f"customer = {customer}", *REASON, "--yes")


async def test_wrong_bulks_are_refused_and_start_nothing(pipeline: World) -> None:
    """With the field and the way out."""
    await booked(pipeline)
    before = await run_json(pipeline, "bulk", "list", "--limit", "0")
    for words, problem in (
        (("--where", "stage = lost", *REASON, "--yes"), "'lost' is not a stage"),
        (("--where", "stage = in_transit", "--yes"), "--reason"),
        (("--where", "channel = online", *REASON), "--yes"),
        (("--where", "channel = online", *REASON, "--yes", "--id", "a b"), "bulk_id"),
    ):
        status, _, err = await run(pipeline, "retry", *words)
        assert (status != 0, problem in err) == (True, True), err
    answer = await pipeline.api.post("/bulks", json={"action": "delete", "where": "a = b"})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"action", "reason"}
    assert await run_json(pipeline, "bulk", "list", "--limit", "0") == before
    status, _, err = await run(pipeline, "retry", "--where", "customer = nobody", *REASON, "--yes")
    assert (status, "no order matches" in err) == (0, True)
