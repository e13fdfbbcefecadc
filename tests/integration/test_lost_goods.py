"""Goods that a carrier loses, damages or brings back: sent again, or their price given back."""

import pytest

from activities.database.engine import utc_now
from intake import Intake
from models.commands import RefundShipment, Reship
from models.errors import InvalidInput, NotFound
from tests.integration.test_consignments import states
from tests.integration.test_tracking import booked, report
from tests.support.command_line import run_json
from tests.support.exactly_once import accounts_of
from tests.support.shop import order, unique
from tests.support.waiting import until
from tests.support.world import World


def doors(world: World) -> Intake:
    """Who takes commands."""
    return Intake(world.client, world.database, utc_now, world.settings.buying)


async def give_up(
    world: World, kind: type[Reship | RefundShipment], shipment_id: str, **said: str
) -> str:
    """A person's command; returns what came of it."""
    command = {"command_id": unique("cmd"), "reason": "lost", "shipment_id": shipment_id}
    return (await doors(world).command(kind, command | said)).message


@pytest.mark.parametrize("exception", ["lost", "returned_to_sender"])
async def test_lost_goods_are_sent_again(pipeline: World, exception: str) -> None:
    """From stock, once; the carrier owes us for what it lost, and the customer pays once."""
    order_id = await booked(pipeline)
    await report(pipeline, order_id, exception)
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    shown = await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    assert shown["attention"] is None
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


async def test_the_price_of_lost_goods_is_given_back(pipeline: World) -> None:
    order_id = await booked(pipeline)
    await report(pipeline, order_id, "damaged")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, RefundShipment, f"SH-{order_id}-1", claim="45.00")
    await pipeline.ended(order_id)
    shown = await until(
        lambda: pipeline.order(order_id), lambda shown: shown["refunded"] == "119.00"
    )
    assert (shown["stage"], states(shown)) == ("completed", ["failed"])
    assert accounts_of(pipeline, order_id) == {
        "CLAIMS_RECEIVABLE": 4_500,
        "INVENTORY": -6_000,
        "INVENTORY_LOSS": 1_500,
    }


async def test_half_of_an_order_is_lost_and_nothing_is_in_stock(pipeline: World) -> None:
    """What is sent again waits for a supplier as any other goods."""
    sku, customer = pipeline.shop(on_hand=2)
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    shown = await pipeline.until_event(order_id, "bought")
    assert shown["stage"] == "awaiting_stock"
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 2)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until(order_id, "completed")


async def test_a_complete_order_is_sent_again_when_all_of_it_is_there(pipeline: World) -> None:
    """And may be cancelled until then: nothing of it has arrived, or is on its way."""
    sku, customer = pipeline.shop(on_hand=3)
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    shown = await pipeline.until_event(order_id, "bought")
    assert (states(shown), shown["lines"][0]["reserved"]) == (["failed"], 1)
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "no more"})
    assert outcome["accepted"], outcome
    await pipeline.until(order_id, "cancelled")
    assert accounts_of(pipeline, order_id) == {"CLAIMS_RECEIVABLE": 12_000, "INVENTORY": -12_000}


async def test_what_may_still_arrive_is_not_given_up(pipeline: World) -> None:
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    for status in ("booked", "in_transit"):
        await report(pipeline, order_id, status)
        await pipeline.until_order(order_id, lambda o, s=status: o["shipments"][0]["tracking"] == s)
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


async def test_both_doors_take_the_commands(pipeline: World) -> None:
    """By command line and by HTTP; the claim is shown with the shipment."""
    order_id = await booked(pipeline)
    first = f"SH-{order_id}-1"
    await report(pipeline, order_id, "lost")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    done = await run_json(pipeline, "shipment", "reship", first, "--reason", "it is lost")
    assert done["accepted"], done
    shown = await run_json(pipeline, "shipment", first)
    assert (shown["state"], shown["claim"]["amount"]) == ("failed", "60.00")
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
    await until(lambda: pipeline.order(order_id), lambda shown: shown["refunded"] == "119.00")
