"""Workflows that act on an order and aren't the order's own."""

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.orders.steps import read_policy, set_attention
    from models.messages.attention import Attention, SetAttention
    from models.messages.requests import CommandOutcome
    from models.messages.steps import OrderStep
    from workflows import search_attributes
    from workflows.attention import AttentionBoard
    from workflows.refunds import RefundSteps
    from workflows.retries import read_request, record_retry
    from workflows.steps import Steps, run_database_step


class AuxiliaryWorkflow:
    """A workflow that shows its attention also on the order that it acts on, if there is one."""

    def __init__(self, order_id: str | None = None) -> None:
        self._order_id = order_id
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)
        self._refunds = RefundSteps(self._steps)

    @workflow.update
    async def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again the steps that wait for an operator. Accepts any arguments."""
        outcome = self._board.retry()
        if self._order_id is not None:
            await record_retry(self._order_id, read_request(request), outcome)
        return outcome

    @workflow.signal
    def refund_changed(self, refund_key: JsonValue = None, *_more: JsonValue) -> None:
        """Look again at a refund that waits for an operator. Accepts any arguments."""
        self._refunds.look_again(refund_key)

    async def _read_policy(self) -> None:
        order = OrderStep(order_id=self._order_id or "")
        self._board.policy = await run_database_step(read_policy, order, "Read the policy")

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        if self._order_id is None:
            return
        workflow_id = workflow.info().workflow_id
        if attention:
            message = f"{attention.message} (workflow {workflow_id})"
            attention = attention.model_copy(update={"message": message})
        await run_database_step(
            set_attention,
            SetAttention(order_id=self._order_id, attention=attention, source=workflow_id),
            "Show attention" if attention else "Clear attention",
        )
