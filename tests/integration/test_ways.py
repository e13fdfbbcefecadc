"""The ways an order can go: bought goods, credit, cash, several consignments, large freight."""

from typing import Any

from activities.masterdata.importing import import_folder
from tests.support.shop import order, supplier_of, unique, write_csv
from tests.support.waiting import until_history
from tests.support.world import World


async def purchase_order_of(pipeline: World, sku: str) -> Any:
    """The one purchase order that the supplier has for a SKU."""
    [request] = await pipeline.requests("suppliers", "purchase_order", sku)
    return request["body"]


async def test_what_is_short_is_bought_and_the_order_waits_for_it(pipeline: World) -> None:
    """Two in stock, five ordered, packs of four: four are bought, three go to the order."""
    sku, customer = pipeline.shop(on_hand=2, pack=4)
    document = order(sku, customer, quantity=5)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "bought")
    waiting = await pipeline.until(document["order_id"], "awaiting_stock")
    assert waiting["lines"][0]["reserved"] == 2
    assert waiting["lines"][0]["backordered"] == 3
    [backorder] = waiting["backorders"]
    bought = await purchase_order_of(pipeline, sku)
    assert bought["lines"] == [{"sku": sku, "quantity": 4, "unit_cost": "55.00"}]
    assert backorder["po_id"] == bought["po_id"]

    acknowledged = {
        "acknowledgement_id": unique("ack"),
        "po_id": bought["po_id"],
        "expected_date": "2030-01-31",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    assert (await pipeline.tell("purchase_order.acknowledged", acknowledged)).status_code == 204
    await pipeline.receive(bought["po_id"], sku, 4)
    shown = await pipeline.complete(document["order_id"], "595.00")
    assert shown["lines"][0]["delivered"] == 5
    await pipeline.ended(document["order_id"])


async def test_a_receipt_of_half_serves_the_first_promised(pipeline: World) -> None:
    """The second order keeps waiting, and a newcomer does not overtake it."""
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


async def test_nobody_offers_what_is_short(pipeline: World) -> None:
    """The order asks for a person; an offer and a retry mend it."""
    sku, customer = pipeline.shop(on_hand=0, offers=False)
    document = order(sku, customer)
    await pipeline.place(document)
    stuck = await pipeline.until_order(document["order_id"], lambda o: o["attention"] is not None)
    assert stuck["attention"]["code"] == "no_supply"
    assert sku in stuck["attention"]["message"]
    listed = (await pipeline.api.get("/orders", params={"attention": True})).json()
    assert document["order_id"] in [row["order_id"] for row in listed]

    folder = pipeline.folder / unique("offer")
    folder.mkdir()
    offer = {
        "supplier_id": supplier_of(sku),
        "sku": sku,
        "unit_cost": "55.00",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 3,
    }
    write_csv(folder, "offers.csv", [offer])
    import_folder(pipeline.database, folder)
    handle = pipeline.client.get_workflow_handle(f"order-{document['order_id']}")
    outcome = await handle.execute_update("retry_step")
    assert outcome["accepted"] is True
    await pipeline.until_event(document["order_id"], "bought")
    await pipeline.until_order(document["order_id"], lambda o: o["attention"] is None)


async def test_on_credit_goods_leave_before_the_money_is_in(pipeline: World) -> None:
    """Net30: invoice first, then goods; `delivered` while the payment is due."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, terms="net30", channel="phone")
    await pipeline.place(document)
    booked = await pipeline.until_event(document["order_id"], "booked")
    assert booked["invoice_number"]
    assert booked["paid"] == "0.00"
    await pipeline.ship(document["order_id"], "delivered")
    delivered = await pipeline.until(document["order_id"], "delivered")
    assert [r["event"] for r in delivered["history"]].count("dispatched") == 1
    await pipeline.pay(document["order_id"], "100.00")
    await pipeline.until_order(document["order_id"], lambda o: o["paid"] == "100.00")
    await pipeline.pay(document["order_id"], "19.00")
    await pipeline.until(document["order_id"], "completed")


async def test_cash_is_reported_by_the_till(pipeline: World) -> None:
    """Nobody is asked for it, and the invoice comes with the payment."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, terms="cash", channel="store")
    await pipeline.place(document)
    waiting = await pipeline.until(document["order_id"], "awaiting_payment")
    assert waiting["invoice_number"] is None
    await pipeline.pay(document["order_id"], "119.00")
    paid = await pipeline.until_event(document["order_id"], "booked")
    assert paid["invoice_number"]
    assert await pipeline.requests("payments", "request", document["order_id"]) == []
    await pipeline.ship(document["order_id"], "delivered")
    await pipeline.until(document["order_id"], "completed")


async def test_an_order_beyond_the_credit_limit_waits_before_anything_is_touched(
    pipeline: World,
) -> None:
    """Stage received, attention; a payment of the earlier order and a retry let it go on."""
    sku, customer = pipeline.shop(credit_limit="150.00")
    first = order(sku, customer, terms="net30")
    await pipeline.place(first)
    await pipeline.until_event(first["order_id"], "booked")
    second = order(sku, customer, terms="net30")
    await pipeline.place(second)
    stuck = await pipeline.until_order(second["order_id"], lambda o: o["attention"] is not None)
    assert stuck["stage"] == "received"
    assert stuck["attention"]["code"] == "credit_limit_exceeded"
    assert stuck["lines"][0]["reserved"] == 0
    await pipeline.pay(first["order_id"], "119.00")
    await pipeline.until_order(first["order_id"], lambda o: o["paid"] == "119.00")
    handle = pipeline.client.get_workflow_handle(f"order-{second['order_id']}")
    assert (await handle.execute_update("retry_step"))["accepted"] is True
    mended = await pipeline.until_event(second["order_id"], "booked")
    assert mended["attention"] is None


async def test_an_unpaid_order_waits_for_its_money_until_its_deadline(pipeline: World) -> None:
    """One durable timer of seven days; what follows is shown with a short one, in test_promises."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, requested_delivery_date="2030-01-01")
    await pipeline.place(document)
    handle = pipeline.client.get_workflow_handle(f"order-{document['order_id']}")
    await until_history(handle, lambda event: event.HasField("timer_started_event_attributes"))
    history = await handle.fetch_history()
    timers = [
        e.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for e in history.events
        if e.HasField("timer_started_event_attributes")
    ]
    assert [t.days for t in timers] == [7]


async def test_an_early_payment_bills_at_once(pipeline: World) -> None:
    """Paid while the goods are still on their way from the supplier."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "bought")
    await pipeline.pay(document["order_id"], "119.00")
    early = await pipeline.until_event(document["order_id"], "invoiced")
    assert early["stage"] == "awaiting_stock"
    await pipeline.receive(early["backorders"][0]["po_id"], sku, 1)
    await pipeline.until_event(document["order_id"], "booked")
    assert await pipeline.requests("payments", "request", document["order_id"]) == []


async def test_heavy_goods_travel_by_ltl(pipeline: World) -> None:
    """Above a parcel's 68 kg."""
    sku, customer = pipeline.shop(weight_g=40_000)
    document = order(sku, customer, quantity=2, terms="net30")
    await pipeline.place(document)
    shown = await pipeline.until_event(document["order_id"], "booked")
    assert shown["shipments"][0]["carrier"] == "Overland LTL"
    [booking] = await pipeline.requests("carriers", "booking", document["order_id"])
    assert booking["body"]["mode"] == "ltl"
    assert booking["body"]["weight_g"] == 80_000


async def test_an_order_from_two_locations_leaves_in_two_consignments(pipeline: World) -> None:
    """Each with a shipment of its own; the order is delivered when both are."""
    sku, customer = pipeline.shop(on_hand=2)
    folder = pipeline.folder / unique("second")
    folder.mkdir()
    place = {"location": "HAM", "name": "Hamburg", "country": "DE", "postal_code": "20095"}
    write_csv(folder, "locations.csv", [place])
    stock = {"location": "HAM", "sku": sku, "on_hand": 1, "unit_cost": "61.00"}
    write_csv(folder, "stock.csv", [stock])
    import_folder(pipeline.database, folder)
    document = order(sku, customer, quantity=3, terms="net30", delivery="partial")
    await pipeline.place(document)
    order_id = document["order_id"]
    await pipeline.until_order(
        order_id, lambda o: [s["state"] for s in o["shipments"]] == ["booked", "booked"]
    )
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-1")
    one = await pipeline.until_order(order_id, lambda o: o["lines"][0]["delivered"] > 0)
    assert one["stage"] == "dispatching"
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.until(order_id, "delivered")


async def test_the_invoice_goes_out_as_a_mail_with_its_pdf(pipeline: World) -> None:
    """One mail for the order, its invoice and its dispatch, each with a Message-ID of its fact."""
    sku, customer = pipeline.shop(email="grace@example.com")
    document = order(sku, customer)
    await pipeline.place(document)
    shown = await pipeline.complete(document["order_id"], "119.00")
    await pipeline.ended(document["order_id"])
    number = shown["invoice_number"]
    mails = await pipeline.mails(document["order_id"])
    [invoice] = [mail for mail in mails if mail["attachments"]]
    assert invoice["to"] == "grace@example.com"
    assert invoice["attachments"] == [f"{number}.pdf"]
    assert f"invoice.{number}@" in invoice["message_id"]
    others = sorted(mail["message_id"] for mail in mails if not mail["attachments"])
    order_id = document["order_id"]
    assert len(others) == 2
    assert f"confirmation.{order_id}@" in others[0]
    assert f"dispatch.SH-{order_id}-1@" in others[1]
