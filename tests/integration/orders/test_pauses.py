"""Paused orders: nothing starts, facts are recorded, and a cancellation still ends them."""

import pytest
from temporalio.api.enums.v1 import EventType

from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, booked, delivered, events, place_order, requested
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


async def command(world: World, order_id: str, name: str, **fields: object) -> Document:
    """Send a command on an order by API; it must be accepted."""
    body = {"command_id": unique("cmd"), "reason": "the customer calls back", **fields}
    response = await world.api.post(f"/orders/{order_id}/{name}", json=body)
    assert response.status_code == 200, response.text
    done: Document = response.json()
    return done


async def until_paused(world: World, order_id: str) -> None:
    """Wait until the workflow of an order knows that it is paused."""
    handle = world.order_workflow(order_id)

    async def waits() -> bool:
        explained = await handle.query("explain")
        return any(wait["code"] == "paused" for wait in explained["waits"])

    await until(waits)


async def test_paused_order_records_a_payment_and_calls_no_partner(pipeline: World) -> None:
    """Resumed, it does at once what became due."""
    order_id = await requested(pipeline)
    done = await run_json(pipeline, "pause", order_id, "--reason", "fraud check", "--actor", "ann")
    assert done["accepted"]
    await until_paused(pipeline, order_id)
    assert (await pipeline.attentions())[order_id] == "paused"
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_event(order_id, "payment_received")
    assert (shown["paid"], shown["stage"]) == (TOTAL, "dispatching")
    explained = (await pipeline.api.get(f"/orders/{order_id}/why")).json()
    [wait] = explained["waits"]
    assert (wait["code"], wait["reason"]) == ("paused", "paused by ann: fraud check")
    assert wait["actions"][0]["command"].endswith(f"resume {order_id}")
    assert not await pipeline.requests("carriers", "booking", order_id)
    assert not await pipeline.mails(shown["invoice_number"])
    status, _, err = await run(pipeline, "retry", order_id)
    assert (status, f"resume {order_id}" in err) == (1, True)
    assert (await command(pipeline, order_id, "resume"))["message"] == f"{order_id} goes on"
    shown = await pipeline.until_event(order_id, "booked")
    assert (shown["attention"], events(shown).count("paused")) == (None, 1)
    assert events(shown).index("payment_received") < events(shown).index("resumed")
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)


async def test_pause_ends_the_calls_to_a_partner_that_fails(pipeline: World) -> None:
    """The call is cancelled, and made again after the pause under the same key."""
    order_id = await requested(pipeline)
    await pipeline.misbehave(partner="carriers", operation="quote", fault="error", times=None)
    await pipeline.pay(order_id, TOTAL)
    handle = pipeline.order_workflow(order_id)

    async def pending() -> int:
        return len((await handle.describe()).raw_description.pending_activities)

    await until(pending)
    await command(pipeline, order_id, "pause")
    await until(pending, lambda count: not count)
    history = await handle.fetch_history()
    cancelled = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
    assert [event.event_type for event in history.events].count(cancelled) == 1
    await pipeline.partners.delete("/control/faults")
    await command(pipeline, order_id, "resume")
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)


async def test_cancelled_pause_is_undone_and_the_customer_told_once(pipeline: World) -> None:
    """The booking is cancelled and the payment refunded; the pause is over."""
    order_id = await booked(pipeline)
    await command(pipeline, order_id, "pause")
    await until_paused(pipeline, order_id)
    await run_json(pipeline, "cancel", order_id, "--reason", "fraud")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert (shown["refunded"], shown["attention"]) == (TOTAL, None)
    assert len(await pipeline.requests("carriers", "cancel", order_id)) == 1
    mails = await pipeline.mails(f"Refund for your order {order_id}")
    assert len(mails) == 1
    pipeline.check_books()


@pytest.mark.parametrize("name", ["pause", "resume"])
async def test_order_that_is_over_is_not_paused(pipeline: World, name: str) -> None:
    """The refusal changes no row; on the command line too."""
    order_id, _ = await delivered(pipeline, 1)
    before = rows_about(pipeline.database, order_id)
    body = {"command_id": unique("cmd"), "reason": "why not"}
    response = await pipeline.api.post(f"/orders/{order_id}/{name}", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "order_refused")
    status, _, err = await run(pipeline, name, order_id, "--reason", "why not")
    assert status == 1
    assert ("there is nothing to pause" if name == "pause" else "is not paused") in err
    assert rows_about(pipeline.database, order_id) == before


async def test_paused_order_is_not_paused_again(pipeline: World) -> None:
    """Nor by a dry run, which names the order that is notified."""
    order_id = await requested(pipeline)
    shown = await command(pipeline, order_id, "pause", dry_run=True)
    assert shown["effects"]["notified"] == [f"order {order_id}"]
    await command(pipeline, order_id, "pause")
    body = {"command_id": unique("cmd"), "reason": "again"}
    response = await pipeline.api.post(f"/orders/{order_id}/pause", json=body)
    assert "is paused already, by operator: the customer calls back" in response.json()["detail"]
    await command(pipeline, order_id, "resume")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")


async def test_paused_order_is_not_changed_until_it_is_resumed(pipeline: World) -> None:
    """Amendment, address and carrier: each would call a partner. The refusal changes no row."""
    order_id = await booked(pipeline)
    await command(pipeline, order_id, "pause")
    await until_paused(pipeline, order_id)
    sku = (await pipeline.order(order_id))["lines"][0]["sku"]
    before = rows_about(pipeline.database, order_id)
    for path, fields, words in (
        ("address", {"street": "Am Kupfergraben 6"}, ("--street", "Am Kupfergraben 6")),
        ("carrier", {"carrier": "Kurier Sued"}, ("Kurier Sued",)),
        ("lines", {"lines": [{"sku": sku, "quantity": 2}]}, (f"{sku}:2",)),
    ):
        body = {"command_id": unique("cmd"), "reason": "asked by phone", **fields}
        refused = await pipeline.api.post(f"/orders/{order_id}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "order_refused")
        assert f"is paused, and no partner is called: `resume {order_id}` first" in refused.text
        name = "amend" if path == "lines" else f"change-{path}"
        status, _, err = await run(pipeline, name, order_id, *words, "--reason", "asked by phone")
        assert (status, f"`resume {order_id}` first" in err) == (1, True), err
    assert rows_about(pipeline.database, order_id) == before
    await command(pipeline, order_id, "resume")
    sent = {"street": "Am Kupfergraben 6"}
    assert (await command(pipeline, order_id, "address", **sent))["accepted"]
    await pipeline.until_order(order_id, lambda o: len(o["shipments"]) == 2)


async def test_commands_that_call_partners_are_refused_for_a_paused_order(pipeline: World) -> None:
    """Units of it have left and others are short: nothing is cancelled, given up or refunded."""
    placed = await place_order(pipeline, on_hand=1, quantity=2, delivery="partial")
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until_event(order_id, "dispatched")
    await command(pipeline, order_id, "pause")
    await until_paused(pipeline, order_id)
    before = await pipeline.order(order_id)
    for words in (("cancel-rest", order_id), ("give-up", order_id, "1"), ("refund", order_id)):
        status, _, err = await run(pipeline, *words, "--reason", "not wanted")
        assert (status, f"`resume {order_id}` first" in err) == (1, True), err
    after = await pipeline.order(order_id)
    assert [after[name] for name in ("lines", "refunded")] == [
        before[name] for name in ("lines", "refunded")
    ]
    assert not {"rest_cancelled", "line_given_up", "refund_asked"} & set(events(after))
    await command(pipeline, order_id, "resume")
    await run_json(pipeline, "cancel-rest", order_id, "--reason", "not wanted")
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    pipeline.check_books()
