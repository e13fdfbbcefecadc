"""Refunds through the whole pipeline: to each payment, by hand, refused, and after a reversal."""

from tests.support.billing.payments import charge_back
from tests.support.billing.sales import deliver, execute, place_order, refusal
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, unique
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


async def paid(world: World, *payments: tuple[str, str]) -> tuple[str, str, list[str]]:
    """Deliver an order paid by `payments`, method and amount; returns order, invoice, payments."""
    order_id = await place_order(world)
    await world.until_event(order_id, "payment_requested")
    payment_ids = []
    for method, amount in payments:
        payment_ids.append(unique("pay"))
        data = {"payment_id": payment_ids[-1], "order_id": order_id, "method": method}
        await world.report("payment.received", data | {"amount": amount, "currency": "EUR"})
    await deliver(world, order_id)
    shown = await world.until(order_id, "completed")
    await world.ended(order_id)
    return order_id, str(shown["invoice_number"]), payment_ids


async def refunds(world: World, order_id: str) -> list[Document]:
    """List the refunds of an order, without their times."""
    rows = (await world.order(order_id))["refunds"]
    fields = ("number", "payment_id", "amount", "paid_by", "state")
    return [{name: row[name] for name in fields} for row in rows]


async def test_refund_goes_to_each_payment_the_way_it_came(pipeline: World) -> None:
    """The provider pays the card's part; an operator transfers the rest and records it."""
    order_id, invoice, (card, transfer) = await paid(
        pipeline, ("card", "60.00"), ("transfer", "59.00")
    )
    await execute(pipeline, f"/invoices/{invoice}/credit-notes", amount="80.00")
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "21.00")
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "refund_by_hand"
    assert (
        f"pay 59.00 EUR back by bank transfer, as payment {transfer} came"
        in (shown["attention"]["message"])
    )
    [asked] = await pipeline.requests("payments", "refund", order_id)
    assert (asked["body"]["payment_id"], asked["body"]["amount"]) == (card, "21.00")
    done = await run_json(
        pipeline, "refund", order_id, "--paid-by", "transfer", "--reason", "transferred"
    )
    assert done["message"] == "59.00 EUR are recorded as paid back by bank transfer"
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert shown["refunded"] == "80.00"
    assert [row["state"] for row in await refunds(pipeline, order_id)] == [
        *("withdrawn", "refunded", "refunded"),
    ]
    found = accounts_of(pipeline, order_id)
    assert (found["CASH_CLEARING"], "BANK" in found) == (3_900, False)
    await until(lambda: pipeline.mails("Refund for your order " + order_id), lambda m: len(m) == 2)
    assert await reconciled(pipeline) == set()


async def test_cancelled_cash_sale_is_refunded_at_the_till(pipeline: World) -> None:
    """The order waits for the operator who pays it, and no provider is asked."""
    order_id = await place_order(pipeline, terms="cash")
    await pipeline.until(order_id, "awaiting_payment")
    status, printed, _ = await run(pipeline, "pay", order_id, "60.00")
    assert status == 0, printed
    await pipeline.until_event(order_id, "payment_received")
    assert accounts_of(pipeline, order_id)["TILL"] == 6_000
    await run(pipeline, "cancel", order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "refund_by_hand"
    path = f"/orders/{order_id}/refunds"
    assert await refusal(pipeline, path) == "money_refused order_id"
    done = await execute(pipeline, path, paid_by="cash")
    assert done["message"] == "60.00 EUR are recorded as paid back in cash"
    shown = await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id) == {}
    assert await pipeline.requests("payments", "refund", order_id) == []


async def test_refused_refund_is_withdrawn_or_recorded_as_paid_by_hand(pipeline: World) -> None:
    order_id, invoice, (card,) = await paid(pipeline, ("card", "119.00"))
    await pipeline.misbehave(
        partner="payments", operation="refund", fault="refuse", code="account_closed", times=2
    )
    path = f"/invoices/{invoice}/credit-notes"
    for amount in ("50.00", "20.00"):
        await execute(pipeline, path, amount=amount)
        await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    withdraw = f"/orders/{order_id}/refunds/withdraw"
    assert await refusal(pipeline, withdraw) == "money_refused number"
    done = await run_json(
        pipeline, "refunds", "withdraw", order_id, "--number", "2", "--reason", "kept as credit"
    )
    assert done["message"] == "refund 2 of 20.00 EUR is withdrawn"
    await execute(pipeline, f"/orders/{order_id}/refunds", paid_by="cash", amount="50.00")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert await refunds(pipeline, order_id) == [
        {"number": number, "payment_id": card, "amount": amount, "paid_by": by, "state": state}
        for number, amount, by, state in (
            (1, "50.00", "provider", "withdrawn"),
            (2, "20.00", "provider", "withdrawn"),
            (3, "50.00", "cash", "refunded"),
        )
    ]
    assert await pipeline.requests("payments", "refund", order_id) == []


async def test_refused_refund_is_not_given_when_its_payment_is_reversed(pipeline: World) -> None:
    """119.00 paid, 50.00 credited and refused: 69.00 are due, and a retry pays nothing on top."""
    order_id, invoice, (card,) = await paid(pipeline, ("card", "119.00"))
    await pipeline.misbehave(
        partner="payments", operation="refund", fault="refuse", code="account_closed"
    )
    done = await execute(pipeline, f"/invoices/{invoice}/credit-notes", amount="50.00")
    note = done["message"].split()[0]
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await charge_back(pipeline, card)
    await pipeline.until_order(order_id, lambda o: o["due"] == "69.00")
    await execute(pipeline, f"/orders/{order_id}/write-off")
    await run(pipeline, "retry", order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert (shown["due"], shown["refunded"]) == ("0.00", "0.00")
    assert await pipeline.requests("payments", "refund", order_id) == []
    credit = await run_json(pipeline, "invoice", "show", note)
    assert (credit["refund"], credit["used"], credit["kept"]) == ("0.00", "50.00", "0.00")


async def test_rest_of_a_stopped_refund_is_shown_until_an_operator_decides(
    pipeline: World,
) -> None:
    order_id, invoice, (card,) = await paid(pipeline, ("card", "119.00"))
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse")
    await execute(pipeline, f"/invoices/{invoice}/credit-notes", amount="50.00")
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await charge_back(pipeline, card, amount="30.00", currency="EUR")
    await pipeline.until_order(order_id, lambda o: len(o["refunds"]) == 2)
    await run(pipeline, "retry", order_id)
    status, printed, _ = await run(
        pipeline, "refund", order_id, "--payment", card, "--reason", "agreed with the bank"
    )
    assert status == 0, printed
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "20.00")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)


async def test_refund_that_fails_later_is_owed_again_and_paid_by_hand(pipeline: World) -> None:
    """Signed webhooks, each sent twice. One that was made at the provider is recorded as well."""
    order_id, invoice, (card,) = await paid(pipeline, ("card", "119.00"))
    await execute(pipeline, f"/invoices/{invoice}/credit-notes", amount="50.00")
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "50.00")
    refund_id = f"rf-{order_id}"
    made = {"payment_id": card, "amount": "50.00", "currency": "EUR"}
    for _ in range(2):
        await pipeline.report("payment.refunded", {"refund_id": refund_id, **made})
        failed = {"refund_id": refund_id, "payment_id": card, "reason": "account closed"}
        await pipeline.report("payment.refund_failed", failed)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "refund_held"
    assert "was not paid (account closed)" in shown["attention"]["message"]
    assert accounts_of(pipeline, order_id)["CASH_CLEARING"] == 11_900
    words = ("refund", order_id, "--payment", card, "--paid-by", "transfer", "--reason", "by bank")
    await run_json(pipeline, *words)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert shown["refunded"] == "50.00"
    await run_json(pipeline, "credit-note", invoice, "20.00", "--keep", "--reason", "scratched")
    at_desk = {"refund_id": unique("rf"), **made, "amount": "20.00"}
    await pipeline.report("payment.refunded", at_desk)
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "70.00")
    assert await reconciled(pipeline) == set()


async def test_refund_reported_before_its_payment_is_applied_with_it(pipeline: World) -> None:
    """Also the report that it failed, which comes first of all; the payment is listed again."""
    given, failed = unique("pay"), unique("pay")
    for payment_id in (failed, given):
        report = {"refund_id": f"rf-{payment_id}", "payment_id": payment_id}
        if payment_id == failed:
            await pipeline.report("payment.refund_failed", report | {"reason": "closed"})
        await pipeline.report("payment.refunded", report | {"amount": "30.00", "currency": "EUR"})
    for payment_id in (failed, given):
        await pipeline.pay(unique("nobody"), "30.00", payment_id)

    async def listed() -> dict[str, str]:
        rows = (await pipeline.api.get("/payments/unmatched")).json()
        found = {row["payment_id"]: row["reason"] for row in rows}
        return {key: found[key] for key in (failed, given) if key in found}

    assert await until(listed, lambda rows: set(rows) == {failed}) == {
        failed: "its refund failed: closed"
    }
    assert await reconciled(pipeline) == set()
