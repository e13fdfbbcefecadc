"""Orders that replace returned goods, and don't in the end: what was paid for them is given back, of
the order that was paid, once."""

from sqlmodel import select

from activities.billing.steps import credit_invoice
from models.messages.commands import InspectReturn, RefundShipment
from models.messages.steps import OrderStep
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order
from tests.support.exactly_once import accounts_of
from tests.support.orders import delivered
from tests.support.returns import came_back, command, details, settled
from tests.support.shipments import give_up, report
from tests.support.shop import Document, order
from tests.support.waiting import until
from tests.support.world import World


def looked_at(sku: str, quantity: int, disposition: str, condition: str = "as_new") -> Document:
    """Units that somebody looked at."""
    return {
        "sku": sku,
        "quantity": quantity,
        "disposition": disposition,
        "condition": condition,
    }


async def exchanged(
    world: World, order_id: str, sku: str, quantity: int, disposition: str
) -> tuple[str, str]:
    """Units of an order came back, and are to be sent once more: from stock where they were
    restocked, else they wait for it. Returns the return's id and the new order's."""
    return_id = await came_back(
        world, order_id, sku, quantity, wish="exchange", because="wrong_item"
    )
    lines = [looked_at(sku, quantity, disposition)]
    await command(world, InspectReturn, return_id=return_id, lines=lines)
    await settled(world, return_id)
    exchange_id = f"{order_id}-X1"
    reached = "booked" if disposition == "restock" else "bought"
    await world.until_event(exchange_id, reached)
    return return_id, exchange_id


async def arrived(world: World, order_id: str) -> None:
    """What an order sent has arrived."""
    await world.ship(order_id, "delivered")
    await world.until(order_id, "completed")


async def cancel(world: World, order_id: str) -> None:
    """A person cancels it, and that is done."""
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "not to be had any more"})
    assert outcome["accepted"], outcome
    await world.until(order_id, "cancelled")


async def given_back(world: World, order_id: str, amount: str) -> None:
    """In the end the order's customer has got back so much."""
    await world.until_order(order_id, lambda shown: shown["refunded"] == amount)


def credit_notes(world: World, order_id: str) -> list[CreditNoteRow]:
    """Of an order, by number."""
    query = select(CreditNoteRow).where(CreditNoteRow.order_id == order_id)
    return world.database.read(lambda s: list(s.exec(query.order_by(CreditNoteRow.number))))


def events(shown: Document) -> list[str]:
    """What happened to an order."""
    return [row["event"] for row in shown["history"]]


async def test_a_cancelled_exchange_gives_the_price_back(pipeline: World) -> None:
    """It waits for stock: the first order is credited and refunded once, and the mail says so."""
    order_id, sku = await delivered(pipeline)
    return_id, exchange_id = await exchanged(pipeline, order_id, sku, 1, "scrap")
    await cancel(pipeline, exchange_id)
    shown = await settled(pipeline, return_id)
    [credit_note] = credit_notes(pipeline, order_id)
    papers = [(one.exchange_order_id, one.credit_note, one.refunded) for one in shown.settlements]
    assert papers == [(exchange_id, None, None), (None, credit_note.number, "119.00")]
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


async def test_an_exchange_that_is_served_from_stock_may_be_cancelled_too(pipeline: World) -> None:
    """It has an invoice, of nothing, and a booking."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, exchange_id = await exchanged(pipeline, order_id, sku, 1, "restock")
    await cancel(pipeline, exchange_id)
    await settled(pipeline, return_id)
    await given_back(pipeline, order_id, "119.00")
    assert [note.total_minor for note in credit_notes(pipeline, order_id)] == [11_900]


async def test_a_lost_exchange_gives_the_price_back(pipeline: World) -> None:
    """What it had cost is its own, the price is the first order's."""
    order_id, sku = await delivered(pipeline, quantity=1)
    _, exchange_id = await exchanged(pipeline, order_id, sku, 1, "restock")
    await report(pipeline, exchange_id, "lost")
    await pipeline.until_order(exchange_id, lambda o: o["attention"])
    said = await give_up(pipeline, RefundShipment, f"SH-{exchange_id}-1")
    [credit_note] = credit_notes(pipeline, order_id)
    assert credit_note.number in said
    await pipeline.ended(exchange_id)
    await given_back(pipeline, order_id, "119.00")
    assert accounts_of(pipeline, exchange_id) == {"CLAIMS_RECEIVABLE": 6_000, "INVENTORY": -6_000}
    assert accounts_of(pipeline, order_id) == {"REVENUE": -10_000, "SALES_RETURNS": 10_000}
    await until(lambda: pipeline.mails(credit_note.number))
    shown = await pipeline.order(exchange_id)
    assert (shown["stage"], events(shown).count("credited")) == ("completed", 1)


async def test_what_an_exchange_brought_comes_back_like_any_goods(pipeline: World) -> None:
    """In two steps; for a worn unit half of the price is given back."""
    order_id, sku = await delivered(pipeline, quantity=2)
    _, exchange_id = await exchanged(pipeline, order_id, sku, 2, "restock")
    await arrived(pipeline, exchange_id)
    return_id = await came_back(pipeline, exchange_id, sku, 2)
    for condition in ("worn", "as_new"):
        lines = [looked_at(sku, 1, "restock", condition)]
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


async def test_an_exchange_of_an_exchange_leads_back_to_what_was_paid(pipeline: World) -> None:
    order_id, sku = await delivered(pipeline, quantity=1)
    _, first = await exchanged(pipeline, order_id, sku, 1, "restock")
    await arrived(pipeline, first)
    return_id, second = await exchanged(pipeline, first, sku, 1, "restock")
    assert second == f"{first}-X1"
    await cancel(pipeline, second)
    shown = await settled(pipeline, return_id)
    assert [one.refunded for one in shown.settlements] == [None, "119.00"]
    assert credit_notes(pipeline, first) == []
    assert (await pipeline.order(order_id))["refunded"] == "119.00"
    assert accounts_of(pipeline, first) == accounts_of(pipeline, second) == {}
    assert accounts_of(pipeline, order_id) == {"REVENUE": -10_000, "SALES_RETURNS": 10_000}


async def test_all_of_an_exchange_comes_back_in_parts(pipeline: World) -> None:
    """To the cent: what the parts are worth is what was paid."""
    sku, customer = pipeline.shop(on_hand=3, price="33.33")
    document = order(sku, customer, quantity=3, discount_percent="7")
    order_id = document["order_id"]
    placed = await pipeline.place(document)
    await pipeline.complete(order_id, placed["total"])
    await pipeline.ended(order_id)
    _, exchange_id = await exchanged(pipeline, order_id, sku, 3, "restock")
    await arrived(pipeline, exchange_id)
    return_id = await came_back(pipeline, exchange_id, sku, 3)
    for quantity in (1, 2):
        lines = [looked_at(sku, quantity, "restock")]
        await command(pipeline, InspectReturn, return_id=return_id, lines=lines)
    await settled(pipeline, return_id)
    assert (await pipeline.order(order_id))["refunded"] == placed["total"]
    left = accounts_of(pipeline, order_id)
    assert left.pop("REVENUE") == -left.pop("SALES_RETURNS")
    assert left == {}


async def test_an_exchange_whose_undoing_was_cut_off_is_credited_once(pipeline: World) -> None:
    """Its workflow was ended after it had credited: placed again, it goes on from the tables."""
    order_id, sku = await delivered(pipeline, quantity=1)
    return_id, exchange_id = await exchanged(pipeline, order_id, sku, 1, "scrap")
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
    await given_back(pipeline, order_id, "119.00")
    assert len(details(pipeline, return_id).settlements) == 2
    assert len(credit_notes(pipeline, order_id)) == 1
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1


async def test_an_unpaid_order_owes_nothing_for_a_cancelled_exchange(pipeline: World) -> None:
    """On credit: nothing is due any more, and its workflow hears of it."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    _, exchange_id = await exchanged(pipeline, order_id, sku, 1, "scrap")
    await cancel(pipeline, exchange_id)
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["due"], shown["refunded"], shown["stage"]) == ("0.00", "0.00", "completed")
