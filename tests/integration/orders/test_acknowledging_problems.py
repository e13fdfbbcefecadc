"""Problems of goods or payments that an order has already replaced, refunded or cancelled.

They are shown as attention, in any stage of the order, until they are resolved or an operator
acknowledges them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import WorkflowHandle

from activities.database.unit_of_work import UnitOfWork
from activities.operations.audit import trail_of
from activities.order_record.audit import record_event
from activities.order_record.progress import lock_order
from activities.orders.steps import record_attention
from models.errors import InvalidInput, Refused
from models.messages.attention import Attention, SetAttention
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.orders import Acknowledge
from models.messages.commands.returns import InspectReturn
from models.messages.commands.shipping import RecoverShipment, RefundShipment, Reship
from models.tables.operations import CommandRow
from tests.support.billing.payments import charge_back
from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, booked, delivered, place_order, requested, states
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.processes import direct_queries, poll_until
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.returns.states import came_back, command, inspected, settled
from tests.support.shipping.shipments import give_up, lost, report

POOR: Document = {"credit_limit": "1.00"}
WAITS = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE NOT granted AND datname = current_database()"
)
"""Whether a transaction of the database waits for a lock."""
CONTRADICTIONS = pytest.mark.parametrize(
    ("status", "code"),
    [
        ("returned_to_sender", "came_back_after_all"),
        ("delivered", "arrived_after_all"),
    ],
)
"""Tracking events of a shipment that was reported lost, and the attention they lead to."""


async def until_attention(world: World, order_id: str, code: str | None) -> Document:
    """Wait until an order shows the attention `code`, or none; returns the order."""
    return await world.until_order(order_id, lambda o: (o["attention"] or {}).get("code") == code)


async def until_status(
    handle: WorkflowHandle[Any, Any], reached: Callable[[Document], object]
) -> Document:
    """Wait until the query `status` of an order's workflow satisfies `reached`."""
    status: Document = await until(lambda: handle.query("status"), reached)
    return status


def set_and_clear_another_attention(world: World, order_id: str) -> None:
    """Set an attention as another workflow does, and clear it."""
    for attention in (Attention(code="refused", message="(workflow refund-x)"), None):
        step = SetAttention(order_id=order_id, attention=attention, source="refund-x")
        world.database.transaction(partial(record_attention, step=step))


@CONTRADICTIONS
async def test_running_order_shows_the_problem_until_it_is_acknowledged(
    pipeline: World, status: str, code: str
) -> None:
    """Also after another attention and when it completes; a retry acknowledges it, recorded."""
    order_id = await lost(pipeline)
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await report(pipeline, order_id, status)
    attention = (await until_attention(pipeline, order_id, code))["attention"]
    assert f"SH-{order_id}-1" in attention["message"]
    set_and_clear_another_attention(pipeline, order_id)
    assert (await pipeline.order(order_id))["attention"] == attention
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    assert (await pipeline.until(order_id, "completed"))["attention"] == attention
    answer = await run_json(pipeline, "retry", order_id, "--reason", "agreed", "--actor", "ann")
    assert f"acknowledged: {code} (SH-{order_id}-1)" in answer["message"]
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert shown["attention"] is None
    [acknowledged] = [row["detail"] for row in shown["history"] if row["event"] == "acknowledged"]
    assert acknowledged == f"{code} (SH-{order_id}-1) by ann: agreed"
    reasons = pipeline.database.read(
        lambda s: [row.reason for row in s.exec(select(CommandRow)) if order_id in str(row.outcome)]
    )
    assert "agreed" in reasons


@CONTRADICTIONS
async def test_completed_order_shows_the_problem_until_it_is_acknowledged(
    pipeline: World, status: str, code: str
) -> None:
    """No workflow of the order runs. The API acknowledges it once."""
    order_id = await lost(pipeline)
    await give_up(pipeline, RefundShipment, f"SH-{order_id}-1")
    await pipeline.ended(order_id)
    await report(pipeline, order_id, status)
    await until_attention(pipeline, order_id, code)
    set_and_clear_another_attention(pipeline, order_id)
    await until_attention(pipeline, order_id, code)
    path = f"/orders/{order_id}/seen-to"
    body = {"command_id": unique("c"), "reason": "agreed"}
    assert (await pipeline.api.post(path, json=body)).status_code == 200
    assert (await pipeline.order(order_id))["attention"] is None
    response = await pipeline.api.post(path, json=body | {"command_id": unique("c")})
    assert (response.status_code, response.json()["code"]) == (422, "order_refused")
    exit_status, _, err = await run(pipeline, "retry", order_id)
    assert (exit_status, "its workflow has ended" in err) == (1, True)


async def test_pick_up_of_a_cancelled_booking_is_shown(pipeline: World) -> None:
    """During and after the cancellation; once acknowledged, later reports don't show it again."""
    order_id = await booked(pipeline)
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse", code="closed")
    exit_status, _, err = await run(pipeline, "cancel", order_id)
    assert exit_status == 0, err
    await until_attention(pipeline, order_id, "closed")
    await report(pipeline, order_id, "picked_up")
    await pipeline.until_event(order_id, "called_back_in_vain")
    assert (await pipeline.order(order_id))["attention"]["code"] == "closed"
    assert (await pipeline.order_workflow(order_id).execute_update("retry_step"))["accepted"]
    await pipeline.ended(order_id)
    shown = await until_attention(pipeline, order_id, "called_back_in_vain")
    assert shown["stage"] == "cancelled"
    assert f"SH-{order_id}-1" in shown["attention"]["message"]
    answer = await run_json(pipeline, "retry", order_id)
    assert answer["message"] == f"acknowledged: called_back_in_vain (SH-{order_id}-1)"
    await until_attention(pipeline, order_id, None)
    await report(pipeline, order_id, "out_for_delivery")
    shown = await pipeline.until_order(order_id, lambda o: len(o["odd_facts"]) == 2)
    assert shown["attention"] is None


async def test_retry_in_the_temporal_ui_acknowledges_the_problem(pipeline: World) -> None:
    """The update `retry_step` without an argument is recorded as a command too."""
    order_id = await lost(pipeline)
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await report(pipeline, order_id, "delivered")
    await until_attention(pipeline, order_id, "arrived_after_all")
    handle = pipeline.order_workflow(order_id)
    await until_status(handle, lambda status: status["attention"])
    assert (await handle.execute_update("retry_step"))["accepted"]
    await pipeline.until_event(order_id, "acknowledged")
    await until_attention(pipeline, order_id, None)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None


async def test_attention_lets_a_waiting_transaction_run_once(pipeline: World) -> None:
    """A transaction that waited for the order follows the entry of the one it waited for."""
    order_id = await requested(pipeline)
    attention = Attention(code="refused", message="(workflow refund-x)")
    step = SetAttention(order_id=order_id, attention=attention, source="refund-x")
    runs = 0

    def note(work: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        lock_order(work, order_id)
        record_event(work, order_id, "mailed", "")

    with direct_queries(pipeline.settings.database) as read, ThreadPoolExecutor(1) as other:

        def show(work: UnitOfWork) -> Future[None]:
            record_attention(work, step)
            work.write_appended()
            waiting = other.submit(pipeline.database.transaction, note)
            if pipeline.database.url.startswith("postgresql"):
                poll_until(lambda: read(WAITS))
            return waiting

        waiting = await asyncio.to_thread(pipeline.database.transaction, show)
        await asyncio.wrap_future(waiting)
    assert runs == 1
    trail = pipeline.database.read(lambda session: trail_of(session, order_id))
    assert [entry.event for entry in trail.entries[-2:]] == ["attention", "mailed"]
    assert trail.problems == ()
    pipeline.database.transaction(
        partial(record_attention, step=step.model_copy(update={"attention": None}))
    )
    await pipeline.complete(order_id, TOTAL)


async def test_retry_is_recorded_and_shown_before(pipeline: World) -> None:
    """With actor, reason and source, once for each update; a dry run changes nothing."""
    for source in ("cli", "api", "temporal"):
        order_id = (await place_order(pipeline, terms="net30", shop=POOR)).order_id
        await until_attention(pipeline, order_id, "credit_limit_exceeded")
        before = rows_about(pipeline.database, order_id)
        words = ("retry", order_id, "--reason", "paid", "--actor", "ann")
        shown = await run_json(pipeline, *words, "--dry-run")
        assert shown["message"] == "nothing is changed; trying again: credit_limit_exceeded"
        body = {"reason": "paid", "actor": "ann"}
        path = f"/orders/{order_id}/retry"
        response = await pipeline.api.post(path, json={"reason": "paid", "dry_run": True})
        assert response.json()["message"] == shown["message"]
        assert rows_about(pipeline.database, order_id) == before
        if source == "cli":
            await run_json(pipeline, *words)
        elif source == "api":
            assert (await pipeline.api.post(path, json={"reason": "paid"})).status_code == 200
        else:
            handle = pipeline.order_workflow(order_id)
            for _ in range(2):
                await handle.execute_update("retry_step", body, id="once")
        trail = pipeline.database.read(lambda session, id_=order_id: trail_of(session, id_))  # type: ignore[misc]
        [retried] = [entry for entry in trail.entries if entry.event == "retried"]
        actor = "operator" if source == "api" else "ann"  # the name of the token
        assert (retried.actor, retried.source, retried.reason) == (actor, source, "paid")
        assert retried.detail == f"trying again: credit_limit_exceeded by {actor}: paid"
        await run(pipeline, "cancel", order_id)
        await pipeline.ended(order_id)
        status, _, err = await run(pipeline, *words, "--dry-run")
        assert (status, "waits for a retry" in err) == (1, True)


async def test_terminated_order_shows_the_problem_in_its_next_run(pipeline: World) -> None:
    """It is stored in the tables."""
    placed = await place_order(pipeline, terms="net30")
    order_id = placed.order_id
    await pipeline.until_event(order_id, "booked")
    await report(pipeline, order_id, "lost")
    await until_attention(pipeline, order_id, "shipment_exception")
    await give_up(pipeline, Reship, f"SH-{order_id}-1")
    await report(pipeline, order_id, "delivered")
    await until_attention(pipeline, order_id, "arrived_after_all")
    await pipeline.order_workflow(order_id).terminate("test")
    assert (await pipeline.api.post("/orders", json=placed.document)).status_code == 200
    handle = pipeline.order_workflow(order_id)
    status = await until_status(handle, lambda status: status["attention"])
    assert status["attention"]["code"] == "arrived_after_all"
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    await until_status(handle, lambda status: not status["attention"])


async def test_second_problem_with_the_same_code_is_shown_after_the_first(pipeline: World) -> None:
    """Another shipment's; of a running and of a completed order."""
    order_id = await lost(pipeline)
    first, second, third = (f"SH-{order_id}-{number}" for number in (1, 2, 3))
    await give_up(pipeline, Reship, first)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "booked"])

    def about(shipment_id: str) -> Callable[[Document], object]:
        return lambda o: o["attention"] and shipment_id in o["attention"]["message"]

    await report(pipeline, order_id, "lost", shipment_id=second)
    await pipeline.until_order(order_id, about(second))
    await give_up(pipeline, Reship, second)
    await pipeline.until_order(order_id, lambda o: states(o) == ["failed", "failed", "booked"])
    for shipment_id in (first, second):
        await report(pipeline, order_id, "returned_to_sender", shipment_id=shipment_id)
    await pipeline.until_order(order_id, about(first))
    await give_up(pipeline, RecoverShipment, first)
    shown = await pipeline.until_order(order_id, about(second))
    assert shown["attention"]["code"] == "came_back_after_all"
    await give_up(pipeline, RecoverShipment, second)
    await until_attention(pipeline, order_id, None)
    await pipeline.ship(order_id, "delivered", third)
    await pipeline.ended(order_id)
    for shipment_id in (first, second):
        await report(pipeline, order_id, "delivered", shipment_id=shipment_id)
    await pipeline.until_order(order_id, about(first))
    await pipeline.until_order(
        order_id,
        lambda o: [s["tracking"] for s in o["shipments"]] == ["delivered"] * 3,
    )
    message = (await pipeline.intake().retry(order_id, "ann")).message
    assert message == f"acknowledged: arrived_after_all ({first}), arrived_after_all ({second})"
    await until_attention(pipeline, order_id, None)


async def test_payment_problem_of_a_completed_order_is_acknowledged(pipeline: World) -> None:
    """A payment in another currency. Without a problem, acknowledging is refused."""
    order_id, _ = await delivered(pipeline, quantity=1)
    payment_id = unique("pay")
    data = {"payment_id": payment_id, "order_id": order_id, "amount": "5.00", "currency": "USD"}
    await pipeline.send_fact("payment.received", data)
    await until_attention(pipeline, order_id, "payment_currency")
    answer = await run_json(pipeline, "retry", order_id)
    assert answer["message"] == f"acknowledged: payment_currency ({payment_id})"
    assert (await pipeline.order(order_id))["attention"] is None
    with pytest.raises(Refused, match="its workflow has ended"):
        await pipeline.intake().retry(order_id, "ann")
    with pytest.raises(InvalidInput, match="order_id: nothing of"):
        await pipeline.intake().command(
            Acknowledge, {"command_id": unique("c"), "reason": "r", "order_id": order_id}
        )


async def test_retry_resumes_all_workflows_that_wait(pipeline: World) -> None:
    """The refunds of a return and of a credit note were refused: both are requested again."""
    order_id, sku = await delivered(pipeline, quantity=2)
    return_id = await came_back(pipeline, order_id, sku, 1)
    invoice_number = (await pipeline.order(order_id))["invoice_number"]
    await pipeline.misbehave(partner="payments", operation="refund", fault="refuse", times=2)
    await command(pipeline, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    await until_attention(pipeline, order_id, "refused")
    await command(pipeline, CreditInvoice, invoice_number=invoice_number, amount="11.90")
    waiting = {f"return-{return_id}", f"refund-{order_id}-2"}
    for workflow_id in waiting:
        await until_waiting(pipeline.client.get_workflow_handle(workflow_id))
    message = (await pipeline.intake().retry(order_id, "ann")).message
    assert {part.partition(": ")[0] for part in message.split("; ")} == waiting
    await settled(pipeline, return_id)
    await pipeline.client.get_workflow_handle(f"refund-{order_id}-2").result()
    assert (await pipeline.order(order_id))["refunded"] == "130.90"
    assert (await pipeline.order(order_id))["attention"] is None


async def until_waiting(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow's search attribute shows that it waits for an operator."""

    async def waits() -> bool:
        found = await handle.describe()
        return any(
            pair.key.name == "Attention" and pair.value for pair in found.typed_search_attributes
        )

    await until(waits)


async def test_chargeback_is_shown_again_after_a_stopped_cancellation(pipeline: World) -> None:
    """A retry acknowledges it, though the order isn't completed."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    payment_id = await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "booked")
    await charge_back(pipeline, payment_id)
    await until_attention(pipeline, order_id, "payment_reversed")
    await pipeline.misbehave(
        partner="carriers", operation="cancel", fault="refuse", code="already_picked_up"
    )
    handle = pipeline.order_workflow(order_id)
    assert (await handle.execute_update("cancel", {"reason": "fraud"}))["accepted"]
    await pipeline.until_event(order_id, "cancel_given_up")
    await report(pipeline, order_id, "picked_up")
    await until_attention(pipeline, order_id, "payment_reversed")
    await until_status(handle, lambda status: status["attention"])
    await run_json(pipeline, "retry", order_id)
    await until_attention(pipeline, order_id, None)
    assert (await handle.query("status"))["attention"] is None
    await report(pipeline, order_id, "delivered")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.ended(order_id)
