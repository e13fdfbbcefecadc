"""Bulks: one action for many orders. The application service starts them; their steps act."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

import engine
from activities.database.engine import Database
from activities.operations import bulk
from activities.operations import reading as operations_reading
from intake.commands import CommandIntake
from models.errors import Conflict, EngineUnavailable, NotFound, Refused
from models.messages.bulk import (
    ACT_ON_ORDERS,
    FINISH,
    SELECT_ORDERS,
    BulkAction,
    BulkCounts,
    BulkEnd,
    BulkOrders,
    BulkPage,
    BulkProgress,
    BulkRequest,
    BulkState,
    Outcome,
    SelectedOrders,
)
from models.messages.commands.orders import Pause, Resume
from models.messages.parsing import parse_bulk
from models.messages.requests import CommandOutcome
from models.selection import parse_where
from models.views.bulk import BulkPreview, BulkView, require_bulk
from workflows.bulk import BulkWorkflow

PARALLEL = 10
"""Orders that are acted on at a time."""
HEARTBEAT_SECONDS = 3
ATTEMPTS = 3
"""How often an order that does not answer is asked; then its outcome is a failure."""
FIRST = 10
"""The number of orders that a preview names."""


class BulkIntake(CommandIntake):
    """Start bulks, and act on their orders."""

    async def preview_bulk(self, action: BulkAction, where: str) -> BulkPreview:
        """Show which orders a bulk would act on. Raises InvalidInput."""
        conditions = parse_where(where)
        count = await self._read(lambda session: bulk.count_orders(session, conditions))
        first = await self._read(lambda session: bulk.matching_orders(session, conditions, FIRST))
        return BulkPreview(action=action, where=where, orders=count, first=tuple(first))

    async def start_bulk(self, sent: JsonValue) -> BulkView:
        """Start a bulk once per id. Raises InvalidInput, Conflict, EngineUnavailable."""
        document = parse_bulk(sent)
        request = BulkRequest(
            **document.model_dump(exclude={"bulk_id"}),
            bulk_id=document.bulk_id or uuid.uuid4().hex[:12],
            conditions=parse_where(document.where),
            source=self._source,
        )
        await self._database.transaction_async(lambda work: bulk.start_bulk(work, request))
        view = await self.bulk(request.bulk_id)
        if (view.action, view.where) != (request.action, request.where):
            taken = f"{view.bulk_id!r} was used for another bulk; use another id"
            raise Conflict("bulk_id_taken", taken)
        try:
            await engine.reach(
                self._client.start_workflow(
                    BulkWorkflow.run,
                    args=[request, BulkProgress()],
                    id=request.workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    static_summary=f"{request.action} orders in bulk, by {request.actor}",
                    static_details=f"{request.where}: {request.reason}",
                    rpc_timeout=engine.CALL_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            return view
        return view

    async def bulk(self, bulk_id: str) -> BulkView:
        """Read a bulk. Raises NotFound."""
        view = await self._read(lambda session: bulk.bulk_view(session, bulk_id))
        return require_bulk(view, bulk_id)

    async def check_bulk(self, bulk_id: str) -> None:
        """Check that the workflow of a bulk runs, or has completed. Raises Refused."""
        description = await engine.describe(self._client, f"bulk-{bulk_id}")
        if description is None or engine.is_terminated(description):
            raise Refused(
                "bulk_ended",
                f"the workflow of bulk {bulk_id} was ended from outside: start the same bulk again "
                f"with --id {bulk_id}, or `bulk stop {bulk_id}`",
            )

    async def stop_bulk(self, bulk_id: str) -> CommandOutcome:
        """End a bulk after the orders in progress. Raises NotFound, Refused."""
        view = await self.bulk(bulk_id)
        if view.ended_at is not None:
            raise Refused("bulk_ended", f"bulk {bulk_id} is {view.state}")
        try:
            return await self._update(f"bulk-{bulk_id}", "stop", None)
        except NotFound:  # it was ended from outside, or never started
            await self._database.transaction_async(
                lambda work: bulk.finish_bulk(work, bulk_id, BulkState.STOPPED)
            )
            return CommandOutcome(accepted=True, message="its workflow had ended; it is stopped")

    async def act(self, request: BulkRequest, order_id: str) -> CommandOutcome:
        """Act on one order of a bulk; the same again has the same outcome. Raises Refused."""
        key = request.key_of(order_id)
        match request.action:
            case BulkAction.RETRY:
                return await self._retry_once(request, order_id, key)
            case BulkAction.CANCEL:
                return await self.cancel(order_id, request.reason, request.actor, key)
            case BulkAction.PAUSE | BulkAction.RESUME:
                kind = Pause if request.action is BulkAction.PAUSE else Resume
                done = await self.command(
                    kind,
                    {
                        **{"command_id": key, "order_id": order_id},
                        **{"reason": request.reason, "actor": request.actor},
                    },
                )
                return CommandOutcome(accepted=True, message=done.message)

    async def _retry_once(self, request: BulkRequest, order_id: str, key: str) -> CommandOutcome:
        """Retry an order. After a killed attempt, return what that one did. Raises Refused."""
        try:
            return await self.retry(order_id, request.actor, request.reason, key)
        except Refused:
            done = await self._read(
                lambda session: operations_reading.messages_of_retry(session, order_id, key)
            )
            if not done:
                raise
            return CommandOutcome(accepted=True, message="; ".join(done))


class BulkSteps:
    """The steps of a bulk."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn(name=SELECT_ORDERS)
    async def select(self, page: BulkPage) -> SelectedOrders:
        """Select the next orders."""
        found = await self._database.read_async(
            lambda session: bulk.next_orders(session, page.request, page.after)
        )
        return SelectedOrders(order_ids=tuple(found))

    @activity.defn(name=ACT_ON_ORDERS)
    async def act(self, orders: BulkOrders) -> BulkCounts:
        """Act on orders at the rate of the bulk; orders with a recorded outcome are skipped."""
        request, database = orders.request, self._database
        intake = BulkIntake(self._client, database, request.source)
        known = await database.read_async(
            lambda session: bulk.outcomes_of(session, request.bulk_id, orders.order_ids)
        )
        rest = [order_id for order_id in orders.order_ids if order_id not in known]
        try:
            await self._act_on_all(intake, request, rest)
        except ExceptionGroup as group:
            if group.split(EngineUnavailable)[1] is not None:
                raise
            raise group.exceptions[0] from None  # one line in the log
        outcomes = await database.read_async(
            lambda session: bulk.outcomes_of(session, request.bulk_id, orders.order_ids)
        )
        return BulkCounts(**Counter(outcome.value for outcome in outcomes.values()))

    async def _act_on_all(
        self, intake: BulkIntake, request: BulkRequest, order_ids: Sequence[str]
    ) -> None:
        """Act on orders, some at a time, at the rate of the bulk. Raises ExceptionGroup."""
        free = asyncio.Semaphore(PARALLEL)
        beats = asyncio.create_task(_beat())
        try:
            async with asyncio.TaskGroup() as group:
                for order_id in order_ids:
                    _check_worker()
                    await free.acquire()
                    group.create_task(self._act(intake, request, order_id, free))
                    await asyncio.sleep(1 / request.per_second)
        finally:
            beats.cancel()

    @activity.defn(name=FINISH)
    async def finish(self, end: BulkEnd) -> None:
        """Record the end of a bulk."""
        state = BulkState.STOPPED if end.stopped else BulkState.COMPLETED
        await self._database.transaction_async(
            lambda work: bulk.finish_bulk(work, end.bulk_id, state)
        )

    async def _act(
        self, intake: BulkIntake, request: BulkRequest, order_id: str, free: asyncio.Semaphore
    ) -> None:
        """Act on one order and record its outcome."""
        try:
            outcome, message = await _outcome(intake, request, order_id)
            await self._database.transaction_async(
                lambda work: bulk.record_outcome(work, request.bulk_id, order_id, outcome, message)
            )
        finally:
            free.release()


async def _beat() -> None:
    """Let the server notice within `HEARTBEAT_TIMEOUT` that this worker was killed."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _check_worker() -> None:
    """Leave the rest to another worker if this one is stopping. Raises EngineUnavailable.

    The SDK raises a time-out, not a cancellation, for an update that is cancelled with its worker.
    """
    if activity.is_worker_shutdown():
        raise EngineUnavailable("the worker is stopping; another one continues")


async def _outcome(intake: BulkIntake, request: BulkRequest, order_id: str) -> tuple[Outcome, str]:
    """Act on an order, and again if it doesn't answer; returns the outcome and its message."""
    problem = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            done = await intake.act(request, order_id)
        except Refused as refused:
            return Outcome.REFUSED, refused.message
        except (EngineUnavailable, RPCError) as error:
            _check_worker()
            problem = error.message
            await asyncio.sleep(attempt)
        else:
            return Outcome.DONE, done.message
    return Outcome.FAILED, problem
