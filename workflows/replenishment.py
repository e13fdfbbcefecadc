"""Replenishment: one SKU at one location, bought when orders are short of it."""

import asyncio
from collections import deque

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.orders import Orders
    from activities.purchasing import Purchasing
    from models.messages import (
        Attention,
        CommandOutcome,
        GoodsReceived,
        OddFact,
        PurchaseFact,
        PurchasePlan,
        PurchaseStep,
        ShortageReported,
        StockFreed,
        StockPlace,
        SupplierAcknowledged,
        SupplyProblem,
    )
    from workflows import attributes
    from workflows.facts import apply_purchase_fact, read_fact
    from workflows.steps import Board, RefusedStep, Steps, run_database_step


@workflow.defn
class ReplenishmentWorkflow:
    """Buys what is short, and takes in what arrives, until nothing is short or on order.

    It carries nothing in memory: every round plans anew from the tables. A later shortage or
    receipt starts it again.
    """

    @workflow.init
    def __init__(self, place: StockPlace) -> None:
        self._place = place
        self._subject = f"{place.location}/{place.sku}"
        self._inbox: deque[PurchaseFact | OddFact] = deque()
        self._look = True
        self._sending: set[str] = set()
        self._plan: PurchasePlan | None = None
        self._board = Board(self._show_attention)
        self._steps = Steps(self._board, stops=lambda: False)

    @workflow.run
    async def run(self, place: StockPlace) -> None:
        """Rounds of planning, until there is nothing to wait for."""
        while True:
            await workflow.wait_condition(lambda: self._look or bool(self._inbox))
            await self._take_facts()
            plan = await self._buy()
            if self._inbox or self._look:
                continue
            if not plan.open and not plan.unmet and not self._sending:
                break
            if workflow.info().is_continue_as_new_suggested() and not self._sending:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._inbox and not self._look:
                    workflow.continue_as_new(place)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _take_facts(self) -> None:
        while self._inbox:
            fact = self._inbox[0]
            if isinstance(fact, OddFact):
                await run_database_step(Orders.keep_odd_fact, fact, "Keep an odd fact")
            else:
                await apply_purchase_fact(self._steps, fact)
            self._inbox.popleft()
            self._look = True

    async def _buy(self) -> PurchasePlan:
        """Plan for what is short and not bought yet; send what is planned and not sent yet."""
        self._look = False
        plan = await self._steps.database(Purchasing.plan_purchases, self._place, "Plan purchases")
        self._plan, self._board.policy = plan, plan.policy
        self._tell()
        for po_id in plan.send:
            if po_id not in self._sending:
                self._sending.add(po_id)
                self._send(po_id)
        if plan.unmet:
            message = (
                f"{plan.unmet} x {self._place.sku} are short at {self._place.location} and "
                "no supplier offers them: import an offer, then retry the order"
            )
            await self._board.raise_flag("supply", Attention(code="no_offer", message=message))
            await self._tell_waiting(SupplyProblem(place=self._place, message=message))
        else:
            await self._board.lower_flag("supply")
        if plan.mended:
            told = StockFreed(cause="supply-mended", orders=plan.mended)
            await self._steps.partner(Purchasing.tell_orders, told, "Tell orders it is bought")
        return plan

    def _send(self, po_id: str) -> None:
        """Beside the rounds: goods may arrive while the supplier's answer is still out."""
        task = asyncio.create_task(self._send_until_taken(po_id))
        task.add_done_callback(lambda done: self._sent(po_id, done))

    async def _send_until_taken(self, po_id: str) -> None:
        step = PurchaseStep(po_id=po_id)
        while True:
            try:
                await self._steps.ask(Purchasing.send_purchase_order, step, f"Send {po_id}")
            except RefusedStep as refusal:
                message = f"{po_id} was refused: {refusal.attention.message}"
                problem = SupplyProblem(place=self._place, message=message, po_id=po_id)
                await self._tell_waiting(problem)
                await self._steps.attend(f"Send {po_id}", refusal.attention)
            else:
                return

    def _sent(self, po_id: str, done: "asyncio.Task[None]") -> None:
        done.result()
        self._sending.discard(po_id)
        self._look = True

    async def _tell_waiting(self, problem: SupplyProblem) -> None:
        """Show on every order that waits here that nobody brings its goods."""
        waiting = await self._steps.database(
            Purchasing.note_supply_problem, problem, "Note that nobody supplies"
        )
        await self._steps.partner(Purchasing.tell_orders, waiting, "Tell orders of the problem")

    @workflow.signal
    def shortage_reported(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """An order is short here: see `ShortageReported`. All it does is look."""
        shortage = read_fact(ShortageReported, self._subject, "shortage_reported", fact)
        if isinstance(shortage, OddFact):
            self._inbox.append(shortage)
        self._board.retries += 1
        self._look = True

    @workflow.signal
    def supplier_acknowledged(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """A purchase order was confirmed: see `SupplierAcknowledged`."""
        self._inbox.append(
            read_fact(SupplierAcknowledged, self._subject, "supplier_acknowledged", fact)
        )

    @workflow.signal
    def goods_received(self, fact: JsonValue = None, *_more: JsonValue) -> None:
        """Goods have arrived: see `GoodsReceived`."""
        self._inbox.append(read_fact(GoodsReceived, self._subject, "goods_received", fact))

    @workflow.update
    def retry_step(self, request: JsonValue = None, *_more: JsonValue) -> CommandOutcome:
        """Plan, and send what waits, at once."""
        self._board.retries += 1
        self._look = True
        return CommandOutcome(accepted=True, message="looking again")

    @workflow.query
    def status(self, *_more: JsonValue) -> PurchasePlan | None:
        """The last plan; None before the first."""
        return self._plan

    async def _show_attention(self, attention: Attention | None) -> None:
        workflow.upsert_search_attributes(attributes.for_attention(attention))
        self._tell()

    def _tell(self) -> None:
        orders = ", ".join(self._plan.open if self._plan else ()) or "none"
        text = f"Purchase orders that wait for goods: {orders}."
        if attention := self._board.attention:
            text += f"\n\n**Needs a person** (`{attention.code}`): {attention.message}"
        workflow.set_current_details(text)
