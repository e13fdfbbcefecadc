"""Notifications from one workflow to others that a change concerns."""

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from itertools import islice

from sqlmodel import Session, col, select
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.database.engine import Database
from activities.database.inbox import waiting_purchase_facts
from activities.database.step import read_step
from activities.operations.reading import refund_workflows
from models.messages.commands.results import follow_up_workflow_id
from models.messages.facts import ShortageReported, StockArrived
from models.messages.steps import (
    REPLENISHMENT_DETAILS,
    MissedMessages,
    Notification,
    ReportStep,
    ReturnStep,
    StockKey,
)
from models.progress import Stage
from models.stock import ShortageState
from models.tables.orders import Order
from models.tables.stock import Shortage

PARALLEL_CALLS = 10
"""Workflows that are notified at a time: a thousand of them take less than a step's time."""


@read_step
def find_missed_notifications(session: Session, key: StockKey) -> MissedMessages:
    """Find what the last replenishment of a stock key left undone, if it ended too early.

    These are facts that it did not apply, and orders that wait for stock although nothing of theirs
    is short, as it did not notify them.
    """
    short = select(Shortage.order_id).where(
        Shortage.order_id == Order.order_id, Shortage.state == ShortageState.OPEN
    )
    here = select(Shortage.order_id).where(
        Shortage.sku == key.sku, Shortage.location == key.location
    )
    missed = select(Order.order_id).where(
        Order.stage == Stage.AWAITING_STOCK,
        col(Order.order_id).in_(here),
        ~short.exists(),
    )
    orders = tuple(session.exec(missed.order_by(Order.order_id)))
    return MissedMessages(
        facts=waiting_purchase_facts(session, key.sku, key.location),
        notification=Notification(cause="missed", orders=orders),
    )


class Notifier:
    """The steps that signal other workflows.

    They use the client, as the server refuses signal-with-start from inside a workflow.
    """

    def __init__(self, database: Database, client: Client, queue: str) -> None:
        self._database = database
        self._client = client
        self._queue = queue

    @activity.defn
    async def report_shortages(self, step: ReportStep) -> None:
        """Notify the replenishment of each open shortage of an order; start it if none runs."""
        shortages = await self._database.read_async(
            lambda session: _open_shortages(session, step.order_id)
        )
        await _in_batches(
            self._signal_replenishment(
                key, ShortageReported(shortage_id=shortage_id, again=step.again)
            )
            for shortage_id, key in shortages
        )

    @activity.defn
    async def notify(self, notification: Notification) -> None:
        """Notify orders, returns, replenishments and refunds; skip workflows that have ended."""
        cause = notification.cause.replace(":", "-")[:64]
        for return_id in notification.returns:
            await self._signal_return(ReturnStep(return_id=return_id))
        for command_id in notification.ended_recalls:
            await self._signal(follow_up_workflow_id(command_id), "goods_left")
        for refund_key in notification.refunds:
            payers = await self._database.read_async(
                partial(refund_workflows, refund_key=refund_key)
            )
            await _in_batches(self._signal(payer, "refund_changed", refund_key) for payer in payers)
        shortage = ShortageReported(shortage_id=cause)
        await _in_batches(
            self._signal_replenishment(key, shortage) for key in notification.stock_keys
        )
        arrived = StockArrived(receipt_id=cause)
        await _in_batches(
            self._signal(f"order-{order_id}", "stock_arrived", arrived)
            for order_id in notification.orders
        )

    async def _signal(self, workflow_id: str, signal: str, *arguments: StockArrived | str) -> None:
        """Signal a workflow, unless it has ended."""
        try:
            await self._client.get_workflow_handle(workflow_id).signal(signal, args=arguments)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def _signal_return(self, step: ReturnStep) -> None:
        """Signal the workflow of a return; start it if none runs."""
        await self._client.start_workflow(
            "ReturnWorkflow",
            step,
            id=step.workflow_id,
            task_queue=self._queue,
            start_signal="return_changed",
            static_summary=f"Return {step.return_id}",
            static_details="Tracks a return until it is received and settled.",
        )

    async def _signal_replenishment(self, key: StockKey, shortage: ShortageReported) -> None:
        """Signal the replenishment of a stock key; start it if none runs."""
        await self._client.start_workflow(
            "ReplenishmentWorkflow",
            key,
            id=key.workflow_id,
            task_queue=self._queue,
            start_signal="shortage_reported",
            start_signal_args=[shortage],
            static_summary=key.summary,
            static_details=REPLENISHMENT_DETAILS,
        )


async def _in_batches(calls: Iterable[Coroutine[None, None, None]]) -> None:
    waiting = iter(calls)
    while batch := list(islice(waiting, PARALLEL_CALLS)):
        await asyncio.gather(*batch)


def _open_shortages(session: Session, order_id: str) -> list[tuple[str, StockKey]]:
    rows = session.exec(
        select(Shortage)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.shortage_id))
    )
    return [(row.shortage_id, StockKey(location=row.location, sku=row.sku)) for row in rows]
