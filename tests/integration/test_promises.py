"""What customers are promised, told and may decide; and what late money does.

The worker's clock is in the test's hand: dates pass when the test says so.
"""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from intake import Intake
from models.errors import Refused
from simulators.mail import MailDirectory
from tests.conftest import DATABASES, new_world
from tests.support.clock import TODAY, Hands, in_days, working
from tests.support.command_line import run, run_json
from tests.support.ledger import accounts_of
from tests.support.orders import TOTAL, events
from tests.support.shop import Document, order, unique
from tests.support.world import World


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline without a worker: each test brings one with its own settings and clock."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


async def short(world: World, **changes: Any) -> tuple[str, str]:
    """An order whose goods were bought; returns its id and its purchase order."""
    sku, customer = world.shop(on_hand=0, email="ada@example.com")
    document = order(sku, customer, **changes)
    await world.place(document)
    shown = await world.until_event(document["order_id"], "bought")
    return str(document["order_id"]), str(shown["backorders"][0]["po_id"])


async def dated(world: World, po_id: str, day: date) -> None:
    """The supplier says when it delivers."""
    said = {
        "acknowledgement_id": unique("ack"),
        "po_id": po_id,
        "expected_date": day.isoformat(),
    }
    response = await world.tell("purchase_order.acknowledged", said)
    assert response.status_code == 204, response.text


async def told(world: World, order_id: str, letters: int) -> Document:
    """Wait until so many letters about the date have left."""

    def reached(shown: Document) -> bool:
        rows = [row for row in shown["history"] if row["event"] == "mailed"]
        return sum(row["detail"].split()[0] in ("backorder", "delay") for row in rows) >= letters

    return await world.until_order(order_id, reached)


def letters_of(world: World, order_id: str) -> list[tuple[str, str, str]]:
    """Message-ID, text and HTML of the mails about an order, the oldest first."""
    directory = MailDirectory(world.folder / "mail")
    mails = [mail for name in directory.names() if (mail := directory.read(name))]
    found = []
    for mail in mails:
        kind = str(mail["Message-ID"]).strip("<").split(".")[0]
        if order_id in str(mail["Subject"]) and kind in ("backorder", "delay"):
            text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
            assert text is not None
            assert html is not None
            found.append((str(mail["Message-ID"]), text.get_content(), html.get_content()))
    return found


async def test_a_date_within_the_promise_is_told_once_and_a_slip_is_told_again(
    idle: World,
) -> None:
    """Thirty days are promised; each date is one mail, however often it is said."""
    async with working(idle):
        order_id, po_id = await short(idle)
        shown = await idle.order(order_id)
        assert shown["promised_date"] == in_days(30).isoformat()
        assert shown["expected_date"] is None
        for _ in range(2):
            await dated(idle, po_id, in_days(5))
        shown = await told(idle, order_id, 1)
        assert shown["expected_date"] == in_days(5).isoformat()
        await dated(idle, po_id, in_days(9))
        shown = await told(idle, order_id, 2)
        assert (shown["promised_date"], shown["consent_by"]) == (in_days(30).isoformat(), None)
        [first, second] = letters_of(idle, order_id)
        assert first[0] != second[0]
        assert f"{in_days(5).day}" in first[1]
        for mail, day in ((first, in_days(5)), (second, in_days(9))):
            for part in mail[1:]:
                assert "not in stock" in part
                assert str(day.year) in part
                assert "cancel" in part
        sku = shown["lines"][0]["sku"]
        await idle.receive(po_id, sku, 1)
        await idle.complete(order_id, TOTAL)
        await idle.ended(order_id)
        assert events(await idle.order(order_id)).count("backorder_told") == 2


async def test_silence_is_consent_to_a_first_delay_of_thirty_days(idle: World) -> None:
    """The promise moves; the next delay is a further one and needs consent."""
    async with working(idle):
        order_id, po_id = await short(idle, requested_delivery_date=in_days(10).isoformat())
        await dated(idle, po_id, in_days(40))
        shown = await told(idle, order_id, 1)
        assert shown["promised_date"] == in_days(40).isoformat()
        assert shown["consent_by"] is None
        [(message_id, text, html)] = letters_of(idle, order_id)
        assert message_id.startswith("<delay.")
        for part in (text, html):
            assert "unless we hear from you, we will ship your order by then" in part
            assert "You may cancel your order now" in part
        await dated(idle, po_id, in_days(41))
        shown = await told(idle, order_id, 2)
        assert shown["consent_by"] == in_days(40).isoformat()
        assert shown["promised_date"] == in_days(40).isoformat()


async def test_where_some_has_left_only_the_late_rest_is_cancelled_and_refunded(
    idle: World,
) -> None:
    """As if a person had given the rest up."""
    async with working(idle) as hands:
        sku, customer = idle.shop(on_hand=1, email="ada@example.com")
        soon = {"requested_delivery_date": in_days(1).isoformat(), "delivery": "partial"}
        document = order(sku, customer, quantity=2, **soon)
        order_id = str(document["order_id"])
        await idle.place(document)
        await idle.until_event(order_id, "payment_requested")
        await idle.pay(order_id, "238.00")
        shown = await idle.until_event(order_id, "bought")
        po_id = shown["backorders"][0]["po_id"]
        await idle.until_event(order_id, "booked")
        await idle.ship(order_id, "delivered")
        await dated(idle, po_id, in_days(60))
        await told(idle, order_id, 1)
        hands.end_of(in_days(31))
        await idle.client.get_workflow_handle(f"order-{order_id}").signal("stock_arrived")
        await dated(idle, po_id, in_days(61))
        await told(idle, order_id, 2)
        hands.begin(in_days(32))
        shown = await idle.until_event(order_id, "rest_cancelled")
        [given_up] = [r["detail"] for r in shown["history"] if r["event"] == "rest_cancelled"]
        assert given_up == "1 units by deadline: the delay was not accepted in time"
        await idle.ended(order_id)
        shown = await idle.until_order(order_id, lambda o: o["refunded"] == "119.00")
        assert (shown["stage"], shown["attention"]) == ("completed", None)
        assert len(await idle.requests("payments", "refund", order_id)) == 1


async def test_a_longer_delay_that_nobody_accepts_cancels_the_order_and_refunds_it(
    idle: World,
) -> None:
    """On the day after the last day for an answer, by a durable timer."""
    async with working(idle) as hands:
        order_id, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "invoiced")
        await dated(idle, po_id, in_days(60))
        shown = await told(idle, order_id, 1)
        assert shown["consent_by"] == in_days(31).isoformat()
        assert shown["expected_date"] == in_days(60).isoformat()
        [(_, text, html)] = letters_of(idle, order_id)
        for part in (text, html):
            assert "we will then cancel your order and refund" in part
        hands.end_of(in_days(31))
        await idle.client.get_workflow_handle(f"order-{order_id}").signal("stock_arrived")
        await dated(idle, po_id, in_days(61))
        shown = await told(idle, order_id, 2)
        assert shown["stage"] == "awaiting_stock"
        hands.begin(in_days(32))
        await idle.until(order_id, "cancelled")
        await idle.ended(order_id)
        shown = await idle.order(order_id)
        [asked] = [r["detail"] for r in shown["history"] if r["event"] == "cancel_requested"]
        assert asked == "by deadline: the delay was not accepted in time"
        assert "refunded" in events(shown)
        assert accounts_of(idle, order_id) == {}
        assert len(await idle.requests("payments", "refund", order_id)) == 1


async def test_a_delay_that_is_accepted_keeps_the_order(idle: World) -> None:
    """The promise moves to the date that was told; there is nothing more to accept."""
    async with working(idle) as hands:
        order_id, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        doors = Intake(idle.client, idle.database, hands, idle.settings.buying)
        with pytest.raises(Refused, match="no delay that waits"):
            await doors.accept_delay(order_id, "ann")
        await dated(idle, po_id, in_days(60))
        await told(idle, order_id, 1)
        handle = idle.client.get_workflow_handle(f"order-{order_id}")
        answer = await handle.execute_update("accept_delay", ["what", {}])
        assert answer["accepted"] is False
        details = await _details(idle, order_id)
        assert f"must accept the delay by {in_days(31)}" in details
        assert (await handle.execute_update("accept_delay", args=[]))["accepted"] is True
        shown = await idle.until_event(order_id, "delay_accepted")
        assert (shown["promised_date"], shown["consent_by"]) == (in_days(60).isoformat(), None)
        with pytest.raises(Refused, match="no delay that waits"):
            await doors.accept_delay(order_id, "ann")
        hands.begin(in_days(32))
        await idle.receive(po_id, shown["lines"][0]["sku"], 1)
        shown = await idle.until(order_id, "awaiting_payment")
        assert shown["expected_date"] is None
        await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "booked")
        [booking] = await idle.requests("carriers", "booking", order_id)
        assert booking["body"]["needed_by"] == in_days(60).isoformat()


async def _details(world: World, order_id: str) -> str:
    """The order in words, as the Temporal UI shows it."""
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    metadata = await handle.query("__temporal_workflow_metadata")
    return str(metadata)


async def test_an_order_without_a_date_hears_of_it_on_the_promised_day(idle: World) -> None:
    """The timer wakes it; silence will cancel, a date within the promise would not."""
    async with working(idle) as hands:
        hands.end_of(TODAY)
        sku, customer = idle.shop(on_hand=0)
        document = order(sku, customer, requested_delivery_date=in_days(1).isoformat())
        order_id = document["order_id"]
        await idle.place(document)
        await idle.until(order_id, "awaiting_stock")
        assert "delay_told" not in events(await idle.order(order_id))
        hands.begin(in_days(1))
        shown = await told(idle, order_id, 1)
        assert shown["consent_by"] == in_days(31).isoformat()
        [(message_id, text, html)] = letters_of(idle, order_id)
        assert message_id.startswith("<delay.")
        for part in (text, html):
            assert "at present" in part
            assert "wait without a date" in part
            assert "not known yet" in part


async def test_a_date_that_is_lost_is_told_and_a_new_one_within_the_promise_ends_it(
    idle: World,
) -> None:
    """The supplier takes its word back; the next one is in time again."""
    async with working(idle):
        order_id, po_id = await short(idle)
        await dated(idle, po_id, in_days(5))
        await told(idle, order_id, 1)
        shown = await idle.order(order_id)
        refusal = {
            "acknowledgement_id": unique("ack"),
            "po_id": po_id,
            "lines": [{"sku": shown["lines"][0]["sku"], "quantity": 0}],
        }
        assert (await idle.tell("purchase_order.acknowledged", refusal)).status_code == 204
        shown = await told(idle, order_id, 2)
        assert shown["consent_by"] == in_days(60).isoformat()
        assert shown["expected_date"] is None
        assert [m[0].split(".")[0] for m in letters_of(idle, order_id)] == ["<backorder", "<delay"]


async def test_a_terminated_order_that_goes_on_writes_no_letter_twice(idle: World) -> None:
    """The new run finds it written."""
    async with working(idle):
        sku, customer = idle.shop(on_hand=0)
        document = order(sku, customer)
        order_id = document["order_id"]
        await idle.place(document)
        shown = await idle.until_event(order_id, "bought")
        po_id = shown["backorders"][0]["po_id"]
        await dated(idle, po_id, in_days(5))
        await told(idle, order_id, 1)
        await idle.client.get_workflow_handle(f"order-{order_id}").terminate()
        assert (await idle.api.post("/orders", json=document)).status_code == 200
        await dated(idle, po_id, in_days(9))
        await told(idle, order_id, 2)
        assert len(letters_of(idle, order_id)) == 2


async def test_two_orders_are_told_when_goods_that_come_move_their_dates(idle: World) -> None:
    """Half of the first purchase comes: nobody is served in full, and dates stay those of the
    purchase that completes each order."""
    async with working(idle):
        sku, customer = idle.shop(on_hand=0)
        first, second = sorted(  # by id, as the clock stands still
            (order(sku, customer, quantity=2) for _ in range(2)), key=lambda o: o["order_id"]
        )
        pos = []
        for document in (first, second):
            await idle.place(document)
            shown = await idle.until_event(document["order_id"], "bought")
            pos.append(shown["backorders"][0]["po_id"])
        for po_id, days in zip(pos, (5, 9), strict=True):
            await dated(idle, po_id, in_days(days))
        for document in (first, second):
            await told(idle, document["order_id"], 1)
        await idle.receive(pos[1], sku, 2)
        await idle.until(first["order_id"], "awaiting_payment")
        shown = await told(idle, second["order_id"], 2)
        assert shown["expected_date"] == in_days(5).isoformat()


async def test_the_command_line_shows_a_delay_and_accepts_it(idle: World) -> None:
    """In words, as JSON, and refused with exit status 1 where there is none."""
    async with working(idle):
        order_id, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        await dated(idle, po_id, in_days(60))
        await told(idle, order_id, 1)
        _, shown, _ = await run(idle, "status", order_id)
        assert f"promised by {in_days(1)}, expected {in_days(60)}" in shown
        assert f"the customer must accept the delay by {in_days(31)}" in shown
        listed = await run_json(idle, "list")
        assert [row["consent_by"] for row in listed] == [in_days(31).isoformat()]
        assert (await run_json(idle, "accept-delay", order_id))["accepted"] is True
        status, out, err = await run(idle, "accept-delay", order_id, "--json")
        assert (status, "no delay that waits" in err) == (1, True)
        assert '"accept_delay_refused"' in out


# Money that comes too late.


async def expired(world: World, **changes: Any) -> tuple[str, str]:
    """An order that was cancelled because it wasn't paid in time; returns its id and its SKU."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer, **changes)
    await world.place(document)
    await world.until(document["order_id"], "cancelled")
    await world.ended(document["order_id"])
    return str(document["order_id"]), sku


async def pay_late(world: World, order_id: str, amount: str) -> str:
    """Money for an order that is over; returns what became of it."""
    fact_id = unique("msg")
    data = {
        "payment_id": unique("pay"),
        "order_id": order_id,
        "amount": amount,
        "currency": "EUR",
    }
    assert (await world.tell("payment.received", data, fact_id)).status_code == 204
    handle = world.client.get_workflow_handle(f"fact-payments-{fact_id}")
    return str(await handle.result())


async def unmatched(world: World, order_id: str) -> list[Document]:
    """What is listed as money without a use."""
    rows = (await world.api.get("/payments/unmatched")).json()
    return [row for row in rows if row["order_id"] == order_id]


async def test_late_money_is_given_back(idle: World) -> None:
    """Twice, in parts: each is refunded, and nothing is left in the books."""
    async with working(idle, payment_deadline=0.5):
        order_id, _ = await expired(idle)
        for amount in (TOTAL, "5.00"):
            said = await pay_late(idle, order_id, amount)
            assert said == "given back: the order is cancelled"
        shown = await idle.order(order_id)
        assert (shown["stage"], shown["attention"]) == ("cancelled", None)
        assert events(shown).count("refunded") == 2
        assert await unmatched(idle, order_id) == []
        assert accounts_of(idle, order_id) == {}
        refunds = await idle.requests("payments", "refund", order_id)
        assert [row["body"]["amount"] for row in refunds] == [TOTAL, "5.00"]


async def test_a_refused_refund_of_late_money_waits_for_a_person(idle: World) -> None:
    """Listed and shown on the order until a retry goes through."""
    async with working(idle, payment_deadline=0.5):
        order_id, _ = await expired(idle)
        await idle.misbehave(partner="payments", operation="refund", fault="refuse")
        fact_id = unique("msg")
        data = {"payment_id": "P-9", "order_id": order_id, "amount": TOTAL, "currency": "EUR"}
        await idle.tell("payment.received", data, fact_id)
        handle = idle.client.get_workflow_handle(f"fact-payments-{fact_id}")
        shown = await idle.until_order(order_id, lambda order: order["attention"])
        assert shown["attention"]["code"] == "refused"
        assert f"fact-payments-{fact_id}" in shown["attention"]["message"]
        assert len(await unmatched(idle, order_id)) == 1
        doors = Intake(idle.client, idle.database, Hands(), idle.settings.buying)
        assert (await doors.retry(order_id, "ann")).accepted
        await handle.result()
        shown = await idle.order(order_id)
        assert shown["attention"] is None
        assert await unmatched(idle, order_id) == []
        assert accounts_of(idle, order_id) == {}


async def test_late_money_takes_the_order_up_again(idle: World) -> None:
    """Allocated anew, billed once, delivered; its first run ended as cancelled."""
    async with working(idle, payment_deadline=0.5, late_money="reallocate"):
        order_id, _ = await expired(idle)
        assert await pay_late(idle, order_id, "130.00") == "applied"
        shown = await idle.until_event(order_id, "booked")
        assert shown["paid"] == TOTAL
        assert shown["invoice_number"]
        assert [row["reason"] for row in await unmatched(idle, order_id)] == ["more than was due"]
        await idle.ship(order_id, "delivered")
        await idle.until(order_id, "completed")
        await idle.ended(order_id)
        shown = await idle.order(order_id)
        assert events(shown).count("allocated") == 2
        assert events(shown).count("invoiced") == 1
        assert shown["lines"][0]["delivered"] == 1
        assert await idle.requests("payments", "refund", order_id) == []


async def test_late_money_for_goods_that_are_gone_waits_for_them(idle: World) -> None:
    """Somebody else has them by now: the order is short, and they are bought."""
    async with working(idle, payment_deadline=0.5, late_money="reallocate"):
        order_id, sku = await expired(idle)
        other = order(sku, (await idle.order(order_id))["customer_id"], terms="net30")
        await idle.place(other)
        await idle.until_event(other["order_id"], "booked")
        await pay_late(idle, order_id, TOTAL)
        shown = await idle.until_event(order_id, "bought")
        assert shown["stage"] == "awaiting_stock"
        handle = idle.client.get_workflow_handle(f"order-{order_id}")
        assert (await handle.execute_update("cancel", {}))["accepted"] is True
        await idle.until(order_id, "cancelled")
        assert accounts_of(idle, order_id) == {}


async def test_late_money_that_does_not_cover_the_order_is_given_back(idle: World) -> None:
    """Part of it came in time and was given back: that pays nothing any more."""
    async with working(idle, payment_deadline=2.0, late_money="reallocate"):
        sku, customer = idle.shop(on_hand=1)
        document = order(sku, customer)
        order_id = document["order_id"]
        await idle.place(document)
        await idle.until_event(order_id, "payment_requested")
        await idle.pay(order_id, "100.00")
        await idle.until(order_id, "cancelled")
        await idle.ended(order_id)
        assert await pay_late(idle, order_id, "19.00") == "given back: the order is cancelled"
        shown = await idle.order(order_id)
        assert shown["stage"] == "cancelled"
        assert accounts_of(idle, order_id) == {}
        assert await pay_late(idle, order_id, TOTAL) == "applied"
        shown = await idle.until_event(order_id, "booked")
        assert (shown["paid"], await unmatched(idle, order_id)) == (TOTAL, [])


async def test_an_order_that_a_person_cancelled_stays_cancelled(idle: World) -> None:
    """Whatever reason was given: its money goes back."""
    async with working(idle, late_money="reallocate"):
        sku, customer = idle.shop(on_hand=1)
        document = order(sku, customer)
        order_id = document["order_id"]
        await idle.place(document)
        await idle.until_event(order_id, "payment_requested")
        handle = idle.client.get_workflow_handle(f"order-{order_id}")
        wish = {"reason": "not paid in time", "actor": "deadline"}
        await handle.execute_update("cancel", wish)
        await idle.ended(order_id)
        assert await pay_late(idle, order_id, TOTAL) == "given back: the order is cancelled"
        assert (await idle.order(order_id))["stage"] == "cancelled"
