"""Goods that come back: asked for, allowed, received, inspected, settled."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from activities.database.unit_of_work import utc_now
from intake import Intake
from models.errors import InvalidInput, NotFound
from models.messages.commands import (
    AuthoriseReturn,
    CloseReturn,
    CreditInvoice,
    InspectReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnCommand,
)
from tests.conftest import DATABASES, new_world
from tests.support.exactly_once import accounts_of
from tests.support.orders import delivered
from tests.support.returns import came_back, command, details, inspected, settled
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World


@pytest.mark.parametrize(
    ("disposition", "accounts"),
    [
        ("restock", {"INVENTORY": -12_000, "COST_OF_GOODS_SOLD": 12_000}),
        ("scrap", {"INVENTORY": -18_000, "COST_OF_GOODS_SOLD": 12_000, "INVENTORY_LOSS": 6_000}),
        (
            "to_supplier",
            {"INVENTORY": -18_000, "COST_OF_GOODS_SOLD": 12_000, "ACCOUNTS_PAYABLE": 6_000},
        ),
    ],
)
async def test_a_unit_comes_back_and_its_price_is_given_back(
    pipeline: World, disposition: str, accounts: dict[str, int]
) -> None:
    """One of three: stock, value, ledger and refund, for each disposition."""
    order_id, sku = await delivered(pipeline)
    return_id = await came_back(pipeline, order_id, sku, 1)
    await command(
        pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, **{disposition: 1})
    )
    shown = await settled(pipeline, return_id)
    assert shown.state == "settled"
    assert [(s.refunded, s.done_at is not None) for s in shown.settlements] == [("119.00", True)]
    assert accounts_of(pipeline, order_id) == accounts | {
        "CASH_CLEARING": 23_800,
        "TAX_PAYABLE": -3_800,
        "REVENUE": -30_000,
        "SALES_RETURNS": 10_000,
    }
    seen = await pipeline.order(order_id)
    assert (seen["lines"][0]["delivered"], seen["lines"][0]["returned"]) == (3, 1)
    assert (seen["refunded"], seen["stage"], seen["attention"]) == ("119.00", "completed", None)
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert sum(place["on_hand"] for place in stock["locations"]) == (disposition == "restock")
    mails = await pipeline.mails(return_id)
    assert len(mails) == 1
    [refund] = await pipeline.requests("payments", "refund", order_id)
    assert refund["body"]["amount"] == "119.00"


async def test_a_carrier_that_has_the_goods_keeps_their_authorisation(pipeline: World) -> None:
    """Its label bears the return's id. What it says before it has them is noted; told twice, once.
    Whose return it is must be right."""
    order_id, sku = await delivered(pipeline)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    url = f"/shipments/{return_id}/events"
    assert (await pipeline.api.post(url, json={"status": "booked"})).status_code == 202

    def noted(shown: Document) -> list[str]:
        return [row["detail"] for row in shown["history"] if row["event"] == "tracked"]

    first = f"{return_id}, booked"
    await pipeline.until_order(order_id, lambda o: noted(o) == [first])
    assert details(pipeline, return_id).state == "authorised"
    said = {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": return_id,
        "status": "picked_up",
        "place": "Potsdam",
    }
    for _ in range(2):
        assert (await pipeline.tell("shipment.tracked", said)).status_code == 204
    other, _ = await delivered(pipeline)
    await pipeline.tell("shipment.tracked", said | {"order_id": other, "event_id": unique("ev")})
    await pipeline.until_order(other, lambda o: o["odd_facts"])
    await until(lambda: details(pipeline, return_id), lambda shown: shown.state == "in_transit")
    shown = await pipeline.order(order_id)
    assert noted(shown) == [first, f"{return_id}, picked up, Potsdam"]
    assert shown["odd_facts"] == []
    await command(pipeline, CloseReturn, return_id=return_id)


async def test_all_of_an_order_comes_back_in_three_parts(pipeline: World) -> None:
    """To the cent: what the parts are worth is what was paid, and cost what it had cost."""
    sku, customer = pipeline.shop(on_hand=3, price="33.33")
    document = order(sku, customer, quantity=3, discount_percent="7")
    order_id = document["order_id"]
    placed = await pipeline.place(document)
    await pipeline.complete(order_id, placed["total"])
    await pipeline.ended(order_id)
    return_id = await came_back(pipeline, order_id, sku, 3)
    for _ in range(3):
        lines = inspected(sku, restock=1)
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    shown = await settled(pipeline, return_id)
    assert len(shown.settlements) == 3
    left = accounts_of(pipeline, order_id)
    assert left.pop("REVENUE") == -left.pop("SALES_RETURNS")
    assert left == {}
    assert (await pipeline.order(order_id))["refunded"] == placed["total"]


async def test_an_exchange_is_a_linked_order_that_costs_nothing(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline)
    return_id = await came_back(pipeline, order_id, sku, 1, wish="exchange", because="defective")
    lines = inspected(sku, scrap=1)
    await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    shown = await settled(pipeline, return_id)
    [settlement] = shown.settlements
    assert settlement.exchange_order_id == f"{order_id}-X1"
    linked = await pipeline.until_order(f"{order_id}-X1", lambda o: o["backorders"])
    assert linked["total"] == "0.00"
    linked = await pipeline.until_event(f"{order_id}-X1", "bought")
    await pipeline.receive(linked["backorders"][0]["po_id"], sku, 1)
    await pipeline.until_event(f"{order_id}-X1", "booked")
    await pipeline.ship(f"{order_id}-X1", "delivered")
    await pipeline.until(f"{order_id}-X1", "completed")
    assert (await pipeline.order(order_id))["refunded"] == "0.00"


async def test_a_worn_unit_is_worth_half_unless_it_is_our_fault(pipeline: World) -> None:
    for because, refunded in (("changed_mind", "59.50"), ("wrong_item", "119.00")):
        order_id, sku = await delivered(pipeline, quantity=1)
        return_id = await came_back(pipeline, order_id, sku, 1, because=because)
        [line] = inspected(sku, restock=1)
        lines = [line | {"condition": "worn"}]
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
        shown = await settled(pipeline, return_id)
        assert [s.refunded for s in shown.settlements] == [refunded]


async def test_an_unannounced_parcel_is_taken_in_and_settled(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    lines = [{"sku": sku, "quantity": 1}]
    await command(pipeline, ReceiveReturn, order_id=order_id, lines=lines)
    return_id = f"RMA-{order_id}-1"
    assert details(pipeline, return_id).reason == "unannounced"
    lines = inspected(sku, restock=1)
    await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    assert (await settled(pipeline, return_id)).state == "settled"


async def test_an_unpaid_order_owes_less_for_what_came_back(pipeline: World) -> None:
    """On credit: nothing is given back, less is due."""
    sku, customer = pipeline.shop(on_hand=2)
    document = order(sku, customer, quantity=2, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    return_id = await came_back(pipeline, order_id, sku, 1)
    lines = inspected(sku, restock=1)
    await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    shown = await settled(pipeline, return_id)
    assert [s.refunded for s in shown.settlements] == [None]
    assert (await pipeline.order(order_id))["due"] == "119.00"
    await pipeline.pay(order_id, "119.00")
    await pipeline.until(order_id, "completed")


async def test_an_unpaid_order_that_comes_back_whole_waits_for_no_payment(pipeline: World) -> None:
    """Nothing is due any more, and its workflow hears of it."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    return_id = await came_back(pipeline, order_id, sku, 1)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, scrap=1))
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["due"], shown["stage"]) == ("0.00", "completed")


async def test_what_may_not_come_back_is_refused(pipeline: World) -> None:
    """Nothing changes; each refusal names the field and the way out."""
    order_id, sku = await delivered(pipeline)
    other, other_sku = await delivered(pipeline, quantity=1)
    return_id = f"RMA-{order_id}-1"

    async def refused(kind: type[ReturnCommand], field: str, **said: Any) -> None:
        with pytest.raises(InvalidInput) as error:
            await command(pipeline, kind, **said)
        assert [e.field for e in error.value.fields] == [field], error.value

    def of(quantity: int, what: str = sku) -> list[Document]:
        return [{"sku": what, "quantity": quantity}]

    await refused(RequestReturn, "lines.0.quantity", order_id=order_id, lines=of(0))
    await refused(RequestReturn, "lines.0.quantity", order_id=order_id, lines=of(4))
    await refused(RequestReturn, "lines.0.sku", order_id=order_id, lines=of(1, other_sku))
    await refused(RequestReturn, "lines", order_id=order_id, lines=[])
    await refused(RequestReturn, "because", order_id=order_id, lines=of(1), because="unannounced")
    with pytest.raises(NotFound):
        await command(pipeline, RequestReturn, order_id="nobody", lines=of(1))
    await command(pipeline, RequestReturn, order_id=order_id, lines=of(2))
    await refused(RequestReturn, "lines.0.quantity", order_id=order_id, lines=of(2))
    await refused(ReceiveReturn, "return_id", return_id=return_id, lines=of(1))
    await refused(InspectReturn, "return_id", return_id=return_id, lines=inspected(sku, restock=1))
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    await refused(AuthoriseReturn, "return_id", return_id=return_id)
    await refused(ReceiveReturn, "lines.0.quantity", return_id=return_id, lines=of(3))
    await command(pipeline, ReceiveReturn, return_id=return_id, lines=of(1))
    await refused(
        InspectReturn, "lines.0.quantity", return_id=return_id, lines=inspected(sku, restock=2)
    )
    assert details(pipeline, return_id).received == 1
    assert (await pipeline.order(other))["lines"][0]["returned"] == 0


async def test_a_rejected_return_frees_its_units_and_is_told(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    lines = [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    rejected = f"RMA-{order_id}-1"
    await command(pipeline, RejectReturn, return_id=rejected, reason="it was used up")
    assert (await settled(pipeline, rejected)).state == "rejected"
    [mail] = await pipeline.mails(rejected)
    sent = message_from_bytes(
        (pipeline.folder / "mail" / mail["file"]).read_bytes(), policy=default
    )
    body = sent.get_body(("plain",))
    assert body is not None
    assert "it was used up" in body.get_content()
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)


async def test_a_return_of_which_no_more_comes_is_closed(pipeline: World) -> None:
    """One of two came: the other may be asked for again, and the workflow ends."""
    order_id, sku = await delivered(pipeline, quantity=2)
    return_id = f"RMA-{order_id}-1"
    two, one = ([{"sku": sku, "quantity": quantity}] for quantity in (2, 1))
    await command(pipeline, RequestReturn, order_id=order_id, lines=two)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    await command(pipeline, ReceiveReturn, return_id=return_id, lines=one)
    with pytest.raises(InvalidInput, match="inspect them first"):
        await command(pipeline, CloseReturn, return_id=return_id)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, scrap=1))
    await command(pipeline, CloseReturn, return_id=return_id)
    assert (await settled(pipeline, return_id)).state == "settled"
    with pytest.raises(InvalidInput, match="may come back"):
        await command(pipeline, RequestReturn, order_id=order_id, lines=two)
    await command(pipeline, RequestReturn, order_id=order_id, lines=one)


async def test_what_was_credited_already_is_not_exchanged(pipeline: World) -> None:
    """A part of its price was given back: the rest is, another one would be a present."""
    order_id, sku = await delivered(pipeline, quantity=1)
    number = (await pipeline.order(order_id))["invoice_number"]
    await command(pipeline, CreditInvoice, invoice_number=number, amount="19.00")
    return_id = await came_back(pipeline, order_id, sku, 1, wish="exchange")
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, scrap=1))
    shown = await settled(pipeline, return_id)
    assert [(s.refunded, s.exchange_order_id) for s in shown.settlements] == [("100.00", None)]
    assert (await pipeline.order(order_id))["refunded"] == "119.00"


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: the test brings one with other settings."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


async def test_an_authorisation_expires_and_what_comes_late_is_taken_all_the_same(
    idle: World,
) -> None:
    """By its rules alone: allowed without a person, expired at once."""
    changes = {"return_authorisation": "auto", "return_expires_days": 0}
    async with idle.worker(**changes):
        order_id, sku = await delivered(idle, quantity=1)
        lines = [{"sku": sku, "quantity": 1}]
        await command(idle, RequestReturn, order_id=order_id, lines=lines)
        return_id = f"RMA-{order_id}-1"
        await until(lambda: details(idle, return_id).state, lambda state: state == "expired")
        await command(idle, ReceiveReturn, return_id=return_id, lines=lines)
        restock = inspected(sku, restock=1)
        await command(idle, InspectReturn, return_id=return_id, lines=restock)
        await until(
            lambda: details(idle, return_id), lambda d: d.settlements and d.settlements[0].done_at
        )
        assert details(idle, return_id).state == "settled"


async def test_what_comes_late_is_not_taken_in_twice(idle: World) -> None:
    """Its authorisation expired, and the same unit came with another return."""
    changes = {"return_authorisation": "auto", "return_expires_days": 0}
    async with idle.worker(**changes):
        order_id, sku = await delivered(idle, quantity=1)
        lines = [{"sku": sku, "quantity": 1}]
        await command(idle, RequestReturn, order_id=order_id, lines=lines)
        expired = f"RMA-{order_id}-1"
        await until(lambda: details(idle, expired).state, lambda state: state == "expired")
        await command(idle, ReceiveReturn, order_id=order_id, lines=lines)
        with pytest.raises(InvalidInput, match="0 x"):
            await command(idle, ReceiveReturn, return_id=expired, lines=lines)


async def test_after_the_window_only_what_is_our_fault_comes_back(idle: World) -> None:
    async with idle.worker(return_window_days=0):
        order_id, sku = await delivered(idle, quantity=1)
        lines = [{"sku": sku, "quantity": 1}]
        with pytest.raises(InvalidInput, match="may not any more"):
            await command(idle, RequestReturn, order_id=order_id, lines=lines)
        await command(idle, RequestReturn, order_id=order_id, lines=lines, because="defective")


async def test_a_refused_refund_of_a_return_waits_for_a_person(pipeline: World) -> None:
    """Shown on the order; a retry of the order reaches the return's workflow."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id = await came_back(pipeline, order_id, sku, 1)
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse")
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "refused"
    assert f"return-{return_id}" in shown["attention"]["message"]
    doors = Intake(pipeline.client, pipeline.database, utc_now, pipeline.settings.buying)
    assert (await doors.retry(order_id, "ann")).accepted
    assert [s.refunded for s in (await settled(pipeline, return_id)).settlements] == ["119.00"]
    shown = await pipeline.order(order_id)
    assert (shown["attention"], shown["refunded"]) == (None, "119.00")
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1
