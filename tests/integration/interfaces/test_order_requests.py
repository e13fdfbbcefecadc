"""Requests to running orders over HTTP: cancel, retry, accept a delay."""

from tests.support.database.rows import rows_about
from tests.support.orders.stages import TOTAL, booked, delivered, requested
from tests.support.pipeline.world import World


async def test_order_is_cancelled_over_http(pipeline: World) -> None:
    """A dry run before it changes nothing; the actor, the token's name, is in the history."""
    order_id = await booked(pipeline)
    path, body = f"/orders/{order_id}/cancellation", {"reason": "too late"}
    before = rows_about(pipeline.database, order_id)
    shown = await pipeline.api.post(path, json=body | {"dry_run": True})
    assert shown.status_code == 200, shown.text
    assert any("refund of 119.00" in text for text in shown.json()["effects"]["money"])
    assert rows_about(pipeline.database, order_id) == before
    done = await pipeline.api.post(path, json=body)
    assert done.json() == {"accepted": True, "message": "the order is being cancelled"}
    await pipeline.ended(order_id)
    order = await pipeline.until_order(order_id, lambda o: o["refunded"] == TOTAL)
    assert any("by operator: too late" in row["detail"] for row in order["history"])


async def test_refused_booking_is_retried_over_http(pipeline: World) -> None:
    order_id = await requested(pipeline)
    await pipeline.misbehave(partner="carriers", operation="booking", fault="refuse")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_order(order_id, lambda o: o["attention"])
    done = await pipeline.api.post(f"/orders/{order_id}/retry", json={"reason": "they are back"})
    assert done.status_code == 200, done.text
    await pipeline.until_event(order_id, "booked")


async def test_wrong_request_is_refused_over_http(pipeline: World) -> None:
    """Without a reason, of an unknown and of a delivered order: nothing changes."""
    order_id, _ = await delivered(pipeline, 1)
    before = rows_about(pipeline.database, order_id)
    for name, subject, body, status in (
        ("cancellation", order_id, {}, 422),
        ("cancellation", order_id, {"reason": "late", "by": "ann"}, 422),
        ("cancellation", order_id, {"reason": "late", "actor": "ann"}, 422),
        ("cancellation", order_id, {"reason": "late", "dry_run": True}, 422),
        ("cancellation", order_id, {"reason": "late"}, 409),
        ("delay-acceptance", order_id, {"reason": "fine"}, 409),
        ("retry", order_id, {"reason": "again"}, 409),
        ("cancellation", "T-0", {"reason": "late"}, 404),
    ):
        refused = await pipeline.api.post(f"/orders/{subject}/{name}", json=body)
        assert refused.status_code == status, (name, refused.text)
    assert rows_about(pipeline.database, order_id) == before
