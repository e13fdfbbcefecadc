"""Facts: how a message becomes one, which step applies it, and who does so where no workflow
runs."""

import json
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing import Billing
    from activities.orders import Orders
    from activities.purchasing import Purchasing
    from activities.shipping import Shipping
    from models.messages import (
        FACT_TYPES,
        DeliveryStep,
        DispatchStep,
        Fact,
        FactInput,
        GoodsReceived,
        OddFact,
        OrderFact,
        PaymentReceived,
        PaymentStep,
        PurchaseFact,
        ShipmentDispatched,
        StockFreed,
        StoredFact,
        business_id,
        type_of,
    )
    from models.orders import Progress
    from workflows.steps import Board, RefusedStep, Steps, run_database_step

F = TypeVar("F", bound=BaseModel)


def read_fact(kind: type[F], subject: str, name: str, raw: JsonValue) -> F | OddFact:
    """`raw`, whatever somebody sent, as the message it should be; else as an odd fact."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return OddFact(
            subject=subject,
            name=name,
            body=json.dumps(raw, sort_keys=True, ensure_ascii=False),
            reason=f"{field}: {first['msg']}" if field else str(first["msg"]),
        )


def read_stored(subject: str, stored: StoredFact) -> Fact | OddFact:
    """A fact as the door kept it."""
    kind: type[BaseModel] = FACT_TYPES[stored.type]
    fact = read_fact(kind, subject, stored.type, stored.data)
    assert isinstance(fact, Fact | OddFact)
    return fact


async def apply_order_fact(order_id: str, fact: OrderFact) -> Progress:
    """Apply a fact to its order's tables. Raises RefusedStep where there is no such order."""
    if isinstance(fact, PaymentReceived):
        payment = PaymentStep(order_id=order_id, fact=fact)
        return await run_database_step(
            Billing.apply_payment, payment, f"Record payment {fact.payment_id}"
        )
    if isinstance(fact, ShipmentDispatched):
        dispatch = DispatchStep(order_id=order_id, fact=fact)
        return await run_database_step(
            Shipping.apply_dispatch, dispatch, f"Issue goods ({fact.event_id})"
        )
    delivery = DeliveryStep(order_id=order_id, fact=fact)
    return await run_database_step(
        Shipping.apply_delivery, delivery, f"Record delivery ({fact.event_id})"
    )


async def apply_purchase_fact(steps: Steps, fact: PurchaseFact) -> None:
    """Apply a supplier's fact, and tell the orders that it served."""
    if isinstance(fact, GoodsReceived):
        freed = await steps.database(
            Purchasing.receive_goods, fact, f"Take in receipt {fact.receipt_id}"
        )
    else:
        freed = await steps.database(
            Purchasing.apply_acknowledgement, fact, f"Record acknowledgement of {fact.po_id}"
        )
    if freed.orders:
        await steps.partner(Purchasing.tell_orders, freed, "Tell orders that stock has arrived")


@workflow.defn
class FactWorkflow:
    """Applies one fact for which no workflow runs: an order that is over, or was never placed."""

    @workflow.run
    async def run(self, given: FactInput) -> str:
        """Returns what became of the fact, in words."""
        fact = read_stored(given.fact_id, given.fact)
        if isinstance(fact, OddFact):
            await run_database_step(Orders.keep_odd_fact, fact, "Keep an odd fact")
            return f"odd: {fact.reason}"
        if isinstance(fact, PurchaseFact):
            await apply_purchase_fact(Steps(Board(_show_nothing), lambda: False), fact)
            return "applied"
        return await self._apply(fact)

    async def _apply(self, fact: OrderFact) -> str:
        try:
            await apply_order_fact(fact.order_id or "", fact)
        except RefusedStep as refusal:
            return await self._keep(fact, refusal.attention.message)
        await self._tell(fact)
        return "applied"

    async def _tell(self, fact: OrderFact) -> None:
        """An order that was placed while we applied its fact looks again."""
        told = StockFreed(cause=business_id(fact), orders=(fact.order_id or "",))
        steps = Steps(Board(_show_nothing), lambda: False)
        await steps.partner(Purchasing.tell_orders, told, "Tell the order, if it runs")

    async def _keep(self, fact: OrderFact, reason: str) -> str:
        if isinstance(fact, PaymentReceived):
            await run_database_step(Billing.keep_unmatched_payment, fact, "Keep unmatched payment")
            await self._tell(fact)
            return f"kept as unmatched: {reason}"
        odd = OddFact(
            subject=fact.order_id or "",
            name=type_of(fact).replace(".", "_"),
            body=fact.model_dump_json(),
            reason=reason,
        )
        await run_database_step(Orders.keep_odd_fact, odd, "Keep an odd fact")
        return f"odd: {reason}"


async def _show_nothing(_attention: object) -> None:
    """A fact's workflow has no order to show attention on: its activities are what one sees."""
