"""Who did what with an order, on the command line and over HTTP.

tests/unit/operations/test_audit.py has a case for every tampering.
"""

from pathlib import Path

from tests.support.masterdata.shop import unique
from tests.support.orders.stages import delivered, place_order
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


async def test_each_entry_names_its_origin(pipeline: World, tmp_path: Path) -> None:
    """An order of a customer, with reports of partners and a command and a request of operators."""
    order_id, _ = await delivered(pipeline)
    note = {"command_id": unique("c"), "amount": "5.00", "reason": "scratched"}
    invoice = (await pipeline.order(order_id))["invoice_number"]
    response = await pipeline.api.post(f"/invoices/{invoice}/credit-notes", json=note)
    assert response.status_code == 200, response.text
    trail = await run_json(pipeline, "audit", order_id)
    response = await pipeline.api.get(f"/orders/{order_id}/audit")
    until_then = response.json()["entries"][: len(trail["entries"])]  # its refund may follow
    assert until_then == trail["entries"]
    assert trail["problems"] == []
    numbers = [entry["entry_no"] for entry in trail["entries"]]
    assert numbers == list(range(1, len(numbers) + 1))
    origins = {
        entry["event"]: (entry["actor"], entry["source"], entry["reason"])
        for entry in trail["entries"]
    }
    assert origins["recorded"] == ("customer", "online", "")
    assert origins["payment_received"] == ("payments", "payments", "")
    assert origins["delivered"] == ("carriers", "carriers", "")
    assert origins["credited"] == ("operator", "api", "scratched")
    assert origins["booked"] == ("pipeline", "pipeline", "")

    file = tmp_path / "audit.jsonl"
    status, out, err = await run(pipeline, "audit", "export", "--out", str(file))
    assert status == 0, err
    assert "lines written" in out
    status, out, err = await run(pipeline, "audit", "verify", "--export", str(file))
    assert (status, err) == (0, "")
    assert "nothing differs" in out
    status, out, _ = await run(pipeline, "audit", order_id)
    assert status == 0
    assert "entries, as recorded" in out


async def test_request_from_the_command_line_and_from_the_ui(pipeline: World) -> None:
    """A cancellation names who asked for it, and by which way."""
    for source in ("cli", "temporal"):
        order_id = (await place_order(pipeline)).order_id
        await pipeline.until_event(order_id, "payment_requested")
        if source == "cli":
            given = ("--reason", "too late", "--actor", "ann")
            assert (await run(pipeline, "cancel", order_id, *given))[0] == 0
        else:
            await pipeline.order_workflow(order_id).execute_update(
                "cancel", {"reason": "too late", "actor": "ann"}
            )
        await pipeline.ended(order_id)
        trail = await run_json(pipeline, "audit", order_id)
        [asked] = [each for each in trail["entries"] if each["event"] == "cancel_requested"]
        assert (asked["actor"], asked["source"], asked["reason"]) == ("ann", source, "too late")


async def test_trail_of_an_unknown_order_and_a_broken_export_are_refused(
    pipeline: World, tmp_path: Path
) -> None:
    """With the way out."""
    unknown = unique("R")
    assert (await pipeline.api.get(f"/orders/{unknown}/audit")).status_code == 404
    status, _, err = await run(pipeline, "audit", unknown)
    assert status == 1
    assert unknown in err
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    status, _, err = await run(pipeline, "audit", "verify", "--export", str(broken))
    assert status == 2
    assert "line 1" in err
