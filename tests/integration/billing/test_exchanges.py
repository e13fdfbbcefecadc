"""Exchanges that are cancelled, lost or returned: the paid order is credited and refunded once."""

from sqlmodel import select

from activities.billing.steps import credit_invoice
from models.messages.commands.returns import InspectReturn
from models.messages.commands.shipping import RefundShipment
from models.messages.steps import OrderStep
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order
from tests.support.orders.stages import delivered
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.returns.states import came_back, command, details, settled
from tests.support.shipping.shipments import give_up, report


def inspected(sku: str, quantity: int, disposition: str, condition: str = "as_new") -> Document:
    """Build a line of an inspection."""
    return {
        "sku": sku,
        "quantity": quantity,
        "disposition": disposition,
        "condition": condition,
    }


async def exchange(
    world: World, order_id: str, sku: str, quantity: int, disposition: str
) -> tuple[str, str]:
    """Exchange units of an order: from stock if they are restocked, else they wait for stock.

    Returns the ids of the return and of the exchange.
    """
    return_id = await came_back(
        world, order_id, sku, quantity, wish="exchange", because="wrong_item"
    )
    lines = [inspected(sku, quantity, disposition)]
    await command(world, InspectReturn, return_id=return_id, lines=lines)
    await settled(world, return_id)
    exchange_id = f"{order_id}-X1"
    reached = "booked" if disposition == "restock" else "bought"
    await world.until_event(exchange_id, reached)
    return return_id, exchange_id


async def deliver(world: World, order_id: str) -> None:
    """Report the delivery of an order's shipment and wait for its completion."""
    await world.ship(order_id, "delivered")
    await world.until(order_id, "completed")


async def cancel(world: World, order_id: str) -> None:
    """Cancel an order and wait until it is cancelled."""
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "not to be had any more"})
    assert outcome["accepted"], outcome
    await world.until(order_id, "cancelled")


async def until_refunded(world: World, order_id: str, amount: str) -> None:
    """Wait until an amount of an order is refunded."""
    await world.until_order(order_id, lambda shown: shown["refunded"] == amount)


def credit_notes(world: World, order_id: str) -> list[CreditNoteRow]:
    """Return the credit notes of an order, sorted by number."""
    query = select(CreditNoteRow).where(CreditNoteRow.order_id == order_id)
    return world.database.read(lambda s: list(s.exec(query.order_by(CreditNoteRow.number))))


def events(shown: Document) -> list[str]:
    """Return the events in the history of an order."""
    return [row["event"] for row in shown["history"]]


async def test_cancelled_exchange_is_refunded(pipeline: World) -> None:
    """It waits for stock. The paid order is credited and refunded once, with a mail."""
    order_id, sku = await delivered(pipeline)
    return_id, exchange_id = await exchange(pipeline, order_id, sku, 1, "scrap")
    await cancel(pipeline, exchange_id)
    shown = await settled(pipeline, return_id)
    [credit_note] = credit_notes(pipeline, order_id)
    found = [(one.exchange_order_id, one.credit_note, one.refunded) for one in shown.settlements]
    assert found == [(exchange_id, None, None), (None, credit_note.number, "119.00")]
    assert all(one.done_at for one in shown.settlements)
    assert credit_note.reason == f"{exchange_id} is cancelled: not to be had any more"
    assert accounts_of(pipeline, exchange_id) == {}
    assert accounts_of(pipeline, order_id) == {
        "CASH_CLEARING": 23_800,
        "TAX_PAYABLE": -3_800,
        "REVENUE": -30_000,
        "SALES_RETURNS": 10_000,
        "INVENTORY": -18_000,
        "COST_OF_GOODS_SOLD": 12_000,
        "INVENTORY_LOSS": 6_000,
    }
    [refund] = await pipeline.requests("payments", "refund", order_id)
    assert refund["body"]["amount"] == "119.00"
    assert len(await pipeline.mails(credit_note.number)) == 1
    first, second = await pipeline.order(order_id), await pipeline.order(exchange_id)
    assert (first["refunded"], first["stage"], first["attention"]) == ("119.00", "completed", None)
    assert events(first).count("credited") == events(second).count("credited") == 1


async def test_exchange_from_stock_can_be_cancelled(pipeline: World) -> None:
    """It has an invoice of zero and a booking."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, exchange_id = await exchange(pipeline, order_id, sku, 1, "restock")
    await cancel(pipeline, exchange_id)
    await settled(pipeline, return_id)
    await until_refunded(pipeline, order_id, "119.00")
    assert [note.total_minor for note in credit_notes(pipeline, order_id)] == [11_900]


async def test_lost_exchange_is_refunded(pipeline: World) -> None:
    """The cost is posted with the exchange, the price with the paid order."""
    order_id, sku = await delivered(pipeline, quantity=1)
    _, exchange_id = await exchange(pipeline, order_id, sku, 1, "restock")
    await report(pipeline, exchange_id, "lost")
    await pipeline.until_order(exchange_id, lambda o: o["attention"])
    message = await give_up(pipeline, RefundShipment, f"SH-{exchange_id}-1")
    [credit_note] = credit_notes(pipeline, order_id)
    assert credit_note.number in message
    await pipeline.ended(exchange_id)
    await until_refunded(pipeline, order_id, "119.00")
    assert accounts_of(pipeline, exchange_id) == {"CLAIMS_RECEIVABLE": 6_000, "INVENTORY": -6_000}
    assert accounts_of(pipeline, order_id) == {"REVENUE": -10_000, "SALES_RETURNS": 10_000}
    await until(lambda: pipeline.mails(credit_note.number))
    shown = await pipeline.order(exchange_id)
    assert (shown["stage"], events(shown).count("credited")) == ("completed", 1)


async def test_goods_of_exchange_are_returned_like_any_goods(pipeline: World) -> None:
    """In two inspections; half of the price is refunded for a worn unit."""
    order_id, sku = await delivered(pipeline, quantity=2)
    _, exchange_id = await exchange(pipeline, order_id, sku, 2, "restock")
    await deliver(pipeline, exchange_id)
    return_id = await came_back(pipeline, exchange_id, sku, 2)
    for condition in ("worn", "as_new"):
        lines = [inspected(sku, 1, "restock", condition)]
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    shown = await settled(pipeline, return_id)
    assert [one.refunded for one in shown.settlements] == ["59.50", "119.00"]
    assert (await pipeline.order(order_id))["refunded"] == "178.50"
    assert accounts_of(pipeline, exchange_id) == {}
    assert accounts_of(pipeline, order_id) == {
        "CASH_CLEARING": 5_950,
        "TAX_PAYABLE": -950,
        "REVENUE": -20_000,
        "SALES_RETURNS": 15_000,
    }


async def test_exchange_of_exchange_refunds_paid_order(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    _, first = await exchange(pipeline, order_id, sku, 1, "restock")
    await deliver(pipeline, first)
    return_id, second = await exchange(pipeline, first, sku, 1, "restock")
    assert second == f"{first}-X1"
    await cancel(pipeline, second)
    shown = await settled(pipeline, return_id)
    assert [one.refunded for one in shown.settlements] == [None, "119.00"]
    assert credit_notes(pipeline, first) == []
    assert (await pipeline.order(order_id))["refunded"] == "119.00"
    assert accounts_of(pipeline, first) == accounts_of(pipeline, second) == {}
    assert accounts_of(pipeline, order_id) == {"REVENUE": -10_000, "SALES_RETURNS": 10_000}


async def test_exchange_returned_in_parts_is_refunded_in_full(pipeline: World) -> None:
    """The refunds of the parts add up to the paid price, to the cent."""
    sku, customer = pipeline.shop(on_hand=3, price="33.33")
    document = order(sku, customer, quantity=3, discount_percent="7")
    order_id = document["order_id"]
    placed = await pipeline.place(document)
    await pipeline.complete(order_id, placed["total"])
    await pipeline.ended(order_id)
    _, exchange_id = await exchange(pipeline, order_id, sku, 3, "restock")
    await deliver(pipeline, exchange_id)
    return_id = await came_back(pipeline, exchange_id, sku, 3)
    for quantity in (1, 2):
        lines = [inspected(sku, quantity, "restock")]
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    await settled(pipeline, return_id)
    assert (await pipeline.order(order_id))["refunded"] == placed["total"]
    left = accounts_of(pipeline, order_id)
    assert left.pop("REVENUE") == -left.pop("SALES_RETURNS")
    assert left == {}


async def test_interrupted_cancellation_of_exchange_credits_once(pipeline: World) -> None:
    """The workflow is terminated after the credit note; placed again, it resumes from the tables."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, exchange_id = await exchange(pipeline, order_id, sku, 1, "scrap")
    await pipeline.misbehave(partner="payments", operation="void", fault="error", times=None)
    handle = pipeline.client.get_workflow_handle(f"order-{exchange_id}")
    assert (await handle.execute_update("cancel", {"reason": "no more"}))["accepted"]
    await pipeline.until(exchange_id, "cancelling")
    await handle.terminate("by the test")
    credit_invoice.run(pipeline.database, OrderStep(order_id=exchange_id))
    assert details(pipeline, return_id).settlements[-1].done_at is None
    await pipeline.partners.delete("/control/faults")
    row = pipeline.database.read(lambda session: session.get_one(Order, exchange_id))
    response = await pipeline.api.post("/orders", json=row.document)
    assert response.status_code == 200, response.text
    await pipeline.until(exchange_id, "cancelled")
    await settled(pipeline, return_id)
    await until_refunded(pipeline, order_id, "119.00")
    assert len(details(pipeline, return_id).settlements) == 2
    assert len(credit_notes(pipeline, order_id)) == 1
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1


async def test_cancelled_exchange_of_unpaid_order_lowers_amount_due(pipeline: World) -> None:
    """Nothing is due any more on the credit sale, and its workflow is notified."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    _, exchange_id = await exchange(pipeline, order_id, sku, 1, "scrap")
    await cancel(pipeline, exchange_id)
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["due"], shown["refunded"], shown["stage"]) == ("0.00", "0.00", "completed")
