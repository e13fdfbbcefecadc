"""Commands of operators: their execution, the notifications, and the follow-up."""

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.billing.payment_calls import PaymentCalls
    from activities.mail.steps import CustomerMail
    from activities.operations.commands import execute_command
    from activities.purchasing.steps import Purchasing
    from activities.shipping.carrier_calls import CarrierCalls
    from models.messages.commands.registry import CommandStep
    from models.messages.commands.results import CommandResult, FollowUp
    from models.messages.commands.shipping import EndRecall
    from models.messages.steps import OrderStep, PurchaseStep, ShipmentStep
    from workflows.attention import AttentionBoard
    from workflows.auxiliary import AuxiliaryWorkflow
    from workflows.compensation import PickedUp, cancel_booking
    from workflows.notifying import notify
    from workflows.steps import Steps, Stopped, run_database_step


@workflow.defn
class CommandWorkflow:
    """The execution of one command. Its sender waits for the result."""

    @workflow.run
    async def run(self, step: CommandStep) -> CommandResult:
        """Execute the command. A refused command changes nothing and notifies no workflow."""
        return await execute(Steps(AttentionBoard(_show_nothing), stops=lambda: False), step)


async def execute(steps: Steps, step: CommandStep) -> CommandResult:
    """Execute a command, notify the workflows concerned, and start the follow-up."""
    summary = f"Execute the command {step.command.kind.replace('_', ' ')}"
    result = await run_database_step(execute_command, step, summary)
    await notify(steps, result.notification)
    if result.follow_up is not None:
        await _start_follow_up(result, result.follow_up)
    return result


async def _start_follow_up(result: CommandResult, follow_up: FollowUp) -> None:
    """Start the follow-up of a command, unless it runs or has completed."""
    kind = result.command.kind.replace("_", " ")
    try:
        await workflow.start_child_workflow(
            FollowUpWorkflow.run,
            follow_up,
            id=follow_up.workflow_id(result.command.command_id),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"Follow-up of the command {kind}",
            static_details=result.message,
        )
    except WorkflowAlreadyStartedError:
        return


@workflow.defn
class FollowUpWorkflow(AuxiliaryWorkflow):
    """The partner calls that follow a command: a recall, a refund, mails."""

    @workflow.init
    def __init__(self, follow_up: FollowUp) -> None:
        super().__init__(follow_up.order_id)
        self._goods_left = False
        self._until_goods_left = Steps(self._board, stops=lambda: self._goods_left)

    @workflow.run
    async def run(self, follow_up: FollowUp) -> None:
        """Make the calls: the mail about a refund follows the refund, and no refund another."""
        await self._read_policy()
        for end in follow_up.recalls:
            await self._recall(end)
        if follow_up.cancels_purchase:
            purchase = PurchaseStep(po_id=follow_up.cancels_purchase, sku="")
            summary = f"Cancel {purchase.po_id} with its supplier"
            await self._steps.call_partner(Purchasing.cancel_purchase_order, purchase, summary)
        if follow_up.requests_payment:
            order = OrderStep(order_id=self._order_id or "")
            summary = "Request the payment of the amended order"
            await self._steps.call_partner(PaymentCalls.request_payment, order, summary)
        for bill in follow_up.bills:
            summary = f"Mail {bill.number}"
            await self._steps.call_partner(CustomerMail.mail_bill, bill, summary)
        await self._refunds.pay_all(follow_up.refund_keys)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _recall(self, end: EndRecall) -> None:
        """Ask a carrier not to pick up a shipment, and execute the command for its answer."""
        step = ShipmentStep(order_id=self._order_id or "", shipment_id=end.shipment_id)
        if not await self._is_recalled(step):
            end = end.model_copy(update={"agreed": False})
        await execute(self._steps, CommandStep(command=end))

    async def _is_recalled(self, step: ShipmentStep) -> bool:
        """Return the carrier's answer. Ask again whenever a shipment of the command has left, as
        it may be another one: the call itself is refused for a shipment that has left."""
        while True:
            self._goods_left = False
            try:
                await cancel_booking(self._until_goods_left, CarrierCalls.recall_shipment, step)
            except PickedUp:
                await self._board.clear_all()
                return False
            except Stopped:
                await self._board.clear_all()
            else:
                return True

    @workflow.signal
    def goods_left(self, _notification: JsonValue = None, *_more: JsonValue) -> None:
        """Repeat the running recall: its shipment may have left. Accepts any arguments."""
        self._goods_left = True


async def _show_nothing(_attention: object) -> None:
    """Show no attention: pending activities are visible, and there is no order to show it on."""
