"""One way of calling a partner: JSON, an idempotency key, and errors that say what to do next."""

import json
import ssl
from functools import cache
from typing import Any

import httpx
from temporalio import activity

from models.errors import PartnerRefused, PartnerUnavailable

NOT_DEFINITE = {408, 425, 429}
"""4xx answers that only mean: not now."""


@cache
def authorities() -> ssl.SSLContext:
    """Who vouches for a partner's address. Reading them takes 30 ms: once in a process."""
    return httpx.create_ssl_context()


class PartnerClient:
    """A partner's base URL with a connection pool and a time-out in seconds."""

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"), timeout=timeout_seconds, verify=authorities()
        )

    async def post(self, path: str, body: dict[str, Any], key: str, asked: str) -> dict[str, Any]:
        """The partner's answer (JSON of its contract, hence `Any`).

        Raises PartnerRefused for a definite no, PartnerUnavailable for everything that leaves
        open whether it was done: repeat with the same `key`. Operators read `asked`, who was asked
        for what ("the carrier, asked to book SH-1"), and find the URL in the log.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        url = self._client.base_url.join(path.lstrip("/"))
        try:
            response = await self._client.post(path, content=_same_bytes(body), headers=headers)
        except httpx.HTTPError as error:
            activity.logger.warning("POST %s: %r", url, error)
            raise PartnerUnavailable(f"{asked}, {_words(error)}") from error
        if not response.is_success:
            activity.logger.warning("POST %s: %s", url, response.status_code)
        return _answer(asked, response)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _answer(asked: str, response: httpx.Response) -> dict[str, Any]:
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise PartnerUnavailable(f"{asked}, answered {response.status_code} without a JSON object")
    if response.is_success:
        return answer
    words = answer.get("message", response.reason_phrase)
    if response.is_client_error and response.status_code not in NOT_DEFINITE:
        sentence = f"{asked}, refused: {words}"
        raise PartnerRefused(str(answer.get("code", "partner_refused")), sentence)
    raise PartnerUnavailable(f"{asked}, answered {response.status_code}: {words}")


def _same_bytes(body: dict[str, Any]) -> bytes:
    """Under one key one text, whichever process writes it: a row's columns come in any order."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False).encode()


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "gave no answer in time"
    return f"gave no answer: {str(error) or type(error).__name__}"
