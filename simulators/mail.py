"""Simulate a mail server: an SMTP sink that stores every message in a file."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

REJECTED_PREFIX = "refused"
"""The start of a recipient's address that makes the server reject it (550)."""
FILE_NAME = re.compile(r"\d{6,}-[A-Za-z0-9@._-]{1,120}\.eml")
UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")


@dataclass(frozen=True)
class Attachment:
    """An attachment of a message."""

    name: str
    content: bytes
    is_pdf: bool


class MailDirectory:
    """The stored messages: `<n>-<message-id>.eml`, with `n` from 1 in order of arrival."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        self._count = max((int(name.split("-")[0]) for name in self.names()), default=0)

    def names(self) -> list[str]:
        """List the file names, oldest first."""
        return sorted(path.name for path in self._path.iterdir() if FILE_NAME.fullmatch(path.name))

    def store(self, content: bytes) -> str:
        """Store a message atomically; return its file name."""
        headers, _, _ = content.partition(b"\r\n\r\n")
        message_id = str(BytesHeaderParser().parsebytes(headers).get("Message-ID", ""))
        safe_id = UNSAFE.sub("_", message_id.strip("<>\r\n "))[:120] or "without-id"
        self._count += 1
        name = f"{self._count:06d}-{safe_id}.eml"
        temporary = self._path / f"{name}.part"
        temporary.write_bytes(content)
        temporary.replace(self._path / name)
        return name

    def read(self, name: str) -> EmailMessage | None:
        """Read a stored message; None if there is no such file."""
        path = self._path / name
        if not FILE_NAME.fullmatch(name) or not path.is_file():
            return None
        return parse(path.read_bytes())


def parse(content: bytes) -> EmailMessage:
    """Parse a message; defects in it raise no error."""
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def text_of(message: EmailMessage) -> str:
    """Return the message's text, plain if there is a plain part, else HTML."""
    part = message.get_body(("plain", "html"))
    try:
        return str(part.get_content()) if part else ""
    except LookupError:
        return "(unknown character set)"


def attachments_of(message: EmailMessage) -> list[Attachment]:
    """List the message's attachments in order."""
    return [
        Attachment(
            part.get_filename() or f"attachment-{n}",
            payload if isinstance(payload := part.get_payload(decode=True), bytes) else b"",
            part.get_content_type() == "application/pdf",
        )
        for n, part in enumerate(message.iter_attachments(), start=1)
    ]


class _Handler:
    """Handle SMTP commands: reject test recipients, store messages."""

    def __init__(self, directory: MailDirectory) -> None:
        self._directory = directory

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds handlers by the SMTP command
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower().startswith(REJECTED_PREFIX):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if not isinstance(envelope.content, bytes):
            return "554 5.6.0 no content"
        return f"250 OK stored as {self._directory.store(envelope.content)}"


@asynccontextmanager
async def smtp_sink(directory: MailDirectory, host: str, port: int) -> AsyncIterator[int]:
    """Accept mail while the block runs; yield the port (a free one for port 0)."""
    loop = asyncio.get_running_loop()
    handler = _Handler(directory)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
