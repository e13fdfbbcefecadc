"""Steps that fail before they run: an interceptor of a worker in the test's process."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
)
from temporalio.worker import (
    Interceptor as WorkerInterceptor,
)

from tests.support.pipeline.world import World

REFUSED, BUSY = "refused_by_test", "busy_by_test"


@dataclass
class FailingSteps(ClientInterceptor, WorkerInterceptor):
    """Fails one step of the workflows for which `concerns` holds, until it `is_over`.

    First each attempt fails for a reason that may pass; after `refuse`, the next one is refused;
    then the step runs.
    """

    step: str = ""
    concerns: Callable[[str], bool] = lambda _workflow_id: True
    workflow_id: str = ""
    """The first workflow whose step failed; only its steps fail."""
    attempts: int = 0
    is_refusing: bool = False
    is_over: bool = False
    ran: list[str] = field(default_factory=list)
    """The steps that have run."""

    def fail(self, step: str, concerns: Callable[[str], bool] = lambda _: True) -> None:
        """Begin to fail a step."""
        self.step, self.concerns, self.workflow_id = step, concerns, ""
        self.attempts, self.is_refusing, self.is_over = 0, False, False

    def refuse(self) -> None:
        """Refuse the next attempt."""
        self.is_refusing = True

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Intercept the worker's steps."""
        return _Failing(next, self)

    def check(self, info: activity.Info) -> None:
        """Fail the step if it is to fail."""
        workflow_id = info.workflow_id or ""
        if info.activity_type != self.step or self.is_over or not self.concerns(workflow_id):
            return
        if self.workflow_id not in ("", workflow_id):
            return
        self.workflow_id = workflow_id
        if self.is_refusing:
            self.is_over = True
            raise ApplicationError("refused by the test", type=REFUSED, non_retryable=True)
        self.attempts += 1
        raise ApplicationError("busy, by the test", type=BUSY)


class _Failing(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, steps: FailingSteps) -> None:
        super().__init__(following)
        self._steps = steps

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run a step, or fail it."""
        info = activity.info()
        self._steps.check(info)
        self._steps.ran.append(info.activity_type)
        return await super().execute_activity(input)


def with_failing_steps(world: World, steps: FailingSteps) -> World:
    """Return the world with a client whose workers' steps fail."""
    config = world.client.config()
    config["interceptors"] = [*config["interceptors"], steps]
    return replace(world, client=Client(**config))
