"""Recalls: shipments of a partly delivered order that are cancelled before they leave."""

from typing import Any

from activities.shipping.reading import shipment_paper
from tests.support.billing.payments import charge_back
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import states, units
from tests.support.pipeline.command_line import run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import report

GIVEN_UP = "given_up"
"""The event of a cancelled or refunded shipment."""


async def one_left(world: World, arrives: bool = True, **changes: Any) -> tuple[str, str, str]:
    """Place an order of two units of which one has left (and arrived) and the other is short;
    returns its id, its SKU, and the purchase order for the shortage."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer, quantity=2, delivery="partial", **changes)
    order_id = str(document["order_id"])
    await world.place(document)
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "238.00", f"P-{order_id}")
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "delivered" if arrives else "dispatched")
    shown = await world.until_event(order_id, "bought")
    return order_id, sku, shown["backorders"][0]["po_id"]


async def refund(world: World, shipment_id: str, **changes: Any) -> Any:
    """Request the refund of a shipment, by API."""
    body = {"command_id": unique("cmd"), "reason": "bought elsewhere", **changes}
    return await world.api.post(f"/shipments/{shipment_id}/refund", json=body)


async def booked_twice(world: World, arrives: bool = True) -> tuple[str, str, str]:
    """As `one_left`, with the second unit booked; returns order, second shipment and SKU."""
    order_id, sku, po_id = await one_left(world, arrives)
    await world.receive(po_id, sku, 1)
    await world.until_order(order_id, lambda o: states(o)[1:] == ["booked"])
    return order_id, f"SH-{order_id}-2", sku


async def test_booked_shipment_is_recalled_and_refunded(pipeline: World) -> None:
    """Once: the carrier cancelled, the goods are available, the customer has credit and refund."""
    order_id, second, sku = await booked_twice(pipeline)
    words = ("shipment", "refund", second, "--reason", "bought elsewhere", "--id", f"R-{order_id}")
    done = await run_json(pipeline, *words)
    assert done["message"] == (
        f"{second} is being recalled; its price is refunded once the carrier agrees"
    )
    assert await run_json(pipeline, *words) == done
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "119.00")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert states(shown) == ["delivered", "cancelled"]
    assert units(shown, "ordered", "reserved", "shipped", "delivered") == [[2, 0, 1, 1]]
    events = [row["event"] for row in shown["history"]]
    assert [events.count(name) for name in ("call_back", GIVEN_UP, "credited")] == [1, 1, 1]
    assert accounts_of(pipeline, order_id) == {
        **{"CASH_CLEARING": 11_900, "COST_OF_GOODS_SOLD": 6_000, "INVENTORY": -6_000},
        **{"REVENUE": -10_000, "TAX_PAYABLE": -1_900},
    }
    [recalled] = await pipeline.requests("carriers", "cancel", second)
    assert recalled["state"] == "done"
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert [place["available"] for place in stock["locations"]] == [1]
    slip = pipeline.database.read(lambda session: shipment_paper(session, f"SH-{order_id}-1"))
    assert slip is not None
    assert [(line.in_shipment, line.to_follow) for line in slip.lines] == [(1, 0)]
    await until(lambda: pipeline.mails(f"refund of order {order_id}", order_id))
    assert not [m for m in await pipeline.mails(order_id) if second in m["subject"]]


async def test_picked_up_shipment_is_not_recalled(pipeline: World) -> None:
    """Nothing is refunded; the same request can be made again."""
    order_id, second, _ = await booked_twice(pipeline)
    refuses = {"partner": "carriers", "operation": "cancel", "fault": "refuse"}
    await pipeline.misbehave(**refuses, code="already_picked_up")
    assert (await refund(pipeline, second)).status_code == 200
    shown = await pipeline.until_event(order_id, "call_back_refused")
    assert (states(shown), shown["attention"]) == (["delivered", "booked"], None)
    await pipeline.ship(order_id, "dispatched", second)
    await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "dispatched"])
    problem = (await refund(pipeline, second)).json()
    assert "is on its way" in problem["detail"], problem
    await pipeline.ship(order_id, "delivered", second)
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert (shown["refunded"], states(shown)) == ("0.00", ["delivered", "delivered"])


async def test_unpaid_shipment_is_cancelled_without_a_carrier_call(pipeline: World) -> None:
    """The payment was reversed after a part had left: the rest is never booked, and the price of
    the dispatched part is due."""
    order_id, sku, po_id = await one_left(pipeline)
    await charge_back(pipeline, f"P-{order_id}")
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await pipeline.receive(po_id, sku, 1)
    await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "planned"])
    assert (await refund(pipeline, f"SH-{order_id}-2")).status_code == 200
    shown = await pipeline.until_event(order_id, GIVEN_UP)
    shown = await pipeline.until(order_id, "delivered")
    assert (shown["due"], states(shown)) == ("119.00", ["delivered", "cancelled"])
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["stage"] == "completed"
    assert await pipeline.requests("carriers", "booking", f"SH-{order_id}-2") == []


async def test_retry_of_the_order_repeats_a_refused_recall(pipeline: World) -> None:
    """The order shows the attention; meanwhile the shipment can't be recalled again."""
    order_id, second, _ = await booked_twice(pipeline)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="refuse")
    assert (await refund(pipeline, second)).status_code == 200
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "refused", shown["attention"]
    problem: Document = (await refund(pipeline, second)).json()
    assert "is being recalled" in problem["detail"], problem
    await run_json(pipeline, "retry", order_id)
    await pipeline.until_event(order_id, GIVEN_UP)
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None


async def test_recall_needs_a_partly_dispatched_order_and_no_claim(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    problem = (await refund(pipeline, f"SH-{order_id}-1")).json()
    assert problem["errors"][0]["field"] == "shipment_id"
    assert "cancel the order instead" in problem["detail"], problem
    order_id, second, _ = await booked_twice(pipeline)
    problem = (await refund(pipeline, second, claim="5.00")).json()
    assert [error["field"] for error in problem["errors"]] == ["claim"], problem
    assert "call_back" not in {row["event"] for row in (await pipeline.order(order_id))["history"]}


async def test_second_attention_is_shown_after_the_first(pipeline: World) -> None:
    """A refused recall, then a lost shipment: the oldest attention is shown until it ends."""
    order_id, second, _ = await booked_twice(pipeline, arrives=False)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="refuse")
    assert (await refund(pipeline, second)).status_code == 200
    await pipeline.until_order(order_id, lambda o: o["attention"])
    assert await report(pipeline, order_id, "lost") == 204
    await pipeline.until_order(
        order_id, lambda o: [r["event"] for r in o["history"]].count("attention") == 2
    )
    assert (await pipeline.order(order_id))["attention"]["code"] == "refused"
    await run_json(pipeline, "retry", order_id)
    await pipeline.until_event(order_id, GIVEN_UP)
    lost = await pipeline.until_order(
        order_id, lambda o: o["attention"] and o["attention"]["code"] == "shipment_exception"
    )
    assert states(lost) == ["dispatched", "cancelled"]
    assert await report(pipeline, order_id, "delivered") == 204
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None


async def test_pick_up_ends_a_refused_recall(pipeline: World) -> None:
    """The carrier refuses for another reason, then picks the goods up and delivers them."""
    order_id, second, _ = await booked_twice(pipeline)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="refuse", times=None)
    assert (await refund(pipeline, second)).status_code == 200
    await pipeline.until_order(order_id, lambda o: o["attention"])
    await pipeline.ship(order_id, "delivered", second)
    shown = await pipeline.until_event(order_id, "call_back_refused")
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert (shown["stage"], states(shown)) == ("completed", ["delivered", "delivered"])


async def test_terminated_recall_is_restarted_by_a_retry(pipeline: World) -> None:
    order_id, second, _ = await booked_twice(pipeline)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="refuse")
    response = await refund(pipeline, second)
    await pipeline.until_order(order_id, lambda o: o["attention"])
    command_id = response.json()["command_id"]
    await pipeline.client.get_workflow_handle(f"after-{command_id}").terminate()
    shown = await run_json(pipeline, "shipment", "show", second)
    assert shown["called_back_by"] == command_id
    done = await run_json(pipeline, "retry", order_id)
    assert f"after-{command_id}: started again" in done["message"], done
    await pipeline.until_event(order_id, GIVEN_UP)
    await pipeline.ended(order_id)
    shown = await run_json(pipeline, "shipment", "show", second)
    assert (shown["called_back_by"], shown["state"]) == (None, "cancelled")
    assert [line["given_up"] for line in (await pipeline.order(order_id))["lines"]] == [1]
    assert "was recalled" in (await refund(pipeline, second)).json()["detail"]


async def test_planned_shipment_is_booked_after_a_refused_recall(pipeline: World) -> None:
    """The booking was requested before, without an answer: the same key finds it."""
    order_id, sku, po_id = await one_left(pipeline)
    second = f"SH-{order_id}-2"
    fault = {"partner": "carriers", "operation": "booking", "fault": "timeout_after"}
    await pipeline.misbehave(**fault, times=None, seconds=60)
    await pipeline.receive(po_id, sku, 1)
    await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "planned"])
    await until(lambda: pipeline.requests("carriers", "booking", second))
    refuses = {"partner": "carriers", "operation": "cancel", "fault": "refuse"}
    await pipeline.misbehave(**refuses, code="already_picked_up")
    assert (await refund(pipeline, second)).status_code == 200
    await pipeline.until_event(order_id, "call_back_refused")
    await pipeline.partners.delete("/control/faults")
    shown = await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "booked"])
    await pipeline.ship(order_id, "delivered", second)
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert shown["shipments"][1]["tracking_number"]
