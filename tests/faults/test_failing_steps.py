"""Steps that keep failing: reported after a time, and moved by the line that `why` offers."""

import shlex
from collections.abc import AsyncIterator

import pytest

from models.operator_actions import CLI
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import Document
from tests.support.orders.stages import TOTAL, pay_when_requested, place_order
from tests.support.pipeline.command_line import run
from tests.support.pipeline.failing_steps import BUSY, FailingSteps, with_failing_steps
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


@pytest.fixture(scope="module")
def steps() -> FailingSteps:
    """The steps that fail."""
    return FailingSteps()


@pytest.fixture(scope="module", params=DATABASES)
async def impatient_world(
    request: pytest.FixtureRequest, engine_address: str, steps: FailingSteps
) -> AsyncIterator[World]:
    """Run a pipeline that reports a failing step after two seconds."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        failing = with_failing_steps(world, steps)
        async with failing.worker(attention_after_attempts=1000, attention_after=2.0):
            yield failing


async def until_waits(world: World, order_id: str, code: str) -> Document:
    """Wait until an order waits for `code`; returns the wait."""

    async def read() -> Document | None:
        response = await world.api.get(f"/orders/{order_id}/why")
        waits: list[Document] = response.json().get("waits", [])
        return next((wait for wait in waits if wait["code"] == code), None)

    found = await until(read)
    assert found is not None
    return found


async def paste(world: World, wait: Document, command: str) -> None:
    """Run the line that a wait offers for a command."""
    lines = [action["command"].removeprefix(CLI) for action in wait["actions"]]
    [line] = [line for line in lines if shlex.split(line)[0] == command]
    status, _, err = await run(world, *shlex.split(line))
    assert status == 0, err


async def test_silent_partner_is_reported_after_a_time(impatient_world: World) -> None:
    """Long before its attempts are used up; with attempts and the next try in `why`."""
    world = impatient_world
    await world.misbehave(partner="carriers", operation="booking", fault="error", times=None)
    order_id = (await place_order(world)).order_id
    await pay_when_requested(world, order_id)
    retrying = await until_waits(world, order_id, "retrying")
    assert " failed " in retrying["reason"]
    wait = await until_waits(world, order_id, "partner_unavailable")
    assert (wait["owner"], "still trying" in wait["reason"]) == ("operator", True)
    await paste(world, wait, "retry")
    await world.partners.delete("/control/faults")  # after the retry: a repeated call would do
    await world.until_event(order_id, "booked")
    await world.until_order(order_id, lambda shown: shown["attention"] is None)
    await world.ship(order_id, "delivered")
    await world.ended(order_id)


async def test_failing_transaction_is_reported_after_a_time(
    impatient_world: World, steps: FailingSteps
) -> None:
    """It had no limit of attempts; a retry before and after the report tries at once."""
    world = impatient_world
    steps.fail("apply_and_advance")
    order_id = (await place_order(world)).order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, TOTAL)
    retrying = await until_waits(world, order_id, "retrying")
    before = steps.attempts
    await paste(world, retrying, "retry")
    await until(lambda: steps.attempts > before)
    wait = await until_waits(world, order_id, BUSY)
    assert "busy, by the test; still trying" in wait["reason"]
    await paste(world, wait, "retry")
    steps.is_over = True
    await world.until_event(order_id, "booked")
    await world.until_order(order_id, lambda shown: shown["attention"] is None)
    await world.ship(order_id, "delivered")
    await world.ended(order_id)
