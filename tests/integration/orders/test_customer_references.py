"""The customer's reference and the phone number of an order."""

from tests.support.masterdata.shop import unique
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


async def test_carrier_gets_the_phone_number(pipeline: World) -> None:
    placed = await place_order(pipeline, phone="030 901820")
    await pay_and_book(pipeline, placed.order_id)
    assert (await pipeline.order(placed.order_id))["phone"] == "+4930901820"
    for operation in ("quote", "booking"):
        [request] = await pipeline.requests("carriers", operation, placed.order_id)
        assert request["body"]["phone"] == "+4930901820"
