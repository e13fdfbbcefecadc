"""The context of one order: what its phases, background tasks and handlers share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.database.step import Step
    from activities.operations.commands import execute_command
    from activities.orders.steps import read_order_progress, set_attention
    from models.messages.attention import Attention, SetAttention
    from models.messages.commands.orders import Acknowledge
    from models.messages.commands.registry import CommandStep
    from models.messages.requests import CommandOutcome
    from models.messages.steps import Advanced, CallOutcome, OrderStatus, OrderStep
    from models.progress import Problem, Progress, Stage, stage
    from models.situation import Situation
    from models.views.why import Explanation
    from models.why import explain
    from workflows import search_attributes
    from workflows.attention import AttentionBoard
    from workflows.notifying import notify
    from workflows.refunds import RefundSteps
    from workflows.status_text import current_details
    from workflows.steps import DatabaseStep, PartnerStep, Steps, Stopped, run_database_step

In = TypeVar("In")


class OrderContext:
    """The progress, the attentions and the background tasks of one order.

    `step` is the argument of steps that need to know only the order. Of the runners, `steps` stops
    when the order is being cancelled, `while_unpaid` also when it is paid in full, and
    `regardless` never. They wait while the order is paused, but `unpaused`, which applies facts and
    notifies others, never does.
    """

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.step = OrderStep(order_id=order_id)
        self.board = AttentionBoard(self._show_attention)
        self.cancelling = False
        self.steps = Steps(self.board, lambda: self.cancelling, self.is_paused)
        self.while_unpaid = Steps(
            self.board, lambda: self.cancelling or self.progress.paid_in_full, self.is_paused
        )
        self.regardless = Steps(self.board, lambda: False, self.is_paused)
        self.unpaused = Steps(self.board, lambda: False)
        self.refunds = RefundSteps(self.regardless)
        self._progress: Progress | None = None
        self._since = workflow.now()
        """When the order reached its stage."""
        self._outcomes: dict[str, CallOutcome] = {}
        self._background_tasks: list[asyncio.Task[None]] = []

    def is_paused(self) -> bool:
        """Return whether an operator has paused the order; not while it is being cancelled."""
        return self._progress is not None and self._progress.is_paused and not self.cancelling

    @property
    def is_recorded(self) -> bool:
        """Whether the order is in the tables."""
        return self._progress is not None

    @property
    def progress(self) -> Progress:
        """The latest progress of a recorded order."""
        assert self._progress is not None, "the order is not recorded yet"
        return self._progress

    @property
    def stage(self) -> Stage:
        """The stage of the order; `received` before it is recorded."""
        return stage(self._progress) if self._progress else Stage.RECEIVED

    @property
    def status(self) -> OrderStatus:
        """The answer to the query `status`."""
        return OrderStatus(
            order_id=self.order_id,
            stage=self.stage,
            attention=self.board.attention,
            attentions=self.board.attentions,
            progress=self._progress,
        )

    @property
    def explanation(self) -> Explanation:
        """The answer to the query `explain`: what the order waits for."""
        return explain(
            Situation(
                order_id=self.order_id,
                progress=self._progress,
                since=self._since,
                policy=self.board.policy,
                attentions=self.board.attentions,
            )
        )

    def take(self, advanced: Advanced) -> None:
        """Keep the outcome of a phase: the progress, the calls made, and whom to notify."""
        self._outcomes |= {outcome.step: outcome for outcome in advanced.calls}
        self.update(advanced.progress)
        if advanced.notification:
            self.start_in_background(notify(self.unpaused, advanced.notification))

    def outcome_of(self, call: str) -> CallOutcome:
        """Return the outcome of a call that a phase has made, once; it is open otherwise.

        `call`: the partner step, with what it is about, as phases name it.
        """
        return self._outcomes.pop(call, None) or CallOutcome(step=call)

    def update(self, progress: Progress) -> None:
        """Update the progress, unless a later version is known, and show its stage."""
        before, was_paused = self.stage, self.is_paused()
        if self._progress is None or progress.version >= self._progress.version:
            self._progress = progress
        if self.stage is not before:
            self._since = workflow.now()
            workflow.upsert_search_attributes(
                [search_attributes.ORDER_STAGE.value_set(self.stage.value)]
            )
        if self.is_paused() is not was_paused:
            self._show_search_attributes()
        self.show_details()

    def changes(self) -> Callable[[], bool]:
        """Return the condition that the order has changed since now."""
        version = self.progress.version
        return lambda: self.progress.version != version

    async def run_step(self, step: Step[OrderStep, Progress], summary: str) -> None:
        """Run a database step of the order, and update its progress."""
        self.update(await self.steps.run_database_step(step, self.step, summary))

    async def run_phase(self, phase: DatabaseStep[OrderStep, Advanced], summary: str) -> None:
        """Run a phase of the order, even while it is cancelled or paused, and keep its outcome."""
        self.take(await self.unpaused.run_database_step(phase, self.step, summary))

    def show_details(self) -> None:
        """Show the order in words in the Temporal UI."""
        workflow.set_current_details(current_details(self.explanation, self._progress))

    def retry(self) -> CommandOutcome:
        """Try again every step that waits for an operator; else purchase shortages again."""
        if self.is_paused():
            message = f"the order is paused: `resume {self.order_id}` lets it go on"
            return CommandOutcome(accepted=False, message=message)
        if self.board.attention is None and self.is_recorded and self.progress.backordered:
            self.board.retries += 1
            return CommandOutcome(accepted=True, message="requesting the purchase again")
        return self.board.retry()

    def start_in_background(self, work: Coroutine[None, None, object]) -> None:
        """Start a background task, for which the order waits at its end. Stopped ends it early."""
        self._background_tasks.append(asyncio.create_task(_until_stopped(work)))

    def start_mail(
        self,
        mail: PartnerStep[In, None],
        step: In,
        summary: str,
        outcome: CallOutcome | None = None,
    ) -> None:
        """Mail the customer in the background, even while the order is being cancelled.

        `outcome`: that of a phase which has tried to send the mail.
        """
        if outcome is not None and outcome.is_done:
            return
        refusal = outcome.refusal if outcome is not None else None
        self.start_in_background(self.regardless.call_partner(mail, step, summary, refusal))

    def background_is_done(self) -> bool:
        """Return whether every background task has ended."""
        return all(task.done() for task in self._background_tasks)

    def raise_background_errors(self) -> None:
        """Raise the error of a failed background task, once all have ended."""
        for task in self._background_tasks:
            task.result()

    async def show_problem(
        self, key: str, problem: Problem, current: Callable[[], Problem | None]
    ) -> None:
        """Show a problem until it is no longer `current`, or a retry acknowledges it. The caller
        closes the attention."""
        retries = self.board.retries
        attention = Attention(code=problem.code, message=problem.message)
        await self.board.raise_attention(key, attention)
        await self.steps.wait_until(lambda: self.board.retries != retries or current() != problem)
        if current() == problem:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Record an operator's retry as acknowledgement of the order's problems."""
        command = Acknowledge(
            command_id=f"seen-{workflow.uuid4()}", reason="retried", order_id=self.order_id
        )
        step = CommandStep(command=command)
        await self.steps.run_database_step(execute_command, step, "Acknowledge the problem")
        await self.run_step(read_order_progress, "Read the progress")

    def _show_search_attributes(self) -> None:
        """Show the attention in the list of the Temporal UI: a pause first."""
        attention = self.board.attention
        if self.is_paused() and self.progress.pause is not None:
            problem = self.progress.pause.describe(self.order_id)
            attention = Attention(code=problem.code, message=problem.message)
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))

    async def _show_attention(self, attention: Attention | None) -> None:
        self._show_search_attributes()
        self.show_details()
        await run_database_step(
            set_attention,
            SetAttention(order_id=self.order_id, attention=attention),
            "Show attention" if attention else "Clear attention",
        )


async def _until_stopped(work: Coroutine[None, None, object]) -> None:
    try:
        await work
    except Stopped:
        return
