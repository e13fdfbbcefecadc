"""Purchase orders, replenishment, stock and offers by CLI and API."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from activities.database.unit_of_work import UnitOfWork, utc_now
from models.offers import Comparison, Requirement
from models.purchasing import PurchaseOrderState, Reason
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from tests.support.masterdata.shop import Document, order, supplier_of, unique
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.stock.two_locations import (
    ELSEWHERE,
    counters,
    everything,
    second_offer,
    shop,
    stock,
)


async def place_short(world: World, sku: str, customer: str, quantity: int) -> tuple[str, str]:
    """Place an order that is short; return its id and the purchase order that is sent for it."""
    document = order(sku, customer, quantity=quantity)
    await world.place(document)
    shown = await world.until_event(document["order_id"], "bought")
    return document["order_id"], shown["backorders"][0]["po_id"]


def bought_elsewhere(po_id: str) -> Callable[[Document], bool]:
    """Return whether a backorder is served by the other supplier."""
    other = "PO-ZETA-" if po_id.startswith("PO-ACME-") else "PO-ACME-"
    return lambda shown: (shown["backorders"][0]["po_id"] or "").startswith(other)


async def test_unknown_ids_are_refused_by_cli(pipeline: World) -> None:
    """A first word that is no command is a SKU."""
    cases = (
        ["stock", "none"],
        ["offers", "none"],
        ["replenish", "none"],
        ["po", "show", "none"],
        ["po", "ack", "none"],
        ["po", "receive", "none", "none", "1"],
        ["po", "close", "none", "--reason", "x"],
    )
    for words in cases:
        status, out, err = await run(pipeline, *words, "--json")
        assert status == 1, (words, err, out)
        assert "none" in json.loads(out)["detail"], (words, out)


async def test_due_units_of_a_closed_purchase_order_are_bought_elsewhere(pipeline: World) -> None:
    sku, customer = shop(pipeline, on_hand=1)
    second_offer(pipeline, sku)
    order_id, po_id = await place_short(pipeline, sku, customer, quantity=3)
    shown = await run_json(pipeline, "po", "show", po_id)
    assert shown["state"] == "sent"
    [reason] = shown["reasons"]
    assert (reason["orders"], reason["short"]) == ([order_id], 2)
    chosen = {row["supplier_id"] for row in reason["offers"] if row["chosen"]}
    assert len(reason["offers"]) == 2
    assert chosen == {shown["supplier_id"]}
    assert [row["order_id"] for row in shown["waiting"]] == [order_id]

    words = ("po", "close", po_id, "--reason", "they lost it", "--id", unique("close"))
    done = await run_json(pipeline, *words)
    assert "2 x" in done["message"]
    assert await run_json(pipeline, *words) == done
    waiting = await pipeline.until_order(order_id, bought_elsewhere(po_id))
    assert waiting["backorders"][0]["quantity"] == 2
    closed = (await pipeline.api.get(f"/purchase-orders/{po_id}")).json()
    assert (closed["state"], closed["lines"][0]["due"]) == ("closed", 0)
    assert closed["ended_reason"] == "closed by operator: they lost it"
    listed = await run_json(pipeline, "purchase-orders", "--state", "closed", "--limit", "0")
    assert po_id in [row["po_id"] for row in listed]
    newest = (await pipeline.api.get("/purchase-orders?limit=1")).json()
    assert newest[0]["po_id"] == waiting["backorders"][0]["po_id"]

    body = {"command_id": unique("close"), "reason": "again"}
    again = await pipeline.api.post(f"/purchase-orders/{po_id}/close", json=body)
    assert (again.status_code, again.json()["code"]) == (422, "stock_refused")
    assert "over already" in again.json()["detail"]
    for shown_by in (["po", "show", po_id], ["purchase-orders"], ["stock", sku], ["offers", sku]):
        status, out, err = await run(pipeline, *shown_by)
        assert (status, bool(out.strip())) == (0, True), err


async def test_replenish_asks_a_failed_supplier_again(pipeline: World) -> None:
    """Without another supplier, the order shows `no_supply` until then."""
    sku, customer = shop(pipeline, on_hand=0)
    order_id, po_id = await place_short(pipeline, sku, customer, quantity=1)
    body = {"command_id": unique("close"), "reason": "they say so"}
    assert (await pipeline.api.post(f"/purchase-orders/{po_id}/close", json=body)).is_success
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "no_supply"
    assert po_id in shown["attention"]["message"]
    answer = await run_json(pipeline, "replenish", sku)
    assert answer == {"workflow_ids": [f"replenish-BER-{sku}"]}
    shown = await pipeline.until_order(
        order_id, lambda o: o["backorders"][0]["po_id"] not in (None, po_id)
    )
    assert shown["backorders"][0]["po_id"].startswith(f"PO-{supplier_of(sku)}-BER-")


async def test_replenish_refuses_unknown_sku_and_location(pipeline: World) -> None:
    """And a SKU that no location keeps, unless a location is named."""
    sku, _ = shop(pipeline, on_hand=0)
    cases = [
        ({"sku": "NOPE"}, 404),
        ({"sku": sku, "location": "NOWHERE"}, 422),
        ({"sku": sku}, 422),
    ]
    for body, status in cases:
        response = await pipeline.api.post("/replenishments", json=body)
        assert response.status_code == status, response.text
    named = await pipeline.api.post("/replenishments", json={"sku": sku, "location": ELSEWHERE})
    assert named.json() == {"workflow_ids": [f"replenish-HALLE--2-{sku}"]}


@pytest.mark.parametrize("by_words", [True, False], ids=["CLI", "API"])
async def test_acknowledgement_sets_the_date_and_its_missing_units_are_bought_elsewhere(
    pipeline: World, by_words: bool
) -> None:
    sku, customer = shop(pipeline, on_hand=0)
    second_offer(pipeline, sku)
    order_id, po_id = await place_short(pipeline, sku, customer, quantity=3)
    day = (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
    if by_words:
        await run_json(pipeline, "po", "ack", po_id, "--date", day, "--line", f"{sku}=1")
    else:
        body = {
            "acknowledgement_id": unique("ack"),
            "expected_date": day,
            "lines": [{"sku": sku, "quantity": 1}],
        }
        url = f"/purchase-orders/{po_id}/acknowledgements"
        assert (await pipeline.api.post(url, json=body)).status_code == 202
    await pipeline.until_order(order_id, bought_elsewhere(po_id))
    shown = (await pipeline.api.get(f"/purchase-orders/{po_id}")).json()
    assert (shown["state"], shown["expected_date"]) == ("acknowledged", day)
    assert shown["lines"][0]["due"] == 1


REFUSED_ACKNOWLEDGEMENTS: list[tuple[Document, str]] = [
    ({"lines": [{"sku": "OTHER", "quantity": 1}]}, "lines.0.sku"),
    ({"lines": [{"sku": "S", "quantity": 4}]}, "lines.0.quantity"),
    ({"lines": [{"sku": "S", "quantity": -1}]}, "lines.0.quantity"),
    ({"expected_date": "soon"}, "expected_date"),
    ({"expected_date": "2020-01-01"}, "expected_date"),
    (
        {"lines": [{"sku": "S", "quantity": 1, "expected_date": "2020-01-01"}]},
        "lines.0.expected_date",
    ),
    ({"expected": "2030-01-01"}, "expected"),
    ({"acknowledgement_id": None}, "acknowledgement_id"),
]


async def test_refused_acknowledgement_names_the_field_and_changes_nothing(pipeline: World) -> None:
    sku, customer = shop(pipeline, on_hand=0)
    _, po_id = await place_short(pipeline, sku, customer, quantity=3)
    before = everything(pipeline, sku)
    for changes, refused_field in REFUSED_ACKNOWLEDGEMENTS:
        body = json.dumps({"acknowledgement_id": unique("ack"), **changes}).replace(
            '"S"', f'"{sku}"'
        )
        response = await pipeline.api.post(
            f"/purchase-orders/{po_id}/acknowledgements", content=body
        )
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == [refused_field]
    assert everything(pipeline, sku) == before


async def test_receipt_beyond_the_tolerance_is_refused(pipeline: World) -> None:
    """Of ten ordered units, eleven are accepted and twelve refused; a repeated receipt is ignored."""
    sku, customer = shop(pipeline, on_hand=0)
    order_id, po_id = await place_short(pipeline, sku, customer, quantity=10)
    before = everything(pipeline, sku)
    too_many = {"receipt_id": unique("rc"), "sku": sku, "quantity": 12}
    words = ("receive", po_id, sku, "12", "--json")
    for start in ((), ("po",)):
        status, out, _ = await run(pipeline, *start, *words)
        problem = json.loads(out)
        assert (status, problem["code"]) == (1, "fact_refused")
        assert problem["errors"][0]["field"] == "quantity"
        assert "11 more can be taken" in problem["detail"]
    receipts = f"/purchase-orders/{po_id}/receipts"
    answers = [
        await pipeline.api.post(receipts, json=too_many),
        await pipeline.api.post(receipts, json=too_many | {"quantity": -1}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 10**15}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 1, "damaged": 2}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 1, "sku": "NOPE"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 404]
    negative = await run(pipeline, "po", "receive", po_id, sku, "-3", "--json")
    assert (negative[0], json.loads(negative[1])["errors"][0]["field"]) == (1, "quantity")
    assert everything(pipeline, sku) == before

    receipt = unique("rc")
    taken = ("po", "receive", po_id, sku, "11", "--damaged", "1", "--receipt-id", receipt)
    await run_json(pipeline, *taken)
    await pipeline.until(order_id, "awaiting_payment")
    await run_json(pipeline, *taken)
    again = {"receipt_id": receipt, "po_id": po_id, "sku": sku, "quantity": 11, "damaged": 1}
    assert (await pipeline.send_fact("goods.received", again)).status_code == 204
    assert counters(pipeline, sku) == {"BER": (10, 10, 55_000)}
    shown = await run_json(pipeline, "po", "show", po_id)
    assert [(r["quantity"], r["damaged"]) for r in shown["receipts"]] == [(11, 1)]
    assert shown["odd_facts"] == []


async def test_planned_purchase_order_accepts_no_facts_and_no_close(pipeline: World) -> None:
    """It is not sent yet."""
    sku, _ = shop(pipeline, on_hand=0)
    po_id = unique("PO-ACME-BER")

    def plan(work: UnitOfWork) -> None:
        work.session.add(
            PurchaseOrder(
                po_id=po_id,
                supplier_id=supplier_of(sku),
                location=ELSEWHERE,
                currency="EUR",
                state=PurchaseOrderState.PLANNED,
                reason="",
                created_at=utc_now(),
                collects_until=utc_now(),
            )
        )
        work.session.flush()
        requirement = Requirement(sku=sku, short=0, restock=5, needed_by=None)
        reason = Reason(
            orders=(),
            short=0,
            restock=5,
            position=0,
            reorder_point=5,
            demand_a_day=None,
            lead_time_days=None,
            comparison=Comparison(requirement=requirement, rows=(), chosen=None, reason=""),
        )
        work.session.add(
            PurchaseOrderLine(
                po_id=po_id,
                sku=sku,
                quantity=5,
                unit_cost_minor=5_500,
                reason=reason.model_dump(mode="json"),
            )
        )

    pipeline.database.transaction(plan)
    before = everything(pipeline, sku)
    cases: list[tuple[str, Document]] = [
        ("receipts", {"receipt_id": unique("rc"), "sku": sku, "quantity": 1}),
        ("acknowledgements", {"acknowledgement_id": unique("ack")}),
        ("close", {"command_id": unique("close"), "reason": "x"}),
    ]
    for path, body in cases:
        response = await pipeline.api.post(f"/purchase-orders/{po_id}/{path}", json=body)
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == ["po_id"]
        assert "sent yet" in response.json()["detail"]
    assert everything(pipeline, sku) == before


# Views.


async def test_stock_view_shows_shortages_units_on_order_and_available_to_promise(
    pipeline: World,
) -> None:
    sku, customer = shop(pipeline, on_hand=4)
    order_id, po_id = await place_short(pipeline, sku, customer, quantity=6)
    day = (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
    await run_json(pipeline, "po", "ack", po_id, "--date", day)
    await pipeline.until_order(order_id, lambda o: o["backorders"][0]["expected_date"] == day)
    shown = await run_json(pipeline, "stock", sku)
    assert shown == await stock(pipeline, sku)
    assert shown == await run_json(pipeline, "stock", "show", sku)
    [at] = shown["locations"]
    counted = ("on_hand", "reserved", "available", "on_order", "backordered", "value")
    assert [at[name] for name in counted] == [4, 4, 0, 2, 2, "240.00"]
    assert (at["reorder_point"], at["reviewed_at"]) == (None, None)
    [waiting] = shown["waiting"]
    assert (waiting["order_id"], waiting["quantity"]) == (order_id, 2)
    assert (waiting["po_id"], waiting["expected_date"]) == (po_id, day)
    assert [row["units"] for row in shown["available_to_promise"]] == [0]
    second = order(sku, customer, quantity=1)
    await pipeline.place(second)
    await pipeline.until(second["order_id"], "awaiting_stock")
    shown = await stock(pipeline, sku)
    assert [row["order_id"] for row in shown["waiting"]] == [order_id, second["order_id"]]


async def test_offers_view_shows_landed_cost_price_break_and_terms(pipeline: World) -> None:
    """The same by API and CLI."""
    sku, _ = shop(pipeline)
    second_offer(
        pipeline,
        sku,
        unit_cost="40.00",
        minimum_quantity=5,
        break_quantity=50,
        break_unit_cost="35.00",
        freight_cost="10.00",
        duty_percent="5",
        valid_until="2020-12-31",
    )
    shown = await run_json(pipeline, "offers", sku)
    assert shown == (await pipeline.api.get(f"/offers/{sku}")).json()
    acme, zeta = sorted(shown["offers"], key=lambda row: row["supplier_id"])
    assert (zeta["break_quantity"], zeta["break_unit_cost"]) == (50, "35.00")
    assert (zeta["smallest_purchase"], zeta["landed_cost"]) == (5, "220.00")
    assert (zeta["landed_unit_cost"], zeta["duty_percent"]) == ("44.00", "5")
    assert zeta["why_not"] == "expired on 2020-12-31"
    assert (acme["landed_unit_cost"], acme["why_not"]) == ("55.00", None)


async def test_price_tiers_of_an_offer_price_a_purchase_order(pipeline: World) -> None:
    """Shown alike by API and CLI; the supplier acknowledges another price, as an operator records."""
    sku, customer = shop(pipeline, on_hand=0)
    lines = [
        "supplier_id,sku,from_quantity,unit_cost,currency,minimum_quantity,pack_size,lead_time_days"
    ]
    for least, cost in ((1, "55.00"), (5, "50.00"), (40, "41.00")):
        lines.append(f"{supplier_of(sku)},{sku},{least},{cost},EUR,1,1,3")
    content = "\n".join(lines) + "\n"
    answer = await pipeline.api.post("/imports/offers.csv", content=content)
    assert answer.status_code == 200, answer.text
    shown = await run_json(pipeline, "offers", sku)
    assert shown == (await pipeline.api.get(f"/offers/{sku}")).json()
    found = [(r["from_quantity"], r["unit_cost"], r["smallest_purchase"]) for r in shown["offers"]]
    assert found == [(1, "55.00", 1), (5, "50.00", 5), (40, "41.00", 40)]
    _, po_id = await place_short(pipeline, sku, customer, quantity=6)
    line = (await run_json(pipeline, "po", "show", po_id))["lines"][0]
    assert (line["quantity"], line["unit_cost"]) == (6, "50.00")
    [sent] = await pipeline.requests("suppliers", "purchase_order", sku)
    assert [row["unit_cost"] for row in sent["body"]["lines"]] == ["50.00"]
    status, _, err = await run(pipeline, "po", "ack", po_id, "--line", f"{sku}=6@1.234")
    assert status == 1
    assert "unit_cost" in err
    await run_json(pipeline, "po", "ack", po_id, "--line", f"{sku}=6@52.00")

    async def acknowledged_price() -> object:
        shown = (await pipeline.api.get(f"/purchase-orders/{po_id}")).json()
        return shown["lines"][0]["acknowledged_unit_cost"]

    assert await until(acknowledged_price) == "52.00"
