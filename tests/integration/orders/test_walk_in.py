"""Sales at the counter to customers without address and email address."""

import json

from tests.support.billing.sales import refusal
from tests.support.masterdata.shop import Document, customer_row, order, unique
from tests.support.orders.stages import at_the_counter, events
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


def sale(sku: str, customer: object, **changes: object) -> Document:
    """Build an order at the counter without an address."""
    return order(sku, "", **at_the_counter(), ship_to=None) | {"customer": customer, **changes}


def walk_in(customer_id: str) -> Document:
    """Build a whole customer without an email address."""
    return {"customer_id": customer_id, "name": "Walk-in customer", "country": "DE"}


async def test_walk_in_pays_and_takes_the_goods(pipeline: World) -> None:
    """Placed by API with a whole customer, and by CLI with its id. Nothing is mailed."""
    sku, _ = pipeline.shop(on_hand=2)
    customer_id = unique("WALK-IN")
    by_api = sale(sku, walk_in(customer_id))
    await pipeline.place(by_api)
    await pipeline.until(by_api["order_id"], "awaiting_payment")
    by_cli = sale(sku, customer_id)
    await run_json(pipeline, "place", "-", stdin=json.dumps(by_cli))
    for document in (by_api, by_cli):
        order_id = document["order_id"]
        await pipeline.until(order_id, "awaiting_payment")
        await pipeline.pay(order_id, "119.00")
        shown = await pipeline.until(order_id, "completed")
        await pipeline.ended(order_id)
        assert (shown["attention"], "mailed" in events(shown)) == (None, False)
        assert await pipeline.mails(order_id) == []
        number = shown["invoice_number"]
        assert (await pipeline.api.get(f"/invoices/{number}/pdf")).content.startswith(b"%PDF")
        assert await refusal(pipeline, f"/invoices/{number}/resend") == "money_refused number"
        status, _, err = await run(pipeline, "invoice", "resend", number, "--reason", "lost")
        assert (status, "has no email address" in err) == (1, True)
        slip = await pipeline.api.get(f"/shipments/SH-{order_id}-1/packing-slip.pdf")
        assert slip.is_success, slip.text


async def test_order_of_a_customer_without_email_address_is_refused_elsewhere(
    pipeline: World,
) -> None:
    """With the field, and the way out."""
    sku, customer = pipeline.shop()
    pipeline.import_tables(customers=[customer_row(customer, email="")])
    for sent, field in ((customer, "customer"), (walk_in(unique("C")), "customer.email")):
        document = order(sku, "") | {"customer": sent}
        answer = await pipeline.api.post("/orders", json=document)
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, field)
        assert "such as" in error["reason"]
        status, _, err = await run(pipeline, "place", "-", stdin=json.dumps(document))
        assert (status, "has no email address" in err) == (1, True)
