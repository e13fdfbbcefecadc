"""Webhooks that are forged, invalid, or reuse an id: rejected by the API, without any effect."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
from sqlmodel import select

from models.tables.operations import FactRow
from tests.support.gateways.messages import assert_completed_as_plain, payment
from tests.support.gateways.webhooks import SECRETS, signed_headers, webhook_body
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, finish, requested
from tests.support.pipeline.world import World

PATH = "/webhooks/payments"


def assert_no_facts(world: World, order_id: str) -> None:
    """Assert that no fact about an order is stored."""
    facts = select(FactRow.fact_no).where(FactRow.order_id == order_id)
    assert world.database.read(lambda session: list(session.exec(facts))) == []


async def test_reused_webhook_id_with_other_content_is_answered_409(pipeline: World) -> None:
    """Also before the first is applied. Another time of receipt is no other content."""
    order_id = await requested(pipeline)
    data, webhook_id = payment(order_id, amount="19.00"), unique("msg")
    assert (await pipeline.send_fact("payment.received", data, webhook_id)).status_code == 204
    for change in ({"amount": "100.00"}, {"order_id": "another"}, {"payment_id": "another"}):
        answer = await pipeline.send_fact("payment.received", data | change, webhook_id)
        assert (answer.status_code, answer.json()["code"]) == (409, "fact_id_taken")
    again = data | {"received_at": "2030-01-01T00:00:00Z"}
    assert (await pipeline.send_fact("payment.received", again, webhook_id)).status_code == 204
    await pipeline.pay(order_id, "100.00")
    await finish(pipeline, order_id)
    shown = await pipeline.until(order_id, "completed")
    assert (shown["paid"], shown["odd_facts"]) == (TOTAL, [])
    pipeline.check_books()


def forged(order_id: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Build webhooks of a payment that the provider hasn't sent like this: body and headers."""
    text, secret, now = (
        webhook_body("payment.received", payment(order_id)),
        SECRETS["payments"],
        datetime.now(UTC),
    )
    body = text.encode()
    headers = signed_headers(secret, text, unique("msg"))
    signature = headers["webhook-signature"]

    def changed(**values: str) -> dict[str, str]:
        return headers | {f"webhook-{name}": value for name, value in values.items()}

    def without(name: str) -> dict[str, str]:
        return {k: v for k, v in headers.items() if k != f"webhook-{name}"}

    def sent_at(at: datetime) -> dict[str, str]:
        return signed_headers(secret, text, unique("msg"), at)

    return {
        "unsigned": (body, {"content-type": "application/json"}),
        "no signature": (body, without("signature")),
        "no id": (body, without("id")),
        "no time": (body, without("timestamp")),
        "altered body": (body.replace(b"119.00", b"919.00"), headers),
        "altered id": (body, changed(id="another")),
        "altered time": (body, changed(timestamp=str(int(headers["webhook-timestamp"]) + 1))),
        "stale": (body, sent_at(now - timedelta(minutes=6))),
        "from the future": (body, sent_at(now + timedelta(minutes=6))),
        "another partner's": (body, signed_headers(SECRETS["carriers"], text, unique("msg"))),
        "empty signature": (body, changed(signature="")),
        "no version": (body, changed(signature=signature.removeprefix("v1,"))),
        "another version": (body, changed(signature=f"v2{signature[2:]}")),
        "not base64": (body, changed(signature="v1,%%%")),
        "short": (body, changed(signature=signature[:-8])),
        "commas": (body, changed(signature=",,, v1 v1, ,v1,")),
        "random": (body, changed(signature=f"v1,{base64.b64encode(b'0' * 32).decode()}")),
        "time is no number": (body, changed(timestamp="soon")),
        "time is infinite": (body, changed(timestamp="inf")),
        "time is huge": (body, changed(timestamp="9" * 40)),
        "not UTF-8": (b"\xff\xfe" + body, headers),
        "nothing": (b"", headers),
    }


async def test_forged_webhook_is_answered_401_without_effect(pipeline: World) -> None:
    order_id = await requested(pipeline)
    for name, (body, headers) in forged(order_id).items():
        answer = await pipeline.api.post(PATH, content=body, headers=headers)
        assert answer.status_code == 401, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    text = webhook_body("payment.received", payment(order_id))
    signed = signed_headers(SECRETS["payments"], text, unique("msg"))
    latin = [(name.encode(), value.encode()) for name, value in signed.items()]
    latin.append((b"webhook-signature", b"v1,\xff\xfe"))
    request = httpx.Request("POST", pipeline.api.base_url.join(PATH), content=text, headers=latin)
    assert (await pipeline.api.send(request)).status_code == 401
    assert_no_facts(pipeline, order_id)
    assert (await pipeline.order(order_id))["stage"] == "awaiting_payment"
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert shown["odd_facts"] == []


async def test_signed_webhook_without_a_fact_is_answered_422_with_the_errors(
    pipeline: World,
) -> None:
    """Invalid JSON, another partner's type, incomplete or invalid data."""
    order_id = await requested(pipeline)
    valid: Document = {"type": "payment.received", "data": payment(order_id)}
    bodies = [
        "{",
        "[]",
        "null",
        json.dumps(valid | {"type": "shipment.delivered"}),
        json.dumps(valid | {"type": 5}),
        json.dumps({"type": "payment.received"}),
        json.dumps(valid | {"data": [1]}),
        json.dumps(valid | {"data": {}}),
        json.dumps(valid | {"data": payment(order_id, amount="-1.00")}),
        json.dumps(valid | {"data": payment(order_id, currency="XXQ")}),
        json.dumps(valid | {"data": payment(order_id, payment_id="")}),
        json.dumps(valid | {"data": payment(order_id, method="ca\x00rd")}),
        json.dumps(valid | {"data": payment("a\x00b")}),
        json.dumps(valid | {"data": payment(order_id, method="\ud800")}),
        json.dumps(valid | {"data": payment(order_id, received_at="soon")}),
    ]
    for body in bodies:
        headers = signed_headers(SECRETS["payments"], body, unique("msg"))
        answer = await pipeline.api.post(PATH, content=body, headers=headers)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.json()["errors"]
    assert_no_facts(pipeline, order_id)
    await finish(pipeline, order_id)
    await assert_completed_as_plain(pipeline, order_id)
