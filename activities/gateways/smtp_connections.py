"""Connections to a mail server, kept for a few seconds."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote, urlsplit

import aiosmtplib

MAX_CONNECTIONS = 8
"""Servers limit the connections of a client: Postfix to 50, which several workers share."""
IDLE_S = 5.0
"""Shorter than the 10 s after which Postfix under load closes an idle connection, which spares most
attempts on a closed one. Longer than the pauses between mails while there are many."""
_DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class SmtpConnections:
    """A pool of connections to a mail server by its URL: `smtp://[user:password@]host[:port]`
    without TLS, `smtps://` over TLS, `smtp+starttls://` with mandatory STARTTLS.

    Raises ValueError for any other URL. Use it from one event loop only.
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
        # read once, as reading the certificate authorities takes 30 ms
        self._authorities = None if parts.scheme == "smtp" else ssl.create_default_context()
        self._timeout_seconds = timeout_seconds
        self._unused = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}
        """The kept connections, the last used last, with the timer that closes each."""
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self._host}:{self._port}"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection that answers, and keep it afterwards unless it was lost.

        Raises SMTPException, or TimeoutError if all connections are in use for too long.
        """
        async with asyncio.timeout(self._timeout_seconds):
            await self._unused.acquire()
        try:
            smtp = await self._kept() or await self._connected()
            try:
                yield smtp
            except asyncio.CancelledError:
                smtp.close()  # the answer may still come, and would be taken for another one
                raise
            finally:
                self._keep(smtp)
        finally:
            self._unused.release()

    async def close(self) -> None:
        """Close the kept connections."""
        for smtp in list(self._idle):
            self._close(smtp)
        await asyncio.gather(*self._closing)

    async def _kept(self) -> aiosmtplib.SMTP | None:
        """Return a kept connection, if the server hasn't closed all of them in the meantime.

        RSET shows this before a mail is under way, when nothing can get lost or be sent twice.
        """
        while self._idle:
            smtp, expiry = self._idle.popitem()
            expiry.cancel()
            try:
                await smtp.rset()
            except aiosmtplib.SMTPException:
                smtp.close()
            except asyncio.CancelledError:
                smtp.close()
                raise
            else:
                return smtp
        return None

    async def _connected(self) -> aiosmtplib.SMTP:
        smtp = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=self._starttls,
            tls_context=self._authorities,
            timeout=self._timeout_seconds,
        )
        await smtp.connect()
        return smtp

    def _keep(self, smtp: aiosmtplib.SMTP) -> None:
        if smtp.is_connected:
            loop = asyncio.get_running_loop()
            self._idle[smtp] = loop.call_later(IDLE_S, self._close, smtp)

    def _close(self, smtp: aiosmtplib.SMTP) -> None:
        """Close a kept connection in the background, as the server answers its QUIT."""
        self._idle.pop(smtp).cancel()
        task = asyncio.get_running_loop().create_task(_quit(smtp))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _quit(smtp: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException):  # the server closed it first
        await smtp.quit()
    smtp.close()
