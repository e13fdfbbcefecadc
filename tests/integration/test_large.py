"""The largest order that is accepted, all the way."""

from temporalio.api.enums.v1 import EventType

from activities.masterdata.importing import import_folder
from models.orders import MAX_LINES
from tests.support.shop import order, unique, write_csv
from tests.support.world import World


async def test_an_order_of_a_thousand_lines_stays_within_the_time_of_a_step(
    pipeline: World,
) -> None:
    """No database step was too slow for a local activity: none was run again as an ordinary one."""
    sku, customer = pipeline.shop(on_hand=1)
    prefix, folder = unique("L"), pipeline.folder / unique("large")
    folder.mkdir()
    skus = [f"{prefix}-{number}" for number in range(MAX_LINES)]
    product = {
        "name": "Screw",
        "unit_price": "0.01",
        "currency": "EUR",
        "tax_rate_percent": "19",
        "weight_g": 1,
        "length_mm": 1,
        "width_mm": 1,
        "height_mm": 1,
    }
    write_csv(folder, "products.csv", [{"sku": each} | product for each in skus])
    stock = {"location": "BER", "on_hand": 3, "unit_cost": "0.01"}
    write_csv(folder, "stock.csv", [{"sku": each} | stock for each in skus])
    import_folder(pipeline.database, folder)

    lines = [{"sku": each, "quantity": 2} for each in skus]
    document = order(sku, customer, lines=lines, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    shown = await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, shown["total"])
    handle = await pipeline.ended(order_id)
    history = await handle.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert sorted(scheduled) == [
        "book_shipment",
        "mail_confirmation",
        "mail_dispatch",
        "mail_invoice",
        "request_payment",
    ]
