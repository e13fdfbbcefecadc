"""Returns that don't arrive: reported by their carrier, or without any report."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlmodel import select

from activities.shipping.steps import apply_tracking
from models.errors import InvalidInput
from models.messages.commands.returns import (
    AuthoriseReturn,
    CloseReturn,
    InspectReturn,
    MarkReturnSent,
    ReceiveReturn,
    RequestReturn,
)
from models.messages.facts import ShipmentTracked
from models.messages.steps import TrackingStep
from models.tables.operations import AttentionRow
from tests.conftest import DATABASES, new_world
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import delivered
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.returns.states import command, details, inspected, settled


async def sent_back(world: World, order_id: str, sku: str, quantity: int, **fields: Any) -> str:
    """Request, authorise and send a return; returns its id."""
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": quantity}]
    await command(world, RequestReturn, order_id=order_id, lines=lines, **fields)
    await command(world, AuthoriseReturn, return_id=return_id)
    await command(world, MarkReturnSent, return_id=return_id)
    return return_id


async def report(world: World, return_id: str, status: str) -> None:
    """Report a return's status, as its carrier."""
    data = {
        "event_id": unique("ev"),
        "order_id": return_id.removeprefix("RMA-").rpartition("-")[0],
        "shipment_id": return_id,
        "status": status,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    await world.report("shipment.tracked", data)


async def attention(world: World, order_id: str, code: str | None, message: str = "") -> None:
    """Wait until the order shows an attention, or (None) none."""

    def reached(shown: Document) -> bool:
        found = shown["attention"]
        return found is None if code is None else bool(found) and message in found["message"]

    shown = await world.until_order(order_id, reached)
    assert (shown["attention"] or {}).get("code") == code


async def test_return_lost_by_its_carrier_is_refunded(pipeline: World) -> None:
    """The attention ends with the inspection. The loss is ours; the units can't be returned."""
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
    with pytest.raises(InvalidInput, match=r"1 x .* 2 were lost on the way back: `stock adjust`"):
        await command(pipeline, ReceiveReturn, order_id=order_id, lines=two)


async def test_return_of_an_unpaid_order_is_lost_in_part(pipeline: World) -> None:
    """Received units can't be lost; lost units can't be received."""
    sku, customer = pipeline.shop(on_hand=2, credit_limit="1000.00")
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    return_id = await sent_back(pipeline, order_id, sku, 2)
    await report(pipeline, return_id, "damaged")
    await attention(pipeline, order_id, "return_exception", "as damaged")
    one = [{"sku": sku, "quantity": 1}]
    await command(pipeline, ReceiveReturn, return_id=return_id, lines=one)
    await attention(pipeline, order_id, None)
    with pytest.raises(InvalidInput, match="1 x"):
        await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=2))
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=1))
    with pytest.raises(InvalidInput, match="0 x"):
        await command(pipeline, ReceiveReturn, return_id=return_id, lines=one)
    with pytest.raises(InvalidInput, match=r"1 units .* wait for inspection"):
        await command(pipeline, CloseReturn, return_id=return_id)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, scrap=1))
    assert (await settled(pipeline, return_id)).state == "settled"
    shown = await pipeline.until(order_id, "completed")
    assert (shown["due"], shown["lines"][0]["returned"]) == ("0.00", 1)


async def test_return_that_was_not_sent_cannot_be_lost(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    with pytest.raises(InvalidInput, match="is authorised"):
        await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, lost=1))
    await command(pipeline, CloseReturn, return_id=return_id)


@pytest.fixture(params=DATABASES)
async def impatient(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline that tolerates half a second of a carrier's silence."""
    async with (
        new_world(request, engine_address, worker=False, auto=False) as made,
        made.worker(tracking_silence=0.5),
    ):
        yield made


async def test_silent_return_raises_attention(impatient: World) -> None:
    """A retry waits as long again; a delivered return has another message."""
    intake = impatient.intake()
    order_id, sku = await delivered(impatient, quantity=1)
    return_id = await sent_back(impatient, order_id, sku, 1)
    await attention(impatient, order_id, "return_silent", f"no tracking event of {return_id}")
    assert (await intake.retry(order_id, "ann")).accepted
    await attention(impatient, order_id, None)
    await attention(impatient, order_id, "return_silent", f"no tracking event of {return_id}")
    await report(impatient, return_id, "delivered")
    await attention(impatient, order_id, "return_silent", "no receipt was recorded")
    lines = [{"sku": sku, "quantity": 1}]
    await command(impatient, ReceiveReturn, return_id=return_id, lines=lines)
    await attention(impatient, order_id, None)
    await command(impatient, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    assert (await settled(impatient, return_id)).state == "settled"
    assert details(impatient, return_id).tracking == "delivered"


def waits(world: World, source: str) -> bool:
    """Whether a workflow shows an attention on its order."""
    rows = select(AttentionRow).where(AttentionRow.source == source)
    return world.database.read(lambda session: session.exec(rows).first() is not None)


async def test_attentions_of_two_returns_are_shown_one_after_the_other(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=2)
    for number in (1, 2):
        return_id, lines = f"RMA-{order_id}-{number}", [{"sku": sku, "quantity": 1}]
        await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
        await command(pipeline, AuthoriseReturn, return_id=return_id)
        await report(pipeline, return_id, "lost")
        await until(partial(waits, pipeline, f"return-{return_id}"))
        await attention(pipeline, order_id, "return_exception", f"return-RMA-{order_id}-1")
    first = f"RMA-{order_id}-1"
    await command(pipeline, InspectReturn, return_id=first, lines=inspected(sku, lost=1))
    await settled(pipeline, first)
    await attention(pipeline, order_id, "return_exception", f"return-{return_id}")
    await command(pipeline, CloseReturn, return_id=return_id)
    await settled(pipeline, return_id)
    await attention(pipeline, order_id, None)


async def test_return_reported_before_its_authorisation_is_in_transit_at_once(
    pipeline: World,
) -> None:
    """A return that the carrier takes back to the customer raises attention."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await report(pipeline, return_id, "returned_to_sender")
    await until(lambda: details(pipeline, return_id).tracking)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    assert details(pipeline, return_id).state == "in_transit"
    await attention(pipeline, order_id, "return_exception", "back to the customer")
    await command(pipeline, CloseReturn, return_id=return_id)
    await attention(pipeline, order_id, None)


async def test_repeated_report_notifies_the_return_again(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id = await sent_back(pipeline, order_id, sku, 1)
    fact = ShipmentTracked(
        event_id=unique("ev"), order_id=order_id, shipment_id=return_id, status="in_transit"
    )
    for _ in range(2):
        progress = apply_tracking.run(pipeline.database, TrackingStep(order_id=order_id, fact=fact))
        assert progress.reported_returns == (return_id,)
    assert len(details(pipeline, return_id).events) == 1
    await command(pipeline, CloseReturn, return_id=return_id)
