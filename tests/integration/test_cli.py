"""The command line, as a process: exit status, JSON, and words for people."""

import asyncio
import json
from pathlib import Path

from tests.support.command_line import run, run_json
from tests.support.shop import order, unique, write_shop
from tests.support.world import World


async def test_an_order_by_command_line_from_import_to_completed(
    pipeline: World, tmp_path: Path
) -> None:
    """Every command a shop needs, in the order in which it needs them."""
    sku, customer = unique("SKU"), unique("C")
    write_shop(tmp_path / "shop", sku, customer, on_hand=1)
    imported = await run_json(pipeline, "import", str(tmp_path / "shop"))
    assert imported["imported"]["products.csv"] == 1
    _, told, _ = await run(pipeline, "import", str(tmp_path / "shop"))
    assert "1 row of products.csv, " in told
    document = order(sku, customer, quantity=2, terms="cash", channel="store")
    order_id = document["order_id"]
    placed = await run_json(pipeline, "place", "-", stdin=json.dumps(document))
    assert placed["order_id"] == order_id
    assert placed["created"] is True

    waiting = await pipeline.until_event(order_id, "bought")
    po_id = waiting["backorders"][0]["po_id"]
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


async def test_places_arrays_and_json_lines(pipeline: World, tmp_path: Path) -> None:
    """And says of each order whether it was taken; one refused makes the status 1."""
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


async def test_a_broken_line_is_refused_by_its_number_and_the_others_are_placed(
    pipeline: World,
) -> None:
    """As an order of an array; blank lines count, so that an editor finds it."""
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


async def test_of_what_is_not_json_nothing_is_placed(pipeline: World) -> None:
    """A broken array too, even if one of its lines is an order by itself."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    pretty = json.dumps(document, indent=1)
    for text in ("{", "one\ntwo", pretty[:-1], "[\n{},\n" + json.dumps(document) + "\n"):
        status, out, err = await run(pipeline, "place", "-", "--json", stdin=text)
        assert (status, json.loads(out)["code"]) == (1, "invalid_input")
        assert "is not JSON" in err
    assert (await pipeline.api.get(f"/orders/{document['order_id']}")).status_code == 404


async def test_cancel_and_retry_say_what_came_of_it(pipeline: World) -> None:
    """Done: 0; refused, with the reason: 1."""
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


async def test_a_cancellation_without_a_reason_says_by_whom(pipeline: World) -> None:
    """And nothing else."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "payment_requested")
    await run_json(pipeline, "cancel", document["order_id"])
    await pipeline.ended(document["order_id"])
    shown = await run_json(pipeline, "status", document["order_id"])
    assert "by operator" in [row["detail"] for row in shown["history"]]


async def test_refusals_are_one_and_wrong_use_is_two(pipeline: World, tmp_path: Path) -> None:
    """With a sentence on standard error that names what is wrong, no traceback, and a problem in
    JSON."""
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
    for (status, words, told), (got, out, err) in zip(cases, ends, strict=True):
        assert got == status, (words, err)
        assert told in err, (words, err)
        assert "Traceback" not in err
        problem = json.loads(out)
        assert told in problem["detail"]
        assert (problem["code"] == "wrong_use") == (status == 2)


async def test_a_refusal_in_words_leaves_standard_output_empty(pipeline: World) -> None:
    """The problem is for who asked for JSON."""
    for words in (["status", "none"], ["nonsense"]):
        _, out, err = await run(pipeline, *words)
        assert (out, bool(err)) == ("", True)


async def test_a_payment_for_an_unknown_order_is_kept_and_listed(pipeline: World) -> None:
    """Money is money."""
    order_id, payment = unique("U"), unique("P")
    taken = await run_json(pipeline, "pay", order_id, "5.00", "--payment-id", payment)
    await pipeline.client.get_workflow_handle(taken["workflow_id"]).result()
    rows = await run_json(pipeline, "payments", "unmatched")
    [row] = [row for row in rows if row["payment_id"] == payment]
    assert row["claimed_order_id"] == order_id
    assert row["reason"] == "no such order"


async def test_brackets_are_no_markup(pipeline: World) -> None:
    """What was written is shown as it was written."""
    _, customer = pipeline.shop(email="[b]:x:[/b]@example.com")
    _, out, _ = await run(pipeline, "customer", customer)
    assert "[b]:x:[/b]@example.com" in out


async def test_a_table_folds_what_is_too_long(pipeline: World) -> None:
    """Every character of an id is there."""
    order_id, payment = unique("U") + "q" * 180, unique("P")
    taken = await run_json(pipeline, "pay", order_id, "5.00", "--payment-id", payment)
    await pipeline.client.get_workflow_handle(taken["workflow_id"]).result()
    _, out, _ = await run(pipeline, "payments", "unmatched")
    assert payment in out
    assert (out.count("q"), "…" in out) == (180, False)
