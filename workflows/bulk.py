"""Bulk: an action for many orders, page by page, at a limited rate."""

from datetime import timedelta

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from models.messages.bulk import (
        ACT_ON_ORDERS,
        FINISH,
        SELECT_ORDERS,
        BulkCounts,
        BulkEnd,
        BulkOrders,
        BulkPage,
        BulkProgress,
        BulkRequest,
        SelectedOrders,
    )
    from models.messages.requests import CommandOutcome

PAGES_PER_RUN = 100
STEP_TIMEOUT = timedelta(minutes=30)
"""Time for a page: 50 orders, each of which may wait for a worker for 30 seconds."""
HEARTBEAT_TIMEOUT = timedelta(seconds=20)
"""The time after which another worker continues the page of one that was killed."""
READ_TIMEOUT = timedelta(seconds=30)
RETRIES = RetryPolicy(maximum_interval=timedelta(minutes=1))


@workflow.defn
class BulkWorkflow:
    """An action for each order that satisfies the conditions, once each."""

    def __init__(self) -> None:
        self._stopped = False

    @workflow.run
    async def run(self, request: BulkRequest, progress: BulkProgress) -> BulkProgress:
        """Act on all orders, in the order of their ids."""
        pages = 0
        while order_ids := await self._select(request, progress.after):
            if pages == PAGES_PER_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if self._stopped:
                    break
                workflow.continue_as_new(args=[request, progress])
            pages += 1
            if self._stopped:
                break
            counts = await self._act(request, order_ids)
            progress = BulkProgress(
                after=order_ids[-1],
                done=progress.done + counts.done,
                refused=progress.refused + counts.refused,
                failed=progress.failed + counts.failed,
            )
            workflow.set_current_details(
                f"{request.action} where {request.where}: {progress.done} done, {progress.refused} "
                f"refused, {progress.failed} failed, up to order {progress.after}"
            )
        await workflow.execute_activity(
            *(FINISH, BulkEnd(bulk_id=request.bulk_id, stopped=self._stopped)),
            start_to_close_timeout=READ_TIMEOUT,
            retry_policy=RETRIES,
            summary="Record the end",
        )
        return progress

    async def _select(self, request: BulkRequest, after: str) -> tuple[str, ...]:
        """Select the next orders; none once the bulk is stopped."""
        if self._stopped:
            return ()
        selected: SelectedOrders = await workflow.execute_activity(
            *(SELECT_ORDERS, BulkPage(request=request, after=after)),
            result_type=SelectedOrders,
            start_to_close_timeout=READ_TIMEOUT,
            retry_policy=RETRIES,
            summary=f"Select the orders after {after}" if after else "Select the first orders",
        )
        return selected.order_ids

    async def _act(self, request: BulkRequest, order_ids: tuple[str, ...]) -> BulkCounts:
        counts: BulkCounts = await workflow.execute_activity(
            *(ACT_ON_ORDERS, BulkOrders(request=request, order_ids=order_ids)),
            result_type=BulkCounts,
            start_to_close_timeout=STEP_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            summary=f"{request.action.capitalize()} {len(order_ids)} orders",
        )
        return counts

    @workflow.update
    def stop(self, _request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """End after the orders in progress. Accepts any arguments."""
        self._stopped = True
        return CommandOutcome(accepted=True, message="it ends after the orders in progress")
