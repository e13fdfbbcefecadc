"""Facts: each is recorded in the inbox, then passed to its workflow."""

from dataclasses import dataclass

from pydantic import JsonValue
from sqlmodel import Session
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

import engine
from activities.billing import reading as billing_reading
from activities.database.company import day_of
from activities.database.inbox import is_recorded, store_fact
from activities.database.unit_of_work import UnitOfWork
from activities.purchasing import reading as purchasing_reading
from activities.shipping import reading as shipping_reading
from intake.connection import Connection
from models.errors import EngineUnavailable, FieldError, InvalidInput, NotFound
from models.messages.commands.base import UNKNOWN_PURCHASE_ORDER
from models.messages.facts import (
    Fact,
    FactInput,
    GoodsReceived,
    GoodsShipped,
    PaymentAuthorised,
    PaymentReceived,
    PaymentReversed,
    PayoutPaid,
    PurchaseFact,
    RefundFact,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
    StoredFact,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.messages.parsing import check_past, parse_fact
from workflows.facts import FactWorkflow

SIGNALS = {
    PaymentReceived: "payment_received",
    PaymentAuthorised: "payment_authorised",
    PaymentReversed: "payment_reversed",
    ShipmentDispatched: "shipment_dispatched",
    ShipmentDelivered: "shipment_delivered",
    ShipmentTracked: "shipment_tracked",
    SupplierAcknowledged: "supplier_acknowledged",
    GoodsShipped: "goods_shipped",
    SupplierInvoiced: "supplier_invoiced",
    GoodsReceived: "goods_received",
}
"""The signal of each fact."""


@dataclass(frozen=True)
class RecordedFact:
    """A recorded fact, and the workflow it was passed to. None: it was applied before."""

    fact_id: str
    workflow_id: str | None


class FactIntake(Connection):
    """Record facts and pass them to their workflows."""

    async def record_fact(
        self, source: str, fact_id: str, type_: str, data: JsonValue, *, by_operator: bool = False
    ) -> RecordedFact:
        """Record a fact once under (source, fact_id), and pass it to its workflow.

        If no workflow runs for it, FactWorkflow applies it. From an operator, facts that could
        only be kept as rejected messages are refused: goods beyond the tolerance, unpaid goods
        handed over. An operator can correct them at once.

        Raises InvalidInput, NotFound, EngineUnavailable (the fact is recorded: send it again).
        """
        fact = parse_fact(type_, data)
        if isinstance(fact, ShipmentFact):
            check_past(fact, self._database.clock())
        if by_operator:
            await self._read(lambda session: self._check_fact(session, source, fact_id, fact))

        def store(work: UnitOfWork) -> tuple[Fact, bool]:
            found = _with_order(work.session, fact)
            return found, store_fact(work, source, fact_id, found)

        fact, is_open = await self._database.transaction_async(store)
        if not is_open:
            return RecordedFact(fact_id, None)
        stored = StoredFact(type=type_, data=fact.model_dump(mode="json"))
        try:
            return RecordedFact(fact_id, await self._pass_on(source, fact_id, fact, stored))
        except EngineUnavailable as error:
            raise EngineUnavailable(
                f"{error.message}; the fact is recorded as {fact_id}: send it again later under "
                "this id"
            ) from error

    def _check_fact(self, session: Session, source: str, fact_id: str, fact: Fact) -> None:
        """Check a fact of an operator; one recorded before was checked then.

        Raises InvalidInput, NotFound.
        """
        if is_recorded(session, source, fact_id):
            return
        problem = None
        if isinstance(fact, GoodsReceived | SupplierAcknowledged):
            problem = self._purchase_problem(session, fact)
        elif isinstance(fact, ShipmentFact):
            reason = shipping_reading.hand_over_refusal(session, fact)
            problem = f"shipment_id: {reason}" if reason else None
        if problem is not None:
            field, _, reason = problem.partition(": ")
            raise InvalidInput([FieldError(field, reason)], "fact_refused")

    def _purchase_problem(
        self, session: Session, fact: GoodsReceived | SupplierAcknowledged
    ) -> str | None:
        """Find why a fact about a purchase order is not possible: "field: reason"."""
        sku = fact.sku if isinstance(fact, GoodsReceived) else None
        key = purchasing_reading.stock_key_of(session, fact.po_id or "", sku)
        if key is None or (sku and key.sku != sku):
            of = f" of {sku!r}" if sku else ""
            message = f"there is no purchase order {fact.po_id!r}{of}"
            raise NotFound(UNKNOWN_PURCHASE_ORDER, message)
        now = self._database.clock()
        if isinstance(fact, GoodsReceived):
            return purchasing_reading.receipt_refusal(
                session, fact, self._database.rules.purchasing, now
            )
        return purchasing_reading.acknowledgement_refusal(session, fact, day_of(session, now))

    async def _pass_on(self, source: str, fact_id: str, fact: Fact, stored: StoredFact) -> str:
        """Signal the fact's workflow, or start FactWorkflow; returns the id of the workflow."""
        target = await self._target(fact)
        if target is not None and await self._signal(target, SIGNALS[type(fact)], fact):
            return target
        return await self._start_fact_workflow(
            FactInput(source=source, fact_id=fact_id, fact=stored)
        )

    async def _target(self, fact: Fact) -> str | None:
        """Find the id of the workflow that applies `fact`."""
        if isinstance(fact, PurchaseFact):
            sku = fact.sku if isinstance(fact, GoodsReceived) else None
            key = await self._read(
                lambda session: purchasing_reading.stock_key_of(session, fact.po_id or "", sku)
            )
            return key.workflow_id if key else None
        if isinstance(fact, PayoutPaid | RefundFact):
            return None
        return f"order-{fact.order_id}"

    async def _start_fact_workflow(self, given: FactInput) -> str:
        workflow_id = f"fact-{given.source}-{given.fact_id}"
        try:
            await engine.reach(
                self._client.start_workflow(
                    FactWorkflow.run,
                    given,
                    id=workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    static_summary=f"{given.fact.type} from {given.source}",
                    static_details="A fact for which no workflow runs, applied by itself.",
                    rpc_timeout=engine.CALL_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            return workflow_id
        return workflow_id


def _with_order(session: Session, fact: Fact) -> Fact:
    """Find the order of a payment that names its invoice, or of a reversal."""
    if isinstance(fact, PaymentReversed):
        order_id = billing_reading.order_of_payment(session, fact.payment_id or "")
    elif isinstance(fact, PaymentReceived):
        order_id = billing_reading.order_of_invoice(session, fact.order_id or "")
        if order_id:
            fact = fact.model_copy(update={"invoice_number": fact.order_id})
    else:
        return fact
    return fact.model_copy(update={"order_id": order_id}) if order_id else fact
