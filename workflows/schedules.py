"""What happens every night: the stock review, and the reconciliation of the books.

Both go through everything in batches, one step each, and continue as new after some of them.
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
    from workflows.facts import notify
    from workflows.steps import AttentionBoard, Steps

BATCHES_A_RUN = 50
TOLD_AT_ONCE = 50
"""Replenishments that one step tells, well within its time."""


class Nightly:
    """What both have: steps that are tried until they are done, and a person's retry."""

    def __init__(self) -> None:
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try at once what fails."""
        self._board.retries += 1
        return CommandOutcome(accepted=True, message="trying again")

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        if attention:
            workflow.set_current_details(
                f"**Needs a person** (`{attention.code}`): {attention.message}"
            )


@workflow.defn
class StockReviewWorkflow(Nightly):
    """Finds each SKU's reorder point and order quantity anew, and tells the replenishments of what
    is low."""

    @workflow.run
    async def run(self, progress: ReviewProgress | None = None) -> ReviewOutcome:
        """Batch by batch, until no SKU is left."""
        done, batches = progress or ReviewProgress(), 0
        while done.after is not None:
            if batches == BATCHES_A_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(done)
            done, batches = await self._review(done, done.after), batches + 1
            workflow.set_current_details(f"{done.skus} SKUs reviewed, {done.low} places are low.")
        return ReviewOutcome(skus=done.skus, places=done.places, low=done.low)

    async def _review(self, done: ReviewProgress, after: str) -> ReviewProgress:
        step = ReviewStep(after=after, batch_skus=done.batch_skus)
        summary = f"Review the SKUs after {after}" if after else "Review the first SKUs"
        batch = await self._steps.partner(StockReview.review_stock, step, summary)
        await self._tell(batch.low)
        return ReviewProgress(
            after=batch.last_sku,
            batch_skus=done.batch_skus,
            skus=done.skus + batch.skus,
            places=done.places + batch.places,
            low=done.low + len(batch.low),
        )

    async def _tell(self, low: tuple[StockKey, ...]) -> None:
        for start in range(0, len(low), TOLD_AT_ONCE):
            some = low[start : start + TOLD_AT_ONCE]
            await notify(self._steps, Notification(cause=STOCK_REVIEW, places=some))


@workflow.defn
class ReconcileWorkflow(Nightly):
    """Compares what is written down twice: the stock's counters, then the orders, then the ledger.
    What differs becomes a finding and is shown; nothing is mended."""

    @workflow.run
    async def run(self, progress: ReconcileProgress | None = None) -> ReconcileOutcome:
        """Batch by batch; what was found before and isn't any more is marked as gone."""
        done, batches = progress or ReconcileProgress(), 0
        seen_at = done.seen_at or workflow.now()
        done = done.model_copy(update={"seen_at": seen_at})
        while done.after_order is not None:
            if batches == BATCHES_A_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(done)
            if done.after_sku is not None:
                step = CompareStep(after=done.after_sku, batch=done.batch, seen_at=seen_at)
                done = await self._compare_stock(done, step)
            else:
                step = CompareStep(after=done.after_order, batch=done.batch, seen_at=seen_at)
                done = await self._compare_orders(done, step)
            batches += 1
        return await self._end(done, CloseStep(seen_at=seen_at))

    async def _compare_stock(self, done: ReconcileProgress, step: CompareStep) -> ReconcileProgress:
        summary = f"Compare the SKUs after {step.after}" if step.after else "Compare the first SKUs"
        batch = await self._steps.partner(Reconciliation.compare_stock, step, summary)
        places = done.places + batch.compared
        return done.model_copy(update={"after_sku": batch.last, "places": places})

    async def _compare_orders(
        self, done: ReconcileProgress, step: CompareStep
    ) -> ReconcileProgress:
        after = f"the orders after {step.after}" if step.after else "the first orders"
        batch = await self._steps.partner(Reconciliation.compare_orders, step, f"Compare {after}")
        orders = done.orders + batch.compared
        return done.model_copy(update={"after_order": batch.last, "orders": orders})

    async def _end(self, done: ReconcileProgress, step: CloseStep) -> ReconcileOutcome:
        await self._steps.partner(Reconciliation.compare_ledger, step, "Compare the ledger")
        findings = await self._steps.partner(
            Reconciliation.close_findings, step, "Close what is mended"
        )
        attention = _differs(findings)
        await self._show_attention(attention)
        return ReconcileOutcome(
            places=done.places, orders=done.orders, findings=findings.count, attention=attention
        )


def _differs(findings: OpenFindings) -> Attention | None:
    if not findings.count:
        return None
    examples = "; ".join(findings.examples)
    things = "thing differs" if findings.count == 1 else "things differ"
    return Attention(
        code="books_differ",
        message=f"{findings.count} {things}: {examples}"[:1_000],
    )
