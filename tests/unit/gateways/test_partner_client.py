"""Test the error messages for partners that reject a request or fail."""

import socket
from datetime import date

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, PlainTextResponse, Response

from activities.gateways.carriers import HttpCarriers
from activities.gateways.http import PartnerClient
from activities.gateways.payments import HttpPayments
from models.errors import PartnerRefused, PartnerUnavailable
from models.messages.partners import FreightBooking, PaymentDemand
from models.shipping import FreightMode, Quote
from tests.support.pipeline.serving import served

REQUEST = "the carrier, asked to book SH-1"
DEMAND = PaymentDemand(order_id="R", amount="1.00", currency="EUR", due_date=date(2026, 7, 6))
BOOKING = FreightBooking(
    shipment_id="SH-1",
    order_id="R",
    mode=FreightMode.PARCEL,
    weight_g=1,
    billed_weight_g=1,
    ready_on=date(2026, 7, 6),
    currency="EUR",
    ship_from={},
    ship_to={},
    quote=Quote(
        quote_id="Q",
        carrier="C",
        service="S",
        charge="1.00",
        currency="EUR",
        arrives_on=date(2026, 7, 7),
    ),
    choice="the only one",
)


async def message_for(response: Response, error: type[Exception]) -> str:
    """Return the message of the error that the client raises for a response."""
    app = FastAPI()
    app.add_api_route("/bookings", lambda: response, methods=["POST"], response_model=None)
    async with served(app) as url:
        return await _error_message(url, error)


async def _error_message(url: str, error: type[Exception]) -> str:
    client = PartnerClient(url, 2)
    with pytest.raises(error) as raised:
        await client.post("/bookings", {}, "key", REQUEST)
    await client.close()
    return str(raised.value)


async def test_error_message_names_partner_and_request_without_url() -> None:
    """Operators read the message; URLs belong in the log."""
    rejection = {"code": "too_heavy", "message": "it is too heavy"}
    rejected = await message_for(JSONResponse(rejection, 422), PartnerRefused)
    assert rejected == f"{REQUEST}, refused: it is too heavy"
    busy = await message_for(JSONResponse({"message": "come back"}, 503), PartnerUnavailable)
    assert busy == f"{REQUEST}, answered 503: come back"
    not_json = await message_for(PlainTextResponse("<html>", 502), PartnerUnavailable)
    assert not_json == f"{REQUEST}, answered 502 without a JSON object"


async def test_error_has_a_note_with_url_of_failed_request() -> None:
    """The log shows it with the error, in one line."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    client = PartnerClient(url, 2)
    with pytest.raises(PartnerUnavailable) as raised:
        await client.post("/bookings", {}, "key", REQUEST)
    await client.close()
    [note] = raised.value.__notes__
    assert note.startswith(f"POST {url}/bookings: ")


async def test_answer_without_its_content_is_open() -> None:
    """A phase then leaves the call to its own step, which shows an attention."""
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: {"state": "requested"}, methods=["POST"])
    async with served(app) as url:
        client = PartnerClient(url, 2)
        with pytest.raises(PartnerUnavailable, match="answered without request_id"):
            await HttpPayments(client).request(DEMAND, "key")
        with pytest.raises(PartnerUnavailable, match="answered without a booking"):
            await HttpCarriers(client).book(BOOKING, "key")
        await client.close()


@pytest.mark.parametrize(("no_proxy", "answer"), [("", "proxy"), ("127.0.0.1", "partner")])
async def test_request_takes_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, answer: str
) -> None:
    """HTTP_PROXY names it, unless NO_PROXY names the partner's host."""
    async with served(_naming("partner")) as partner, served(_naming("proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", no_proxy)
        client = PartnerClient(partner, 2)
        assert await client.post("/bookings", {}, "key", REQUEST) == {"by": answer}
        await client.close()


def _naming(name: str) -> FastAPI:
    """Return an app that answers every request with its name."""
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: {"by": name}, methods=["POST"])
    return app
