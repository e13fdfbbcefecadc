"""Mail reaches a real SMTP server, and each of its answers becomes one of our errors."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from activities.gateways.smtp import SmtpMailer
from activities.mail.goods import DispatchedGoods, dispatch_mail
from activities.mail.layout import Addressee, MailedLine, message_id
from activities.mail.layout import Envelope as MailEnvelope
from models.errors import PartnerRefused, PartnerUnavailable

SENDER = "Northwind Tools <orders@northwind.example>"


class Mailbox:
    """The handler of an SMTP server: stores accepted mail and gives the configured answers."""

    def __init__(self, at_rcpt: str = "250 OK", at_data: str = "250 OK") -> None:
        self.at_rcpt = at_rcpt
        self.at_data = at_data
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802  # called by this name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Accept or refuse a recipient."""
        envelope.rcpt_tos.append(address)
        return self.at_rcpt

    async def handle_DATA(  # noqa: N802  # called by this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Accept or refuse a message."""
        if self.at_data.startswith("250"):
            self.envelopes.append(envelope)
        return self.at_data


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Authenticate = Callable[[SMTP, Session, Envelope, str, LoginPassword], AuthResult]


@contextmanager
def serving(mailbox: Mailbox, authenticator: Authenticate | None = None) -> Iterator[str]:
    """Run a server for `mailbox`, at `host:port`; `authenticator`: it demands AUTH."""
    port = _free_port()
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticator,
        auth_required=authenticator is not None,
        auth_require_tls=False,
        enable_SMTPUTF8=False,
    )
    controller.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        controller.stop()


def dispatch_notice(
    recipient: str = "buyer@acme.example", order_id: str = "ORD-0815"
) -> EmailMessage:
    """Compose a mail to send."""
    dispatched = DispatchedGoods(
        order_id=order_id,
        lines=(MailedLine(sku="DRILL-18V", name="Bohrschrauber", quantity=1),),
        carrier="Swift Freight",
        tracking_number="SW123",
    )
    addressee = Addressee(
        name="Zoë Müller", language="de", currency="EUR", seller="Northwind Tools"
    )
    envelope = MailEnvelope(
        sender=SENDER,
        recipient=recipient,
        message_id=message_id("dispatch", order_id, SENDER),
    )
    return dispatch_mail(dispatched, addressee, envelope)


def mailer(address: str, scheme: str = "smtp", timeout_seconds: float = 5) -> SmtpMailer:
    """Make a mailer for the server at `address`."""
    return SmtpMailer(f"{scheme}://{address}", timeout_seconds)


async def test_message_arrives_once_with_its_id() -> None:
    """At its recipient, with a date and the given Message-ID."""
    mailbox = Mailbox()
    with serving(mailbox) as address:
        await mailer(address).send(dispatch_notice())
    (envelope,) = mailbox.envelopes
    assert envelope.rcpt_tos == ["buyer@acme.example"]
    assert envelope.mail_from == "orders@northwind.example"
    assert isinstance(envelope.content, bytes)
    assert b"Message-ID: <dispatch.ORD-0815@northwind.example>\r\n" in envelope.content
    assert envelope.content.count(b"\r\nDate: ") == 1


async def test_long_message_id_arrives_unchanged() -> None:
    """Longer than the recommended length of a header line."""
    mailbox = Mailbox()
    with serving(mailbox) as address:
        await mailer(address).send(dispatch_notice(order_id="O" * 64))
    content = mailbox.envelopes[0].content
    assert isinstance(content, bytes)
    assert b"<dispatch." + b"O" * 64 + b"@northwind.example>\r\n" in content


@pytest.mark.parametrize(
    "mailbox",
    [Mailbox(at_rcpt="550 No such mailbox"), Mailbox(at_data="554 Not wanted here")],
    ids=["recipient", "content"],
)
async def test_permanent_error_is_a_refusal(mailbox: Mailbox) -> None:
    """With the server's answer as its message."""
    with serving(mailbox) as address, pytest.raises(PartnerRefused, match=r"55\d No") as refusal:
        await mailer(address).send(dispatch_notice())
    assert refusal.value.code == "mail_refused"


@pytest.mark.parametrize(
    "mailbox",
    [Mailbox(at_rcpt="451 Greylisted"), Mailbox(at_data="452 Disk full")],
    ids=["recipient", "content"],
)
async def test_transient_error_may_be_retried(mailbox: Mailbox) -> None:
    """4xx means: try again later."""
    with serving(mailbox) as address, pytest.raises(PartnerUnavailable, match=r"45\d "):
        await mailer(address).send(dispatch_notice())


async def test_absent_server_may_be_retried() -> None:
    with pytest.raises(PartnerUnavailable, match="no answer from the mail server"):
        await mailer(f"127.0.0.1:{_free_port()}").send(dispatch_notice())


async def test_silent_server_may_be_retried() -> None:
    """A connection without an answer ends with the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(PartnerUnavailable):
            await mailer(address, timeout_seconds=0.2).send(dispatch_notice())


async def test_no_message_is_sent_without_required_tls() -> None:
    """Servers without STARTTLS or TLS get no message if the URL requires it."""
    mailbox = Mailbox()
    with serving(mailbox) as address:
        for scheme in ("smtp+starttls", "smtps"):
            with pytest.raises(PartnerUnavailable):
                await mailer(address, scheme, timeout_seconds=1).send(dispatch_notice())
    assert not mailbox.envelopes


async def test_credentials_of_the_url_are_used_and_never_shown() -> None:
    """Percent-encoded in the URL, decoded for the server, absent from error messages."""

    def check(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"shop", b"p@ss/word"), handled=False)

    mailbox = Mailbox()
    with serving(mailbox, check) as address:
        await mailer(f"shop:p%40ss%2Fword@{address}").send(dispatch_notice())
        with pytest.raises(PartnerRefused) as refusal:
            await mailer(f"shop:wrong@{address}").send(dispatch_notice())
    assert len(mailbox.envelopes) == 1
    assert "wrong" not in str(refusal.value)


async def test_address_beyond_ascii_is_refused_without_smtputf8() -> None:
    with serving(Mailbox()) as address, pytest.raises(PartnerRefused):
        await mailer(address).send(dispatch_notice(recipient="zoë@acme.example"))


@pytest.mark.parametrize("url", ["http://localhost:25", "smtp://", "localhost:25", ""])
def test_url_of_another_scheme_is_rejected_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="a mail server is"):
        SmtpMailer(url, 5)
