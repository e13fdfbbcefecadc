"""The customer of an order: what an order changes of it."""

import json

import pytest

from tests.support.masterdata.shop import Document, order, unique
from tests.support.pipeline.command_line import run_json
from tests.support.pipeline.world import World

ENTRANCES = ("api", "cli")


async def place(world: World, entrance: str, document: Document) -> Document:
    """Place an order that must be accepted, by API or CLI."""
    if entrance == "api":
        return await world.place(document)
    placed: Document = await run_json(world, "place", "-", stdin=json.dumps(document))
    return placed


async def customer_view(world: World, entrance: str, customer_id: str) -> Document:
    """Read a customer by API or CLI."""
    shown: Document
    if entrance == "api":
        shown = (await world.api.get(f"/customers/{customer_id}")).json()
    else:
        shown = await run_json(world, "customer", customer_id)
    return shown


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_known_customer_keeps_what_an_order_leaves_out(
    pipeline: World, entrance: str
) -> None:
    """Language and payment preference stay; what an order names is updated."""
    sku, customer_id = pipeline.shop(language="de", payment_preference="invoice")
    whole = {"customer_id": customer_id, "name": "Ada King", "email": "king@example.com"}
    document = order(sku, "") | {"customer": whole | {"country": "DE"}}
    await place(pipeline, entrance, document)
    await pipeline.until_event(document["order_id"], "mailed")
    shown = await customer_view(pipeline, entrance, customer_id)
    assert (shown["language"], shown["payment_preference"]) == ("de", "invoice")
    assert (shown["name"], shown["email"], shown["phone"]) == (
        *("Ada King", "king@example.com"),
        "+49 30 1",
    )
    [mail] = await pipeline.mails(document["order_id"])
    assert mail["subject"].startswith("Ihre Bestellung")


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_new_customer_gets_the_defaults(pipeline: World, entrance: str) -> None:
    """Of language and payment preference, also if they are null."""
    sku, _ = pipeline.shop()
    whole = {"customer_id": unique("N"), "name": "Eve", "email": "eve@example.com", "country": "FR"}
    document = order(sku, "") | {"customer": whole | {"language": None}}
    await place(pipeline, entrance, document)
    await pipeline.until_event(document["order_id"], "recorded")
    shown = await customer_view(pipeline, entrance, whole["customer_id"])
    assert (shown["language"], shown["payment_preference"]) == ("en", "card")
