"""Card payments: authorised with the order, captured before goods are handed to a carrier."""

from datetime import UTC, datetime, timedelta

from tests.support.billing.sales import TOTAL, deliver, place_order
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, customer_row, order, unique
from tests.support.orders.exactly_once import assert_asked_once
from tests.support.orders.stages import events
from tests.support.pipeline.command_line import run
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

CARD: Document = {"payment_method": "card", "capture": "at_dispatch"}


async def authorise(world: World, order_id: str, expires_at: datetime | None = None) -> str:
    """Report that a card's issuer has authorised the total of an order."""
    authorisation_id = unique("auth")
    data = {
        "authorisation_id": authorisation_id,
        "order_id": order_id,
        "amount": TOTAL,
        "currency": "EUR",
        "expires_at": (expires_at or datetime.now(UTC) + timedelta(days=7)).isoformat(),
    }
    response = await world.send_fact("payment.authorised", data)
    assert response.status_code == 204, response.text
    return authorisation_id


async def test_card_is_captured_and_invoiced_before_dispatch(pipeline: World) -> None:
    """The authorisation posts nothing, and is enough for the stage dispatching."""
    order_id = await place_order(pipeline, **CARD)
    shown = await pipeline.until_event(order_id, "payment_requested")
    assert shown["stage"] == "awaiting_payment"
    [asked] = await pipeline.requests("payments", "request", order_id)
    assert asked["body"]["capture"] == "at_dispatch"
    [requested] = [row for row in shown["history"] if row["event"] == "payment_requested"]
    assert requested["detail"].endswith(", to be authorised")
    await authorise(pipeline, order_id)
    shown = await pipeline.until_event(order_id, "booked")
    assert [e for e in events(shown) if e != "mailed"] == [
        *("recorded", "allocated", "payment_requested", "payment_authorised"),
        *("payment_received", "invoiced", "consigned", "booked"),
    ]
    assert shown["paid"] == TOTAL
    await assert_asked_once(pipeline, "payments", "capture", order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "completed")
    assert accounts_of(pipeline, order_id)["CASH_CLEARING"] == 11_900


async def test_declined_capture_stops_dispatch_until_retry(pipeline: World) -> None:
    """No shipment is planned and no carrier is booked."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await place_order(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "card_declined"
    assert (shown["shipments"], shown["invoice_number"]) == ([], None)
    await run(pipeline, "retry", order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    assert len(await pipeline.requests("payments", "capture", order_id)) == 1


async def test_card_of_a_blocked_customer_is_not_charged(pipeline: World) -> None:
    """Until an operator has imported the customer as active and retries."""
    order_id = await place_order(pipeline, **CARD)
    shown = await pipeline.until_event(order_id, "payment_requested")
    customer = shown["customer_id"]
    pipeline.import_tables(customers=[customer_row(customer, status="blocked")])
    await authorise(pipeline, order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert (shown["attention"]["code"], shown["paid"]) == ("customer_blocked", "0.00")
    pipeline.import_tables(customers=[customer_row(customer)])
    await run(pipeline, "retry", order_id)
    await pipeline.until_event(order_id, "booked")
    await assert_asked_once(pipeline, "payments", "capture", order_id)


async def test_lapsed_authorisation_is_requested_again(pipeline: World) -> None:
    """A timer expires the authorisation."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await place_order(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id, datetime.now(UTC) + timedelta(seconds=2))
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    shown = await pipeline.until_event(order_id, "authorisation_lapsed")
    shown = await pipeline.until_order(
        order_id, lambda o: events(o).count("payment_requested") == 2
    )
    assert (shown["stage"], shown["attention"]) == ("awaiting_payment", None)
    requests = await pipeline.requests("payments", "request", order_id)
    assert [r["key"].split("/")[2] for r in requests] == ["1", "2"]
    await authorise(pipeline, order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_request_by_another_step_is_not_taken_for_the_next_one(pipeline: World) -> None:
    """A refused request waits for an operator; the next one is made after the lapse."""
    for operation in ("request", "capture"):
        await pipeline.misbehave(
            partner="payments", operation=operation, fault="refuse", code="card_declined"
        )
    order_id = await place_order(pipeline, **CARD)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await pipeline.order_workflow(order_id).signal("stock_arrived", {"receipt_id": "R"})
    await run(pipeline, "retry", order_id)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await authorise(pipeline, order_id, datetime.now(UTC) + timedelta(seconds=2))
    await pipeline.until_event(order_id, "authorisation_lapsed")
    await pipeline.until_order(order_id, lambda o: events(o).count("payment_requested") == 2)
    await authorise(pipeline, order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_cancellation_releases_authorisation(pipeline: World) -> None:
    """Nothing was charged, so nothing is refunded."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer, **CARD)
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "bought")
    await authorise(pipeline, order_id)
    await pipeline.until_event(order_id, "payment_authorised")
    await run(pipeline, "cancel", order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert "authorisation_released" in events(shown)
    assert accounts_of(pipeline, order_id) == {}


async def test_capture_in_progress_during_cancellation_is_refunded(pipeline: World) -> None:
    """The provider's answer was outstanding; its records show one charge and one refund."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="timeout_after", seconds=30, times=1
    )
    order_id = await place_order(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id)
    await until(lambda: pipeline.requests("payments", "capture", order_id))
    await run(pipeline, "cancel", order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert shown["refunded"] == TOTAL
    assert len(await pipeline.requests("payments", "capture", order_id)) == 1
    [refund] = await pipeline.requests("payments", "refund", order_id)
    assert refund["body"]["amount"] == TOTAL
    assert accounts_of(pipeline, order_id) == {}


async def test_other_payment_after_declined_capture_releases_authorisation(pipeline: World) -> None:
    """The order continues without a retry."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await place_order(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    shown = await pipeline.until_event(order_id, "authorisation_released")
    assert shown["attention"] is None
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
