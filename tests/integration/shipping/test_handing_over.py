"""Goods without a carrier: handed over at a counter, or collected at a location."""

from datetime import UTC, datetime
from typing import Any

import pytest

from models.tables.shipping import TrackingRow
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.locations import open_location
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.exactly_once import assert_happened_once
from tests.support.orders.stages import at_the_counter
from tests.support.pipeline.command_line import run
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

TOTAL = "119.00"


async def place(world: World, sku: str, customer: str, **changes: Any) -> str:
    """Place an order of one unit; returns its id."""
    document = order(sku, customer, **changes)
    await world.place(document)
    return str(document["order_id"])


async def assert_no_carrier(world: World, order_id: str) -> None:
    """Check the carriers' own records: none was asked about the order."""
    calls = (await world.books("carriers"))["calls"]
    assert not [call for call in calls if order_id in str(call["body"])]


async def test_counter_order_is_handed_over_once_it_is_paid(pipeline: World) -> None:
    """No report follows the payment at the till."""
    sku, customer = pipeline.shop(on_hand=3)
    order_id = await place(pipeline, sku, customer, **at_the_counter())
    waiting = await pipeline.until(order_id, "awaiting_payment")
    assert (waiting["fulfilment"], waiting["location"]) == ("counter", "BER")
    assert waiting["lines"][0]["reserved"] == 1
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    events = [row["event"] for row in shown["history"]]
    assert events.index("payment_received") < events.index("dispatched")
    assert events.index("dispatched") < events.index("delivered")
    assert "booked" not in events
    assert_happened_once(shown)
    [shipment] = shown["shipments"]
    assert (shipment["state"], shipment["carrier"]) == ("delivered", None)
    assert shown["lines"][0]["delivered"] == 1
    await assert_no_carrier(pipeline, order_id)
    accounts = accounts_of(pipeline, order_id)
    assert accounts["COST_OF_GOODS_SOLD"] == -accounts["INVENTORY"] == 6_000
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert sum(place["on_hand"] for place in stock["locations"]) == 2


async def test_counter_order_on_credit_is_handed_over_before_payment(pipeline: World) -> None:
    sku, customer = pipeline.shop()
    changes = at_the_counter() | {"terms": "net30"}
    order_id = await place(pipeline, sku, customer, **changes)
    shown = await pipeline.until(order_id, "delivered")
    assert shown["paid"] == "0.00"
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until(order_id, "completed")
    await assert_no_carrier(pipeline, order_id)


async def test_counter_order_is_allocated_only_at_its_location(pipeline: World) -> None:
    """Another location has the goods; the order waits for a purchase of its store."""
    sku, customer = pipeline.shop(on_hand=5)
    store = open_location(pipeline)
    order_id = await place(pipeline, sku, customer, **at_the_counter(store))
    shown = await pipeline.until_event(order_id, "bought")
    assert shown["stage"] == "awaiting_stock"
    assert (shown["lines"][0]["reserved"], shown["lines"][0]["backordered"]) == (0, 1)
    [backorder] = shown["backorders"]
    assert backorder["location"] == store
    await pipeline.receive(backorder["po_id"], sku, 1)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until(order_id, "completed")
    shown = await pipeline.order(order_id)
    [consigned] = [row["detail"] for row in shown["history"] if row["event"] == "consigned"]
    assert consigned.startswith(f"SH-{order_id}-1 from {store} by hand over")
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert {p["location"]: p["on_hand"] for p in stock["locations"] if p["on_hand"]} == {"BER": 5}


async def to_be_picked_up(world: World, sku: str, customer: str) -> str:
    """Pay a pick-up order and wait until its goods are ready; returns its id."""
    order_id = await place(world, sku, customer, fulfilment="pick_up", location="BER")
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, TOTAL)
    shown = await world.until_event(order_id, "consigned")
    assert shown["stage"] == "dispatching"
    assert [shipment["state"] for shipment in shown["shipments"]] == ["planned"]
    return order_id


async def test_pick_up_is_delivered_by_a_signature(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=1)
    order_id = await to_be_picked_up(pipeline, sku, customer)
    assert (await pipeline.order(order_id))["stage"] == "dispatching"
    report = {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": f"SH-{order_id}-1",
        "status": "delivered",
        "occurred_at": datetime.now(UTC).isoformat(),
        "signed_by": "Ada Lovelace",
    }
    assert (await pipeline.send_fact("shipment.tracked", report)).status_code == 204
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert_happened_once(shown)
    assert {"dispatched", "delivered"} <= {row["event"] for row in shown["history"]}
    key = (f"SH-{order_id}-1", report["event_id"])
    recorded = pipeline.database.read(lambda session: session.get_one(TrackingRow, key))
    assert recorded.signed_by == "Ada Lovelace"
    await assert_no_carrier(pipeline, order_id)
    mails = {mail["message_id"].strip("<").split(".")[0] for mail in await pipeline.mails(order_id)}
    assert "dispatch" not in mails


async def test_cancelled_pick_up_releases_its_goods_and_refunds_the_payment(
    pipeline: World,
) -> None:
    """No carrier is asked."""
    sku, customer = pipeline.shop(on_hand=1)
    order_id = await to_be_picked_up(pipeline, sku, customer)
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "never came"})
    assert outcome["accepted"], outcome
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert [shipment["state"] for shipment in shown["shipments"]] == ["cancelled"]
    assert (shown["lines"][0]["reserved"], shown["lines"][0]["shipped"]) == (0, 0)
    assert shown["refunded"] == TOTAL
    assert accounts_of(pipeline, order_id) == {}
    await assert_no_carrier(pipeline, order_id)
    again = await to_be_picked_up(pipeline, sku, customer)
    assert again != order_id, "the released goods serve the next order"


async def test_customer_is_mailed_once_that_goods_can_be_collected(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=1)
    order_id = await to_be_picked_up(pipeline, sku, customer)

    async def collection_mails() -> list[Document]:
        return [m for m in await pipeline.mails(order_id) if "<collection." in m["message_id"]]

    [mail] = await until(collection_mails)
    assert mail["message_id"].startswith(f"<collection.SH-{order_id}-1@")
    assert mail["subject"] == f"Your order {order_id} is ready for collection"
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    assert len(await collection_mails()) == 1


async def charge_back(world: World, order_id: str, payment_id: str) -> None:
    """Reverse a payment, as the payer's bank does."""
    data = {"reversal_id": unique("rev"), "payment_id": payment_id}
    assert (await world.send_fact("payment.reversed", data)).status_code == 204
    await world.until_event(order_id, "payment_reversed")


async def test_goods_whose_payment_was_reversed_are_not_handed_over(pipeline: World) -> None:
    """API and CLI refuse the report and record nothing; paid again, they accept it. A repeated
    report gets the same answer."""
    sku, customer = pipeline.shop(on_hand=1)
    order_id = await place(pipeline, sku, customer, fulfilment="pick_up", location="BER")
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "consigned")
    await charge_back(pipeline, order_id, payment_id)
    shipment_id, event = f"SH-{order_id}-1", {"event_id": unique("ev"), "status": "picked_up"}
    url = f"/shipments/{shipment_id}/events"
    refused = await pipeline.api.post(url, json=event)
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert (refused.json()["code"], error["field"]) == ("fact_refused", "shipment_id")
    assert f"119.00 EUR of {order_id} are due" in error["reason"]
    for words in (("shipment", "event", shipment_id, "delivered"), ("deliver", shipment_id)):
        status, _, errors = await run(pipeline, *words)
        assert (status, "not handed over" in errors) == (1, True), errors
    shown = await pipeline.order(order_id)
    assert (shown["lines"][0]["shipped"], shown["odd_facts"]) == (0, [])
    await pipeline.api.post(url, json={"status": "booked"})
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_order(order_id, lambda o: o["due"] == "0.00")
    assert (await pipeline.api.post(url, json=event)).status_code == 202
    await pipeline.until_event(order_id, "dispatched")
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    again = await pipeline.api.post(url, json=event)
    assert (again.status_code, again.json()["workflow_id"]) == (202, None)


AT_A_COUNTER = at_the_counter()
REFUSED: dict[str, tuple[Document, str]] = {
    "counter without a location": (AT_A_COUNTER | {"location": None}, "location"),
    "pick-up without a location": ({"fulfilment": "pick_up"}, "location"),
    "counter online": (AT_A_COUNTER | {"channel": "online"}, "fulfilment"),
    "location with a carrier": ({"location": "BER"}, "location"),
    "unknown location": (AT_A_COUNTER | {"location": "NOWHERE"}, "location"),
    "part at a counter": (AT_A_COUNTER | {"delivery": "partial"}, "delivery"),
    "unknown fulfilment": ({"fulfilment": "drone"}, "fulfilment"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_invalid_fulfilment_is_rejected_with_its_field(pipeline: World, case: str) -> None:
    changes, field = REFUSED[case]
    sku, customer = pipeline.shop()
    document = order(sku, customer, **changes)
    response = await pipeline.api.post("/orders", json=document)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert (await pipeline.api.get(f"/orders/{document['order_id']}")).status_code == 404


async def test_order_shows_the_employee_who_took_it(pipeline: World) -> None:
    sku, customer = pipeline.shop()
    by_phone: Document = {"channel": "phone", "terms": "net30"}
    order_id = await place(pipeline, sku, customer, taken_by="Grace Hopper", **by_phone)
    shown = await pipeline.until_event(order_id, "booked")
    assert (shown["taken_by"], shown["channel"]) == ("Grace Hopper", "phone")
    assert (shown["fulfilment"], shown["location"]) == ("carrier", None)
    unattended = await place(pipeline, sku, customer, **by_phone)
    assert (await pipeline.until_event(unattended, "booked"))["taken_by"] is None
