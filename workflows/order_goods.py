"""An order's goods beside its way: what happened to them that a person has to see to."""

from collections.abc import Callable, Coroutine

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.commands import execute_command
    from activities.orders.steps import read_order_progress
    from models.messages.attention import Attention
    from models.messages.commands import Acknowledge, CommandStep
    from models.messages.steps import OrderStep
    from models.progress import Problem, Progress
    from workflows.steps import AttentionBoard, Steps

GOODS = "goods"
"""What waits for a person because of where goods are."""


class OrderGoods:
    """Works for `OrderWorkflow`, as `OrderMoney` does."""

    def __init__(
        self,
        step: OrderStep,
        board: AttentionBoard,
        known: Callable[[], Progress],
        see: Callable[[Progress], None],
        beside: Callable[[Coroutine[None, None, None]], None],
        is_cancelling: Callable[[], bool],
    ) -> None:
        self._step = step
        self._board = board
        self._known = known
        self._see = see
        self._background_tasks = beside
        self._is_cancelling = is_cancelling
        self._steps = Steps(board, is_cancelling)
        self._shows = False

    def look(self) -> None:
        """What happened to goods is shown until it is mended, or a person has seen to it. Of an
        order that is cancelled its row shows it."""
        if self._known().goods_problem and not self._shows and not self._is_cancelling():
            self._background_tasks(self._show())

    async def _show(self) -> None:
        self._shows = True
        try:
            while problem := self._known().goods_problem:
                await self._show_one(problem)
        finally:
            self._shows = False
        await self._board.clear_attention(GOODS)

    async def _show_one(self, problem: Problem) -> None:
        retries = self._board.retries
        attention = Attention(code=problem.code, message=problem.message)
        await self._board.raise_attention(GOODS, attention)
        await self._steps.until(
            lambda: self._board.retries != retries or self._known().goods_problem != problem,
            "Waiting for a person",
        )
        if self._known().goods_problem == problem:
            self._see(await acknowledge(self._steps, self._step))


async def acknowledge(steps: Steps, order: OrderStep) -> Progress:
    """A person has said in the Temporal UI that it is seen to: kept as if it were commanded. Where
    that was done at a door, it is done already."""
    command = Acknowledge(
        command_id=f"seen-{workflow.uuid4()}", reason="retried", order_id=order.order_id
    )
    step = CommandStep(command=command)
    await steps.database(execute_command, step, "Note that it is seen to")
    return await steps.database(read_order_progress, order, "Look what is left to see to")
