"""API without Temporal server or worker, and the payment deadline."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from temporalio.client import Client

import engine
from api.app import create_app
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order
from tests.support.pipeline.access import AUTHORIZATION
from tests.support.pipeline.serving import served
from tests.support.pipeline.world import World
from tools.ports import any_free


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker."""
    async with new_world(request, engine_address, worker=False, auto=False) as made:
        yield made


async def unreachable() -> Client:
    """Connect a client to an address without a server."""
    address = f"127.0.0.1:{any_free()}"
    return await engine.connect({"TEMPORAL_ADDRESS": address}, lazy=True)


async def test_orders_and_facts_without_engine_can_be_sent_again(idle: World) -> None:
    """503 with a problem; views work; the recorded fact is applied when it is sent again."""
    sku, customer = idle.shop()
    document = order(sku, customer)
    async with (
        served(create_app(idle.settings, await unreachable())) as url,
        httpx.AsyncClient(base_url=url, headers=AUTHORIZATION, timeout=30) as lonely,
    ):
        response = await lonely.post("/orders", json=document)
        assert response.status_code == 503
        assert response.json()["code"] == "engine_unavailable"
        assert (await lonely.get("/readyz")).status_code == 503
        assert (await lonely.get("/healthz")).status_code == 200
        assert (await lonely.get("/orders")).json() == []
        there, idle.api = idle.api, lonely
        fact = {"payment_id": "P-1", "order_id": "U-1", "amount": "5.00", "currency": "EUR"}
        assert (await idle.send_fact("payment.received", fact, "msg-1")).status_code == 503
        idle.api = there
    assert (await idle.send_fact("payment.received", fact, "msg-1")).status_code == 204
    async with idle.worker():
        await idle.client.get_workflow_handle("fact-payments-msg-1").result()
    [unmatched] = (await idle.api.get("/payments/unmatched")).json()
    assert unmatched["payment_id"] == "P-1"


async def test_order_without_worker_is_shown_as_received(idle: World) -> None:
    """From its workflow: the tables are empty."""
    sku, customer = idle.shop()
    document = order(sku, customer, quantity=3)
    await idle.place(document)
    shown = await idle.order(document["order_id"])
    assert shown["stage"] == "received"
    assert shown["total"] == "357.00"
    assert shown["lines"][0]["ordered"] == 3
    other = await idle.api.post("/orders", json=document | {"terms": "cash"})
    assert other.status_code == 409
    again = await idle.api.post("/orders", json=document)
    assert again.status_code == 200
    async with idle.worker():
        await idle.until(document["order_id"], "awaiting_payment")


async def test_unpaid_order_is_cancelled_at_its_deadline(idle: World) -> None:
    """Its stock is released, no invoice is issued, and a late payment is refunded."""
    sku, customer = idle.shop(on_hand=1)
    document = order(sku, customer)
    async with idle.worker(payment_deadline=0.5):
        await idle.place(document)
        shown = await idle.until(document["order_id"], "cancelled")
        await idle.ended(document["order_id"])
        assert shown["invoice_number"] is None
        assert shown["lines"][0]["reserved"] == 0
        assert any("not paid in time" in row["detail"] for row in shown["history"])
        assert await idle.requests("payments", "void", document["order_id"])
        await idle.pay(document["order_id"], "119.00", "LATE-1")
        workflow = [
            row
            async for row in idle.client.list_workflows(
                "WorkflowType = 'FactWorkflow'", page_size=5
            )
        ]
        await asyncio.gather(*(idle.client.get_workflow_handle(w.id).result() for w in workflow))
        second = order(sku, customer)
        await idle.place(second)
        taken = await idle.until(second["order_id"], "awaiting_payment")
        assert taken["lines"][0]["reserved"] == 1
    assert (await idle.api.get("/payments/unmatched")).json() == []
    [refund] = await idle.requests("payments", "refund", document["order_id"])
    assert refund["body"]["amount"] == "119.00"
