"""The payment provider reports a refund by itself, and days later that it failed."""

from tests.support.billing.sales import execute, place_order
from tests.support.pipeline.world import World


async def test_refund_of_the_provider_that_fails_is_held(busy_world: World) -> None:
    """Both reports follow the refund that was asked for."""
    order_id = await place_order(busy_world)
    shown = await busy_world.until(order_id, "completed")
    for fault in ("report", "fail"):
        await busy_world.misbehave(partner="payments", operation="refund_report", fault=fault)
    invoice = shown["invoice_number"]
    await execute(busy_world, f"/invoices/{invoice}/credit-notes", amount="50.00")
    shown = await busy_world.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "refund_held"
    assert "was not paid (account closed)" in shown["attention"]["message"]
    [refund] = shown["refunds"]
    assert (refund["amount"], refund["state"]) == ("50.00", "held")
    books = (await busy_world.partners.get("/control/books/payments")).json()
    sent = [row["type"] for row in books["callbacks"] if row["subject"] == order_id]
    assert {"payment.refunded", "payment.refund_failed"} <= set(sent)
    busy_world.check_books()
