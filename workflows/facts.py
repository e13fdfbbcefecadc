"""Facts: their validation, the steps that apply them, and the workflow of a fact for which no other
workflow runs."""

import json
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import (
        apply_authorisation,
        apply_payment,
        apply_refund_failure,
        apply_refund_report,
        apply_reversal,
        record_payout,
        record_unmatched_payment,
    )
    from activities.mail.steps import CustomerMail
    from activities.orders.steps import read_document, record_rejected_message
    from activities.purchasing.receiving import receive_goods
    from activities.purchasing.supplier_invoices import record_supplier_invoice
    from activities.purchasing.supplier_reports import apply_acknowledgement, apply_ship_notice
    from activities.shipping.steps import apply_delivery, apply_dispatch, apply_tracking
    from models.errors import invalid_input
    from models.messages.attention import Attention
    from models.messages.facts import (
        FACT_TYPES,
        Fact,
        FactInput,
        GoodsReceived,
        GoodsShipped,
        OrderFact,
        PaymentAuthorised,
        PaymentReceived,
        PaymentRefunded,
        PaymentReversed,
        PayoutPaid,
        PurchaseFact,
        RefundFact,
        RefundFailed,
        RejectedMessage,
        ShipmentDelivered,
        ShipmentDispatched,
        ShipmentTracked,
        StoredFact,
        SupplierAcknowledged,
        SupplierInvoiced,
        business_id,
        type_of,
    )
    from models.messages.steps import (
        AuthorisationStep,
        DeliveryStep,
        DispatchStep,
        Notification,
        OrderStep,
        PaymentStep,
        ReversalStep,
        StockKey,
        TrackingStep,
    )
    from models.progress import Cancellation, Progress, Stage, stage
    from workflows.auxiliary import AuxiliaryWorkflow
    from workflows.compensation import finish_cancellation
    from workflows.notifying import notify
    from workflows.start_order import start_order
    from workflows.steps import RefusedStep, Steps, run_database_step

M = TypeVar("M", bound=BaseModel)


def read_message(kind: type[M], subject: str, name: str, raw: JsonValue) -> M | RejectedMessage:
    """Validate a message of any content. An invalid one becomes a rejected message."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        return RejectedMessage(
            subject=subject,
            name=name,
            body=json.dumps(raw, sort_keys=True, ensure_ascii=False),
            reason=str(invalid_input(error).fields[0]),
        )


def read_stored(subject: str, stored: StoredFact) -> Fact | RejectedMessage:
    """Validate a fact as the inbox stored it."""
    kind: type[BaseModel] = FACT_TYPES[stored.type]
    fact = read_message(kind, subject, stored.type, stored.data)
    assert isinstance(fact, Fact | RejectedMessage)
    return fact


async def record_rejected(message: RejectedMessage) -> None:
    """Record a message that no step can apply."""
    await run_database_step(record_rejected_message, message, "Record a rejected message")


async def apply_order_fact(order_id: str, fact: OrderFact) -> Progress:
    """Apply a fact to its order, and nothing that is due then. Raises RefusedStep if there is no
    such order."""
    summary = summary_of(fact)
    match fact:
        case PaymentReceived():
            payment = PaymentStep(order_id=order_id, fact=fact)
            return await run_database_step(apply_payment, payment, summary)
        case PaymentAuthorised():
            authorisation = AuthorisationStep(order_id=order_id, fact=fact)
            return await run_database_step(apply_authorisation, authorisation, summary)
        case PaymentReversed():
            reversal = ReversalStep(order_id=order_id, fact=fact)
            progress = await run_database_step(apply_reversal, reversal, summary)
            if progress is None:
                raise RefusedStep(Attention(code="order_unknown", message="no such order"))
            return progress
        case ShipmentDispatched():
            dispatch = DispatchStep(order_id=order_id, fact=fact)
            return await run_database_step(apply_dispatch, dispatch, summary)
        case ShipmentTracked():
            tracking = TrackingStep(order_id=order_id, fact=fact)
            return await run_database_step(apply_tracking, tracking, summary)
        case ShipmentDelivered():
            delivery = DeliveryStep(order_id=order_id, fact=fact)
            return await run_database_step(apply_delivery, delivery, summary)


def summary_of(fact: OrderFact) -> str:
    """Name the step that applies a fact, for the Temporal UI."""
    match fact:
        case PaymentReceived():
            return f"Record payment {fact.payment_id}"
        case PaymentAuthorised():
            return f"Record authorisation {fact.authorisation_id}"
        case PaymentReversed():
            return f"Record reversal {fact.reversal_id}"
        case ShipmentDispatched():
            return f"Issue goods ({fact.event_id})"
        case ShipmentTracked():
            return f"Record tracking event {fact.event_id}"
        case ShipmentDelivered():
            return f"Record delivery ({fact.event_id})"


def stored_fact(fact: Fact) -> StoredFact:
    """Return a fact as the inbox stores it."""
    return StoredFact(type=type_of(fact), data=fact.model_dump(mode="json"))


async def apply_purchase_fact(
    steps: Steps, fact: PurchaseFact, sender: StockKey | None = None
) -> None:
    """Apply a supplier's fact and notify the workflows concerned, except the sender."""
    match fact:
        case GoodsReceived():
            summary = f"Receive goods {fact.receipt_id}"
            notification = await steps.run_database_step(receive_goods, fact, summary)
        case SupplierAcknowledged():
            summary = f"Record acknowledgement of {fact.po_id}"
            notification = await steps.run_database_step(apply_acknowledgement, fact, summary)
        case GoodsShipped():
            summary = f"Record ship notice of {fact.po_id}"
            notification = await steps.run_database_step(apply_ship_notice, fact, summary)
        case SupplierInvoiced():
            summary = f"Match supplier invoice {fact.invoice_id}"
            notification = await steps.run_database_step(record_supplier_invoice, fact, summary)
    await notify(steps, notification, sender)


async def apply_refund_fact(steps: Steps, fact: RefundFact) -> None:
    """Apply a report about a refund and notify its order."""
    match fact:
        case PaymentRefunded():
            summary = f"Record refund {fact.refund_id}"
            notification = await steps.run_database_step(apply_refund_report, fact, summary)
        case RefundFailed():
            summary = f"Record that refund {fact.refund_id} failed"
            notification = await steps.run_database_step(apply_refund_failure, fact, summary)
    await notify(steps, notification)


def notification_of(fact: OrderFact, progress: Progress) -> Notification:
    """Return the notification of the returns and recalls that a fact of an order concerns."""
    return Notification(
        cause=business_id(fact),
        returns=progress.reported_returns,
        ended_recalls=progress.ended_recalls,
    )


@workflow.defn
class FactWorkflow(AuxiliaryWorkflow):
    """The application of one fact for which no workflow runs: its order is over or unknown, or it
    is not about an order."""

    @workflow.init
    def __init__(self, step: FactInput) -> None:
        super().__init__()
        self._step = step

    @workflow.run
    async def run(self, step: FactInput) -> str:
        """Apply the fact. Return the outcome in words."""
        fact = read_stored(step.fact_id, step.fact)
        await self._read_policy()
        if isinstance(fact, RejectedMessage):
            await record_rejected(fact)
            return f"rejected: {fact.reason}"
        if isinstance(fact, PurchaseFact):
            await apply_purchase_fact(self._steps, fact)
            return "applied"
        if isinstance(fact, PayoutPaid):
            await run_database_step(record_payout, fact, f"Record payout {fact.payout_id}")
            return "applied"
        if isinstance(fact, RefundFact):
            await apply_refund_fact(self._steps, fact)
            return "applied"
        outcome = await self._apply(fact)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return outcome

    async def _apply(self, fact: OrderFact) -> str:
        try:
            progress = await apply_order_fact(fact.order_id or "", fact)
        except RefusedStep as refusal:
            return await self._record_without_order(fact, refusal.attention.message)
        if progress.cancellation is Cancellation.DONE and progress.refund_due_minor:
            return await self._refund(progress.order_id)
        if _reopens(progress, fact):
            await self._start_order(OrderStep(order_id=progress.order_id))
        await self._notify(notification_of(fact, progress), progress.order_id)
        return "applied"

    async def _refund(self, order_id: str) -> str:
        """Refund money that arrived for a cancelled order. Its attention is shown on the order."""
        self._order_id = order_id
        order = OrderStep(order_id=order_id)
        await finish_cancellation(self._steps, self._refunds, order)
        await self._steps.call_partner(CustomerMail.mail_settlement, order, "Mail the settlement")
        return "refunded: the order is cancelled"

    async def _start_order(self, order: OrderStep) -> None:
        """Start the workflow of an order that is no longer over, unless it runs."""
        summary = "Read the order's document"
        recorded = await self._steps.run_database_step(read_document, order, summary)
        details = f"Order {order.order_id}, which was over and is open again."
        memo, reuse = {"digest": recorded.digest}, WorkflowIDReusePolicy.ALLOW_DUPLICATE
        await start_order(recorded.document, memo, details, reuse)

    async def _notify(self, notification: Notification, order_id: str) -> None:
        """Notify the workflows concerned, and the order: it may have been placed meanwhile."""
        await notify(self._steps, notification.model_copy(update={"orders": (order_id,)}))

    async def _record_without_order(self, fact: OrderFact, reason: str) -> str:
        if isinstance(fact, PaymentReversed):  # recorded by its step, with or without an order
            return f"recorded: {reason}"
        if isinstance(fact, PaymentReceived):
            await run_database_step(record_unmatched_payment, fact, "Record an unmatched payment")
            await self._notify(Notification(cause=business_id(fact)), fact.order_id or "")
            return f"recorded as unmatched: {reason}"
        await record_rejected(
            RejectedMessage(
                subject=fact.order_id or "",
                name=type_of(fact).replace(".", "_"),
                body=fact.model_dump_json(),
                reason=reason,
                fact=self._step.fact,
            )
        )
        return f"rejected: {reason}"


def _reopens(progress: Progress, fact: OrderFact) -> bool:
    """Return whether a fact reopened its order: late money a cancelled one, or a reversal a paid
    one."""
    if progress.cancellation is not Cancellation.NONE:
        return False
    is_unpaid = isinstance(fact, PaymentReversed) and stage(progress) is Stage.DELIVERED
    return is_unpaid or not progress.allocated
