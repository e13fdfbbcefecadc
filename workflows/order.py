"""One order, from the moment it is placed until the goods are delivered and the money is in."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.steps import Billing, issue_invoice
    from activities.mail.steps import CustomerMail
    from activities.operations.notifying import Notifier
    from activities.orders.promises import accept_delay, review_promise
    from activities.orders.steps import (
        read_order_progress,
        record_order,
        record_rejected_message,
        set_attention,
        start_cancelling,
    )
    from activities.shipping.steps import Shipping, hand_over, plan_shipments
    from activities.stock.steps import allocate_stock
    from models.messages.attention import (
        NO_SUPPLY,
        Attention,
        SetAttention,
        not_collected,
        silent,
        will_not_arrive,
    )
    from models.messages.commands import CancelRest, CommandStep
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
    from models.messages.steps import (
        AcceptStep,
        CancelOrder,
        CollectionStep,
        LetterStep,
        OrderOutcome,
        OrderStatus,
        OrderStep,
        PromiseReview,
        RecordOrder,
        ReportStep,
        ShipmentStep,
    )
    from models.orders import Fulfilment, OrderDocument, Terms
    from models.progress import (
        Cancellation,
        Progress,
        ShipmentProgress,
        ShipmentState,
        Stage,
        stage,
    )
    from workflows import search_attributes
    from workflows.commands import execute
    from workflows.compensation import undo
    from workflows.facts import apply_order_fact, echo_of, notify, read_fact, read_stored
    from workflows.order_billing import OrderMoney
    from workflows.order_goods import OrderGoods
    from workflows.status_text import in_words
    from workflows.steps import AttentionBoard, RefusedStep, Steps, Stopped, run_database_step

Result = TypeVar("Result")
UNDER_WAY = (ShipmentState.PLANNED, ShipmentState.BOOKED, ShipmentState.DISPATCHED)
OrderSignal = OrderFact | StockArrived
Message = Fact | StockArrived | RejectedMessage
NOT_ACCEPTED = "the delay was not accepted in time"
REST_LAPSES = "rest-lapses"
"""Orders that wanted all cancelled, though some of it had left, are older than this patch."""
COLLECTION = "collection"
"""Orders that wait to be collected without telling anybody are older than this patch."""
BOOKING_FOUND = "booking-found"
"""Orders whose goods left without any carrier's answer, for good, are older than this patch."""
FACTS_FIRST = "facts-first"
"""Orders that went on beside what had come before they were recorded are older than this one."""


@workflow.defn
class OrderWorkflow:
    """The order's life. `run` follows it; facts are applied beside it as they come.

    What the tables say of the order (`Progress`) comes back from every step, and every wait is
    for the tables to say something: so a fact may come early, late, twice or in the wrong order.
    """

    @workflow.init
    def __init__(self, order: OrderDocument) -> None:
        self._order = order
        self._step = OrderStep(order_id=order.order_id)
        self._progress: Progress | None = None
        self._inbox: deque[Message] = deque()
        self._cancelling = False
        self._background_tasks: list[asyncio.Task[None]] = []
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: self._cancelling)
        self._while_unpaid = Steps(self._board, stops=self._need_not_ask)
        self._regardless = Steps(self._board, stops=lambda: False)
        self._letters = 0
        self._money = OrderMoney(
            self._step,
            self._board,
            known=self._known,
            see=self._see,
            beside=self._start_in_background,
            collect=self._collect,
            is_cancelling=lambda: self._cancelling,
        )
        self._goods = OrderGoods(
            self._step,
            self._board,
            known=self._known,
            see=self._see,
            beside=self._start_in_background,
            is_cancelling=lambda: self._cancelling,
        )
        self._watched = False
        self._supplying = False
        self._writing = asyncio.Lock()

    @workflow.run
    async def run(self, order: OrderDocument) -> OrderOutcome:
        """Follow the order to its end; a cancelled one is undone, and that is an end too."""
        self._tell()
        facts = asyncio.create_task(self._apply_facts())
        while True:
            if not self._cancelling:
                await self._until_done(asyncio.create_task(self._follow()), facts)
            if self._cancelling:
                await self._until_done(asyncio.create_task(self._undo()), facts)
                if not self._cancelling:
                    continue
            await self._until(
                lambda: not self._inbox and all(t.done() for t in self._background_tasks)
            )
            for task in self._background_tasks:
                task.result()
            await self._until(lambda: workflow.all_handlers_finished() and not self._inbox)
            if not self._late_money_came():
                break
        facts.cancel()
        return OrderOutcome(stage=self._stage(), invoice_number=self._known().invoice_number)

    def _late_money_came(self) -> bool:
        """While a cancelled order was ending: it is owed back, or the order is taken up again."""
        if not self._cancelling:
            return False
        self._cancelling = self._known().cancellation is not Cancellation.NONE
        is_over = self._known().cancellation is Cancellation.DONE
        return not is_over or self._known().refund_due_minor > 0

    async def _follow(self) -> None:
        """The four phases, and the wait for what is still due."""
        try:
            await self._record()
            self._start_in_background(self._mail_confirmation())
            await self._allocate()
            await self._bill()
            await self._dispatch()
            await self._settle()
        except Stopped:
            return

    async def _record(self) -> None:
        """Record customer and order; check the credit of an order on credit."""
        placed_at = workflow.memo_value("placed_at", default=None, type_hint=datetime)
        request = RecordOrder(
            order=self._order,
            digest=workflow.memo_value("digest", default="", type_hint=str),
            placed_at=placed_at or workflow.info().start_time,
            workflow_id=workflow.info().workflow_id,
        )
        while True:
            recorded = await self._steps.database(record_order, request, "Record the order")
            self._board.policy = recorded.policy
            if self._progress is None:
                for waiting in recorded.waiting_facts:
                    self._inbox.append(read_stored(self._order.order_id, waiting))
            self._see(recorded.progress)
            if self._inbox and workflow.patched(FACTS_FIRST):  # who has paid isn't asked to
                await self._steps.until(lambda: not self._inbox, "Waiting for what is known")
            if self._known().cancellation is not Cancellation.NONE:
                self._cancelling = True  # a run before this one was ended while it was undoing
                raise Stopped
            if recorded.refusal is None:
                break
            await self._steps.attend("Check credit", recorded.refusal)
        self._money.look()
        self._goods.look()
        if self._known().captured_later and not self._watched:
            self._watched = True
            self._start_in_background(self._money.watch_authorisation())

    async def _allocate(self) -> None:
        """Reserve stock; buy what is short and wait for it."""
        allocated = await self._steps.database(allocate_stock, self._step, "Allocate")
        self._see(allocated.progress)
        if allocated.notification:
            self._start_in_background(notify(self._regardless, allocated.notification))
        if self._known().in_parts:
            self._watch_supply()
            await self._steps.until(lambda: not self._known().lacks_stock, "Waiting for stock")
        else:
            await self._await_stock()

    def _watch_supply(self) -> None:
        """Beside the way: some goods may leave while others are waited for."""
        if self._known().backordered and not self._supplying:
            self._start_in_background(self._await_stock_beside())

    async def _await_stock_beside(self) -> None:
        self._supplying = True
        try:
            await self._await_stock()
        finally:
            self._supplying = False

    async def _await_stock(self) -> None:
        """Have what is short bought, keep the customer informed, until all of it is here."""
        reported_at: int | None = None
        while self._known().backordered:
            review = await self._keep_promise()
            changed = self._supply_changed(review.progress)
            await self._show_supply(review.progress.supply_problem)
            if reported_at != self._board.retries:
                report = ReportStep(order_id=self._order.order_id, again=reported_at is not None)
                reported_at = self._board.retries
                await self._steps.partner(Notifier.report_shortages, report, "Report what is short")
            await self._steps.until(changed, "Until the promise is looked at", review.look_in)
        await self._show_supply(None)

    async def _keep_promise(self) -> PromiseReview:
        """Tell the customer by when the goods come, where that is news. A delay that wasn't
        accepted in time cancels the order."""
        review = await self._steps.database(review_promise, self._step, "Look at the promise")
        self._see(review.progress)
        if review.letter and review.letter.number > self._letters:
            self._letters = review.letter.number
            letter = LetterStep(order_id=self._order.order_id, letter=review.letter)
            self._start_in_background(self._mail_letter(letter))
        if review.lapsed and self._known().goods_left and workflow.patched(REST_LAPSES):
            await self._cancel_rest(self._known().consent_by)
        elif review.lapsed:
            late = CancelRequest(reason=NOT_ACCEPTED, actor="deadline")
            if (await self._cancel(late, unless_accepted=True)).accepted:
                raise Stopped
        return review

    async def _cancel_rest(self, consent_by: date | None) -> None:
        """Some of the goods have left: what is late won't come."""
        rest = CancelRest(
            command_id=f"late-{self._order.order_id[:40]}-{consent_by}",
            order_id=self._order.order_id,
            reason=NOT_ACCEPTED,
            actor="deadline",
        )
        await execute(self._steps, CommandStep(command=rest))
        self._see(await self._steps.database(read_order_progress, self._step, "Look what is left"))

    async def _show_supply(self, problem: str | None) -> None:
        if problem:
            await self._board.raise_attention("supply", Attention(code=NO_SUPPLY, message=problem))
        else:
            await self._board.clear_attention("supply")

    def _supply_changed(self, known: Progress) -> Callable[[], bool]:
        retries = self._board.retries
        return lambda: (
            self._board.retries != retries
            or self._known().supply_problem != known.supply_problem
            or self._known().expected_date != known.expected_date
            or self._known().consent_by != known.consent_by
            or not self._known().backordered
        )

    async def _bill(self) -> None:
        """On credit the invoice goes out now; else the payment is waited for, and brings it."""
        if self._known().terms.on_credit or self._known().paid_in_full:
            self._see(await self._steps.database(issue_invoice, self._step, "Issue the invoice"))
        if self._known().terms.on_credit:
            self._start_in_background(self._request_payment())
            self._start_in_background(self._money.remind())
        else:
            await self._collect()
        if self._known().invoice_number:
            self._start_in_background(self._mail_invoice())

    async def _collect(self) -> None:
        """Wait for the payment, or for a card to stand for it; an order for which neither comes in
        time is cancelled."""
        if self._known().terms is Terms.PREPAID:
            await self._request_payment()
        secured = await self._steps.until(
            lambda: self._known().secured,
            "Payment deadline",
            self._board.policy.payment_deadline,
        )
        if not secured:
            late = CancelRequest(reason="not paid in time", actor="deadline")
            await self._cancel(late, unless_paid=True)
            await self._steps.until(lambda: self._known().secured, "Payment")

    async def _request_payment(self) -> None:
        """Ask the provider; a payment that comes all the same makes asking needless."""
        try:
            self._see(
                await self._while_unpaid.partner(
                    Billing.request_payment, self._step, "Request payment"
                )
            )
        except Stopped:
            await self._board.clear_attention("Request payment")
            if self._cancelling:
                raise

    async def _dispatch(self) -> None:
        """Book a carrier for each consignment, and wait until all are delivered. A card that only
        stood for the payment is charged before: goods that leave are paid."""
        if self._known().captured_later and not self._known().paid_in_full:
            await self._money.capture()
            self._start_in_background(self._mail_invoice())
        ways: dict[str, asyncio.Task[None]] = {}
        try:
            await self._consign(ways)
            while not self._known().fulfilled:
                await self._steps.until(lambda: self._goes_on(ways), "Waiting for the rest")
                for way in ways.values():
                    if way.done():
                        way.result()
                await self._consign(ways)
        except Stopped:
            await workflow.wait_condition(lambda: all(way.done() for way in ways.values()))
            raise
        await workflow.wait_condition(lambda: all(way.done() for way in ways.values()))
        for way in ways.values():
            way.result()

    async def _consign(self, ways: dict[str, asyncio.Task[None]]) -> None:
        """Put what is held into consignments, and send each on its way; one that has arrived while
        nobody looked is told to its customer all the same."""
        self._watch_supply()
        if self._known().may_consign:
            plan = self._steps.database(plan_shipments, self._step, "Plan shipments")
            self._see(await plan)
        for shipment_id in self._known().in_state(*UNDER_WAY, ShipmentState.DELIVERED):
            if shipment_id not in ways:
                ways[shipment_id] = asyncio.create_task(self._ship(shipment_id))

    def _goes_on(self, ways: dict[str, asyncio.Task[None]]) -> bool:
        """There is something to consign, or nothing left to deliver, or a way ended badly."""
        failed = any(way.done() and way.exception() for way in ways.values())
        short = self._known().backordered > 0 and not self._supplying
        return failed or short or self._known().may_consign or self._known().fulfilled

    async def _ship(self, shipment_id: str) -> None:
        step = ShipmentStep(order_id=self._order.order_id, shipment_id=shipment_id)
        if self._known().fulfilment is Fulfilment.COUNTER:
            await self._hand_over(step)
        elif self._known().fulfilment is Fulfilment.CARRIER:
            await self._book(step)
            self._start_in_background(self._watch(shipment_id))
        elif workflow.patched(COLLECTION):
            self._start_in_background(self._await_collection(step))
        await self._steps.until(lambda: self._is_gone(shipment_id), "Waiting for goods issue")
        if self._known().fulfilment is Fulfilment.CARRIER and self._has_left(shipment_id):
            self._start_in_background(self._tell_dispatch(step))
        await self._arrive(shipment_id)

    async def _await_collection(self, step: ShipmentStep) -> None:
        """Tell the customer what waits to be collected. What isn't, in time, waits for a person; a
        retry gives it as long again."""
        flag = f"Collection of {step.shipment_id}"
        within = timedelta(seconds=self._board.policy.collect_within)
        ready_at = self._known().shipment(step.shipment_id).planned_at or workflow.now()
        collect_by = ready_at + within
        mail = CollectionStep(**dict(step), collect_by=collect_by)
        self._start_in_background(self._mail_collection(mail))
        gone = partial(self._is_gone, step.shipment_id)
        while not gone():
            left = (collect_by - workflow.now()).total_seconds()
            if left > 0:
                await self._steps.until(gone, "Until it should have been collected", left)
            else:
                await self._steps.attend(flag, not_collected(step.shipment_id, collect_by), gone)
                collect_by = workflow.now() + within

    async def _hand_over(self, step: ShipmentStep) -> None:
        """Over the counter, once it is paid: a payment may be taken back before."""
        gone = partial(self._is_gone, step.shipment_id)
        while not gone():
            await self._steps.until(lambda: self._known().secured or gone(), "Waiting for payment")
            if not gone():
                summary = f"Hand {step.shipment_id} over"
                self._see(await self._steps.database(hand_over, step, summary))

    async def _arrive(self, shipment_id: str) -> None:
        """Wait for the delivery; goods that won't arrive by themselves wait for a person."""
        flag = f"Delivery of {shipment_id}"
        while not self._is_over(shipment_id):
            known = self._known().shipment(shipment_id)
            if known.tracking is not None and known.tracking.wants_a_person:
                await self._board.raise_attention(
                    flag, will_not_arrive(shipment_id, known.tracking)
                )
            else:
                await self._board.clear_attention(flag)
            await self._until_news(known, "Waiting for delivery")
        await self._board.clear_attention(flag)

    async def _watch(self, shipment_id: str) -> None:
        """A carrier that says nothing of a shipment for too long waits for a person."""
        flag = f"News of {shipment_id}"
        while not self._is_over(shipment_id):
            known = self._known().shipment(shipment_id)
            news_at = known.news_at or workflow.now()
            silent_at = news_at + timedelta(seconds=self._board.policy.silence_of(known.mode))
            left = (silent_at - workflow.now()).total_seconds()
            if left > 0:
                over = partial(self._is_over, shipment_id)
                await self._steps.until(over, "Until the carrier's silence is too long", left)
                continue
            await self._board.raise_attention(flag, silent(shipment_id, news_at))
            await self._until_news(known, "Waiting for news")
            await self._board.clear_attention(flag)

    async def _until_news(self, known: ShipmentProgress, summary: str) -> None:
        """Wait until something else is known of a shipment."""
        await self._steps.until(lambda: self._known().shipment(known.shipment_id) != known, summary)

    async def _book(self, step: ShipmentStep) -> None:
        """Book a carrier, while the order is paid or on credit: a payment may be taken back before.
        Goods that have left all the same, or never will, need none."""

        def is_gone() -> bool:
            return self._is_gone(step.shipment_id)

        def stops() -> bool:
            return self._cancelling or is_gone() or not self._known().secured

        steps, summary = Steps(self._board, stops), f"Book {step.shipment_id}"
        book_from = self._known().shipment(step.shipment_id).book_from
        if book_from is not None and book_from > workflow.now():
            closed = (book_from - workflow.now()).total_seconds()
            await self._steps.until(is_gone, "Until the location hands it over", closed)
        while not is_gone():
            await self._steps.until(lambda: not stops() or is_gone(), "Waiting for payment")
            try:
                self._see(await steps.partner(Shipping.book_shipment, step, summary))
            except Stopped:
                await self._board.clear_attention(summary)
                if self._cancelling:
                    raise
            else:
                if not self._is_called_back(step.shipment_id):
                    return
                await self._steps.until(
                    lambda: is_gone() or not self._is_called_back(step.shipment_id),
                    "Until its carrier has said whether it fetches it",
                )

    async def _find_booking(self, step: ShipmentStep) -> None:
        """The carrier has come before its answer did: under the same key it answers again. One that
        says no was never asked to come."""
        try:
            summary = f"Find the booking of {step.shipment_id}"
            self._see(await self._regardless.ask(Shipping.book_shipment, step, summary))
        except RefusedStep:
            return

    async def _settle(self) -> None:
        """On credit the payment may come after the goods."""
        await self._steps.until(lambda: self._known().paid_in_full, "Waiting for payment")

    async def _undo(self) -> bool:
        """Undo everything: True when the order is cancelled, False when it goes on after all."""
        await self._board.clear_all()
        self._see(await undo(self._regardless, self._step, self._known))
        self._cancelling = self._known().cancellation is not Cancellation.NONE
        if self._cancelling and (self._known().invoice_number or self._known().received_minor):
            self._start_in_background(self._mail_settlement())
        return self._cancelling

    # What happens beside the way: facts as they come, mail that may take its time.

    async def _apply_facts(self) -> None:
        """Apply facts one by one, in the order they came, once the order is recorded."""
        while True:
            await workflow.wait_condition(lambda: bool(self._inbox) and self._progress is not None)
            message = self._inbox[0]
            if isinstance(message, RejectedMessage):
                await run_database_step(record_rejected_message, message, "Keep an odd fact")
            elif isinstance(message, StockArrived):
                self._see(
                    await run_database_step(read_order_progress, self._step, "Look for stock")
                )
            elif isinstance(message, OrderFact):
                progress = await apply_order_fact(self._order.order_id, message)
                self._see(progress)
                if notification := echo_of(message, progress):
                    self._start_in_background(notify(self._regardless, notification))
            self._inbox.popleft()
            self._money.look()
            self._goods.look()

    def _start_in_background(self, work: Coroutine[None, None, None]) -> None:
        self._background_tasks.append(asyncio.create_task(_unless_stopped(work)))

    async def _mail_confirmation(self) -> None:
        await self._regardless.partner(
            CustomerMail.mail_confirmation, self._step, "Mail the confirmation"
        )

    async def _mail_settlement(self) -> None:
        await self._regardless.partner(
            CustomerMail.mail_settlement, self._step, "Mail credit note and refund"
        )

    async def _mail_invoice(self) -> None:
        await self._regardless.partner(CustomerMail.mail_invoice, self._step, "Mail the invoice")

    async def _tell_dispatch(self, step: ShipmentStep) -> None:
        """With the tracking number, where there is one."""
        booked = self._known().shipment(step.shipment_id).is_booked
        if not booked and workflow.patched(BOOKING_FOUND):
            await self._find_booking(step)
        await self._regardless.partner(
            CustomerMail.mail_dispatch, step, f"Mail the dispatch of {step.shipment_id}"
        )

    async def _mail_collection(self, step: CollectionStep) -> None:
        summary = f"Mail that {step.shipment_id} is ready"
        await self._regardless.partner(CustomerMail.mail_collection, step, summary)

    async def _mail_letter(self, step: LetterStep) -> None:
        """One after the other: the last that arrives is the last that was written."""
        async with self._writing:
            await self._steps.partner(CustomerMail.mail_letter, step, "Mail about the date")

    # Facts: what the world says. Anything may come, in any number of arguments (one too many would
    # fail the workflow task for ever); what can't be used is kept as odd.

    @workflow.signal
    def payment_received(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Money has come in: see `PaymentReceived`."""
        self._take(PaymentReceived, "payment_received", fact)

    @workflow.signal
    def payment_authorised(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """A card stands for the payment: see `PaymentAuthorised`."""
        self._take(PaymentAuthorised, "payment_authorised", fact)

    @workflow.signal
    def payment_reversed(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """The payer's bank took money back: see `PaymentReversed`."""
        self._take(PaymentReversed, "payment_reversed", fact)

    @workflow.signal
    def shipment_dispatched(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Goods have left: see `ShipmentDispatched`."""
        self._take(ShipmentDispatched, "shipment_dispatched", fact)

    @workflow.signal
    def shipment_delivered(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Goods have arrived: see `ShipmentDelivered`."""
        self._take(ShipmentDelivered, "shipment_delivered", fact)

    @workflow.signal
    def shipment_tracked(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Where goods are: see `ShipmentTracked`."""
        self._take(ShipmentTracked, "shipment_tracked", fact)

    @workflow.signal
    def stock_arrived(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Stock may have been reserved for us: see `StockArrived`."""
        self._take(StockArrived, "stock_arrived", fact)

    # Commands: what people ask for.

    @workflow.update
    async def cancel(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Cancel the order: see `CancelRequest`. Refused once goods have left."""
        wish = read_fact(CancelRequest, self._order.order_id, "cancel", _given(request))
        if isinstance(wish, RejectedMessage):
            return CommandOutcome(accepted=False, message=f"reason: {wish.reason}")
        return await self._cancel(wish)

    @workflow.update
    async def accept_delay(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """The customer accepts the delay that was told: see `AcceptRequest`."""
        wish = read_fact(AcceptRequest, self._order.order_id, "accept_delay", _given(request))
        if isinstance(wish, RejectedMessage):
            return CommandOutcome(accepted=False, message=wish.reason)
        await workflow.wait_condition(lambda: self._progress is not None)
        answer = await run_database_step(
            accept_delay,
            AcceptStep(order_id=self._order.order_id, request=wish),
            "Accept the delay",
        )
        self._see(answer.progress)
        return CommandOutcome(accepted=answer.accepted, message=answer.message)

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Try again what waits for a person: see `RetryRequest`."""
        wish = read_fact(RetryRequest, self._order.order_id, "retry_step", _given(request))
        if isinstance(wish, RejectedMessage):
            return CommandOutcome(accepted=False, message=wish.reason)
        if self._board.attention is None and self._waits_for_stock():
            self._board.retries += 1
            return CommandOutcome(accepted=True, message="looking at the stock again")
        return self._board.retry()

    def _waits_for_stock(self) -> bool:
        return self._progress is not None and self._progress.backordered > 0

    @workflow.query
    def status(self, *_more: JsonValue) -> OrderStatus:
        """The order as its workflow sees it."""
        return OrderStatus(
            order_id=self._order.order_id,
            stage=self._stage(),
            attention=self._board.attention,
            progress=self._progress,
        )

    async def _cancel(
        self, request: CancelRequest, unless_paid: bool = False, unless_accepted: bool = False
    ) -> CommandOutcome:
        await workflow.wait_condition(lambda: self._progress is not None)
        answer = await run_database_step(
            start_cancelling,
            CancelOrder(
                order_id=self._order.order_id,
                request=request,
                unless_paid=unless_paid,
                unless_accepted=unless_accepted,
            ),
            "Start cancelling",
        )
        self._see(answer.progress)
        if answer.accepted:
            self._cancelling = True
        return CommandOutcome(accepted=answer.accepted, message=answer.message)

    async def _until_done(self, way: asyncio.Task[Result], facts: asyncio.Task[None]) -> Result:
        """Until the way ends; an error, there or in applying facts, fails the workflow task."""
        await self._until(lambda: way.done() or facts.done())
        if facts.done():
            facts.result()
        return way.result()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait in `run` itself: the UI's cancel button arrives here, and is taken as a command."""
        while True:
            try:
                await workflow.wait_condition(condition)
            except asyncio.CancelledError:
                request = CancelRequest(reason="cancelled in the Temporal UI", actor="temporal")
                self._start_in_background(self._cancel_beside(request))
            else:
                return

    async def _cancel_beside(self, request: CancelRequest) -> None:
        await self._cancel(request)

    # What is known.

    def _take(self, kind: type[OrderSignal], name: str, raw: JsonValue) -> None:
        self._inbox.append(read_fact(kind, self._order.order_id, name, raw))

    def _see(self, progress: Progress) -> None:
        """Keep the later of two looks at the tables, and show its stage."""
        before = self._stage()
        if self._progress is None or progress.version >= self._progress.version:
            self._progress = progress
        if self._stage() is not before:
            workflow.upsert_search_attributes(
                [search_attributes.ORDER_STAGE.value_set(self._stage().value)]
            )
        self._tell()

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        self._tell()
        await run_database_step(
            set_attention,
            SetAttention(order_id=self._order.order_id, attention=attention),
            "Show attention" if attention else "Clear attention",
        )

    def _tell(self) -> None:
        workflow.set_current_details(in_words(self._progress, self._board.attention))

    def _need_not_ask(self) -> bool:
        return self._cancelling or self._known().paid_in_full

    def _known(self) -> Progress:
        assert self._progress is not None, "asked before the order was recorded"
        return self._progress

    def _stage(self) -> Stage:
        return stage(self._progress) if self._progress else Stage.RECEIVED

    def _has_left(self, shipment_id: str) -> bool:
        return self._known().shipment(shipment_id).state.has_left

    def _is_gone(self, shipment_id: str) -> bool:
        """It has left, or won't any more."""
        return self._has_left(shipment_id) or self._is_over(shipment_id)

    def _is_called_back(self, shipment_id: str) -> bool:
        return self._known().shipment(shipment_id).called_back_by is not None

    def _is_over(self, shipment_id: str) -> bool:
        """It has arrived, or never will."""
        return self._known().shipment(shipment_id).state not in UNDER_WAY


def _given(request: JsonValue) -> JsonValue:
    """A command needs no words."""
    return {} if request is None else request


async def _unless_stopped(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Stopped:
        return
