"""The HTTP API: accepted and refused input, and problem documents."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from sqlmodel import Session, func, select

from models.tables.operations import FactRow
from models.tables.orders import Order
from tests.support.masterdata.shop import Document, order, unique
from tests.support.pipeline.world import World


def counts(pipeline: World) -> tuple[int, int]:
    """Count orders and facts."""

    def count(session: Session) -> tuple[int, int]:
        orders = session.exec(select(func.count()).select_from(Order)).one()
        return orders, session.exec(select(func.count()).select_from(FactRow)).one()

    return pipeline.database.read(count)


async def refused(pipeline: World, body: bytes | Document, order_id: str) -> list[str]:
    """Post a document that is refused with 422, without row or workflow; returns its fields."""
    before = counts(pipeline)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await pipeline.api.post("/orders", content=content)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert problem["code"]
    assert all(error["reason"] for error in problem["errors"])
    assert counts(pipeline) == before
    gone = await pipeline.api.get(f"/orders/{order_id}")
    assert gone.status_code == 404
    return [error["field"] for error in problem["errors"]]


BAD: list[tuple[str, Document, str]] = [
    ("unknown SKU", {"lines": [{"sku": "NOPE", "quantity": 1}]}, "lines.0.sku"),
    ("zero", {"lines": [{"sku": "S", "quantity": 0}]}, "lines.0.quantity"),
    ("negative", {"lines": [{"sku": "S", "quantity": -1}]}, "lines.0.quantity"),
    ("huge", {"lines": [{"sku": "S", "quantity": 10**12}]}, "lines.0.quantity"),
    ("fraction", {"lines": [{"sku": "S", "quantity": 1.5}]}, "lines.0.quantity"),
    ("no lines", {"lines": []}, "lines"),
    ("10,000 lines", {"lines": [{"sku": "S", "quantity": 1}] * 10_000}, "lines"),
    ("price as number", {"lines": [{"sku": "S", "quantity": 1, "unit_price": 1.5}]}, "lines.0.unit_price"),
    ("price with fractions of cents", {"lines": [{"sku": "S", "quantity": 1, "unit_price": "1.005"}]}, "lines.0.unit_price"),
    ("NaN price", {"lines": [{"sku": "S", "quantity": 1, "unit_price": "NaN"}]}, "lines.0.unit_price"),
    ("discount above 100", {"lines": [{"sku": "S", "quantity": 1, "discount_percent": "101"}]}, "lines.0.discount_percent"),
    ("another currency", {"currency": "USD"}, "currency"),
    ("unknown currency", {"currency": "EURO"}, "currency"),
    ("unknown customer", {"customer": "nobody"}, "customer"),
    ("complete customer without mail", {"customer": {"customer_id": "x", "name": "X", "country": "DE"}}, "customer.email"),
    ("unknown field", {"colour": "red"}, "colour"),
    ("unknown nested field", {"lines": [{"sku": "S", "quantity": 1, "x": 1}]}, "lines.0.x"),
    ("terms", {"terms": "barter"}, "terms"),
    ("channel", {"channel": None}, "channel"),
    ("country", {"ship_to": {"name": "A", "street": "B", "city": "C", "postal_code": "1", "country": "XX"}}, "ship_to.country"),
    ("date", {"requested_delivery_date": "tomorrow"}, "requested_delivery_date"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_invalid_order_is_refused_naming_the_field(
    pipeline: World, changes: Document, field: str
) -> None:
    """It has no workflow and no row."""
    sku, customer = pipeline.shop()
    document = json.loads(json.dumps(order(sku, customer) | changes).replace('"S"', f'"{sku}"'))
    assert await refused(pipeline, document, document["order_id"]) == [field]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1, 2",
        b'"text"',
        b"null",
        b'{"order_id": "x"',
        b"\xff\xfe{\x00}\x00",
        '{"order_id": "é"}'.encode("latin-1"),
        b'{"order_id": NaN}',
        b'{"order_id": "a", "order_id": "b"}',
        b"[" * 100_000,
        b'{"order_id": "\\ud800"}',
    ],
)
async def test_broken_json_is_refused(pipeline: World, body: bytes) -> None:
    """Wrong encodings, incomplete documents, text that isn't JSON."""
    assert await refused(pipeline, body, "x")


async def test_blocked_customer_is_refused(pipeline: World) -> None:
    """Also if the document has the complete customer, as active."""
    sku, customer = pipeline.shop(status="blocked")
    whole = {"customer_id": customer, "name": "A", "email": "a@example.com", "country": "DE"}
    for given in (customer, whole):
        document = order(sku, customer) | {"customer": given}
        assert await refused(pipeline, document, document["order_id"]) == ["customer"]


async def test_invalid_order_id_is_refused(pipeline: World) -> None:
    """Ids are parts of workflow ids and paths."""
    sku, customer = pipeline.shop()
    for order_id in ("", "-x", "a/b", "a b", "x" * 65, "é", "a\n"):
        document = order(sku, customer, order_id=order_id)
        response = await pipeline.api.post("/orders", json=document)
        assert response.status_code == 422, order_id
        assert [e["field"] for e in response.json()["errors"]] == ["order_id"]


async def test_same_document_again_is_the_same_order(pipeline: World) -> None:
    """201, then 200 for the same content in another order of keys, 409 for other content."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    first = await pipeline.api.post("/orders", json=document)
    assert first.status_code == 201
    assert first.headers["location"] == f"/orders/{document['order_id']}"
    again = await pipeline.api.post("/orders", json=dict(reversed(document.items())))
    assert again.status_code == 200
    assert again.json()["order_id"] == document["order_id"]
    other = document | {"lines": [{"sku": sku, "quantity": 2}]}
    taken = await pipeline.api.post("/orders", json=other)
    assert taken.status_code == 409
    assert "order_id" in taken.json()["detail"]


async def test_concurrent_clients_place_one_order(pipeline: World) -> None:
    """One creates it, the others get the same order."""
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    posts = [pipeline.api.post("/orders", json=document) for _ in range(8)]
    answers = await asyncio.gather(*posts)
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]


async def test_order_may_contain_its_customer(pipeline: World) -> None:
    """A new customer is recorded; of a known one, only contact data are updated."""
    sku, _ = pipeline.shop()
    customer: Any = {
        "customer_id": unique("NEW"),
        "name": "Grace Hopper",
        "email": "grace@example.com",
        "country": "US",
        "payment_preference": "transfer",
    }
    document = order(sku, "") | {"customer": customer}
    await pipeline.place(document)
    await pipeline.until(document["order_id"], "awaiting_payment")
    richer = customer | {"email": "hopper@example.com", "credit_limit": "9999.00"}
    second = order(sku, "") | {"customer": richer}
    await pipeline.place(second)
    await pipeline.until(second["order_id"], "awaiting_payment")
    shown = (await pipeline.api.get(f"/customers/{customer['customer_id']}")).json()
    assert shown["email"] == "hopper@example.com"
    assert shown["credit_limit"] == "0.00"
    assert shown["payment_preference"] == "transfer"
    assert shown["order_count"] == 2
    assert shown["volume"] == "238.00"
    assert len(shown["orders"]) == 2


async def test_list_is_filtered_and_limited(pipeline: World) -> None:
    """By stage and number."""
    sku, customer = pipeline.shop()
    documents = [order(sku, customer) for _ in range(3)]
    for document in documents:
        await pipeline.place(document)
        await pipeline.until(document["order_id"], "awaiting_payment")
    listed = (await pipeline.api.get("/orders?stage=awaiting_payment&limit=0")).json()
    assert {d["order_id"] for d in documents} <= {row["order_id"] for row in listed}
    assert {row["stage"] for row in listed} == {"awaiting_payment"}
    assert len((await pipeline.api.get("/orders?limit=2")).json()) == 2
    for wrong, reason in (
        ("stage=nowhere", "'nowhere' is none of 'received', "),
        ("limit=-1", "'-1' is below 0, the least"),
        ("limit=99999999999999999999", "'99999999999999999999' is above 1000000, the most"),
        ("limit=some", "'some' is not a whole number such as 12"),
    ):
        response = await pipeline.api.get(f"/orders?{wrong}")
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        [error] = response.json()["errors"]
        assert error["field"] == wrong.partition("=")[0]
        assert error["reason"].startswith(reason)


async def test_unknown_ids_and_paths_are_problems(pipeline: World) -> None:
    """404 with a problem document."""
    for path in ("/orders/none", "/customers/none", "/nowhere"):
        response = await pipeline.api.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_published_schema_is_as_strict_as_the_api(pipeline: World) -> None:
    """It accepts a valid order and refuses an unknown field."""
    schema = (await pipeline.api.get("/schemas/order")).json()
    Draft202012Validator.check_schema(schema)
    sku, customer = pipeline.shop()
    document = order(sku, customer)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(document)
    assert not validator.is_valid(document | {"colour": "red"})


async def test_health_and_readiness(pipeline: World) -> None:
    """200 while database and engine answer."""
    assert (await pipeline.api.get("/healthz")).json() == {"status": "ok"}
    assert (await pipeline.api.get("/readyz")).json() == {"status": "ready"}


BAD_FACTS: list[tuple[str, Document, str]] = [
    ("payment.received", {"payment_id": "p", "order_id": "o", "currency": "EUR"}, "amount"),
    ("payment.received", {"payment_id": "p", "order_id": "o", "amount": "0", "currency": "EUR"}, "amount"),
    ("payment.received", {"payment_id": "p", "order_id": "o", "amount": "1.001", "currency": "EUR"}, "amount"),
    ("payment.received", {"payment_id": "p", "order_id": "o", "amount": "1", "currency": "XXY"}, "currency"),
    ("payment.received", {"payment_id": "", "order_id": "o", "amount": "1", "currency": "EUR"}, "payment_id"),
    ("goods.received", {"receipt_id": "r", "po_id": "p", "sku": "s", "quantity": "3"}, "quantity"),
    ("goods.received", {"receipt_id": "r", "po_id": "p", "sku": "s", "quantity": -3}, "quantity"),
    ("shipment.delivered", {"event_id": "e", "order_id": "o"}, "shipment_id"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "data", "field"), BAD_FACTS)
async def test_invalid_signed_fact_is_refused(
    pipeline: World, type_: str, data: Document, field: str
) -> None:
    """The answer names the field, and nothing is recorded."""
    before = counts(pipeline)
    response = await pipeline.send_fact(type_, data)
    assert response.status_code == 422, response.text
    assert field in [error["field"] for error in response.json()["errors"]]
    assert counts(pipeline) == before


async def test_partner_may_report_only_its_own_facts(pipeline: World) -> None:
    """A payment signed with a carrier's secret is refused."""
    data = {"payment_id": "p", "order_id": "o", "amount": "1.00", "currency": "EUR"}
    response = await pipeline.post_webhook("carriers", "payment.received", data, unique("msg"))
    assert response.status_code == 422
    assert isinstance(response, httpx.Response)
