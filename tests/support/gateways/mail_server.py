"""A real SMTP server with configured answers and faults, and a mailer that sends to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from activities.gateways.smtp import OutgoingMail, SmtpMailer
from activities.mail.goods import DispatchedGoods, dispatch_mail
from activities.mail.layout import Addressee, MailedLine, message_id
from activities.mail.layout import Envelope as MailEnvelope
from simulators.mail import parse
from tools.ports import any_free

SENDER = "Northwind Tools <orders@northwind.example>"
Authenticate = Callable[[SMTP, Session, Envelope, str, LoginPassword], AuthResult]


@dataclass
class Mailbox:
    """The handler of a server: stores accepted mail and gives the configured answers."""

    at_rcpt: str = "250 OK"
    at_data: str = "250 OK"
    dies_at: str = ""
    """`data`: lose the connection with the next message. `answer`: accept it first."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Messages wait for it."""
    waiting: int = 0
    """The messages that wait."""
    envelopes: list[Envelope] = field(default_factory=list)
    connections: list[SMTP] = field(default_factory=list)
    """The open connections."""
    connected: int = 0
    """The connections that there were."""
    farewells: int = 0
    """The connections that ended with QUIT."""

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def message_ids(self) -> list[str]:
        """The Message-IDs of the accepted mails, in order of arrival."""
        return [str(parse(_content(mail))["Message-ID"]) for mail in self.envelopes]

    async def handle_RCPT(  # noqa: N802  # called by this name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Accept or refuse a recipient."""
        if self.at_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.at_rcpt

    async def handle_DATA(  # noqa: N802  # called by this name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Accept or refuse a message."""
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        fault, self.dies_at = self.dies_at, ""
        if self.at_data.startswith("250") and fault != "data":
            self.envelopes.append(envelope)
        if fault:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.at_data

    async def handle_QUIT(  # noqa: N802  # called by this name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        """Count the connections that end as they should."""
        self.farewells += 1
        return "221 Bye"

    def disconnect(self, last_words: bytes = b"") -> None:
        """Close all connections, as a server does with idle ones."""
        for connection in list(self.connections):
            assert isinstance(connection.transport, asyncio.WriteTransport)
            connection.transport.write(last_words)
            connection.transport.close()


def _content(mail: Envelope) -> bytes:
    assert isinstance(mail.content, bytes)
    return mail.content


class _Connection(SMTP):
    """A connection that its mailbox knows."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        mailbox: Mailbox = self.event_handler
        mailbox.connections.append(self)
        mailbox.connected += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.connections.remove(self)
        super().connection_lost(error)


@asynccontextmanager
async def serving(
    mailbox: Mailbox, authenticator: Authenticate | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Run a server for `mailbox`, at `host:port`; `authenticator`: it demands AUTH."""

    def connection() -> SMTP:
        return _Connection(
            mailbox,
            authenticator=authenticator,
            auth_required=authenticator is not None,
            auth_require_tls=False,
            enable_SMTPUTF8=False,
        )

    port = port or any_free()
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", port)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.close()
        mailbox.disconnect()


@asynccontextmanager
async def mailing(
    address: str, scheme: str = "smtp", timeout_seconds: float = 5
) -> AsyncIterator[SmtpMailer]:
    """Make a mailer for the server at `address`."""
    mailer = SmtpMailer(f"{scheme}://{address}", timeout_seconds)
    try:
        yield mailer
    finally:
        await mailer.close()


def dispatch_notice(
    recipient: str = "buyer@acme.example", order_id: str = "ORD-0815"
) -> OutgoingMail:
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
