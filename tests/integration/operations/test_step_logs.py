"""The worker's log of failed steps: one line for an expected failure, a traceback for a defect."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.gateways.failures import TranslateErrors, is_unexpected
from models.errors import DatabaseBusy, PartnerRefused, PartnerUnavailable
from tests.conftest import new_client
from tests.support.masterdata.shop import unique
from worker import log_formatter

FAILURES = {
    "busy": DatabaseBusy("database is locked"),
    "silent": PartnerUnavailable("the carrier gave no answer in time"),
    "refused": PartnerRefused("too_heavy", "the carrier refused: it is too heavy"),
    "defect": KeyError("a defect"),
}


@activity.defn
def fail(kind: str) -> None:
    """Fail in one way."""
    raise FAILURES[kind]


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
        activity_executor=ThreadPoolExecutor(1),
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
    for line in lines:
        line.pop("timestamp")
    assert lines == [
        {
            **{"event": f"{code}: {FAILURES[kind]}", "level": "warning", "code": code},
            **{"step": "fail", "workflow_id": workflow_id, "attempt": attempt},
        }
        for attempt in attempts
    ]


async def test_defect_keeps_its_traceback(engine_address: str, log: list[str]) -> None:
    """It shows where the program is wrong."""
    _, lines = await logged(engine_address, "defect", log)
    assert len(lines) == 4
    assert all("KeyError: 'a defect'" in line["exception"] for line in lines)
