"""The customer's reference and the phone number of an order."""

import json

from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import pay_and_book, place_order
from tests.support.pipeline.command_line import run_json
from tests.support.pipeline.world import World


async def test_order_is_found_by_the_customers_reference(pipeline: World) -> None:
    reference = f"PO {unique('4711')}"
    placed = await place_order(pipeline, customer_reference=reference)
    await place_order(pipeline)
    await pipeline.until_event(placed.order_id, "payment_requested")
    answer = await pipeline.api.get("/orders", params={"customer_reference": reference})
    listed = await run_json(pipeline, "list", "--customer-reference", reference)
    for found in (answer.json(), listed):
        assert [row["order_id"] for row in found] == [placed.order_id]
        assert found[0]["customer_reference"] == reference


async def test_reference_that_a_customer_uses_twice_is_a_warning(pipeline: World) -> None:
    """Placed by API and CLI; another customer's, and that of a cancelled order, is none."""
    reference = unique("4711")
    sku, customer = pipeline.shop()
    _, other = pipeline.shop()

    def document(customer_id: str) -> Document:
        return order(sku, customer_id) | {"customer_reference": reference}

    cancelled = await pipeline.place(document(customer))
    await pipeline.until_event(cancelled["order_id"], "payment_requested")
    await run_json(pipeline, "cancel", cancelled["order_id"])
    await pipeline.until(cancelled["order_id"], "cancelled")
    first = await pipeline.place(document(customer))
    await pipeline.until_event(first["order_id"], "payment_requested")
    others = await pipeline.place(document(other))
    second = await pipeline.place(document(customer))
    third = await run_json(pipeline, "place", "-", stdin=json.dumps(document(customer)))
    warning = "customer_reference: is that of {} too: is it ordered twice?"
    assert (first["warnings"], others["warnings"]) == ([], [])
    assert second["warnings"] == [warning.format(first["order_id"])]
    await pipeline.until_event(second["order_id"], "payment_requested")
    assert (await pipeline.order(second["order_id"]))["warnings"] == second["warnings"]
    assert first["order_id"] in third["warnings"][0]


async def test_carrier_gets_the_phone_number(pipeline: World) -> None:
    placed = await place_order(pipeline, phone="030 901820")
    await pay_and_book(pipeline, placed.order_id)
    assert (await pipeline.order(placed.order_id))["phone"] == "+4930901820"
    for operation in ("quote", "booking"):
        [request] = await pipeline.requests("carriers", operation, placed.order_id)
        assert request["body"]["phone"] == "+4930901820"
