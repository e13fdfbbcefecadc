"""Returns on command line and API: life cycle, labels and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents.papers import scanned
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import delivered
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.returns.states import came_back, settled

WHY = ("--reason", "too small")


async def send(world: World, path: str, **fields: Any) -> Document:
    """Send a command to the API, which accepts it."""
    sent = {"command_id": unique("cmd"), "reason": "too small"} | fields
    response = await world.api.post(path, json=sent)
    assert response.status_code == 200, response.text
    answer: Document = response.json()
    return answer


async def refused(world: World, path: str, **fields: Any) -> tuple[int, str, list[str]]:
    """Send a command to the API, which refuses it; returns status, code and named fields."""
    sent = {"command_id": unique("cmd"), "reason": "too small"} | fields
    response = await world.api.post(path, json=sent)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    named = [error["field"] for error in problem.get("errors", ())]
    return response.status_code, problem["code"], named


async def test_life_of_return_on_command_line(pipeline: World, tmp_path: Path) -> None:
    """Requested, authorised, labelled, sent, received, inspected, settled."""
    order_id, sku = await delivered(pipeline)
    return_id = f"RMA-{order_id}-1"
    request = ("returns", "request", order_id, f"{sku}:2", *WHY, "--id", unique("cmd"))
    done = await run_json(pipeline, *request, "--because", "wrong_item")
    assert done["message"] == f"{return_id} is requested"
    assert await run_json(pipeline, *request, "--because", "wrong_item") == done
    label = ("returns", "label", return_id, "--out", str(tmp_path / "label.pdf"))
    status, _, err = await run(pipeline, *label)
    assert (status, "is requested: only a return that is authorised has a label" in err) == (
        1,
        True,
    )
    await run_json(pipeline, "returns", "authorise", return_id, *WHY, "--actor", "ann")
    written = await run_json(pipeline, *label)
    pdf = (tmp_path / "label.pdf").read_bytes()
    assert written["bytes"] == len(pdf)
    assert {code.partition(":")[2] for code in scanned(pdf, tmp_path)} == {return_id}
    await run_json(pipeline, "returns", "sent", return_id)
    await run_json(pipeline, "returns", "receive", return_id, f"{sku}:2")
    inspected = (f"{sku}:1:restock:opened", f"{sku}:1:scrap")
    await run_json(pipeline, "returns", "inspect", return_id, *inspected)
    await settled(pipeline, return_id)
    shown = await run_json(pipeline, "returns", return_id)
    assert (shown["state"], shown["reason"], shown["received"]) == ("settled", "wrong_item", 2)
    assert [(row["restocked"], row["scrapped"]) for row in shown["lines"]] == [(1, 1)]
    assert [row["refunded"] for row in shown["settlements"]] == ["238.00"]
    status, words, _ = await run(pipeline, "returns", "show", return_id)
    assert status == 0
    assert f"Return {return_id} of {order_id}: settled" in words
    assert "238.00 EUR" in words
    status, _, err = await run(pipeline, *label)
    assert (status, "is settled" in err) == (1, True)
    listed = await run_json(pipeline, "returns", "list", "--order", order_id, "--state", "settled")
    assert [row["return_id"] for row in listed] == [return_id]
    assert (
        await run_json(pipeline, "returns", "list", "--order", order_id, "--state", "expired") == []
    )
    status, words, _ = await run(pipeline, "returns", "list", "--order", order_id)
    assert (status, return_id in words) == (0, True)
    history = (await pipeline.order(order_id))["history"]
    [authorised] = [row["detail"] for row in history if row["event"] == "return_authorised"]
    assert authorised == f"{return_id} by ann: too small"


async def test_unannounced_goods_on_command_line(pipeline: World) -> None:
    """They are received for their order; then an exchange is requested and rejected."""
    order_id, sku = await delivered(pipeline, quantity=3)
    await run_json(pipeline, "returns", "receive", "--order", order_id, f"{sku}:1")
    shown = await run_json(pipeline, "returns", f"RMA-{order_id}-1")
    assert (shown["state"], shown["reason"]) == ("received", "unannounced")
    request = ("returns", "request", order_id, f"{sku}:2", *WHY, "--exchange")
    await run_json(pipeline, *request)
    await run_json(pipeline, "returns", "reject", f"RMA-{order_id}-2", "--reason", "used up")
    shown = await run_json(pipeline, "returns", "show", f"RMA-{order_id}-2")
    assert (shown["state"], shown["wish"], shown["note"]) == ("rejected", "exchange", "used up")


async def test_life_of_return_on_api(pipeline: World, tmp_path: Path) -> None:
    """The same as on the command line, and an unannounced parcel."""
    order_id, sku = await delivered(pipeline)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    path = f"/returns/{return_id}"
    await send(pipeline, "/returns", order_id=order_id, lines=lines, because="damaged")
    response = await pipeline.api.get(f"{path}/label.pdf")
    assert (response.status_code, response.json()["code"]) == (409, "label_refused")
    await send(pipeline, f"{path}/authorisation")
    response = await pipeline.api.get(f"{path}/label.pdf")
    assert response.headers["content-type"] == "application/pdf"
    codes = scanned(response.content, tmp_path)
    assert {code.partition(":")[2] for code in codes} == {return_id}
    await send(pipeline, f"{path}/dispatch")
    assert (await pipeline.api.get(path)).json()["state"] == "in_transit"
    await send(pipeline, f"{path}/receipts", lines=lines)
    back = [{"sku": sku, "quantity": 1, "disposition": "to_supplier", "condition": "worn"}]
    await send(pipeline, f"{path}/inspections", lines=back)
    await settled(pipeline, return_id)
    shown = (await pipeline.api.get(path)).json()
    assert (shown["state"], shown["lines"][0]["sent_back"]) == ("settled", 1)
    assert [row["refunded"] for row in shown["settlements"]] == ["119.00"]
    await send(pipeline, f"/orders/{order_id}/unannounced-returns", lines=lines)
    await send(pipeline, "/returns", order_id=order_id, lines=lines)
    await send(pipeline, f"/returns/RMA-{order_id}-3/rejection")
    query = {"order_id": order_id}
    rows = (await pipeline.api.get("/returns", params=query)).json()
    assert [row["state"] for row in rows] == ["rejected", "received", "settled"]
    rows = (await pipeline.api.get("/returns", params=query | {"state": "received"})).json()
    assert [row["return_id"] for row in rows] == [f"RMA-{order_id}-2"]
    rows = (await pipeline.api.get("/returns", params=query | {"limit": 1})).json()
    assert [row["return_id"] for row in rows] == [f"RMA-{order_id}-3"]


async def test_api_refusals_name_field_or_missing_id(pipeline: World) -> None:
    """A refusal changes nothing."""
    order_id, sku = await delivered(pipeline)
    _, other = await delivered(pipeline, quantity=1)

    def of(quantity: int, what: str = sku) -> Document:
        return {"lines": [{"sku": what, "quantity": quantity}]}

    for fields, field, code in (
        (of(0), "lines.0.quantity", "invalid_input"),
        (of(4), "lines.0.quantity", "return_refused"),
        (of(1, other), "lines.0.sku", "return_refused"),
        (of(1) | {"because": "unannounced"}, "because", "invalid_input"),
        (of(1) | {"colour": "red"}, "colour", "invalid_input"),
    ):
        answer = await refused(pipeline, "/returns", order_id=order_id, **fields)
        assert answer == (422, code, [field])
    assert await refused(pipeline, "/returns/RMA-0/receipts", **of(1)) == (404, "unknown", [])
    assert await refused(pipeline, "/orders/none/unannounced-returns", **of(1)) == (
        404,
        "unknown",
        [],
    )
    for path in ("/returns/RMA-0", "/returns/RMA-0/label.pdf"):
        response = await pipeline.api.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "return_unknown")
    assert (await pipeline.api.get("/returns?state=lost")).status_code == 422
    assert (await pipeline.api.get("/returns", params={"order_id": order_id})).json() == []
    described = (await pipeline.api.get("/openapi.json")).json()
    assert "#/$defs/" not in json.dumps(described)
    body = described["paths"]["/returns"]["post"]["requestBody"]["content"]["application/json"]
    line = body["schema"]["properties"]["lines"]["items"]
    assert set(line["properties"]) == {"sku", "quantity"}


async def test_command_line_separates_refusals_from_wrong_use(pipeline: World) -> None:
    """Neither changes anything."""
    order_id, sku = await delivered(pipeline)
    _, other = await delivered(pipeline, quantity=1)
    request = ("returns", "request", order_id)

    for unit, field in ((f"{sku}:0", "quantity"), (f"{sku}:4", "quantity"), (f"{other}:1", "sku")):
        status, out, _ = await run(pipeline, *request, unit, *WHY, "--json")
        errors = json.loads(out)["errors"]
        assert (status, [error["field"] for error in errors]) == (1, [f"lines.0.{field}"])
    for unit in (sku, f"{sku}:", f"{sku}:two", f"{sku}:1:restock"):
        status, out, _ = await run(pipeline, *request, unit, *WHY, "--json")
        problem = json.loads(out)
        assert (status, problem["code"]) == (2, "wrong_use")
        assert f"'{unit}' isn't SKU:QUANTITY" in problem["detail"]
    for words, reason in (
        (("receive", f"{sku}:1"), "is no return's id"),
        (("receive", "RMA-0"), "no units: give SKU:QUANTITY"),
        (("receive", "--order", order_id, "RMA-0", f"{sku}:1"), "'RMA-0' isn't SKU:QUANTITY"),
        (("inspect", "RMA-0", f"{sku}:1"), "restock, scrap, to_supplier"),
        (("inspect", "RMA-0", f"{sku}:1:burn"), "restock, scrap, to_supplier"),
        (("inspect", "RMA-0", f"{sku}:1:scrap:eaten"), "as_new, opened, worn"),
        (("inspect", "RMA-0", f"{sku}:1:scrap:worn:1"), "as_new, opened, worn"),
    ):
        status, out, _ = await run(pipeline, "returns", *words, "--json")
        assert (status, reason in json.loads(out)["detail"]) == (2, True), out
    for of_no_return in (
        ("RMA-0",),
        ("label", "RMA-0", "--out", "nothing.pdf"),
        ("sent", "RMA-0"),
        ("receive", "RMA-0", f"{sku}:1"),
        ("inspect", "RMA-0", f"{sku}:1:scrap"),
    ):
        status, _, err = await run(pipeline, "returns", *of_no_return)
        assert (status, "there is no return 'RMA-0'" in err) == (1, True), err
    assert await run_json(pipeline, "returns", "list", "--order", order_id) == []


@pytest.mark.parametrize("more", [1, 2])
async def test_received_units_never_exceed_delivered_units(pipeline: World, more: int) -> None:
    """At most the units of a return; for an order, at most those of no other return."""
    order_id, sku = await delivered(pipeline, quantity=2)
    return_id = await came_back(pipeline, order_id, sku, 1)
    unit = f"{sku}:{more}"
    status, _, err = await run(pipeline, "returns", "receive", return_id, unit)
    assert (status, "lines.0.quantity: 0 x" in err) == (1, True), err
    status, _, err = await run(pipeline, "returns", "receive", "--order", order_id, unit)
    assert (status == 0) == (more == 1), err
