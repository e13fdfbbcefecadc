"""The nightly workflows: the stock review, and the reconciliation of the books.

Both work in batches, one step for each, and continue as new after some of them.
"""

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.reconciliation import Reconciliation
    from activities.purchasing.stock_review import StockReview
    from models.messages.attention import Attention
    from models.messages.nightly import (
        STOCK_REVIEW,
        CloseStep,
        CompareStep,
        OpenFindings,
        ReconcileOutcome,
        ReconcileProgress,
        ReviewOutcome,
        ReviewProgress,
        ReviewStep,
    )
    from models.messages.requests import CommandOutcome
    from models.messages.steps import Notification, StockKey
    from workflows import search_attributes
    from workflows.attention import AttentionBoard
    from workflows.notifying import notify
    from workflows.status_text import needs_operator
    from workflows.steps import Steps

BATCHES_PER_RUN = 50
REPLENISHMENTS_PER_STEP = 50
"""The number of replenishments that one step notifies well within its time limit."""


class Nightly:
    """A nightly workflow, which shows its attention on its own page."""

    def __init__(self) -> None:
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try a failing step again at once. Accepts any arguments."""
        self._board.retries += 1
        return CommandOutcome(accepted=True, message="trying again")

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        if attention:
            workflow.set_current_details(needs_operator(attention))


@workflow.defn
class StockReviewWorkflow(Nightly):
    """The nightly review of every SKU's reorder point and order quantity."""

    @workflow.run
    async def run(self, progress: ReviewProgress | None = None) -> ReviewOutcome:
        """Review all SKUs, and notify the replenishments of stock at or below its reorder point."""
        done, batches = progress or ReviewProgress(), 0
        while done.after is not None:
            if batches == BATCHES_PER_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(done)
            done, batches = await self._review(done, done.after), batches + 1
            workflow.set_current_details(
                f"{done.skus} SKUs reviewed, {done.low} stock keys at or below the reorder point."
            )
        return ReviewOutcome(skus=done.skus, places=done.stock_keys, low=done.low)

    async def _review(self, done: ReviewProgress, after: str) -> ReviewProgress:
        step = ReviewStep(after=after, batch_skus=done.batch_skus)
        summary = f"Review the SKUs after {after}" if after else "Review the first SKUs"
        batch = await self._steps.call_partner(StockReview.review_stock, step, summary)
        await self._notify(batch.low)
        return ReviewProgress(
            after=batch.last_sku,
            batch_skus=done.batch_skus,
            skus=done.skus + batch.skus,
            stock_keys=done.stock_keys + batch.stock_keys,
            low=done.low + len(batch.low),
        )

    async def _notify(self, low: tuple[StockKey, ...]) -> None:
        for first in range(0, len(low), REPLENISHMENTS_PER_STEP):
            keys = low[first : first + REPLENISHMENTS_PER_STEP]
            await notify(self._steps, Notification(cause=STOCK_REVIEW, stock_keys=keys))


@workflow.defn
class ReconcileWorkflow(Nightly):
    """The nightly comparison of stock counters, orders and ledger with the rows they sum up. A
    difference becomes a finding; nothing is repaired."""

    @workflow.run
    async def run(self, progress: ReconcileProgress | None = None) -> ReconcileOutcome:
        """Compare all SKUs and orders and the ledger. Close findings that no longer differ."""
        done, batches = progress or ReconcileProgress(), 0
        seen_at = done.seen_at or workflow.now()
        done = done.model_copy(update={"seen_at": seen_at})
        while done.after_order is not None:
            if batches == BATCHES_PER_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(done)
            if done.after_sku is not None:
                step = CompareStep(after=done.after_sku, batch=done.batch, seen_at=seen_at)
                done = await self._compare_stock(done, step)
            else:
                step = CompareStep(after=done.after_order, batch=done.batch, seen_at=seen_at)
                done = await self._compare_orders(done, step)
            batches += 1
        return await self._finish(done, CloseStep(seen_at=seen_at))

    async def _compare_stock(self, done: ReconcileProgress, step: CompareStep) -> ReconcileProgress:
        summary = f"Compare the SKUs after {step.after}" if step.after else "Compare the first SKUs"
        batch = await self._steps.call_partner(Reconciliation.compare_stock, step, summary)
        stock_keys = done.stock_keys + batch.compared
        return done.model_copy(update={"after_sku": batch.last, "stock_keys": stock_keys})

    async def _compare_orders(
        self, done: ReconcileProgress, step: CompareStep
    ) -> ReconcileProgress:
        orders = f"the orders after {step.after}" if step.after else "the first orders"
        batch = await self._steps.call_partner(
            Reconciliation.compare_orders, step, f"Compare {orders}"
        )
        compared = done.orders + batch.compared
        return done.model_copy(update={"after_order": batch.last, "orders": compared})

    async def _finish(self, done: ReconcileProgress, step: CloseStep) -> ReconcileOutcome:
        """Compare the ledger, close findings, and show the open ones as attention."""
        await self._steps.call_partner(Reconciliation.compare_ledger, step, "Compare the ledger")
        await self._steps.call_partner(
            Reconciliation.anchor_audit_trail, step, "Anchor the audit trail"
        )
        findings = await self._steps.call_partner(
            Reconciliation.close_findings, step, "Close findings"
        )
        attention = _attention(findings)
        await self._show_attention(attention)
        return ReconcileOutcome(
            places=done.stock_keys,
            orders=done.orders,
            findings=findings.count,
            attention=attention,
        )


def _attention(findings: OpenFindings) -> Attention | None:
    if not findings.count:
        return None
    noun = "finding" if findings.count == 1 else "findings"
    message = f"{findings.count} open {noun}: {'; '.join(findings.examples)}"
    return Attention(code="books_differ", message=message[:1_000])
