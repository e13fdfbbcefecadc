"""Giving up a line of a paid order: its units that can't come are credited and refunded."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import order, unique
from tests.support.orders.stages import events, units
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.world import World

PAID = {"CASH_CLEARING": 11_900, "COST_OF_GOODS_SOLD": 6_000, "INVENTORY": -6_000}
SOLD = {"REVENUE": -10_000, "TAX_PAYABLE": -1_900}
"""One unit of a shop's product."""


async def two_lines(world: World, **changes: Any) -> str:
    """Place an order of two lines, the second of which no supplier delivers; returns its id."""
    sku, customer = world.shop(on_hand=1)
    missing, _ = world.shop(on_hand=0, offers=False)
    lines = [{"sku": sku, "quantity": 1}, {"sku": missing, "quantity": 2}]
    document = order(sku, customer, **({"delivery": "partial"} | changes), lines=lines)
    order_id = str(document["order_id"])
    await world.place(document)
    return order_id


async def paid(world: World) -> str:
    """Place an order of two lines, pay it, and wait until the first is booked."""
    order_id = await two_lines(world)
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "357.00")
    await world.until_event(order_id, "booked")
    await world.until_order(order_id, lambda o: o["attention"])
    return order_id


async def give_up(world: World, order_id: str, line: int = 2, **fields: object) -> Any:
    """Give up a line by API."""
    body = {"command_id": unique("cmd"), "reason": "not made any more", "line": line, **fields}
    return await world.api.post(f"/orders/{order_id}/lines/given-up", json=body)


async def test_price_of_a_line_goes_back_and_the_rest_is_delivered(pipeline: World) -> None:
    """Before anything has left; the dry run names the credit note and the refund."""
    order_id = await paid(pipeline)
    words = ("give-up", order_id, "2", "--reason", "not made any more")
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    assert any("refund of 238.00 EUR" in text for text in shown["effects"]["money"]), shown
    done = await run_json(pipeline, *words)
    assert f"nothing is changed; {done['message']}" == shown["message"]
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "238.00")
    assert units(shown, "ordered", "backordered") == [[1, 0], [2, 0]]
    assert (shown["attention"], events(shown).count("line_given_up")) == (None, 1)
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert accounts_of(pipeline, order_id) == PAID | SOLD
    assert len(await pipeline.mails(f"Refund for your order {order_id}")) == 1


async def test_order_is_cancelled_after_a_line_is_given_up(pipeline: World) -> None:
    """Nothing has left: the rest is credited and refunded too, and the carrier told."""
    order_id = await paid(pipeline)
    assert (await give_up(pipeline, order_id)).status_code == 200
    await run_json(pipeline, "cancel", order_id, "--reason", "too little")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert (shown["refunded"], shown["due"]) == ("357.00", "0.00")
    assert accounts_of(pipeline, order_id) == {}
    assert len(await pipeline.requests("carriers", "cancel", order_id)) == 1
    assert len(await pipeline.mails(f"Refund for your order {order_id}")) == 2
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_line_of_an_order_on_credit_lowers_its_total(pipeline: World) -> None:
    """Each delivery is invoiced: nothing is to be credited."""
    order_id = await two_lines(pipeline, terms="net30")
    await pipeline.until_event(order_id, "booked")
    done = await give_up(pipeline, order_id)
    assert done.json()["message"].endswith("are given up; they were not invoiced")
    await pipeline.ship(order_id, "delivered")
    shown = await pipeline.until(order_id, "delivered")
    assert (shown["total"], shown["due"]) == ("119.00", "119.00")
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)


async def test_wrong_line_is_not_given_up(pipeline: World) -> None:
    """An unknown one, one that is not short, the only one left, and one that is not paid."""
    order_id = await paid(pipeline)
    unpaid = await two_lines(pipeline, delivery="complete")
    await pipeline.until_order(unpaid, lambda o: o["attention"])
    before = rows_about(pipeline.database, order_id, unpaid)
    for subject, line, words in (
        (order_id, 7, "has no line 7: 1, 2"),
        (order_id, 1, "is not short of units"),
        (unpaid, 2, "no price to give back"),
    ):
        refused = await give_up(pipeline, subject, line)
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True)
        status, _, err = await run(
            pipeline, "give-up", subject, str(line), "--reason", "not made any more"
        )
        assert (status, words in err) == (1, True), err
    assert rows_about(pipeline.database, order_id, unpaid) == before
    await run_json(pipeline, "cancel", unpaid)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "awaiting_stock")
    assert (await give_up(pipeline, order_id)).status_code == 200
    await pipeline.ended(order_id)
