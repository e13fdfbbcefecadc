"""The doors' common part: accept an order, take a fact, hand on a command.

Nothing here decides about stock or money: orders become workflows, facts become signals.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError
from sqlmodel import Session
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

import engine
from activities import (
    reading,
    reading_orders,
    reading_purchases,
    reading_returns,
    reading_shipments,
    reading_stock,
)
from activities.database.door import keep_fact
from activities.database.engine import Clock, Database
from models import nightly
from models.base import Identifier
from models.billing import not_an_amount
from models.commands import (
    COMMAND_ID_TAKEN,
    UNKNOWN,
    UNKNOWN_PURCHASE_ORDER,
    UNKNOWN_SKU,
    Command,
    CommandDone,
    CommandStep,
    RefundShipment,
    Refusal,
    SeeTo,
    after_workflow,
)
from models.errors import (
    Conflict,
    EngineUnavailable,
    FieldError,
    InvalidInput,
    NotFound,
    Refused,
    invalid_input,
)
from models.messages import (
    FACT_TYPES,
    FAILING,
    REPLENISHES,
    REPORTED_PROBLEMS,
    WORKFLOW_ENDED,
    WORKFLOW_FAILS,
    AcceptRequest,
    Attention,
    CancelRequest,
    CommandOutcome,
    Fact,
    FactInput,
    GoodsReceived,
    GoodsShipped,
    PaymentAuthorised,
    PaymentReceived,
    PaymentReversed,
    PayoutPaid,
    PurchaseFact,
    RetryRequest,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
    ShortageReported,
    StockArrived,
    StockPlace,
    StoredFact,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.money import format_amount, parse_amount
from models.nightly import ReconcileOutcome, ReviewOutcome
from models.orders import OrderDocument, Stage, digest
from models.purchasing import BuyingPolicy
from models.views import LineView, OrderDetails, OrderView
from workflows import attributes
from workflows.commands import CommandWorkflow
from workflows.facts import FactWorkflow
from workflows.narrative import summary
from workflows.order import OrderWorkflow
from workflows.replenishment import ReplenishmentWorkflow

ENGINE_TIMEOUT = engine.CALL_TIMEOUT
LAZY_CONNECT_FAILED = "Failed client connect"
"""How the SDK's RuntimeError begins where a lazy client's first call finds no server."""
CUT_OFF = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.CANCELED,
)
"""How a workflow of ours ends by another's hand only."""
OVER = (Stage.COMPLETED, Stage.CANCELLED)
CLOCKS_DIFFER = timedelta(minutes=5)
"""What is said to have happened so much later than now is taken all the same."""
LOOK_TIMEOUT = timedelta(seconds=1)
"""How long a view waits for what it can do without."""
NIGHTLY_TIMEOUT = timedelta(minutes=10)
"""How long one waits for what else happens at night."""
REQUIRED = {
    PaymentReceived: ("payment_id", "order_id", "amount", "currency"),
    PaymentAuthorised: ("authorisation_id", "order_id", "amount", "currency"),
    PaymentReversed: ("reversal_id", "payment_id"),
    PayoutPaid: ("payout_id", "amount", "currency"),
    ShipmentDispatched: ("event_id", "order_id", "shipment_id"),
    ShipmentDelivered: ("event_id", "order_id", "shipment_id"),
    ShipmentTracked: ("event_id", "order_id", "shipment_id", "status"),
    SupplierAcknowledged: ("acknowledgement_id", "po_id"),
    GoodsShipped: ("notice_id", "po_id"),
    SupplierInvoiced: ("invoice_id", "po_id", "currency", "lines"),
    GoodsReceived: ("receipt_id", "po_id", "sku", "quantity"),
}
"""What a fact must say at the door. From the Temporal UI a person may leave out more."""
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
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Placed:
    """An accepted order; `created` is False where it was there already."""

    order: OrderView
    created: bool


@dataclass(frozen=True)
class Taken:
    """A fact that was taken; `workflow_id` is who was told, None: it had been applied before."""

    fact_id: str
    workflow_id: str | None


class Intake:
    """Accepts orders, facts and commands; safe to share between requests."""

    def __init__(
        self, client: Client, database: Database, clock: Clock, buying: BuyingPolicy
    ) -> None:
        self._client = client
        self._database = database
        self._clock = clock
        self._buying = buying

    async def place(self, sent: JsonValue) -> Placed:
        """Accept an order document as sent: its workflow is running when this returns.

        Raises InvalidInput (naming each field), Conflict (the id is taken by other content),
        EngineUnavailable.
        """
        document = parse_order(sent)
        mark = digest(sent)
        known = await self._read(
            lambda session: reading.digest_and_stage(session, document.order_id)
        )
        if known is not None and known[0] != mark:
            raise _taken(document.order_id)
        if known is not None and known[1] in OVER and not await self._stopped(document.order_id):
            return Placed(await self.status(document.order_id), created=False)
        errors, total_minor = await self._read(
            lambda session: reading.check_order(session, document)
        )
        if errors and known is None:
            raise InvalidInput(errors)
        view = _received(document, total_minor, self._clock())
        started = await self._start(document, mark, total_minor, view)
        if started and known is None:
            return Placed(view, created=True)
        return Placed(await self.status(document.order_id), created=False)

    async def take_fact(
        self, source: str, fact_id: str, type_: str, data: JsonValue, *, by_person: bool = False
    ) -> Taken:
        """Keep a fact under (source, fact_id), then tell the workflow that waits for it; where
        none runs, FactWorkflow applies it. Again, any number of times, is the same.

        `by_person`: what of a purchase order could only be kept as odd (goods beyond the
        tolerance) is refused instead, and so are goods that are handed over unpaid: a person can
        mend it at once, a partner would only repeat.

        Raises InvalidInput, NotFound, EngineUnavailable (then the fact is kept: send it again).
        """
        fact = parse_fact(type_, data)
        if isinstance(fact, ShipmentFact):
            _check_past(fact, self._clock())
        if isinstance(fact, PaymentReceived | PaymentReversed):
            fact = await self._for_its_order(fact)
        if by_person and isinstance(fact, GoodsReceived | SupplierAcknowledged):
            await self._read(lambda session: self._check_purchase(session, source, fact_id, fact))
        if by_person and isinstance(fact, ShipmentFact):
            await self._read(lambda session: _check_hand_over(session, source, fact_id, fact))
        stored = StoredFact(type=type_, data=fact.model_dump(mode="json"))
        waits = await asyncio.to_thread(
            self._database.transaction,
            lambda session: keep_fact(session, source, fact_id, fact, self._clock()),
        )
        if not waits:
            return Taken(fact_id, None)
        try:
            return Taken(fact_id, await self._pass_on(source, fact_id, fact, stored))
        except EngineUnavailable as error:
            raise EngineUnavailable(
                f"{error.message}; it is kept as {fact_id}: say it again under this id, later"
            ) from error

    async def _pass_on(self, source: str, fact_id: str, fact: Fact, stored: StoredFact) -> str:
        """Tell whoever waits for a fact; where nobody does, FactWorkflow applies it."""
        target = await self._target(fact)
        if target is not None and await self._signal(target, SIGNALS[type(fact)], fact):
            return target
        given = FactInput(source=source, fact_id=fact_id, fact=stored)
        return await self._apply_alone(given)

    async def status(self, order_id: str) -> OrderDetails:
        """The order as the tables have it, and whether its workflow was cut off or fails; one that
        was started a moment ago as received.

        Raises NotFound.
        """
        details = await self._read(lambda session: reading_orders.order_details(session, order_id))
        if details is not None:
            trouble = await self._trouble(order_id) if details.stage not in OVER else None
            return details.model_copy(update={"attention": trouble}) if trouble else details
        view = await self._from_memo(order_id)
        if view is None:
            raise NotFound("order_unknown", f"there is no order {order_id!r}")
        return OrderDetails(**dict(view), delivery="")

    async def list_orders(
        self, stage: Stage | None, attention: bool, limit: int
    ) -> list[OrderView]:
        """Orders, newest first; one whose workflow was cut off or fails shows that as its
        attention. Where the engine doesn't answer, only the tables are asked."""
        troubles = await self._troubles()
        views = await self._read(
            lambda session: reading_orders.list_orders(session, stage, attention, limit, troubles)
        )
        if stage in (None, Stage.RECEIVED):
            unrecorded = await self._unrecorded(troubles, limit)
            views = sorted([*views, *unrecorded], key=lambda view: view.placed_at, reverse=True)
        shown = [
            view.model_copy(update={"attention": troubles[view.order_id]})
            if view.order_id in troubles and view.stage not in OVER
            else view
            for view in views
        ]
        return shown[:limit] if limit else shown

    async def _troubles(self) -> dict[str, Attention]:
        """By order: what the engine says of those whose workflow was cut off and not started again,
        or fails."""
        failing = await self._orders_where(FAILING)
        statuses = ", ".join(f"'{status.name.title().replace('_', '')}'" for status in CUT_OFF)
        ended = await self._orders_where(f"ExecutionStatus IN ({statuses})")
        troubles = await asyncio.gather(*(self._trouble(order_id) for order_id in ended))
        cut_off = {
            order_id: trouble
            for order_id, trouble in zip(ended, troubles, strict=True)
            if trouble is not None
        }
        return {**dict.fromkeys(failing, WORKFLOW_FAILS), **cut_off}

    async def _orders_where(self, query: str) -> list[str]:
        """Orders by a query on their workflows, the newest first, each once; none where the engine
        doesn't answer, or is too old to know the query's attributes."""
        query = f"WorkflowType = 'OrderWorkflow' AND {query}"
        try:
            ids = [run.id async for run in self._client.list_workflows(query)]
        except (RPCError, RuntimeError):
            return []
        return [workflow_id.removeprefix("order-") for workflow_id in dict.fromkeys(ids)]

    async def _unrecorded(self, order_ids: Collection[str], limit: int) -> list[OrderView]:
        """Those that their workflow hasn't recorded yet, by what they were started with; at most
        `limit`, 0 means all."""
        recorded = await self._read(lambda session: reading.recorded(session, order_ids))
        missing = [order_id for order_id in order_ids if order_id not in recorded]
        views = await asyncio.gather(
            *(self._from_memo(order_id) for order_id in missing[: limit or None])
        )
        return [view for view in views if view is not None]

    async def cancel(self, order_id: str, reason: str, actor: str) -> CommandOutcome:
        """Ask an order to cancel. Raises NotFound, Refused (with the order's reason)."""
        return await self._command(order_id, "cancel", CancelRequest(reason=reason, actor=actor))

    async def retry(self, order_id: str, actor: str, reason: str = "retried") -> CommandOutcome:
        """Have everything of an order that waits for a person tried again, beside it too; what only
        had to be seen to is shown no longer. Raises as `cancel`, where nothing waits."""
        request, said = RetryRequest(actor=actor), list[str]()
        unreached = list[EngineUnavailable]()
        if await self._read(lambda session: reading.is_to_be_seen_to(session, order_id)):
            with suppress(Refused):  # somebody else was quicker
                said.append(await self._see_to(order_id, actor, reason))
        beside = await self._read(lambda session: reading.waiting_beside(session, order_id))
        for workflow_id in beside:
            try:
                outcome = await self._ask(workflow_id, "retry_step", request)
            except Refused:  # it is over, or waits for nothing
                continue
            except EngineUnavailable as error:  # the others may answer
                unreached.append(EngineUnavailable(f"{workflow_id}: {error.message}"))
            else:
                said.append(f"{workflow_id}: {outcome.message}")
        said += await self._call_back_again(order_id)
        try:
            said.append((await self._command(order_id, "retry_step", request)).message)
        except Refused:
            if not said and unreached:
                raise unreached[0] from None
            if not said:
                raise
        return CommandOutcome(accepted=True, message="; ".join([*said, *map(str, unreached)]))

    async def _call_back_again(self, order_id: str) -> list[str]:
        """Shipments go on being called back where somebody ended the workflow that asks: the same
        command is given again. Returns what was done, in words."""
        said = []
        for command in await self._read(lambda session: reading.call_backs(session, order_id)):
            workflow_id = after_workflow(command.command_id)
            description = await self._describe(
                self._client.get_workflow_handle(workflow_id), ENGINE_TIMEOUT
            )
            if description is None or description.status in CUT_OFF:
                await self.command(RefundShipment, command.model_dump(mode="json"))
                said.append(f"{workflow_id}: started again")
        return said

    async def _see_to(self, order_id: str, actor: str, reason: str) -> str:
        sent: JsonValue = {
            "command_id": f"seen-{uuid.uuid4()}",
            "order_id": order_id,
            "actor": actor,
            "reason": reason,
        }
        return (await self.command(SeeTo, sent)).message

    async def accept_delay(self, order_id: str, actor: str) -> CommandOutcome:
        """The customer accepts the delay that was told. Raises as `cancel`."""
        return await self._command(order_id, "accept_delay", AcceptRequest(actor=actor))

    async def tell_orders(self, order_ids: tuple[str, ...], cause: str) -> None:
        """Tell orders that stock was reserved for them; one that is over needs no telling."""
        for order_id in order_ids:
            await self._signal(f"order-{order_id}", "stock_arrived", StockArrived(receipt_id=cause))

    async def command(self, kind: type[Command], sent: JsonValue) -> CommandDone:
        """Have a command on stock, purchases or money done, once per command id.

        Raises InvalidInput (naming what of it can't be), NotFound, Conflict, Refused,
        EngineUnavailable: then it may have been done, and the same again tells.
        """
        command = parse_command(kind, sent)
        handle = await _reach(
            self._client.start_workflow(
                CommandWorkflow.run,
                CommandStep(command=command),
                id=f"command-{command.command_id}",
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"{command.kind}, by {command.actor}",
                static_details=command.reason,
                rpc_timeout=ENGINE_TIMEOUT,
            )
        )
        try:
            async with asyncio.timeout(engine.UPDATE_TIMEOUT.total_seconds()):
                done = await _reach(handle.result())
        except TimeoutError as error:
            raise EngineUnavailable(
                "no worker answered in time; is one running? It is done when one does, and the "
                f"same again, with the id {command.command_id}, tells what came of it"
            ) from error
        except WorkflowFailureError as error:
            message = "its workflow was ended from outside: give the same command again"
            raise Refused("command_ended", message) from error
        if done.command != command:
            reason = f"{command.command_id!r} is being used for another command; use another id"
            raise _refused(Refusal(code=COMMAND_ID_TAKEN, field="command_id", reason=reason))
        if done.refusal is not None:
            raise _refused(done.refusal)
        return CommandDone(command_id=command.command_id, message=done.message)

    async def look_again(self, sku: str, location: str | None) -> list[str]:
        """Have the replenishments of a SKU look at once, also at suppliers that have let us down;
        at all locations that keep it, or at `location`. Returns the ids of their workflows.

        Raises NotFound, InvalidInput, EngineUnavailable.
        """
        places = await self._read(lambda session: _places(session, sku, location))
        for place in places:
            await _reach(
                self._client.start_workflow(
                    ReplenishmentWorkflow.run,
                    place,
                    id=place.workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal="shortage_reported",
                    start_signal_args=[ShortageReported(shortage_id="person", again=True)],
                    static_summary=place.summary,
                    static_details=REPLENISHES,
                    rpc_timeout=ENGINE_TIMEOUT,
                )
            )
        return [place.workflow_id for place in places]

    async def review(self) -> ReviewOutcome:
        """Review all stock now; one that a person has started already is waited for. Raises
        EngineUnavailable where it takes longer than NIGHTLY_TIMEOUT; it goes on."""
        return await self._run_now(
            "StockReviewWorkflow", nightly.STOCK_REVIEW, ReviewOutcome, "Review all stock"
        )

    async def reconcile(self) -> ReconcileOutcome:
        """Reconcile the books now; as `review`."""
        return await self._run_now(
            "ReconcileWorkflow", nightly.RECONCILE, ReconcileOutcome, "Reconcile the books"
        )

    async def _run_now(self, workflow: str, id: str, kind: type[Result], summary: str) -> Result:
        handle = await _reach(
            self._client.start_workflow(
                workflow,
                id=id,
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                result_type=kind,
                static_summary=summary,
                rpc_timeout=ENGINE_TIMEOUT,
            )
        )
        try:
            result: Result = await asyncio.wait_for(
                _reach(handle.result()), NIGHTLY_TIMEOUT.total_seconds()
            )
        except TimeoutError as error:
            raise EngineUnavailable(
                f"{id} isn't done yet; does a worker run? See workflow {id} in the Temporal UI"
            ) from error
        return result

    async def check_engine(self) -> None:
        """Raises EngineUnavailable where Temporal doesn't answer."""
        if not await _reach(self._client.service_client.check_health(timeout=ENGINE_TIMEOUT)):
            raise EngineUnavailable("the engine is not serving")

    async def _start(
        self, document: OrderDocument, mark: str, total_minor: int, view: OrderView
    ) -> bool:
        """Start the order's workflow; False where the same order runs already.

        A running one is an error here, not adopted: so we learn without asking whether the order
        is new. One that was terminated starts again and goes on from the tables.
        """
        try:
            await _reach(
                self._client.start_workflow(
                    OrderWorkflow.run,
                    document,
                    id=view.workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={
                        "digest": mark,
                        "placed_at": view.placed_at,
                        "total_minor": total_minor,
                    },
                    search_attributes=attributes.at_start(document.customer_id, document.channel),
                    static_summary=summary(document),
                    static_details=f"Order {document.order_id}, placed {document.channel}.",
                    rpc_timeout=ENGINE_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            handle = self._client.get_workflow_handle(view.workflow_id)
            description = await _reach(handle.describe(rpc_timeout=ENGINE_TIMEOUT))
            if await description.memo_value("digest", default="", type_hint=str) != mark:
                raise _taken(document.order_id) from None
            return False
        return True

    async def _for_its_order(
        self, fact: PaymentReceived | PaymentReversed
    ) -> PaymentReceived | PaymentReversed:
        """A payer may name the invoice, as it says: then its order is meant. Who takes money back
        names the payment."""

        def find(session: Session) -> str | None:
            if isinstance(fact, PaymentReversed):
                return reading.order_of_payment(session, fact.payment_id or "")
            return reading.order_of_invoice(session, fact.order_id or "")

        order_id = await self._read(find)
        return fact.model_copy(update={"order_id": order_id}) if order_id else fact

    def _check_purchase(
        self,
        session: Session,
        source: str,
        fact_id: str,
        fact: GoodsReceived | SupplierAcknowledged,
    ) -> None:
        """Raises InvalidInput, NotFound for what of a purchase order can't be. What came before
        is let in: it was answered then."""
        if reading.is_known_fact(session, source, fact_id):
            return
        sku = fact.sku if isinstance(fact, GoodsReceived) else None
        place = reading.purchase_place(session, fact.po_id or "", sku)
        if place is None or (sku and place[1] != sku):
            of = f" of {sku!r}" if sku else ""
            message = f"there is no purchase order {fact.po_id!r}{of}"
            raise NotFound(UNKNOWN_PURCHASE_ORDER, message)
        now = self._clock()
        if isinstance(fact, GoodsReceived):
            problem = reading_purchases.why_not_receipt(session, fact, self._buying, now)
        else:
            problem = reading_purchases.why_not_acknowledged(session, fact, now.date())
        if problem is not None:
            field, _, reason = problem.partition(": ")
            raise InvalidInput([FieldError(field, reason)], "fact_refused")

    async def _target(self, fact: Fact) -> str | None:
        """The id of the workflow that waits for `fact`."""
        if isinstance(fact, PurchaseFact):
            sku = fact.sku if isinstance(fact, GoodsReceived) else None
            place = await self._read(
                lambda session: reading.purchase_place(session, fact.po_id or "", sku)
            )
            return StockPlace(location=place[0], sku=place[1]).workflow_id if place else None
        if isinstance(fact, PayoutPaid):
            return None
        return f"order-{fact.order_id}"

    async def _signal(self, workflow_id: str, name: str, message: object) -> bool:
        """False where no such workflow runs."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await _reach(handle.signal(name, message, rpc_timeout=ENGINE_TIMEOUT))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _apply_alone(self, given: FactInput) -> str:
        workflow_id = f"fact-{given.source}-{given.fact_id}"
        try:
            await _reach(
                self._client.start_workflow(
                    FactWorkflow.run,
                    given,
                    id=workflow_id,
                    task_queue=engine.TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    static_summary=f"{given.fact.type} from {given.source}",
                    static_details="A fact for which no workflow runs, applied by itself.",
                    rpc_timeout=ENGINE_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            return workflow_id
        return workflow_id

    async def _command(
        self, order_id: str, name: str, request: CancelRequest | RetryRequest | AcceptRequest
    ) -> CommandOutcome:
        if _fails(await self._describe(self._handle(order_id), ENGINE_TIMEOUT)):
            raise Refused(f"{name}_refused", f"order {order_id}: {WORKFLOW_FAILS.message}")
        try:
            return await self._ask(f"order-{order_id}", name, request)
        except NotFound as error:
            status = await self.status(order_id)
            message = f"order {order_id} is {status.stage}: its workflow has ended"
            if status.stage not in OVER:
                message = f"order {order_id} is {status.stage}; {WORKFLOW_ENDED.message}"
            raise Refused(f"{name}_refused", message) from error

    async def _ask(
        self, workflow_id: str, name: str, request: CancelRequest | RetryRequest | AcceptRequest
    ) -> CommandOutcome:
        """Raises NotFound where no such workflow runs, Refused."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            outcome: CommandOutcome = await _reach(
                handle.execute_update(
                    name, request, result_type=CommandOutcome, rpc_timeout=engine.UPDATE_TIMEOUT
                )
            )
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise EngineUnavailable("no worker answered in time; is one running?") from error
        except WorkflowUpdateFailedError as error:
            raise Refused(f"{name}_refused", str(error.cause)) from error
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotFound("workflow_ended", f"{workflow_id} has ended") from error
        if not outcome.accepted:
            raise Refused(f"{name}_refused", outcome.message)
        return outcome

    async def _stopped(self, order_id: str) -> bool:
        """Whether the order's workflow was terminated: something may be left to do, such as a
        mail, though the order is over."""
        description = await self._describe(self._handle(order_id), ENGINE_TIMEOUT)
        return description is not None and description.status in CUT_OFF

    async def _trouble(self, order_id: str) -> Attention | None:
        """Whether the order's workflow is there no more, or fails. None where the engine doesn't
        say."""
        try:
            description = await self._describe(self._handle(order_id), LOOK_TIMEOUT)
        except EngineUnavailable:
            return None
        return WORKFLOW_ENDED if description is None else _trouble_of(description)

    def _handle(self, order_id: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(f"order-{order_id}")

    async def _describe(
        self, handle: WorkflowHandle[Any, Any], within: timedelta
    ) -> WorkflowExecutionDescription | None:
        """What the engine knows of a workflow; None: there is none. Raises EngineUnavailable."""
        try:
            return await _reach(handle.describe(rpc_timeout=within))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def _from_memo(self, order_id: str) -> OrderView | None:
        handle = self._handle(order_id)
        description = await self._describe(handle, ENGINE_TIMEOUT)
        if description is None:
            return None
        placed_at = await description.memo_value("placed_at", default=None, type_hint=datetime)
        if placed_at is None:
            return None
        total_minor = await description.memo_value("total_minor", default=0, type_hint=int)
        view = _received(await self._document(handle), total_minor, placed_at)
        return view.model_copy(update={"attention": _trouble_of(description)})

    async def _document(self, handle: WorkflowHandle[Any, Any]) -> OrderDocument:
        """What an order's workflow was started with."""
        first = await _reach(anext(handle.fetch_history_events(page_size=1)))
        given = first.workflow_execution_started_event_attributes.input.payloads
        document: OrderDocument
        [document] = await self._client.data_converter.decode(given, [OrderDocument])
        return document

    async def _read(self, work: Callable[[Session], Result]) -> Result:
        return await self._database.read_async(work)


def parse_order(sent: JsonValue) -> OrderDocument:
    """Validate a document as sent, as strictly as a door does. Raises InvalidInput."""
    try:
        return OrderDocument.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_command(kind: type[Command], sent: JsonValue) -> Command:
    """A command as sent, as strictly as a door reads it. Raises InvalidInput."""
    try:
        return kind.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def of_sku(view: Result | None, sku: str) -> Result:
    """What is shown of a SKU. Raises NotFound where there is none."""
    if view is None:
        raise NotFound(UNKNOWN_SKU, f"there is no SKU {sku!r}")
    return view


def of_bill(view: Result | None, number: str) -> Result:
    """An invoice or credit note as it is shown. Raises NotFound where there is none."""
    if view is None:
        raise NotFound("invoice_unknown", f"there is no invoice or credit note {number!r}")
    return view


def of_return(view: Result | None, return_id: str) -> Result:
    """What is shown of a return. Raises NotFound where there is none."""
    if view is None:
        raise NotFound("return_unknown", f"there is no return {return_id!r}")
    return view


def return_label(session: Session, return_id: str) -> bytes:
    """The label of a return, as PDF. Raises NotFound, and Refused where its goods may not come."""
    view = of_return(reading_returns.return_details(session, return_id), return_id)
    label = reading_returns.return_label(session, return_id)
    if label is None:
        state = view.state.replace("_", " ")
        message = f"{return_id} is {state}: only a return that is authorised has a label"
        raise Refused("label_refused", message)
    return label


def of_purchase_order(view: Result | None, po_id: str) -> Result:
    """What is shown of a purchase order. Raises NotFound where there is none."""
    if view is None:
        raise NotFound(UNKNOWN_PURCHASE_ORDER, f"there is no purchase order {po_id!r}")
    return view


def parse_fact(type_: str, data: JsonValue) -> Fact:
    """A webhook's type and data as the fact they mean. Raises InvalidInput."""
    kind = FACT_TYPES.get(type_)
    if kind is None:
        known = ", ".join(FACT_TYPES)
        raise InvalidInput([FieldError("type", f"{type_!r} is none of {known}")])
    try:
        fact = kind.model_validate(data)
    except ValidationError as error:
        raise invalid_input(error) from error
    missing = [name for name in REQUIRED[kind] if getattr(fact, name) in (None, ())]
    errors = [FieldError(name, "missing") for name in missing] or _check_values(fact)
    if errors:
        raise InvalidInput(errors)
    return fact


def _check_values(fact: Fact) -> list[FieldError]:
    errors = []
    for name in ("order_id", "po_id", "shipment_id", "sku", "method"):
        value = getattr(fact, name, None)
        if value is not None and not (0 < len(value) <= 200 and value.isprintable()):
            errors.append(FieldError(name, "is not 1 to 200 printable characters"))
    if isinstance(fact, PaymentReceived | PaymentAuthorised):
        errors += _check_amount(fact.amount or "", fact.currency or "")
    if isinstance(fact, PaymentReversed) and (fact.amount, fact.fee) != (None, "0"):
        amount = {} if fact.amount is None else {"amount": (fact.amount, 1)}
        errors += _check_amounts(fact.currency, **amount, fee=(fact.fee, 0))
    if isinstance(fact, PayoutPaid):
        errors += _check_amounts(fact.currency, amount=(fact.amount, None), fee=(fact.fee, 0))
    if isinstance(fact, GoodsReceived) and not 0 < (fact.quantity or 0) <= 1_000_000_000:
        errors.append(FieldError("quantity", "is not between 1 and 1,000,000,000"))
    return errors


def _check_past(fact: ShipmentFact, now: datetime) -> None:
    """Raises InvalidInput for what hasn't happened yet. A partner says it again, and then it may
    have: no clock is right to the second."""
    if fact.occurred_at is not None and fact.occurred_at > now + CLOCKS_DIFFER:
        reason = f"{fact.occurred_at:%Y-%m-%d %H:%M:%S} UTC hasn't come yet"
        raise InvalidInput([FieldError("occurred_at", reason)])


def _check_hand_over(session: Session, source: str, fact_id: str, fact: ShipmentFact) -> None:
    """Raises InvalidInput for goods that are handed over unpaid. What came before is let in: it
    was answered then."""
    if reading.is_known_fact(session, source, fact_id):
        return
    reason = reading_shipments.why_not_handed_over(session, fact)
    if reason is not None:
        raise InvalidInput([FieldError("shipment_id", reason)], "fact_refused")


def _check_amount(amount: str, currency: str) -> list[FieldError]:
    try:
        if parse_amount(amount, currency) <= 0:
            return [FieldError("amount", "is not above zero")]
    except ValueError as error:
        return [FieldError("currency" if "ISO 4217" in str(error) else "amount", str(error))]
    return []


def _check_amounts(
    currency: str | None, **amounts: tuple[str | None, int | None]
) -> list[FieldError]:
    """`amounts`: by field, the text and the least it may be, in minor units; None: anything."""
    problems = (
        not_an_amount(text, currency, field, least=least)
        for field, (text, least) in amounts.items()
    )
    parts = (problem.partition(": ") for problem in problems if problem)
    return [FieldError(field, reason) for field, _, reason in parts]


def _trouble_of(description: WorkflowExecutionDescription) -> Attention | None:
    """What is wrong with an order's workflow that it can't say itself."""
    if description.status in CUT_OFF:
        return WORKFLOW_ENDED
    return WORKFLOW_FAILS if _fails(description) else None


def _fails(description: WorkflowExecutionDescription | None) -> bool:
    """Whether the engine says that a workflow's tasks fail."""
    if description is None:
        return False
    problems = SearchAttributeKey.for_keyword_list(REPORTED_PROBLEMS)
    return bool(description.typed_search_attributes.get(problems))


def _received(document: OrderDocument, total_minor: int, now: datetime) -> OrderView:
    return OrderView(
        order_id=document.order_id,
        customer_id=document.customer_id,
        channel=document.channel,
        terms=document.terms,
        stage=Stage.RECEIVED,
        currency=document.currency,
        total=format_amount(total_minor, document.currency),
        paid=format_amount(0, document.currency),
        lines=tuple(LineView(sku=line.sku, ordered=line.quantity) for line in document.lines),
        placed_at=now,
        updated_at=now,
        workflow_id=f"order-{document.order_id}",
    )


def _places(session: Session, sku: str, location: str | None) -> list[StockPlace]:
    """Where a person wants replenishment to look."""
    if not reading_stock.is_sku(session, sku):
        raise NotFound(UNKNOWN_SKU, f"there is no SKU {sku!r}")
    if location is not None and not reading_stock.is_location(session, location):
        raise InvalidInput([FieldError("location", f"there is no location {location!r}")])
    locations = [location] if location else reading_stock.places_of(session, sku)
    if not locations:
        raise InvalidInput([FieldError("location", f"no location keeps {sku} yet: name one")])
    return [StockPlace(location=name, sku=sku) for name in locations]


def _refused(refusal: Refusal) -> Refused:
    """A step's refusal as the error that the doors show."""
    if refusal.code == COMMAND_ID_TAKEN:
        return Conflict(refusal.code, f"{refusal.field}: {refusal.reason}")
    if refusal.code in (UNKNOWN, UNKNOWN_SKU, UNKNOWN_PURCHASE_ORDER):
        return NotFound(refusal.code, refusal.reason)
    return InvalidInput([FieldError(refusal.field, refusal.reason)], refusal.code)


def _taken(order_id: str) -> Conflict:
    return Conflict(
        "order_id_taken",
        f"order_id: {order_id!r} is taken by an order with other content; use another id",
    )


async def _reach(call: Awaitable[Result]) -> Result:
    """Await a call to the engine; raises EngineUnavailable where it didn't answer."""
    try:
        return await call
    except RPCError as error:
        if error.status in (
            RPCStatusCode.UNAVAILABLE,
            RPCStatusCode.DEADLINE_EXCEEDED,
            RPCStatusCode.CANCELLED,
            RPCStatusCode.UNKNOWN,
        ):
            said = error.status.name.lower().replace("_", " ")
            raise EngineUnavailable(
                f"the engine doesn't answer ({said}); is it running?"
            ) from error
        raise
    except RuntimeError as error:
        if LAZY_CONNECT_FAILED not in str(error):
            raise
        raise EngineUnavailable("the engine can't be reached; is it running?") from error
