"""Receivers of events: a signed POST to an address that a subscriber gave.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks.webhooks import Webhook
from yarl import URL

from activities.gateways.http import certificate_authorities
from models.events import Event
from models.subscriptions import (
    PRIVATE,
    Verdict,
    is_literal_address,
    is_public,
    verdict,
)

TIMEOUT_S = 15
"""The longest that a receiver may take, as Standard Webhooks recommends."""
MAX_REASON = 200
"""The part of an answer that is kept, in bytes."""


class Answer(NamedTuple):
    """What a receiver answered, and in words."""

    verdict: Verdict
    reason: str


class _PublicResolver(AbstractResolver):
    """Resolves names to public addresses only, when it connects: names may change."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name. Raises OSError if one of its addresses is not public."""
        found = await self._resolver.resolve(host, port, family)
        if any(not is_public(result["host"]) for result in found):
            raise OSError(errno.EACCES, f"{host} {PRIVATE}")
        return found

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


class Receivers:
    """Posts events. `private`: addresses of private networks are allowed."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, event: Event, secrets: Sequence[str], now: datetime) -> Answer:
        """Post an event, signed with each secret; redirects are not followed."""
        host = URL(url).host or ""
        if not self._private and is_literal_address(host) and not is_public(host):
            return Answer(Verdict.FAILED, f"{host} {PRIVATE}")
        body, message_id = event.text, f"event-{event.id}"
        signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
        headers = {
            "content-type": "application/cloudevents+json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        try:
            async with self._connected().post(
                URL(url), data=body.encode(), headers=headers, allow_redirects=False
            ) as response:
                text = (await response.content.read(MAX_REASON)).decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(Verdict.FAILED, _reason(error))
        words = " ".join(text.split()) or response.reason or ""
        return Answer(verdict(response.status), f"it answered {response.status}: {words}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        """Open the client at the first event, in the loop that uses it."""
        if self._session is None:
            resolver = None if self._private else _PublicResolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=certificate_authorities(), resolver=resolver),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _reason(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return f"it gave no answer within {TIMEOUT_S} s"
    return f"it gave no answer: {str(error) or type(error).__name__}"
