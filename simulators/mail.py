"""The mail sink: an SMTP server that keeps every message as a file, and reads them again."""

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

REFUSED_PREFIX = "refused"
FILE_NAME = re.compile(r"\d{6,}-[A-Za-z0-9@._-]{1,120}\.eml")
UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")


@dataclass(frozen=True)
class Attachment:
    """A part of a message that is kept as a file of its own."""

    name: str
    content: bytes
    is_pdf: bool


class MailDirectory:
    """The kept messages: `<n>-<message-id>.eml`, `n` counting from 1 in order of arrival."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        self._count = max((int(name.split("-")[0]) for name in self.names()), default=0)

    def names(self) -> list[str]:
        """The files' names, oldest first."""
        return sorted(path.name for path in self._path.iterdir() if FILE_NAME.fullmatch(path.name))

    def keep(self, content: bytes) -> str:
        """Write a message down, wholly or not at all; return its file's name."""
        headers = BytesHeaderParser(EmailMessage, policy=policy.default).parsebytes(content)
        message_id = str(headers.get("Message-ID", "")).strip("<> ")
        safe_id = UNSAFE.sub("_", message_id)[:120] or "without-id"
        self._count += 1
        name = f"{self._count:06d}-{safe_id}.eml"
        unfinished = self._path / f"{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(self._path / name)
        return name

    def read(self, name: str) -> EmailMessage | None:
        """The message in that file; None when there is no such file."""
        path = self._path / name
        if not FILE_NAME.fullmatch(name) or not path.is_file():
            return None
        return parsed(path.read_bytes())


def parsed(content: bytes) -> EmailMessage:
    """A message from its bytes; faulty ones are read as far as they go."""
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def text_of(message: EmailMessage) -> str:
    """The message's text, plain if it has one."""
    part = message.get_body(("plain", "html"))
    try:
        return str(part.get_content()) if part else ""
    except LookupError:
        return "(written in an unknown character set)"


def attachments_of(message: EmailMessage) -> list[Attachment]:
    """The message's attachments, in their order."""
    return [
        Attachment(
            part.get_filename() or f"attachment-{n}",
            payload if isinstance(payload := part.get_payload(decode=True), bytes) else b"",
            part.get_content_type() == "application/pdf",
        )
        for n, part in enumerate(message.iter_attachments(), start=1)
    ]


class _Sink:
    """What the SMTP server does with recipients and messages."""

    def __init__(self, directory: MailDirectory) -> None:
        self._directory = directory

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks handlers up by the SMTP verb
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower().startswith(REFUSED_PREFIX):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if not isinstance(envelope.content, bytes):
            return "554 5.6.0 no content"
        return f"250 kept as {self._directory.keep(envelope.content)}"


@asynccontextmanager
async def smtp_sink(directory: MailDirectory, host: str, port: int) -> AsyncIterator[int]:
    """Take mail for as long as the block lasts; yields the port (a free one for port 0)."""
    loop = asyncio.get_running_loop()
    sink = _Sink(directory)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
