"""Subscriptions: events posted to a receiver that is slow, away, or refuses them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from activities.database.unit_of_work import UnitOfWork
from models.events import Event
from models.subscriptions import GIVE_UP_AFTER, REFUSED_TRIES
from models.tables.events import Subscription
from tests.support.events.feed import newest, pages
from tests.support.events.receiver import Receiver, running_receiver
from tests.support.masterdata.shop import unique
from tests.support.orders.stages import delivered
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

TYPES = ("order.recorded", "order.invoiced", "order.dispatched", "order.delivered")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of its own."""
    async with running_receiver() as receiver:
        yield receiver


async def subscribe(world: World, receiver: Receiver, **changes: Any) -> str:
    """Subscribe a receiver; returns the subscription's id."""
    response = await world.api.post("/subscriptions", json={"url": receiver.url, **changes})
    assert response.status_code == 201, response.text
    created = response.json()
    receiver.secrets.append(created["secret"])
    return str(created["subscription"]["subscription_id"])


async def shown(world: World, subscription_id: str) -> dict[str, Any]:
    """Read a subscription."""
    found: dict[str, Any] = (await world.api.get(f"/subscriptions/{subscription_id}")).json()
    return found


async def change(world: World, subscription_id: str, what: str) -> dict[str, Any]:
    """Change a subscription."""
    response = await world.api.post(f"/subscriptions/{subscription_id}/{what}")
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()
    return changed


async def test_all_events_come_signed_and_in_order(pipeline: World, receiver: Receiver) -> None:
    """A receiver of all events, and one of some types."""
    before = await newest(pipeline)
    subscription_id = await subscribe(pipeline, receiver)
    async with running_receiver() as second:
        few = await subscribe(pipeline, second, types=TYPES, after=before)
        order_id, _ = await delivered(pipeline, 1)
        expected = await pages(pipeline, before, order_id=order_id)
        await until(lambda: receiver.of(order_id), lambda found: len(found) >= len(expected))
        assert receiver.of(order_id) == expected
        some = [event for event in expected if event.type in TYPES]
        await until(lambda: second.of(order_id), lambda found: len(found) >= len(some))
        assert second.of(order_id) == some
        await change(pipeline, few, "removal")
    await pipeline.client.get_workflow_handle(f"subscription-{few}").result()
    view = await shown(pipeline, subscription_id)
    assert (view["state"], view["failure"], view["dead_letters"]) == ("active", "", 0)
    assert view["delivered"] >= expected[-1].number
    await change(pipeline, subscription_id, "removal")


async def test_nothing_is_lost_while_a_receiver_is_away(
    pipeline: World, receiver: Receiver
) -> None:
    """It fails, is paused, and comes back; resuming ends the wait for the next attempt."""
    away = True
    receiver.answer = lambda event: 503 if away else 200
    before = await newest(pipeline)
    subscription_id = await subscribe(pipeline, receiver)
    order_id, _ = await delivered(pipeline, 1)
    view = await until(lambda: shown(pipeline, subscription_id), lambda v: v["failing_since"])
    assert "it answered 503: order." in view["failure"]
    assert receiver.received == []
    assert (await change(pipeline, subscription_id, "pause"))["state"] == "paused"
    await until(lambda: shown(pipeline, subscription_id), lambda v: v["state"] == "paused")
    away = False
    assert (await change(pipeline, subscription_id, "resume"))["state"] == "active"
    expected = await pages(pipeline, before, order_id=order_id)
    await until(lambda: receiver.of(order_id), lambda found: len(found) >= len(expected))
    assert list({event.id: event for event in receiver.of(order_id)}.values()) == expected
    await change(pipeline, subscription_id, "removal")


async def test_refused_event_is_a_dead_letter_and_can_be_sent_again(
    pipeline: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events after it follow."""
    monkeypatch.setattr("activities.events.delivery.REFUSED_TRIES", 2)
    refuses = True

    def answer(event: Event) -> int:
        return 422 if refuses and event.type == "order.invoiced" else 200

    receiver.answer = answer
    subscription_id = await subscribe(pipeline, receiver, types=TYPES)
    order_id, _ = await delivered(pipeline, 1)
    await until(lambda: receiver.of(order_id), lambda found: len(found) == 3)
    assert [event.type for event in receiver.of(order_id)] == [TYPES[0], *TYPES[2:]]
    path = f"/subscriptions/{subscription_id}/dead-letters"
    [letter] = (await pipeline.api.get(path)).json()
    assert letter["reason"] == "it answered 422: order.invoiced is 422"
    response = await pipeline.api.post(f"{path}/resend", params={"event": letter["event"] + 1})
    assert response.status_code == 422, response.text
    refuses = False
    response = await pipeline.api.post(f"{path}/resend", params={"event": letter["event"]})
    assert response.status_code == 200, response.text
    await until(lambda: receiver.of(order_id), lambda found: len(found) == 4)
    await until(lambda: shown(pipeline, subscription_id), lambda v: not v["dead_letters"])
    await change(pipeline, subscription_id, "removal")
    assert REFUSED_TRIES == 5


async def test_receiver_that_is_gone_pauses_its_subscription(
    pipeline: World, receiver: Receiver
) -> None:
    receiver.answer = lambda event: 410
    subscription_id = await subscribe(pipeline, receiver)
    await delivered(pipeline, 1)
    view = await until(lambda: shown(pipeline, subscription_id), lambda v: v["state"] == "paused")
    assert view["reason"].startswith("it answered 410")
    await change(pipeline, subscription_id, "removal")


async def test_receiver_that_fails_for_days_pauses_its_subscription(
    pipeline: World, receiver: Receiver
) -> None:
    """An operator resumes it, and nothing is lost."""
    receiver.answer = lambda event: 503
    subscription_id = await subscribe(pipeline, receiver)
    order_id, _ = await delivered(pipeline, 1)
    await until(lambda: shown(pipeline, subscription_id), lambda view: view["failing_since"])

    def fail_longer(work: UnitOfWork) -> None:
        row = work.session.get_one(Subscription, subscription_id)
        row.failing_since = work.now - GIVE_UP_AFTER

    pipeline.database.transaction(fail_longer)
    view = await until(lambda: shown(pipeline, subscription_id), lambda v: v["state"] == "paused")
    assert view["reason"].startswith("its receiver failed for 3 days: it answered 503")
    receiver.answer = lambda event: 200
    await change(pipeline, subscription_id, "resume")
    first = await until(lambda: receiver.of(order_id))
    assert first[0].data.entry_no == 1
    await change(pipeline, subscription_id, "removal")


async def test_subscriptions_from_the_command_line(pipeline: World, receiver: Receiver) -> None:
    """Created, listed, rotated, paused, resumed and removed."""
    name = unique("sub")
    created = await run_json(
        pipeline, *("subscriptions", "create", receiver.url, "--id", name, "--type", TYPES[0])
    )
    receiver.secrets.append(created["secret"])
    rotated = await run_json(pipeline, "subscriptions", "rotate", name)
    receiver.secrets.append(rotated["secret"])  # events are signed with both
    order_id, _ = await delivered(pipeline, 1)
    await until(lambda: receiver.of(order_id))
    listed = await run_json(pipeline, "subscriptions", "list")
    assert [row["state"] for row in listed if row["subscription_id"] == name] == ["active"]
    for verb, state in (("pause", "paused"), ("resume", "active"), ("remove", "removed")):
        assert (await run_json(pipeline, "subscriptions", verb, name))["state"] == state
    assert await run_json(pipeline, "subscriptions", "dead-letters", name) == []
    status, out, _ = await run(pipeline, "subscriptions", "show", name)
    assert status == 0
    assert f"{name} is removed" in out
    status, _, err = await run(pipeline, "subscriptions", "resume", name)
    assert status == 1
    assert "create another subscription" in err
    await pipeline.client.get_workflow_handle(f"subscription-{name}").result()


async def test_wrong_subscriptions_are_refused_by_field(pipeline: World) -> None:
    taken = unique("sub")
    async with running_receiver() as receiver:
        await subscribe(pipeline, receiver, subscription_id=taken)
    response = await pipeline.api.post(
        "/subscriptions", json={"url": "https://shop.example", "subscription_id": taken}
    )
    assert response.status_code == 409, response.text
    await change(pipeline, taken, "removal")
    for sent, field in (
        ({"url": "ftp://shop.example"}, "url"),
        ({"url": "https://ann:secret@shop.example"}, "url"),
        ({"url": "https://shop.example", "types": ["order.forgotten"]}, "types"),
        ({"url": "https://shop.example", "after": -1}, "after"),
        ({"url": "https://shop.example", "colour": "red"}, "colour"),
        ({}, "url"),
    ):
        response = await pipeline.api.post("/subscriptions", json=sent)
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == [field]
    for path in ("pause", "rotation", "dead-letters/resend"):
        unknown = await pipeline.api.post(f"/subscriptions/unknown/{path}")
        assert unknown.status_code == 404, unknown.text
