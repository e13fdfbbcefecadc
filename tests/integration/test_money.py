"""The order's money, all ways: cards that are charged later, parts, too much, too little, taken back,
reminded of, written off, credited, given back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session, col, select
from temporalio.api.history.v1 import HistoryEvent

from models import ledger
from models.tables.billing import InvoiceRow
from models.tables.ledger import JournalEntry, JournalPosting
from tests.conftest import DATABASES, new_world
from tests.support.clock import in_days, working
from tests.support.command_line import run, run_json
from tests.support.exactly_once import accounts_of, assert_asked_once
from tests.support.orders import events
from tests.support.payments import charge_back
from tests.support.shop import Document, order, unique
from tests.support.waiting import until, until_history
from tests.support.world import World
from tools.ports import any_free

TOTAL = "119.00"
CARD = {"payment_method": "card", "capture": "at_dispatch"}


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: each test brings one with its own settings and clock."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


async def command(world: World, path: str, **said: Any) -> Document:
    """A person's command over HTTP, which must be taken."""
    body = {"command_id": unique("cmd"), "reason": "because", **said}
    response = await world.api.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def refused(world: World, path: str, **said: Any) -> str:
    """A command over HTTP that is refused; returns code and field."""
    body = {"command_id": unique("cmd"), "reason": "because", **said}
    response = await world.api.post(path, json=body)
    assert 400 <= response.status_code < 500, response.text
    found = response.json()
    return f"{found['code']} {','.join(e['field'] for e in found.get('errors', []))}".strip()


async def authorise(world: World, order_id: str, expires_at: datetime | None = None) -> str:
    """The provider says that a card stands for the payment."""
    authorisation_id = unique("auth")
    data = {
        "authorisation_id": authorisation_id,
        "order_id": order_id,
        "amount": TOTAL,
        "currency": "EUR",
        "expires_at": (expires_at or datetime.now(UTC) + timedelta(days=7)).isoformat(),
    }
    response = await world.tell("payment.authorised", data)
    assert response.status_code == 204, response.text
    return authorisation_id


async def placed(world: World, **changes: Any) -> str:
    """A new order of one unit, on hand; returns its id."""
    sku, customer = world.shop(on_hand=5)
    document = order(sku, customer, **changes)
    await world.place(document)
    return str(document["order_id"])


async def delivered(world: World, order_id: str) -> None:
    """Booked, sent, arrived."""
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "delivered")


async def completed(world: World) -> tuple[str, str]:
    """An order that is over; returns its id and its payment's."""
    order_id = await placed(world)
    await world.until_event(order_id, "payment_requested")
    payment_id = await world.pay(order_id, TOTAL)
    await delivered(world, order_id)
    await world.until(order_id, "completed")
    await world.ended(order_id)
    return order_id, payment_id


# Cards that are charged when the goods are about to go.


async def test_a_card_is_charged_before_the_goods_go_and_brings_the_invoice(
    pipeline: World,
) -> None:
    """The authorisation posts nothing, and is enough for dispatching."""
    order_id = await placed(pipeline, **CARD)
    shown = await pipeline.until_event(order_id, "payment_requested")
    assert shown["stage"] == "awaiting_payment"
    [asked] = await pipeline.requests("payments", "request", order_id)
    assert asked["body"]["capture"] == "at_dispatch"
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


async def test_goods_stay_where_a_card_says_no_until_a_person_tries_again(pipeline: World) -> None:
    """No shipment is planned, no carrier is booked."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await placed(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "card_declined"
    assert (shown["shipments"], shown["invoice_number"]) == ([], None)
    await run(pipeline, "retry", order_id)
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    assert len(await pipeline.requests("payments", "capture", order_id)) == 1


async def test_an_authorisation_that_lapses_is_asked_for_again(pipeline: World) -> None:
    """By a timer: nothing is counted on that a card stands for no longer."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await placed(pipeline, **CARD)
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
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_cancelling_releases_what_a_card_stood_for(pipeline: World) -> None:
    """Nothing was charged, so nothing is given back."""
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


async def test_a_card_that_was_charged_while_the_order_was_cancelled_is_given_back(
    pipeline: World,
) -> None:
    """The answer was still out; by the provider's book it was charged once, and given back."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="timeout_after", seconds=30, times=1
    )
    order_id = await placed(pipeline, **CARD)
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


async def test_who_pays_otherwise_while_the_card_says_no_is_done_and_the_card_is_released(
    pipeline: World,
) -> None:
    """Nobody has to retry."""
    await pipeline.misbehave(
        partner="payments", operation="capture", fault="refuse", code="card_declined"
    )
    order_id = await placed(pipeline, **CARD)
    await pipeline.until_event(order_id, "payment_requested")
    await authorise(pipeline, order_id)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_event(order_id, "booked")
    assert "authorisation_released" in events(shown)
    assert shown["attention"] is None
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")


# Parts, too much, too little, unknown, in another currency.


async def test_the_tax_of_a_part_falls_due_with_it_and_the_invoice_deducts_it(
    pipeline: World,
) -> None:
    """2006/112/EC art. 65: of 59.50 paid before the invoice, 9.50 are tax."""
    order_id = await placed(pipeline)
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
    entry = pipeline.database.read(lambda s: ledger_entry(s, f"invoice:{shown['invoice_number']}"))
    assert entry == {
        "CUSTOMER_DEPOSITS": 10_950,
        "CONTRACT_LIABILITIES": -10_000,
        "TAX_PAYABLE": -950,
    }


def ledger_entry(session: Session, entry_id: str) -> dict[str, int]:
    """The postings of one entry."""
    rows = session.exec(select(JournalPosting).where(JournalPosting.entry_id == entry_id))
    return {ledger.Account(row.account).name: row.amount_minor for row in rows}


async def test_too_much_is_kept_listed_and_given_back_by_command(pipeline: World) -> None:
    """In parts, at most what is too much; the customer is told of each."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "139.00")
    await pipeline.until_event(order_id, "invoiced")
    assert payment_id in await unmatched(pipeline)
    path = f"/orders/{order_id}/refunds"
    assert await refused(pipeline, path, amount="20.01") == "money_refused amount"
    await command(pipeline, path, amount="5.00")
    await command(pipeline, path)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "20.00")
    assert await refused(pipeline, path) == "money_refused order_id"
    assert payment_id not in await unmatched(pipeline)
    given = await pipeline.requests("payments", "refund", order_id)
    assert [g["body"]["amount"] for g in given] == ["5.00", "15.00"]
    await until(lambda: pipeline.mails("Refund for your order " + order_id), lambda m: len(m) == 2)
    assert shown["paid"] == TOTAL


async def unmatched(world: World) -> dict[str, Document]:
    """Money without a use, by payment."""
    rows = (await world.api.get("/payments/unmatched")).json()
    return {row["payment_id"]: row for row in rows}


async def test_a_refund_that_is_refused_waits_on_the_order_for_a_person(pipeline: World) -> None:
    """Nothing is promised twice meanwhile."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "139.00")
    await pipeline.until_event(order_id, "invoiced")
    await pipeline.misbehave(
        partner="payments", operation="refund", fault="refuse", code="account_closed"
    )
    await command(pipeline, f"/orders/{order_id}/refunds")
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "account_closed"
    assert await refused(pipeline, f"/orders/{order_id}/refunds") == "money_refused order_id"
    await run(pipeline, "retry", order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "20.00")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)


async def test_money_in_another_currency_is_shown_and_given_back(pipeline: World) -> None:
    """The order goes on waiting for its own."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": TOTAL, "currency": "USD"}
    assert (await pipeline.tell("payment.received", data)).status_code == 204
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert (shown["attention"]["code"], shown["paid"]) == ("payment_currency", "0.00")
    await command(pipeline, f"/payments/{payment_id}/refund")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await until(lambda: unmatched(pipeline), lambda rows: payment_id not in rows)
    await pipeline.pay(order_id, TOTAL)
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_money_in_another_currency_that_came_before_its_order_is_shown_on_it(
    pipeline: World,
) -> None:
    """As if it had come after."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id, payment_id = str(document["order_id"]), unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": TOTAL, "currency": "USD"}
    assert (await pipeline.tell("payment.received", data)).status_code == 204
    await until(lambda: unmatched(pipeline), lambda rows: payment_id in rows)
    await pipeline.place(document)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "payment_currency"
    await command(pipeline, f"/payments/{payment_id}/refund")
    await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    await run(pipeline, "cancel", order_id)
    await pipeline.until(order_id, "cancelled")


async def test_money_that_names_no_order_is_assigned_to_one_once(pipeline: World) -> None:
    """By command; then the order goes on."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay("NOBODY-" + order_id, TOTAL)
    await until(lambda: unmatched(pipeline), lambda rows: payment_id in rows)
    path = f"/payments/{payment_id}/assign"
    assert await refused(pipeline, path, order_id="NOBODY") == "unknown"
    assert await refused(pipeline, "/payments/NONE/assign", order_id=order_id) == "unknown"
    await command(pipeline, path, order_id=order_id)
    await pipeline.until_event(order_id, "invoiced")
    assert await refused(pipeline, path, order_id=order_id) == "money_refused payment_id"
    assert accounts_of(pipeline, order_id)["UNAPPLIED_RECEIPTS"] == 11_900
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_a_little_less_is_enough_where_that_is_wished(idle: World) -> None:
    """The difference is posted, with the tax in it; the order goes on."""
    async with working(idle, payment_tolerance=Decimal("0.05")):
        order_id = await placed(idle)
        await idle.until_event(order_id, "payment_requested")
        await idle.pay(order_id, "118.94")
        shown = await idle.until_event(order_id, "payment_received")
        assert shown["invoice_number"] is None
        await idle.pay(order_id, "0.01")
        shown = await idle.until_event(order_id, "invoiced")
        assert (shown["paid"], shown["due"]) == ("118.95", "0.00")
        found = accounts_of(idle, order_id)
        assert (found["PAYMENT_DIFFERENCES"], found.get("ACCOUNTS_RECEIVABLE")) == (4, None)
        await delivered(idle, order_id)
        await idle.until(order_id, "completed")


# Taken back.


async def test_a_chargeback_after_completion_brings_the_order_back_until_it_is_paid(
    pipeline: World,
) -> None:
    """Shown as delivered and due, with attention; a new payment completes it again."""
    order_id, payment_id = await completed(pipeline)
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


async def test_a_reversal_may_be_known_before_its_payment(pipeline: World) -> None:
    """It waits for it; and the same reversal twice is one."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id, reversal_id = unique("pay"), unique("rv")
    for _ in range(2):
        await charge_back(
            pipeline, payment_id, amount=TOTAL, currency="EUR", reversal_id=reversal_id
        )
    await pipeline.pay(order_id, TOTAL, payment_id)
    shown = await pipeline.until_event(order_id, "payment_reversed")
    assert shown["paid"] == "0.00"
    found = accounts_of(pipeline, order_id)
    assert found["ACCOUNTS_RECEIVABLE"] == 11_900
    assert "CASH_CLEARING" not in found


async def test_goods_whose_payment_is_taken_back_before_they_are_booked_stay(
    pipeline: World,
) -> None:
    """No carrier gets them until it is paid again."""
    await pipeline.misbehave(
        partner="carriers", operation="booking", fault="refuse", code="closed", times=1
    )
    order_id = await placed(pipeline)
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
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "completed")


async def test_a_chargeback_of_a_cancelled_order_needs_a_person_and_counts_as_credit(
    pipeline: World,
) -> None:
    """It was given back, and then taken back as well: it is due again, and written off once."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, "20.00")
    await pipeline.until_event(order_id, "payment_received")
    await run(pipeline, "cancel", order_id)
    shown = await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    await charge_back(pipeline, payment_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "payment_reversed"
    customer = (await pipeline.api.get(f"/customers/{shown['customer_id']}")).json()
    assert customer["open_credit"] == "20.00"
    path = f"/orders/{order_id}/write-off"
    await command(pipeline, path)
    assert await refused(pipeline, path) == "money_refused order_id"
    assert (await pipeline.order(order_id))["attention"] is None
    found = accounts_of(pipeline, order_id)
    assert (found["BAD_DEBTS"], found.get("TAX_PAYABLE")) == (2_000, None)


# Reminded of, written off, credited.


async def test_what_is_overdue_is_reminded_of_with_fees_until_it_is_paid(idle: World) -> None:
    """By durable timers: each level once, a mail each, stopped at once by the payment."""
    sku, customer = idle.shop(on_hand=5)
    document = order(sku, customer, terms="net30")
    order_id = str(document["order_id"])
    async with working(idle, dunning="7:0 14:5.00"):
        await idle.place(document)
        await delivered(idle, order_id)
        await idle.until(order_id, "delivered")
    handle = idle.client.get_workflow_handle(f"order-{order_id}")
    await handle.terminate("time goes by")
    async with working(idle, dunning="7:0 14:5.00") as hands:
        hands.end_of(in_days(36))
        await idle.api.post("/orders", json=document)
        hands.begin(in_days(37))
        shown = await idle.until_event(order_id, "reminded")
        assert shown["due"] == TOTAL
        await until(lambda: idle.mails("have you overlooked it"), lambda m: len(m) == 1)
        await handle.terminate("time goes by")
        hands.begin(in_days(44))
        await idle.api.post("/orders", json=document)
        shown = await idle.until_order(order_id, lambda o: events(o).count("reminded") == 2)
        assert shown["due"] == "124.00"
        await idle.pay(order_id, "124.00")
        shown = await idle.until(order_id, "completed")
        await idle.ended(order_id)
    assert len(await idle.mails("second reminder")) == 1
    assert accounts_of(idle, order_id)["OTHER_INCOME"] == -500


async def test_who_paid_and_took_it_back_is_reminded_again(idle: World) -> None:
    """The timer for the first reminder is set once more."""
    timers = 0

    def is_second_timer(event: HistoryEvent) -> bool:
        nonlocal timers
        if event.HasField("timer_started_event_attributes"):
            timers += b"Until a reminder" in event.user_metadata.summary.data
        return timers == 2

    sku, customer = idle.shop(on_hand=5)
    document = order(sku, customer, terms="net30")
    order_id = str(document["order_id"])
    async with working(idle, dunning="7:0 14:5.00"):
        await idle.place(document)
        await idle.until_event(order_id, "booked")
        payment_id = await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "payment_received")
        await charge_back(idle, payment_id)
        handle = idle.client.get_workflow_handle(f"order-{order_id}")
        await until_history(handle, is_second_timer)


async def test_what_wont_come_is_written_off_with_its_tax(pipeline: World) -> None:
    """And the order is over."""
    order_id = await placed(pipeline, terms="net30")
    path = f"/orders/{order_id}/write-off"
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "delivered")
    await pipeline.pay(order_id, "19.00")
    await pipeline.until_event(order_id, "payment_received")
    await command(pipeline, path)
    shown = await pipeline.until(order_id, "completed")
    assert (shown["paid"], shown["due"]) == ("19.00", "0.00")
    found = accounts_of(pipeline, order_id)
    assert (found["BAD_DEBTS"], found["TAX_PAYABLE"]) == (8_403, -303)
    assert "ACCOUNTS_RECEIVABLE" not in found
    assert await refused(pipeline, path) == "money_refused order_id"


async def test_who_pays_after_the_write_off_has_paid(pipeline: World) -> None:
    """The loss and the relief of its tax are undone; nothing is too much."""
    order_id = await placed(pipeline, terms="net30")
    await delivered(pipeline, order_id)
    await pipeline.until(order_id, "delivered")
    await command(pipeline, f"/orders/{order_id}/write-off")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_order(order_id, lambda o: o["paid"] == TOTAL)
    assert "recovered" in events(shown)
    found = accounts_of(pipeline, order_id)
    assert not {"BAD_DEBTS", "ACCOUNTS_RECEIVABLE", "CUSTOMER_DEPOSITS"} & found.keys()
    assert found["TAX_PAYABLE"] == -1_900


async def test_an_invoice_lists_no_payment_that_was_taken_back(pipeline: World) -> None:
    """And the tax in it is owed no longer."""
    order_id = await placed(pipeline)
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


async def test_a_credit_note_gives_back_a_part_and_never_more_than_the_invoice(
    pipeline: World,
) -> None:
    """Numbered, posted, mailed with its PDF; the money goes back by the provider."""
    order_id, _ = await completed(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    path = f"/invoices/{number}/credit-notes"
    assert await refused(pipeline, path, amount="119.01") == "money_refused amount"
    assert await refused(pipeline, "/invoices/INV-1/credit-notes") == "unknown"
    done = await command(pipeline, path, amount="19.00")
    credit_number = done["message"].split()[0]
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "19.00")
    shown = (await pipeline.api.get(f"/invoices/{credit_number}")).json()
    assert (shown["total"], shown["tax"], shown["refund"]) == ("19.00", "3.03", "19.00")
    pdf = await pipeline.api.get(f"/invoices/{credit_number}/pdf")
    assert pdf.content.startswith(b"%PDF")
    await until(lambda: pipeline.mails(f"Credit note {credit_number}"), lambda m: len(m) == 1)
    assert await refused(pipeline, path, amount="100.01") == "money_refused amount"
    await command(pipeline, path)
    await pipeline.until_order(order_id, lambda o: o["refunded"] == TOTAL)
    assert await refused(pipeline, path) == "money_refused amount"
    found = accounts_of(pipeline, order_id)
    assert found["SALES_RETURNS"] == 10_000
    assert not {"TAX_PAYABLE", "CASH_CLEARING", "REFUNDS_PAYABLE"} & found.keys()
    assert (await pipeline.order(order_id))["stage"] == "completed"


async def test_the_rest_is_credited_though_all_of_the_payment_was_taken_back(
    pipeline: World,
) -> None:
    """What was given back before is due: the bank has given it to the customer once more."""
    order_id, payment_id = await completed(pipeline)
    path = f"/invoices/{(await pipeline.order(order_id))['invoice_number']}/credit-notes"
    await command(pipeline, path, amount="19.00")
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "19.00")
    await charge_back(pipeline, payment_id)
    await pipeline.until_order(order_id, lambda o: o["due"] == TOTAL)
    await command(pipeline, path)
    assert (await pipeline.order(order_id))["due"] == "19.00"
    assert accounts_of(pipeline, order_id)["ACCOUNTS_RECEIVABLE"] == 1_900


async def test_before_goods_leave_an_order_is_cancelled_not_credited(pipeline: World) -> None:
    """And its customer gets credit note and refund by mail."""
    order_id = await placed(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, TOTAL)
    shown = await pipeline.until_event(order_id, "booked")
    path = f"/invoices/{shown['invoice_number']}/credit-notes"
    assert await refused(pipeline, path) == "money_refused invoice_number"
    await run(pipeline, "cancel", order_id)
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    mails = await pipeline.mails("Credit note", f"Refund for your order {order_id}")
    kinds = [m["message_id"].strip("<").split(".")[0] for m in mails if m["subject"]]
    assert {"credit_note", "refund"} <= set(kinds)


async def test_an_invoice_is_mailed_again_under_an_id_of_its_own(pipeline: World) -> None:
    """Asked twice with one command id, it is one mail."""
    order_id, _ = await completed(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    command_id = unique("again")
    for _ in range(2):
        await command(pipeline, f"/invoices/{number}/resend", command_id=command_id)
    await until(lambda: pipeline.mails(number), lambda mails: len(mails) >= 2)
    await pipeline.client.get_workflow_handle(f"after-{command_id}").result()
    assert len({mail["message_id"] for mail in await pipeline.mails(number)}) == 2


async def test_a_retry_reaches_what_only_mails_while_mail_is_away(idle: World) -> None:
    """The order is over, and shows what waits; mail that works again ends it."""
    async with working(idle):
        order_id, _ = await completed(idle)
    number = (await idle.order(order_id))["invoice_number"]
    command_id = unique("again")
    async with working(idle, smtp_url=f"smtp://127.0.0.1:{any_free()}"):
        await command(idle, f"/invoices/{number}/resend", command_id=command_id)
        await idle.until_order(order_id, lambda order: order["attention"] is not None)
        status, said, _ = await run(idle, "retry", order_id)
        assert status == 0
        assert f"after-{command_id}: trying again" in said
    async with working(idle):
        await idle.client.get_workflow_handle(f"after-{command_id}").result()
    assert (await idle.order(order_id))["attention"] is None
    assert len({mail["message_id"] for mail in await idle.mails(number)}) == 2


# The ledger.


async def test_after_closing_what_happened_before_is_posted_to_the_open_period(
    idle: World,
) -> None:
    """Its day for tax stays; an entry into a closed period is refused by the database too."""
    today = datetime.now(UTC).date()
    closed = today - timedelta(days=3)
    async with working(idle):
        await command(idle, "/ledger/close", through=closed.isoformat())
        assert await refused(idle, "/ledger/close", through=today.isoformat()) == (
            "money_refused through"
        )
        assert await refused(idle, "/ledger/close", through=closed.isoformat()) == (
            "money_refused through"
        )
        order_id = await placed(idle)
        await idle.until_event(order_id, "payment_requested")
        payment_id = unique("pay")
        data = {
            "payment_id": payment_id,
            "order_id": order_id,
            "amount": TOTAL,
            "currency": "EUR",
            "received_at": (datetime.now(UTC) - timedelta(days=9)).isoformat(),
        }
        assert (await idle.tell("payment.received", data)).status_code == 204
        await idle.until_event(order_id, "invoiced")
    entry = idle.database.read(lambda s: s.get_one(JournalEntry, f"payment:{payment_id}"))
    assert entry.tax_date == today - timedelta(days=9)
    assert entry.posting_date == closed + timedelta(days=1)

    def check(session: Session) -> None:
        rows = session.exec(select(JournalEntry).where(col(JournalEntry.posting_date) <= closed))
        assert rows.all() == []

    idle.database.read(check)


async def test_a_payout_clears_what_the_provider_collected(pipeline: World) -> None:
    """With its fee; told twice, it is one; with other content it is refused at the door."""
    payout_id = unique("po")
    data = {"payout_id": payout_id, "amount": "118.00", "fee": "1.00", "currency": "EUR"}
    for _ in range(2):
        response = await pipeline.tell("payout.paid", data, webhook_id=f"msg-{payout_id}")
        assert response.status_code == 204
    entry = await until(
        lambda: pipeline.database.read(lambda s: ledger_entry(s, f"payout:{payout_id}"))
    )
    assert entry == {"BANK": 11_800, "PAYMENT_FEES": 100, "CASH_CLEARING": -11_900}


async def test_a_provider_that_gave_back_more_than_it_collected_takes_it_from_our_bank(
    pipeline: World,
) -> None:
    payout_id = unique("po")
    data = {"payout_id": payout_id, "amount": "-18.00", "fee": "1.00", "currency": "EUR"}
    await pipeline.report("payout.paid", data)
    entry = await until(
        lambda: pipeline.database.read(lambda s: ledger_entry(s, f"payout:{payout_id}"))
    )
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
async def test_money_that_cannot_be_is_refused_at_the_door(
    pipeline: World, amount: str, currency: str, field: str
) -> None:
    """Of payments, authorisations, reversals and payouts alike; nothing is kept."""
    facts: dict[str, Document] = {
        "payment.received": {"payment_id": unique("pay"), "order_id": "X"},
        "payment.authorised": {"authorisation_id": unique("a"), "order_id": "X"},
        "payment.reversed": {"reversal_id": unique("rv"), "payment_id": "P"},
        "payout.paid": {"payout_id": unique("po")},
    }
    for type_, data in facts.items():
        if type_ == "payout.paid" and amount in ("0", "-1.00"):
            continue  # the fee, or refunds, may have taken all of it and more
        response = await pipeline.tell(type_, data | {"amount": amount, "currency": currency})
        assert response.status_code == 422, (type_, response.text)
        assert response.json()["errors"][0]["field"] in (field, "amount"), response.text


async def test_the_command_line_does_what_the_api_does(pipeline: World) -> None:
    """Shown, written to a file, and refused with the field's name."""
    order_id, _ = await completed(pipeline)
    number = (await pipeline.order(order_id))["invoice_number"]
    shown = await run_json(pipeline, "invoice", "show", number)
    assert (shown["total"], shown["open"]) == (TOTAL, "0.00")
    target = pipeline.folder / f"{number}.pdf"
    await run(pipeline, "invoice", "pdf", number, "--out", str(target))
    assert (await asyncio.to_thread(target.read_bytes)).startswith(b"%PDF")
    done = await run_json(pipeline, "credit-note", number, "1.19", "--reason", "scratched")
    assert "credits 1.19 EUR" in done["message"]
    await pipeline.until_order(order_id, lambda o: o["refunded"] == "1.19")
