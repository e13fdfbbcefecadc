"""One return: goods that come back, from the customer's wish until what they are worth is paid."""

from datetime import datetime, timedelta

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import Billing
    from activities.mail.steps import CustomerMail
    from activities.orders.steps import read_policy
    from activities.returns.steps import (
        expire_return,
        finish_settlement,
        read_return_progress,
        write_exchange,
    )
    from models.messages.attention import Attention, return_silent, return_will_not_arrive
    from models.messages.requests import CommandOutcome
    from models.messages.steps import BillStep, OrderStep, RefundStep, ReturnStep, SettlementStep
    from models.orders import digest
    from models.returns import PendingSettlement, ReturnProgress, ReturnState
    from models.tracking import TrackingStatus
    from workflows import search_attributes
    from workflows.facts import show_on_order
    from workflows.start_order import start_order
    from workflows.steps import AttentionBoard, Steps, run_database_step


@workflow.defn
class ReturnWorkflow:
    """Follows a return. People's commands change the tables; it is told to look, does what is left
    to do by partners, and waits as long as the goods may come."""

    @workflow.init
    def __init__(self, step: ReturnStep) -> None:
        self._step = step
        self._order_id: str | None = None
        self._changes = 0
        self._seen_at: datetime | None = None
        """When a person has said that where the goods are is seen to."""
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.run
    async def run(self, step: ReturnStep) -> str:
        """Returns how it ended."""
        nobodys = OrderStep(order_id="")
        self._board.policy = await run_database_step(read_policy, nobodys, "Read the policy")
        told: ReturnState | None = None
        while True:
            changes = self._changes
            known = await self._look()
            for settlement in known.pending:
                await self._settle(settlement)
            if known.pending:
                continue
            if known.state is not told and known.state.is_told:
                told = known.state
                await self._steps.partner(
                    CustomerMail.mail_return, self._step, f"Mail that it is {known.state}"
                )
            if known.is_over and self._changes == changes:
                break
            await self._wait(known, changes)
        await self._board.clear_all()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return known.state.value

    async def _look(self) -> ReturnProgress:
        known = await self._steps.database(read_return_progress, self._step, "Look at the return")
        self._order_id = known.order_id
        workflow.set_current_details(f"Return {known.return_id} of {known.order_id}: {known.state}")
        return known

    async def _wait(self, known: ReturnProgress, changes: int) -> None:
        """Until somebody changed something, or the authorisation runs out, or where the goods are
        wants a person."""
        if known.state is not ReturnState.AUTHORISED:
            await self._watch(known, changes)
            return
        expires = known.expires_at if known.state is ReturnState.AUTHORISED else None
        seconds = None if expires is None else max(1.0, _until(expires))
        changed = await self._steps.until(
            lambda: self._changes != changes, "Until the authorisation expires", seconds
        )
        if not changed:
            await self._steps.database(expire_return, self._step, "Let it expire")

    async def _watch(self, known: ReturnProgress, changes: int) -> None:
        """Goods that won't come by themselves wait for a person, and so do those of which nothing
        is heard for too long."""
        flag, retries = f"Goods of {known.return_id}", self._board.retries
        since = max(filter(None, (known.news_at, self._seen_at)), default=workflow.now())
        silence = timedelta(seconds=self._board.policy.tracking_silence)
        left = _until(since + silence) if known.state is ReturnState.IN_TRANSIT else None
        attention = None
        if stuck := self._stuck(known):
            attention, left = return_will_not_arrive(known.return_id, stuck), None
        elif left is not None and left <= 0:
            attention, left = return_silent(known.return_id, since, known.tracking), None
        if attention is None:
            await self._board.clear_attention(flag)
        else:
            await self._board.raise_attention(flag, attention)
        await self._steps.until(
            lambda: self._changes != changes or self._board.retries != retries,
            "Waiting for a person" if attention else "Until the silence is too long",
            left,
        )
        if self._board.retries != retries:
            self._seen_at = workflow.now()

    def _stuck(self, known: ReturnProgress) -> TrackingStatus | None:
        """Why the goods won't come by themselves, as the carrier says; None also where a person has
        seen to it."""
        if known.state is not ReturnState.IN_TRANSIT or known.tracking is None:
            return None
        if not known.tracking.wants_a_person:
            return None
        seen = self._seen_at and known.news_at and known.news_at <= self._seen_at
        return None if seen else known.tracking

    async def _settle(self, settlement: PendingSettlement) -> None:
        """Give the customer what the goods are worth."""
        if settlement.refund_key is not None:
            refund = RefundStep(refund_key=settlement.refund_key)
            await self._steps.partner(Billing.pay_refund, refund, "Refund the customer")
        if settlement.credit_note is not None:
            bill = BillStep(number=settlement.credit_note)
            await self._steps.partner(CustomerMail.mail_bill, bill, f"Mail {bill.number}")
        if settlement.refund_key is not None:
            refund = RefundStep(refund_key=settlement.refund_key)
            await self._steps.partner(CustomerMail.mail_refund, refund, "Mail about the refund")
        done = SettlementStep(settlement_id=settlement.settlement_id)
        if settlement.exchange_order_id is not None:
            await self._exchange(done)
        await self._steps.database(finish_settlement, done, "Note that it is settled")

    async def _exchange(self, settlement: SettlementStep) -> None:
        """Start the order that replaces the goods; again, it runs already or is over."""
        document = await self._steps.database(
            write_exchange, settlement, "Write the order that replaces it"
        )
        memo = {
            "digest": digest(document.model_dump(mode="json")),
            "placed_at": workflow.now(),
            "total_minor": 0,
        }
        details = f"Replaces goods of return {self._step.return_id}."
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        await start_order(document, memo, details, reuse)

    @workflow.signal
    def return_changed(self, change: JsonValue = None, *_more: JsonValue) -> None:
        """Somebody has commanded something; anything may be sent along."""
        self._changes += 1

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again what waits for a person; anything may be sent along."""
        return self._board.retry()

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        await show_on_order(self._order_id, attention)


def _until(moment: datetime) -> float:
    return (moment - workflow.now()).total_seconds()
