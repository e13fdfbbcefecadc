"""Services as order lines: billed, and never stocked, picked, shipped or returned."""

from collections.abc import AsyncIterator

import pytest

from activities.shipping.reading import shipment_paper
from tests.conftest import DATABASES, new_world
from tests.support.billing.sales import execute, postings, refusal
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import (
    SHIP_TO,
    Document,
    company_row,
    customer_row,
    order,
    product_row,
)
from tests.support.orders.entrances import ENTRANCES, Place
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World

VIENNA = SHIP_TO | {"city": "Wien", "postal_code": "1070", "country": "AT"}


@pytest.fixture(scope="module", params=DATABASES)
async def shop(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of a company with shipping (taxed as goods) and assembly."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        world.shop()
        sizes = dict.fromkeys(("weight_g", "length_mm", "width_mm", "height_mm"), "")
        service = product_row("SHIPPING", name="Versand", unit_price="4.90") | sizes
        service |= {"kind": "service", "tax_class": "as_goods"}
        other = {"sku": "ASSEMBLY", "unit_price": "50.00", "tax_class": "standard"}
        world.import_tables(products=[service, service | other])
        yield world


def line(sku: str, quantity: int = 1) -> Document:
    """Build a line of an order."""
    return {"sku": sku, "quantity": quantity}


async def invoice_of(world: World, order_id: str) -> Document:
    """Wait for the invoice of an order, and read it."""
    shown = await world.until_event(order_id, "invoiced")
    invoice: Document = (await world.api.get(f"/invoices/{shown['invoice_number']}")).json()
    return invoice


@pytest.mark.parametrize("place", ENTRANCES)
async def test_services_are_billed_with_goods_and_never_shipped(shop: World, place: Place) -> None:
    """Goods at 19 % and 7 %: shipping is split over both."""
    (sku, customer), (book, _) = shop.shop(on_hand=1), shop.shop(on_hand=1)
    shop.import_tables(products=[product_row(book, unit_price="25.00", tax_rate_percent="7")])
    lines = [line(sku), line("SHIPPING"), line(book), line("ASSEMBLY")]
    document = order(sku, customer, lines=lines)
    order_id = document["order_id"]
    # 119.00 + 26.75 + 59.50, and shipping: 3.92 + 0.74 and 0.98 + 0.07
    assert (await place(shop, document))["total"] == "210.96"
    await shop.until_event(order_id, "payment_requested")
    await shop.pay(order_id, "210.96")
    invoice = await invoice_of(shop, order_id)
    assert [(row["sku"], row["net"], row["tax_rate_percent"]) for row in invoice["lines"]] == [
        (sku, "100.00", "19"),
        ("SHIPPING", "0.98", "7"),
        (book, "25.00", "7"),
        ("ASSEMBLY", "50.00", "19"),
        ("SHIPPING", "3.92", "19"),
    ]
    await shop.until_event(order_id, "booked")
    paper = shop.database.read(lambda session: shipment_paper(session, f"SH-{order_id}-1"))
    assert paper is not None
    assert [row.sku for row in paper.lines] == [sku, book]
    [booked] = await shop.requests("carriers", "booking", order_id)
    assert "SHIPPING" not in str(booked["body"])
    assert postings(shop, f"services:{order_id}") == {}
    await shop.ship(order_id, "delivered")
    shown = await shop.until(order_id, "completed")
    assert postings(shop, f"services:{order_id}") == {
        "CONTRACT_LIABILITIES": 5_490,
        "REVENUE": -5_490,
    }
    assert "CONTRACT_LIABILITIES" not in accounts_of(shop, order_id)
    units = {row["sku"]: (row["kind"], row["delivered"]) for row in shown["lines"]}
    assert (units["SHIPPING"], units[sku]) == (("service", 0), ("goods", 1))
    refused = await refusal(shop, "/returns", order_id=order_id, lines=[line("SHIPPING")])
    assert refused == "return_refused lines.0.sku"
    words = ("returns", "request", order_id, "SHIPPING:1", "--reason", "unwanted")
    status, _, err = await run(shop, *words)
    assert (status, "SHIPPING is a service: it can't be sent back" in err) == (1, True)
    await execute(shop, f"/invoices/{invoice['number']}/credit-notes", amount="4.90")
    shop.check_books()


@pytest.mark.parametrize("place", ENTRANCES)
async def test_prepaid_order_of_services_is_completed_with_its_invoice(
    shop: World, place: Place
) -> None:
    """It has a location for nothing, and no shipment."""
    _, customer = shop.shop(on_hand=0)
    document = order("ASSEMBLY", customer)
    order_id = document["order_id"]
    await place(shop, document)
    await shop.until(order_id, "awaiting_payment")
    await shop.until_event(order_id, "payment_requested")
    await shop.pay(order_id, "59.50")
    shown = await shop.until(order_id, "completed")
    await shop.ended(order_id)
    assert shown["shipments"] == []
    assert shown["invoice_number"]
    found = accounts_of(shop, order_id)
    assert (found["REVENUE"], "CONTRACT_LIABILITIES" in found) == (-5_000, False)
    await execute(shop, f"/invoices/{shown['invoice_number']}/credit-notes", amount="59.50")
    assert accounts_of(shop, order_id)["SALES_RETURNS"] == 5_000
    shop.check_books()


async def test_services_on_credit_are_due_until_paid_or_cancelled(shop: World) -> None:
    _, customer = shop.shop(on_hand=0)
    paid, cancelled = (
        order("ASSEMBLY", customer, terms="net30", channel="phone") for _ in range(2)
    )
    for document in (paid, cancelled):
        await shop.place(document)
        await shop.until(document["order_id"], "delivered")
    await shop.pay(paid["order_id"], "59.50")
    await shop.until(paid["order_id"], "completed")
    await run_json(shop, "cancel", cancelled["order_id"])
    await shop.until(cancelled["order_id"], "cancelled")
    found = accounts_of(shop, cancelled["order_id"])
    assert found == {"REVENUE": -5_000, "SALES_RETURNS": 5_000}
    shop.check_books()


async def test_unpaid_order_with_services_is_cancelled(shop: World) -> None:
    """The services leave nothing behind."""
    sku, customer = shop.shop(on_hand=1)
    document = order(sku, customer, lines=[line(sku), line("SHIPPING")])
    await shop.place(document)
    await shop.until_event(document["order_id"], "payment_requested")
    await run_json(shop, "cancel", document["order_id"])
    shown = await shop.until(document["order_id"], "cancelled")
    assert shown["invoice_number"] is None


async def test_partial_delivery_recognises_services_once(shop: World) -> None:
    """With the first goods issue; the second has none."""
    sku, customer = shop.shop(on_hand=1)
    document = order(
        sku, customer, lines=[line(sku, 2), line("SHIPPING")], delivery="partial", terms="net30"
    )
    order_id = document["order_id"]
    await shop.place(document | {"channel": "phone"})
    await shop.until_event(order_id, "bought")
    await shop.ship(order_id, "dispatched")
    await shop.until_event(order_id, "dispatched")
    assert postings(shop, f"services:{order_id}")["REVENUE"] == -490
    shown = await shop.order(order_id)
    await shop.receive(shown["backorders"][0]["po_id"], sku, 1)
    await shop.until_order(order_id, lambda row: len(row["shipments"]) == 2)
    await shop.ship(order_id, "dispatched", f"SH-{order_id}-2")
    await shop.until(order_id, "in_transit")
    found = accounts_of(shop, order_id)
    assert (found["REVENUE"], "CONTRACT_LIABILITIES" in found) == (-20_490, False)


async def test_service_of_another_tax_case_needs_an_order_of_its_own(shop: World) -> None:
    """A business in Vienna: goods are an intra-Community supply, assembly is reverse charged."""
    sku, customer = shop.shop(on_hand=1)
    columns = {"vat_id": "ATU99980002", "country": "AT"}
    shop.import_tables(
        company=[company_row(vat_id="DE136695976")], customers=[customer_row(customer, **columns)]
    )
    mixed = order(sku, customer, lines=[line(sku), line("ASSEMBLY")], ship_to=VIENNA)
    refused = await shop.api.post("/orders", json=mixed)
    [error] = refused.json()["errors"]
    assert error["field"] == "lines.1.sku"
    assert "reverse_charge, that of the goods intra_community" in error["reason"]
    cases = {"ASSEMBLY": "reverse_charge", sku: "intra_community"}
    for first, case in cases.items():
        lines = [line(first)] if first == "ASSEMBLY" else [line(sku), line("SHIPPING")]
        document = order(first, customer, lines=lines, ship_to=VIENNA, terms="net30")
        await shop.place(document | {"channel": "phone"})
        if first == sku:
            await shop.until_event(document["order_id"], "booked")
            await shop.ship(document["order_id"], "dispatched")
        invoice = await invoice_of(shop, document["order_id"])
        assert (invoice["tax_case"], invoice["tax"]) == (case, "0.00")


async def test_stock_and_purchases_of_a_service_are_refused(shop: World) -> None:
    refused = await refusal(shop, "/stock/SHIPPING/adjustments", location="BER", by=1)
    assert refused == "stock_refused sku"
    for words in (["replenish", "SHIPPING"], ["replenish", "SHIPPING", "--location", "BER"]):
        status, _, err = await run(shop, *words)
        assert status == 1
        assert "is a service: it is never purchased" in err
