"""Connections to the mail server are kept, and no mail is lost or sent twice because of it."""

import asyncio

import pytest

from activities.gateways import smtp_connections
from activities.gateways.smtp import SmtpMailer
from activities.gateways.smtp_connections import MAX_CONNECTIONS
from models.errors import PartnerRefused, PartnerUnavailable
from tests.support.gateways.mail_server import Mailbox, dispatch_notice, mailing, serving
from tests.support.pipeline.waiting import until
from tools.ports import any_free


def message_id(order_id: str) -> str:
    """Return the Message-ID of an order's mail."""
    return f"<dispatch.{order_id}@northwind.example>"


async def send(mailer: SmtpMailer, order_id: str) -> None:
    """Send an order's mail."""
    await mailer.send(dispatch_notice(order_id=order_id))


async def test_several_mails_use_one_connection() -> None:
    """It ends with QUIT when the mailer is closed."""
    mailbox = Mailbox()
    async with serving(mailbox) as address:
        async with mailing(address) as mailer:
            for order_id in ("A", "B", "C"):
                await send(mailer, order_id)
        assert mailbox.farewells == 1
    assert mailbox.message_ids == [message_id("A"), message_id("B"), message_id("C")]
    assert mailbox.connected == 1


@pytest.mark.parametrize("last_words", [b"", b"421 4.4.2 idle for too long\r\n"])
async def test_mail_is_sent_although_server_closed_idle_connection(last_words: bytes) -> None:
    """Over a new connection, within the same call."""
    mailbox = Mailbox()
    async with serving(mailbox) as address, mailing(address) as mailer:
        await send(mailer, "A")
        mailbox.disconnect(last_words)
        await send(mailer, "B")
    assert mailbox.message_ids == [message_id("A"), message_id("B")]
    assert mailbox.connected == 2


async def test_mail_is_sent_after_restart_of_server() -> None:
    """While it is down, the mail is reported as not sent."""
    port = any_free()
    before, after = Mailbox(), Mailbox()
    async with mailing(f"127.0.0.1:{port}") as mailer:
        async with serving(before, port=port):
            await send(mailer, "A")
        with pytest.raises(PartnerUnavailable, match="no answer from the mail server"):
            await send(mailer, "B")
        async with serving(after, port=port):
            await send(mailer, "B")
    assert (before.message_ids, after.message_ids) == ([message_id("A")], [message_id("B")])


@pytest.mark.parametrize(("dies_at", "copies"), [("data", 1), ("answer", 2)])
async def test_mail_without_answer_is_reported_as_not_sent(dies_at: str, copies: int) -> None:
    """The server may have accepted it: sent again, it has the same Message-ID."""
    mailbox = Mailbox()
    async with serving(mailbox) as address, mailing(address) as mailer:
        await send(mailer, "A")
        mailbox.dies_at = dies_at
        with pytest.raises(PartnerUnavailable):
            await send(mailer, "B")
        await send(mailer, "B")
    assert mailbox.message_ids == [message_id("A"), *[message_id("B")] * copies]
    assert mailbox.connected == 2


async def test_mail_after_refused_one_reaches_its_own_recipient_only() -> None:
    """Over the same connection."""
    mailbox = Mailbox(at_rcpt="550 No such mailbox")
    async with serving(mailbox) as address, mailing(address) as mailer:
        with pytest.raises(PartnerRefused):
            await mailer.send(dispatch_notice("nobody@acme.example"))
        mailbox.at_rcpt = "250 OK"
        await mailer.send(dispatch_notice("buyer@acme.example"))
    [envelope] = mailbox.envelopes
    assert envelope.rcpt_tos == ["buyer@acme.example"]
    assert mailbox.connected == 1


async def test_twenty_mails_at_once_arrive_once_each_over_few_connections() -> None:
    mailbox = Mailbox()
    order_ids = [f"ORD-{number}" for number in range(20)]
    async with serving(mailbox) as address, mailing(address) as mailer:
        await asyncio.gather(*(send(mailer, order_id) for order_id in order_ids))
        await asyncio.gather(*(send(mailer, f"{order_id}-b") for order_id in order_ids))
    expected = [message_id(name) for each in order_ids for name in (each, f"{each}-b")]
    assert sorted(mailbox.message_ids) == sorted(expected)
    assert mailbox.connected == MAX_CONNECTIONS


async def test_mail_that_gets_no_connection_in_time_is_not_sent() -> None:
    """Its step runs again later, when the mail server is faster."""
    mailbox = Mailbox()
    mailbox.open.clear()
    async with serving(mailbox) as address, mailing(address, timeout_seconds=2) as mailer:
        mails = [asyncio.create_task(send(mailer, str(n))) for n in range(MAX_CONNECTIONS)]
        await until(lambda: mailbox.waiting == MAX_CONNECTIONS)
        with pytest.raises(PartnerUnavailable):
            await send(mailer, "late")
        for mail in mails:
            mail.cancel()
        await asyncio.wait(mails)
        mailbox.open.set()
        await send(mailer, "next")
    assert mailbox.message_ids.count(message_id("next")) == 1
    assert message_id("late") not in mailbox.message_ids


async def test_connection_of_cancelled_mail_is_not_used_again() -> None:
    """An answer to the cancelled mail would be taken for an answer to the next one."""
    mailbox = Mailbox()
    mailbox.open.clear()
    async with serving(mailbox) as address, mailing(address) as mailer:
        mail = asyncio.create_task(send(mailer, "A"))
        await until(lambda: mailbox.waiting == 1)
        mail.cancel()
        with pytest.raises(asyncio.CancelledError):
            await mail
        mailbox.open.set()
        await send(mailer, "B")
    assert mailbox.message_ids[-1] == message_id("B")
    assert mailbox.connected == 2


async def test_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail servers don't wait for a shop without orders."""
    monkeypatch.setattr(smtp_connections, "IDLE_S", 0.05)
    mailbox = Mailbox()
    async with serving(mailbox) as address, mailing(address) as mailer:
        await send(mailer, "A")
        await until(lambda: not mailbox.connections)
        assert mailbox.farewells == 1
        await send(mailer, "B")
    assert mailbox.message_ids == [message_id("A"), message_id("B")]
