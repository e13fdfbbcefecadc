"""The calls to the payment provider: requests, captures, voids and refunds."""

from contextlib import suppress

from temporalio import activity

from activities.billing.cards import (
    capture_call,
    capture_demand,
    captures_in_doubt,
    record_capture,
    release_authorisations,
)
from activities.billing.payment_requests import prepare_request, requested_minor
from activities.billing.refunds import (
    lock_refund,
    money_of_refund,
    record_refund,
    refund_demand,
    request_cancellation_refunds,
)
from activities.billing.reversals import record_refused_refund
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import (
    PreparedCall,
    Record,
    call_idempotently,
    make_call,
    record_refusal,
    record_request,
)
from activities.gateways.payments import Payments
from activities.order_record.progress import lock_order, read_progress
from models.errors import PartnerRefused, Refused
from models.messages.attention import REFUND_BY_HAND
from models.messages.partners import CaptureDemand
from models.messages.steps import OrderStep, RefundStep
from models.orders import Capture
from models.progress import Cancellation, Progress
from models.refunds import RefundState
from models.tables.billing import Refund
from models.tables.orders import Order


class PaymentCalls:
    """The steps that call the payment provider, each once under its idempotency key."""

    def __init__(self, database: Database, payments: Payments) -> None:
        self._database = database
        self._payments = payments

    @activity.defn
    async def request_payment(self, step: OrderStep) -> Progress:
        """Request the amount due or its authorisation, once and after each lapsed one."""
        return await make_call(
            self._database,
            lambda work: prepare_request(work, lock_order(work, step.order_id), self._payments),
            lambda work: read_progress(work.session, lock_order(work, step.order_id)),
        )

    @activity.defn
    async def capture_payment(self, step: OrderStep) -> Progress:
        """Capture an authorisation once, which issues the invoice."""
        demand = await self._database.read_async(
            lambda s: capture_demand(s, step.order_id, self._database.clock())
        )
        if demand is not None:
            await self._capture(demand)
        return await self._read_progress(step.order_id)

    @activity.defn
    async def void_payment_request(self, step: OrderStep) -> int:
        """Void the payment request; undoes `request_payment`, made or not.

        Returns the amount that the provider has already collected, in minor units; its payment will
        be reported. A capture in doubt is repeated after the void under its key: the provider
        confirms a charge that was made, and refuses any other.
        """
        _, collected = await call_idempotently(
            self._database,
            f"{step.order_id}/void-payment-request/1",
            step,
            lambda asked, key: self._payments.void(asked.order_id, key),
        )
        in_doubt = await self._database.read_async(lambda s: captures_in_doubt(s, step.order_id))
        for demand in in_doubt:
            with suppress(PartnerRefused):  # not charged
                await self._capture(demand)
        return await self._database.transaction_async(
            lambda work: _record_void(work, step.order_id, collected),
        )

    @activity.defn
    async def refund_payment(self, step: OrderStep) -> Progress:
        """Pay the refunds of a cancelled order; one that is refused doesn't keep back the others.

        Raises the first refusal.
        """
        refund_keys = await self._database.transaction_async(
            lambda work: _cancellation_refunds(work, step.order_id)
        )
        refusals = []
        for refund_key in refund_keys:
            try:
                await self.pay_refund(RefundStep(refund_key=refund_key))
            except Refused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        return await self._read_progress(step.order_id)

    @activity.defn
    async def pay_refund(self, step: RefundStep) -> None:
        """Pay a refund once; nothing if it is paid, withdrawn or held."""
        await make_call(
            self._database,
            lambda work: _prepare_refund(work, step.refund_key, self._payments),
            lambda work: None,
        )

    async def _capture(self, demand: CaptureDemand) -> None:
        call = capture_call(demand.order_id, demand.authorisation_id)
        asked, payment_id = await call_idempotently(
            self._database, call, demand, self._payments.capture
        )
        await self._database.transaction_async(lambda work: record_capture(work, asked, payment_id))

    async def _read_progress(self, order_id: str) -> Progress:
        return await self._database.read_async(
            lambda s: read_progress(s, s.get_one(Order, order_id))
        )


def _record_void(work: UnitOfWork, order_id: str, collected: bool) -> int:
    order = lock_order(work, order_id)
    release_authorisations(work, order)
    if not collected or order.capture is Capture.AT_DISPATCH:
        return 0
    return requested_minor(work.session, order)


def _cancellation_refunds(work: UnitOfWork, order_id: str) -> list[str]:
    order = lock_order(work, order_id)
    if order.cancellation is Cancellation.NONE:
        return []
    return [refund.refund_key for refund in request_cancellation_refunds(work, order)]


def _prepare_refund(work: UnitOfWork, refund_key: str, payments: Payments) -> PreparedCall | None:
    """Prepare the call of a refund. Raises Refused for one that an operator pays."""
    refund, order = lock_refund(work, refund_key)
    if refund.state is not RefundState.ASKED:
        return None
    if refund.paid_by.by_hand:
        raise Refused(REFUND_BY_HAND, _how_to_pay(refund, order))
    attempt, asked = record_request(work, refund_key, refund_demand(refund))

    async def send() -> Record:
        refund_id = await payments.refund(asked, f"{refund_key}/{attempt}")
        return lambda work, _: record_refund(work, refund_key, refund_id)

    def refuse(work: UnitOfWork, _known: Progress | None) -> None:
        record_refusal(work, refund_key, attempt)
        record_refused_refund(work, refund_key)

    return PreparedCall(step="pay_refund", partner="payments", send=send, refuse=refuse)


def _how_to_pay(refund: Refund, order: Order | None) -> str:
    """Tell an operator to pay a refund, and how to record that."""
    target = order.order_id if order is not None else f"--payment {refund.payment_id}"
    return (
        f"pay {money_of_refund(refund)} back {refund.paid_by}, as payment {refund.payment_id} "
        f"came; then record it: `refund {target} --paid-by {refund.paid_by.value}`"
    )
