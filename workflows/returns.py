"""The workflow of one return: from its authorisation to its settlement."""

from datetime import datetime, timedelta

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.mail.steps import CustomerMail
    from activities.returns.steps import (
        expire_return,
        finish_settlement,
        read_return_progress,
        write_exchange,
    )
    from models.messages.attention import Attention, return_exception, return_silent
    from models.messages.steps import BillStep, ReturnStep, SettlementStep
    from models.orders import digest
    from models.returns import PendingSettlement, ReturnProgress, ReturnState
    from models.tracking import TrackingStatus
    from workflows.auxiliary import AuxiliaryWorkflow
    from workflows.start_order import start_order


@workflow.defn
class ReturnWorkflow(AuxiliaryWorkflow):
    """The life of a return. Commands and carriers change the tables and signal the workflow, which
    makes the partner calls that are due and waits for the goods."""

    @workflow.init
    def __init__(self, step: ReturnStep) -> None:
        super().__init__()
        self._step = step
        self._changes = 0
        self._acknowledged_at: datetime | None = None
        """When an operator last acknowledged where the goods are."""

    @workflow.run
    async def run(self, step: ReturnStep) -> str:
        """Follow the return to its end. Return its last state."""
        await self._read_policy()
        mailed: ReturnState | None = None
        while True:
            changes = self._changes
            progress = await self._read_progress()
            for settlement in progress.pending:
                await self._settle(settlement)
            if progress.pending:
                continue
            if progress.state is not mailed and progress.state.is_mailed:
                mailed = progress.state
                await self._steps.call_partner(
                    CustomerMail.mail_return, self._step, f"Mail that the return is {mailed}"
                )
            if progress.is_over and self._changes == changes:
                break
            if progress.state is ReturnState.AUTHORISED:
                await self._wait_for_dispatch(progress.expires_at, changes)
            else:
                await self._watch_silence(progress, changes)
        await self._board.clear_all()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return progress.state.value

    async def _read_progress(self) -> ReturnProgress:
        progress = await self._steps.run_database_step(
            read_return_progress, self._step, "Read the progress"
        )
        self._order_id = progress.order_id
        workflow.set_current_details(
            f"Return {progress.return_id} of {progress.order_id}: {progress.state}"
        )
        return progress

    async def _wait_for_dispatch(self, expires_at: datetime | None, changes: int) -> None:
        """Wait for a change of the return, or let its authorisation expire."""
        seconds = None if expires_at is None else max(1.0, _seconds_until(expires_at))
        is_changed = await self._steps.wait_until(
            lambda: self._changes != changes, seconds, "Until the authorisation expires"
        )
        if not is_changed:
            await self._steps.run_database_step(expire_return, self._step, "Expire the return")

    async def _watch_silence(self, progress: ReturnProgress, changes: int) -> None:
        """Wait for a change of the return. Goods that are stuck or silent wait for an operator."""
        key, retries = f"Goods of {progress.return_id}", self._board.retries
        since = max(filter(None, (progress.news_at, self._acknowledged_at)), default=workflow.now())
        silence = timedelta(seconds=self._board.policy.tracking_silence)
        in_transit = progress.state is ReturnState.IN_TRANSIT
        left = _seconds_until(since + silence) if in_transit else None
        attention: Attention | None = None
        if stuck := self._stuck(progress):
            attention, left = return_exception(progress.return_id, stuck), None
        elif left is not None and left <= 0:
            attention, left = return_silent(progress.return_id, since, progress.tracking), None
        if attention is None:
            await self._board.clear_attention(key)
        else:
            await self._board.raise_attention(key, attention)
        await self._steps.wait_until(
            lambda: self._changes != changes or self._board.retries != retries,
            left,
            "Until the carrier is silent for too long",
        )
        if self._board.retries != retries:
            self._acknowledged_at = workflow.now()

    def _stuck(self, progress: ReturnProgress) -> TrackingStatus | None:
        """Return the tracking status of goods that won't arrive by themselves, unless an operator
        acknowledged it."""
        tracking = progress.tracking
        if progress.state is not ReturnState.IN_TRANSIT or tracking is None:
            return None
        if not tracking.needs_operator:
            return None
        is_acknowledged = (
            self._acknowledged_at and progress.news_at and progress.news_at <= self._acknowledged_at
        )
        return None if is_acknowledged else tracking

    async def _settle(self, settlement: PendingSettlement) -> None:
        """Mail the credit notes, refund the customer, and start the order of an exchange."""
        for number in settlement.credit_notes:
            bill = BillStep(number=number)
            await self._steps.call_partner(CustomerMail.mail_bill, bill, f"Mail {bill.number}")
        await self._refunds.pay_all(settlement.refund_keys)
        step = SettlementStep(settlement_id=settlement.settlement_id)
        if settlement.exchange_order_id is not None:
            await self._start_exchange(step)
        await self._steps.run_database_step(finish_settlement, step, "Finish the settlement")

    async def _start_exchange(self, settlement: SettlementStep) -> None:
        """Start the order that replaces the goods, once."""
        document = await self._steps.run_database_step(
            write_exchange, settlement, "Write the exchange order"
        )
        memo = {
            "digest": digest(document.model_dump(mode="json")),
            "placed_at": workflow.now(),
        }
        details = f"Exchange for goods of return {self._step.return_id}."
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        await start_order(document, memo, details, reuse)

    @workflow.signal
    def return_changed(self, change: JsonValue = None, *_more: JsonValue) -> None:
        """Read the return again, as its tables changed. Accepts any arguments."""
        self._changes += 1


def _seconds_until(moment: datetime) -> float:
    return (moment - workflow.now()).total_seconds()
