"""Cancellation right after each command of an operator: everything is undone, and mailed once.

The cancellation doesn't wait for what follows from the command, such as a carrier's answer.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import offer_row, supplier_row, unique
from tests.support.orders.stages import place_order, until_purchased
from tests.support.pipeline.command_line import reconciled, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


class Case(NamedTuple):
    """An order at the moment of a command: its id, SKU, and the lines of the command."""

    order_id: str
    sku: str
    words: tuple[str, ...]
    paid: str = "0.00"


Begin = Callable[[World], Awaitable[Case]]


async def _booked(world: World) -> tuple[str, str]:
    placed = await place_order(world, 2, 2)
    await world.until_event(placed.order_id, "payment_requested")
    await world.pay(placed.order_id, "238.00")
    await world.until_event(placed.order_id, "booked")
    return placed.order_id, placed.sku


async def _in_parts(world: World) -> tuple[str, str]:
    placed = await place_order(world, 2, 4, delivery="partial")
    await until_purchased(world, placed.order_id)
    await world.until_event(placed.order_id, "payment_requested")
    await world.pay(placed.order_id, "476.00")
    await world.until_event(placed.order_id, "booked")
    return placed.order_id, placed.sku


async def paused(world: World) -> Case:
    """Pause a booked order."""
    order_id, sku = await _booked(world)
    return Case(order_id, sku, ("pause", order_id), "238.00")


async def readdressed(world: World) -> Case:
    """Change the address of a booked order."""
    order_id, sku = await _booked(world)
    return Case(order_id, sku, ("change-address", order_id, "--street", "Am Ufer 6"), "238.00")


async def recarried(world: World) -> Case:
    """Name another service of the carrier of a booked order."""
    order_id, sku = await _booked(world)
    words = ("change-carrier", order_id, "Swift Parcel", "--service", "express")
    return Case(order_id, sku, words, "238.00")


async def given_up(world: World) -> Case:
    """Give up the units that are short."""
    order_id, sku = await _in_parts(world)
    return Case(order_id, sku, ("give-up", order_id, "1"), "476.00")


async def lowered(world: World) -> Case:
    """Credit one of the units that are short."""
    order_id, sku = await _in_parts(world)
    return Case(order_id, sku, ("amend", order_id, f"{sku}:3"), "476.00")


async def amended(world: World) -> Case:
    """Order one unit less, before it is paid."""
    placed = await place_order(world, 2, 2)
    await world.until_event(placed.order_id, "payment_requested")
    return Case(placed.order_id, placed.sku, ("amend", placed.order_id, f"{placed.sku}:1"))


async def split(world: World) -> Case:
    """Send what is there."""
    placed = await place_order(world, 2, 3)
    await until_purchased(world, placed.order_id)
    return Case(placed.order_id, placed.sku, ("split", placed.order_id))


async def requested_by_hand(world: World) -> Case:
    """Ask for the payment by letter, as the provider refuses the request."""
    await world.misbehave(partner="payments", operation="request", fault="refuse")
    placed = await place_order(world, 2, 2)
    await world.until_order(placed.order_id, lambda o: o["attention"])
    words = ("resolve", "payment-request", placed.order_id, "letter")
    return Case(placed.order_id, placed.sku, words)


async def reassigned(world: World) -> Case:
    """Buy what is short from another supplier."""
    placed = await place_order(world, 2, 3)
    po_id = await until_purchased(world, placed.order_id)
    other = unique("S")[:12].upper()
    offered = [offer_row(other, placed.sku)]
    world.import_tables(suppliers=[supplier_row(other)], offers=offered)
    return Case(placed.order_id, placed.sku, ("reassign-supplier", po_id))


@pytest.mark.parametrize(
    "begin",
    [
        paused,
        readdressed,
        recarried,
        given_up,
        lowered,
        amended,
        split,
        requested_by_hand,
        reassigned,
    ],
    ids=lambda begin: begin.__name__,
)
async def test_order_is_cancelled_right_after_a_command(pipeline: World, begin: Begin) -> None:
    """Money, stock, ledger, carrier and mails agree; nothing needs an operator."""
    order_id, sku, words, paid = await begin(pipeline)
    reason = ("--reason", "the customer called")
    await run_json(pipeline, *words, *reason)
    await run_json(pipeline, "cancel", order_id, *reason)
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(
        order_id, lambda o: o["stage"] == "cancelled" and o["refunded"] == paid
    )
    assert (shown["attention"], shown["backorders"], shown["due"]) == (None, [], "0.00")
    assert {shipment["state"] for shipment in shown["shipments"]} <= {"cancelled"}
    assert accounts_of(pipeline, order_id) == {}

    async def available() -> int:
        stock = (await pipeline.api.get(f"/stock/{sku}")).json()
        return sum(place["available"] for place in stock["locations"])

    await until(available, lambda units: units == 2)
    states = Counter[str]()
    for row in (await pipeline.books("carriers"))["requests"]:
        if row["operation"] == "booking" and row["body"]["order_id"] == order_id:
            states[row["state"]] += 1
    assert set(states) <= {"cancelled"}, states
    mailed = [row["detail"] for row in shown["history"] if row["event"] == "mailed"]
    subjects = [mail["subject"] for mail in await pipeline.mails(order_id)]
    assert len(subjects) == len(set(subjects)) or "refund" in " ".join(mailed), subjects
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]
