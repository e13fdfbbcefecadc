"""The largest accepted order, from placement to completion."""

from models.orders import MAX_LINES
from tests.support.masterdata.shop import order, product_row, stock_row, unique
from tests.support.orders.stages import scheduled_activities
from tests.support.pipeline.world import World


async def test_each_step_of_an_order_with_the_most_lines_is_a_local_activity(
    pipeline: World,
) -> None:
    """A database step that is too slow for a local activity would run again as an ordinary one."""
    sku, customer = pipeline.shop(on_hand=1)
    prefix = unique("L")
    skus = [f"{prefix}-{number}" for number in range(MAX_LINES)]
    size = {"weight_g": 1, "length_mm": 1, "width_mm": 1, "height_mm": 1}
    pipeline.import_tables(
        products=[product_row(each, unit_price="0.01", **size) for each in skus],
        stock=[stock_row("BER", each, 3, unit_cost="0.01") for each in skus],
    )
    lines = [{"sku": each, "quantity": 2} for each in skus]
    document = order(sku, customer, lines=lines, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    shown = await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, shown["total"])
    handle = await pipeline.ended(order_id)
    # On a loaded machine a partner's answer may take more than the second that a phase waits.
    partner_steps = {
        *("book_shipment", "mail_confirmation", "mail_dispatch", "mail_bill"),
        "request_payment",
    }
    assert set(scheduled_activities(await handle.fetch_history())) <= partner_steps
