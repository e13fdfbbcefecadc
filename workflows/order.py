"""The workflow of one order: record, allocate, bill, dispatch."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import issue_invoice
    from activities.mail.steps import CustomerMail
    from activities.phases.steps import OrderPhases
    from activities.stock.steps import allocate_stock
    from models.acceptance import AcceptedOrder
    from models.audit import TEMPORAL
    from models.messages.facts import (
        Fact,
        OrderFact,
        PaymentAuthorised,
        PaymentReceived,
        PaymentReversed,
        RejectedMessage,
        ShipmentDelivered,
        ShipmentDispatched,
        ShipmentTracked,
        StockArrived,
    )
    from models.messages.requests import AcceptRequest, CancelRequest, CommandOutcome, RetryRequest
    from models.messages.steps import FactStep, OrderOutcome, OrderStatus, Recorded, RecordOrder
    from models.progress import Cancellation
    from models.views.why import Explanation
    from workflows.compensation import start_cancellation, undo
    from workflows.facts import (
        notification_of,
        read_message,
        read_stored,
        record_rejected,
        stored_fact,
        summary_of,
    )
    from workflows.notifying import notify
    from workflows.order_billing import OrderBilling
    from workflows.order_context import OrderContext
    from workflows.order_goods import OrderGoods
    from workflows.order_shipping import OrderShipping
    from workflows.retries import record_retry
    from workflows.steps import Stopped

Request = TypeVar("Request", bound=BaseModel)
Message = Fact | StockArrived | RejectedMessage
CANCELLED_IN_UI = CancelRequest(reason="cancelled in the Temporal UI", actor=TEMPORAL)


@workflow.defn
class OrderWorkflow:
    """The life of an order. `_run_phases` runs its phases; facts are applied as they arrive.

    Every step returns the progress of the order from the tables, and every wait is for the progress
    to change. So a fact may arrive early, late, twice or out of order.
    """

    @workflow.init
    def __init__(self, document: AcceptedOrder) -> None:
        self._document = document
        self._order = OrderContext(document.order_id)
        self._billing = OrderBilling(self._order)
        self._goods = OrderGoods(self._order)
        self._shipping = OrderShipping(self._order, self._goods)
        self._inbox: deque[Message] = deque()

    @workflow.run
    async def run(self, document: AcceptedOrder) -> OrderOutcome:
        """Follow the order until it is completed, or cancelled and undone."""
        order = self._order
        order.show_details()
        facts = asyncio.create_task(self._apply_facts())
        while True:
            if not order.cancelling:
                await self._until_done(self._run_phases(), facts)
            if order.cancelling:
                await self._until_done(self._undo(), facts)
                if not order.cancelling:
                    continue
            await self._until_idle()
            if not self._reopen():
                break
        facts.cancel()
        return OrderOutcome(stage=order.stage, invoice_number=order.progress.invoice_number)

    async def _run_phases(self) -> None:
        """Run the four phases, and wait for a payment that is due after the goods."""
        try:
            await self._record()
            await self._allocate()
            await self._bill()
            await self._dispatch()
            await self._order.steps.wait_until(lambda: self._order.progress.paid_in_full)
        except Stopped:
            return

    async def _record(self) -> None:
        """Record customer and order. Wait for an operator while the credit limit is exceeded or the
        customer resembles a blocked one, and look again whenever the order changes.
        """
        order = self._order
        while (refusal := (await self._record_once()).refusal) is not None:
            await order.steps.wait_for_operator("credit", refusal, order.changes())
        self._react_to_progress()
        self._billing.start_authorisation_watch()
        outcome = order.outcome_of("mail_confirmation")
        summary = "Mail the order confirmation"
        order.start_mail(CustomerMail.mail_confirmation, order.step, summary, outcome)

    async def _allocate(self) -> None:
        """Reserve stock. Purchase shortages and wait for them."""
        order = self._order
        if not order.progress.allocated:
            order.take(
                await order.steps.run_database_step(allocate_stock, order.step, "Allocate stock")
            )
        await self._goods.wait_for_stock()

    async def _bill(self) -> None:
        """Issue the invoice if the order is on credit or paid. Otherwise the payment issues it, or
        the goods issue of each delivery."""
        order = self._order
        if order.progress.invoiced_by_delivery:
            return
        is_due = order.progress.terms.on_credit or order.progress.paid_in_full
        if is_due and not order.progress.invoice_number:
            await order.run_step(issue_invoice, "Issue the invoice")
        if order.progress.terms.on_credit:
            order.start_in_background(self._billing.request_payment())
            order.start_in_background(self._billing.remind())
        else:
            await self._billing.collect()
        if order.progress.invoice_number:
            self._billing.mail_invoice()

    async def _dispatch(self) -> None:
        """Capture an authorised payment, ship the goods, and wait until they are delivered."""
        if self._order.progress.captured_later and not self._order.progress.paid_in_full:
            await self._billing.capture()
            self._billing.mail_invoice()
        await self._shipping.ship()

    async def _undo(self) -> None:
        """Undo the phases of an order that is being cancelled, unless a carrier has its goods."""
        order = self._order
        await order.board.clear_all()
        order.update(await undo(order))
        order.cancelling = order.progress.cancellation is not Cancellation.NONE
        if order.cancelling and (order.progress.invoice_number or order.progress.received_minor):
            order.start_mail(CustomerMail.mail_settlement, order.step, "Mail the settlement")

    async def _record_once(self) -> Recorded:
        order = self._order
        placed_at = workflow.memo_value("placed_at", default=None, type_hint=datetime)
        request = RecordOrder(
            order=self._document,
            accepted=self._document.accepted,
            placed_by=self._document.placed_by,
            digest=workflow.memo_value("digest", default="", type_hint=str),
            placed_at=placed_at or workflow.info().start_time,
            workflow_id=workflow.info().workflow_id,
        )
        recorded = await order.steps.run_database_step(
            OrderPhases.record_and_advance, request, "Record the order"
        )
        order.board.policy = recorded.policy
        if not order.is_recorded:
            for stored in recorded.waiting_facts:
                self._inbox.append(read_stored(order.order_id, stored))
        order.take(recorded)
        if self._inbox:  # one may be the payment, which then is not requested
            await order.steps.wait_until(lambda: not self._inbox)
        if order.progress.cancellation is not Cancellation.NONE:
            order.cancelling = True  # an earlier run was terminated during the undo
            raise Stopped
        return recorded

    async def _until_done(
        self, work: Coroutine[None, None, None], facts: asyncio.Task[None]
    ) -> None:
        """Run work to its end. An error in it, or in a fact, fails the workflow task."""
        task = asyncio.create_task(work)
        await self._until(lambda: task.done() or facts.done())
        if facts.done():
            facts.result()
        task.result()

    async def _until_idle(self) -> None:
        """Wait until no fact, background task or handler is left."""
        await self._until(lambda: not self._inbox and self._order.background_is_done())
        self._order.raise_background_errors()
        await self._until(lambda: workflow.all_handlers_finished() and not self._inbox)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait in `run`, where a cancellation from the Temporal UI arrives: cancel the order."""
        while True:
            try:
                await workflow.wait_condition(condition)
            except asyncio.CancelledError:
                order = self._order
                order.start_in_background(start_cancellation(order, CANCELLED_IN_UI))
            else:
                return

    def _reopen(self) -> bool:
        """Return whether the order continues: late money reinstated it, or must be refunded."""
        if not self._order.cancelling:
            return False
        progress = self._order.progress
        self._order.cancelling = progress.cancellation is not Cancellation.NONE
        return progress.cancellation is not Cancellation.DONE or progress.refund_due_minor > 0

    async def _apply_facts(self) -> None:
        """Apply facts one by one in order of arrival, once the order is recorded."""
        while True:
            await workflow.wait_condition(lambda: bool(self._inbox) and self._order.is_recorded)
            await self._apply(self._inbox[0])
            self._inbox.popleft()
            self._react_to_progress()

    async def _apply(self, message: Message) -> None:
        order = self._order
        if isinstance(message, RejectedMessage):
            await record_rejected(message)
        elif isinstance(message, StockArrived):
            await order.run_phase(OrderPhases.advance, "Read the progress")
        elif isinstance(message, OrderFact):
            advanced = await order.unpaused.run_database_step(
                OrderPhases.apply_and_advance,
                FactStep(order_id=order.order_id, fact=stored_fact(message), known=order.progress),
                summary_of(message),
            )
            order.take(advanced)
            if notification := notification_of(message, advanced.progress):
                order.start_in_background(notify(order.unpaused, notification))

    def _react_to_progress(self) -> None:
        self._billing.react_to_progress()
        self._goods.react_to_progress()

    # Facts. A handler accepts any content and any number of arguments: an argument too many would
    # fail the workflow task forever. An invalid fact is recorded as a rejected message.

    @workflow.signal
    def payment_received(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a payment: see `PaymentReceived`."""
        self._receive(PaymentReceived, "payment_received", fact)

    @workflow.signal
    def payment_authorised(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a card authorisation: see `PaymentAuthorised`."""
        self._receive(PaymentAuthorised, "payment_authorised", fact)

    @workflow.signal
    def payment_reversed(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply the reversal of a payment: see `PaymentReversed`."""
        self._receive(PaymentReversed, "payment_reversed", fact)

    @workflow.signal
    def shipment_dispatched(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply the dispatch of a shipment: see `ShipmentDispatched`."""
        self._receive(ShipmentDispatched, "shipment_dispatched", fact)

    @workflow.signal
    def shipment_delivered(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply the delivery of a shipment: see `ShipmentDelivered`."""
        self._receive(ShipmentDelivered, "shipment_delivered", fact)

    @workflow.signal
    def shipment_tracked(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a carrier's tracking event: see `ShipmentTracked`."""
        self._receive(ShipmentTracked, "shipment_tracked", fact)

    @workflow.signal
    def stock_arrived(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Read the progress again: another workflow changed the order, its stock or its money."""
        self._order.refunds.look_again(None)
        self._receive(StockArrived, "stock_arrived", fact)

    def _receive(self, kind: type[OrderFact | StockArrived], name: str, raw: JsonValue) -> None:
        self._inbox.append(read_message(kind, self._order.order_id, name, raw))

    # Commands and the query.

    @workflow.update
    async def cancel(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Cancel the order: see `CancelRequest`. Refused once goods have left."""
        command = self._read(CancelRequest, "cancel", request)
        if isinstance(command, RejectedMessage):
            return CommandOutcome(accepted=False, message=f"reason: {command.reason}")
        return await start_cancellation(self._order, command)

    @workflow.update
    async def accept_delay(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Record the customer's consent to the delay: see `AcceptRequest`."""
        command = self._read(AcceptRequest, "accept_delay", request)
        if isinstance(command, RejectedMessage):
            return CommandOutcome(accepted=False, message=command.reason)
        return await self._goods.accept_delay(command)

    @workflow.update
    async def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again the steps that wait for an operator: see `RetryRequest`."""
        command = self._read(RetryRequest, "retry_step", request)
        if isinstance(command, RejectedMessage):
            return CommandOutcome(accepted=False, message=command.reason)
        outcome = self._order.retry()
        if self._order.is_recorded:
            await record_retry(self._order.order_id, command, outcome)
        return outcome

    def _read(self, kind: type[Request], name: str, raw: JsonValue) -> Request | RejectedMessage:
        """Read a command; one without content has the defaults."""
        return read_message(kind, self._order.order_id, name, {} if raw is None else raw)

    @workflow.query
    def explain(self, *_more: JsonValue) -> Explanation:
        """Explain what the order waits for, who acts next, and what an operator may do."""
        return self._order.explanation

    @workflow.query
    def status(self, *_more: JsonValue) -> OrderStatus:
        """Show the order as its workflow knows it."""
        return self._order.status
