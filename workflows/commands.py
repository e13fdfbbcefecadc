"""Commands: one of a person's, done once, told to whom it concerns, and what follows it."""

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import Billing
    from activities.mail.steps import CustomerMail
    from activities.operations.commands import execute_command
    from activities.orders.steps import read_policy
    from activities.shipping.steps import Shipping
    from models.messages.attention import Attention
    from models.messages.commands import CommandResult, CommandStep, EndCallBack, FollowUp
    from models.messages.requests import CommandOutcome
    from models.messages.steps import OrderStep, RefundStep, ShipmentStep
    from workflows import search_attributes
    from workflows.compensation import GoodsGone, call_back
    from workflows.facts import notify, show_on_order
    from workflows.steps import AttentionBoard, Steps, Stopped, run_database_step


@workflow.defn
class CommandWorkflow:
    """Does one command. Who gave it waits for what came of it."""

    @workflow.run
    async def run(self, step: CommandStep) -> CommandResult:
        """A refused command has changed nothing, and concerns nobody else."""
        return await execute(Steps(AttentionBoard(_show_nothing), lambda: False), step)


async def execute(steps: Steps, step: CommandStep) -> CommandResult:
    """Do a command, tell whom it concerns, and start what follows it."""
    summary = f"Do the {step.command.kind.replace('_', ' ')}"
    done = await run_database_step(execute_command, step, summary)
    await notify(steps, done.notification)
    if done.follow_up is not None:
        await _follow_up(done, done.follow_up)
    return done


async def _follow_up(done: CommandResult, follow_up: FollowUp) -> None:
    """Once: the same command again has nothing more to follow."""
    kind = done.command.kind.replace("_", " ")
    try:
        await workflow.start_child_workflow(
            FollowUpWorkflow.run,
            follow_up,
            id=follow_up.workflow_id(done.command.command_id),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"After a {kind}",
            static_details=done.message,
        )
    except WorkflowAlreadyStartedError:
        return


@workflow.defn
class FollowUpWorkflow:
    """What partners do after a command: money is given back, mail is sent. It may take its time."""

    @workflow.init
    def __init__(self, given: FollowUp) -> None:
        self._order_id = given.order_id
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, lambda: False)
        self._goods_left = False
        self._until_they_leave = Steps(self._board, lambda: self._goods_left)

    @workflow.run
    async def run(self, given: FollowUp) -> None:
        """One after the other: a refund is told when it was given."""
        order = OrderStep(order_id=given.order_id or "")
        self._board.policy = await run_database_step(read_policy, order, "Read the policy")
        if given.call_back is not None:
            await self._call_back(order, given.call_back)
        if given.bill is not None:
            summary = f"Mail {given.bill.number}"
            await self._steps.partner(CustomerMail.mail_bill, given.bill, summary)
        if given.refund_key is not None:
            refund = RefundStep(refund_key=given.refund_key)
            await self._steps.partner(Billing.pay_refund, refund, "Refund the customer")
            await self._steps.partner(CustomerMail.mail_refund, refund, "Mail about the refund")
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _call_back(self, order: OrderStep, end: EndCallBack) -> None:
        """A carrier is asked not to fetch a shipment, and what it says is acted on."""
        step = ShipmentStep(order_id=order.order_id, shipment_id=end.shipment_id)
        try:
            await call_back(self._until_they_leave, Shipping.call_back, step)
        except (GoodsGone, Stopped):
            await self._board.clear_all()
            end = end.model_copy(update={"agreed": False})
        await execute(self._steps, CommandStep(command=end))

    @workflow.signal
    def goods_left(self, _news: JsonValue = None, *_more: JsonValue) -> None:
        """A shipment that is being called back has left; anything may be sent along."""
        self._goods_left = True

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again what waits for a person; anything may be sent along."""
        return self._board.retry()

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        await show_on_order(self._order_id, attention)


async def _show_nothing(_attention: object) -> None:
    """There is no order to show attention on: the workflow's activities are what one sees."""
