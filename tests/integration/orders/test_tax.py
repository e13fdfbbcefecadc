"""Tax and prices with tax, from acceptance to invoice, of a company in the one-stop shop."""

import io
import json
import re
from collections.abc import AsyncIterator

import pytest
from pypdf import PdfReader

from models.messages.commands.returns import InspectReturn, ReceiveReturn
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import (
    SHIP_TO,
    Document,
    Row,
    customer_row,
    order,
    product_row,
    unique,
)
from tests.support.orders.entrances import ENTRANCES, Place
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.returns.states import command, inspected

COMPANY: Row = {
    "legal_entity": "northwind",
    "name": "Northwind Tools",
    "street": "Hafenstraße 12",
    "city": "Hamburg",
    "postal_code": "20457",
    "country": "DE",
    "vat_id": "DE136695976",
    "currency": "EUR",
    "prices_include_tax": "true",
    "oss": "true",
}
VIENNA = SHIP_TO | {"city": "Wien", "postal_code": "1070", "country": "AT"}
PARIS = SHIP_TO | {"city": "Paris", "postal_code": "75001", "country": "FR"}
ZURICH = SHIP_TO | {"city": "Zürich", "postal_code": "8001", "country": "CH"}
AUSTRIAN = "ATU99980002"


@pytest.fixture(scope="module", params=DATABASES)
async def taxed(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run the pipeline of a company whose prices include tax."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        world.import_tables(
            company=[COMPANY],
            tax_rates=[
                {"country": "AT", "tax_class": "standard", "rate_percent": "20"},
                {"country": "AT", "tax_class": "reduced", "rate_percent": "10"},
            ],
        )
        yield world


def shop(world: World, **columns: str) -> tuple[str, str]:
    """Import a product of 9.99 with 19 % tax, in stock, and a customer with these columns."""
    sku, customer = world.shop(on_hand=10, price="9.99")
    world.import_tables(customers=[customer_row(customer, **columns)])
    return sku, customer


async def invoice_of(world: World, order_id: str) -> Document:
    """Wait for the invoice of an order, which on credit has its goods issue first; and read it."""
    shown = await world.until_event(order_id, "allocated")
    if shown["terms"] == "net30":
        by_carrier = shown["fulfilment"] == "carrier"
        await world.until_event(order_id, "booked" if by_carrier else "consigned")
        await world.ship(order_id, "delivered")
    shown = await world.until_event(order_id, "invoiced")
    invoice: Document = (await world.api.get(f"/invoices/{shown['invoice_number']}")).json()
    return invoice


async def einvoice_of(world: World, invoice: Document) -> str:
    """Read the XML in the PDF of an invoice."""
    answer = await world.api.get(f"/invoices/{invoice['number']}/pdf")
    [xml] = PdfReader(io.BytesIO(answer.content)).attachments["factur-x.xml"]
    return xml.decode()


@pytest.mark.parametrize("place", ENTRANCES)
async def test_consumer_pays_exactly_the_price_with_tax(taxed: World, place: Place) -> None:
    """3 x 9.99: nothing stays due, and nothing is a deposit."""
    sku, customer = shop(taxed)
    document = order(sku, customer, 3)
    assert (await place(taxed, document))["total"] == "29.97"
    await taxed.until(document["order_id"], "awaiting_payment")
    await taxed.pay(document["order_id"], "29.97")
    invoice = await invoice_of(taxed, document["order_id"])
    assert (invoice["net"], invoice["tax"], invoice["total"]) == ("25.18", "4.79", "29.97")
    assert invoice["prices_include_tax"]
    [line] = invoice["lines"]
    assert (line["unit_price"], line["net"], line["gross"]) == ("9.99", "25.18", "29.97")
    shown = await taxed.order(document["order_id"])
    assert (shown["due"], shown["refunded"]) == ("0.00", "0.00")
    unmatched = (await taxed.api.get("/payments/unmatched")).json()
    assert document["order_id"] not in json.dumps(unmatched)
    _, printed, _ = await run(taxed, "invoice", "show", invoice["number"])
    assert "29.97" in printed
    assert "unit prices include tax" in printed
    assert "tax case: domestic" in printed


CASES: list[tuple[str, Document, Document, Document, tuple[str, ...]]] = [
    ("goods at home to a foreign business", {"vat_id": AUSTRIAN}, {}, {}, ("domestic", "9.99")),
    ("business in Vienna", {"vat_id": AUSTRIAN}, VIENNA, {}, ("intra_community", "8.39")),
    ("consumer in Vienna", {}, VIENNA, {}, ("distance_sale", "9.99", "8.33", "20")),
    ("exempt", {"tax_treatment": "exempt"}, {}, {}, ("exempt", "8.39")),
    ("export", {}, ZURICH, {}, ("export", "8.39")),
    (
        "prices without tax",
        *({}, {}, {"prices_include_tax": False}),
        ("domestic", "9.98", "8.39", "19"),
    ),
]
"""Columns of the customer, address, fields of the order; case, total, net and rate."""


@pytest.mark.parametrize("place", ENTRANCES)
@pytest.mark.parametrize(
    ("columns", "address", "fields", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
async def test_tax_follows_from_places_and_customer(
    taxed: World,
    place: Place,
    columns: Document,
    address: Document,
    fields: Document,
    expected: tuple[str, ...],
) -> None:
    """2006/112/EC art. 32, 33, 138, 146; the e-invoice has the VAT ids of both."""
    sku, customer = shop(taxed, **columns)
    document = order(sku, customer, terms="net30", ship_to=SHIP_TO | address, **fields)
    placed = await place(taxed, document)
    invoice = await invoice_of(taxed, document["order_id"])
    [tax] = invoice["taxes"]
    found = (invoice["tax_case"], invoice["total"], tax["taxable"], tax["rate_percent"])
    assert found[: len(expected)] == expected
    assert placed["total"] == expected[1]
    kept = (await taxed.order(document["order_id"]))["warnings"]
    assert placed["warnings"] == kept
    assert any("is not verified: check it in VIES" in warning for warning in kept) is (
        expected[0] == "intra_community"
    )
    assert invoice["no_einvoice"] is None
    xml = await einvoice_of(taxed, invoice)
    for vat_id in filter(None, (COMPANY["vat_id"], columns.get("vat_id"))):
        assert f'schemeID="VA">{vat_id}<' in xml


@pytest.mark.parametrize("place", ENTRANCES)
async def test_service_to_a_business_on_the_canary_islands_is_outside_the_scope(
    taxed: World, place: Place
) -> None:
    """Its Spanish VAT id makes it a business, not one that is established in the VAT area."""
    sku = unique("SERVICE")
    sizes = dict.fromkeys(("weight_g", "length_mm", "width_mm", "height_mm"), "")
    taxed.import_tables(products=[product_row(sku, kind="service", **sizes)])
    _, customer = shop(taxed, country="ES", vat_id="ESB58378431", postal_code="35001")
    document = order(sku, customer, terms="net30")
    await place(taxed, document)
    shown = await taxed.until_event(document["order_id"], "invoiced")
    invoice = (await taxed.api.get(f"/invoices/{shown['invoice_number']}")).json()
    assert (invoice["tax_case"], invoice["tax"]) == ("outside_scope", "0.00")


@pytest.mark.parametrize("place", ENTRANCES)
async def test_order_uses_the_rate_of_the_product_s_class(taxed: World, place: Place) -> None:
    sku, customer = shop(taxed)
    reduced = product_row(sku, unit_price="9.99", tax_rate_percent="7", tax_class="reduced")
    taxed.import_tables(products=[reduced])
    document = order(sku, customer, terms="net30", ship_to=VIENNA)
    assert (await place(taxed, document))["total"] == "9.99"
    [tax] = (await invoice_of(taxed, document["order_id"]))["taxes"]
    assert (tax["rate_percent"], tax["taxable"], tax["tax"]) == ("10", "9.08", "0.91")


async def test_order_without_a_tax_rate_is_refused_with_the_missing_row(taxed: World) -> None:
    """On both entrances, and nothing is recorded."""
    sku, customer = shop(taxed)
    document = order(sku, customer, ship_to=PARIS)
    answer = await taxed.api.post("/orders", json=document)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "lines.0.sku"
    assert "tax_rates.csv with a row FR,standard,RATE" in error["reason"]
    status, _, printed = await run(taxed, "place", "-", stdin=json.dumps(document))
    assert status != 0
    assert "FR,standard,RATE" in "".join(printed.split("\n"))
    assert (await taxed.api.get(f"/orders/{document['order_id']}")).status_code == 404


async def test_goods_handed_over_are_taxed_at_their_location(taxed: World) -> None:
    """A business of Vienna that collects its goods in Berlin pays the tax at home."""
    sku, customer = shop(taxed, vat_id=AUSTRIAN)
    document = order(
        sku, customer, terms="net30", ship_to=VIENNA, fulfilment="pick_up", location="BER"
    )
    assert (await taxed.place(document))["total"] == "9.99"
    assert (await invoice_of(taxed, document["order_id"]))["tax_case"] == "domestic"


async def test_company_without_vat_id_writes_plain_invoices_with_the_reason(
    pipeline: World,
) -> None:
    """In the history, the API and the command line; the PDF has no attachment."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    await pipeline.place(document)
    invoice = await invoice_of(pipeline, document["order_id"])
    assert "import company.csv with one" in invoice["no_einvoice"]
    answer = await pipeline.api.get(f"/invoices/{invoice['number']}/pdf")
    assert not PdfReader(io.BytesIO(answer.content)).attachments
    _, printed, _ = await run(pipeline, "invoice", "show", invoice["number"])
    assert "without e-invoice: tax is charged" in printed
    history = (await pipeline.order(document["order_id"]))["history"]
    [event] = [event for event in history if event["event"] == "invoiced"]
    assert "without e-invoice" in event["detail"]


async def test_returned_unit_gives_its_price_with_tax_back(taxed: World) -> None:
    """One of three at 9.99, and then the two others: all that was paid goes back."""
    sku, customer = shop(taxed)
    document = order(sku, customer, 3)
    order_id = document["order_id"]
    await taxed.place(document)
    await taxed.until(order_id, "awaiting_payment")
    await taxed.complete(order_id, "29.97")
    for quantity, total in ((1, "9.99"), (2, "19.98")):
        lines = [{"sku": sku, "quantity": quantity}]
        message = await command(taxed, ReceiveReturn, order_id=order_id, lines=lines)
        [return_id] = re.findall(r"RMA-\S+-\d", message)[:1]
        settled = inspected(sku, restock=quantity)
        message = await command(taxed, InspectReturn, return_id=return_id, lines=settled)
        [number] = re.findall(r"CN-\d{4}-\d{6}", message)
        note = (await taxed.api.get(f"/invoices/{number}")).json()
        assert (note["total"], note["lines"][0]["gross"]) == (total, total)


async def test_tax_report_has_the_country_of_consumption_and_equals_the_ledger(
    taxed: World,
) -> None:
    """By API, on the command line and as CSV."""
    for address in (VIENNA, ZURICH, SHIP_TO):
        sku, customer = shop(taxed, country=address["country"])
        document = order(sku, customer, ship_to=address)
        await taxed.place(document)
        await taxed.until(document["order_id"], "awaiting_payment")
        total = (await taxed.order(document["order_id"]))["total"]
        await taxed.pay(document["order_id"], total)
        await taxed.until_event(document["order_id"], "invoiced")
    by_cli = await run_json(taxed, "ledger", "tax")
    assert by_cli == (await taxed.api.get("/ledger/tax")).json()
    assert by_cli["equals_ledger"] is True
    found = {(row["country"], row["category"], row["rate_percent"]) for row in by_cli["rows"]}
    assert found >= {("AT", "S", "20"), ("DE", "G", "0"), ("DE", "S", "19")}
    table = await taxed.api.get("/ledger/tax", params={"format": "csv"})
    assert len(table.text.splitlines()) == len(by_cli["rows"]) + 1
