"""What happened to goods or money after an order had counted on something else: shown until it is
mended, or a person has seen to it, whatever becomes of the order."""

from typing import Any

import pytest
from sqlmodel import select

from activities.orders.steps import record_attention
from models.errors import InvalidInput, Refused
from models.messages.attention import Attention, SetAttention
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.orders import Acknowledge
from models.messages.commands.returns import InspectReturn
from models.messages.commands.shipping import RecoverShipment, RefundShipment, Reship
from models.tables.operations import CommandRow
from tests.support.command_line import run, run_json
from tests.support.orders import booked, delivered, states
from tests.support.returns import came_back, command, inspected, settled
from tests.support.shipments import give_up, lost, report
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World

AFTER_ALL = pytest.mark.parametrize(
    ("says", "code"),
    [
        ("returned_to_sender", "came_back_after_all"),
        ("delivered", "arrived_after_all"),
    ],
)


async def shown(world: World, order_id: str, code: str | None) -> Document:
    """Wait until the order shows this attention, or none."""
    return await world.until_order(order_id, lambda o: (o["attention"] or {}).get("code") == code)


def hide_and_clear(world: World, order_id: str) -> None:
    """Another workflow shows an attention of its own on the order, and clears it."""
    for attention in (Attention(code="refused", message="(workflow refund-x)"), None):
        step = SetAttention(order_id=order_id, attention=attention, beside="refund-x")
        world.database.transaction(lambda work, step=step: record_attention(work, step))


@AFTER_ALL
async def test_it_is_shown_while_the_order_runs_and_when_it_is_over(
    pipeline: World, says: str, code: str
) -> None:
    """Nothing that is shown between takes it away; a retry does, and is kept."""
    order_id = await lost(pipeline)
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await report(pipeline, order_id, says)
    attention = (await shown(pipeline, order_id, code))["attention"]
    assert f"SH-{order_id}-1" in attention["message"]
    hide_and_clear(pipeline, order_id)
    assert (await pipeline.order(order_id))["attention"] == attention
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    assert (await pipeline.until(order_id, "completed"))["attention"] == attention
    said = await run_json(pipeline, "retry", order_id, "--reason", "agreed", "--actor", "ann")
    assert f"acknowledged: {code} (SH-{order_id}-1)" in said["message"]
    await pipeline.ended(order_id)
    after = await pipeline.order(order_id)
    assert after["attention"] is None
    [seen] = [row["detail"] for row in after["history"] if row["event"] == "acknowledged"]
    assert seen == f"{code} (SH-{order_id}-1) by ann: agreed"
    kept = pipeline.database.read(
        lambda s: [row.reason for row in s.exec(select(CommandRow)) if order_id in str(row.outcome)]
    )
    assert "agreed" in kept


@AFTER_ALL
async def test_it_is_shown_of_an_order_that_is_over(pipeline: World, says: str, code: str) -> None:
    """No workflow runs that would; a person sees to it once, by API too."""
    order_id = await lost(pipeline)
    await give_up(pipeline, RefundShipment, f"SH-{order_id}-1")
    await pipeline.ended(order_id)
    await report(pipeline, order_id, says)
    await shown(pipeline, order_id, code)
    hide_and_clear(pipeline, order_id)
    await shown(pipeline, order_id, code)
    path = f"/orders/{order_id}/seen-to"
    body = {"command_id": unique("c"), "reason": "agreed"}
    assert (await pipeline.api.post(path, json=body)).status_code == 200
    assert (await pipeline.order(order_id))["attention"] is None
    response = await pipeline.api.post(path, json=body | {"command_id": unique("c")})
    assert (response.status_code, response.json()["code"]) == (422, "order_refused")
    status, _, err = await run(pipeline, "retry", order_id)
    assert (status, "its workflow has ended" in err) == (1, True)


async def test_a_carrier_that_carries_what_it_had_cancelled_is_shown(pipeline: World) -> None:
    """While the order is being cancelled, and when it is."""
    order_id = await booked(pipeline)
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse", code="closed")
    status, _, err = await run(pipeline, "cancel", order_id)
    assert status == 0, err
    await shown(pipeline, order_id, "closed")
    await report(pipeline, order_id, "picked_up")
    await pipeline.until_event(order_id, "called_back_in_vain")
    assert (await pipeline.order(order_id))["attention"]["code"] == "closed"
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("retry_step"))["accepted"]
    await pipeline.ended(order_id)
    over = await shown(pipeline, order_id, "called_back_in_vain")
    assert over["stage"] == "cancelled"
    assert f"SH-{order_id}-1" in over["attention"]["message"]
    said = await run_json(pipeline, "retry", order_id)
    assert said["message"] == f"acknowledged: called_back_in_vain (SH-{order_id}-1)"
    await shown(pipeline, order_id, None)
    await report(pipeline, order_id, "out_for_delivery")
    odd = await pipeline.until_order(order_id, lambda o: len(o["odd_facts"]) == 2)
    assert odd["attention"] is None  # what was seen to once isn't shown with each report


async def test_a_person_sees_to_it_in_the_temporal_ui(pipeline: World) -> None:
    """`retry_step` of the order's workflow, with nothing sent along, is kept as a command too."""
    order_id = await lost(pipeline)
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await report(pipeline, order_id, "delivered")
    await shown(pipeline, order_id, "arrived_after_all")
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    await until(lambda: handle.query("status"), lambda status: status["attention"])
    assert (await handle.execute_update("retry_step"))["accepted"]
    await pipeline.until_event(order_id, "acknowledged")
    await shown(pipeline, order_id, None)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None


async def test_a_terminated_order_shows_it_again(pipeline: World) -> None:
    """It is in the tables, not in a workflow's memory."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await report(pipeline, order_id, "lost")
    await shown(pipeline, order_id, "shipment_exception")
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await report(pipeline, order_id, "delivered")
    await shown(pipeline, order_id, "arrived_after_all")
    await pipeline.client.get_workflow_handle(f"order-{order_id}").terminate("test")
    assert (await pipeline.api.post("/orders", json=document)).status_code == 200
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    status = await until(lambda: handle.query("status"), lambda status: status["attention"])
    assert status["attention"]["code"] == "arrived_after_all"
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    await until(lambda: handle.query("status"), lambda status: not status["attention"])


async def test_a_second_problem_of_the_same_kind_is_shown_after_the_first(pipeline: World) -> None:
    """The code is the same, the message is another: of an order that runs, and of one that is
    over."""
    order_id = await lost(pipeline)
    first, second, third = (f"SH-{order_id}-{number}" for number in (1, 2, 3))
    await give_up(pipeline, Reship, first)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await report(pipeline, order_id, "lost", shipment_id=second)
    await shown(pipeline, order_id, "shipment_exception")
    await give_up(pipeline, Reship, second)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "failed", "booked"])
    for shipment_id in (first, second):
        await report(pipeline, order_id, "returned_to_sender", shipment_id=shipment_id)

    def about(shipment_id: str) -> Any:
        return lambda o: o["attention"] and shipment_id in o["attention"]["message"]

    await pipeline.until_order(order_id, about(first))
    await give_up(pipeline, RecoverShipment, first)
    last = await pipeline.until_order(order_id, about(second))
    assert last["attention"]["code"] == "came_back_after_all"
    await give_up(pipeline, RecoverShipment, second)
    await shown(pipeline, order_id, None)
    await pipeline.ship(order_id, "delivered", third)
    await pipeline.ended(order_id)
    for shipment_id in (first, second):
        await report(pipeline, order_id, "delivered", shipment_id=shipment_id)
    await pipeline.until_order(order_id, about(first))
    await pipeline.until_order(
        order_id,
        lambda o: [s["tracking"] for s in o["shipments"]] == ["delivered"] * 3,
    )
    message = (await pipeline.intake().retry(order_id, "ann")).message
    assert message == f"acknowledged: arrived_after_all ({first}), arrived_after_all ({second})"
    await shown(pipeline, order_id, None)


async def test_money_of_an_order_that_is_over_is_seen_to_as_well(pipeline: World) -> None:
    """A payment in another currency, after the goods had come."""
    order_id, _ = await delivered(pipeline, quantity=1)
    payment_id = unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": "5.00", "currency": "USD"}
    await pipeline.tell("payment.received", data)
    await shown(pipeline, order_id, "payment_currency")
    said = await run_json(pipeline, "retry", order_id)
    assert said["message"] == f"acknowledged: payment_currency ({payment_id})"
    assert (await pipeline.order(order_id))["attention"] is None
    with pytest.raises(Refused, match="its workflow has ended"):
        await pipeline.intake().retry(order_id, "ann")
    with pytest.raises(InvalidInput, match="order_id: nothing of"):
        sent = {"command_id": unique("c"), "reason": "r", "order_id": order_id}
        await pipeline.intake().command(Acknowledge, sent)


async def test_a_retry_wakes_all_that_wait(pipeline: World) -> None:
    """A return's refund and another one were refused: both are asked for again."""
    order_id, sku = await delivered(pipeline, quantity=2)
    return_id = await came_back(pipeline, order_id, sku, 1)
    invoice = (await pipeline.order(order_id))["invoice_number"]
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse", times=2)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    await shown(pipeline, order_id, "refused")
    credited = {"invoice_number": invoice, "amount": "11.90"}
    await command(pipeline, CreditInvoice, **credited)
    beside = {f"return-{return_id}", f"refund-{order_id}-2"}
    for workflow_id in beside:
        handle = pipeline.client.get_workflow_handle(workflow_id)
        await until(lambda h=handle: waits(h))
    message = (await pipeline.intake().retry(order_id, "ann")).message
    assert {part.partition(": ")[0] for part in message.split("; ")} == beside
    await settled(pipeline, return_id)
    await pipeline.client.get_workflow_handle(f"refund-{order_id}-2").result()
    assert (await pipeline.order(order_id))["refunded"] == "130.90"
    assert (await pipeline.order(order_id))["attention"] is None


async def waits(handle: Any) -> bool:
    """Whether a workflow shows that it waits for a person."""
    found = await handle.describe()
    return any(
        pair.key.name == "Attention" and pair.value for pair in found.typed_search_attributes
    )


async def test_money_taken_back_is_shown_again_where_a_cancellation_is_given_up(
    pipeline: World,
) -> None:
    """And a retry takes it away, though the order isn't over."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "119.00")
    await pipeline.until_event(order_id, "booked")
    taken = {"reversal_id": unique("rv"), "payment_id": payment_id, "reason": "fraud"}
    await pipeline.report("payment.reversed", taken)
    await shown(pipeline, order_id, "payment_reversed")
    await pipeline.misbehave(
        partner="carriers", operation="cancel", fault="refuse", code="already_picked_up"
    )
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("cancel", {"reason": "fraud"}))["accepted"]
    await pipeline.until_event(order_id, "cancel_given_up")
    await report(pipeline, order_id, "picked_up")
    await shown(pipeline, order_id, "payment_reversed")
    await until(lambda: handle.query("status"), lambda status: status["attention"])
    await run_json(pipeline, "retry", order_id)
    await shown(pipeline, order_id, None)
    assert (await handle.query("status"))["attention"] is None
    await report(pipeline, order_id, "delivered")
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)
