"""The gateway to a mail server."""

import re
from email.utils import formatdate
from typing import NamedTuple, Protocol

import aiosmtplib

from activities.gateways.smtp_connections import SmtpConnections
from models.errors import PartnerRefused, PartnerUnavailable, PipelineError

_BEYOND_ASCII = ("SMTPUTF8", "BODY=8BITMIME")
"""The options of a mail with an address beyond ASCII."""


class OutgoingMail(NamedTuple):
    """A mail to send: two addresses without names, and the whole content except for the `Date`.

    Only addresses are beyond ASCII. Lines end with CRLF.
    """

    sender: str
    recipient: str
    content: bytes


class Mailer(Protocol):
    """The call to a mail server."""

    async def send(self, mail: OutgoingMail) -> None:
        """Send a mail. Raises as `SmtpMailer.send`."""


class SmtpMailer:
    """A mail server by its URL, over a few connections that are kept for the next mails.

    `timeout_seconds` limits each step of the conversation, and the wait for a connection. Raises
    ValueError for a URL that is none of a mail server.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._connections = SmtpConnections(url, timeout_seconds)

    async def send(self, mail: OutgoingMail) -> None:
        """Send a mail, dated now.

        Raises PartnerRefused for a refused address or a permanent error (5xx), PartnerUnavailable
        for connection faults, timeouts and 4xx. After PartnerUnavailable the server may have
        accepted the mail nevertheless: send it again with the same Message-ID.
        """
        content = f"Date: {formatdate(localtime=True)}\r\n".encode() + mail.content
        is_ascii = (mail.sender + mail.recipient).isascii()
        try:
            async with self._connections.connection() as smtp:
                await smtp.sendmail(
                    mail.sender,
                    mail.recipient,
                    content,
                    mail_options=() if is_ascii else _BEYOND_ASCII,
                )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._translate(error) from error

    async def close(self) -> None:
        """Close the kept connections."""
        await self._connections.close()

    def _translate(self, error: aiosmtplib.SMTPException | OSError) -> PipelineError:
        server = f"the mail server {self._connections.address}"
        answer = f"{server} answered: {_reason(error)}"
        if isinstance(error, aiosmtplib.SMTPNotSupported) or _permanent(error):
            return PartnerRefused("mail_refused", answer)
        if _code(error):
            return PartnerUnavailable(answer)
        return PartnerUnavailable(f"no answer from {server}: {_reason(error)}")


def _code(error: Exception) -> int:
    """Return the server's reply code, the lowest of several; 0 without a reply."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return min(refusal.code for refusal in error.recipients)
    return error.code if isinstance(error, aiosmtplib.SMTPResponseException) else 0


def _permanent(error: Exception) -> bool:
    return 500 <= _code(error) <= 599


def _reason(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(_reason(refusal) for refusal in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return re.sub(r"\s+", " ", f"{error.code} {error.message}")
    return str(error) or type(error).__name__
