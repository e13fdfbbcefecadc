"""Rules of orders: placed, cancelled, dispatched, delivered, lost, reshipped, recovered, claimed."""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlmodel import col, select

from activities.billing.steps import credit_invoice, issue_invoice
from activities.orders.steps import finish_cancelling, start_cancelling
from activities.shipping.steps import plan_shipments
from activities.stock.steps import allocate_stock, release_stock
from models.billing import InvoiceAt
from models.claims import ClaimState
from models.messages.commands.orders import CancelRest
from models.messages.commands.shipping import (
    EndRecall,
    FileClaim,
    RecoverShipment,
    RefundShipment,
    Reship,
    SettleClaim,
    WithdrawClaim,
)
from models.messages.requests import CancelRequest
from models.messages.steps import CancelOrder, OrderStep, ShipmentStep
from models.money import parse_amount
from models.orders import Delivery, OrderDocument
from models.progress import Cancellation, ShipmentState
from models.tables.orders import Order
from models.tables.shipping import Claim, Shipment
from models.tables.stock import Reservation, Shortage
from models.tracking import TrackingStatus
from tests.support.database.stateful import picks
from tests.support.masterdata import shop
from tests.support.stock.model import HELD, WarehouseModel, locations, skus, units

OUTCOMES = (None, Reship, RefundShipment)
"""The operator's decision about goods that won't arrive; None: none yet."""
AMOUNTS = ("0.50", "1.50", "7.00")


class OrderRules(WarehouseModel):
    """The events of orders, shipments and claims."""

    @rule(
        lines=st.lists(st.tuples(skus, units), min_size=1, max_size=4),
        delivery=st.sampled_from(Delivery),
        country=st.sampled_from(["DE", "AT"]),
        twice=st.booleans(),
        invoice_at=st.sampled_from(InvoiceAt),
    )
    def reserve(
        self,
        lines: list[tuple[str, int]],
        delivery: Delivery,
        country: str,
        twice: bool,
        invoice_at: InvoiceAt = InvoiceAt.ACCEPTANCE,
    ) -> None:
        """Place an order; it gets only stock that no earlier order is short of."""
        self.invoice_at(invoice_at)
        document = shop.order(
            "",
            "ADA",
            order_id=self.next_id("O"),
            ship_to=shop.SHIP_TO | {"country": country},
            terms="net30",
            delivery=delivery,
            lines=[{"sku": sku, "quantity": quantity} for sku, quantity in lines],
        )
        self.record_and_allocate(OrderDocument.model_validate(document), twice)

    def record_and_allocate(self, document: OrderDocument, twice: bool) -> None:
        """Record an order and reserve its stock."""
        step = self.record_order(document)
        if self.number % 2:  # half of the orders are invoiced at once, the others before dispatch
            issue_invoice.run(self.database, step)
        open_before = {(row.sku, row.location) for row in self.read(self.open_shortages())}
        self.allocated_at[step.order_id] = self.now
        first = allocate_stock.run(self.database, step)
        if twice:
            assert allocate_stock.run(self.database, step).progress == first.progress
        mine = self.read(select(Reservation).where(Reservation.order_id == step.order_id))
        taken = open_before & {(row.sku, row.location) for row in mine}
        assert not taken, "a later order got the stock of an earlier one"

    @rule(pick=picks, expires=st.booleans(), twice=st.booleans())
    def cancel_order(self, pick: int, expires: bool, twice: bool) -> None:
        """Cancel an order, by an operator or because its payment deadline has passed."""
        alive = select(Order).where(Order.cancellation == Cancellation.NONE)
        order = self.pick(alive.order_by(Order.order_id), pick)
        if order is None:
            return
        request = CancelRequest(reason="r", actor="deadline" if expires else "operator")
        cancel = CancelOrder(order_id=order.order_id, request=request, unless_paid=expires)
        cancelled = start_cancelling.run(self.database, cancel)
        if not cancelled.accepted:
            return
        step = OrderStep(order_id=order.order_id)
        booked = cancelled.progress.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED)
        for shipment_id in booked:
            call = ShipmentStep(order_id=order.order_id, shipment_id=shipment_id)
            asyncio.run(self.shipping.cancel_booking(call))
        for _ in range(1 + twice):
            credit_invoice.run(self.database, step)
        first = release_stock.run(self.database, step)
        if twice:
            again = release_stock.run(self.database, step)
            self.assert_notified_again(first.notification, again.notification)
        finish_cancelling.run(self.database, step)

    @rule(pick=picks, twice=st.booleans())
    def issue(self, pick: int, twice: bool) -> None:
        """Dispatch one consignment of an order that may leave, in parts where that is allowed."""
        short = self.open_shortages().with_only_columns(col(Shortage.order_id))
        held = select(Reservation.order_id).where(col(Reservation.state).in_(HELD))
        ready = select(Order).where(
            col(Order.order_id).not_in(short) | (col(Order.delivery) == Delivery.PARTIAL),
            Order.cancellation == Cancellation.NONE,
            col(Order.order_id).in_(held),
        )
        order = self.pick(ready, pick)
        if order is None:
            return
        step = OrderStep(order_id=order.order_id)
        issue_invoice.run(self.database, step)
        planned = plan_shipments.run(self.database, step)
        shipment_id = planned.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED)[0]
        self.book(order.order_id, shipment_id)
        self.report_dispatch(order.order_id, shipment_id, times=1 + twice)

    def book(self, order_id: str, shipment_id: str) -> None:
        """Book a shipment with a carrier."""
        step = ShipmentStep(order_id=order_id, shipment_id=shipment_id)
        asyncio.run(self.shipping.book_shipment(step))

    @rule(pick=picks, parcel_agrees=st.sampled_from([None, True, False]), twice=st.booleans())
    def cancel_or_recall_rest(self, pick: int, parcel_agrees: bool | None, twice: bool) -> None:
        """Cancel the undelivered rest of an order: its unplanned goods (None), or one parcel whose
        carrier agrees or refuses."""
        if parcel_agrees is None:
            self.cancel_rest(pick, twice)
        else:
            self.recall(pick, parcel_agrees, twice)

    def cancel_rest(self, pick: int, twice: bool) -> None:
        """Cancel the rest of an order; refused before anything has left, and without a rest."""
        order = self._partial_order(pick)
        if order is None:
            return
        progress = self.progress_of(order.order_id)
        allowed = order.cancellation is Cancellation.NONE and progress.goods_left
        allowed = allowed and progress.held + progress.backordered > 0
        command = CancelRest(command_id=self.next_id("X"), reason="r", order_id=order.order_id)
        self.run_command(command, allowed, twice)
        if allowed:
            progress = self.progress_of(order.order_id)
            assert progress.held + progress.backordered == 0
        self.events[command.kind] += allowed

    def recall(self, pick: int, agrees: bool, twice: bool) -> None:
        """Recall a planned shipment; it is cancelled if its carrier agrees.

        Refused before anything of the order has left.
        """
        order = self._partial_order(pick)
        if order is None:
            return
        progress = plan_shipments.run(self.database, OrderStep(order_id=order.order_id))
        planned = progress.in_state(ShipmentState.PLANNED)
        if not planned:
            return
        shipment_id = planned[0]
        allowed = order.cancellation is Cancellation.NONE and progress.goods_left
        command = RefundShipment(command_id=self.next_id("X"), reason="r", shipment_id=shipment_id)
        self.run_command(command, allowed, twice)
        if not allowed:
            return
        self.book(order.order_id, shipment_id)
        end = EndRecall(
            command_id=f"{command.command_id}/end",
            reason="r",
            shipment_id=shipment_id,
            agreed=agrees,
        )
        self.run_command(end, allowed=True, twice=twice)
        state = ShipmentState.CANCELLED if agrees else ShipmentState.PLANNED
        assert self.progress_of(order.order_id).shipment(shipment_id).state is state
        self.events["recalled"] += agrees

    def _partial_order(self, pick: int) -> Order | None:
        return self.pick(select(Order).where(Order.delivery == Delivery.PARTIAL), pick)

    @rule(pick=picks, twice=st.booleans())
    def deliver(self, pick: int, twice: bool) -> None:
        """Deliver a dispatched shipment."""
        shipment = self.shipment_in_transit(pick)
        if shipment is not None:
            self.report_delivery(shipment, times=1 + twice)

    @rule(
        pick=picks,
        says=st.sampled_from([TrackingStatus.LOST, TrackingStatus.RETURNED_TO_SENDER]),
        outcome=st.sampled_from(OUTCOMES),
        claim=st.sampled_from([None, "0.00", "1.50"]),
        twice=st.booleans(),
    )
    def fail(
        self,
        pick: int,
        says: TrackingStatus,
        outcome: type[Reship | RefundShipment] | None,
        claim: str | None,
        twice: bool,
    ) -> None:
        """Report that a shipment won't arrive; it is sent again, refunded, or left undecided, so
        that it may still arrive."""
        shipment = self.shipment_in_transit(pick)
        if shipment is None:
            return
        self.report_tracking(shipment, says, times=1 + twice)
        if outcome is None:
            return
        fields = {"reason": "r", "shipment_id": shipment.shipment_id, "claim": claim}
        command = outcome.model_validate({"command_id": self.next_id("X"), **fields})
        allowed = claim != "1.50" or shipment.shipment_id not in self.claimed_shipments()
        self.run_command(command, allowed, twice)
        if not allowed:
            return
        other = outcome.model_validate({"command_id": self.next_id("X"), **fields})
        self.run_command(other, allowed=False, twice=False)
        self.events[f"{command.kind} {says}"] += 1

    @rule(pick=picks, location=st.none() | locations, returns=st.booleans(), twice=st.booleans())
    def recover(self, pick: int, location: str | None, returns: bool, twice: bool) -> None:
        """Take the goods of a failed shipment back into stock, once; `returns`: after its carrier
        reported that it brings them back."""
        failed = select(Shipment).where(Shipment.state == ShipmentState.FAILED)
        shipment = self.pick(failed.order_by(Shipment.shipment_id), pick)
        if shipment is None:
            return
        if returns:
            self.report_tracking(shipment, TrackingStatus.RETURNED_TO_SENDER)
        command = RecoverShipment(
            command_id=self.next_id("V"),
            reason="r",
            shipment_id=shipment.shipment_id,
            location=location,
        )
        allowed = shipment.restocked_at is None
        self.run_command(command, allowed, twice)
        self.events["recovered"] += allowed

    @rule(pick=picks, amount=st.sampled_from(AMOUNTS), twice=st.booleans())
    def claim(self, pick: int, amount: str, twice: bool) -> None:
        """File a claim for a dispatched shipment; refused while another one is open."""
        left = (ShipmentState.DISPATCHED, ShipmentState.DELIVERED, ShipmentState.FAILED)
        dispatched = select(Shipment).where(col(Shipment.state).in_(left))
        shipment = self.pick(dispatched.order_by(Shipment.shipment_id), pick)
        if shipment is None:
            return
        allowed = shipment.shipment_id not in self.claimed_shipments()
        command = FileClaim(
            command_id=self.next_id("F"),
            reason="r",
            shipment_id=shipment.shipment_id,
            amount=amount,
        )
        self.run_command(command, allowed, twice)
        self.events["claimed"] += allowed

    @rule(pick=picks, paid=st.none() | st.sampled_from(AMOUNTS), twice=st.booleans())
    def end_claim(self, pick: int, paid: str | None, twice: bool) -> None:
        """Settle a claim with the amount the carrier paid, at most all of it, or withdraw it (None)."""
        claim = self.pick(select(Claim).order_by(Claim.claim_id), pick)
        if claim is None:
            return
        fields = {"command_id": self.next_id("F"), "reason": "r", "claim_id": claim.claim_id}
        command = SettleClaim(**fields, amount=paid) if paid else WithdrawClaim(**fields)
        allowed = claim.state is ClaimState.OPEN
        allowed = allowed and (
            paid is None or parse_amount(paid, claim.currency) <= claim.amount_minor
        )
        self.run_command(command, allowed, twice)
        self.events[command.kind] += allowed
