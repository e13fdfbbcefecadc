"""Goods that don't come back though they were sent: the carrier says so, or nobody says anything."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select

from activities.database.unit_of_work import utc_now
from activities.shipping.steps import apply_tracking
from intake import Intake
from models.errors import InvalidInput
from models.messages.commands import (
    AuthoriseReturn,
    CloseReturn,
    InspectReturn,
    ReceiveReturn,
    RequestReturn,
    ReturnOnItsWay,
)
from models.messages.facts import ShipmentTracked
from models.messages.steps import TrackingStep
from models.tables.operations import AttentionRow
from tests.conftest import DATABASES, new_world
from tests.support.exactly_once import accounts_of
from tests.support.orders import delivered
from tests.support.returns import command, details, inspected, settled
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World


async def sent_back(world: World, order_id: str, sku: str, quantity: int, **said: Any) -> str:
    """Units of an order are on their way back; returns the return's id."""
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": quantity}]
    await command(world, RequestReturn, order_id=order_id, lines=lines, **said)
    await command(world, AuthoriseReturn, return_id=return_id)
    await command(world, ReturnOnItsWay, return_id=return_id)
    return return_id


async def report(world: World, return_id: str, status: str) -> None:
    """The carrier reports it."""
    data = {
        "event_id": unique("ev"),
        "order_id": return_id.removeprefix("RMA-").rpartition("-")[0],
        "shipment_id": return_id,
        "status": status,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    await world.report("shipment.tracked", data)


async def attention(world: World, order_id: str, code: str | None, says: str = "") -> None:
    """Wait until the order shows it, or (None) nothing."""

    def reached(shown: Document) -> bool:
        found = shown["attention"]
        return found is None if code is None else bool(found) and says in found["message"]

    shown = await world.until_order(order_id, reached)
    assert (shown["attention"] or {}).get("code") == code


async def test_what_the_carrier_lost_is_paid_for_all_the_same(pipeline: World) -> None:
    """Shown until somebody sees to it. It is a loss of ours, and comes back no more."""
    order_id, sku = await delivered(pipeline)
    return_id = await sent_back(pipeline, order_id, sku, 2)
    await report(pipeline, return_id, "picked_up")
    await report(pipeline, return_id, "lost")
    await attention(pipeline, order_id, "return_exception", f"return-{return_id}")
    for _ in range(2):
        lines = inspected(sku, lost=1)
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    shown = await settled(pipeline, return_id)
    assert (shown.state, shown.received, shown.lines[0].lost) == ("settled", 0, 2)
    assert [event.status for event in shown.events] == ["picked_up", "lost"]
    await attention(pipeline, order_id, None)
    seen = await pipeline.order(order_id)
    assert (seen["refunded"], seen["lines"][0]["returned"]) == ("238.00", 0)
    assert accounts_of(pipeline, order_id) == {
        "INVENTORY": -18_000,
        "COST_OF_GOODS_SOLD": 6_000,
        "INVENTORY_LOSS": 12_000,
        "CASH_CLEARING": 11_900,
        "TAX_PAYABLE": -1_900,
        "REVENUE": -30_000,
        "SALES_RETURNS": 20_000,
    }
    two = [{"sku": sku, "quantity": 2}]
    with pytest.raises(InvalidInput, match="is settled"):
        await command(pipeline, ReceiveReturn, return_id=return_id, lines=two)
    with pytest.raises(InvalidInput, match=r"1 x .* 2 were lost on their way: `stock adjust`"):
        await command(pipeline, ReceiveReturn, order_id=order_id, lines=two)


async def test_a_part_is_lost_and_the_rest_comes_to_an_order_that_is_not_paid_yet(
    pipeline: World,
) -> None:
    """The order's own workflow hears of it first. What came isn't lost, what is lost can't come."""
    sku, customer = pipeline.shop(on_hand=2, credit_limit="1000.00")
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    return_id = await sent_back(pipeline, order_id, sku, 2)
    await report(pipeline, return_id, "damaged")
    await attention(pipeline, order_id, "return_exception", "is damaged")
    one = [{"sku": sku, "quantity": 1}]
    await command(pipeline, ReceiveReturn, return_id=return_id, lines=one)
    await attention(pipeline, order_id, None)
    with pytest.raises(InvalidInput, match="1 x"):
        await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=2))
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=1))
    with pytest.raises(InvalidInput, match="0 x"):
        await command(pipeline, ReceiveReturn, return_id=return_id, lines=one)
    with pytest.raises(InvalidInput, match=r"1 units .* are here"):
        await command(pipeline, CloseReturn, return_id=return_id)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, scrap=1))
    assert (await settled(pipeline, return_id)).state == "settled"
    shown = await pipeline.until(order_id, "completed")
    assert (shown["due"], shown["lines"][0]["returned"]) == ("0.00", 1)


async def test_goods_that_nobody_has_sent_are_not_lost(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    with pytest.raises(InvalidInput, match="is authorised"):
        await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=1))
    await command(pipeline, CloseReturn, return_id=return_id)


@pytest.fixture(params=DATABASES)
async def impatient(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline to whose worker half a second of a carrier's silence is too long."""
    async with (
        new_world(request, engine_address, worker=False, auto=False) as made,
        made.worker(tracking_silence=0.5),
    ):
        yield made


async def test_goods_of_which_nothing_is_heard_wait_for_a_person(impatient: World) -> None:
    """A retry waits as long again; what arrived and wasn't received is told apart."""
    doors = Intake(impatient.client, impatient.database, utc_now, impatient.settings.buying)
    order_id, sku = await delivered(impatient, quantity=1)
    return_id = await sent_back(impatient, order_id, sku, 1)
    await attention(impatient, order_id, "return_silent", f"nothing was heard of {return_id}")
    assert (await doors.retry(order_id, "ann")).accepted
    await attention(impatient, order_id, None)
    await attention(impatient, order_id, "return_silent", f"nothing was heard of {return_id}")
    await report(impatient, return_id, "delivered")
    await attention(impatient, order_id, "return_silent", "nobody has received it")
    lines = [{"sku": sku, "quantity": 1}]
    await command(impatient, ReceiveReturn, return_id=return_id, lines=lines)
    await attention(impatient, order_id, None)
    await command(impatient, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    assert (await settled(impatient, return_id)).state == "settled"
    assert details(impatient, return_id).tracking == "delivered"


def waits(world: World, source: str) -> bool:
    """Whether a workflow waits for a person because of its order."""
    rows = select(AttentionRow).where(AttentionRow.source == source)
    return world.database.read(lambda session: session.exec(rows).first() is not None)


async def test_two_returns_of_an_order_wait_for_a_person_each(pipeline: World) -> None:
    """What waits longest is shown, and the other one when that is seen to."""
    order_id, sku = await delivered(pipeline, quantity=2)
    for number in (1, 2):
        return_id, lines = f"RMA-{order_id}-{number}", [{"sku": sku, "quantity": 1}]
        await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
        await command(pipeline, AuthoriseReturn, return_id=return_id)
        await report(pipeline, return_id, "lost")
        await until(lambda id_=return_id: waits(pipeline, f"return-{id_}"))
        await attention(pipeline, order_id, "return_exception", f"return-RMA-{order_id}-1")
    first = f"RMA-{order_id}-1"
    await command(pipeline, InspectReturn, return_id=first, lines=inspected(sku, lost=1))
    await settled(pipeline, first)
    await attention(pipeline, order_id, "return_exception", f"return-{return_id}")
    await command(pipeline, CloseReturn, return_id=return_id)
    await settled(pipeline, return_id)
    await attention(pipeline, order_id, None)


async def test_what_a_carrier_had_before_it_was_allowed_is_on_its_way_at_once(
    pipeline: World,
) -> None:
    """And what the carrier takes to the customer again isn't lost."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await report(pipeline, return_id, "returned_to_sender")
    await until(lambda: details(pipeline, return_id).tracking)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    assert details(pipeline, return_id).state == "in_transit"
    await attention(pipeline, order_id, "return_exception", "to the customer again")
    await command(pipeline, CloseReturn, return_id=return_id)
    await attention(pipeline, order_id, None)


async def test_a_return_is_told_of_a_report_that_was_kept_by_an_attempt_whose_answer_was_lost(
    pipeline: World,
) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id = await sent_back(pipeline, order_id, sku, 1)
    fact = ShipmentTracked(
        event_id=unique("ev"), order_id=order_id, shipment_id=return_id, status="in_transit"
    )
    for _ in range(2):
        progress = apply_tracking.run(pipeline.database, TrackingStep(order_id=order_id, fact=fact))
        assert progress.coming_back == (return_id,)
    assert len(details(pipeline, return_id).events) == 1
    await command(pipeline, CloseReturn, return_id=return_id)
