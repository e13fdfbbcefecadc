"""The gateway to a mail server: SMTP, with one connection per message."""

import re
from email.message import EmailMessage
from email.utils import localtime
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from models.errors import PartnerRefused, PartnerUnavailable, PipelineError

_DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class Mailer(Protocol):
    """The call to a mail server."""

    async def send(self, message: EmailMessage) -> None:
        """Send a message. Raises as `SmtpMailer.send`."""


class SmtpMailer:
    """A mail server by its URL: `smtp://[user:password@]host[:port]` without TLS, `smtps://` over
    TLS, `smtp+starttls://` with mandatory STARTTLS.

    `timeout_seconds` limits each step of the conversation. Raises ValueError for any other URL.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("a mail server is smtp://, smtps:// or smtp+starttls:// and its host")
        self._host = parts.hostname
        self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self._user = None if parts.username is None else unquote(parts.username)
        self._password = None if parts.password is None else unquote(parts.password)
        self._tls = parts.scheme == "smtps"
        self._starttls = parts.scheme == "smtp+starttls"
        self._timeout_seconds = timeout_seconds

    async def send(self, message: EmailMessage) -> None:
        """Send a message; add a `Date` if it has none.

        Raises PartnerRefused for a refused address or a permanent error (5xx), PartnerUnavailable
        for connection faults, timeouts and 4xx. After PartnerUnavailable the server may have
        accepted the message nevertheless: send it again with the same Message-ID.
        """
        if "Date" not in message:
            message["Date"] = localtime()
        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                start_tls=self._starttls,
                timeout=self._timeout_seconds,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._translate(error) from error

    def _translate(self, error: aiosmtplib.SMTPException | OSError) -> PipelineError:
        answer = f"the mail server {self._host}:{self._port} answered: {_reason(error)}"
        if isinstance(error, aiosmtplib.SMTPNotSupported) or _permanent(error):
            return PartnerRefused("mail_refused", answer)
        if _code(error):
            return PartnerUnavailable(answer)
        return PartnerUnavailable(
            f"no answer from the mail server {self._host}:{self._port}: {_reason(error)}"
        )


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
