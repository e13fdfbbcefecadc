"""Addresses of orders, by API and on the command line."""

import io
import json

import pytest
from pypdf import PdfReader

from tests.support.masterdata.shop import SHIP_TO, customer_row, order
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World

CORK = {"name": "Ada", "street": "1 Main Street", "city": "Cork", "country": "IE"}
ROME = {"name": "Ada", "street": "Via A 1", "city": "Tivoli", "postal_code": "00019"}


@pytest.mark.parametrize("entrance", ["api", "cli"])
async def test_address_without_postal_code_is_delivered(pipeline: World, entrance: str) -> None:
    """To a country that needs none: the carrier gets it, and invoice and label are printed."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, ship_to=CORK)
    if entrance == "api":
        await pipeline.place(document)
    else:
        await run_json(pipeline, "place", "-", stdin=json.dumps(document))
    shown = await pipeline.complete(document["order_id"], "119.00")
    assert shown["warnings"] == []
    [booked] = await pipeline.requests("carriers", "booking", document["order_id"])
    assert booked["body"]["ship_to"] == CORK | {"region": None, "postal_code": None}
    label = await pipeline.api.get(f"/shipments/SH-{document['order_id']}-1/label.pdf")
    assert label.content.startswith(b"%PDF")


@pytest.mark.parametrize("entrance", ["api", "cli"])
async def test_company_and_second_line_reach_carrier_label_and_invoice(
    pipeline: World, entrance: str
) -> None:
    """Those of customer, company and location come from their files."""
    sku, customer = pipeline.shop()
    pipeline.import_tables(customers=[customer_row(customer, company="Acme AG", line2="Hof")])
    address = {"company": "Acme GmbH", "street": "Hafenstr. 12", "line2": "Aufgang B"}
    document = order(sku, customer, ship_to=SHIP_TO | address)
    if entrance == "api":
        await pipeline.place(document)
    else:
        await run_json(pipeline, "place", "-", stdin=json.dumps(document))
    await pipeline.complete(document["order_id"], "119.00")
    [booked] = await pipeline.requests("carriers", "booking", document["order_id"])
    assert booked["body"]["ship_to"] == SHIP_TO | address | {"region": None}
    assert booked["body"]["ship_from"]["line2"] == ""
    label = await pipeline.api.get(f"/shipments/SH-{document['order_id']}-1/label.pdf")
    name, town = SHIP_TO["name"], f"{SHIP_TO['postal_code']} {SHIP_TO['city']}"
    printed = f"Acme GmbH {name} Hafenstr. 12 Aufgang B {town}"
    assert printed in _text_of(label.content)
    [invoice] = (await pipeline.api.get(f"/orders/{document['order_id']}/invoices")).json()
    bill = await pipeline.api.get(f"/invoices/{invoice['number']}/pdf")
    assert "Acme GmbH Acme AG" in _text_of(bill.content)
    shown = (await pipeline.api.get(f"/customers/{customer}")).json()
    assert shown["company"] == "Acme AG"
    assert (await run_json(pipeline, "customer", customer))["company"] == "Acme AG"


def _text_of(pdf: bytes) -> str:
    """Read the text of a PDF with single spaces."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


async def test_undeliverable_address_is_refused_alike(pipeline: World) -> None:
    """By API and on the command line, with field and example; nothing is placed."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, ship_to=SHIP_TO | {"postal_code": "1067"})
    reason = "'1067' is not a postal code of DE (Germany), such as 26133"
    expected = [{"field": "ship_to.postal_code", "reason": reason}]
    answer = await pipeline.api.post("/orders", json=document)
    assert (answer.status_code, answer.json()["errors"]) == (422, expected)
    status, out, err = await run(pipeline, "place", "-", "--json", stdin=json.dumps(document))
    assert (status, json.loads(out)["errors"]) == (1, expected)
    assert reason in err
    assert (await pipeline.api.get(f"/orders/{document['order_id']}")).status_code == 404


async def test_warning_is_kept_with_the_order(pipeline: World) -> None:
    """The answer has it; API and command line show and list it."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, ship_to=ROME | {"country": "IT"})
    usual = order(sku, customer)
    warning = "ship_to.region: is missing: addresses of IT (Italy) have one, such as Agrigento"
    assert (await pipeline.place(document))["warnings"] == [warning]
    await pipeline.place(usual)
    for placed in (document, usual):
        await pipeline.until_event(placed["order_id"], "recorded")
    for rows in (
        (await pipeline.api.get("/orders", params={"warnings": True, "limit": 0})).json(),
        await run_json(pipeline, "list", "--warnings", "--limit", "0"),
    ):
        warned = {row["order_id"]: row["warnings"] for row in rows}
        assert warned[document["order_id"]] == [warning]
        assert usual["order_id"] not in warned
    again = json.dumps(document)
    for words in (("status", document["order_id"]), ("place", "-")):
        _, text, _ = await run(pipeline, *words, stdin=again)
        assert f"warning: {warning}" in text
    _, text, _ = await run(pipeline, "list", "--warnings", "--limit", "0", "--wide")
    assert warning in text
