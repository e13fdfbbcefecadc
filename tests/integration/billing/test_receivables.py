"""Receivables: reminders, write-offs, credit notes, documents by mail, and closed periods."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from models.tables.billing import InvoiceRow
from models.tables.ledger import JournalEntry
from tests.conftest import DATABASES, new_world
from tests.support.billing.payments import charge_back
from tests.support.billing.sales import (
    TOTAL,
    complete_order,
    deliver,
    execute,
    place_order,
    refusal,
)
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import order, today, unique
from tests.support.orders.stages import events
from tests.support.pipeline.clock import in_days, working
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until, until_timer
from tests.support.pipeline.world import World
from tools.ports import any_free


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: each test starts one with its own settings and clock."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


async def test_overdue_invoice_is_reminded_with_fees_until_paid(idle: World) -> None:
    """Durable timers send each level once; the payment stops them at once."""
    sku, customer = idle.shop(on_hand=5)
    document = order(sku, customer, terms="net30")
    order_id = str(document["order_id"])
    async with working(idle, dunning="7:0 14:5.00"):
        await idle.place(document)
        await deliver(idle, order_id)
        await idle.until(order_id, "delivered")
    handle = idle.client.get_workflow_handle(f"order-{order_id}")
    await handle.terminate("time goes by")
    async with working(idle, dunning="7:0 14:5.00") as hands:
        hands.end_of(in_days(36))
        await idle.api.post("/orders", json=document)
        hands.begin(in_days(37))
        shown = await idle.until_event(order_id, "reminded")
        assert shown["due"] == TOTAL
        await until(lambda: idle.mails("payment reminder"), lambda m: len(m) == 1)
        await handle.terminate("time goes by")
        hands.begin(in_days(44))
        await idle.api.post("/orders", json=document)
        shown = await idle.until_order(order_id, lambda o: events(o).count("reminded") == 2)
        assert shown["due"] == "124.00"
        await until(lambda: idle.mails("second reminder"), lambda m: len(m) == 1)
        await idle.pay(order_id, "124.00")
        shown = await idle.until(order_id, "completed")
        await idle.ended(order_id)
    assert len(await idle.mails("second reminder")) == 1
    assert accounts_of(idle, order_id)["OTHER_INCOME"] == -500


async def test_reversal_starts_reminders_again(idle: World) -> None:
    """The timer of the first reminder is started a second time."""
    sku, customer = idle.shop(on_hand=5)
    document = order(sku, customer, terms="net30")
    order_id = str(document["order_id"])
    async with working(idle, dunning="7:0 14:5.00"):
        await idle.place(document)
        await idle.until_event(order_id, "booked")
        await idle.ship(order_id, "dispatched")
        await until_timer(idle.order_workflow(order_id), "Until a reminder", 1)
        payment_id = await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "payment_received")
        await charge_back(idle, payment_id)
        await until_timer(idle.order_workflow(order_id), "Until a reminder", 2)


async def test_write_off_includes_tax_and_completes_order(pipeline: World) -> None:
    order_id = await place_order(pipeline, terms="net30")
    path = f"/orders/{order_id}/write-off"
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, "19.00")
    await pipeline.until_event(order_id, "payment_received")
    await execute(pipeline, path)
    shown = await pipeline.until(order_id, "completed")
    assert (shown["paid"], shown["due"]) == ("19.00", "0.00")
    found = accounts_of(pipeline, order_id)
    assert (found["BAD_DEBTS"], found["TAX_PAYABLE"]) == (8_403, -303)
    assert "ACCOUNTS_RECEIVABLE" not in found
    assert await refusal(pipeline, path) == "money_refused order_id"


async def test_payment_after_write_off_reverses_write_off(pipeline: World) -> None:
    """The loss and its tax relief are reversed, without an overpayment."""
    order_id = await place_order(pipeline, terms="net30")
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "delivered")
    await execute(pipeline, f"/orders/{order_id}/write-off")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_order(order_id, lambda o: o["paid"] == TOTAL)
    assert "recovered" in events(shown)
    found = accounts_of(pipeline, order_id)
    assert not {"BAD_DEBTS", "ACCOUNTS_RECEIVABLE", "CUSTOMER_DEPOSITS"} & found.keys()
    assert found["TAX_PAYABLE"] == -1_900


async def test_invoice_lists_no_reversed_payment(pipeline: World) -> None:
    """Its tax is owed no longer."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "20.00")
    await pipeline.until_event(order_id, "payment_received")
    await charge_back(pipeline, payment_id)
    await pipeline.until_event(order_id, "payment_reversed")
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_event(order_id, "invoiced")
    content = pipeline.database.read(
        lambda s: s.get_one(InvoiceRow, shown["invoice_number"]).content
    )
    assert content["on_account"] == []
    assert accounts_of(pipeline, order_id)["TAX_PAYABLE"] == -1_900


async def test_credit_notes_refund_at_most_the_invoice(pipeline: World) -> None:
    """They are numbered, posted and mailed as PDF; the provider refunds the amounts."""
    order_id, _ = await complete_order(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    path = f"/invoices/{number}/credit-notes"
    assert await refusal(pipeline, path, amount="119.01") == "money_refused amount"
    assert await refusal(pipeline, path, line_no=2) == "money_refused line_no"
    assert await refusal(pipeline, path, rate_percent="7") == "money_refused rate_percent"
    assert await refusal(pipeline, "/invoices/INV-1/credit-notes") == "unknown"
    done = await execute(pipeline, path, line_no=1, amount="19.00")
    credit_number = done["message"].split()[0]
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "19.00")
    shown = (await pipeline.api.get(f"/invoices/{credit_number}")).json()
    assert (shown["total"], shown["tax"], shown["refund"]) == ("19.00", "3.03", "19.00")
    pdf = await pipeline.api.get(f"/invoices/{credit_number}/pdf")
    assert pdf.content.startswith(b"%PDF")
    await until(lambda: pipeline.mails(f"Credit note {credit_number}"), lambda m: len(m) == 1)
    assert await refusal(pipeline, path, amount="100.01") == "money_refused amount"
    await execute(pipeline, path)
    await pipeline.until_order(order_id, lambda o: o["refunded"] == TOTAL)
    assert await refusal(pipeline, path) == "money_refused amount"
    found = accounts_of(pipeline, order_id)
    assert found["SALES_RETURNS"] == 10_000
    assert not {"TAX_PAYABLE", "CASH_CLEARING", "REFUNDS_PAYABLE"} & found.keys()
    assert (await pipeline.order(order_id))["stage"] == "completed"


async def test_invoice_is_credited_after_reversal_of_payment(pipeline: World) -> None:
    """The amount refunded before is due: the customer has received it twice."""
    order_id, payment_id = await complete_order(pipeline)
    path = f"/invoices/{(await pipeline.order(order_id))['invoice_number']}/credit-notes"
    await execute(pipeline, path, amount="19.00")
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "19.00")
    await charge_back(pipeline, payment_id)
    await pipeline.until_order(order_id, lambda o: o["due"] == TOTAL)
    await execute(pipeline, path)
    assert (await pipeline.order(order_id))["due"] == "19.00"
    assert accounts_of(pipeline, order_id)["ACCOUNTS_RECEIVABLE"] == 1_900


async def test_order_before_dispatch_is_cancelled_instead_of_credited(pipeline: World) -> None:
    """The customer receives credit note and refund by mail."""
    order_id = await place_order(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_event(order_id, "booked")
    path = f"/invoices/{shown['invoice_number']}/credit-notes"
    assert await refusal(pipeline, path) == "money_refused invoice_number"
    await run(pipeline, "cancel", order_id)
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    mails = await pipeline.mails("Credit note", f"Refund for your order {order_id}")
    kinds = [m["message_id"].strip("<").split(".")[0] for m in mails if m["subject"]]
    assert {"credit_note", "refund"} <= set(kinds)


async def test_resent_invoice_has_its_own_message_id(pipeline: World) -> None:
    """A repeated command sends one mail."""
    order_id, _ = await complete_order(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    command_id = unique("again")
    for _ in range(2):
        await execute(pipeline, f"/invoices/{number}/resend", command_id=command_id)
    await until(lambda: pipeline.mails(number), lambda mails: len(mails) >= 2)
    await pipeline.client.get_workflow_handle(f"after-{command_id}").result()
    assert len({mail["message_id"] for mail in await pipeline.mails(number)}) == 2


async def test_retry_reaches_mail_of_completed_order(idle: World) -> None:
    """The order shows an attention until the mail server is available again."""
    async with working(idle):
        order_id, _ = await complete_order(idle)
    number = (await idle.order(order_id))["invoice_number"]
    command_id = unique("again")
    async with working(idle, smtp_url=f"smtp://127.0.0.1:{any_free()}"):
        await execute(idle, f"/invoices/{number}/resend", command_id=command_id)
        await idle.until_order(order_id, lambda order: order["attention"] is not None)
        status, printed, _ = await run(idle, "retry", order_id)
        assert status == 0
        assert f"after-{command_id}: trying again" in printed
    async with working(idle):
        await idle.client.get_workflow_handle(f"after-{command_id}").result()
    assert (await idle.order(order_id))["attention"] is None
    assert len({mail["message_id"] for mail in await idle.mails(number)}) == 2


async def test_payment_of_closed_period_is_posted_to_open_period(idle: World) -> None:
    """Its tax date stays, and nothing is posted to the closed period."""
    day = today()
    closed = day - timedelta(days=3)
    async with working(idle):
        await execute(idle, "/ledger/close", through=closed.isoformat())
        assert await refusal(idle, "/ledger/close", through=day.isoformat()) == (
            "money_refused through"
        )
        assert await refusal(idle, "/ledger/close", through=closed.isoformat()) == (
            "money_refused through"
        )
        order_id = await place_order(idle)
        await idle.until_event(order_id, "payment_requested")
        payment_id = unique("pay")
        data = {
            "payment_id": payment_id,
            "order_id": order_id,
            "amount": TOTAL,
            "currency": "EUR",
            "received_at": (datetime.now(UTC) - timedelta(days=9)).isoformat(),
        }
        assert (await idle.send_fact("payment.received", data)).status_code == 204
        await idle.until_event(order_id, "invoiced")
    entry = idle.database.read(lambda s: s.get_one(JournalEntry, f"payment:{payment_id}"))
    assert entry.tax_date == day - timedelta(days=9)
    assert entry.posting_date == closed + timedelta(days=1)

    in_closed = select(JournalEntry).where(col(JournalEntry.posting_date) <= closed)
    assert idle.database.read(lambda s: s.exec(in_closed).all()) == []


async def test_cli_shows_writes_and_credits_invoices(pipeline: World) -> None:
    order_id, _ = await complete_order(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    shown = await run_json(pipeline, "invoice", "show", number)
    assert (shown["total"], shown["open"]) == (TOTAL, "0.00")
    target = pipeline.folder / f"{number}.pdf"
    await run(pipeline, "invoice", "pdf", number, "--out", str(target))
    assert (await asyncio.to_thread(target.read_bytes)).startswith(b"%PDF")
    words = ("--rate", "19", "--reason", "scratched")
    done = await run_json(pipeline, "credit-note", number, "1.19", *words)
    assert "credits 1.19 EUR" in done["message"]
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "1.19")
