"""Rules of goods, as far as they move money: dispatched, delivered, lost, returned, cancelled."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlmodel import col, select

from activities.shipping.steps import plan_shipments
from models.messages.steps import OrderStep
from models.progress import Cancellation, ShipmentState, Stage
from models.returns import Condition, Disposition, RequestedOutcome
from models.tables.billing import InvoiceRow
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus
from tests.support.billing.model import BillingModel
from tests.support.database.stateful import picks


class GoodsRules(BillingModel):
    """The events of orders' goods."""

    @rule(pick=picks)
    def issue_goods(self, pick: int) -> None:
        """Dispatch an invoiced order; no shipment is planned before the invoice."""
        invoiced = select(InvoiceRow.order_id)
        ready = select(Order).where(
            Order.stage == Stage.DISPATCHING,
            col(Order.order_id).in_(invoiced) | col(Order.invoiced_by_delivery),
        )
        order = self.pick(ready.order_by(Order.order_id), pick)
        if order is None:
            return
        planned = plan_shipments.run(self.database, OrderStep(order_id=order.order_id))
        alive = planned.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED)
        self.report_dispatch(order.order_id, alive[0])
        self.events["issued"] += 1

    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        """Deliver a dispatched shipment."""
        shipment = self.shipment_in_transit(pick)
        if shipment is not None:
            self.report_delivery(shipment)
            self.events["delivered"] += 1

    @rule(
        pick=picks,
        says=st.sampled_from([TrackingStatus.LOST, TrackingStatus.RETURNED_TO_SENDER]),
        again=st.booleans(),
    )
    def lose(self, pick: int, says: TrackingStatus, again: bool) -> None:
        """Report that a shipment won't arrive; reship (`again`) or refund it."""
        shipment = self.shipment_in_transit(pick)
        if shipment is None:
            return
        self.report_tracking(shipment, says)
        kind = "reship" if again else "refund_shipment"
        self.command(kind, kind=kind, shipment_id=shipment.shipment_id)

    @rule(
        pick=picks,
        whole=st.booleans(),
        disposition=st.sampled_from(Disposition),
        condition=st.sampled_from(Condition),
        wish=st.sampled_from(RequestedOutcome),
    )
    def take_back(
        self,
        pick: int,
        whole: bool,
        disposition: Disposition,
        condition: Condition,
        wish: RequestedOutcome,
    ) -> None:
        """Return one unit of an order, or all delivered units, for a refund or an exchange.

        Returns for a refund are received unannounced, unless they are lost on their way.
        """
        delivered = self.read(
            select(Reservation)
            .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
            .where(Shipment.state == ShipmentState.DELIVERED)
        )
        if not delivered:
            return
        order_ids = sorted({row.order_id for row in delivered})
        order_id = order_ids[pick % len(order_ids)]
        lines = self._returnable(order_id, [row for row in delivered if row.order_id == order_id])
        if not whole:
            lines = [line | {"quantity": 1} for line in lines[:1]]
        if not lines:
            return
        subject = {"order_id": order_id}
        lost = disposition is Disposition.LOST
        if lost or wish is RequestedOutcome.EXCHANGE:
            done = self.command("request", kind="request_return", lines=lines, wish=wish, **subject)
            subject = {"return_id": done.notification.returns[0]}
            self.command("authorise", kind="authorise_return", **subject)
        if lost:
            done = self.command("send", kind="return_on_its_way", **subject)
        else:
            done = self.command("receive", kind="receive_return", lines=lines, **subject)
        assert done.refusal is None, done
        [return_id] = done.notification.returns
        inspected = [line | {"disposition": disposition, "condition": condition} for line in lines]
        done = self.command(
            f"returned {'whole' if whole else 'some'}",
            kind="inspect_return",
            return_id=return_id,
            lines=inspected,
        )
        credited = wish is RequestedOutcome.EXCHANGE and done.refusal is not None
        assert credited or done.refusal is None, done
        self.settle_returns()

    def _returnable(self, order_id: str, delivered: list[Reservation]) -> list[dict[str, object]]:
        """Read the delivered units of an order less those already returned, by SKU."""
        left: Counter[str] = Counter()
        for row in delivered:
            left[row.sku] += row.quantity
        returned = select(ReturnLine).join(ReturnRow).where(ReturnRow.order_id == order_id)
        for line in self.read(returned):
            left[line.sku] -= line.quantity
        return [{"sku": sku, "quantity": n} for sku, n in sorted(left.items()) if n > 0]

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """Cancel an order; refused after dispatch."""
        order = self.pick(select(Order).where(Order.cancellation == Cancellation.NONE), pick)
        if order is not None:
            self.cancel_order(order)

    @rule(pick=picks)
    def refund_late_payments(self, pick: int) -> None:
        """Refund payments for a cancelled order, as FactWorkflow does."""
        order = self.pick(select(Order).where(Order.cancellation == Cancellation.DONE), pick)
        if order is not None:
            self.give_back(order.order_id)
