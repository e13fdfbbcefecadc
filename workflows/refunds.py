"""Refunds: their payment, as a workflow runs it, and what ends the wait for an operator."""

import asyncio
from collections.abc import Sequence
from functools import partial

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.payment_calls import PaymentCalls
    from activities.mail.steps import CustomerMail
    from models.messages.steps import OrderStep, RefundStep
    from workflows.steps import In, PartnerStep, RefusedStep, Steps


class RefundSteps:
    """The steps that pay refunds. A refused one waits until an operator retries, or has recorded or
    withdrawn a refund."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._changed: list[JsonValue] = []

    def look_again(self, refund_key: JsonValue) -> None:
        """Run the steps again that wait for this refund, or for those of the order."""
        self._changed.append(refund_key)

    async def pay_all(self, refund_keys: Sequence[str]) -> None:
        """Pay refunds and mail about each; none waits for another."""
        await asyncio.gather(*(self._pay_and_mail(refund_key) for refund_key in refund_keys))

    async def pay_cancelled(self, order: OrderStep) -> None:
        """Pay the refunds of a cancelled order."""
        await self._call(PaymentCalls.refund_payment, order, "Refund the customer", None)

    async def _pay_and_mail(self, refund_key: str) -> None:
        refund = RefundStep(refund_key=refund_key)
        summary = f"Refund the customer ({refund_key})"
        await self._call(PaymentCalls.pay_refund, refund, summary, refund_key)
        summary = f"Mail the refund ({refund_key})"
        await self._steps.call_partner(CustomerMail.mail_refund, refund, summary)

    async def _call(
        self, step: PartnerStep[In, object], argument: In, summary: str, refund_key: str | None
    ) -> None:
        """Call until it is done. `refund_key`: the refund that the step pays; None: several."""
        while True:
            seen = len(self._changed)
            try:
                await self._steps.call_partner_or_raise(step, argument, summary)
            except RefusedStep as refusal:
                await self._steps.wait_for_operator(
                    summary, refusal.attention, partial(self._has_changed, refund_key, seen)
                )
            else:
                return

    def _has_changed(self, refund_key: str | None, seen: int) -> bool:
        return any(refund_key in (None, changed) for changed in self._changed[seen:])
