"""Orders with purchased goods, on credit, paid in cash, in several shipments, as heavy freight."""

from datetime import UTC, date, timedelta
from typing import Any

from models.days import moment_of
from tests.support.masterdata.shop import (
    TIMEZONE,
    location_row,
    offer_row,
    order,
    stock_row,
    supplier_of,
    unique,
)
from tests.support.orders.stages import (
    TOTAL,
    events,
    new_order,
    place_order,
    states,
    until_purchased,
)
from tests.support.pipeline.waiting import until_history
from tests.support.pipeline.world import World

# Purchased goods


async def purchase_order_of(pipeline: World, sku: str) -> Any:
    """Read the only purchase order with a SKU from the supplier's record."""
    [request] = await pipeline.requests("suppliers", "purchase_order", sku)
    return request["body"]


async def test_shortage_is_purchased_and_the_order_waits_for_it(pipeline: World) -> None:
    """Two on hand, five ordered, packs of four: four are purchased, three of them for the order."""
    placed = await place_order(pipeline, on_hand=2, quantity=5, shop={"pack": 4})
    order_id, sku = placed.order_id, placed.sku
    await pipeline.until_event(order_id, "bought")
    waiting = await pipeline.until(order_id, "awaiting_stock")
    assert waiting["lines"][0]["reserved"] == 2
    assert waiting["lines"][0]["backordered"] == 3
    [backorder] = waiting["backorders"]
    sent = await purchase_order_of(pipeline, sku)
    assert sent["lines"] == [{"sku": sku, "quantity": 4, "unit_cost": "55.00"}]
    assert backorder["po_id"] == sent["po_id"]

    acknowledged = {
        "acknowledgement_id": unique("ack"),
        "po_id": sent["po_id"],
        "expected_date": "2030-01-31",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    assert (
        await pipeline.send_fact("purchase_order.acknowledged", acknowledged)
    ).status_code == 204
    await pipeline.receive(sent["po_id"], sku, 4)
    shown = await pipeline.complete(order_id, "595.00")
    assert shown["lines"][0]["delivered"] == 5
    await pipeline.ended(order_id)


async def test_receipt_serves_the_first_promised_order_before_later_ones(pipeline: World) -> None:
    """The second order keeps waiting, and a new one gets nothing."""
    sku, customer = pipeline.shop(on_hand=0)
    first, second, newcomer = (order(sku, customer, quantity=2) for _ in range(3))
    await pipeline.place(first)
    await pipeline.until_event(first["order_id"], "bought")
    await pipeline.place(second)
    await pipeline.until_event(second["order_id"], "bought")
    orders = [await pipeline.order(waiting["order_id"]) for waiting in (first, second)]
    one, other = (shown["backorders"][0]["po_id"] for shown in orders)
    await pipeline.receive(other, sku, 2)
    await pipeline.until(first["order_id"], "awaiting_payment")
    await pipeline.receive(one, sku, 1)
    half = await pipeline.until_order(second["order_id"], lambda o: o["lines"][0]["reserved"] == 1)
    assert half["stage"] == "awaiting_stock"
    await pipeline.place(newcomer)
    late = await pipeline.until(newcomer["order_id"], "awaiting_stock")
    assert late["lines"][0]["backordered"] == 2


async def test_shortage_without_an_offer_waits_for_an_operator(pipeline: World) -> None:
    """After an offer is imported, a retry resumes it."""
    placed = await place_order(pipeline, on_hand=0, shop={"offers": False})
    order_id, sku = placed.order_id, placed.sku
    stuck = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert stuck["attention"]["code"] == "no_supply"
    assert sku in stuck["attention"]["message"]
    assert order_id in await pipeline.attentions()

    pipeline.import_tables(offers=[offer_row(supplier_of(sku), sku)])
    outcome = await pipeline.order_workflow(order_id).execute_update("retry_step")
    assert outcome["accepted"] is True
    await pipeline.until_event(order_id, "bought")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)


async def test_payment_before_the_goods_arrive_is_invoiced_at_once(pipeline: World) -> None:
    placed = await place_order(pipeline, on_hand=0)
    order_id = placed.order_id
    po_id = await until_purchased(pipeline, order_id)
    await pipeline.pay(order_id, TOTAL)
    early = await pipeline.until_event(order_id, "invoiced")
    assert early["stage"] == "awaiting_stock"
    await pipeline.receive(po_id, placed.sku, 1)
    await pipeline.until_event(order_id, "booked")
    assert await pipeline.requests("payments", "request", order_id) == []


# Terms


async def test_goods_on_credit_leave_before_they_are_paid(pipeline: World) -> None:
    """The invoice precedes the goods; the order is `delivered` while its payment is due."""
    order_id = (await place_order(pipeline, terms="net30", channel="phone")).order_id
    booked = await pipeline.until_event(order_id, "booked")
    assert booked["invoice_number"] is None
    assert booked["paid"] == "0.00"
    await pipeline.ship(order_id, "delivered")
    delivered = await pipeline.until(order_id, "delivered")
    assert events(delivered).count("dispatched") == 1
    assert delivered["invoice_number"]
    await pipeline.pay(order_id, "100.00")
    await pipeline.until_order(order_id, lambda o: o["paid"] == "100.00")
    await pipeline.pay(order_id, "19.00")
    await pipeline.until(order_id, "completed")


async def test_cash_payment_is_reported_by_the_till(pipeline: World) -> None:
    """No payment is requested, and the invoice comes with the payment."""
    order_id = (await place_order(pipeline, terms="cash", channel="store")).order_id
    waiting = await pipeline.until(order_id, "awaiting_payment")
    assert waiting["invoice_number"] is None
    await pipeline.pay(order_id, TOTAL)
    paid = await pipeline.until_event(order_id, "booked")
    assert paid["invoice_number"]
    assert await pipeline.requests("payments", "request", order_id) == []
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "completed")


async def test_order_over_the_credit_limit_waits_without_stock(pipeline: World) -> None:
    """It stays `received`; after a payment of an earlier order, a retry resumes it."""
    sku, customer = pipeline.shop(credit_limit="150.00")
    first, second = (order(sku, customer, terms="net30") for _ in range(2))
    first_id, second_id = first["order_id"], second["order_id"]
    await pipeline.place(first)
    await pipeline.until_event(first_id, "booked")
    await pipeline.place(second)
    stuck = await pipeline.until_order(second_id, lambda o: o["attention"] is not None)
    assert stuck["stage"] == "received"
    assert stuck["attention"]["code"] == "credit_limit_exceeded"
    assert stuck["lines"][0]["reserved"] == 0
    await pipeline.pay(first_id, TOTAL)
    await pipeline.until_order(first_id, lambda o: o["paid"] == TOTAL)
    retried = await pipeline.order_workflow(second_id).execute_update("retry_step")
    assert retried["accepted"] is True
    shown = await pipeline.until_event(second_id, "booked")
    assert shown["attention"] is None


async def test_new_customer_has_no_credit_and_no_exemption_from_the_document(
    pipeline: World,
) -> None:
    """Credit limit, status and tax treatment are decided by import."""
    new_customer = {
        "customer_id": unique("C"),
        "name": "Mallory",
        "email": "mallory@example.com",
        "country": "DE",
        "credit_limit": "900000.00",
        "tax_treatment": "exempt",
    }
    sku, _ = pipeline.shop(on_hand=1)
    document = order(sku, "", terms="net30") | {"customer": new_customer}
    order_id = document["order_id"]
    placed = await pipeline.place(document)
    assert placed["total"] == TOTAL
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "credit_limit_exceeded"
    customer = (await pipeline.api.get(f"/customers/{new_customer['customer_id']}")).json()
    assert customer["credit_limit"] == "0.00"
    assert (await pipeline.intake().cancel(order_id, "", "ann")).accepted
    await pipeline.until(order_id, "cancelled")


async def test_reverse_charge_needs_the_buyer_s_vat_id(pipeline: World) -> None:
    """The invoice must state it: directive 2006/112/EC, art. 226 (4)."""
    new_customer = {
        "customer_id": unique("C"),
        "name": "Acme",
        "email": "acme@example.com",
        "country": "FR",
        "tax_treatment": "reverse_charge",
    }
    sku, _ = pipeline.shop(on_hand=1)
    document = order(sku, "") | {"customer": new_customer}
    response = await pipeline.api.post("/orders", json=document)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "customer.vat_id"


async def test_payment_deadline_is_one_timer_until_the_end_of_the_seventh_day(
    pipeline: World,
) -> None:
    """`test_late_payments.py` tests its expiry, with a short deadline."""
    placed = await place_order(pipeline, requested_delivery_date="2030-01-01")
    handle = pipeline.order_workflow(placed.order_id)
    await until_history(handle, lambda event: event.HasField("timer_started_event_attributes"))
    history = await handle.fetch_history()
    ends = [
        event.event_time.ToDatetime(UTC)
        + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in history.events
        if event.HasField("timer_started_event_attributes")
    ]
    [request] = await pipeline.requests("payments", "request", placed.order_id)
    last_day = date.fromisoformat(request["body"]["due_date"])
    midnight = moment_of(TIMEZONE, last_day + timedelta(days=1))
    assert [timedelta() < midnight - end < timedelta(seconds=30) for end in ends] == [True]


# Shipments and mails


async def test_heavy_goods_are_shipped_by_ltl(pipeline: World) -> None:
    """Above a parcel's limit of 68 kg."""
    placed = await place_order(
        pipeline, on_hand=2, quantity=2, shop={"weight_g": 40_000}, terms="net30"
    )
    shown = await pipeline.until_event(placed.order_id, "booked")
    assert shown["shipments"][0]["carrier"] == "Overland LTL"
    [booking] = await pipeline.requests("carriers", "booking", placed.order_id)
    assert booking["body"]["mode"] == "ltl"
    assert booking["body"]["weight_g"] == 80_000


async def test_order_from_two_locations_is_delivered_when_both_shipments_are(
    pipeline: World,
) -> None:
    new = new_order(pipeline, on_hand=2, quantity=3, terms="net30", delivery="partial")
    order_id = new.order_id
    pipeline.import_tables(
        locations=[location_row("HAM", name="Hamburg", postal_code="20095")],
        stock=[stock_row("HAM", new.sku, 1, unit_cost="61.00")],
    )
    await pipeline.place(new.document)
    await pipeline.until_order(order_id, lambda o: states(o) == ["booked", "booked"])
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-1")
    one = await pipeline.until_order(order_id, lambda o: o["lines"][0]["delivered"] > 0)
    assert one["stage"] == "dispatching"
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.until(order_id, "delivered")


async def test_invoice_is_mailed_as_pdf(pipeline: World) -> None:
    """Order, invoice and dispatch have a mail each, with a Message-ID made of its fact."""
    placed = await place_order(pipeline, shop={"email": "grace@example.com"})
    order_id = placed.order_id
    shown = await pipeline.complete(order_id, TOTAL)
    await pipeline.ended(order_id)
    number = shown["invoice_number"]
    mails = await pipeline.mails(order_id)
    [invoice] = [mail for mail in mails if mail["attachments"]]
    assert invoice["to"] == "grace@example.com"
    assert invoice["attachments"] == [f"{number}.pdf"]
    assert f"invoice.{number}@" in invoice["message_id"]
    others = sorted(mail["message_id"] for mail in mails if not mail["attachments"])
    assert len(others) == 2
    assert f"confirmation.{order_id}@" in others[0]
    assert f"dispatch.SH-{order_id}-1@" in others[1]
