"""One way of calling a partner: JSON, an idempotency key, and errors that say what to do next."""

import json
from typing import Any

import httpx

from models.errors import PartnerRefused, PartnerUnavailable

NOT_DEFINITE = {408, 425, 429}
"""4xx answers that only mean: not now."""


class PartnerClient:
    """A partner's base URL with a connection pool and a time-out in seconds."""

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        self._client = httpx.AsyncClient(base_url=base_url.rstrip("/"), timeout=timeout_seconds)

    async def post(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """The partner's answer (JSON of its contract, hence `Any`).

        Raises PartnerRefused for a definite no, PartnerUnavailable for everything that leaves
        open whether it was done: repeat with the same `key`.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            response = await self._client.post(path, content=_same_bytes(body), headers=headers)
        except httpx.HTTPError as error:
            raise PartnerUnavailable(f"{self._name(path)}: {_words(error)}") from error
        return self._answer(path, response)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _answer(self, path: str, response: httpx.Response) -> dict[str, Any]:
        try:
            answer: Any = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise PartnerUnavailable(
                f"{self._name(path)} answered {response.status_code} without a JSON object"
            )
        if response.is_success:
            return answer
        words = f"{self._name(path)}: {answer.get('message', response.reason_phrase)}"
        if response.is_client_error and response.status_code not in NOT_DEFINITE:
            raise PartnerRefused(str(answer.get("code", "partner_refused")), words)
        raise PartnerUnavailable(f"{words} ({response.status_code})")

    def _name(self, path: str) -> str:
        return f"POST {self._client.base_url.join(path.lstrip('/'))}"


def _same_bytes(body: dict[str, Any]) -> bytes:
    """Under one key one text, whichever process writes it: a row's columns come in any order."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False).encode()


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
