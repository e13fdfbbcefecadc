"""What an order waits for, on the command line, over HTTP and from its workflow.

tests/unit/operations/test_why.py has a case for every wait.
"""

import shlex

from models.operator_actions import CLI
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, booked, delivered, place_order, requested
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


async def why(world: World, subject: str, path: str = "orders") -> Document:
    """Explain something over HTTP; the command line shows the same."""
    response = await world.api.get(f"/{path}/{subject}/why")
    assert response.status_code == 200, response.text
    explanation: Document = response.json()
    assert await run_json(world, "why", subject) == explanation
    return explanation


async def until_waits_for(world: World, order_id: str, code: str) -> Document:
    """Wait until an order waits for `code`; returns the wait."""

    async def read() -> Document | None:
        response = await world.api.get(f"/orders/{order_id}/why")
        waits: list[Document] = response.json()["waits"]
        return next((wait for wait in waits if wait["code"] == code), None)

    found = await until(read)
    assert found is not None
    return found


async def paste(world: World, wait: Document, command: str) -> None:
    """Run the line that a wait offers for a command."""
    lines = [action["command"].removeprefix(CLI) for action in wait["actions"]]
    [line] = [line for line in lines if shlex.split(line)[0] == command]
    status, _, err = await run(world, *shlex.split(line))
    assert status == 0, err


async def test_payment_is_awaited_and_its_line_moves_the_order(pipeline: World) -> None:
    """The customer owes the payment until its request ends; the pasted line records it."""
    order_id = await requested(pipeline)
    explanation = await why(pipeline, order_id)
    assert explanation["state"] == "awaiting_payment"
    [wait] = explanation["waits"]
    assert (wait["code"], wait["owner"]) == ("payment", "customer")
    assert wait["since"] < wait["until"]
    workflow = await pipeline.order_workflow(order_id).query("explain")
    assert [each["reason"] for each in workflow["waits"]] == [wait["reason"]]
    await paste(pipeline, wait, "pay")
    await pipeline.until_event(order_id, "booked")
    booked_now = await until_waits_for(pipeline, order_id, "pick_up")
    assert booked_now["owner"] == "carrier"
    assert booked_now["name"]


async def test_shipment_is_explained_alone(pipeline: World) -> None:
    """By its own id; a delivery recorded by the pasted line ends the order."""
    order_id = await booked(pipeline)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    explanation = await why(pipeline, f"SH-{order_id}-1", "shipments")
    assert explanation["state"] == "dispatched"
    [wait] = explanation["waits"]
    assert wait["code"] == "delivery"
    await paste(pipeline, wait, "deliver")
    await pipeline.ended(order_id)
    assert (await why(pipeline, order_id))["waits"] == []


async def test_refused_booking_waits_for_an_operator(pipeline: World) -> None:
    """The attention comes first, with a line that tries again."""
    await pipeline.misbehave(partner="carriers", operation="booking", fault="refuse")
    order_id = await requested(pipeline)
    await pipeline.pay(order_id, TOTAL)
    wait = await until_waits_for(pipeline, order_id, "refused")
    assert wait["owner"] == "operator"
    await paste(pipeline, wait, "retry")
    await pipeline.until_event(order_id, "booked")


async def test_unknown_supply_and_purchase_are_explained(pipeline: World) -> None:
    """Units without an offer need an operator; the purchase order names what its supplier owes."""
    placed = await place_order(pipeline, on_hand=0)
    purchased = await pipeline.until_event(placed.order_id, "bought")
    po_id = purchased["backorders"][0]["po_id"]
    [goods] = (await why(pipeline, placed.order_id))["waits"]
    assert (goods["code"], goods["owner"]) == ("goods", "supplier")
    assert po_id in goods["reason"]
    purchase = await why(pipeline, po_id, "purchase-orders")
    assert [wait["subject"] for wait in purchase["waits"]] == [po_id]
    await pipeline.receive(po_id, placed.sku, 1)
    await until_waits_for(pipeline, placed.order_id, "payment")


async def test_terminated_order_says_so(pipeline: World) -> None:
    """Only the engine knows it."""
    order_id = await requested(pipeline)
    await pipeline.order_workflow(order_id).terminate("by the test")
    wait = await until_waits_for(pipeline, order_id, "workflow_ended")
    assert wait["actions"][0]["command"].endswith("place FILE")


async def test_return_is_explained(pipeline: World) -> None:
    """A requested return waits for its authorisation."""
    order_id, sku = await delivered(pipeline, 1)
    await run_json(pipeline, "returns", "request", order_id, f"{sku}:1", "--reason", "too large")
    [listed] = await run_json(pipeline, "returns", "list", "--order", order_id)
    return_id = listed["return_id"]
    explanation = await why(pipeline, return_id, "returns")
    assert [wait["subject"] for wait in explanation["waits"]] == [return_id]


async def test_unknown_id_is_refused(pipeline: World) -> None:
    """404 over HTTP, exit status 1 on the command line."""
    unknown = unique("O")
    for path in ("orders", "shipments", "returns", "purchase-orders"):
        assert (await pipeline.api.get(f"/{path}/{unknown}/why")).status_code == 404
    status, _, err = await run(pipeline, "why", unknown)
    assert status == 1
    assert unknown in err
