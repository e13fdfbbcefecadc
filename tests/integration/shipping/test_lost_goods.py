"""Failed shipments: lost, damaged or returned goods are reshipped, refunded or recovered."""

from collections.abc import Awaitable, Callable

import pytest

from activities.masterdata.importing import import_folder
from models.errors import InvalidInput, NotFound
from models.messages.commands.shipping import RecoverShipment, RefundShipment, Reship
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique, write_csv
from tests.support.orders.stages import booked, states
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import give_up, lost, report, until_tracked


@pytest.mark.parametrize("exception", ["lost", "returned_to_sender"])
async def test_undelivered_goods_are_reshipped(pipeline: World, exception: str) -> None:
    """From stock, once; lost goods are claimed from the carrier, and the customer pays once."""
    order_id = await booked(pipeline)
    await report(pipeline, order_id, exception)
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    shown = await pipeline.until_order(
        order_id, lambda o: states(o) == ["failed", "booked"] and o["attention"] is None
    )
    assert shown["stage"] == "dispatching"
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.until(order_id, "completed")
    lost = exception == "lost"
    assert (
        accounts_of(pipeline, order_id)
        == {
            "CASH_CLEARING": 11_900,
            "CLAIMS_RECEIVABLE": 6_000,
            "COST_OF_GOODS_SOLD": 6_000,
            "INVENTORY": -12_000,
            "REVENUE": -10_000,
            "TAX_PAYABLE": -1_900,
        }
        if lost
        else {
            "CASH_CLEARING": 11_900,
            "COST_OF_GOODS_SOLD": 6_000,
            "INVENTORY": -6_000,
            "REVENUE": -10_000,
            "TAX_PAYABLE": -1_900,
        }
    )


async def test_damaged_goods_are_refunded(pipeline: World) -> None:
    order_id = await booked(pipeline)
    await report(pipeline, order_id, "damaged")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, RefundShipment, f"SH-{order_id}-1", claim="45.00")
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda shown: shown["refunded"] == "119.00")
    assert (shown["stage"], states(shown)) == ("completed", ["failed"])
    assert accounts_of(pipeline, order_id) == {
        "CLAIMS_RECEIVABLE": 4_500,
        "INVENTORY": -6_000,
        "INVENTORY_LOSS": 1_500,
    }


async def reshipped(world: World, on_hand: int) -> tuple[Document, str]:
    """Lose and reship two units of an order on credit, of which some are purchased; returns the
    order as shown, and its SKU."""
    sku, customer = world.shop(on_hand=on_hand)
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await world.place(document)
    await world.until_event(order_id, "booked")
    await report(world, order_id, "lost")
    await world.until_order(order_id, lambda o: o["attention"])
    await give_up(world, Reship, f"SH-{order_id}-1")
    return await world.until_event(order_id, "bought"), sku


async def test_reshipped_goods_without_stock_are_purchased(pipeline: World) -> None:
    shown, sku = await reshipped(pipeline, on_hand=2)
    order_id = shown["order_id"]
    assert shown["stage"] == "awaiting_stock"
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 2)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until(order_id, "completed")


async def test_reshipment_of_a_complete_order_waits_for_all_goods_and_can_be_cancelled(
    pipeline: World,
) -> None:
    shown, _ = await reshipped(pipeline, on_hand=3)
    order_id = shown["order_id"]
    assert (states(shown), shown["lines"][0]["reserved"]) == (["failed"], 1)
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "no more"})
    assert outcome["accepted"], outcome
    await pipeline.until(order_id, "cancelled")
    assert accounts_of(pipeline, order_id) == {"CLAIMS_RECEIVABLE": 12_000, "INVENTORY": -12_000}


async def test_shipment_without_a_carrier_exception_cannot_be_reshipped(pipeline: World) -> None:
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    for status in ("booked", "in_transit"):
        await report(pipeline, order_id, status)
        await until_tracked(pipeline, order_id, status)
        with pytest.raises(InvalidInput, match="shipment_id"):
            await give_up(pipeline, Reship, shipment_id)
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    with pytest.raises(InvalidInput, match="claim"):
        await give_up(pipeline, Reship, shipment_id, claim="-1")
    with pytest.raises(NotFound):
        await give_up(pipeline, Reship, "SH-nobody-1")
    await report(pipeline, order_id, "delivered")
    await pipeline.ended(order_id)
    with pytest.raises(InvalidInput, match="return"):
        await give_up(pipeline, RefundShipment, shipment_id)


async def test_reship_and_refund_by_command_line_and_api(pipeline: World) -> None:
    """The claim is shown with the shipment."""
    order_id = await booked(pipeline)
    first = f"SH-{order_id}-1"
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    done = await run_json(pipeline, "shipment", "reship", first, "--reason", "it is lost")
    assert done["accepted"], done
    shown = await run_json(pipeline, "shipment", first)
    assert (shown["state"], shown["claims"][0]["amount"]) == ("failed", "60.00")
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    second = f"SH-{order_id}-2"
    response = await pipeline.api.post(f"/shipments/{second}/refund", json={"reason": "no"})
    assert response.status_code == 422, response.text
    await pipeline.api.post(f"/shipments/{second}/events", json={"status": "lost"})
    await pipeline.until_order(order_id, lambda o: o["attention"])
    body = {"command_id": unique("cmd"), "reason": "enough"}
    response = await pipeline.api.post(f"/shipments/{second}/refund", json=body)
    assert response.status_code == 200, response.text
    await pipeline.ended(order_id)
    await pipeline.until_order(order_id, lambda shown: shown["refunded"] == "119.00")


async def by_command_line(world: World, shipment_id: str, *location: str) -> bool:
    """`shipment recover SHIPMENT`; returns whether it was executed."""
    words = ("shipment", "recover", shipment_id, "--reason", "returned to us")
    status, _, _ = await run(world, *words, *(("--location", *location) if location else ()))
    return status == 0


async def by_api(world: World, shipment_id: str, *location: str) -> bool:
    """`POST /shipments/{id}/recovery`; returns whether it was executed."""
    where = {"location": location[0]} if location else {}
    body = {"command_id": unique("cmd"), "reason": "returned to us"} | where
    response = await world.api.post(f"/shipments/{shipment_id}/recovery", json=body)
    return response.status_code == 200


RECOVER = pytest.mark.parametrize("recover", [by_command_line, by_api])


@RECOVER
async def test_recovered_goods_fill_the_shortage_of_their_order(
    pipeline: World, recover: Callable[..., Awaitable[bool]]
) -> None:
    """Once; the claim is withdrawn."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id, first = document["order_id"], f"SH-{document['order_id']}-1"
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "119.00")
    await pipeline.until_event(order_id, "booked")
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, Reship, first)
    await pipeline.until(order_id, "awaiting_stock")
    await report(pipeline, order_id, "returned_to_sender")
    shown = await pipeline.until_order(
        order_id,
        lambda o: o["attention"] and o["attention"]["code"] == "came_back_after_all",
    )
    assert f"shipment recover {first}" in shown["attention"]["message"]
    assert await recover(pipeline, first)
    shown = await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id) == {
        "CASH_CLEARING": 11_900,
        "COST_OF_GOODS_SOLD": 6_000,
        "INVENTORY": -6_000,
        "REVENUE": -10_000,
        "TAX_PAYABLE": -1_900,
    }
    shown = (await pipeline.api.get(f"/shipments/{first}")).json()
    assert [claim["state"] for claim in shown["claims"]] == ["withdrawn"]
    assert shown["restocked_at"]
    assert not await recover(pipeline, first)


@RECOVER
async def test_goods_are_recovered_at_another_location(
    pipeline: World, recover: Callable[..., Awaitable[bool]]
) -> None:
    """Without a report; a settled claim stays, and a later report raises no attention."""
    place = unique("LOC")
    write_csv(
        pipeline.folder,
        "locations.csv",
        [{"location": place, "name": place, "country": "DE", "postal_code": "80331"}],
    )
    import_folder(pipeline.database, pipeline.folder)
    order_id = await lost(pipeline)
    shipment_id = f"SH-{order_id}-1"
    assert not await recover(pipeline, shipment_id)
    await give_up(pipeline, RefundShipment, shipment_id)
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "119.00")
    body = {"command_id": unique("cmd"), "reason": "paid", "amount": "60.00"}
    await pipeline.api.post(f"/claims/CL-{shipment_id}/settlement", json=body)
    assert not await recover(pipeline, shipment_id, "NOWHERE")
    assert await recover(pipeline, shipment_id, place)
    assert accounts_of(pipeline, order_id) == {"BANK": 6_000, "INVENTORY_LOSS": -6_000}
    sku = (await pipeline.order(order_id))["lines"][0]["sku"]
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert {at["location"]: at["on_hand"] for at in stock["locations"]} == {"BER": 9, place: 1}
    await report(pipeline, order_id, "returned_to_sender")
    await pipeline.until_order(
        order_id,
        lambda o: o["shipments"][0]["tracking"] == "returned_to_sender",
    )
    assert (await pipeline.order(order_id))["attention"] is None


async def test_only_failed_shipments_out_of_stock_are_recovered(pipeline: World) -> None:
    """Goods that the carrier returned before are in stock already."""
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    with pytest.raises(InvalidInput, match=r"shipment_id: .* is booked"):
        await give_up(pipeline, RecoverShipment, shipment_id)
    with pytest.raises(NotFound):
        await give_up(pipeline, RecoverShipment, "SH-nobody-1")
    await report(pipeline, order_id, "returned_to_sender")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, RefundShipment, shipment_id)
    with pytest.raises(InvalidInput, match=r"shipment_id: .* in stock again since"):
        await give_up(pipeline, RecoverShipment, shipment_id)
    await pipeline.ended(order_id)
    other = await lost(pipeline)
    await give_up(pipeline, RefundShipment, f"SH-{other}-1")
    with pytest.raises(InvalidInput, match="location: there is no location"):
        await give_up(pipeline, RecoverShipment, f"SH-{other}-1", location="NOWHERE")
    message = await give_up(pipeline, RecoverShipment, f"SH-{other}-1")
    assert message == f"SH-{other}-1 is in stock again at BER; CL-SH-{other}-1 is withdrawn"
    await pipeline.ended(other)
