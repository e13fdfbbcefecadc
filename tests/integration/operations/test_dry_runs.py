"""Dry runs: each command shows its rows, its partners and its money, and changes nothing."""

from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import unique
from tests.support.orders.stages import TOTAL, booked, delivered, place_order, requested
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


async def test_dry_run_of_credit_note_names_money_and_partners(pipeline: World) -> None:
    """The command itself then has the same result."""
    order_id, _ = await delivered(pipeline, 1)
    invoice = (await pipeline.order(order_id))["invoice_number"]
    body = {"command_id": unique("cmd"), "reason": "scratched", "amount": "11.90"}
    path, before = f"/invoices/{invoice}/credit-notes", rows_about(pipeline.database, order_id)
    shown = await pipeline.api.post(path, json=body | {"dry_run": True})
    assert shown.status_code == 200, shown.text
    assert rows_about(pipeline.database, order_id) == before
    effects = shown.json()["effects"]
    [entry, refund] = effects["money"]
    assert "debit sales returns 10.00 EUR" in entry
    assert refund.startswith("refund of 11.90 EUR of payment pay-")
    assert any("the payment provider is asked to pay" in text for text in effects["partners"])
    changed = {row["table"]: row for row in effects["rows"]}
    assert changed["orders"]["ids"] == [order_id]
    assert changed["credit_notes"]["rows"] == 1
    words = ("credit-note", invoice, "11.90", "--reason", "scratched")
    status, text, err = await run(pipeline, *words, "--dry-run")
    assert status == 0, err
    assert text.startswith("nothing is changed; CN-")
    assert "\nmoney     refund of 11.90 EUR of payment" in text
    assert rows_about(pipeline.database, order_id) == before
    done = await pipeline.api.post(path, json=body)
    assert "nothing is changed; " + done.json()["message"] == shown.json()["message"]
    assert "effects" not in done.json()


async def test_dry_run_is_refused_as_its_command(pipeline: World) -> None:
    order_id = await booked(pipeline)
    before = rows_about(pipeline.database, order_id)
    body = {"command_id": unique("cmd"), "reason": "gone", "dry_run": True}
    response = await pipeline.api.post(f"/orders/{order_id}/rest-cancellation", json=body)
    assert response.status_code == 422
    assert "cancel the order instead" in response.json()["detail"]
    assert rows_about(pipeline.database, order_id) == before


async def test_dry_run_of_cancellation_names_all_partners(pipeline: World) -> None:
    """The carrier, the payment provider and the mail; the order goes on."""
    order_id = await booked(pipeline)
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, "cancel", order_id, "--reason", "doubt", "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    partners = " ".join(shown["effects"]["partners"])
    for word in (f"carrier of SH-{order_id}-1", "void the payment request", "refund/1", "mailed"):
        assert word in partners, shown
    assert any("cash" in text or "refund of 119.00" in text for text in shown["effects"]["money"])
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    status, _, err = await run(pipeline, "cancel", order_id, "--dry-run")
    assert (status, "returned, not cancelled" in err) == (1, True)


async def test_dry_run_of_closed_purchase_names_its_replenishment(pipeline: World) -> None:
    """Its SKU is planned again."""
    placed = await place_order(pipeline, on_hand=0)
    shown = await pipeline.until_event(placed.order_id, "bought")
    po_id = shown["backorders"][0]["po_id"]
    before = rows_about(pipeline.database, po_id)
    words = ("po", "close", po_id, "--reason", "late")
    effects = (await run_json(pipeline, *words, "--dry-run"))["effects"]
    assert rows_about(pipeline.database, po_id) == before
    assert f"replenishment of {placed.sku} at BER" in effects["notified"]
    assert effects["money"] == []


async def test_consent_to_no_delay_is_refused_in_a_dry_run(pipeline: World) -> None:
    order_id = await requested(pipeline)
    status, _, err = await run(pipeline, "accept-delay", order_id, "--dry-run")
    assert (status, bool(err)) == (1, True)
    await pipeline.pay(order_id, TOTAL)
