"""Shipments by API and CLI: shown, tracked and printed."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from models.days import zone_of
from models.views.shipping import PaperKind
from tests.support.documents.papers import scanned
from tests.support.masterdata.shop import TIMEZONE, order, unique
from tests.support.orders.stages import TOTAL, booked
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import tracking

PRINTED = [kind for kind in PaperKind if kind is not PaperKind.BILL_OF_LADING]
"""The papers of a parcel."""


def later() -> str:
    """A time in the future."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def paper(pipeline: World, shipment_id: str, kind: str) -> bytes:
    """A paper by API and CLI, which must be the same."""
    response = await pipeline.api.get(f"/shipments/{shipment_id}/{kind}.pdf")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/pdf"
    file = pipeline.folder / f"{unique(kind)}.pdf"
    shown = await run_json(pipeline, "shipment", kind, shipment_id, "--out", str(file))
    written = await asyncio.to_thread(file.read_bytes)
    assert written == response.content
    assert shown == {"shipment_id": shipment_id, "file": str(file), "bytes": len(written)}
    assert written.startswith(b"%PDF")
    return written


async def no_paper(pipeline: World, shipment_id: str, kind: str) -> str:
    """The reason why a paper doesn't exist, by API and CLI."""
    response = await pipeline.api.get(f"/shipments/{shipment_id}/{kind}.pdf")
    assert (response.status_code, response.json()["code"]) == (404, "paper_unknown")
    file = pipeline.folder / unique("none")
    status, _, errors = await run(pipeline, "shipment", kind, shipment_id, "--out", str(file))
    reason = str(response.json()["detail"])
    assert (status, file.exists()) == (1, False)
    assert reason in errors
    return reason


async def shipped(pipeline: World, document: dict[str, Any], total: str, event: str) -> str:
    """Pay an order and wait for `event`; returns the id of its shipment."""
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, total)
    await pipeline.until_event(order_id, event)
    return f"SH-{order_id}-1"


async def test_shipment_is_tracked_by_command_line(pipeline: World) -> None:
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    listed = await run_json(pipeline, "shipments", "--order", order_id, "--state", "booked")
    assert [(row["shipment_id"], row["package_count"]) for row in listed] == [(shipment_id, 1)]
    at = datetime.now(UTC) - timedelta(hours=2)
    words = ("shipment", "event", shipment_id)
    sent = await run_json(pipeline, *words, "in_transit", "--place", "Leipzig", "--event-id", "e-1")
    assert sent == {"fact_id": "e-1", "workflow_id": f"order-{order_id}"}
    await pipeline.until_order(order_id, lambda o: tracking(o) == "in_transit")
    again = await run_json(
        pipeline, *words, "in_transit", "--place", "Leipzig", "--event-id", "e-1"
    )
    assert again["workflow_id"] is None
    local = at.astimezone(zone_of(TIMEZONE)).replace(tzinfo=None)
    await run_json(pipeline, *words, "picked_up", "--at", local.isoformat())
    delivered = ("delivered", "--signed-by", "Ada [x]", "--reference", "POD-1", "--place", "Berlin")
    await run_json(pipeline, *words, *delivered)
    await pipeline.until(order_id, "completed")
    shown = await run_json(pipeline, "shipment", shipment_id)
    assert [event["status"] for event in shown["events"]] == [
        *("picked_up", "in_transit", "delivered")
    ]
    assert datetime.fromisoformat(shown["events"][0]["occurred_at"]) == at
    proof = {name: shown["proof"][name] for name in ("signed_by", "place", "reference")}
    assert proof == {"signed_by": "Ada [x]", "place": "Berlin", "reference": "POD-1"}
    assert shown == await run_json(pipeline, "shipment", "show", shipment_id)
    _, table, _ = await run(pipeline, "shipment", shipment_id)
    assert all(
        word in table
        for word in ("Leipzig", "signed by Ada [x]", "POD-1", "carton", "tracking: delivered")
    )
    _, table, _ = await run(pipeline, "shipments", "--order", order_id)
    assert shipment_id in table
    _, status, _ = await run(pipeline, "status", order_id)
    assert "returned" in status
    assert f"{shipment_id}: delivered, " in status


async def test_shipment_is_tracked_by_api(pipeline: World) -> None:
    order_id = await booked(pipeline)
    path = f"/shipments/SH-{order_id}-1"
    listed = (await pipeline.api.get("/shipments", params={"order_id": order_id})).json()
    assert [row["state"] for row in listed] == ["booked"]
    everything = (await pipeline.api.get("/shipments", params={"limit": 0})).json()
    assert listed[0] in everything
    shown = (await pipeline.api.get(path)).json()
    assert shown["lines"][0]["quantity"] == 1
    assert shown["packages"][0]["contents"] == [{"sku": shown["lines"][0]["sku"], "quantity": 1}]
    assert (shown["proof"], shown["claims"], shown["currency"]) == (None, [], "EUR")
    assert all(shown[name] for name in ("charge", "choice", "mode_reason"))
    assert listed[0].items() <= shown.items()
    sent = await pipeline.api.post(f"{path}/events", json={"status": "out_for_delivery"})
    assert (sent.status_code, sent.json()["workflow_id"]) == (202, f"order-{order_id}")
    await pipeline.until_order(order_id, lambda o: tracking(o) == "out_for_delivery")
    last = {"event_id": unique("ev"), "status": "delivered", "signed_by": "Ada"}
    for workflow_id in (f"order-{order_id}", None):
        sent = await pipeline.api.post(f"{path}/events", json=last)
        assert sent.json() == {"fact_id": last["event_id"], "workflow_id": workflow_id}
        await pipeline.until(order_id, "completed")
    assert (await pipeline.api.get(path)).json()["proof"]["signed_by"] == "Ada"


async def test_invalid_shipment_input_is_rejected(pipeline: World) -> None:
    """The API names the field; the CLI exits with status 1, or 2 for wrong use."""
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    for body, field in (
        ({"status": "vanished"}, "status"),
        ({"status": "lost", "occurred_at": later()}, "occurred_at"),
        ({"status": "lost", "occurred_at": "soon"}, "occurred_at"),
        ({"status": "lost", "event_id": 7}, "event_id"),
        ({"status": "lost", "colour": "red"}, "colour"),
        ({"status": "lost", "order_id": "X"}, "order_id"),
        ({}, "status"),
    ):
        response = await pipeline.api.post(f"/shipments/{shipment_id}/events", json=body)
        assert response.status_code == 422, body
        assert [error["field"] for error in response.json()["errors"]] == [field]
    for path in ("", "/label.pdf"):
        response = await pipeline.api.get(f"/shipments/none{path}")
        assert (response.status_code, response.json()["code"]) == (404, "shipment_unknown")
    response = await pipeline.api.post("/shipments/none/events", json={"status": "lost"})
    assert (response.status_code, response.json()["code"]) == (404, "shipment_unknown")
    assert (await pipeline.api.get("/shipments?state=nowhere")).status_code == 422
    assert (await pipeline.api.get(f"/shipments/{shipment_id}/poem.pdf")).status_code == 422
    nowhere = str(pipeline.folder / "none" / "label.pdf")
    cases: list[tuple[int, list[str], str]] = [
        (1, ["shipment", "none"], "none"),
        (1, ["shipment", "event", "none", "lost"], "none"),
        (1, ["shipment", "label", "none", "--out", nowhere], "none"),
        (1, ["shipment", "event", shipment_id, "lost", "--at", later()], "hasn't come yet"),
        (2, ["shipment", "event", shipment_id, "vanished"], "vanished"),
        (2, ["shipment", "event", shipment_id, "lost", "--at", "soon"], "soon"),
        (2, ["shipment", "label", shipment_id, "--out", nowhere], "No such file"),
    ]
    ends = await asyncio.gather(*(run(pipeline, *words) for _, words, _ in cases))
    for (expected, words, reason), (status, _, err) in zip(cases, ends, strict=True):
        assert (status, reason in err) == (expected, True), (words, err)
    shown = (await pipeline.api.get(f"/shipments/{shipment_id}")).json()
    assert shown["events"] == []


async def test_parcel_papers_are_printed_with_readable_barcodes(
    pipeline: World, tmp_path: Path
) -> None:
    """A parcel has no bill of lading."""
    order_id = await booked(pipeline)
    shipment_id = f"SH-{order_id}-1"
    papers = {kind: await paper(pipeline, shipment_id, kind) for kind in PRINTED}
    shown = (await pipeline.api.get(f"/shipments/{shipment_id}")).json()
    codes = await asyncio.to_thread(scanned, papers[PaperKind.LABEL], tmp_path)
    assert codes == {
        f"CODE-128:00{shown['packages'][0]['sscc']}",
        f"CODE-128:{shown['tracking_number']}",
    }
    codes = await asyncio.to_thread(scanned, papers[PaperKind.PICK_LIST], tmp_path)
    assert codes == {f"CODE-128:{shipment_id}"}
    assert "parcel" in await no_paper(pipeline, shipment_id, "bill-of-lading")


async def test_freight_has_a_bill_of_lading(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=1, weight_g=200_000)
    shipment_id = await shipped(pipeline, order(sku, customer), TOTAL, "booked")
    assert (await pipeline.api.get(f"/shipments/{shipment_id}")).json()["mode"] == "ltl"
    for kind in PaperKind:
        await paper(pipeline, shipment_id, kind)


async def test_pick_up_order_has_no_label(pipeline: World) -> None:
    sku, customer = pipeline.shop()
    document = order(
        *(sku, customer),
        channel="store",
        fulfilment="pick_up",
        location="BER",
        taken_by="Mia",
    )
    shipment_id = await shipped(pipeline, document, TOTAL, "consigned")
    for kind in (PaperKind.PICK_LIST, PaperKind.PACKING_SLIP):
        await paper(pipeline, shipment_id, kind)
    for kind in (PaperKind.LABEL, PaperKind.BILL_OF_LADING):
        assert "the customer collects" in await no_paper(pipeline, shipment_id, kind)
    _, status, _ = await run(pipeline, "status", document["order_id"])
    assert "taken by Mia\npick up at BER\n" in status
    assert f"{shipment_id}: planned, no carrier\n" in status
    await run_json(pipeline, "shipment", "event", shipment_id, "delivered", "--signed-by", "Ada")
    await pipeline.until(document["order_id"], "completed")


async def test_cancelled_shipment_has_no_papers(pipeline: World) -> None:
    order_id = await booked(pipeline)
    await run_json(pipeline, "cancel", order_id)
    await pipeline.until(order_id, "cancelled")
    for kind in PaperKind:
        assert "it was cancelled" in await no_paper(pipeline, f"SH-{order_id}-1", kind)
