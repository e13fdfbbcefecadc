"""Steps resolved by hand: what an operator did replaces the call to a partner."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, booked, delivered, events, place_order, requested
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

BY_PHONE: Document = {"carrier": "Kurier Nord", "tracking": "KN-123", "reason": "by phone"}


async def send(world: World, path: str, **body: object) -> Any:
    """Send a command by API."""
    return await world.api.post(path, json={"command_id": unique("cmd"), **body})


async def unbooked(world: World) -> str:
    """Place a paid order whose carrier refuses the booking; returns its id."""
    order_id = await requested(world)
    await world.misbehave(partner="carriers", operation="booking", fault="refuse")
    await world.pay(order_id, TOTAL)
    await world.until_order(order_id, lambda o: o["attention"])
    return order_id


async def test_pick_up_booked_by_phone_moves_the_order(pipeline: World) -> None:
    """No carrier is asked any more; the customer gets the tracking number by mail."""
    order_id = await unbooked(pipeline)
    words = ("resolve", "booking", f"SH-{order_id}-1", "Kurier Nord", "KN-123")
    before = rows_about(pipeline.database, order_id)
    await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    await run_json(pipeline, *words, "--charge", "8.90", "--actor", "ann")
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    [shipment] = shown["shipments"]
    assert (shipment["state"], shipment["tracking_number"]) == ("booked", "KN-123")
    assert not await pipeline.requests("carriers", "booking", order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert events(shown).count("booked") == 1


async def test_cancelled_order_asks_an_operator_to_cancel_what_was_booked_by_hand(
    pipeline: World,
) -> None:
    """The carrier doesn't know the booking; the money goes back by itself."""
    order_id = await unbooked(pipeline)
    path = f"/shipments/SH-{order_id}-1/booking"
    assert (await send(pipeline, path, **BY_PHONE)).status_code == 200
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await run_json(pipeline, "cancel", order_id, "--reason", "changed my mind")
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert (shown["stage"], shown["refunded"]) == ("cancelled", TOTAL)
    assert shown["attention"]["code"] == "booked_by_hand"
    assert not await pipeline.requests("carriers", "cancel", order_id)
    await run_json(pipeline, "retry", order_id, "--reason", "called Kurier Nord")
    assert (await pipeline.order(order_id))["attention"] is None


async def test_payment_requested_by_letter_is_awaited(pipeline: World) -> None:
    """The provider refused the request, and isn't asked again."""
    await pipeline.misbehave(partner="payments", operation="request", fault="refuse")
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pipeline.until_order(order_id, lambda o: o["attention"])
    path = f"/orders/{order_id}/payment-request"
    body = {"reference": "letter of 30 November", "reason": "provider refuses"}
    assert (await send(pipeline, path, **body)).status_code == 200
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert (shown["stage"], events(shown).count("payment_requested")) == ("awaiting_payment", 1)
    assert (await send(pipeline, path, **body)).status_code == 422
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    assert not await pipeline.requests("payments", "request", order_id)


async def test_purchase_order_given_by_phone_is_awaited(pipeline: World) -> None:
    """The supplier's system doesn't answer; it isn't asked any more."""
    await pipeline.misbehave(
        partner="suppliers", operation="purchase_order", fault="error", times=None
    )
    placed = await place_order(pipeline, on_hand=0)
    listed = await until(lambda: run_json(pipeline, "purchase-orders", "--state", "sending"))
    [po_id] = [row["po_id"] for row in listed if placed.sku in str(row)]
    await run_json(pipeline, "resolve", "purchase", po_id, "Ms Holz, by phone")
    shown = await pipeline.until_event(placed.order_id, "ordered_by_hand")
    assert shown["backorders"][0]["po_id"] == po_id
    await pipeline.partners.delete("/control/faults")
    status, _, err = await run(pipeline, "resolve", "purchase", po_id, "again")
    assert (status, "was sent, and" in err) == (1, True)
    await pipeline.receive(po_id, placed.sku, 1)
    await pipeline.until_event(placed.order_id, "payment_requested")
    assert not await pipeline.requests("suppliers", "purchase_order", po_id)


async def test_customer_informed_by_phone_gets_no_mail(pipeline: World) -> None:
    """Here while the order is paused: resumed, it doesn't mail the dispatch."""
    order_id = await booked(pipeline)
    await run_json(pipeline, "pause", order_id, "--reason", "the customer calls")
    status, _, err = await run(pipeline, "resolve", "mail", f"SH-{order_id}-1")
    assert (status, "has not left" in err) == (1, True)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until_event(order_id, "dispatched")
    await run_json(pipeline, "resolve", "mail", f"SH-{order_id}-1", "--actor", "ann")
    await run_json(pipeline, "resume", order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert events(shown).count("informed_by_hand") == 1
    mailed = [row["detail"] for row in shown["history"] if row["event"] == "mailed"]
    assert not [detail for detail in mailed if detail.startswith("dispatch")]


async def test_nothing_is_resolved_that_is_done(pipeline: World) -> None:
    """A booked and a delivered shipment, a paid order, a sent mail, and unknown ids."""
    order_id, gone = await booked(pipeline), (await delivered(pipeline, 1))[0]
    before = rows_about(pipeline.database, order_id, gone)
    for path, body, status, words in (
        (f"/shipments/SH-{order_id}-1/booking", BY_PHONE, 422, "is booked with Swift"),
        (f"/shipments/SH-{gone}-1/booking", BY_PHONE, 422, "is delivered"),
        ("/shipments/SH-0/booking", BY_PHONE, 404, "there is no shipment"),
        (f"/orders/{gone}/payment-request", {"reference": "a call"}, 422, "nothing is due"),
        (f"/mails/{gone}/informed", {}, 422, "was sent"),
        ("/mails/nothing/informed", {}, 404, "there is no invoice"),
        ("/purchase-orders/PO-0/sent", {"reference": "a call"}, 404, "no purchase order"),
    ):
        refused = await send(pipeline, path, **{"reason": "by phone"} | body)
        assert (refused.status_code, words in refused.json()["detail"]) == (status, True), words
    body = BY_PHONE | {"actor": ""}
    anonymous = await send(pipeline, f"/shipments/SH-{order_id}-1/booking", **body)
    assert anonymous.status_code == 422
    assert anonymous.json()["errors"][0]["field"] == "actor"
    assert rows_about(pipeline.database, order_id, gone) == before
