"""Returns: requested, authorised, received, inspected and settled."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from models.errors import InvalidInput, NotFound
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.returns import (
    AuthoriseReturn,
    CloseReturn,
    InspectReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnCommand,
)
from tests.conftest import DATABASES, new_world
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import delivered
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.returns.states import came_back, command, details, inspected, settled


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
async def test_returned_unit_is_refunded(
    pipeline: World, disposition: str, accounts: dict[str, int]
) -> None:
    """One of three units: stock, ledger and refund, for each disposition."""
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


async def test_return_is_in_transit_once_its_carrier_has_the_goods(pipeline: World) -> None:
    """Reports name the return's id. Earlier reports are recorded; repeated ones once; those with
    another order's id are rejected."""
    order_id, sku = await delivered(pipeline)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(pipeline, RequestReturn, order_id=order_id, lines=lines)
    await command(pipeline, AuthoriseReturn, return_id=return_id)
    url = f"/shipments/{return_id}/events"
    assert (await pipeline.api.post(url, json={"status": "booked"})).status_code == 202

    def reports(shown: Document) -> list[str]:
        return [row["detail"] for row in shown["history"] if row["event"] == "tracked"]

    first = f"{return_id}, booked"
    await pipeline.until_order(order_id, lambda o: reports(o) == [first])
    assert details(pipeline, return_id).state == "authorised"
    report = {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": return_id,
        "status": "picked_up",
        "place": "Potsdam",
    }
    for _ in range(2):
        assert (await pipeline.send_fact("shipment.tracked", report)).status_code == 204
    other, _ = await delivered(pipeline)
    await pipeline.send_fact(
        "shipment.tracked", report | {"order_id": other, "event_id": unique("ev")}
    )
    await pipeline.until_order(other, lambda o: o["odd_facts"])
    await until(lambda: details(pipeline, return_id), lambda shown: shown.state == "in_transit")
    shown = await pipeline.order(order_id)
    assert reports(shown) == [first, f"{return_id}, picked up, Potsdam"]
    assert shown["odd_facts"] == []
    await command(pipeline, CloseReturn, return_id=return_id)


async def test_whole_order_returned_in_three_parts_is_exact_to_the_cent(pipeline: World) -> None:
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


async def test_exchange_is_an_order_at_no_charge(pipeline: World) -> None:
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


async def test_worn_unit_is_refunded_by_half_unless_it_is_our_fault(pipeline: World) -> None:
    for because, refunded in (("changed_mind", "59.50"), ("wrong_item", "119.00")):
        order_id, sku = await delivered(pipeline, quantity=1)
        return_id = await came_back(pipeline, order_id, sku, 1, because=because)
        [line] = inspected(sku, restock=1)
        lines = [line | {"condition": "worn"}]
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
        shown = await settled(pipeline, return_id)
        assert [s.refunded for s in shown.settlements] == [refunded]


async def test_unannounced_goods_are_received_and_settled(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    lines = [{"sku": sku, "quantity": 1}]
    await command(pipeline, ReceiveReturn, order_id=order_id, lines=lines)
    return_id = f"RMA-{order_id}-1"
    assert details(pipeline, return_id).reason == "unannounced"
    lines = inspected(sku, restock=1)
    await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    assert (await settled(pipeline, return_id)).state == "settled"


async def test_return_lowers_the_amount_due_of_an_unpaid_order(pipeline: World) -> None:
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


async def test_unpaid_order_that_is_returned_completes_without_payment(pipeline: World) -> None:
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


async def test_refused_return_names_its_field_and_changes_nothing(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline)
    other, other_sku = await delivered(pipeline, quantity=1)
    return_id = f"RMA-{order_id}-1"

    async def refused(kind: type[ReturnCommand], field: str, **fields: Any) -> None:
        with pytest.raises(InvalidInput) as error:
            await command(pipeline, kind, **fields)
        assert [e.field for e in error.value.fields] == [field], error.value

    def of(quantity: int, sku: str = sku) -> list[Document]:
        return [{"sku": sku, "quantity": quantity}]

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


async def test_rejected_return_is_mailed_and_its_units_can_be_returned(pipeline: World) -> None:
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


async def test_partly_received_return_is_closed(pipeline: World) -> None:
    """The missing unit can be requested again, and the workflow ends."""
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
    with pytest.raises(InvalidInput, match="can be returned"):
        await command(pipeline, RequestReturn, order_id=order_id, lines=two)
    await command(pipeline, RequestReturn, order_id=order_id, lines=one)


async def test_partly_credited_unit_is_refunded_instead_of_exchanged(pipeline: World) -> None:
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


EXPIRES_AT_ONCE: dict[str, Any] = {"return_authorisation": "auto", "return_expires_days": 0}


async def expired(world: World) -> tuple[str, str, list[Document]]:
    """Request a return of one unit and wait until it has expired; returns order, return and
    lines."""
    order_id, sku = await delivered(world, quantity=1)
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await command(world, RequestReturn, order_id=order_id, lines=lines)
    await until(lambda: details(world, return_id).state, lambda state: state == "expired")
    return order_id, return_id, lines


async def test_goods_of_an_expired_return_are_received(idle: World) -> None:
    async with idle.worker(**EXPIRES_AT_ONCE):
        _, return_id, lines = await expired(idle)
        await command(idle, ReceiveReturn, return_id=return_id, lines=lines)
        restock = inspected(lines[0]["sku"], restock=1)
        await command(idle, InspectReturn, return_id=return_id, lines=restock)
        await until(
            lambda: details(idle, return_id), lambda d: d.settlements and d.settlements[0].done_at
        )
        assert details(idle, return_id).state == "settled"


async def test_goods_of_an_expired_return_are_not_received_twice(idle: World) -> None:
    """The same unit came with another return."""
    async with idle.worker(**EXPIRES_AT_ONCE):
        order_id, return_id, lines = await expired(idle)
        await command(idle, ReceiveReturn, order_id=order_id, lines=lines)
        with pytest.raises(InvalidInput, match="0 x"):
            await command(idle, ReceiveReturn, return_id=return_id, lines=lines)


async def test_after_the_return_window_only_our_faults_are_returned(idle: World) -> None:
    async with idle.worker(return_window_days=0):
        order_id, sku = await delivered(idle, quantity=1)
        lines = [{"sku": sku, "quantity": 1}]
        with pytest.raises(InvalidInput, match="return period"):
            await command(idle, RequestReturn, order_id=order_id, lines=lines)
        await command(idle, RequestReturn, order_id=order_id, lines=lines, because="defective")


async def test_refused_refund_of_a_return_raises_attention(pipeline: World) -> None:
    """The order shows it, and its retry reaches the return's workflow."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id = await came_back(pipeline, order_id, sku, 1)
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse")
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    shown = await pipeline.until_order(order_id, lambda o: o["attention"])
    assert shown["attention"]["code"] == "refused"
    assert f"return-{return_id}" in shown["attention"]["message"]
    intake = pipeline.intake()
    assert (await intake.retry(order_id, "ann")).accepted
    assert [s.refunded for s in (await settled(pipeline, return_id)).settlements] == ["119.00"]
    shown = await pipeline.order(order_id)
    assert (shown["attention"], shown["refunded"]) == (None, "119.00")
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1
