"""Claims against carriers: filed, settled and withdrawn, by CLI and API."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from models.messages.commands.shipping import Reship
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import at_the_counter, booked
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.shipping.shipments import give_up, lost

PATHS = {
    "file": ("/shipments/{}/claims", ("amount",)),
    "settle": ("/claims/{}/settlement", ("amount",)),
    "withdraw": ("/claims/{}/withdrawal", ()),
}


@dataclass(frozen=True)
class Answer:
    """The answer of API or CLI: a message, or a problem's code with the fields that it names."""

    message: str = ""
    refused: str = ""


Interface = Callable[..., Awaitable[Answer]]


def _answer(done: bool, body: Document) -> Answer:
    if done:
        return Answer(message=body["message"])
    fields = [error["field"] for error in body.get("errors", ())]
    return Answer(refused=" ".join([body["code"], *fields]))


async def by_command_line(world: World, what: str, of: str, *amount: str) -> Answer:
    """`claim file SHIPMENT AMOUNT --reason ...`."""
    words = ("claim", what, "--reason", "crushed", "--id", unique("c"), "--json", "--", of, *amount)
    status, out, err = await run(world, *words)
    assert status in (0, 1), err + out
    return _answer(status == 0, json.loads(out))


async def by_api(world: World, what: str, of: str, *amount: str) -> Answer:
    """`POST /shipments/{id}/claims`."""
    path, fields = PATHS[what]
    amounts = dict(zip(fields, amount, strict=True))
    body = {"command_id": unique("c"), "reason": "crushed", **amounts}
    response = await world.api.post(path.format(of), json=body)
    return _answer(response.status_code == 200, response.json())


BOTH = pytest.mark.parametrize("claim", [by_command_line, by_api])


async def delivered(world: World) -> str:
    """Deliver a shipment by carrier; returns its order's id."""
    order_id = await booked(world)
    await world.ship(order_id, "delivered")
    await world.ended(order_id)
    return order_id


async def claims(world: World, shipment_id: str) -> list[tuple[str, str, str | None]]:
    """The claims for a shipment: id, state and settled amount."""
    shown = (await world.api.get(f"/shipments/{shipment_id}")).json()
    return [(row["claim_id"], row["state"], row["settled"]) for row in shown["claims"]]


@BOTH
@pytest.mark.parametrize(("paid", "loss"), [("45.00", 0), ("40.00", 500)])
async def test_claim_for_damaged_goods_is_settled(
    pipeline: World, claim: Interface, paid: str, loss: int
) -> None:
    """The paid amount is in the bank; the unpaid amount is a loss."""
    order_id = await delivered(pipeline)
    shipment_id, claim_id = f"SH-{order_id}-1", f"CL-SH-{order_id}-1"
    before = accounts_of(pipeline, order_id)
    done = await claim(pipeline, "file", shipment_id, "45.00")
    assert done.message.startswith(f"{claim_id} is filed against ")
    assert done.message.endswith(": 45.00 EUR")
    assert accounts_of(pipeline, order_id) == before | {
        "CLAIMS_RECEIVABLE": 4_500,
        "INVENTORY_LOSS": -4_500,
    }
    done = await claim(pipeline, "settle", claim_id, paid)
    assert done.message.endswith(f" has paid {paid} EUR of 45.00 EUR")
    paid_minor = int(paid.replace(".", ""))
    changed = {"BANK": paid_minor, "INVENTORY_LOSS": loss - 4_500}
    found = accounts_of(pipeline, order_id)
    assert found == {name: minor for name, minor in (before | changed).items() if minor}
    assert await claims(pipeline, shipment_id) == [(claim_id, "settled", paid)]
    events = [row["event"] for row in (await pipeline.order(order_id))["history"]]
    assert (events.count("claimed"), events.count("claim_settled")) == (1, 1)


@BOTH
async def test_withdrawn_claim_can_be_followed_by_another(
    pipeline: World, claim: Interface
) -> None:
    """One claim is open at a time; each has its own id."""
    order_id = await delivered(pipeline)
    shipment_id, claim_id = f"SH-{order_id}-1", f"CL-SH-{order_id}-1"
    before = accounts_of(pipeline, order_id)
    assert (await claim(pipeline, "file", shipment_id, "45.00")).message
    again = await claim(pipeline, "file", shipment_id, "45.00")
    assert again.refused == "shipment_refused shipment_id"
    assert "is withdrawn" in (await claim(pipeline, "withdraw", claim_id)).message
    assert accounts_of(pipeline, order_id) == before
    done = await claim(pipeline, "file", shipment_id, "12.00")
    assert done.message.startswith(f"{claim_id}-2 is filed")
    assert await claims(pipeline, shipment_id) == [
        (claim_id, "withdrawn", None),
        (f"{claim_id}-2", "open", None),
    ]


@BOTH
async def test_refused_claim_names_its_field(pipeline: World, claim: Interface) -> None:
    order_id = await booked(pipeline)
    shipment_id, claim_id = f"SH-{order_id}-1", f"CL-SH-{order_id}-1"

    async def refused(*words: str) -> str:
        return (await claim(pipeline, *words)).refused

    assert await refused("file", "SH-nobody-1", "1.00") == "unknown"
    assert await refused("file", shipment_id, "1.00") == "shipment_refused shipment_id"
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    for amount in ("0.00", "-1.00", "1.001"):
        assert await refused("file", shipment_id, amount) == "shipment_refused amount"
    assert await refused("file", shipment_id, "much") == "shipment_refused amount"
    for words in (("settle", "CL-nobody", "1.00"), ("withdraw", "CL-nobody")):
        assert await refused(*words) == "unknown"
    assert (await claim(pipeline, "file", shipment_id, "1.00")).message
    for amount in ("0.00", "-1.00", "1.001", "1.01"):
        assert await refused("settle", claim_id, amount) == "shipment_refused amount"
    assert (await claim(pipeline, "settle", claim_id, "1.00")).message
    assert await refused("settle", claim_id, "1.00") == "shipment_refused claim_id"
    assert await refused("withdraw", claim_id) == "shipment_refused claim_id"


@BOTH
async def test_goods_without_a_carrier_cannot_be_claimed(pipeline: World, claim: Interface) -> None:
    sku, customer = pipeline.shop()
    document = order(sku, customer, **at_the_counter())
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until(order_id, "awaiting_payment")
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)
    answer = await claim(pipeline, "file", f"SH-{order_id}-1", "1.00")
    assert answer.refused == "shipment_refused shipment_id"


async def test_claims_are_listed_and_shown(pipeline: World) -> None:
    """By CLI and API; `--open` lists open claims only."""
    ids = []
    for _ in range(2):
        order_id = await delivered(pipeline)
        await by_api(pipeline, "file", f"SH-{order_id}-1", "45.00")
        ids.append(f"CL-SH-{order_id}-1")
    settled, waiting = ids
    await by_api(pipeline, "settle", settled, "40.00")
    for rows in (
        await run_json(pipeline, "claims", "--limit", "0"),
        (await pipeline.api.get("/claims", params={"limit": 0})).json(),
    ):
        listed = [row["claim_id"] for row in rows]
        assert listed.index(waiting) < listed.index(settled)
    for rows in (
        await run_json(pipeline, "claims", "--open", "--limit", "0"),
        (await pipeline.api.get("/claims", params={"open": True, "limit": 0})).json(),
    ):
        states = {row["claim_id"]: row["state"] for row in rows}
        assert (states[waiting], settled in states) == ("open", False)
    shown = await run_json(pipeline, "claim", settled)
    assert shown == (await pipeline.api.get(f"/claims/{settled}")).json()
    assert (shown["amount"], shown["settled"], shown["reason"]) == ("45.00", "40.00", "crushed")
    status, words, _ = await run(pipeline, "claim", "show", settled)
    assert (status, "45.00 EUR" in words, "settled 40.00 EUR" in words) == (0, True, True)
    status, words, _ = await run(pipeline, "claims", "--open")
    assert (status, waiting in words) == (0, True)
    status, words, _ = await run(pipeline, "shipment", settled.removeprefix("CL-"))
    assert (status, f"claim {settled} against" in words) == (0, True)
    response = await pipeline.api.get("/claims/CL-nobody")
    assert (response.status_code, response.json()["code"]) == (404, "claim_unknown")
    status, _, _ = await run(pipeline, "claim", "CL-nobody")
    assert status == 1


async def test_reship_files_no_second_claim(pipeline: World) -> None:
    """An operator filed the claim for the lost goods before."""
    order_id = await lost(pipeline)
    shipment_id, claim_id = f"SH-{order_id}-1", f"CL-SH-{order_id}-1"
    await by_api(pipeline, "file", shipment_id, "50.00")
    body = {"command_id": unique("c"), "reason": "lost", "claim": "60.00"}
    response = await pipeline.api.post(f"/shipments/{shipment_id}/reship", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "claim")
    await give_up(pipeline, Reship, shipment_id)
    assert await claims(pipeline, shipment_id) == [(claim_id, "open", None)]
    assert accounts_of(pipeline, order_id)["CLAIMS_RECEIVABLE"] == 5_000
