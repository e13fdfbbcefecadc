"""An order's money beside its way: cards that are charged later, reminders of what is overdue, and
what a person has to see to."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.dunning import review_dunning
    from activities.billing.steps import Billing, lapse_authorisation
    from activities.mail.steps import CustomerMail
    from models.billing import AUTHORISATION_LAPSED
    from models.messages.attention import Attention
    from models.messages.steps import OrderStep, ReminderStep
    from models.progress import Problem, Progress
    from workflows.order_goods import acknowledge
    from workflows.steps import AttentionBoard, RefusedStep, Steps, Stopped

IN_DOUBT = "charge-in-doubt"
"""Orders whose authorisation was looked at once a second are older than this patch."""
LOOK_AGAIN = timedelta(hours=1)
"""How long after its end an authorisation that is being charged is looked at again."""
MONEY = "money"
"""What waits for a person because of money that came, or went."""
REMIND_AGAIN = "remind-again"
"""Orders that were paid, and weren't any more, without being reminded again replay as they went."""
SEEN_TO = "money-seen-to"
"""Orders that a person retried before that was kept replay without it."""


class OrderMoney:
    """Works for `OrderWorkflow`, which hands it its board, what is known of the order and how more
    is learned, how work is started beside its way, and how it waits for a payment."""

    def __init__(
        self,
        step: OrderStep,
        board: AttentionBoard,
        known: Callable[[], Progress],
        see: Callable[[Progress], None],
        beside: Callable[[Coroutine[None, None, None]], None],
        collect: Callable[[], Awaitable[None]],
        is_cancelling: Callable[[], bool],
    ) -> None:
        self._step = step
        self._board = board
        self._known = known
        self._see = see
        self._background_tasks = beside
        self._collect = collect
        self._steps = Steps(board, is_cancelling)
        self._while_unpaid = Steps(board, lambda: is_cancelling() or known().paid_in_full)
        self._regardless = Steps(board, lambda: False)
        self._seen_to: Problem | None = None
        self._reminded_in_full = False
        """Reminding has ended because it was paid."""

    async def capture(self) -> None:
        """Charge the card, which brings the invoice. One that stands for it no longer is asked
        again; any other refusal waits for a person, or for the authorisation to lapse."""
        summary = "Charge the card"
        while not self._known().paid_in_full:
            if not self._known().secured:
                await self._collect()
            try:
                capture = self._steps.ask(Billing.capture_payment, self._step, summary)
                self._see(await capture)
            except RefusedStep as refusal:
                if refusal.attention.code == AUTHORISATION_LAPSED:
                    await self._lapse()
                else:
                    await self._attend_while_held(summary, refusal.attention)
        if self._is_held():  # it was paid in another way
            await self._steps.partner(
                Billing.void_payment_request, self._step, "Release the authorisation"
            )

    async def _attend_while_held(self, step: str, attention: Attention) -> None:
        retries = self._board.retries
        await self._board.raise_attention(step, attention)
        await self._steps.until(
            lambda: (
                self._board.retries != retries or self._known().paid_in_full or not self._is_held()
            ),
            "Waiting for a person",
        )
        await self._board.clear_attention(step)

    async def watch_authorisation(self) -> None:
        """A card's authorisation lapses by itself: then the order doesn't count on it any more."""
        while True:
            await self._while_unpaid.until(self._is_held, "Waiting for an authorisation")
            until = self._known().authorised_until
            assert until is not None
            if not await self._lasts_no_longer(until, until):
                await self._lapse()
            charging = self._known().authorised_until == until  # and it may have been charged
            if charging and workflow.patched(IN_DOUBT):
                await self._lasts_no_longer(until, workflow.now() + LOOK_AGAIN)

    async def _lasts_no_longer(self, until: datetime, look_at: datetime) -> bool:
        """Wait to look at an authorisation: True where it went before, or another came."""
        return await self._while_unpaid.until(
            lambda: self._known().authorised_until != until,
            "Until the authorisation lapses",
            max(1.0, (look_at - workflow.now()).total_seconds()),
        )

    async def _lapse(self) -> None:
        summary = "Look whether the authorisation has lapsed"
        self._see(await self._steps.database(lapse_authorisation, self._step, summary))

    def _is_held(self) -> bool:
        return self._known().authorised_until is not None

    def look(self) -> None:
        """Money that a person has to see to is shown once; a retry says that it is seen."""
        problem = self._known().money_problem
        if problem is not None and problem != self._seen_to:
            self._background_tasks(self._show(problem))
        self._seen_to = problem
        if self._reminded_in_full and not self._known().paid_in_full:
            self._reminded_in_full = False
            if workflow.patched(REMIND_AGAIN):
                self._background_tasks(self.remind())

    async def _show(self, problem: Problem) -> None:
        try:
            await self._see_to_money(problem)
        except Stopped:
            self._seen_to = None  # an order that goes on after all shows it again
            raise

    async def _see_to_money(self, problem: Problem) -> None:
        retries = self._board.retries
        attention = Attention(code=problem.code, message=problem.message)
        await self._board.raise_attention(MONEY, attention)
        await self._steps.until(
            lambda: self._board.retries != retries or self._known().money_problem != problem,
            "Waiting for a person",
        )
        if self._known().money_problem == problem and workflow.patched(SEEN_TO):
            self._see(await acknowledge(self._steps, self._step))
        if self._known().money_problem in (problem, None):
            await self._board.clear_attention(MONEY)

    async def remind(self) -> None:
        """Remind of what is overdue, for as long as it isn't paid; where a payment is taken back,
        once more."""
        try:
            await self._remind()
        finally:
            self._reminded_in_full = self._known().paid_in_full

    async def _remind(self) -> None:
        while True:
            review = await self._while_unpaid.database(
                review_dunning, self._step, "Look whether it is overdue"
            )
            self._see(review.progress)
            if review.remind is not None:
                step = ReminderStep(order_id=self._step.order_id, level=review.remind)
                self._background_tasks(self._mail_reminder(step))
            elif review.look_in is None:
                return
            else:
                await self._while_unpaid.until(lambda: False, "Until a reminder", review.look_in)

    async def _mail_reminder(self, step: ReminderStep) -> None:
        summary = f"Mail reminder {step.level}"
        await self._regardless.partner(CustomerMail.mail_reminder, step, summary)
