"""The command line, as a process: exit status, JSON and text."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

from models.days import day_at
from tests.support.masterdata.shop import TIMEZONE, order, today, unique, write_shop
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


async def test_order_on_command_line_from_import_to_completed(
    pipeline: World, tmp_path: Path
) -> None:
    """All commands that a shop needs, in their order."""
    sku, customer = unique("SKU"), unique("C")
    write_shop(tmp_path / "shop", sku, customer, on_hand=1)
    imported = await run_json(pipeline, "import", str(tmp_path / "shop"))
    assert imported["imported"]["products.csv"] == 1
    _, text, _ = await run(pipeline, "import", str(tmp_path / "shop"))
    assert "products.csv: 0 new, 0 changed, 1 unchanged" in text
    document = order(sku, customer, quantity=2, terms="cash", channel="store")
    order_id = document["order_id"]
    placed = await run_json(pipeline, "place", "-", stdin=json.dumps(document))
    assert placed["order_id"] == order_id
    assert placed["created"] is True

    short = await pipeline.until_event(order_id, "bought")
    po_id = short["backorders"][0]["po_id"]
    await run_json(pipeline, "receive", po_id, sku, "1", "--receipt-id", unique("rc"))
    await pipeline.until(order_id, "awaiting_payment")
    payment = unique("till")
    for _ in range(2):
        await run_json(pipeline, "pay", order_id, "238.00", "--payment-id", payment)
    await pipeline.until_event(order_id, "booked")
    await run_json(pipeline, "deliver", f"SH-{order_id}-1")
    await pipeline.until(order_id, "completed")

    shown = await run_json(pipeline, "status", order_id)
    assert shown["paid"] == "238.00"
    assert shown["stage"] == "completed"
    listed = await run_json(pipeline, "list", "--stage", "completed", "--limit", "0")
    assert order_id in [row["order_id"] for row in listed]
    history = await run_json(pipeline, "customer", customer)
    assert history["volume"] == "238.00"
    balance = await run_json(pipeline, "ledger", "trial-balance")
    assert balance["balanced"] is True
    for words in (
        ["status", order_id],
        ["list"],
        ["customer", customer],
        ["ledger", "trial-balance"],
        ["payments", "unmatched"],
    ):
        status, out, err = await run(pipeline, *words)
        assert status == 0, err
        assert out.strip()


async def test_arrays_and_json_lines_are_placed(pipeline: World, tmp_path: Path) -> None:
    """Each order has a result; if one is refused, the exit status is 1."""
    sku, customer = pipeline.shop()
    orders = [order(sku, customer) for _ in range(4)]
    file = tmp_path / "orders.json"
    file.write_text(json.dumps(orders[:2]))
    assert [o["created"] for o in await run_json(pipeline, "place", str(file))] == [True, True]
    lines = "\n".join(json.dumps(o) for o in orders)
    again = await run_json(pipeline, "place", "-", stdin=lines)
    assert [o["created"] for o in again] == [False, False, True, True]
    bad = [order(sku, customer), order("NOPE", customer)]
    status, out, err = await run(pipeline, "place", "-", "--json", stdin=json.dumps(bad))
    assert status == 1
    assert json.loads(out)[1]["errors"][0]["field"] == "lines.0.sku"
    assert "lines.0.sku" in err


async def test_broken_line_is_refused_by_number_and_others_are_placed(pipeline: World) -> None:
    """Blank lines count, so that an editor finds the line."""
    sku, customer = pipeline.shop()
    first, last = (order(sku, customer) for _ in range(2))
    lines = "\n".join([json.dumps(first), "", '{"order_id": ', json.dumps(last), ""])
    status, out, err = await run(pipeline, "place", "-", stdin=lines)
    assert status == 1
    assert [line.split()[:2] for line in out.splitlines()] == [
        [document["order_id"], "placed:"] for document in (first, last)
    ]
    assert err == "line 3 refused document: is not JSON: Expecting value (column 14)\n"
    status, out, _ = await run(pipeline, "place", "-", "--json", stdin=lines)
    assert status == 1
    [_, refused, again] = json.loads(out)
    assert (refused["code"], refused["number"]) == ("invalid_input", 3)
    assert (again["order_id"], again["created"]) == (last["order_id"], False)


async def test_nothing_of_invalid_json_is_placed(pipeline: World) -> None:
    """Also of a broken array with a line that is an order by itself."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    pretty = json.dumps(document, indent=1)
    for text in ("{", "one\ntwo", pretty[:-1], "[\n{},\n" + json.dumps(document) + "\n"):
        status, out, err = await run(pipeline, "place", "-", "--json", stdin=text)
        assert (status, json.loads(out)["code"]) == (1, "invalid_input")
        assert "is not JSON" in err
    assert (await pipeline.api.get(f"/orders/{document['order_id']}")).status_code == 404


async def test_cancel_and_retry_print_their_outcome(pipeline: World) -> None:
    """Exit status 0 if accepted; 1 and the reason if refused."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "payment_requested")
    status, _, err = await run(pipeline, "retry", document["order_id"])
    assert (status, "nothing waits" in err) == (1, True)
    done = await run_json(pipeline, "cancel", document["order_id"], "--reason", "changed my mind")
    assert done["accepted"] is True
    await pipeline.ended(document["order_id"])
    status, _, err = await run(pipeline, "cancel", document["order_id"])
    assert (status, "cancelled" in err) == (1, True)


async def test_cancellation_without_reason_names_actor(pipeline: World) -> None:
    """The history has nothing else."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "payment_requested")
    await run_json(pipeline, "cancel", document["order_id"])
    await pipeline.ended(document["order_id"])
    shown = await run_json(pipeline, "status", document["order_id"])
    assert "by operator" in [row["detail"] for row in shown["history"]]


async def test_exit_status_is_one_for_refusal_and_two_for_wrong_use(
    pipeline: World, tmp_path: Path
) -> None:
    """With the reason on standard error, no traceback, and a problem in JSON."""
    missing = str(tmp_path / "none")
    cases = [
        (1, ["status", "none"], "none"),
        (1, ["customer", "none"], "none"),
        (1, ["cancel", "none"], "none"),
        (1, ["deliver", "none"], "none"),
        (1, ["receive", "none", "none", "1"], "none"),
        (1, ["pay", "U-1", "0"], "amount"),
        (1, ["pay", "U-1", "1.005"], "amount"),
        (1, ["import", missing], "not a folder"),
        (2, ["place", missing], "No such file"),
        (2, ["list", "--stage", "nowhere"], "nowhere"),
        (2, ["list", "--limit", "-1"], "--limit"),
        (2, ["list", "--limit", "9" * 30], "--limit"),
        (2, ["receive", "PO", "SKU", "many"], "quantity"),
        (2, ["nonsense"], "nonsense"),
    ]
    ends = await asyncio.gather(*(run(pipeline, *words, "--json") for _, words, _ in cases))
    for (status, words, reason), (got, out, err) in zip(cases, ends, strict=True):
        assert got == status, (words, err)
        assert reason in err, (words, err)
        assert "Traceback" not in err
        problem = json.loads(out)
        assert reason in problem["detail"]
        assert (problem["code"] == "wrong_use") == (status == 2)


async def test_refusal_without_json_leaves_standard_output_empty(pipeline: World) -> None:
    """A problem is printed with `--json` only."""
    for words in (["status", "none"], ["nonsense"]):
        _, out, err = await run(pipeline, *words)
        assert (out, bool(err)) == ("", True)


async def test_payment_for_unknown_order_is_recorded_and_listed(pipeline: World) -> None:
    """As unmatched, on the day of the bank statement."""
    order_id, payment = unique("U"), unique("P")
    words = ("pay", order_id, "5.00", "--payment-id", payment, "--on")
    status, _, refusal = await run(pipeline, *words, str(today() + timedelta(days=1)))
    assert (status, "hasn't come yet" in refusal) == (2, True)
    yesterday = today() - timedelta(days=1)
    recorded = await run_json(pipeline, *words, str(yesterday))
    await pipeline.client.get_workflow_handle(recorded["workflow_id"]).result()
    rows = await run_json(pipeline, "payments", "unmatched")
    [row] = [row for row in rows if row["payment_id"] == payment]
    assert row["claimed_order_id"] == order_id
    assert row["reason"] == "no such order"
    assert day_at(TIMEZONE, datetime.fromisoformat(row["received_at"])) == yesterday


async def test_brackets_are_printed_without_markup(pipeline: World) -> None:
    """Text is printed as it was written."""
    _, customer = pipeline.shop(email="[b]:x:[/b]@example.com")
    _, out, _ = await run(pipeline, "customer", customer)
    assert "[b]:x:[/b]@example.com" in out


async def test_table_shows_long_cells_whole(pipeline: World) -> None:
    """Every character of an id is printed."""
    order_id, payment = unique("U") + "q" * 180, unique("P")
    recorded = await run_json(pipeline, "pay", order_id, "5.00", "--payment-id", payment)
    await pipeline.client.get_workflow_handle(recorded["workflow_id"]).result()
    _, out, _ = await run(pipeline, "payments", "unmatched")
    assert payment in out
    assert (out.count("q"), "…" in out) == (180, False)
