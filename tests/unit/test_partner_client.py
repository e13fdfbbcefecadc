"""What is said of a partner that doesn't do what it was asked for."""

import asyncio
import logging
import socket

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, PlainTextResponse, Response

from activities.gateways.http import PartnerClient
from models.errors import PartnerRefused, PartnerUnavailable
from tests.support.serving import served

ASKED = "the carrier, asked to book SH-1"


async def said(answer: Response, kind: type[Exception]) -> str:
    """The sentence of the error that an answer becomes."""
    app = FastAPI()
    app.add_api_route("/bookings", lambda: answer, methods=["POST"], response_model=None)
    async with served(app) as url:
        return await _error(url, kind)


async def _error(url: str, kind: type[Exception]) -> str:
    client = PartnerClient(url, 2)
    with pytest.raises(kind) as raised:
        await client.post("/bookings", {}, "key", ASKED)
    await client.close()
    return str(raised.value)


async def test_a_sentence_names_partner_and_wish_and_no_url() -> None:
    """It is read by who sells, not by who programs."""
    full = {"code": "too_heavy", "message": "it is too heavy"}
    refused = await said(JSONResponse(full, 422), PartnerRefused)
    assert refused == f"{ASKED}, refused: it is too heavy"
    busy = await said(JSONResponse({"message": "come back"}, 503), PartnerUnavailable)
    assert busy == f"{ASKED}, answered 503: come back"
    odd = await said(PlainTextResponse("<html>", 502), PartnerUnavailable)
    assert odd == f"{ASKED}, answered 502 without a JSON object"


async def test_the_log_has_the_url(caplog: pytest.LogCaptureFixture) -> None:
    """That is where operators look for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with caplog.at_level(logging.WARNING):
        away = await asyncio.wait_for(_error(url, PartnerUnavailable), 10)
    assert away.startswith(f"{ASKED}, gave no answer: ")
    assert f"POST {url}/bookings" in caplog.text
