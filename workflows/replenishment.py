"""Replenishment: one SKU at one location, bought when orders are short of it or it runs low."""

import asyncio
from collections import deque

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.notifying import find_missed_notifications
    from activities.orders.steps import record_rejected_message
    from activities.purchasing.steps import Purchasing, plan_purchases
    from models.messages.attention import Attention
    from models.messages.facts import (
        GoodsReceived,
        GoodsShipped,
        PurchaseFact,
        RejectedMessage,
        ShortageReported,
        SupplierAcknowledged,
        SupplierInvoiced,
    )
    from models.messages.requests import CommandOutcome
    from models.messages.steps import PlannedSend, PlanStep, PurchasePlan, PurchaseStep, StockKey
    from workflows import search_attributes
    from workflows.facts import apply_purchase_fact, notify, read_fact, read_stored
    from workflows.steps import AttentionBoard, Steps, Stopped, run_database_step


@workflow.defn
class ReplenishmentWorkflow:
    """Buys what is short or runs low, and takes in what arrives, until nothing is awaited. Where no
    offer is left for it, it waits for a person, and looks again every day.

    It carries nothing in memory: every round plans anew from the tables. A later shortage or
    receipt starts it again.
    """

    @workflow.init
    def __init__(self, place: StockKey) -> None:
        self._place = place
        self._subject = f"{place.location}/{place.sku}"
        self._inbox: deque[PurchaseFact | RejectedMessage] = deque()
        self._look = True
        self._again = False
        self._sending: set[str] = set()
        self._plan: PurchasePlan | None = None
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.run
    async def run(self, place: StockKey) -> None:
        """Rounds of planning, until there is nothing to wait for."""
        if workflow.info().continued_run_id:
            await self._show_attention(None)  # the run before may have left another
        else:
            await self._catch_up()
        while True:
            await self._until_something_happens()
            await self._take_facts()
            plan = await self._buy()
            if self._inbox or self._look:
                continue
            if not (plan.open or plan.unmet or plan.problem or self._sending):
                break
            if workflow.info().is_continue_as_new_suggested() and not self._sending:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._inbox and not self._look:
                    workflow.continue_as_new(place)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _catch_up(self) -> None:
        """A run before this one may have been ended with facts in hand, or before it had told."""
        summary = "Look for what was missed"
        missed = await run_database_step(find_missed_notifications, self._place, summary)
        for stored in missed.facts:
            fact = read_stored(self._subject, stored)
            if isinstance(fact, PurchaseFact | RejectedMessage):
                self._inbox.append(fact)
        await notify(self._steps, missed.notification, self._place)

    async def _until_something_happens(self) -> None:
        """A fact, a call to look, or the time when something is due that nobody tells us of."""
        due = self._plan.look_at if self._plan else None
        seconds = None if due is None else max(0.0, (due - workflow.now()).total_seconds())
        await self._steps.until(
            lambda: self._look or bool(self._inbox), "Until a supplier is overdue", seconds
        )

    async def _take_facts(self) -> None:
        while self._inbox:
            fact = self._inbox[0]
            if isinstance(fact, RejectedMessage):
                await run_database_step(record_rejected_message, fact, "Keep an odd fact")
            else:
                await apply_purchase_fact(self._steps, fact, self._place)
            self._inbox.popleft()
            self._look = True

    async def _buy(self) -> PurchasePlan:
        """Plan for what is short and not bought yet; send what has collected its lines."""
        self._look, again, self._again = False, self._again, False
        since = self._plan.made_at if self._plan else None
        step = PlanStep(place=self._place, again=again, since=since)
        plan = await self._steps.database(plan_purchases, step, "Plan purchases")
        self._plan, self._board.policy = plan, plan.policy
        self._tell()
        for send in plan.send:
            if send.po_id not in self._sending:
                self._sending.add(send.po_id)
                self._send(send)
        if plan.problem:
            problem = Attention(code="no_offer", message=plan.problem)
            await self._board.raise_attention("supply", problem)
        else:
            await self._board.clear_attention("supply")
        await notify(self._steps, plan.notification, self._place)
        return plan

    def _send(self, send: PlannedSend) -> None:
        """Beside the rounds: goods may arrive while the supplier's answer is still out."""
        task = asyncio.create_task(self._send_in_time(send))
        task.add_done_callback(lambda done: self._sent(send.po_id, done))

    async def _send_in_time(self, send: PlannedSend) -> None:
        seconds = (send.at - workflow.now()).total_seconds()
        if seconds > 0:
            await workflow.sleep(seconds, summary=f"{send.po_id} collects lines")
        step = PurchaseStep(po_id=send.po_id, sku=self._place.sku)
        steps = Steps(self._board, stops=lambda: self._is_given_up(send.po_id))
        summary = f"Send {send.po_id}"
        try:
            notification = await steps.partner(Purchasing.send_purchase_order, step, summary)
        except Stopped:
            await self._board.clear_attention(summary)
        else:
            await notify(self._steps, notification, self._place)

    def _is_given_up(self, po_id: str) -> bool:
        """The last plan counts on it no longer."""
        return self._plan is not None and po_id not in self._plan.open

    def _sent(self, po_id: str, done: "asyncio.Task[None]") -> None:
        done.result()
        self._sending.discard(po_id)
        self._look = True

    @workflow.signal
    def shortage_reported(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """An order is short here: see `ShortageReported`. All it does is look."""
        shortage = read_fact(ShortageReported, self._subject, "shortage_reported", fact)
        if isinstance(shortage, RejectedMessage):
            self._inbox.append(shortage)
        elif shortage.again:
            self._ask_again()
        self._look = True

    @workflow.signal
    def supplier_acknowledged(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """A purchase order was confirmed: see `SupplierAcknowledged`."""
        self._inbox.append(
            read_fact(SupplierAcknowledged, self._subject, "supplier_acknowledged", fact)
        )

    @workflow.signal
    def goods_shipped(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Goods are on their way to us: see `GoodsShipped`."""
        self._inbox.append(read_fact(GoodsShipped, self._subject, "goods_shipped", fact))

    @workflow.signal
    def goods_received(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Goods have arrived: see `GoodsReceived`."""
        self._inbox.append(read_fact(GoodsReceived, self._subject, "goods_received", fact))

    @workflow.signal
    def supplier_invoiced(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """A supplier asks for its money: see `SupplierInvoiced`."""
        self._inbox.append(read_fact(SupplierInvoiced, self._subject, "supplier_invoiced", fact))

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Plan, and send what waits, at once; also with those who have let us down."""
        self._ask_again()
        self._look = True
        return CommandOutcome(accepted=True, message="looking again")

    @workflow.query
    def status(self, *_more: JsonValue) -> PurchasePlan | None:
        """The last plan; None before the first."""
        return self._plan

    def _ask_again(self) -> None:
        self._again = True
        self._board.retries += 1

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        self._tell()

    def _tell(self) -> None:
        orders = ", ".join(self._plan.open if self._plan else ()) or "none"
        text = f"Purchase orders that wait for goods: {orders}."
        if attention := self._board.attention:
            text += f"\n\n**Needs a person** (`{attention.code}`): {attention.message}"
        workflow.set_current_details(text)
