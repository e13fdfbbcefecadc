"""The HTTP client for partners: JSON with an idempotency key, and errors by what to do next."""

import json
import ssl
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from models.errors import PartnerRefused, PartnerUnavailable, PipelineError

NOT_DEFINITE = {408, 425, 429}
"""Client errors that are no refusal: the same request may succeed later."""
KEPT_FOR_S = 4
"""How long an unused connection is kept, in seconds: less than the 5 of common servers."""


@cache
def certificate_authorities() -> ssl.SSLContext:
    """Read the certificate authorities; cached, as reading them takes 30 ms."""
    return ssl.create_default_context()


class PartnerClient:
    """A client of one partner, with a connection pool and a timeout in seconds."""

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=certificate_authorities(), keepalive_timeout=KEPT_FOR_S
            ),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy_of(self._base_url),
        )

    async def post(self, path: str, body: dict[str, Any], key: str, request: str) -> dict[str, Any]:
        """Post `body` under an idempotency key; return the answer (JSON, hence `Any`).

        `request` describes partner and request in errors, which operators read: "the carrier, asked
        to book SH-1". The errors
        have a note with the URL, for the log.
        Raises PartnerRefused for a refusal, and PartnerUnavailable where it is open whether the
        request was executed: repeat it with the same `key`.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        url = URL(self._base_url + path)
        try:
            async with self._session.post(
                url, data=_canonical(body), headers=headers, allow_redirects=False
            ) as response:
                answer = Answer(response.status, response.reason or "", await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            unavailable = PartnerUnavailable(f"{request}, {_reason(error)}")
            unavailable.add_note(f"POST {url}: {error!r}")
            raise unavailable from error
        try:
            return _read_answer(request, answer)
        except PipelineError as error:
            error.add_note(f"POST {url}: {answer.status}")
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class Answer(NamedTuple):
    """A partner's answer as received."""

    status: int
    reason: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the partner did what it was asked."""
        return 200 <= self.status < 300

    @property
    def is_client_error(self) -> bool:
        """Whether the request was wrong."""
        return 400 <= self.status < 500


def answered(answer: dict[str, Any], field: str, request: str) -> str:
    """Return a field of an answer. Raises PartnerUnavailable where it is missing."""
    value = answer.get(field)
    if value is None:
        raise PartnerUnavailable(f"{request}, answered without {field}")
    return str(value)


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL, as in HTTPS_PROXY and NO_PROXY.

    Read once: with `trust_env`, aiohttp reads it for each request, in another thread.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _read_answer(request: str, answer: Answer) -> dict[str, Any]:
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise PartnerUnavailable(f"{request}, answered {answer.status} without a JSON object")
    if answer.is_success:
        return body
    message = body.get("message", answer.reason)
    if answer.is_client_error and answer.status not in NOT_DEFINITE:
        sentence = f"{request}, refused: {message}"
        raise PartnerRefused(str(body.get("code", "partner_refused")), sentence)
    raise PartnerUnavailable(f"{request}, answered {answer.status}: {message}")


def _canonical(body: dict[str, Any]) -> bytes:
    """Encode JSON with sorted keys, so that a repeated request has the same bytes."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False).encode()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "gave no answer in time"
    return f"gave no answer: {str(error) or type(error).__name__}"
