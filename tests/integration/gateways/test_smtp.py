"""Mail reaches a real SMTP server, and each of its answers becomes one of our errors."""

import socket
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from activities.gateways.smtp import SmtpMailer
from models.errors import PartnerRefused, PartnerUnavailable
from tests.support.gateways.mail_server import Mailbox, dispatch_notice, mailing, serving
from tools.ports import any_free


async def send_one(
    mailbox: Mailbox, recipient: str = "buyer@acme.example", order_id: str = "ORD-0815"
) -> None:
    """Send one mail to a server for `mailbox`."""
    async with serving(mailbox) as address, mailing(address) as mailer:
        await mailer.send(dispatch_notice(recipient, order_id))


async def test_message_arrives_once_with_its_id() -> None:
    """At its recipient, with a date and the given Message-ID."""
    mailbox = Mailbox()
    await send_one(mailbox)
    (envelope,) = mailbox.envelopes
    assert envelope.rcpt_tos == ["buyer@acme.example"]
    assert envelope.mail_from == "orders@northwind.example"
    assert isinstance(envelope.content, bytes)
    assert b"Message-ID: <dispatch.ORD-0815@northwind.example>\r\n" in envelope.content
    assert (b"\r\n" + envelope.content).count(b"\r\nDate: ") == 1


async def test_long_message_id_arrives_unchanged() -> None:
    """Longer than the recommended length of a header line."""
    mailbox = Mailbox()
    await send_one(mailbox, order_id="O" * 64)
    content = mailbox.envelopes[0].content
    assert isinstance(content, bytes)
    assert b"<dispatch." + b"O" * 64 + b"@northwind.example>\r\n" in content


@pytest.mark.parametrize(
    "answers",
    [{"at_rcpt": "550 No such mailbox"}, {"at_data": "554 Not wanted here"}],
    ids=["recipient", "content"],
)
async def test_permanent_error_is_a_refusal(answers: dict[str, Any]) -> None:
    """With the server's answer as its message."""
    with pytest.raises(PartnerRefused, match=r"55\d No") as refusal:
        await send_one(Mailbox(**answers))
    assert refusal.value.code == "mail_refused"


@pytest.mark.parametrize(
    "answers",
    [{"at_rcpt": "451 Greylisted"}, {"at_data": "452 Disk full"}],
    ids=["recipient", "content"],
)
async def test_transient_error_may_be_retried(answers: dict[str, Any]) -> None:
    """4xx means: try again later."""
    with pytest.raises(PartnerUnavailable, match=r"45\d "):
        await send_one(Mailbox(**answers))


async def test_absent_server_may_be_retried() -> None:
    async with mailing(f"127.0.0.1:{any_free()}") as mailer:
        with pytest.raises(PartnerUnavailable, match="no answer from the mail server"):
            await mailer.send(dispatch_notice())


async def test_silent_server_may_be_retried() -> None:
    """A connection without an answer ends with the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with mailing(address, timeout_seconds=0.2) as mailer:
            with pytest.raises(PartnerUnavailable):
                await mailer.send(dispatch_notice())


async def test_no_message_is_sent_without_required_tls() -> None:
    """Servers without STARTTLS or TLS get no message if the URL requires it."""
    mailbox = Mailbox()
    async with serving(mailbox) as address:
        for scheme in ("smtp+starttls", "smtps"):
            async with mailing(address, scheme, timeout_seconds=1) as mailer:
                with pytest.raises(PartnerUnavailable):
                    await mailer.send(dispatch_notice())
    assert not mailbox.envelopes


async def test_credentials_of_the_url_are_used_and_never_shown() -> None:
    """Percent-encoded in the URL, decoded for the server, absent from error messages."""

    def check(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"shop", b"p@ss/word"), handled=False)

    mailbox = Mailbox()
    async with serving(mailbox, check) as address:
        async with mailing(f"shop:p%40ss%2Fword@{address}") as mailer:
            await mailer.send(dispatch_notice())
        async with mailing(f"shop:wrong@{address}") as mailer:
            with pytest.raises(PartnerRefused) as refusal:
                await mailer.send(dispatch_notice())
    assert len(mailbox.envelopes) == 1
    assert "wrong" not in str(refusal.value)


async def test_address_beyond_ascii_is_refused_without_smtputf8() -> None:
    with pytest.raises(PartnerRefused):
        await send_one(Mailbox(), recipient="zoë@acme.example")


@pytest.mark.parametrize("url", ["http://localhost:25", "smtp://", "localhost:25", ""])
def test_url_of_another_scheme_is_rejected_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="a mail server is"):
        SmtpMailer(url, 5)
