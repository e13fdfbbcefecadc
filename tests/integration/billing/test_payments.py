"""Payments: in parts, too high, too low, unknown, in another currency, reversed, paid out."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlmodel import select

from models.tables.billing import PaymentReversal
from tests.conftest import DATABASES, new_world
from tests.support.billing.payments import charge_back
from tests.support.billing.sales import (
    TOTAL,
    complete_order,
    deliver,
    execute,
    place_order,
    postings,
    refusal,
)
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, today, unique
from tests.support.pipeline.clock import working
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: each test starts one with its own settings."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


async def test_tax_of_part_payment_falls_due_before_invoice_and_is_deducted(
    pipeline: World,
) -> None:
    """Of 59.50 paid before the invoice 9.50 are tax (2006/112/EC art. 65)."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "59.50")
    await pipeline.until_event(order_id, "payment_received")
    assert accounts_of(pipeline, order_id) == {
        "CASH_CLEARING": 5_950,
        "CUSTOMER_DEPOSITS": -5_000,
        "TAX_PAYABLE": -950,
    }
    await pipeline.pay(order_id, "59.50")
    shown = await pipeline.until_event(order_id, "invoiced")
    assert accounts_of(pipeline, order_id) == {
        "CASH_CLEARING": 11_900,
        "CONTRACT_LIABILITIES": -10_000,
        "TAX_PAYABLE": -1_900,
    }
    entry = postings(pipeline, f"invoice:{shown['invoice_number']}")
    assert entry == {
        "CUSTOMER_DEPOSITS": 10_950,
        "CONTRACT_LIABILITIES": -10_000,
        "TAX_PAYABLE": -950,
    }


async def test_equal_amounts_are_equal_whatever_their_zeros(pipeline: World) -> None:
    """In webhooks, also in a repeated one, and on the command line."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    data = {"payment_id": unique("pay"), "order_id": order_id, "currency": "EUR"}
    webhook_id = unique("msg")
    for amount in ("59.5000", "59.5", "59.50"):
        sent = await pipeline.send_fact("payment.received", data | {"amount": amount}, webhook_id)
        assert sent.status_code == 204, sent.text
    status, printed, _ = await run(pipeline, "pay", order_id, "59.500")
    assert status == 0, printed
    shown = await pipeline.until_event(order_id, "invoiced")
    assert (shown["paid"], shown["odd_facts"]) == (TOTAL, [])


async def test_payment_at_an_unknown_time_counts_for_today(pipeline: World) -> None:
    """Providers write a time without a value as the first or the last one of the calendar."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    data = {"order_id": order_id, "currency": "EUR", "amount": "59.50"}
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        paid = data | {"payment_id": unique("pay"), "received_at": moment}
        await pipeline.report("payment.received", paid)
    shown = await pipeline.until_event(order_id, "invoiced")
    [invoice] = shown["invoices"]
    bill = (await pipeline.api.get(f"/invoices/{invoice['number']}")).json()
    assert (shown["paid"], bill["issued_on"]) == (TOTAL, today().isoformat())
    for moment in ("0001-01-01", "1026-11-30"):
        status, _, error = await run(pipeline, "pay", order_id, "1.00", "--on", moment)
        assert (status, "is not between 1970-01-01 and 2199-12-31" in error) == (2, True)


async def test_overpayment_is_listed_and_refunded_by_command(pipeline: World) -> None:
    """In parts and at most the excess; each refund is mailed to the customer."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "139.00")
    await pipeline.until_event(order_id, "invoiced")
    assert payment_id in await unmatched(pipeline)
    shown = await pipeline.order(order_id)
    assert (shown["paid"], shown["overpaid"], shown["credit"]) == (TOTAL, "20.00", "0.00")
    _, printed, _ = await run(pipeline, "status", order_id)
    assert f"paid {TOTAL} of {TOTAL} EUR, 20.00 overpaid" in printed
    path = f"/orders/{order_id}/refunds"
    assert await refusal(pipeline, path, amount="20.01") == "money_refused amount"
    await execute(pipeline, path, amount="5.00")
    await execute(pipeline, path)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "20.00")
    assert await refusal(pipeline, path) == "money_refused order_id"
    assert payment_id not in await unmatched(pipeline)
    given = await pipeline.requests("payments", "refund", order_id)
    assert [g["body"]["amount"] for g in given] == ["5.00", "15.00"]
    await until(lambda: pipeline.mails("Refund for your order " + order_id), lambda m: len(m) == 2)
    assert shown["paid"] == TOTAL


async def unmatched(world: World) -> dict[str, Document]:
    """Return the unmatched payments by id."""
    rows = (await world.api.get("/payments/unmatched")).json()
    return {row["payment_id"]: row for row in rows}


async def test_refused_refund_is_shown_on_order_until_retry(pipeline: World) -> None:
    """The amount cannot be refunded twice in the meantime."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "139.00")
    await pipeline.until_event(order_id, "invoiced")
    await pipeline.misbehave(
        partner="payments", operation="refund", fault="refuse", code="account_closed"
    )
    await execute(pipeline, f"/orders/{order_id}/refunds")
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "account_closed"
    assert await refusal(pipeline, f"/orders/{order_id}/refunds") == "money_refused order_id"
    await run(pipeline, "retry", order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "20.00")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)


async def test_payment_in_another_currency_is_shown_and_refunded(pipeline: World) -> None:
    """The order still waits for its payment."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": TOTAL, "currency": "USD"}
    assert (await pipeline.send_fact("payment.received", data)).status_code == 204
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert (shown["attention"]["code"], shown["paid"]) == ("payment_currency", "0.00")
    await execute(pipeline, f"/payments/{payment_id}/refund")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await until(lambda: unmatched(pipeline), lambda rows: payment_id not in rows)
    await pipeline.pay(order_id, TOTAL)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_early_payment_in_another_currency_is_shown_on_order(pipeline: World) -> None:
    """Like a payment received after the order was placed."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id, payment_id = str(document["order_id"]), unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": TOTAL, "currency": "USD"}
    assert (await pipeline.send_fact("payment.received", data)).status_code == 204
    await until(lambda: unmatched(pipeline), lambda rows: payment_id in rows)
    await pipeline.place(document)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "payment_currency"
    await execute(pipeline, f"/payments/{payment_id}/refund")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await run(pipeline, "cancel", order_id)
    await pipeline.until(order_id, "cancelled")


async def test_payment_without_order_is_assigned_once(pipeline: World) -> None:
    """By command; the order then continues."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay("UNKNOWN-" + order_id, TOTAL)
    await until(lambda: unmatched(pipeline), lambda rows: payment_id in rows)
    path = f"/payments/{payment_id}/assign"
    assert await refusal(pipeline, path, order_id="UNKNOWN") == "unknown"
    assert await refusal(pipeline, "/payments/NONE/assign", order_id=order_id) == "unknown"
    await execute(pipeline, path, order_id=order_id)
    await pipeline.until_event(order_id, "invoiced")
    assert await refusal(pipeline, path, order_id=order_id) == "money_refused payment_id"
    assert accounts_of(pipeline, order_id)["UNAPPLIED_RECEIPTS"] == 11_900
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_underpayment_within_tolerance_pays_order(idle: World) -> None:
    """The difference is posted with its tax, and the order continues."""
    async with working(idle, payment_tolerance=Decimal("0.05")):
        order_id = await place_order(idle)
        await idle.until_event(order_id, "payment_requested")
        await idle.pay(order_id, "118.94")
        shown = await idle.until_event(order_id, "payment_received")
        assert shown["invoice_number"] is None
        await idle.pay(order_id, "0.01")
        shown = await idle.until_event(order_id, "invoiced")
        assert (shown["paid"], shown["due"]) == ("118.95", "0.00")
        found = accounts_of(idle, order_id)
        assert (found["PAYMENT_DIFFERENCES"], found.get("ACCOUNTS_RECEIVABLE")) == (4, None)
        await deliver(idle, order_id)
        await idle.until(order_id, "completed")


async def test_chargeback_reopens_completed_order_until_payment(pipeline: World) -> None:
    """It is shown as delivered and due, with an attention; a new payment completes it again."""
    order_id, payment_id = await complete_order(pipeline)
    await charge_back(pipeline, payment_id, fee="7.50", currency="EUR", amount=TOTAL)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "payment_reversed"
    assert (shown["stage"], shown["paid"], shown["due"]) == ("delivered", "0.00", TOTAL)
    found = accounts_of(pipeline, order_id)
    assert (found["ACCOUNTS_RECEIVABLE"], found["PAYMENT_FEES"]) == (11_900, 750)
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_order(order_id, lambda o: o["stage"] == "completed")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await pipeline.ended(order_id)
    assert "ACCOUNTS_RECEIVABLE" not in accounts_of(pipeline, order_id)


async def test_won_dispute_under_its_payment_s_id_is_shown_and_paid_under_another(
    pipeline: World,
) -> None:
    """By API and command line; the fee of the reversal is in the payment's currency."""
    order_id, payment_id = await complete_order(pipeline)
    await charge_back(pipeline, payment_id, fee="7.50")
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await pipeline.pay(order_id, TOTAL, payment_id)
    shown = await pipeline.until_order(order_id, lambda o: o["odd_facts"])
    assert (shown["due"], shown["attention"]["code"]) == (TOTAL, "payment_reversed")
    [rejected] = shown["odd_facts"]
    assert rejected["reason"].startswith(f"payment_id: {TOTAL} EUR of this payment were reversed")
    status, _, printed = await run(pipeline, "pay", order_id, TOTAL, "--payment-id", payment_id)
    assert status == 0, printed
    await pipeline.until_order(order_id, lambda o: len(o["odd_facts"]) == 2)
    status, _, printed = await run(pipeline, "pay", order_id, TOTAL)
    assert status == 0, printed
    await pipeline.until_order(order_id, lambda o: o["stage"] == "completed")
    assert accounts_of(pipeline, order_id)["PAYMENT_FEES"] == 750


@pytest.mark.parametrize("fields", [{}, {"amount": TOTAL, "currency": "EUR"}], ids=str)
async def test_reversal_before_its_payment_is_applied_once(
    pipeline: World, fields: Document
) -> None:
    """It is applied when the payment is recorded, and no goods leave."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id, reversal_id = unique("pay"), unique("rv")
    for _ in range(2):
        await charge_back(pipeline, payment_id, reversal_id=reversal_id, **fields)
    recorded = select(PaymentReversal).where(PaymentReversal.reversal_id == reversal_id)
    await until(lambda: pipeline.database.read(lambda session: session.exec(recorded).all()))
    await pipeline.pay(order_id, TOTAL, payment_id)
    shown = await pipeline.until_event(order_id, "payment_reversed")
    assert (shown["paid"], shown["due"], shown["stage"]) == ("0.00", TOTAL, "awaiting_payment")
    assert shown["odd_facts"] == []
    found = accounts_of(pipeline, order_id)
    assert found["ACCOUNTS_RECEIVABLE"] == 11_900
    assert "CASH_CLEARING" not in found
    assert await pipeline.requests("carriers", "booking", order_id) == []


async def test_reversal_before_booking_stops_dispatch(pipeline: World) -> None:
    """No carrier is booked until the order is paid again."""
    await pipeline.misbehave(
        partner="carriers", operation="booking", fault="refuse", code="closed", times=1
    )
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, TOTAL)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await charge_back(pipeline, payment_id)
    await pipeline.until(order_id, "awaiting_payment")
    await run(pipeline, "retry", order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert [s["state"] for s in shown["shipments"]] == ["planned"]
    assert await pipeline.requests("carriers", "booking", order_id) == []
    await pipeline.pay(order_id, TOTAL)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_chargeback_after_refund_needs_operator_and_uses_credit(pipeline: World) -> None:
    """The amount of the cancelled order is due again, as shown, and can be written off once."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "20.00")
    await pipeline.until_event(order_id, "payment_received")
    await run(pipeline, "cancel", order_id)
    shown = await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    await charge_back(pipeline, payment_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert (shown["attention"]["code"], shown["due"]) == ("payment_reversed", "20.00")
    assert (await run_json(pipeline, "status", order_id))["due"] == "20.00"
    customer = (await pipeline.api.get(f"/customers/{shown['customer_id']}")).json()
    assert customer["open_credit"] == "20.00"
    path = f"/orders/{order_id}/write-off"
    await execute(pipeline, path)
    assert await refusal(pipeline, path) == "money_refused order_id"
    shown = await pipeline.order(order_id)
    assert (shown["attention"], shown["due"]) == (None, "0.00")
    found = accounts_of(pipeline, order_id)
    assert (found["BAD_DEBTS"], found.get("TAX_PAYABLE")) == (2_000, None)


async def test_payout_clears_collected_amount_once(pipeline: World) -> None:
    """A second report of the payout changes nothing."""
    payout_id = unique("po")
    data = {"payout_id": payout_id, "amount": "118.00", "fee": "1.00", "currency": "EUR"}
    for _ in range(2):
        response = await pipeline.send_fact("payout.paid", data, webhook_id=f"msg-{payout_id}")
        assert response.status_code == 204
    entry = await until(lambda: postings(pipeline, f"payout:{payout_id}"))
    assert entry == {"BANK": 11_800, "PAYMENT_FEES": 100, "CASH_CLEARING": -11_900}


async def test_payout_below_zero_is_debited_to_bank(pipeline: World) -> None:
    payout_id = unique("po")
    data = {"payout_id": payout_id, "amount": "-18.00", "fee": "1.00", "currency": "EUR"}
    await pipeline.report("payout.paid", data)
    entry = await until(lambda: postings(pipeline, f"payout:{payout_id}"))
    assert entry == {"BANK": -1_800, "PAYMENT_FEES": 100, "CASH_CLEARING": 1_700}


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [
        ("0", "EUR", "amount"),
        ("-1.00", "EUR", "amount"),
        ("NaN", "EUR", "amount"),
        ("10000000000000000", "EUR", "amount"),
        ("1.001", "EUR", "amount"),
        ("1.00", "XYZ", "currency"),
        ("1.5", "JPY", "amount"),
    ],
)
async def test_invalid_amount_is_rejected_by_webhook(
    pipeline: World, amount: str, currency: str, field: str
) -> None:
    """In payments, authorisations, reversals and payouts; nothing is recorded."""
    facts: dict[str, Document] = {
        "payment.received": {"payment_id": unique("pay"), "order_id": "X"},
        "payment.authorised": {"authorisation_id": unique("a"), "order_id": "X"},
        "payment.reversed": {"reversal_id": unique("rv"), "payment_id": "P"},
        "payout.paid": {"payout_id": unique("po")},
    }
    for type_, data in facts.items():
        if type_ == "payout.paid" and amount in ("0", "-1.00"):
            continue  # fees and refunds may exceed the collected amount
        response = await pipeline.send_fact(type_, data | {"amount": amount, "currency": currency})
        assert response.status_code == 422, (type_, response.text)
        assert response.json()["errors"][0]["field"] in (field, "amount"), response.text
