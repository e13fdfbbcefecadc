"""Facts: how a message becomes one, which step applies it, and who does so where no workflow
runs."""

import json
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import (
        Billing,
        apply_authorisation,
        apply_payment,
        apply_reversal,
        record_payout,
        record_unmatched_payment,
    )
    from activities.mail.steps import CustomerMail
    from activities.operations.notifying import Notifier
    from activities.orders.steps import (
        finish_cancelling,
        read_document,
        read_policy,
        record_rejected_message,
        set_attention,
    )
    from activities.purchasing.receiving import receive_goods
    from activities.purchasing.supplier_invoices import record_supplier_invoice
    from activities.purchasing.supplier_reports import apply_acknowledgement, apply_ship_notice
    from activities.shipping.steps import apply_delivery, apply_dispatch, apply_tracking
    from models.messages.attention import Attention, SetAttention
    from models.messages.facts import (
        FACT_TYPES,
        Fact,
        FactInput,
        GoodsReceived,
        GoodsShipped,
        OrderFact,
        PaymentAuthorised,
        PaymentReceived,
        PaymentReversed,
        PayoutPaid,
        PurchaseFact,
        RejectedMessage,
        ShipmentDispatched,
        ShipmentTracked,
        StoredFact,
        SupplierAcknowledged,
        SupplierInvoiced,
        business_id,
        type_of,
    )
    from models.messages.requests import CommandOutcome
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
    from models.orders import Cancellation, Progress, Stage, stage
    from workflows import search_attributes
    from workflows.start_order import start_order
    from workflows.steps import AttentionBoard, RefusedStep, Steps, run_database_step

F = TypeVar("F", bound=BaseModel)
TOLD_AT_ONCE = 100
"""Orders that one activity tells: many enough, and within its time."""


def read_fact(kind: type[F], subject: str, name: str, raw: JsonValue) -> F | RejectedMessage:
    """`raw`, whatever somebody sent, as the message it should be; else as an odd fact."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return RejectedMessage(
            subject=subject,
            name=name,
            body=json.dumps(raw, sort_keys=True, ensure_ascii=False),
            reason=f"{field}: {first['msg']}" if field else str(first["msg"]),
        )


def read_stored(subject: str, stored: StoredFact) -> Fact | RejectedMessage:
    """A fact as the door kept it."""
    kind: type[BaseModel] = FACT_TYPES[stored.type]
    fact = read_fact(kind, subject, stored.type, stored.data)
    assert isinstance(fact, Fact | RejectedMessage)
    return fact


async def apply_order_fact(order_id: str, fact: OrderFact) -> Progress:
    """Apply a fact to its order's tables. Raises RefusedStep where there is no such order."""
    if isinstance(fact, PaymentReceived):
        payment = PaymentStep(order_id=order_id, fact=fact)
        return await run_database_step(apply_payment, payment, f"Record payment {fact.payment_id}")
    if isinstance(fact, PaymentAuthorised):
        authorised = AuthorisationStep(order_id=order_id, fact=fact)
        summary = f"Record authorisation {fact.authorisation_id}"
        return await run_database_step(apply_authorisation, authorised, summary)
    if isinstance(fact, PaymentReversed):
        reversal = ReversalStep(order_id=order_id, fact=fact)
        summary = f"Record reversal {fact.reversal_id}"
        progress = await run_database_step(apply_reversal, reversal, summary)
        if progress is None:
            raise RefusedStep(Attention(code="order_unknown", message="no such order"))
        return progress
    if isinstance(fact, ShipmentDispatched):
        dispatch = DispatchStep(order_id=order_id, fact=fact)
        return await run_database_step(apply_dispatch, dispatch, f"Issue goods ({fact.event_id})")
    if isinstance(fact, ShipmentTracked):
        tracking = TrackingStep(order_id=order_id, fact=fact)
        summary = f"Record tracking ({fact.event_id})"
        return await run_database_step(apply_tracking, tracking, summary)
    delivery = DeliveryStep(order_id=order_id, fact=fact)
    return await run_database_step(apply_delivery, delivery, f"Record delivery ({fact.event_id})")


async def apply_purchase_fact(
    steps: Steps, fact: PurchaseFact, here: StockKey | None = None
) -> None:
    """Apply a supplier's fact, and tell whom it concerns; see `tell`."""
    match fact:
        case GoodsReceived():
            summary = f"Take in receipt {fact.receipt_id}"
            notification = await steps.database(receive_goods, fact, summary)
        case SupplierAcknowledged():
            summary = f"Record acknowledgement of {fact.po_id}"
            notification = await steps.database(apply_acknowledgement, fact, summary)
        case GoodsShipped():
            summary = f"Record ship notice of {fact.po_id}"
            notification = await steps.database(apply_ship_notice, fact, summary)
        case SupplierInvoiced():
            summary = f"Match supplier invoice {fact.invoice_id}"
            notification = await steps.database(record_supplier_invoice, fact, summary)
    await notify(steps, notification, here)


async def notify(steps: Steps, notification: Notification, here: StockKey | None = None) -> None:
    """Tell orders and replenishments what concerns them; `here`, who tells, knows it already."""
    places = tuple(place for place in notification.places if place != here)
    for first in range(0, max(1, len(notification.orders)), TOLD_AT_ONCE):
        orders = notification.orders[first : first + TOLD_AT_ONCE]
        rest = (
            Notification(cause=notification.cause)
            if first
            else notification.model_copy(update={"places": places})
        )
        some = rest.model_copy(update={"orders": orders})
        if some:
            await steps.partner(Notifier.tell, some, f"Tell of {notification.cause}")


def echo_of(fact: OrderFact, progress: Progress) -> Notification:
    """Whom a fact of an order concerns beside it, as `progress`, the answer to it, says."""
    returns, call_backs = progress.coming_back, progress.fetched
    return Notification(cause=business_id(fact), returns=returns, call_backs=call_backs)


async def give_back(steps: Steps, order: OrderStep) -> Progress:
    """End a cancellation: refund until nothing is owed, as money may still come in while we do."""
    while True:
        progress = await steps.database(finish_cancelling, order, "Finish cancelling")
        if progress.cancellation is Cancellation.DONE and not progress.refund_due_minor:
            return progress
        await steps.partner(Billing.refund_payment, order, "Refund the customer")


@workflow.defn
class FactWorkflow:
    """Applies one fact for which no workflow runs: an order that is over, or was never placed."""

    @workflow.init
    def __init__(self, given: FactInput) -> None:
        self._given = given
        self._order_id: str | None = None
        """The order whose attention is ours to show: nobody else does."""
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.run
    async def run(self, given: FactInput) -> str:
        """Returns what became of the fact, in words."""
        fact = read_stored(given.fact_id, given.fact)
        nobodys = OrderStep(order_id="")
        self._board.policy = await run_database_step(read_policy, nobodys, "Read the policy")
        if isinstance(fact, RejectedMessage):
            await run_database_step(record_rejected_message, fact, "Keep an odd fact")
            return f"odd: {fact.reason}"
        if isinstance(fact, PurchaseFact):
            await apply_purchase_fact(self._steps, fact)
            return "applied"
        if isinstance(fact, PayoutPaid):
            await run_database_step(record_payout, fact, f"Record payout {fact.payout_id}")
            return "applied"
        said = await self._apply(fact)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return said

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again what waits for a person; anything may be sent along."""
        return self._board.retry()

    async def _apply(self, fact: OrderFact) -> str:
        try:
            progress = await apply_order_fact(fact.order_id or "", fact)
        except RefusedStep as refusal:
            return await self._keep(fact, refusal.attention.message)
        if progress.cancellation is Cancellation.DONE and progress.refund_due_minor:
            self._order_id = progress.order_id
            order = OrderStep(order_id=progress.order_id)
            await give_back(self._steps, order)
            summary = "Mail credit note and refund"
            await self._steps.partner(CustomerMail.mail_settlement, order, summary)
            return "given back: the order is cancelled"
        if _waits_again(progress, fact):
            await self._go_on(OrderStep(order_id=progress.order_id))
        await self._tell(fact, progress)
        return "applied"

    async def _go_on(self, order: OrderStep) -> None:
        """Start the workflow of an order that waits for something again; one that runs is left
        alone."""
        summary = "Read the order's document"
        recorded = await self._steps.database(read_document, order, summary)
        details = f"Order {order.order_id}, taken up again after it was over."
        memo, reuse = {"digest": recorded.digest}, WorkflowIDReusePolicy.ALLOW_DUPLICATE
        await start_order(recorded.document, memo, details, reuse)

    async def _tell(self, fact: OrderFact, progress: Progress | None = None) -> None:
        """An order that was placed while we applied its fact looks again; so does whoever else it
        concerns."""
        notification = (
            echo_of(fact, progress) if progress else Notification(cause=business_id(fact))
        )
        await notify(
            self._steps, notification.model_copy(update={"orders": (fact.order_id or "",)})
        )

    async def _keep(self, fact: OrderFact, reason: str) -> str:
        if isinstance(fact, PaymentReversed):
            return f"kept: {reason}"  # the step did: it may belong to a payment without an order
        if isinstance(fact, PaymentReceived):
            await run_database_step(record_unmatched_payment, fact, "Keep unmatched payment")
            await self._tell(fact)
            return f"kept as unmatched: {reason}"
        odd = RejectedMessage(
            subject=fact.order_id or "",
            name=type_of(fact).replace(".", "_"),
            body=fact.model_dump_json(),
            reason=reason,
            fact=self._given.fact,
        )
        await run_database_step(record_rejected_message, odd, "Keep an odd fact")
        return f"odd: {reason}"

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        await show_on_order(self._order_id, attention)


async def show_on_order(order_id: str | None, attention: Attention | None) -> None:
    """Show what waits for a person in this workflow on the order it is about, if there is one."""
    if order_id is None:
        return
    here = workflow.info().workflow_id
    if attention:
        message = f"{attention.message} (workflow {here})"
        attention = attention.model_copy(update={"message": message})
    await run_database_step(
        set_attention,
        SetAttention(order_id=order_id, attention=attention, beside=here),
        "Show attention" if attention else "Clear attention",
    )


def _waits_again(progress: Progress, fact: OrderFact) -> bool:
    """Late money took up an order that had been cancelled; or the payment of one that was delivered
    was taken back."""
    if progress.cancellation is not Cancellation.NONE:
        return False
    unpaid_again = isinstance(fact, PaymentReversed) and stage(progress) is Stage.DELIVERED
    return unpaid_again or not progress.allocated
