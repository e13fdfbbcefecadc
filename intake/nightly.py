"""Nightly workflows, run now."""

import asyncio
from datetime import timedelta
from typing import TypeVar

from temporalio.common import WorkflowIDConflictPolicy

import engine
from intake.connection import Connection
from models.errors import EngineUnavailable
from models.messages import nightly
from models.messages.nightly import ReconcileOutcome, ReviewOutcome

NIGHTLY_TIMEOUT = timedelta(minutes=10)
"""How long a caller waits for the end of a nightly workflow."""

Result = TypeVar("Result")


class NightlyIntake(Connection):
    """Run nightly workflows on request."""

    async def review(self) -> ReviewOutcome:
        """Review all stock now, or wait for the review that an operator has started.

        Raises EngineUnavailable if it takes longer than NIGHTLY_TIMEOUT; the review continues.
        """
        return await self._run_now(
            "StockReviewWorkflow", nightly.STOCK_REVIEW, ReviewOutcome, "Review all stock"
        )

    async def reconcile(self) -> ReconcileOutcome:
        """Reconcile the books now. Raises as `review`."""
        return await self._run_now(
            "ReconcileWorkflow", nightly.RECONCILE, ReconcileOutcome, "Reconcile the books"
        )

    async def _run_now(self, workflow: str, id: str, kind: type[Result], summary: str) -> Result:
        handle = await engine.reach(
            self._client.start_workflow(
                workflow,
                id=id,
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                result_type=kind,
                static_summary=summary,
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )
        try:
            result: Result = await asyncio.wait_for(
                engine.reach(handle.result()), NIGHTLY_TIMEOUT.total_seconds()
            )
        except TimeoutError as error:
            raise EngineUnavailable(
                f"{id} isn't done yet; does a worker run? See workflow {id} in the Temporal UI"
            ) from error
        return result
