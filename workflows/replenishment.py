"""Replenishment: the purchase of one SKU for one location."""

import asyncio
from collections import deque

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.notifying import find_missed_notifications
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
    from workflows.attention import AttentionBoard
    from workflows.facts import apply_purchase_fact, read_message, read_stored, record_rejected
    from workflows.notifying import notify
    from workflows.status_text import needs_operator
    from workflows.steps import Steps, Stopped, run_database_step

SUPPLY = "supply"
"""A key on the attention board."""


@workflow.defn
class ReplenishmentWorkflow:
    """The purchase of one SKU for one location, until no goods are awaited.

    Every round plans anew from the tables. A later shortage or goods receipt starts the workflow
    again. Without a usable offer it waits for an operator, and plans again every day.
    """

    @workflow.init
    def __init__(self, key: StockKey) -> None:
        self._key = key
        self._subject = f"{key.location}/{key.sku}"
        self._inbox: deque[PurchaseFact | RejectedMessage] = deque()
        self._must_plan = True
        self._again = False
        self._sending: set[str] = set()
        self._plan: PurchasePlan | None = None
        self._board = AttentionBoard(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.run
    async def run(self, key: StockKey) -> None:
        """Apply facts and plan purchases in rounds, until nothing is awaited."""
        if workflow.info().continued_run_id:
            await self._show_attention(None)  # the previous run may have left another
        else:
            await self._recover()
        while True:
            await self._wait_for_round()
            await self._apply_facts()
            plan = await self._purchase()
            if self._has_news():
                continue
            if not (plan.open or plan.unmet or plan.problem or self._sending):
                break
            if workflow.info().is_continue_as_new_suggested() and not self._sending:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._has_news():
                    workflow.continue_as_new(key)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _recover(self) -> None:
        """Take over the facts and notifications of an earlier run that was terminated."""
        missed = await run_database_step(
            find_missed_notifications, self._key, "Find missed facts and notifications"
        )
        for stored in missed.facts:
            fact = read_stored(self._subject, stored)
            if isinstance(fact, PurchaseFact | RejectedMessage):
                self._inbox.append(fact)
        await notify(self._steps, missed.notification, self._key)

    def _has_news(self) -> bool:
        return self._must_plan or bool(self._inbox)

    async def _wait_for_round(self) -> None:
        """Wait for a fact, a request to plan, or the time at which the plan must be reviewed."""
        due = self._plan.review_at if self._plan else None
        seconds = None if due is None else max(0.0, (due - workflow.now()).total_seconds())
        await self._steps.wait_until(self._has_news, seconds, "Until a supplier is overdue")

    async def _apply_facts(self) -> None:
        while self._inbox:
            fact = self._inbox[0]
            if isinstance(fact, RejectedMessage):
                await record_rejected(fact)
            else:
                await apply_purchase_fact(self._steps, fact, self._key)
            self._inbox.popleft()
            self._must_plan = True

    async def _purchase(self) -> PurchasePlan:
        """Plan purchases of units that are short, and send the purchase orders that are due."""
        self._must_plan, again, self._again = False, self._again, False
        since = self._plan.made_at if self._plan else None
        step = PlanStep(key=self._key, again=again, since=since)
        plan = await self._steps.run_database_step(plan_purchases, step, "Plan purchases")
        self._plan, self._board.policy = plan, plan.policy
        self._show_details()
        for send in plan.send:
            if send.po_id not in self._sending:
                self._sending.add(send.po_id)
                self._start_sending(send)
        if plan.problem:
            attention = Attention(
                code="purchase_approval" if plan.awaits_approval else "no_offer",
                message=plan.problem,
            )
            await self._board.raise_attention(SUPPLY, attention)
        else:
            await self._board.clear_attention(SUPPLY)
        await notify(self._steps, plan.notification, self._key)
        return plan

    def _start_sending(self, send: PlannedSend) -> None:
        """Send in the background: goods may arrive before the supplier answers."""
        task = asyncio.create_task(self._send(send))
        task.add_done_callback(lambda done: self._end_sending(send.po_id, done))

    async def _send(self, send: PlannedSend) -> None:
        """Send a purchase order when it has collected its lines, unless it ends before."""
        seconds = (send.at - workflow.now()).total_seconds()
        if seconds > 0:
            await workflow.sleep(seconds, summary=f"Until {send.po_id} has collected its lines")
        step = PurchaseStep(po_id=send.po_id, sku=self._key.sku)
        steps = Steps(self._board, stops=lambda: self._has_ended(send.po_id))
        summary = f"Send purchase order {send.po_id}"
        try:
            notification = await steps.call_partner(Purchasing.send_purchase_order, step, summary)
        except Stopped:
            await self._board.clear_attention(summary)
        else:
            await notify(self._steps, notification, self._key)

    def _has_ended(self, po_id: str) -> bool:
        """Return whether the last plan no longer contains a purchase order."""
        return self._plan is not None and po_id not in self._plan.open

    def _end_sending(self, po_id: str, task: "asyncio.Task[None]") -> None:
        task.result()
        self._sending.discard(po_id)
        self._must_plan = True

    @workflow.signal
    def shortage_reported(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Plan again for a shortage: see `ShortageReported`."""
        shortage = read_message(ShortageReported, self._subject, "shortage_reported", fact)
        if isinstance(shortage, RejectedMessage):
            self._inbox.append(shortage)
        elif shortage.again:
            self._retry()
        self._must_plan = True

    @workflow.signal
    def supplier_acknowledged(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a supplier's acknowledgement: see `SupplierAcknowledged`."""
        self._receive(SupplierAcknowledged, "supplier_acknowledged", fact)

    @workflow.signal
    def goods_shipped(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a supplier's ship notice: see `GoodsShipped`."""
        self._receive(GoodsShipped, "goods_shipped", fact)

    @workflow.signal
    def goods_received(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a goods receipt: see `GoodsReceived`."""
        self._receive(GoodsReceived, "goods_received", fact)

    @workflow.signal
    def supplier_invoiced(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Apply a supplier's invoice: see `SupplierInvoiced`."""
        self._receive(SupplierInvoiced, "supplier_invoiced", fact)

    def _receive(self, kind: type[PurchaseFact], name: str, raw: JsonValue) -> None:
        self._inbox.append(read_message(kind, self._subject, name, raw))

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Plan and send at once, also to suppliers that have failed. Accepts any arguments."""
        self._retry()
        self._must_plan = True
        return CommandOutcome(accepted=True, message="planning purchases again")

    @workflow.query
    def status(self, *_more: JsonValue) -> PurchasePlan | None:
        """Show the last plan; None before the first."""
        return self._plan

    def _retry(self) -> None:
        self._again = True
        self._board.retries += 1

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(search_attributes.for_attention(attention))
        self._show_details()

    def _show_details(self) -> None:
        orders = ", ".join(self._plan.open if self._plan else ()) or "none"
        parts = [f"Open purchase orders: {orders}."]
        if attention := self._board.attention:
            parts.append(needs_operator(attention))
        workflow.set_current_details("\n\n".join(parts))
