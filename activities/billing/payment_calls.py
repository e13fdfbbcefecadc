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
from activities.billing.refunds import record_refund, refund_demand, request_cancellation_refund
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import call_idempotently, make_call
from activities.gateways.payments import Payments
from activities.order_record.progress import lock_order, read_progress
from models.errors import PartnerRefused
from models.messages.partners import CaptureDemand, RefundDemand
from models.messages.steps import OrderStep, RefundStep
from models.orders import Capture
from models.progress import Cancellation, Progress
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
        """Refund the payments of a cancelled order, one refund at a time."""
        refund = await self._database.transaction_async(
            lambda work: _cancellation_refund(work, step.order_id)
        )
        if refund is not None:
            await self._refund(*refund)
        return await self._read_progress(step.order_id)

    @activity.defn
    async def pay_refund(self, step: RefundStep) -> None:
        """Pay a refund that a command has reserved."""
        demand = await self._database.read_async(
            lambda s: refund_demand(s.get_one(Refund, step.refund_key)),
        )
        await self._refund(step.refund_key, demand)

    async def _capture(self, demand: CaptureDemand) -> None:
        call = capture_call(demand.order_id, demand.authorisation_id)
        asked, payment_id = await call_idempotently(
            self._database, call, demand, self._payments.capture
        )
        await self._database.transaction_async(lambda work: record_capture(work, asked, payment_id))

    async def _refund(self, refund_key: str, demand: RefundDemand) -> None:
        _, refund_id = await call_idempotently(
            self._database, refund_key, demand, self._payments.refund
        )
        await self._database.transaction_async(
            lambda work: record_refund(work, refund_key, refund_id),
        )

    async def _read_progress(self, order_id: str) -> Progress:
        return await self._database.read_async(
            lambda s: read_progress(s, s.get_one(Order, order_id))
        )


def _record_void(work: UnitOfWork, order_id: str, collected: bool) -> int:
    order = lock_order(work, order_id)
    release_authorisations(work, order)
    if not collected or order.capture is Capture.AT_DISPATCH:
        return 0
    return requested_minor(work.session, order_id)


def _cancellation_refund(work: UnitOfWork, order_id: str) -> tuple[str, RefundDemand] | None:
    order = lock_order(work, order_id)
    if order.cancellation is Cancellation.NONE:
        return None
    refund = request_cancellation_refund(work, order)
    return (refund.refund_key, refund_demand(refund)) if refund else None
