"""The part that the state machines of the warehouse and of billing share: orders and shipments."""

from collections.abc import Callable
from dataclasses import replace

from sqlmodel import select

from activities.billing.payment_calls import PaymentCalls
from activities.operations.commands import execute_command
from activities.order_record.progress import read_progress
from activities.orders.steps import record_order
from activities.shipping.carrier_calls import CarrierCalls
from activities.shipping.steps import apply_delivery, apply_dispatch, apply_tracking
from models.billing import InvoiceAt
from models.messages.commands.registry import Command, CommandStep
from models.messages.commands.results import CommandResult
from models.messages.facts import ShipmentDelivered, ShipmentDispatched, ShipmentTracked
from models.messages.steps import DeliveryStep, DispatchStep, OrderStep, RecordOrder, TrackingStep
from models.orders import OrderDocument
from models.progress import Progress, ShipmentState
from models.rules import Rules
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tracking import TrackingStatus
from tests.support.database.stateful import Machine
from tests.support.gateways.partners import Partners, Provider


class OrderMachine(Machine):
    """Orders that run through the real steps, with partners that accept at once."""

    def __init__(self, new_database: Callable[[], str], rules: Rules) -> None:
        super().__init__(new_database, rules)
        self.partners, self.provider = Partners(), Provider()
        self.shipping = CarrierCalls(self.database, self.partners)
        self.billing = PaymentCalls(self.database, self.provider)

    def invoice_at(self, moment: InvoiceAt) -> None:
        """Choose when orders on credit that are recorded from now on are invoiced."""
        rules = self.database.rules
        billing = rules.billing.model_copy(update={"invoice_at": moment})
        self.database.rules = replace(rules, billing=billing)

    def record_order(self, document: OrderDocument) -> OrderStep:
        """Record a new order."""
        step = OrderStep(order_id=document.order_id)
        record = RecordOrder(
            order=document,
            digest="d",
            placed_at=self.clock(),
            workflow_id=f"order-{document.order_id}",
        )
        self.database.transaction(lambda work: record_order(work, record))
        return step

    def execute(self, command: Command) -> CommandResult:
        """Execute a command."""
        return execute_command.run(self.database, CommandStep(command=command))

    def progress_of(self, order_id: str) -> Progress:
        """Read an order's progress."""
        return self.database.read(lambda s: read_progress(s, s.get_one(Order, order_id)))

    def shipment_in_transit(self, pick: int) -> Shipment | None:
        """Pick a shipment that was dispatched and is neither delivered nor failed."""
        dispatched = select(Shipment).where(Shipment.state == ShipmentState.DISPATCHED)
        return self.pick(dispatched.order_by(Shipment.shipment_id), pick)

    def report_dispatch(self, order_id: str, shipment_id: str, times: int = 1) -> None:
        """Apply the carrier's report that a shipment has left."""
        fact = ShipmentDispatched(
            event_id=self.next_id("E"), order_id=order_id, shipment_id=shipment_id
        )
        for _ in range(times):
            apply_dispatch.run(self.database, DispatchStep(order_id=order_id, fact=fact))

    def report_delivery(self, shipment: Shipment, times: int = 1) -> None:
        """Apply the carrier's report that a shipment has arrived."""
        fact = ShipmentDelivered(
            event_id=self.next_id("E"),
            order_id=shipment.order_id,
            shipment_id=shipment.shipment_id,
        )
        for _ in range(times):
            apply_delivery.run(self.database, DeliveryStep(order_id=shipment.order_id, fact=fact))

    def report_tracking(self, shipment: Shipment, status: TrackingStatus, times: int = 1) -> None:
        """Apply a tracking event of a shipment."""
        fact = ShipmentTracked(
            event_id=self.next_id("E"),
            order_id=shipment.order_id,
            shipment_id=shipment.shipment_id,
            status=status,
        )
        for _ in range(times):
            apply_tracking.run(self.database, TrackingStep(order_id=shipment.order_id, fact=fact))
