"""A changed address and a named carrier, until the carrier has the goods."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import TOTAL, booked, delivered, requested, states
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

STREET = "Am Kupfergraben 6"
MOVED = {"reason": "moved", "street": STREET}


async def change(world: World, order_id: str, what: str = "address", **body: object) -> Any:
    """Change the address or the carrier of an order by API."""
    sent = {"command_id": unique("cmd"), **(body or MOVED)}
    return await world.api.post(f"/orders/{order_id}/{what}", json=sent)


async def bookings(world: World, order_id: str) -> list[Document]:
    """Return the bodies of the bookings that carriers confirmed."""
    return [row["body"] for row in await world.requests("carriers", "booking", order_id)]


async def rebooked(world: World, order_id: str) -> Document:
    """Wait until the second shipment of an order is booked."""
    return await world.until_order(
        order_id, lambda o: len(o["shipments"]) == 2 and o["shipments"][1]["state"] == "booked"
    )


async def test_booked_goods_go_to_the_new_address(pipeline: World) -> None:
    """The booking is cancelled with the carrier, and made again; the customer pays nothing."""
    order_id = await booked(pipeline)
    words = ("change-address", order_id, "--street", STREET, "--reason", "moved")
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    assert f"carrier of SH-{order_id}-1 is asked" in shown["effects"]["partners"][0]
    assert shown["effects"]["money"] == []
    done = await run_json(pipeline, *words)
    assert done["message"].endswith(
        f"SH-{order_id}-1 is cancelled with its carrier and booked again"
    )
    assert states(await rebooked(pipeline, order_id)) == ["cancelled", "booked"]
    first, second = await bookings(pipeline, order_id)
    assert (second["ship_to"]["street"], first["ship_to"]["name"]) == (
        STREET,
        second["ship_to"]["name"],
    )
    assert len(await pipeline.requests("carriers", "cancel", order_id)) == 1
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert done["message"].startswith(f"{order_id}: changed street; ")
    [recorded] = [row["detail"] for row in shown["history"] if row["event"] == "address_changed"]
    assert recorded == "changed street by operator: moved"
    assert len(await pipeline.mails(f"order {order_id}")) == len(
        {mail["subject"] for mail in await pipeline.mails(f"order {order_id}")}
    )
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_address_is_changed_before_anything_is_booked(pipeline: World) -> None:
    """The first booking has it; no carrier is asked to cancel."""
    order_id = await requested(pipeline)
    assert (await change(pipeline, order_id)).status_code == 200
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    [only] = await bookings(pipeline, order_id)
    assert only["ship_to"]["street"] == STREET
    assert not await pipeline.requests("carriers", "cancel", order_id)


async def test_named_carrier_is_booked(pipeline: World) -> None:
    """Here another service of the carrier: it costs more."""
    order_id = await booked(pipeline)
    [first] = await bookings(pipeline, order_id)
    assert first["quote"]["service"] == "economy"
    words = ("change-carrier", order_id, "Swift Parcel", "--service", "express")
    await run_json(pipeline, *words, "--reason", "it is urgent")
    await rebooked(pipeline, order_id)
    assert [each["quote"]["service"] for each in await bookings(pipeline, order_id)] == [
        "economy",
        "express",
    ]


async def test_carrier_without_a_quote_waits_for_an_operator(pipeline: World) -> None:
    """Another one, and a retry, move the order."""
    order_id = await booked(pipeline)
    named: Document = {"reason": "cheaper", "carrier": "Kurier Sued"}
    assert (await change(pipeline, order_id, "carrier", **named)).status_code == 200
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert "Kurier Sued was named for it and quotes nothing" in shown["attention"]["message"]
    again: Document = {"reason": "cheaper", "carrier": "swift parcel"}
    assert (await change(pipeline, order_id, "carrier", **again)).status_code == 200
    await run_json(pipeline, "retry", order_id)
    await rebooked(pipeline, order_id)


async def test_cancel_after_a_change_cancels_each_booking_once(pipeline: World) -> None:
    """Whether the new booking is made or not."""
    order_id = await booked(pipeline)
    assert (await change(pipeline, order_id)).status_code == 200
    await run_json(pipeline, "cancel", order_id, "--reason", "moved too far")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert (shown["refunded"], shown["attention"]) == (TOTAL, None)
    assert set(states(shown)) == {"cancelled"}
    assert len(await pipeline.mails(f"Refund for your order {order_id}")) == 1

    async def open_bookings() -> int:
        return len(await bookings(pipeline, order_id)) - len(
            await pipeline.requests("carriers", "cancel", order_id)
        )

    await until(open_bookings, lambda count: count <= 0)


async def test_carrier_that_has_the_goods_keeps_their_address(pipeline: World) -> None:
    """It refuses to cancel the pick-up: an operator redirects the goods, and acknowledges it."""
    order_id = await booked(pipeline)
    await pipeline.misbehave(
        partner="carriers", operation="cancel", fault="refuse", code="already_picked_up"
    )
    assert (await change(pipeline, order_id)).status_code == 200
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "changed_too_late"
    await run_json(pipeline, "retry", order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)


async def test_wrong_change_is_refused(pipeline: World) -> None:
    """After the pick-up, to another VAT area, to a wrong postal code, and to the same address."""
    order_id, gone = await booked(pipeline), (await delivered(pipeline, 1))[0]
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until_event(order_id, "dispatched")
    waiting = await requested(pipeline)
    before = rows_about(pipeline.database, order_id, gone, waiting)
    for subject, option, value, words in (
        (order_id, "street", STREET, "have the carrier redirect them"),
        (gone, "street", STREET, "have the carrier redirect them"),
        (waiting, "postal_code", "27498", "has another VAT area"),
        (waiting, "postal_code", "1", "1"),
        (waiting, "city", "Berlin", "has this address already"),
    ):
        refused = await change(pipeline, subject, **{"reason": "moved", option: value})
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True)
        name = f"--{option.replace('_', '-')}"
        status, _, err = await run(
            pipeline, "change-address", subject, name, value, "--reason", "moved"
        )
        assert (status, words in err) == (1, True), err
    status, _, err = await run(pipeline, "change-carrier", gone, "X", "--reason", "cheap")
    assert (status, "have the carrier redirect" in err) == (1, True)
    assert rows_about(pipeline.database, order_id, gone, waiting) == before


async def test_pick_up_of_one_shipment_does_not_end_the_recall_of_another(pipeline: World) -> None:
    """The first is cancelled with its carrier and booked again; the second has left."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, quantity=2, delivery="partial")
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "238.00")
    shown = await pipeline.until_event(order_id, "bought")
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 1)
    await pipeline.until_order(order_id, lambda o: states(o) == ["booked", "booked"])
    fault = {"partner": "carriers", "operation": "cancel", "fault": "timeout_after"}
    await pipeline.misbehave(**fault, times=None, seconds=60)
    assert (await change(pipeline, order_id)).status_code == 200
    await until(lambda: pipeline.requests("carriers", "cancel", f"SH-{order_id}-1"))
    await pipeline.ship(order_id, "dispatched", f"SH-{order_id}-2")
    await pipeline.until_order(order_id, lambda o: states(o)[1] == "dispatched")
    await pipeline.partners.delete("/control/faults")
    shown = await pipeline.until_order(order_id, lambda o: states(o)[2:] == ["booked"])
    assert states(shown) == ["cancelled", "dispatched", "booked"]
    assert len(await pipeline.requests("carriers", "cancel", f"SH-{order_id}-1")) == 1
    assert not await pipeline.requests("carriers", "cancel", f"SH-{order_id}-2")
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "changed_too_late"
    assert f"SH-{order_id}-2" in shown["attention"]["message"]
    await run_json(pipeline, "retry", order_id)
    for number in (2, 3):
        await pipeline.ship(order_id, "delivered", f"SH-{order_id}-{number}")
    await pipeline.ended(order_id)


async def test_part_of_the_address_is_removed(pipeline: World) -> None:
    """An empty value leaves the part out; one that the address needs is refused."""
    order_id = await requested(pipeline)
    assert (await change(pipeline, order_id, reason="c/o", line2="c/o Meier")).is_success
    words = ("change-address", order_id, "--reason", "lives there now")
    status, _, err = await run(pipeline, *words, "--city", "")
    assert (status, "city" in err) == (1, True)
    await run_json(pipeline, *words, "--second-line", "")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    [only] = await bookings(pipeline, order_id)
    assert only["ship_to"].get("line2") is None
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)


async def test_named_carrier_is_forgotten(pipeline: World) -> None:
    """An empty name lets any carrier bring the goods again; a service needs its carrier."""
    order_id = await requested(pipeline)
    words = ("change-carrier", order_id, "--reason", "it is urgent")
    await run_json(pipeline, *words, "Swift Parcel", "--service", "express")
    status, _, err = await run(pipeline, *words, "", "--service", "express")
    assert (status, "is given without its carrier" in err) == (1, True)
    done = await run_json(pipeline, *words, "")
    assert done["message"] == f"{order_id}: any carrier again"
    status, _, err = await run(pipeline, *words, "")
    assert (status, "no carrier is named already" in err) == (1, True)
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    [only] = await bookings(pipeline, order_id)
    assert only["quote"]["service"] == "economy"
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
