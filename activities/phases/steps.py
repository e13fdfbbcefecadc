"""The steps of an order's phases: a transaction, the calls that follow, and their answers.

The calls are made at once, in the same step, as partners usually answer within a fraction of a
second. One without an answer is left to the partner step that makes the same call.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from temporalio import activity

from activities.billing.steps import apply_authorisation, apply_payment, apply_reversal
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import Record
from activities.mail.drafts import draft_confirmation, draft_dispatch
from activities.order_record.audit import expect_tip, known_tip
from activities.order_record.balance import invoice_numbers
from activities.order_record.progress import lock_order, save_progress, use_known
from activities.orders.steps import record_order
from activities.phases.advance import Advance, advance
from activities.phases.partners import Partners, prepare_mail
from activities.shipping.tracking import Reported, apply_report
from models.errors import Refused
from models.messages.facts import (
    FACT_TYPES,
    PaymentAuthorised,
    PaymentReceived,
    PaymentReversed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
)
from models.messages.steps import (
    Advanced,
    AuthorisationStep,
    FactStep,
    OrderStep,
    PaymentStep,
    Recorded,
    RecordOrder,
    ReversalStep,
    ShipmentStep,
)
from models.orders import Fulfilment
from models.progress import Progress
from models.tables.orders import Order
from models.tracking import TrackingStatus

Result = TypeVar("Result", bound=Advanced)


class OrderPhases:
    """The steps by which an order advances."""

    def __init__(self, database: Database, partners: Partners) -> None:
        self._database = database
        self._partners = partners

    @activity.defn
    async def record_and_advance(self, step: RecordOrder) -> Recorded:
        """Record an order and its customer once, check the credit, and do what is due.

        Facts that wait for the order come first, as one may be the payment.
        """
        return await self._run(lambda work, is_due: self._record(work, step, is_due))

    @activity.defn
    async def apply_and_advance(self, step: FactStep) -> Advanced:
        """Apply a fact to its order once, and do what is due then."""
        return await self._run(lambda work, is_due: self._apply(work, step, is_due))

    @activity.defn
    async def advance(self, step: OrderStep) -> Advanced:
        """Recompute the order's progress after a change by others, and do what is due."""
        return await self._run(lambda work, is_due: self._recompute(work, step, is_due))

    def _record(
        self, work: UnitOfWork, step: RecordOrder, is_due: bool
    ) -> tuple[Recorded, Advance]:
        order, is_new, recorded = record_order(work, step)
        following = Advance(recorded.progress)
        if recorded.refusal is not None:
            return recorded, following
        if is_due and not recorded.waiting_facts:
            following = advance(
                *(work, order, recorded.progress, self._partners),
                invoices_before=() if is_new else recorded.progress.invoices,
                is_new=is_new,
                is_repeated=not is_new,
            )
        draft = draft_confirmation(work.session, order.order_id) if is_new else None
        if draft is not None:
            following.calls.append(prepare_mail(work, draft, self._partners, "mail_confirmation"))
        return recorded, following

    def _apply(self, work: UnitOfWork, step: FactStep, is_due: bool) -> tuple[Advanced, Advance]:
        order = lock_order(work, step.order_id)
        fact = FACT_TYPES[step.fact.type].model_validate(step.fact.data)
        if _changes_little(fact, order):
            use_known(work, order, step.known)
        invoices_before = invoice_numbers(work.session, step.order_id)
        progress, left = _apply_fact(work, step.order_id, fact)
        following = Advance(progress)
        if is_due:
            following = advance(
                *(work, order, progress, self._partners),
                invoices_before=invoices_before,
                is_repeated=step.known is not None and not step.known.allocated,
            )
        is_booked = left is not None and left.booking_id is not None and order.paused_at is None
        if left is not None and is_booked and order.fulfilment is Fulfilment.CARRIER:
            shipment = ShipmentStep(order_id=order.order_id, shipment_id=left.shipment_id)
            draft = draft_dispatch(work.session, shipment)
            name = f"mail_dispatch/{left.shipment_id}"
            following.calls.append(prepare_mail(work, draft, self._partners, name))
        return Advanced(progress=progress), following

    def _recompute(
        self, work: UnitOfWork, step: OrderStep, is_due: bool
    ) -> tuple[Advanced, Advance]:
        order = lock_order(work, step.order_id)
        progress = save_progress(work, order)
        following = Advance(progress)
        if is_due:
            invoices = progress.invoices
            following = advance(work, order, progress, self._partners, invoices_before=invoices)
        return Advanced(progress=progress), following

    async def _run(self, change: Callable[[UnitOfWork, bool], tuple[Result, Advance]]) -> Result:
        """Run a change with what is due, make the calls that follow, and record their answers.

        Where something due is refused, only the change is made: the workflow then tries what is due
        in steps of its own, and shows the refusal.
        """
        try:
            result, following = await self._database.transaction_async(
                lambda work: _keeping_tip(work, change(work, True))
            )
        except Refused:
            result, following = await self._database.transaction_async(
                lambda work: change(work, False)
            )
        answers = await self._partners.call_all(following.calls)
        records = [answer.record for answer in answers if answer.record is not None]
        progress = following.progress
        if records:
            progress = await self._database.transaction_async(
                lambda work: _record_all(work, records, following)
            )
        return result.model_copy(
            update={
                "progress": progress.notifying(result.progress),
                "notification": following.notification,
                "calls": tuple(answer.outcome for answer in answers),
            }
        )


def _keeping_tip(work: UnitOfWork, changed: tuple[Result, Advance]) -> tuple[Result, Advance]:
    """Note the end of the order's audit trail for the transaction that records the answers."""
    result, following = changed
    following.tip = known_tip(work.session, following.progress.order_id)
    return result, following


def _record_all(work: UnitOfWork, records: Sequence[Record], following: Advance) -> Progress:
    """Record answers; return the order's progress after them.

    The end of the audit trail is expected as it was after the change. Where another transaction
    has added an entry since, the first attempt violates a unique key, and the second reads it.
    """
    progress = following.progress
    if following.tip is not None:
        expect_tip(work.session, progress.order_id, following.tip)
        following.tip = None
    for record_answer in records:
        progress = record_answer(work, progress) or progress
    return progress


def _changes_little(fact: object, order: Order) -> bool:
    """Return whether a fact changes the order's row and its shipments only: see `use_known`."""
    if isinstance(fact, PaymentReceived):
        return fact.currency == order.currency
    return isinstance(fact, ShipmentFact)


def _apply_fact(work: UnitOfWork, order_id: str, fact: object) -> Reported:
    """Apply a fact to its order. Raises Refused if there is no such order."""
    match fact:
        case PaymentReceived():
            return Reported(apply_payment.function(work, PaymentStep(order_id=order_id, fact=fact)))
        case PaymentAuthorised():
            authorisation = AuthorisationStep(order_id=order_id, fact=fact)
            return Reported(apply_authorisation.function(work, authorisation))
        case PaymentReversed():
            reversal = ReversalStep(order_id=order_id, fact=fact)
            progress = apply_reversal.function(work, reversal)
            assert progress is not None, "the order is locked"
            return Reported(progress)
        case ShipmentDispatched():
            return apply_report(work, order_id, fact, TrackingStatus.PICKED_UP)
        case ShipmentTracked():
            return apply_report(work, order_id, fact, fact.status)
        case ShipmentDelivered():
            return apply_report(work, order_id, fact, TrackingStatus.DELIVERED)
    raise AssertionError(f"{fact} is not a fact of an order")
