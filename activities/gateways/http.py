"""The HTTP client for partners: JSON with an idempotency key, and errors by what to do next."""

import json
import ssl
from functools import cache
from typing import Any

import httpx
from temporalio import activity

from models.errors import PartnerRefused, PartnerUnavailable

NOT_DEFINITE = {408, 425, 429}
"""Client errors that are no refusal: the same request may succeed later."""


@cache
def certificate_authorities() -> ssl.SSLContext:
    """Read the certificate authorities; cached, as reading them takes 30 ms."""
    return httpx.create_ssl_context()


class PartnerClient:
    """A client of one partner, with a connection pool and a timeout in seconds."""

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"), timeout=timeout_seconds, verify=certificate_authorities()
        )

    async def post(self, path: str, body: dict[str, Any], key: str, request: str) -> dict[str, Any]:
        """Post `body` under an idempotency key; return the answer (JSON, hence `Any`).

        `request` describes partner and request in errors, which operators read: "the carrier, asked
        to book SH-1". The log has the URL.
        Raises PartnerRefused for a refusal, and PartnerUnavailable where it is open whether the
        request was executed: repeat it with the same `key`.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        sent = self._client.build_request("POST", path, content=_canonical(body), headers=headers)
        try:
            response = await self._client.send(sent)
        except httpx.HTTPError as error:
            activity.logger.warning("POST %s: %r", sent.url, error)
            raise PartnerUnavailable(f"{request}, {_reason(error)}") from error
        if not response.is_success:
            activity.logger.warning("POST %s: %s", sent.url, response.status_code)
        return _answer(request, response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def answered(answer: dict[str, Any], field: str, request: str) -> str:
    """Return a field of an answer. Raises PartnerUnavailable where it is missing."""
    value = answer.get(field)
    if value is None:
        raise PartnerUnavailable(f"{request}, answered without {field}")
    return str(value)


def _answer(request: str, response: httpx.Response) -> dict[str, Any]:
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise PartnerUnavailable(
            f"{request}, answered {response.status_code} without a JSON object"
        )
    if response.is_success:
        return answer
    message = answer.get("message", response.reason_phrase)
    if response.is_client_error and response.status_code not in NOT_DEFINITE:
        sentence = f"{request}, refused: {message}"
        raise PartnerRefused(str(answer.get("code", "partner_refused")), sentence)
    raise PartnerUnavailable(f"{request}, answered {response.status_code}: {message}")


def _canonical(body: dict[str, Any]) -> bytes:
    """Encode JSON with sorted keys, so that a repeated request has the same bytes."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False).encode()


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "gave no answer in time"
    return f"gave no answer: {str(error) or type(error).__name__}"
