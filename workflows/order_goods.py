"""The goods of one order: shortages, promised dates, and problems that an operator acknowledges."""

import asyncio
from collections.abc import Callable
from datetime import date

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mail.steps import CustomerMail
    from activities.operations.notifying import Notifier
    from activities.orders.promises import accept_delay, review_promise
    from activities.orders.steps import read_order_progress
    from models.audit import PIPELINE
    from models.messages.attention import NO_SUPPLY, Attention
    from models.messages.commands.orders import CancelRest
    from models.messages.commands.registry import CommandStep
    from models.messages.requests import AcceptRequest, CancelRequest, CommandOutcome
    from models.messages.steps import AcceptStep, LetterStep, PromiseReview, ReportStep
    from models.progress import Progress
    from models.promises import Letter
    from workflows.commands import execute
    from workflows.compensation import start_cancellation
    from workflows.order_context import OrderContext
    from workflows.steps import Stopped, run_database_step

GOODS = "goods"
SUPPLY = "supply"
"""Keys on the attention board."""
NOT_ACCEPTED = "the delay was not accepted in time"


class OrderGoods:
    """The supply of an order's shortages, and the problems of its goods."""

    def __init__(self, order: OrderContext) -> None:
        self._order = order
        self.is_supplying = False
        """Whether shortages are supplied in the background."""
        self._is_showing = False
        self._letters = 0
        self._mailing = asyncio.Lock()

    async def wait_for_stock(self) -> None:
        """Supply shortages, and wait for all units; with partial delivery, only for the first.

        An operator may split the order meanwhile: then the rest is supplied in the background.
        """
        if not self._order.progress.in_parts:
            await self._supply(lambda: self._order.progress.lacks_stock)
        if self._order.progress.in_parts:
            self.start_supply()
            await self._order.steps.wait_until(lambda: not self._order.progress.lacks_stock)

    def start_supply(self) -> None:
        """Supply shortages in the background, while other units are dispatched."""
        if self._order.progress.backordered and not self.is_supplying:
            self._order.start_in_background(self._supply_in_background())

    async def _supply_in_background(self) -> None:
        self.is_supplying = True
        try:
            await self._supply(lambda: self._order.progress.backordered > 0)
        finally:
            self.is_supplying = False

    async def _supply(self, goes_on: Callable[[], bool]) -> None:
        """Report shortages and keep the customer informed while it `goes_on`."""
        order = self._order
        reported_at: int | None = None
        while goes_on():
            review = await self._review_promise()
            is_changed = self._change_since(review.progress, goes_on)
            await self._show_supply_problem(review.progress.supply_problem)
            if reported_at != order.board.retries:
                report = ReportStep(order_id=order.order_id, again=reported_at is not None)
                reported_at = order.board.retries
                await order.steps.call_partner(
                    Notifier.report_shortages, report, "Report shortages"
                )
            await order.steps.wait_until(
                is_changed, review.review_in_s, "Until the promised date is reviewed"
            )
        if not order.progress.backordered:
            await self._show_supply_problem(None)

    def _change_since(self, reviewed: Progress, goes_on: Callable[[], bool]) -> Callable[[], bool]:
        """Return the condition that the supply has changed, or that an operator retries."""
        order, retries = self._order, self._order.board.retries
        return lambda: (
            order.board.retries != retries
            or order.progress.supply_problem != reviewed.supply_problem
            or order.progress.expected_date != reviewed.expected_date
            or order.progress.consent_by != reviewed.consent_by
            or not goes_on()
        )

    async def _show_supply_problem(self, problem: str | None) -> None:
        if problem:
            attention = Attention(code=NO_SUPPLY, message=problem)
            await self._order.board.raise_attention(SUPPLY, attention)
        else:
            await self._order.board.clear_attention(SUPPLY)

    async def _review_promise(self) -> PromiseReview:
        """Mail the customer a new date. Cancel units whose delay was not accepted in time."""
        order = self._order
        review = await order.steps.run_database_step(
            review_promise, order.step, "Review the promised date"
        )
        order.update(review.progress)
        if review.letter and review.letter.number > self._letters:
            self._letters = review.letter.number
            order.start_in_background(self._mail_letter(review.letter))
        if review.lapsed and order.progress.goods_left:
            await self._cancel_rest(order.progress.consent_by)
        elif review.lapsed:
            request = CancelRequest(reason=NOT_ACCEPTED, actor="deadline", source=PIPELINE)
            outcome = await start_cancellation(order, request, unless_accepted=True)
            if outcome.accepted:
                raise Stopped
        return review

    async def _cancel_rest(self, consent_by: date | None) -> None:
        """Cancel the backordered units of an order of which others have left."""
        command = CancelRest(
            command_id=f"late-{self._order.order_id[:40]}-{consent_by}",
            order_id=self._order.order_id,
            reason=NOT_ACCEPTED,
            actor="deadline",
        )
        await execute(self._order.steps, CommandStep(command=command))
        await self._order.run_step(read_order_progress, "Read the progress")

    async def _mail_letter(self, letter: Letter) -> None:
        """Mail letters one after the other, so that the latest date arrives last."""
        async with self._mailing:
            step = LetterStep(order_id=self._order.order_id, letter=letter)
            await self._order.steps.call_partner(
                CustomerMail.mail_letter, step, "Mail the expected date"
            )

    async def accept_delay(self, request: AcceptRequest) -> CommandOutcome:
        """Record the customer's consent to a delay, or refuse."""
        order = self._order
        await workflow.wait_condition(lambda: order.is_recorded)
        step = AcceptStep(order_id=order.order_id, request=request)
        answer = await run_database_step(accept_delay, step, "Accept the delay")
        order.update(answer.progress)
        return CommandOutcome(accepted=answer.accepted, message=answer.message)

    def react_to_progress(self) -> None:
        """Show a problem of the goods in the background, unless the order is being cancelled."""
        if (
            self._order.progress.goods_problem
            and not self._is_showing
            and not self._order.cancelling
        ):
            self._order.start_in_background(self._show_problems())

    async def _show_problems(self) -> None:
        order, self._is_showing = self._order, True
        try:
            while problem := order.progress.goods_problem:
                await order.show_problem(GOODS, problem, lambda: order.progress.goods_problem)
        finally:
            self._is_showing = False
        await order.board.clear_attention(GOODS)
