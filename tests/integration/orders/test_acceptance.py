"""What was agreed at the acceptance of an order stays, whatever is imported until it is recorded."""

from collections.abc import AsyncIterator

import pytest

from models.tables.billing import InvoiceRow
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import customer_row, order, product_row
from tests.support.orders.entrances import ENTRANCES, Place
from tests.support.pipeline.world import World

VAT_ID = "DE136695976"


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker: accepted orders wait to be recorded."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


@pytest.mark.parametrize("place", ENTRANCES)
async def test_accepted_order_keeps_price_tax_and_name(idle: World, place: Place) -> None:
    """New list price, tax rate, name and tax treatment are those of the next order."""
    sku, customer = idle.shop(vat_id=VAT_ID)
    document = order(sku, customer, 3, terms="net30", discount_percent="10")
    placed = await place(idle, document)
    assert placed["total"] == "321.30"
    changed = product_row(sku, unit_price="142.80", tax_rate_percent="7", name="Hammer")
    exempt = customer_row(customer, tax_treatment="exempt", vat_id="")
    idle.import_tables(products=[changed], customers=[exempt])
    assert (await idle.order(document["order_id"]))["total"] == "321.30"
    later = order(sku, customer, 3)
    assert (await place(idle, later))["total"] == "428.40"
    async with idle.worker():
        await idle.until_event(document["order_id"], "booked")
        await idle.ship(document["order_id"], "dispatched")
        recorded = await idle.until_event(document["order_id"], "invoiced")
        await idle.until_event(later["order_id"], "recorded")
    assert recorded["total"] == "321.30"
    bill = (await idle.api.get(f"/invoices/{recorded['invoice_number']}")).json()
    [line] = bill["lines"]
    assert (line["name"], line["net"]) == ("Cordless drill", "270.00")
    assert (bill["taxes"][0]["rate_percent"], bill["total"]) == ("19", "321.30")
    issued = idle.database.read(lambda s: s.get_one(InvoiceRow, bill["number"]).content)
    assert issued["customer_vat_id"] == VAT_ID


@pytest.mark.parametrize("place", ENTRANCES)
async def test_terminated_order_placed_again_keeps_its_price(idle: World, place: Place) -> None:
    """Also when the customer could no longer order it."""
    sku, customer = idle.shop()
    document = order(sku, customer)
    placed = await place(idle, document)
    await idle.order_workflow(document["order_id"]).terminate("by the test")
    idle.import_tables(
        products=[product_row(sku, unit_price="200.00")],
        customers=[customer_row(customer, status="blocked")],
    )
    again = await place(idle, document)
    assert (again["total"], again["placed_at"]) == ("119.00", placed["placed_at"])
    idle.import_tables(customers=[customer_row(customer)])
    async with idle.worker():
        recorded = await idle.until_event(document["order_id"], "payment_requested")
    assert (recorded["total"], recorded["placed_at"]) == ("119.00", placed["placed_at"])


async def test_accepted_order_sent_again_after_a_block_is_the_same_order(idle: World) -> None:
    """It waits for an operator when it is recorded; other content is another order."""
    sku, customer = idle.shop()
    document = order(sku, customer)
    await idle.place(document)
    idle.import_tables(customers=[customer_row(customer, status="blocked")])
    assert (await idle.api.post("/orders", json=document)).status_code == 200
    other = document | {"discount_percent": "5"}
    assert (await idle.api.post("/orders", json=other)).status_code == 409
    new = await idle.api.post("/orders", json=order(sku, customer))
    assert (new.status_code, new.json()["errors"][0]["field"]) == (422, "customer")
