"""Delivery promises: mails about expected dates, delays, consent, and cancellation without consent.

The worker's clock is moved by the test.
"""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from models.errors import Refused
from simulators.mail import MailDirectory
from tests.conftest import DATABASES, new_world
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order
from tests.support.orders.stages import TOTAL, events, place_order, until_purchased
from tests.support.pipeline.clock import TODAY, in_days, working
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import acknowledge


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker: each test runs one with its own clock."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


async def short(world: World, **changes: Any) -> tuple[str, str, str]:
    """Place an order whose shortage is purchased; returns its id, SKU and purchase order."""
    placed = await place_order(world, on_hand=0, **changes)
    po_id = await until_purchased(world, placed.order_id)
    return placed.order_id, placed.sku, po_id


async def confirm(world: World, po_id: str, day: date) -> None:
    """Confirm a purchase order for a day."""
    await acknowledge(world, po_id, expected_date=day.isoformat())


async def until_mailed(world: World, order_id: str, count: int) -> Document:
    """Wait until so many mails about an order's date are sent."""

    def reached(shown: Document) -> bool:
        rows = [row for row in shown["history"] if row["event"] == "mailed"]
        return sum(row["detail"].split()[0] in ("backorder", "delay") for row in rows) >= count

    return await world.until_order(order_id, reached)


def date_mails(world: World, order_id: str) -> list[tuple[str, str, str]]:
    """Read Message-ID, text and HTML of the mails about an order's date, the earliest first."""
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


# Dates within the promise


async def test_each_expected_date_within_the_promise_is_mailed_once(idle: World) -> None:
    """Thirty days are promised; a repeated date is no new one."""
    async with working(idle):
        order_id, sku, po_id = await short(idle)
        shown = await idle.order(order_id)
        assert shown["promised_date"] == in_days(30).isoformat()
        assert shown["expected_date"] is None
        for _ in range(2):
            await confirm(idle, po_id, in_days(5))
        shown = await until_mailed(idle, order_id, 1)
        assert shown["expected_date"] == in_days(5).isoformat()
        await confirm(idle, po_id, in_days(9))
        shown = await until_mailed(idle, order_id, 2)
        assert (shown["promised_date"], shown["consent_by"]) == (in_days(30).isoformat(), None)
        [first, second] = date_mails(idle, order_id)
        assert first[0] != second[0]
        assert f"{in_days(5).day}" in first[1]
        for mail, day in ((first, in_days(5)), (second, in_days(9))):
            for part in mail[1:]:
                assert "not in stock" in part
                assert str(day.year) in part
                assert "cancel" in part
        await idle.receive(po_id, sku, 1)
        await idle.complete(order_id, TOTAL)
        await idle.ended(order_id)
        assert events(await idle.order(order_id)).count("backorder_notified") == 2


async def test_lost_date_is_mailed_until_a_new_one_is_within_the_promise(idle: World) -> None:
    """The supplier refuses after its confirmation."""
    async with working(idle):
        order_id, sku, po_id = await short(idle)
        await confirm(idle, po_id, in_days(5))
        await until_mailed(idle, order_id, 1)
        await acknowledge(idle, po_id, lines=[{"sku": sku, "quantity": 0}])
        shown = await until_mailed(idle, order_id, 2)
        assert shown["consent_by"] == in_days(60).isoformat()
        assert shown["expected_date"] is None
        kinds = [message_id.split(".")[0] for message_id, _, _ in date_mails(idle, order_id)]
        assert kinds == ["<backorder", "<delay"]


async def test_next_run_of_a_terminated_order_repeats_no_mail(idle: World) -> None:
    async with working(idle):
        placed = await place_order(idle, on_hand=0)
        order_id = placed.order_id
        po_id = await until_purchased(idle, order_id)
        await confirm(idle, po_id, in_days(5))
        await until_mailed(idle, order_id, 1)
        await idle.order_workflow(order_id).terminate()
        assert (await idle.api.post("/orders", json=placed.document)).status_code == 200
        await confirm(idle, po_id, in_days(9))
        await until_mailed(idle, order_id, 2)
        assert len(date_mails(idle, order_id)) == 2


async def test_receipt_that_changes_another_order_s_date_is_mailed(idle: World) -> None:
    """Each order's date is that of the purchase order that completes it: the second purchase order
    is received first and serves the first order."""
    async with working(idle):
        sku, customer = idle.shop(on_hand=0)
        first, second = sorted(  # orders promised at the same time are served by id
            (order(sku, customer, quantity=2) for _ in range(2)), key=lambda o: str(o["order_id"])
        )
        po_ids = []
        for document in (first, second):
            await idle.place(document)
            po_ids.append(await until_purchased(idle, document["order_id"]))
        for po_id, days in zip(po_ids, (5, 9), strict=True):
            await confirm(idle, po_id, in_days(days))
        for document in (first, second):
            await until_mailed(idle, document["order_id"], 1)
        await idle.receive(po_ids[1], sku, 2)
        await idle.until(first["order_id"], "awaiting_payment")
        shown = await until_mailed(idle, second["order_id"], 2)
        assert shown["expected_date"] == in_days(5).isoformat()


# Delays and consent


async def test_first_delay_of_up_to_thirty_days_needs_no_consent(idle: World) -> None:
    """The promised date moves; a second delay needs consent."""
    async with working(idle):
        order_id, _, po_id = await short(idle, requested_delivery_date=in_days(10).isoformat())
        await confirm(idle, po_id, in_days(40))
        shown = await until_mailed(idle, order_id, 1)
        assert shown["promised_date"] == in_days(40).isoformat()
        assert shown["consent_by"] is None
        [(message_id, text, html)] = date_mails(idle, order_id)
        assert message_id.startswith("<delay.")
        for part in (text, html):
            assert "unless we hear from you, we will ship your order by then" in part
            assert "You may cancel your order now" in part
        await confirm(idle, po_id, in_days(41))
        shown = await until_mailed(idle, order_id, 2)
        assert shown["consent_by"] == in_days(40).isoformat()
        assert shown["promised_date"] == in_days(40).isoformat()


async def test_longer_delay_without_consent_cancels_and_refunds_the_order(idle: World) -> None:
    """On the day after the last day of consent, by a durable timer."""
    async with working(idle) as clock:
        order_id, _, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "invoiced")
        await confirm(idle, po_id, in_days(60))
        shown = await until_mailed(idle, order_id, 1)
        assert shown["consent_by"] == in_days(31).isoformat()
        assert shown["expected_date"] == in_days(60).isoformat()
        [(_, text, html)] = date_mails(idle, order_id)
        for part in (text, html):
            assert "cancel your order and refund what you" in part
        clock.end_of(in_days(31))
        await idle.order_workflow(order_id).signal("stock_arrived")
        await confirm(idle, po_id, in_days(61))
        shown = await until_mailed(idle, order_id, 2)
        assert shown["stage"] == "awaiting_stock"
        clock.begin(in_days(32))
        await idle.until(order_id, "cancelled")
        await idle.ended(order_id)
        shown = await idle.order(order_id)
        [cancelled] = [r["detail"] for r in shown["history"] if r["event"] == "cancel_requested"]
        assert cancelled == "by deadline: the delay was not accepted in time"
        assert "refunded" in events(shown)
        assert accounts_of(idle, order_id) == {}
        assert len(await idle.requests("payments", "refund", order_id)) == 1


async def test_longer_delay_without_consent_cancels_only_the_rest_of_a_delivered_order(
    idle: World,
) -> None:
    """As if an operator had cancelled the rest."""
    async with working(idle) as clock:
        placed = await place_order(
            idle,
            quantity=2,
            requested_delivery_date=in_days(1).isoformat(),
            delivery="partial",
        )
        order_id = placed.order_id
        await idle.until_event(order_id, "payment_requested")
        await idle.pay(order_id, "238.00")
        po_id = await until_purchased(idle, order_id)
        await idle.until_event(order_id, "booked")
        await idle.ship(order_id, "delivered")
        await confirm(idle, po_id, in_days(60))
        await until_mailed(idle, order_id, 1)
        clock.end_of(in_days(31))
        await idle.order_workflow(order_id).signal("stock_arrived")
        await confirm(idle, po_id, in_days(61))
        await until_mailed(idle, order_id, 2)
        clock.begin(in_days(32))
        shown = await idle.until_event(order_id, "rest_cancelled")
        [given_up] = [r["detail"] for r in shown["history"] if r["event"] == "rest_cancelled"]
        assert given_up == "1 units by deadline: the delay was not accepted in time"
        await idle.ended(order_id)
        shown = await idle.until_order(order_id, lambda o: o["refunded"] == TOTAL)
        assert (shown["stage"], shown["attention"]) == ("completed", None)
        assert len(await idle.requests("payments", "refund", order_id)) == 1


async def test_accepted_delay_keeps_the_order_and_moves_the_promised_date(idle: World) -> None:
    """Accepting is refused before and after."""
    async with working(idle) as clock:
        order_id, sku, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        intake = idle.intake()
        with pytest.raises(Refused, match="no delay that waits"):
            await intake.accept_delay(order_id, "ann")
        await confirm(idle, po_id, in_days(60))
        await until_mailed(idle, order_id, 1)
        handle = idle.order_workflow(order_id)
        answer = await handle.execute_update("accept_delay", ["what", {}])
        assert answer["accepted"] is False
        shown_by_temporal = str(await handle.query("__temporal_workflow_metadata"))
        assert f"must accept the delay by {in_days(31)}" in shown_by_temporal
        assert (await handle.execute_update("accept_delay", args=[]))["accepted"] is True
        shown = await idle.until_event(order_id, "delay_accepted")
        assert (shown["promised_date"], shown["consent_by"]) == (in_days(60).isoformat(), None)
        with pytest.raises(Refused, match="no delay that waits"):
            await intake.accept_delay(order_id, "ann")
        clock.begin(in_days(32))
        await idle.receive(po_id, sku, 1)
        shown = await idle.until(order_id, "awaiting_payment")
        assert shown["expected_date"] is None
        await idle.pay(order_id, TOTAL)
        await idle.until_event(order_id, "booked")
        [booking] = await idle.requests("carriers", "booking", order_id)
        assert booking["body"]["needed_by"] == in_days(60).isoformat()


async def test_order_without_an_expected_date_is_mailed_on_the_promised_date(idle: World) -> None:
    """A timer wakes it; it needs consent, unlike a date within the promise."""
    async with working(idle) as clock:
        clock.end_of(TODAY)
        placed = await place_order(idle, on_hand=0, requested_delivery_date=in_days(1).isoformat())
        order_id = placed.order_id
        await idle.until(order_id, "awaiting_stock")
        assert "delay_notified" not in events(await idle.order(order_id))
        clock.begin(in_days(1))
        shown = await until_mailed(idle, order_id, 1)
        assert shown["consent_by"] == in_days(31).isoformat()
        [(message_id, text, html)] = date_mails(idle, order_id)
        assert message_id.startswith("<delay.")
        for part in (text, html):
            assert "At present we cannot say" in part
            assert "wait without a new date" in part
            assert "not known yet" in part


async def test_cli_shows_and_accepts_a_delay(idle: World) -> None:
    """As text, as JSON, and with exit status 1 where there is none."""
    async with working(idle):
        order_id, _, po_id = await short(idle, requested_delivery_date=in_days(1).isoformat())
        await confirm(idle, po_id, in_days(60))
        await until_mailed(idle, order_id, 1)
        _, printed, _ = await run(idle, "status", order_id)
        assert f"promised by {in_days(1)}, expected {in_days(60)}" in printed
        assert f"the customer must accept the delay by {in_days(31)}" in printed
        listed = await run_json(idle, "list")
        assert [row["consent_by"] for row in listed] == [in_days(31).isoformat()]
        assert (await run_json(idle, "accept-delay", order_id))["accepted"] is True
        status, out, err = await run(idle, "accept-delay", order_id, "--json")
        assert (status, "no delay that waits" in err) == (1, True)
        assert '"accept_delay_refused"' in out
