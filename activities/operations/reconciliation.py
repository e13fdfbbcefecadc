"""Reconciliation: counters, reservations, movements, orders, ledger and workflows are compared.

Differences are recorded as findings and shown. Nothing is corrected, as the correction depends on
the cause.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.documents.rendering import MailedDocument
from activities.operations.audit import next_anchor, verify_recent
from activities.operations.document_comparison import compare_document, unprintable_documents
from activities.operations.ledger_comparison import compare_ledger
from activities.operations.order_comparison import OpenOrder, compare_orders, open_recalls
from activities.operations.stock_comparison import awaited_keys, compare_stock
from activities.order_record.findings import record_findings
from activities.order_record.progress import find_order
from activities.orders.reading import recorded_order_ids
from activities.orders.steps import record_attention
from models.findings import (
    Difference,
    failing_workflow,
    recall_difference,
    replenishment_difference,
    workflow_difference,
)
from models.messages.attention import WORKFLOW_ENDED, SetAttention
from models.messages.commands.results import follow_up_workflow_id
from models.messages.nightly import CloseStep, ComparedBatch, CompareStep, OpenFindings
from models.progress import FINAL_STAGES, Stage
from models.tables.operations import AttentionRow, AuditAnchor, Finding
from models.tables.orders import Order
from models.visibility import CUT_OFF, FAILING

PARALLEL_QUERIES = 10
"""Workflows that are described by Temporal at a time."""
EXAMPLES = 5
"""The number of findings in an attention."""
AUDITED_AGAIN = timedelta(hours=36)
"""Each entry is verified in the night after it was made, also if a night was left out."""
IN_PROGRESS = timedelta(hours=1)
"""Facts, shortages and recalls younger than this may still be on their way to a workflow."""

Item = TypeVar("Item")


class Reconciliation:
    """The steps of reconciliation; each compares the tables at one moment."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    @activity.defn
    async def compare_stock(self, step: CompareStep) -> ComparedBatch:
        """Compare the stock of a batch of SKUs, and find replenishments that should run."""
        skus, compared, differences = await self._read(lambda s: compare_stock(s, step))
        await self._record(differences, step.seen_at)
        before = step.seen_at - IN_PROGRESS
        keys = await self._read(lambda s: awaited_keys(s, skus, before))
        ended = await self._ended(keys, lambda key: key.workflow_id)
        await self._record(
            [replenishment_difference(key.sku, key.location, end) for key, end in ended],
            step.seen_at,
        )
        return ComparedBatch(last=skus[-1] if len(skus) == step.batch else None, compared=compared)

    @activity.defn
    async def compare_orders(self, step: CompareStep) -> ComparedBatch:
        """Compare a batch of open orders, and find workflows of theirs that should run.

        The first batch also finds failing workflows of any kind, and orders whose workflow was cut
        off before they were recorded.
        """
        if not step.after:
            await self._record(await self._failing(), step.seen_at)
            await self._record(await self._ended_unrecorded(), step.seen_at)
        orders, differences = await self._read(lambda s: compare_orders(s, step))
        await self._record(differences, step.seen_at)
        for order, end in await self._ended(orders, lambda order: order.workflow_id):
            await self._record_ended(order, end, step.seen_at)
        await self._compare_recalls([order.order_id for order in orders], step.seen_at)
        last = orders[-1].order_id if len(orders) == step.batch else None
        return ComparedBatch(last=last, compared=len(orders))

    @activity.defn
    async def compare_ledger(self, step: CloseStep) -> None:
        """Compare the ledger with stock, orders and supplier invoices; find facts not applied."""
        before = step.seen_at - IN_PROGRESS
        differences = await self._read(lambda s: compare_ledger(s, step.seen_at, before))
        await self._record(differences, step.seen_at)

    @activity.defn
    async def anchor_audit_trail(self, step: CloseStep) -> None:
        """Verify the audit trail of orders with new entries, and anchor these."""
        since = step.seen_at - AUDITED_AGAIN
        await self._record(await self._read(lambda s: verify_recent(s, since)), step.seen_at)
        while (anchor := await self._read(lambda s: next_anchor(s, step.seen_at))) is not None:
            await self._insert_anchor(anchor.model_dump())

    async def _insert_anchor(self, columns: dict[str, Any]) -> None:
        """Insert an anchor once, and log it; `Any`: the values of its columns."""
        await self._database.transaction_async(lambda work: work.insert_new(AuditAnchor, **columns))
        text = ", ".join(f"{name} {value}" for name, value in columns.items())
        activity.logger.info("audit trail anchored: %s", text)

    @activity.defn
    async def close_findings(self, step: CloseStep) -> OpenFindings:
        """Close findings that were not seen again, and their attentions; return the open ones."""
        documents = await self._read(unprintable_documents)
        compared = await asyncio.to_thread(self._compare_documents, documents)
        await self._record(compared, step.seen_at)
        return await self._database.transaction_async(lambda work: _close(work, step))

    def _compare_documents(self, documents: Sequence[MailedDocument]) -> list[Difference]:
        rules = self._database.rules.documents
        found = (compare_document(document, rules) for document in documents)
        return [difference for difference in found if difference is not None]

    async def _failing(self) -> list[Difference]:
        """Find failing workflows; none where the server is too old to mark them."""
        try:
            return [failing_workflow(run.id) async for run in self._client.list_workflows(FAILING)]
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return []

    async def _ended_unrecorded(self) -> list[Difference]:
        """Find orders without a row whose workflow was cut off and does not run again."""
        query = f"WorkflowType = 'OrderWorkflow' AND {CUT_OFF}"
        runs = self._client.list_workflows(query)
        order_ids = {run.id.removeprefix("order-") async for run in runs}
        known = await self._read(lambda session: recorded_order_ids(session, order_ids))
        ended = await self._ended(sorted(order_ids - known), lambda order_id: f"order-{order_id}")
        return [workflow_difference(order_id, Stage.RECEIVED, end) for order_id, end in ended]

    async def _compare_recalls(self, order_ids: Sequence[str], seen_at: datetime) -> None:
        """Find recalls of these orders whose workflow should run."""
        waiting = await self._read(lambda s: open_recalls(s, order_ids, seen_at - IN_PROGRESS))
        ended = await self._ended(waiting, lambda recall: follow_up_workflow_id(recall.command_id))
        await self._record(
            [recall_difference(recall.order_id, recall.shipment_id, end) for recall, end in ended],
            seen_at,
        )

    async def _read(self, work: Callable[[Session], Item]) -> Item:
        return await self._database.read_async(work)

    async def _record(self, differences: Sequence[Difference], seen_at: datetime) -> None:
        if differences:
            await self._database.transaction_async(
                lambda work: record_findings(work, differences, seen_at)
            )

    async def _ended(
        self, items: Sequence[Item], workflow_id: Callable[[Item], str]
    ) -> list[tuple[Item, str]]:
        """Return the items whose workflow does not run, each with how it ended."""
        gate = asyncio.Semaphore(PARALLEL_QUERIES)
        ends = await asyncio.gather(*(self._end_of(workflow_id(item), gate) for item in items))
        return [(item, end) for item, end in zip(items, ends, strict=True) if end is not None]

    async def _end_of(self, workflow_id: str, gate: asyncio.Semaphore) -> str | None:
        """Describe how a workflow ended; None while it runs."""
        handle = self._client.get_workflow_handle(workflow_id)
        async with gate:
            try:
                description = await handle.describe()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return "not known to the engine"
        if description.status in (None, WorkflowExecutionStatus.RUNNING):
            return None
        return description.status.name.lower().replace("_", " ")

    async def _record_ended(self, read: OpenOrder, end: str, seen_at: datetime) -> None:
        """Record an order whose workflow ended, unless it has changed since it was read."""

        def change(work: UnitOfWork) -> None:
            order = find_order(work, read.order_id)
            if order is None or order.version != read.version:
                return
            difference = workflow_difference(read.order_id, read.stage, end)
            record_findings(work, [difference], seen_at)
            record_attention(work, SetAttention(order_id=read.order_id, attention=WORKFLOW_ENDED))

        await self._database.transaction_async(change)


def _close(work: UnitOfWork, step: CloseStep) -> OpenFindings:
    still_open = select(Finding).where(col(Finding.gone_at).is_(None))
    for finding in work.session.exec(still_open.where(Finding.last_seen_at < step.seen_at)):
        finding.gone_at = work.now
    over = (
        select(Order.order_id)
        .join(AttentionRow, col(AttentionRow.order_id) == col(Order.order_id))
        .where(
            AttentionRow.source == "",
            AttentionRow.code == WORKFLOW_ENDED.code,
            col(Order.stage).in_(FINAL_STAGES),
        )
    )
    for order_id in work.session.exec(over).all():
        record_attention(work, SetAttention(order_id=order_id, attention=None))
    work.session.flush()
    count = work.session.exec(
        select(func.count()).select_from(Finding).where(col(Finding.gone_at).is_(None))
    ).one()
    first = work.session.exec(still_open.order_by(col(Finding.finding_id)).limit(EXAMPLES))
    return OpenFindings(count=count, examples=tuple(row.message for row in first))
