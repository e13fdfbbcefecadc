"""Products that are no longer sold or bought: new orders are refused, accepted ones continue."""

import json

from tests.support.masterdata.shop import order, product_row
from tests.support.pipeline.command_line import run
from tests.support.pipeline.world import World


async def test_product_no_longer_sold_is_refused_in_new_orders_only(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=2)
    accepted = order(sku, customer)
    await pipeline.place(accepted)
    pipeline.import_tables(products=[product_row(sku, is_sold="false")])
    refused = await pipeline.api.post("/orders", json=order(sku, customer))
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error == {"field": "lines.0.sku", "reason": f"{sku} is no longer sold"}
    document = pipeline.folder / f"{sku}.json"
    document.write_text(json.dumps(order(sku, customer)))
    status, _, err = await run(pipeline, "place", str(document))
    assert (status, f"{sku} is no longer sold" in err) == (1, True)
    await pipeline.until_event(accepted["order_id"], "payment_requested")
    await pipeline.pay(accepted["order_id"], "119.00")
    await pipeline.until_event(accepted["order_id"], "invoiced")


async def test_product_no_longer_bought_is_sold_while_it_lasts(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=2)
    pipeline.import_tables(products=[product_row(sku, is_bought="false")])
    refused = await pipeline.api.post("/orders", json=order(sku, customer, quantity=3))
    [error] = refused.json()["errors"]
    reason = f"{sku} is no longer bought, and 2 are left: order at most 2"
    assert error == {"field": "lines.0.quantity", "reason": reason}
    accepted = order(sku, customer, quantity=2)
    await pipeline.place(accepted)
    await pipeline.until_event(accepted["order_id"], "payment_requested")
    refused = await pipeline.api.post("/orders", json=order(sku, customer))
    [error] = refused.json()["errors"]
    reason = f"{sku} is no longer bought, and none are left: remove the line"
    assert error == {"field": "lines.0.quantity", "reason": reason}
