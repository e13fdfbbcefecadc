"""The doors' common part: accept an order, take a fact, hand on a command.

Nothing here decides about stock or money: orders become workflows, facts become signals.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from pydantic import JsonValue
from sqlmodel import Session
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

import engine
from activities.billing import reading as billing_reading
from activities.database.engine import Database
from activities.database.inbox import is_known_fact, store_fact
from activities.database.unit_of_work import Clock
from activities.operations import reading as operations_reading
from activities.orders import acceptance
from activities.orders import reading as orders_reading
from activities.purchasing import reading as purchasing_reading
from activities.returns import reading as returns_reading
from activities.shipping import reading as shipping_reading
from activities.stock import reading as stock_reading
from models.errors import (
    Conflict,
    EngineUnavailable,
    FieldError,
    InvalidInput,
    NotFound,
    Refused,
)
from models.messages import nightly
from models.messages.attention import WORKFLOW_ENDED, WORKFLOW_FAILS
from models.messages.commands import (
    COMMAND_ID_TAKEN,
    UNKNOWN,
    UNKNOWN_PURCHASE_ORDER,
    UNKNOWN_SKU,
    Acknowledge,
    Command,
    CommandDone,
    CommandStep,
    RefundShipment,
    Refusal,
    after_workflow,
)
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
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
    ShortageReported,
    StockArrived,
    StoredFact,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.messages.nightly import ReconcileOutcome, ReviewOutcome
from models.messages.parsing import check_past, parse_command, parse_fact, parse_order
from models.messages.requests import AcceptRequest, CancelRequest, CommandOutcome, RetryRequest
from models.messages.steps import REPLENISHES, StockKey
from models.orders import OrderDocument, digest
from models.progress import OVER
from models.purchasing import BuyingPolicy
from models.views.orders import OrderView
from models.views.returns import of_return
from order_status import OrderStatusService, as_received
from workflows import search_attributes
from workflows.commands import CommandWorkflow
from workflows.facts import FactWorkflow
from workflows.order import OrderWorkflow
from workflows.replenishment import ReplenishmentWorkflow
from workflows.status_text import summary

NIGHTLY_TIMEOUT = timedelta(minutes=10)
"""How long one waits for what else happens at night."""
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
        self.watch = OrderStatusService(client, database)
        """Shows what became of it."""

    async def place(self, sent: JsonValue) -> Placed:
        """Accept an order document as sent: its workflow is running when this returns.

        Raises InvalidInput (naming each field), Conflict (the id is taken by other content),
        EngineUnavailable.
        """
        document = parse_order(sent)
        mark = digest(sent)
        known = await self._read(
            lambda session: orders_reading.digest_and_stage(session, document.order_id)
        )
        if known is not None and known[0] != mark:
            raise _taken(document.order_id)
        if known is not None and known[1] in OVER and not await self._stopped(document.order_id):
            return Placed(await self.watch.status(document.order_id), created=False)
        errors, total_minor = await self._read(
            lambda session: acceptance.check_order(session, document)
        )
        if errors and known is None:
            raise InvalidInput(errors)
        view = as_received(document, total_minor, self._clock())
        started = await self._start(document, mark, total_minor, view)
        if started and known is None:
            return Placed(view, created=True)
        return Placed(await self.watch.status(document.order_id), created=False)

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
            check_past(fact, self._clock())
        if isinstance(fact, PaymentReceived | PaymentReversed):
            fact = await self._for_its_order(fact)
        if by_person and isinstance(fact, GoodsReceived | SupplierAcknowledged):
            await self._read(lambda session: self._check_purchase(session, source, fact_id, fact))
        if by_person and isinstance(fact, ShipmentFact):
            await self._read(lambda session: _check_hand_over(session, source, fact_id, fact))
        stored = StoredFact(type=type_, data=fact.model_dump(mode="json"))
        waits = await asyncio.to_thread(
            self._database.transaction,
            lambda work: store_fact(work, source, fact_id, fact),
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

    async def cancel(self, order_id: str, reason: str, actor: str) -> CommandOutcome:
        """Ask an order to cancel. Raises NotFound, Refused (with the order's reason)."""
        return await self._command(order_id, "cancel", CancelRequest(reason=reason, actor=actor))

    async def retry(self, order_id: str, actor: str, reason: str = "retried") -> CommandOutcome:
        """Have everything of an order that waits for a person tried again, beside it too; what only
        had to be seen to is shown no longer. Raises as `cancel`, where nothing waits."""
        request, said = RetryRequest(actor=actor), list[str]()
        unreached = list[EngineUnavailable]()
        if await self._read(
            lambda session: operations_reading.needs_acknowledgement(session, order_id)
        ):
            with suppress(Refused):  # somebody else was quicker
                said.append(await self._see_to(order_id, actor, reason))
        beside = await self._read(
            lambda session: operations_reading.background_workflows(session, order_id)
        )
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
        for command in await self._read(
            lambda session: shipping_reading.call_backs(session, order_id)
        ):
            workflow_id = after_workflow(command.command_id)
            description = await engine.describe(self._client, workflow_id)
            if description is None or engine.is_cut_off(description):
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
        return (await self.command(Acknowledge, sent)).message

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
        handle = await engine.reach(
            self._client.start_workflow(
                CommandWorkflow.run,
                CommandStep(command=command),
                id=f"command-{command.command_id}",
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"{command.kind}, by {command.actor}",
                static_details=command.reason,
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )
        try:
            async with asyncio.timeout(engine.UPDATE_TIMEOUT.total_seconds()):
                done = await engine.reach(handle.result())
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
            await engine.reach(
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
                    rpc_timeout=engine.CALL_TIMEOUT,
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
        handle = await engine.reach(
            self._client.start_workflow(
                workflow,
                id=id,
                task_queue=engine.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                result_type=kind,
                static_summary=summary,
                rpc_timeout=engine.CALL_TIMEOUT,
            )
        )
        try:
            result: Result = await asyncio.wait_for(
                engine.reach(handle.result()), NIGHTLY_TIMEOUT.total_seconds()
            )
        except TimeoutError as error:
            raise EngineUnavailable(
                f"{id} isn't done yet; does a worker run? See workflow {id} in the Temporal UI"
            ) from error
        return result

    async def check_engine(self) -> None:
        """Raises EngineUnavailable where Temporal doesn't answer."""
        if not await engine.reach(
            self._client.service_client.check_health(timeout=engine.CALL_TIMEOUT)
        ):
            raise EngineUnavailable("the engine is not serving")

    async def _start(
        self, document: OrderDocument, mark: str, total_minor: int, view: OrderView
    ) -> bool:
        """Start the order's workflow; False where the same order runs already.

        A running one is an error here, not adopted: so we learn without asking whether the order
        is new. One that was terminated starts again and goes on from the tables.
        """
        try:
            await engine.reach(
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
                    search_attributes=search_attributes.at_start(
                        document.customer_id, document.channel
                    ),
                    static_summary=summary(document),
                    static_details=f"Order {document.order_id}, placed {document.channel}.",
                    rpc_timeout=engine.CALL_TIMEOUT,
                )
            )
        except WorkflowAlreadyStartedError:
            handle = self._client.get_workflow_handle(view.workflow_id)
            description = await engine.reach(handle.describe(rpc_timeout=engine.CALL_TIMEOUT))
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
                return billing_reading.order_of_payment(session, fact.payment_id or "")
            return billing_reading.order_of_invoice(session, fact.order_id or "")

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
        if is_known_fact(session, source, fact_id):
            return
        sku = fact.sku if isinstance(fact, GoodsReceived) else None
        place = purchasing_reading.purchase_place(session, fact.po_id or "", sku)
        if place is None or (sku and place[1] != sku):
            of = f" of {sku!r}" if sku else ""
            message = f"there is no purchase order {fact.po_id!r}{of}"
            raise NotFound(UNKNOWN_PURCHASE_ORDER, message)
        now = self._clock()
        if isinstance(fact, GoodsReceived):
            problem = purchasing_reading.why_not_receipt(session, fact, self._buying, now)
        else:
            problem = purchasing_reading.why_not_acknowledged(session, fact, now.date())
        if problem is not None:
            field, _, reason = problem.partition(": ")
            raise InvalidInput([FieldError(field, reason)], "fact_refused")

    async def _target(self, fact: Fact) -> str | None:
        """The id of the workflow that waits for `fact`."""
        if isinstance(fact, PurchaseFact):
            sku = fact.sku if isinstance(fact, GoodsReceived) else None
            place = await self._read(
                lambda session: purchasing_reading.purchase_place(session, fact.po_id or "", sku)
            )
            return StockKey(location=place[0], sku=place[1]).workflow_id if place else None
        if isinstance(fact, PayoutPaid):
            return None
        return f"order-{fact.order_id}"

    async def _signal(self, workflow_id: str, name: str, message: object) -> bool:
        """False where no such workflow runs."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await engine.reach(handle.signal(name, message, rpc_timeout=engine.CALL_TIMEOUT))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _apply_alone(self, given: FactInput) -> str:
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

    async def _command(
        self, order_id: str, name: str, request: CancelRequest | RetryRequest | AcceptRequest
    ) -> CommandOutcome:
        if engine.fails(await engine.describe(self._client, f"order-{order_id}")):
            raise Refused(f"{name}_refused", f"order {order_id}: {WORKFLOW_FAILS.message}")
        try:
            return await self._ask(f"order-{order_id}", name, request)
        except NotFound as error:
            status = await self.watch.status(order_id)
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
            outcome: CommandOutcome = await engine.reach(
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
        description = await engine.describe(self._client, f"order-{order_id}")
        return engine.is_cut_off(description)

    async def _read(self, work: Callable[[Session], Result]) -> Result:
        return await self._database.read_async(work)


def _check_hand_over(session: Session, source: str, fact_id: str, fact: ShipmentFact) -> None:
    """Raises InvalidInput for goods that are handed over unpaid. What came before is let in: it
    was answered then."""
    if is_known_fact(session, source, fact_id):
        return
    reason = shipping_reading.why_not_handed_over(session, fact)
    if reason is not None:
        raise InvalidInput([FieldError("shipment_id", reason)], "fact_refused")


def return_label(session: Session, return_id: str) -> bytes:
    """The label of a return, as PDF. Raises NotFound, and Refused where its goods may not come."""
    view = of_return(returns_reading.return_details(session, return_id), return_id)
    label = returns_reading.return_label(session, return_id)
    if label is None:
        state = view.state.replace("_", " ")
        message = f"{return_id} is {state}: only a return that is authorised has a label"
        raise Refused("label_refused", message)
    return label


def _places(session: Session, sku: str, location: str | None) -> list[StockKey]:
    """Where a person wants replenishment to look."""
    if not stock_reading.is_sku(session, sku):
        raise NotFound(UNKNOWN_SKU, f"there is no SKU {sku!r}")
    if location is not None and not stock_reading.is_location(session, location):
        raise InvalidInput([FieldError("location", f"there is no location {location!r}")])
    locations = [location] if location else stock_reading.places_of(session, sku)
    if not locations:
        raise InvalidInput([FieldError("location", f"no location keeps {sku} yet: name one")])
    return [StockKey(location=name, sku=sku) for name in locations]


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
