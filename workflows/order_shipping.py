"""The shipments of one order: planning, handover, booking, collection, tracking and delivery."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mail.steps import CustomerMail
    from activities.shipping.carrier_calls import CarrierCalls
    from activities.shipping.steps import hand_over, plan_shipments
    from models.messages.attention import not_collected, shipment_exception, shipment_silent
    from models.messages.steps import CallOutcome, CollectionStep, ShipmentStep
    from models.orders import Fulfilment
    from models.progress import ShipmentProgress, ShipmentState
    from workflows.order_context import OrderContext
    from workflows.order_goods import OrderGoods
    from workflows.steps import RefusedStep, Steps, Stopped

UNDER_WAY = (ShipmentState.PLANNED, ShipmentState.BOOKED, ShipmentState.DISPATCHED)


class OrderShipping:
    """The shipments of one order, each followed by a task of its own."""

    def __init__(self, order: OrderContext, goods: OrderGoods) -> None:
        self._order = order
        self._goods = goods

    async def ship(self) -> None:
        """Plan shipments as stock arrives, and follow each, until the order is fulfilled."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            await self._plan_shipments(tasks)
            while not self._order.progress.fulfilled:
                await self._order.steps.wait_until(lambda: self._must_act(tasks))
                for task in tasks.values():
                    if task.done():
                        task.result()
                await self._plan_shipments(tasks)
        except Stopped:
            await workflow.wait_condition(lambda: all(task.done() for task in tasks.values()))
            for task in tasks.values():
                with suppress(Stopped):
                    task.result()
            raise
        await workflow.wait_condition(lambda: all(task.done() for task in tasks.values()))
        for task in tasks.values():
            task.result()

    async def _plan_shipments(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Plan shipments of the reserved units, and start a task for each new one. One that is
        already delivered has a task too, which mails the customer."""
        order = self._order
        self._goods.start_supply()
        if order.progress.may_consign:
            await order.run_step(plan_shipments, "Plan shipments")
        for shipment_id in self._not_followed(tasks):
            shipment = OrderShipment(order, shipment_id)
            tasks[shipment_id] = asyncio.create_task(shipment.follow())

    def _not_followed(self, tasks: dict[str, asyncio.Task[None]]) -> list[str]:
        """Return the shipments that need a task and have none."""
        shipments = self._order.progress.in_state(*UNDER_WAY, ShipmentState.DELIVERED)
        return [shipment_id for shipment_id in shipments if shipment_id not in tasks]

    def _must_act(self, tasks: dict[str, asyncio.Task[None]]) -> bool:
        """Return whether a task failed, units need a plan or supply, or the order is fulfilled."""
        progress = self._order.progress
        has_failed = any(task.done() and task.exception() for task in tasks.values())
        is_short = progress.backordered > 0 and not self._goods.is_supplying
        is_due = progress.may_consign or progress.fulfilled or bool(self._not_followed(tasks))
        return has_failed or is_short or is_due


class OrderShipment:
    """One shipment of an order, until it is delivered, cancelled or written off."""

    def __init__(self, order: OrderContext, shipment_id: str) -> None:
        self._order = order
        self._id = shipment_id
        self._step = ShipmentStep(order_id=order.order_id, shipment_id=shipment_id)

    async def follow(self) -> None:
        """Hand the goods over, to a carrier or the customer, and wait for the delivery."""
        order = self._order
        match order.progress.fulfilment:
            case Fulfilment.COUNTER:
                await self._hand_over()
            case Fulfilment.CARRIER:
                await self._book()
                order.start_in_background(self._watch_silence())
            case Fulfilment.PICK_UP:
                order.start_in_background(self._watch_collection())
        await order.steps.wait_until(self._is_gone)
        if order.progress.fulfilment is Fulfilment.CARRIER and self._progress.state.has_left:
            order.start_in_background(self._mail_dispatch())
        await self._wait_for_delivery()

    @property
    def _progress(self) -> ShipmentProgress:
        return self._order.progress.shipment(self._id)

    def _is_gone(self) -> bool:
        """Return whether the goods have left, or never will."""
        return self._progress.state.has_left or self._is_over()

    def _is_over(self) -> bool:
        """Return whether the shipment was delivered, or never will be."""
        return self._progress.state not in UNDER_WAY

    async def _hand_over(self) -> None:
        """Hand the goods over the counter while the payment is secured."""
        order = self._order
        while not self._is_gone():
            await order.steps.wait_until(lambda: order.progress.secured or self._is_gone())
            if not self._is_gone():
                summary = f"Hand over {self._id}"
                order.update(await order.steps.run_database_step(hand_over, self._step, summary))

    async def _book(self) -> None:
        """Book a carrier while the payment is secured. Skip goods that have left or never will."""
        order, summary = self._order, f"Book a carrier for {self._id}"
        await self._wait_for_opening()

        def stops() -> bool:
            return order.cancelling or self._is_gone() or not order.progress.secured

        steps = Steps(order.board, stops, order.is_paused)
        outcome = order.outcome_of(f"book_shipment/{self._id}")
        while not self._is_gone() and not outcome.is_done:
            await order.steps.wait_until(lambda: not stops() or self._is_gone())
            try:
                refusal, outcome = outcome.refusal, CallOutcome(step=outcome.step)
                order.update(
                    await steps.call_partner(
                        CarrierCalls.book_shipment, self._step, summary, refusal
                    )
                )
            except Stopped:
                await order.board.clear_attention(summary)
                if order.cancelling:
                    raise
            else:
                if self._progress.called_back_by is None:
                    return
                await order.steps.wait_until(
                    lambda: self._is_gone() or self._progress.called_back_by is None
                )

    async def _wait_for_opening(self) -> None:
        book_from = self._progress.book_from
        if book_from is not None and book_from > workflow.now():
            await self._order.steps.wait_until(
                self._is_gone,
                (book_from - workflow.now()).total_seconds(),
                "Until the location hands it over to a carrier",
            )

    async def _mail_dispatch(self) -> None:
        """Mail the dispatch, with the tracking number of a booking."""
        outcome = self._order.outcome_of(f"mail_dispatch/{self._id}")
        if outcome.is_done:
            return
        if not self._progress.is_booked:
            await self._find_booking()
        await self._order.regardless.call_partner(
            CustomerMail.mail_dispatch,
            self._step,
            f"Mail the dispatch of {self._id}",
            outcome.refusal,
        )

    async def _find_booking(self) -> None:
        """Repeat the booking of goods that left before the carrier's answer arrived.

        The same key brings the same answer. A refusal means that there is no booking.
        """
        try:
            self._order.update(
                await self._order.regardless.call_partner_or_raise(
                    CarrierCalls.book_shipment, self._step, f"Find the booking of {self._id}"
                )
            )
        except RefusedStep:
            return

    async def _watch_collection(self) -> None:
        """Mail the customer when to collect the goods. Goods not collected in time wait for an
        operator; a retry extends the deadline."""
        order = self._order
        period = timedelta(seconds=order.board.policy.collect_within)
        collect_by = self._progress.planned_at + period
        mail = CollectionStep(**dict(self._step), collect_by=collect_by)
        order.start_mail(CustomerMail.mail_collection, mail, f"Mail that {self._id} is ready")
        while not self._is_gone():
            left = (collect_by - workflow.now()).total_seconds()
            if left > 0:
                await order.steps.wait_until(self._is_gone, left, "Until the collection deadline")
            else:
                attention = not_collected(self._id, collect_by)
                await order.steps.wait_for_operator(
                    f"Collection of {self._id}", attention, self._is_gone
                )
                collect_by = workflow.now() + period

    async def _watch_silence(self) -> None:
        """Show a carrier's silence about a shipment as attention until the next tracking event."""
        order, key = self._order, f"News of {self._id}"
        while not self._is_over():
            progress = self._progress
            last_event_at = progress.news_at or workflow.now()
            silence = timedelta(seconds=order.board.policy.silence_of(progress.mode))
            left = (last_event_at + silence - workflow.now()).total_seconds()
            if left > 0:
                await order.steps.wait_until(
                    self._is_over, left, "Until the carrier is silent for too long"
                )
                continue
            await order.board.raise_attention(key, shipment_silent(self._id, last_event_at))
            await self._wait_for_change(progress)
            await order.board.clear_attention(key)

    async def _wait_for_delivery(self) -> None:
        """Wait for the delivery. Goods that won't arrive by themselves wait for an operator."""
        board, key = self._order.board, f"Delivery of {self._id}"
        while not self._is_over():
            progress = self._progress
            if progress.tracking is not None and progress.tracking.needs_operator:
                await board.raise_attention(key, shipment_exception(self._id, progress.tracking))
            else:
                await board.clear_attention(key)
            await self._wait_for_change(progress)
        await board.clear_attention(key)

    async def _wait_for_change(self, known: ShipmentProgress) -> None:
        await self._order.steps.wait_until(lambda: self._progress != known)
