"""Customers recorded twice: found, merged, and kept apart from blocked ones."""

import uuid
from typing import Any

import pytest

from tests.support.masterdata.shop import Document, customer_row, order, unique
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World

CODE = "resembles_blocked_customer"


def whole(**changes: Any) -> Document:
    """Build a new customer whose data no other test uses."""
    customer_id = unique("N")
    name = f"Eve {customer_id}"
    mail = f"{customer_id}@example.com"
    return {"customer_id": customer_id, "name": name, "email": mail, "country": "DE"} | changes


def at_home(customer: Document) -> Document:
    """Build the delivery address of a customer."""
    home = {"street": "Am Markt 1", "city": "Bremen", "postal_code": "28195", "country": "DE"}
    return {"name": customer["name"], **home}


async def command(
    world: World, entrance: str, words: list[str], path: str, body: Document
) -> Document:
    """Execute a command that must be accepted, by API or CLI."""
    if entrance == "cli":
        done: Document = await run_json(world, *words, "--reason", "checked")
        return done
    answer = await world.api.post(
        path, json=body | {"command_id": unique("c"), "reason": "checked"}
    )
    assert answer.status_code == 200, answer.text
    accepted: Document = answer.json()
    return accepted


async def blocked_customer(world: World, **columns: str) -> Document:
    """Import a blocked customer whose data no other test uses."""
    customer = whole()
    row = customer_row(**(customer | {"status": "blocked", "phone": ""} | columns))
    world.import_tables(customers=[row])
    return {**customer, **columns}


def with_data_of(kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return data of a blocked customer, and the same as another one gives them."""
    number = str(uuid.uuid4().int)[:7]
    match kind:
        case "mail":
            return {"email": f"eve.{number}@example.com"}, {"email": f"Eve.{number}+a@Example.com"}
        case "vat_id":
            return {"vat_id": f"CHE-{number}"}, {"vat_id": f"CHE {number}"}
        case _:
            return {"phone": f"+49 421 {number}"}, {"phone": f"0421/{number}"}


@pytest.mark.parametrize("kind", ["mail", "vat_id", "phone", "order_phone"])
@pytest.mark.parametrize("decision", ["accept", "reject"])
async def test_order_of_a_look_alike_of_a_blocked_customer_waits(
    pipeline: World, kind: str, decision: str
) -> None:
    """Nothing is allocated, billed or confirmed until an operator accepts or cancels it."""
    sku, _ = pipeline.shop()
    columns, sent = with_data_of(kind)
    blocked = await blocked_customer(pipeline, **columns)
    customer = whole()
    document = order(sku, "", ship_to=at_home(customer)) | {"customer": customer}
    (document if kind == "order_phone" else document["customer"]).update(sent)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert (shown["attention"]["code"], shown["stage"]) == (CODE, "received")
    assert blocked["customer_id"] in shown["attention"]["message"]
    assert await pipeline.mails(order_id) == []
    await pipeline.pay(order_id, "119.00")
    shown = await pipeline.until_event(order_id, "payment_received")
    assert [row["event"] for row in shown["history"] if row["event"] == "allocated"] == []
    if decision == "reject":
        await run_json(pipeline, "cancel", order_id)
        await pipeline.until(order_id, "cancelled")
        return
    await run_json(pipeline, "accept-customer", order_id, "--reason", "her brother")
    await pipeline.until_event(order_id, "booked")
    again = order(sku, customer["customer_id"], ship_to=at_home(customer))
    await pipeline.place(again)  # the decision is kept with the customer
    await pipeline.until_event(again["order_id"], "payment_requested")


async def test_new_name_at_the_address_of_a_blocked_customer_is_another(pipeline: World) -> None:
    """Name and address count together, also if the address is only that of an earlier delivery."""
    sku, _ = pipeline.shop()
    known = whole()
    first = order(sku, "", ship_to=at_home(known)) | {"customer": known}
    await pipeline.place(first)
    await pipeline.until_event(first["order_id"], "recorded")
    row = customer_row(known["customer_id"], name=known["name"], status="blocked", phone="")
    pipeline.import_tables(customers=[row | {"email": known["email"]}])
    same, other = whole(name=known["name"]), whole()
    waits = order(sku, "", ship_to=at_home(same)) | {"customer": same}
    goes_on = order(sku, "", ship_to=at_home(other)) | {"customer": other}
    for document in (waits, goes_on):
        await pipeline.place(document)
    await pipeline.until_event(goes_on["order_id"], "payment_requested")
    shown = await pipeline.until_order(waits["order_id"], lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == CODE
    pipeline.import_tables(customers=[row | {"email": known["email"], "status": "active"}])
    await run_json(pipeline, "retry", waits["order_id"])
    await pipeline.until_event(waits["order_id"], "payment_requested")


@pytest.mark.parametrize("entrance", ["api", "cli"])
async def test_known_customer_that_resembles_a_blocked_one_waits_until_accepted(
    pipeline: World, entrance: str
) -> None:
    """All its waiting orders go on with one decision; a second one is refused."""
    blocked = await blocked_customer(pipeline)
    sku, customer = pipeline.shop(email=blocked["email"])
    documents = [order(sku, customer) for _ in range(2)]
    for document in documents:
        await pipeline.place(document)
        await pipeline.until_order(document["order_id"], lambda o: o["attention"] is not None)
    first = documents[0]["order_id"]
    words, path = ["accept-customer", first], f"/orders/{first}/customer-acceptance"
    await command(pipeline, entrance, words, path, {})
    for document in documents:
        shown = await pipeline.until_event(document["order_id"], "payment_requested")
        assert "customer_accepted" in [row["event"] for row in shown["history"]]
    status, _, err = await run(pipeline, *words, "--reason", "again")
    assert (status, "waits for no such decision" in err) == (1, True)


@pytest.mark.parametrize("entrance", ["api", "cli"])
async def test_duplicates_are_found_and_merged(pipeline: World, entrance: str) -> None:
    """Orders, volume and credit follow the customer that is kept; the other id stays valid."""
    sku, kept = pipeline.shop(credit_limit="200.00")
    _, double = pipeline.shop(credit_limit="200.00", email=f"{kept.upper()}@example.com")
    open_order = order(sku, double, terms="net30")
    await pipeline.place(open_order)
    await pipeline.until_event(open_order["order_id"], "booked")
    for rows in (
        (await pipeline.api.get("/customers", params={"email": f"{kept}@EXAMPLE.com"})).json(),
        await run_json(pipeline, "customers", "list", "--email", f"{kept}@EXAMPLE.com"),
    ):
        assert {row["customer_id"]: row["order_count"] for row in rows} == {kept: 0, double: 1}
    for groups in (
        (await pipeline.api.get("/customers/duplicates", params={"limit": 0})).json(),
        await run_json(pipeline, "customers", "duplicates", "--limit", "0"),
    ):
        [group] = [g for g in groups if kept in [row["customer_id"] for row in g["customers"]]]
        assert {kept, double} <= {row["customer_id"] for row in group["customers"]}
        assert "the mail address" in group["because"]
    shown = (await pipeline.api.get(f"/customers/{kept}")).json()
    assert double in shown["possible_duplicates"]

    words, path = ["customers", "merge", double, kept], f"/customers/{double}/merge"
    dry = await command(
        pipeline, entrance, [*words, "--dry-run"], path, {"customer_id": kept, "dry_run": True}
    )
    assert dry["message"].startswith("nothing is changed")
    assert "orders 1 (open 1)" in dry["message"]
    assert "owes 119.00 of at most 200.00 EUR" in dry["message"]
    assert (await pipeline.api.get(f"/customers/{kept}")).json()["order_count"] == 0
    await command(pipeline, entrance, words, path, {"customer_id": kept})

    for customer_id in (kept, double):
        shown = (await pipeline.api.get(f"/customers/{customer_id}")).json()
        assert (shown["customer_id"], shown["merged_ids"]) == (kept, [double])
        assert (shown["order_count"], shown["open_credit"]) == (1, "119.00")
    later = order(sku, double, terms="net30")
    await pipeline.place(later)
    shown = await pipeline.until_order(later["order_id"], lambda o: o["attention"] is not None)
    assert (shown["customer_id"], shown["attention"]["code"]) == (kept, "credit_limit_exceeded")
    status, _, err = await run(pipeline, *words, "--reason", "again")
    assert (status, f"{double} is merged into {kept} already" in err) == (1, True)
    await run_json(pipeline, "cancel", later["order_id"])


async def test_merge_never_frees_a_blocked_customer(pipeline: World) -> None:
    """Nor is a merged customer imported again."""
    blocked = await blocked_customer(pipeline)
    _, customer = pipeline.shop()
    words = ["customers", "merge", blocked["customer_id"], customer, "--reason", "same"]
    status, _, err = await run(pipeline, *words)
    assert (status, f"{blocked['customer_id']} is blocked" in err) == (1, True)
    for unknown in (
        ["customers", "merge", "NOPE", customer],
        ["customers", "merge", customer, "NOPE"],
    ):
        status, _, err = await run(pipeline, *unknown, "--reason", "same")
        assert (status, "there is no customer 'NOPE'" in err) == (1, True)
    status, _, err = await run(pipeline, "customers", "merge", customer, customer, "--reason", "x")
    assert (status, "into itself" in err) == (1, True)
