"""Payments that no order waits for: recorded, listed as unmatched, used or refunded later."""

from tests.support.billing.payments import unmatched_payments
from tests.support.gateways.messages import (
    assert_completed_as_plain,
    payment,
    until_facts_applied,
    unused_amount,
)
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.exactly_once import assert_undone
from tests.support.orders.stages import (
    TOTAL,
    dispatch_and_deliver,
    finish,
    new_order,
    place_order,
    requested,
)
from tests.support.pipeline.world import World


async def unmatched(world: World) -> dict[str, Document]:
    """List the unmatched payments, by the order that the payer named."""
    return {row["claimed_order_id"]: row for row in await unmatched_payments(world)}


async def test_payment_for_an_unknown_order_is_listed_once(pipeline: World) -> None:
    """It is reported twice."""
    order_id = unique("nobody")
    payment_id = await pipeline.pay(order_id, "50.00")
    await pipeline.pay(order_id, "50.00", payment_id)
    await until_facts_applied(pipeline, order_id)
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["payment_id"], listed["amount"], listed["applied"]) == (
        payment_id,
        "50.00",
        "0.00",
    )
    assert listed["order_id"] is None
    pipeline.check_books()


async def test_payment_before_its_order_pays_the_order(pipeline: World) -> None:
    """Only the excess stays unmatched."""
    new = new_order(pipeline)
    order_id = new.order_id
    for amount in ("100.00", "50.00"):
        await pipeline.pay(order_id, amount)
    await until_facts_applied(pipeline, order_id)
    await pipeline.place(new.document)
    shown = await pipeline.until_event(order_id, "booked")
    assert (shown["paid"], bool(shown["invoice_number"])) == (TOTAL, True)
    rows = [row for row in await unmatched_payments(pipeline) if row["order_id"] == order_id]
    assert str(unused_amount(rows)) == "31.00"
    assert len(rows) == 1
    pipeline.check_books()
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_excess_payment_of_a_cancelled_order_is_refunded_and_not_listed(
    pipeline: World,
) -> None:
    order_id = await requested(pipeline)
    await pipeline.pay(order_id, "200.00")
    await pipeline.until_event(order_id, "payment_received")
    assert order_id in await unmatched(pipeline)
    await pipeline.order_workflow(order_id).execute_update("cancel", {})
    await pipeline.until(order_id, "cancelled")
    assert order_id not in await unmatched(pipeline)
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


async def test_payment_after_completion_is_a_listed_deposit(pipeline: World) -> None:
    """The order stays as it is."""
    order_id = await requested(pipeline)
    await finish(pipeline, order_id)
    await assert_completed_as_plain(pipeline, order_id)
    payment_id = unique("pay")
    for _ in range(2):
        await pipeline.pay(order_id, "20.00", payment_id)
    data = payment(order_id, payment_id=payment_id)
    answer = await pipeline.send_fact("payment.received", data, "late")
    assert answer.status_code == 204
    handle = pipeline.client.get_workflow_handle("fact-payments-late")
    await handle.result()
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["payment_id"], listed["amount"]) == (payment_id, "20.00")
    shown = await pipeline.order(order_id)
    assert (shown["stage"], shown["paid"]) == ("completed", TOTAL)
    pipeline.check_books()


async def test_payment_after_cancellation_is_refunded_once_and_not_listed(pipeline: World) -> None:
    """It is reported twice."""
    order_id = await requested(pipeline)
    await pipeline.order_workflow(order_id).execute_update("cancel", {})
    await assert_undone(pipeline, order_id, "0.00")
    payment_id = await pipeline.pay(order_id, TOTAL)
    await pipeline.pay(order_id, TOTAL, payment_id)
    await until_facts_applied(pipeline, order_id)
    assert order_id not in await unmatched(pipeline)
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1
    assert accounts_of(pipeline, order_id) == {}
    assert (await pipeline.order(order_id))["stage"] == "cancelled"
    pipeline.check_books()


async def test_overpaid_order_completes_and_its_excess_is_listed(pipeline: World) -> None:
    """In two payments, the second too large."""
    order_id = await requested(pipeline)
    await pipeline.pay(order_id, "100.00")
    await pipeline.pay(order_id, "100.00")
    await pipeline.until_event(order_id, "booked")
    await finish(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["amount"], listed["applied"]) == ("100.00", "19.00")
    pipeline.check_books()


async def test_payment_that_names_the_invoice_pays_the_order(pipeline: World) -> None:
    """As the invoice asks for."""
    placed = await place_order(pipeline, terms="net30")
    await pipeline.until_event(placed.order_id, "booked")
    await pipeline.ship(placed.order_id, "dispatched")
    shown = await pipeline.until_event(placed.order_id, "invoiced")
    await pipeline.pay(shown["invoice_number"], TOTAL)
    shown = await pipeline.until_event(placed.order_id, "payment_received")
    assert shown["paid"] == TOTAL
