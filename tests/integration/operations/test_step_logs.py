"""The worker's log of failed steps: one line for an expected failure, a traceback for a defect."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.gateways.failures import TranslateErrors, is_unexpected
from activities.gateways.http import PartnerClient
from models.errors import DatabaseBusy, PartnerRefused, PartnerUnavailable
from tests.conftest import new_client
from tests.support.masterdata.shop import unique
from tests.support.pipeline.serving import served
from worker import log_formatter

FAILURES: dict[str, Exception | Callable[[], Awaitable[None]]] = {
    "busy": DatabaseBusy("database is locked"),
    "silent": PartnerUnavailable("the carrier gave no answer in time"),
    "refused": PartnerRefused("too_heavy", "the carrier refused: it is too heavy"),
    "defect": KeyError("a defect"),
}


LINE_BYTES = 400
"""The most that a line of an expected failure takes, with its ids."""


@activity.defn
async def fail(kind: str) -> None:
    """Fail in one way."""
    failure = FAILURES[kind]
    if isinstance(failure, Exception):
        raise failure
    await failure()


@workflow.defn(sandboxed=False)
class FailingSteps:
    """Run a step that fails twice, as a local and as an ordinary activity."""

    @workflow.run
    async def run(self, kind: str) -> None:
        """Run both, and end."""
        for execute in (workflow.execute_local_activity, workflow.execute_activity):
            try:
                await execute(
                    fail,
                    kind,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(
                        initial_interval=timedelta(milliseconds=1), maximum_attempts=2
                    ),
                )
            except FailureError:
                continue


class Lines(logging.Handler):
    """A handler that keeps the formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(log_formatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Log steps as the worker process does; yields the lines."""
    handler = Lines()
    logger = activity.logger.base_logger
    logger.addHandler(handler)
    logger.addFilter(is_unexpected)
    yield handler.lines
    logger.removeHandler(handler)
    logger.removeFilter(is_unexpected)


async def logged(engine_address: str, kind: str, log: list[str]) -> tuple[str, list[Any]]:
    """Run both steps in a worker; returns the id of their workflow, and the parsed log."""
    client = await new_client(engine_address)
    workflow_id = unique("order")
    async with Worker(
        client,
        task_queue="steps",
        workflows=[FailingSteps],
        activities=[fail],
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[TranslateErrors()],
    ):
        await client.execute_workflow(FailingSteps.run, kind, id=workflow_id, task_queue="steps")
    assert all("\n" not in line for line in log)
    return workflow_id, [json.loads(line) for line in log]


@pytest.mark.parametrize(
    ("kind", "code", "attempts"),
    [
        ("busy", "database_busy", [1, 2, 1, 2]),
        ("silent", "partner_unavailable", [1, 2, 1, 2]),
        ("refused", "too_heavy", [1, 1]),
    ],
)
async def test_expected_failure_is_one_line_without_traceback(
    engine_address: str, log: list[str], kind: str, code: str, attempts: list[int]
) -> None:
    """With the error's code, the step, its workflow, which names the order, and the attempt."""
    workflow_id, lines = await logged(engine_address, kind, log)
    assert max(map(len, log)) < LINE_BYTES
    for line in lines:
        line.pop("timestamp")
    assert lines == [
        {
            **{"event": f"{code}: {FAILURES[kind]}", "level": "warning", "code": code},
            **{"step": "fail", "workflow_id": workflow_id, "attempt": attempt},
        }
        for attempt in attempts
    ]


@pytest.mark.parametrize("status", [422, 503])
async def test_failed_partner_call_is_one_short_line_with_its_url(
    engine_address: str, log: list[str], status: int
) -> None:
    """A refusal, or no answer that counts: not a second line for the call."""
    app = FastAPI()
    answer = JSONResponse({"code": "too_heavy", "message": "it is too heavy"}, status)
    app.add_api_route("/bookings", lambda: answer, methods=["POST"], response_model=None)
    async with served(app) as url:
        client = PartnerClient(url, 2)

        async def book() -> None:
            await client.post("/bookings", {}, "key", "the carrier, asked to book SH-1")

        FAILURES["called"] = book
        _, lines = await logged(engine_address, "called", log)
        await client.close()
    assert [line["attempt"] for line in lines] == ([1, 1] if status == 422 else [1, 2, 1, 2])
    assert {line["request"] for line in lines} == {f"POST {url}/bookings: {status}"}
    assert max(map(len, log)) < LINE_BYTES


async def test_expected_failure_has_its_traceback_at_level_debug(
    engine_address: str, log: list[str]
) -> None:
    logger = activity.logger.base_logger
    logger.setLevel(logging.DEBUG)
    try:
        _, lines = await logged(engine_address, "refused", log)
    finally:
        logger.setLevel(logging.NOTSET)
    traced = [line for line in lines if "exception" in line]
    assert [line["level"] for line in traced] == ["debug", "debug"]
    assert all("PartnerRefused" in line["exception"] for line in traced)


async def test_defect_keeps_its_traceback(engine_address: str, log: list[str]) -> None:
    """It shows where the program is wrong."""
    _, lines = await logged(engine_address, "defect", log)
    assert len(lines) == 4
    assert all("KeyError: 'a defect'" in line["exception"] for line in lines)
