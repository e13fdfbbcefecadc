"""Tracking: carriers' reports on shipments, and the attentions that they raise."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from tests.conftest import DATABASES, new_world
from tests.support.orders.stages import booked
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import report, tracking, until_tracked


async def test_shipment_is_tracked_to_its_proof_of_delivery(pipeline: World) -> None:
    order_id = await booked(pipeline)
    assert tracking(await pipeline.order(order_id)) is None
    for status in ("booked", "picked_up", "in_transit", "out_for_delivery"):
        assert await report(pipeline, order_id, status) == 204
        shown = await until_tracked(pipeline, order_id, status)
    assert shown["stage"] == "in_transit"
    assert shown["shipments"][0]["state"] == "dispatched"
    await report(
        pipeline, order_id, "delivered", signed_by="Ada", place="Berlin", reference="POD-1"
    )
    await pipeline.until(order_id, "completed")
    events = [row["event"] for row in (await pipeline.order(order_id))["history"]]
    assert events.count("dispatched") == events.count("delivered") == 1
    assert events.count("tracked") == 3


@pytest.mark.parametrize(
    "exception", ["lost", "damaged", "refused", "undeliverable", "returned_to_sender"]
)
async def test_carrier_exception_raises_attention_until_a_late_delivery(
    pipeline: World, exception: str
) -> None:
    order_id = await booked(pipeline)
    await report(pipeline, order_id, exception)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "shipment_exception"
    assert f"SH-{order_id}-1 as {exception.replace('_', ' ')}" in shown["attention"]["message"]
    assert shown["stage"] == "in_transit"
    await report(pipeline, order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["stage"], shown["attention"]) == ("completed", None)


async def test_reports_in_any_order_have_the_same_result(pipeline: World) -> None:
    """Four reports, one of them twice, by webhook and workflow."""
    start = datetime.now(UTC) - timedelta(hours=9)
    reported = [
        (status, (start + timedelta(hours=hour)).isoformat())
        for hour, status in enumerate(("picked_up", "lost", "in_transit", "delivered"))
    ]
    ends = []
    for order_of_facts in list(permutations(range(4)))[::5]:
        order_id = await booked(pipeline)
        for number in (*order_of_facts, order_of_facts[0]):
            status, at = reported[number]
            event_id = f"ev-{order_id}-{number}"
            await report(pipeline, order_id, status, event_id, occurred_at=at)
        await pipeline.ended(order_id)
        shown = await pipeline.order(order_id)
        ends.append((shown["attention"], tracking(shown), shown["lines"][0]["delivered"]))
    assert ends == [(None, "delivered", 1)] * len(ends)


async def test_report_of_a_future_event_is_rejected(pipeline: World) -> None:
    order_id = await booked(pipeline)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await report(pipeline, order_id, "picked_up", occurred_at=later) == 422
    assert await report(pipeline, order_id, "vanished") == 422
    assert tracking(await pipeline.order(order_id)) is None
    await report(pipeline, order_id, "delivered")
    await pipeline.until(order_id, "completed")


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: the test brings one with other settings."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


async def test_silent_carrier_raises_attention(idle: World) -> None:
    async with idle.worker(tracking_silence=0.5):
        order_id = await booked(idle)
        shown = await idle.until_order(order_id, lambda o: o["attention"])
        assert shown["attention"]["code"] == "shipment_silent"
        await report(idle, order_id, "picked_up")
        await idle.until_order(order_id, lambda o: not o["attention"])
        await idle.until_order(order_id, lambda o: o["attention"])
        await report(idle, order_id, "delivered")
        await idle.ended(order_id)
        shown = await idle.order(order_id)
        assert (shown["stage"], shown["attention"]) == ("completed", None)
