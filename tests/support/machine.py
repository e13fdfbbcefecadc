"""A warehouse that hypothesis works in: every way in which stock is touched, in any order, through
the real steps; and what must be true after each."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from sqlalchemy import func, update
from sqlmodel import Session, col, select

from activities.billing.steps import Billing, credit_invoice, issue_invoice
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from activities.operations.commands import execute_command
from activities.order_record.progress import read_progress
from activities.orders.steps import finish_cancelling, record_order, start_cancelling
from activities.purchasing.receiving import receive_goods, record_supplier_invoice
from activities.purchasing.steps import Purchasing, apply_acknowledgement, plan_purchases
from activities.returns.steps import write_exchange
from activities.shipping.steps import (
    Shipping,
    apply_delivery,
    apply_dispatch,
    apply_tracking,
    plan_shipments,
)
from activities.stock.backorders import incoming
from activities.stock.steps import allocate_stock, release_stock
from models.claims import ClaimState
from models.ledger import Account
from models.messages.commands import (
    AdjustStock,
    AuthoriseReturn,
    CancelRest,
    Command,
    CommandStep,
    CountStock,
    EndCallBack,
    FileClaim,
    InspectedUnits,
    InspectReturn,
    ReceiveReturn,
    RecoverShipment,
    RefundShipment,
    RequestReturn,
    Reship,
    ReturnedUnits,
    ReturnOnItsWay,
    SettleClaim,
    StockCommand,
    TransferStock,
    WithdrawClaim,
)
from models.messages.facts import (
    GoodsReceived,
    InvoicedLine,
    PromisedLine,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentTracked,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.messages.partners import (
    BookedFreight,
    CaptureDemand,
    FreightBooking,
    FreightInquiry,
    PaymentDemand,
    RefundDemand,
    SupplierOrder,
)
from models.messages.requests import CancelRequest
from models.messages.steps import (
    CancelOrder,
    DeliveryStep,
    DispatchStep,
    Notification,
    OrderStep,
    PlanStep,
    PurchaseStep,
    RecordOrder,
    SettlementStep,
    ShipmentStep,
    StockKey,
    TrackingStep,
)
from models.money import format_amount
from models.orders import Delivery, OrderDocument
from models.progress import OVER, Cancellation, ShipmentState
from models.purchasing import PurchaseOrderState
from models.returns import (
    Condition,
    Disposition,
    ExchangeLine,
    RequestedOutcome,
    ReturnReason,
    ReturnRules,
    ReturnState,
)
from models.shipping import Quote
from models.stock import SERVING, MovementKind, ReservationState, ShortageState
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.masterdata import Distance, SupplierOffer
from models.tables.orders import Order, OrderLineRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from models.tables.shipping import Claim, Shipment
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from models.tracking import TrackingStatus
from tests.support.rules import RULES as SHARED_RULES
from tests.support.shop import SHIP_TO, write_csv
from tests.support.stateful import BEGIN, Machine, picks

LOCATIONS = {"BER": "DE", "MUC": "DE", "VIE": "AT"}
SKUS = ("A", "B", "C")
OPENING = {("BER", "A"): 7, ("MUC", "A"): 3, ("VIE", "B"): 5}
SENT = tuple(s for s in PurchaseOrderState if s is not PurchaseOrderState.PLANNED)
FOUND_COST = "2.11"
"""Of a unit that somebody finds where nothing is."""
RULES = replace(SHARED_RULES, returns=ReturnRules(window_days=100_000, warranty_days=100_000))
"""Goods may come back however late it is."""
COMING = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)
OUTCOMES = (None, Reship, RefundShipment)
"""What a person decides of goods that won't arrive; None: nothing yet."""
HELD = (ReservationState.HELD, ReservationState.PICKED)
skus = st.sampled_from(SKUS)
locations = st.sampled_from(tuple(LOCATIONS))
units = st.integers(1, 6)


class Partners:
    """A supplier and a carrier who say yes at once."""

    async def send(self, order: SupplierOrder, key: str) -> str:
        """See `Suppliers`."""
        return f"SO-{order.po_id}"

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """See `Carriers`."""
        return [
            Quote(
                quote_id="Q",
                carrier="C",
                service="S",
                charge="1",
                currency=inquiry.currency,
                arrives_on=inquiry.ready_on,
            )
        ]

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """See `Carriers`."""
        return BookedFreight(booking_id=key, carrier="C", tracking_number=key)

    async def cancel(self, shipment_id: str, key: str) -> None:
        """See `Carriers`."""


class Provider:
    """A payment provider who says yes at once; what it gave back is in `given_back`."""

    def __init__(self) -> None:
        self.given_back: dict[str, RefundDemand] = {}

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """See `Payments`."""
        return f"req-{key}"

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """See `Payments`."""
        return f"pay-{key}"

    async def void(self, order_id: str, key: str) -> bool:
        """See `Payments`."""
        return False

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """See `Payments`; another wish under the same key would be one too many."""
        assert self.given_back.setdefault(key, demand) == demand
        return f"rf-{key}"


def furnish(url: str, folder: Path) -> None:
    """Goods, offers and a customer in a migrated database."""
    folder.mkdir(parents=True, exist_ok=True)
    named = [
        {"location": name, "name": name, "country": country, "postal_code": "10115"}
        for name, country in LOCATIONS.items()
    ]
    write_csv(folder, "locations.csv", named)
    product = {"name": "Drill", "unit_price": "9.99", "currency": "EUR", "tax_rate_percent": "19"}
    size = {"weight_g": 900, "length_mm": 300, "width_mm": 200, "height_mm": 100}
    write_csv(folder, "products.csv", [{"sku": sku, **product, **size} for sku in SKUS])
    who = [{"supplier_id": s, "name": s, "email": "so@a.example", "country": "DE"} for s in "XY"]
    write_csv(folder, "suppliers.csv", who)
    offers = [
        {
            "supplier_id": supplier,
            "sku": sku,
            "unit_cost": cost,
            "currency": "EUR",
            "minimum_quantity": minimum,
            "pack_size": pack,
            "lead_time_days": 3,
        }
        for supplier, sku, cost, minimum, pack in (
            ("X", "A", "3.37", 1, 1),
            ("X", "B", "5.01", 1, 4),
            ("X", "C", "0.07", 3, 1),
            ("Y", "A", "3.99", 1, 2),
            ("Y", "C", "0.11", 1, 1),
        )
    ]
    write_csv(folder, "offers.csv", offers)
    customer = {
        "customer_id": "ADA",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "phone": "+49 30 1",
        "country": "DE",
        "payment_preference": "card",
        "credit_limit": "10000000.00",
        "status": "active",
    }
    write_csv(folder, "customers.csv", [customer])
    stock = [
        {"location": location, "sku": sku, "on_hand": count, "unit_cost": "3.33"}
        for (location, sku), count in OPENING.items()
    ]
    write_csv(folder, "stock.csv", stock)
    database = Database(url, RULES, lambda: BEGIN)
    import_folder(database, folder)
    database.transaction(_add_freight_and_distances)
    database.close()


def _add_freight_and_distances(work: UnitOfWork) -> None:
    work.session.execute(
        update(SupplierOffer)
        .where(col(SupplierOffer.supplier_id) == "X")
        .values(freight_cost_minor=1_001, duty_ppm=33_333)
    )
    work.session.add(Distance(location="MUC", country="AT", postal_prefix="", distance_km=400))


class Warehouse(Machine):
    """Orders, purchases, receipts and hands, in whatever order hypothesis likes."""

    def __init__(self, new_database: Callable[[], str]) -> None:
        super().__init__(new_database, RULES)
        self.allocated_at: dict[str, datetime] = {}
        partners = Partners()
        self.purchasing = Purchasing(self.database, partners)
        self.shipping = Shipping(self.database, partners)
        self.billing = Billing(self.database, Provider())

    def teardown(self) -> None:
        """How often stock was touched, by kind."""
        self.happened.update(row.kind.value for row in self.read(select(StockMovement)))
        later = self.read(select(Reservation).where(Reservation.part > 1))
        self.happened["a later part"] += len(later)
        super().teardown()

    # What happens.

    @initialize(waits=st.booleans())
    def begin(self, waits: bool) -> None:
        """A shop that has been open for a while: what was short was bought and came, an order was
        given up, somebody counted; goods were delivered, came back and served who waited, were
        lost and sent again, were exchanged. Half of the time, people wait from the start."""
        self.reserve([("C", 2)], Delivery.COMPLETE, "DE", twice=False)
        self.supply(pick=0, quantity=2)
        self.release(pick=0, expires=False, twice=False)
        self.count("B", "VIE", 4, twice=False)
        self._serve_in_two_parts()
        self._exchange()
        if waits:
            for delivery in (Delivery.COMPLETE, Delivery.PARTIAL):
                self.reserve([("A", 9), ("C", 4)], delivery, "DE", twice=False)

    def _serve_in_two_parts(self) -> None:
        """What is there is delivered, and half of it comes back, for the rest that waits; that is
        sent as a part of its own, lost, bought anew in part, and comes back after all. The carrier
        pays something for what arrived damaged; the customer wants neither the next part, which is
        called back, nor the last."""
        self.reserve([("B", 6)], Delivery.PARTIAL, "DE", twice=False)
        self.issue(pick=0, twice=False)
        self.deliver(pick=0, twice=False)
        self.announce(
            0, 2, ReturnReason.DEFECTIVE, RequestedOutcome.REFUND, authorises=True, twice=False
        )
        self.take_in(pick=0, quantity=2, location=None, announced=True, twice=False)
        self.inspect(0, 2, Disposition.RESTOCK, Condition.AS_NEW, twice=False)
        self.issue(pick=0, twice=False)
        self.fail(0, TrackingStatus.LOST, Reship, claim=None, twice=False)
        self.supply(pick=0, quantity=1)
        self._call_back(pick=0, agrees=True, twice=False)
        self.recover(pick=0, location=None, returns=True, twice=False)
        self.claim(pick=0, amount="1.50", twice=False)
        self.end_claim(pick=0, paid="0.50", twice=False)
        self._cancel_rest(pick=0, twice=False)

    def _exchange(self) -> None:
        """Two units are broken, and sent once more, each by an order of its own; one of these is
        cancelled."""
        self.reserve([("A", 2)], Delivery.COMPLETE, "DE", twice=False)
        self.issue(pick=0, twice=False)
        self.deliver(pick=0, twice=False)
        wish = RequestedOutcome.EXCHANGE
        self.announce(-1, 2, ReturnReason.DEFECTIVE, wish, authorises=True, twice=False)
        self.take_in(pick=-1, quantity=2, location=None, announced=True, twice=False)
        for _ in range(2):
            self.inspect(-1, 1, Disposition.SCRAP, Condition.AS_NEW, twice=False)
        self.release(pick=-1, expires=False, twice=True)

    @rule(
        lines=st.lists(st.tuples(skus, units), min_size=1, max_size=4),
        delivery=st.sampled_from(Delivery),
        country=st.sampled_from(["DE", "AT"]),
        twice=st.booleans(),
    )
    def reserve(
        self, lines: list[tuple[str, int]], delivery: Delivery, country: str, twice: bool
    ) -> None:
        """An order comes, and takes what no older one waits for."""
        order_id = self.next_id("O")
        document = OrderDocument.model_validate(
            {
                "order_id": order_id,
                "channel": "online",
                "customer": "ADA",
                "ship_to": SHIP_TO | {"country": country},
                "currency": "EUR",
                "terms": "net30",
                "delivery": delivery,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            }
        )
        self._place(document, twice)

    def _place(self, document: OrderDocument, twice: bool) -> None:
        order_id = document.order_id
        record = RecordOrder(
            order=document, digest="d", placed_at=self.clock(), workflow_id=f"order-{order_id}"
        )
        record_order.run(self.database, record)
        if self.number % 2:  # some are billed at once, the others before they leave
            issue_invoice.run(self.database, OrderStep(order_id=order_id))
        open_before = {(s.sku, s.location) for s in self.read(self._open())}
        self.allocated_at[order_id] = self.now
        first = allocate_stock.run(self.database, OrderStep(order_id=order_id))
        if twice:
            again = allocate_stock.run(self.database, OrderStep(order_id=order_id))
            assert again.progress == first.progress
        mine = self.read(select(Reservation).where(Reservation.order_id == order_id))
        assert not open_before & {(r.sku, r.location) for r in mine}, "a newcomer overtook"

    @rule(pick=picks, expires=st.booleans(), twice=st.booleans())
    def release(self, pick: int, expires: bool, twice: bool) -> None:
        """An order is cancelled, by a person or because it isn't paid in time."""
        alive = select(Order).where(Order.cancellation == Cancellation.NONE)
        order = self.pick(alive.order_by(Order.order_id), pick)
        if order is None:
            return
        request = CancelRequest(reason="r", actor="deadline" if expires else "operator")
        wish = CancelOrder(order_id=order.order_id, request=request, unless_paid=expires)
        cancelled = start_cancelling.run(self.database, wish)
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
            self._is_told_again(
                first.notification, release_stock.run(self.database, step).notification
            )
        finish_cancelling.run(self.database, step)

    @rule(pick=picks, twice=st.booleans())
    def issue(self, pick: int, twice: bool) -> None:
        """An order leaves, one consignment at a time: once it waits for nothing or, where it may
        come in parts, whatever is there."""
        waiting = select(Shortage.order_id).where(Shortage.state == ShortageState.OPEN)
        order = self.pick(
            select(Order).where(
                col(Order.order_id).not_in(waiting) | (Order.delivery == Delivery.PARTIAL),
                Order.cancellation == Cancellation.NONE,
                col(Order.order_id).in_(
                    select(Reservation.order_id).where(col(Reservation.state).in_(HELD))
                ),
            ),
            pick,
        )
        if order is None:
            return
        issue_invoice.run(self.database, OrderStep(order_id=order.order_id))
        planned = plan_shipments.run(self.database, OrderStep(order_id=order.order_id))
        shipment_id = planned.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED)[0]
        call = ShipmentStep(order_id=order.order_id, shipment_id=shipment_id)
        asyncio.run(self.shipping.book_shipment(call))
        fact = ShipmentDispatched(
            event_id=self.next_id("E"), order_id=order.order_id, shipment_id=shipment_id
        )
        for _ in range(1 + twice):
            apply_dispatch.run(self.database, DispatchStep(order_id=order.order_id, fact=fact))

    @rule(pick=picks, parcel_agrees=st.sampled_from([None, True, False]), twice=st.booleans())
    def give_up_rest(self, pick: int, parcel_agrees: bool | None, twice: bool) -> None:
        """A customer doesn't wait for what of an order is still to come: for what no carrier is
        asked to fetch, or for a parcel, to which its carrier agrees or not."""
        if parcel_agrees is None:
            self._cancel_rest(pick, twice)
        else:
            self._call_back(pick, parcel_agrees, twice)

    def _cancel_rest(self, pick: int, twice: bool) -> None:
        """Refused where nothing has left, and where all that is left goes its way."""
        order = self.pick(select(Order).where(Order.delivery == Delivery.PARTIAL), pick)
        if order is None:
            return
        known = self.database.read(lambda session: read_progress(session, order))
        allowed = order.cancellation is Cancellation.NONE and known.goods_left
        allowed = allowed and known.held + known.backordered > 0
        command = CancelRest(command_id=self.next_id("X"), reason="r", order_id=order.order_id)
        self._command(command, allowed, twice)
        if allowed:
            known = self.database.read(lambda session: read_progress(session, order))
            assert known.held + known.backordered == 0
        self.happened[command.kind] += allowed

    def _call_back(self, pick: int, agrees: bool, twice: bool) -> None:
        """A part of an order is called back before it leaves, and given up if its carrier agrees.
        Refused where nothing of the order has left."""
        order = self.pick(select(Order).where(Order.delivery == Delivery.PARTIAL), pick)
        if order is None:
            return
        known = plan_shipments.run(self.database, OrderStep(order_id=order.order_id))
        planned = known.in_state(ShipmentState.PLANNED)
        if not planned:
            return
        shipment_id = planned[0]
        allowed = order.cancellation is Cancellation.NONE and known.goods_left
        command = RefundShipment(command_id=self.next_id("X"), reason="r", shipment_id=shipment_id)
        self._command(command, allowed, twice)
        if not allowed:
            return
        booking = ShipmentStep(order_id=order.order_id, shipment_id=shipment_id)
        asyncio.run(self.shipping.book_shipment(booking))
        end = EndCallBack(
            command_id=f"{command.command_id}/end",
            reason="r",
            shipment_id=shipment_id,
            agreed=agrees,
        )
        self._command(end, allowed=True, twice=twice)
        known = self.database.read(lambda session: read_progress(session, order))
        state = ShipmentState.CANCELLED if agrees else ShipmentState.PLANNED
        assert known.shipment(shipment_id).state is state
        self.happened["called back"] += agrees

    @rule(pick=picks, twice=st.booleans())
    def deliver(self, pick: int, twice: bool) -> None:
        """Goods that left arrive."""
        shipment = self._on_its_way(pick)
        if shipment is None:
            return
        fact = ShipmentDelivered(
            event_id=self.next_id("E"), order_id=shipment.order_id, shipment_id=shipment.shipment_id
        )
        for _ in range(1 + twice):
            apply_delivery.run(self.database, DeliveryStep(order_id=shipment.order_id, fact=fact))

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
        """Goods won't arrive: they are sent again, or their price is given back; or nobody has
        decided yet, and they may arrive after all."""
        shipment = self._on_its_way(pick)
        if shipment is None:
            return
        order_id, shipment_id = shipment.order_id, shipment.shipment_id
        fact = ShipmentTracked(
            event_id=self.next_id("E"), order_id=order_id, shipment_id=shipment_id, status=says
        )
        for _ in range(1 + twice):
            apply_tracking.run(self.database, TrackingStep(order_id=order_id, fact=fact))
        if outcome is None:
            return
        said = {"reason": "r", "shipment_id": shipment_id, "claim": claim}
        command = outcome.model_validate({"command_id": self.next_id("X"), **said})
        allowed = claim != "1.50" or shipment_id not in self._claimed()
        self._command(command, allowed, twice=twice)
        if not allowed:
            return
        other = outcome.model_validate({"command_id": self.next_id("X"), **said})
        self._command(other, allowed=False, twice=False)
        self.happened[f"{command.kind} {says}"] += 1

    @rule(pick=picks, location=st.none() | locations, returns=st.booleans(), twice=st.booleans())
    def recover(self, pick: int, location: str | None, returns: bool, twice: bool) -> None:
        """Goods that were given up are here after all, once; a carrier may have brought them."""
        failed = select(Shipment).where(Shipment.state == ShipmentState.FAILED)
        shipment = self.pick(failed.order_by(Shipment.shipment_id), pick)
        if shipment is None:
            return
        order_id, shipment_id = shipment.order_id, shipment.shipment_id
        if returns:
            says = TrackingStatus.RETURNED_TO_SENDER
            fact = ShipmentTracked(
                event_id=self.next_id("E"), order_id=order_id, shipment_id=shipment_id, status=says
            )
            apply_tracking.run(self.database, TrackingStep(order_id=order_id, fact=fact))
        command = RecoverShipment(
            command_id=self.next_id("V"), reason="r", shipment_id=shipment_id, location=location
        )
        allowed = shipment.restocked_at is None
        self._command(command, allowed, twice)
        self.happened["recovered"] += allowed

    @rule(pick=picks, amount=st.sampled_from(["0.50", "1.50", "7.00"]), twice=st.booleans())
    def claim(self, pick: int, amount: str, twice: bool) -> None:
        """Something is claimed for goods that left, where nothing is already."""
        left = (ShipmentState.DISPATCHED, ShipmentState.DELIVERED, ShipmentState.FAILED)
        gone = select(Shipment).where(col(Shipment.state).in_(left))
        shipment = self.pick(gone.order_by(Shipment.shipment_id), pick)
        if shipment is None:
            return
        allowed = shipment.shipment_id not in self._claimed()
        command = FileClaim(
            command_id=self.next_id("F"),
            reason="r",
            shipment_id=shipment.shipment_id,
            amount=amount,
        )
        self._command(command, allowed, twice)
        self.happened["claimed"] += allowed

    @rule(
        pick=picks, paid=st.none() | st.sampled_from(["0.50", "1.50", "7.00"]), twice=st.booleans()
    )
    def end_claim(self, pick: int, paid: str | None, twice: bool) -> None:
        """A carrier pays what it owes, more or less; or owes nothing. Once."""
        claim = self.pick(select(Claim).order_by(Claim.claim_id), pick)
        if claim is None:
            return
        said = {"command_id": self.next_id("F"), "reason": "r", "claim_id": claim.claim_id}
        command = SettleClaim(**said, amount=paid) if paid else WithdrawClaim(**said)
        allowed = claim.state is ClaimState.OPEN
        self._command(command, allowed, twice)
        self.happened[command.kind] += allowed

    @rule(
        pick=picks,
        quantity=units,
        because=st.sampled_from([ReturnReason.CHANGED_MIND, ReturnReason.DEFECTIVE]),
        wish=st.sampled_from(RequestedOutcome),
        authorises=st.booleans(),
        twice=st.booleans(),
    )
    def announce(
        self,
        pick: int,
        quantity: int,
        because: ReturnReason,
        wish: RequestedOutcome,
        authorises: bool,
        twice: bool,
    ) -> None:
        """A customer wants to send back what arrived; more than that is refused."""
        wanted = self._wanted(pick, quantity)
        if wanted is None:
            return
        order_id, lines, allowed = wanted
        command = RequestReturn(
            command_id=self.next_id("Q"),
            reason="r",
            order_id=order_id,
            lines=lines,
            because=because,
            wish=wish,
        )
        return_ids = self._command(command, allowed, twice)
        for return_id in return_ids if authorises else ():
            word = AuthoriseReturn(command_id=self.next_id("Q"), reason="r", return_id=return_id)
            self._command(word, allowed=True, twice=twice)

    @rule(
        pick=picks,
        quantity=units,
        location=st.none() | locations,
        announced=st.booleans(),
        twice=st.booleans(),
    )
    def take_in(
        self, pick: int, quantity: int, location: str | None, announced: bool, twice: bool
    ) -> None:
        """Goods come back, announced or not; more than are expected are refused."""
        if announced:
            open_ = ReturnLine.quantity > ReturnLine.received + ReturnLine.lost
            found = self._return_line(open_, pick)
            if found is None:
                return
            expected = self._return_lines(found.return_id, found.sku)
            allowed = quantity <= sum(line.expected for line in expected)
            lines = (ReturnedUnits(sku=found.sku, quantity=quantity),)
            of = {"return_id": found.return_id}
        else:
            wanted = self._wanted(pick, quantity)
            if wanted is None:
                return
            order_id, lines, allowed = wanted
            of = {"order_id": order_id}
        command = ReceiveReturn.model_validate(
            {
                "command_id": self.next_id("Q"),
                "reason": "r",
                "lines": [line.model_dump() for line in lines],
                "location": location,
                **of,
            }
        )
        self._command(command, allowed, twice)
        self.happened["unannounced"] += allowed and not announced

    @rule(
        pick=picks,
        quantity=units,
        disposition=st.sampled_from(Disposition),
        condition=st.sampled_from(Condition),
        twice=st.booleans(),
    )
    def inspect(
        self, pick: int, quantity: int, disposition: Disposition, condition: Condition, twice: bool
    ) -> None:
        """What came back is sold again, thrown away or sent back to its supplier; what didn't come
        was lost."""
        lost = disposition is Disposition.LOST
        inspected = ReturnLine.restocked + ReturnLine.scrapped + ReturnLine.sent_back
        open_ = ReturnLine.quantity > ReturnLine.received + ReturnLine.lost
        found = self._return_line(open_ if lost else ReturnLine.received > inspected, pick)
        if found is None:
            return
        there = self._return_lines(found.return_id, found.sku)
        if lost:
            self._send(found.return_id)
        allowed = quantity <= sum(line.expected if lost else line.here for line in there)
        line = InspectedUnits(
            sku=found.sku, quantity=quantity, disposition=disposition, condition=condition
        )
        command = InspectReturn(
            command_id=self.next_id("Q"), reason="r", return_id=found.return_id, lines=(line,)
        )
        self._command(command, allowed, twice)
        self.happened[disposition.value] += allowed
        self._place_exchanges()

    def _send(self, return_id: str) -> None:
        """Goods that may come back are on their way."""
        of = select(ReturnRow.state).where(ReturnRow.return_id == return_id)
        if self.read(of) == [ReturnState.AUTHORISED]:
            sent = ReturnOnItsWay(command_id=self.next_id("Q"), reason="r", return_id=return_id)
            self._command(sent, allowed=True, twice=False)

    def _place_exchanges(self) -> None:
        """As ReturnWorkflow does: what replaces returned goods is an order like any other."""
        promised = select(Settlement).where(
            col(Settlement.exchange_order_id).is_not(None),
            col(Settlement.exchange_order_id).not_in(select(Order.order_id)),
        )
        for settlement in self.read(promised):
            step = SettlementStep(settlement_id=settlement.settlement_id)
            self._place(write_exchange.run(self.database, step), twice=False)
            self.happened["exchange"] += 1

    def _command(self, command: Command, allowed: bool, twice: bool) -> tuple[str, ...]:
        """As `_obey`, of what needn't touch stock; returns the returns it is about."""
        before = self._stock_and_books()
        done = execute_command.run(self.database, CommandStep(command=command))
        assert (done.refusal is None) == allowed, done
        after = self._stock_and_books()
        assert allowed or before == after
        if twice:
            assert execute_command.run(self.database, CommandStep(command=command)) == done
            assert self._stock_and_books() == after
        return done.notification.returns

    @rule(pick=picks, sku=skus, location=locations, sends=st.booleans(), again=st.booleans())
    def buy(self, pick: int, sku: str, location: str, sends: bool, again: bool) -> None:
        """The replenishment of a place plans; it sends what it planned, at once or later."""
        short = self.pick(self._open().order_by(Shortage.shortage_id), pick)
        place = StockKey(
            location=short.location if short else location, sku=short.sku if short else sku
        )
        self._buy(place, sends, again)

    @rule(pick=picks, quantity=units)
    def supply(self, pick: int, quantity: int) -> None:
        """What somebody waits for is bought, and some of it comes."""
        short = self.pick(self._open().order_by(Shortage.shortage_id), pick)
        if short is None:
            return
        self._buy(StockKey(location=short.location, sku=short.sku), sends=True, again=True)
        bought = (
            select(PurchaseOrderLine)
            .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(PurchaseOrderLine.po_id))
            .where(
                PurchaseOrderLine.sku == short.sku,
                PurchaseOrder.location == short.location,
                PurchaseOrder.state == PurchaseOrderState.SENT,
            )
        )
        line = self.pick(bought.order_by(PurchaseOrderLine.po_id), pick)
        if line is not None:
            self._receive(line, min(quantity, line.quantity), 0)

    def _buy(self, place: StockKey, sends: bool, again: bool) -> None:
        plan = plan_purchases.run(self.database, PlanStep(place=place, again=again))
        short, coming = self.database.read(lambda session: self._short_and_coming(session, place))
        assert plan.unmet or coming >= short, "what is short isn't bought"
        for planned in plan.send if sends else ():
            step = PurchaseStep(po_id=planned.po_id, sku=place.sku)
            asyncio.run(self.purchasing.send_purchase_order(step))

    @rule(pick=picks, promised=st.integers(0, 6), days=st.integers(0, 4), whole=st.booleans())
    def acknowledge(self, pick: int, promised: int, days: int, whole: bool) -> None:
        """A supplier promises all of it, less, or nothing."""
        line = self._pick_line(pick, PurchaseOrderState.SENT)
        if line is None:
            return
        lines = None if whole else (PromisedLine(sku=line.sku, quantity=promised),)
        fact = SupplierAcknowledged(
            acknowledgement_id=self.next_id("K"),
            po_id=line.po_id,
            expected_date=self.now.date() + timedelta(days=days),
            lines=lines,
        )
        apply_acknowledgement.run(self.database, fact)

    @rule(pick=picks, quantity=units, damaged=st.integers(0, 2), twice=st.booleans())
    def receive(self, pick: int, quantity: int, damaged: int, twice: bool) -> None:
        """Goods arrive: some, all, too many, some of them broken; also of an order we gave up."""
        line = self._pick_line(pick, *SENT)
        if line is None:
            return
        self._receive(line, quantity, damaged, twice)

    def _receive(
        self, line: PurchaseOrderLine, quantity: int, damaged: int, twice: bool = False
    ) -> None:
        fact = GoodsReceived(
            receipt_id=self.next_id("R"),
            po_id=line.po_id,
            sku=line.sku,
            quantity=quantity,
            damaged=damaged,
        )
        first = receive_goods.run(self.database, fact)
        if twice:
            self._is_told_again(first, receive_goods.run(self.database, fact))

    def _is_told_again(self, first: Notification, again: Notification) -> None:
        """Nobody is left out, though the first answer may have been lost: whoever got stock, and
        whoever waits otherwise than before."""
        served = select(StockMovement.order_id).where(
            StockMovement.cause == first.cause, StockMovement.kind == MovementKind.RESERVE
        )
        assert set(self.read(served)) <= set(first.orders) <= set(again.orders)
        assert set(first.places) <= set(again.places)

    @rule(pick=picks, more_minor=st.integers(-3, 7))
    def bill(self, pick: int, more_minor: int) -> None:
        """A supplier asks for its money, and for another price than was agreed."""
        lines = select(PurchaseOrderLine).where(
            PurchaseOrderLine.received > PurchaseOrderLine.invoiced
        )
        line = self.pick(lines.order_by(PurchaseOrderLine.po_id, PurchaseOrderLine.sku), pick)
        if line is None:
            return
        asked = InvoicedLine(
            sku=line.sku,
            quantity=line.received - line.invoiced,
            unit_cost=format_amount(max(0, line.unit_cost_minor + more_minor), "EUR"),
        )
        fact = SupplierInvoiced(
            invoice_id=self.next_id("I"), po_id=line.po_id, currency="EUR", lines=(asked,)
        )
        record_supplier_invoice.run(self.database, fact)

    @rule(
        sku=skus,
        location=locations,
        difference=st.integers(-5, 5).filter(bool),
        twice=st.booleans(),
    )
    def adjust(self, sku: str, location: str, difference: int, twice: bool) -> None:
        """Somebody finds goods, or writes them off; what is reserved is refused."""
        stock = self._stock(sku, location)
        command = AdjustStock(
            command_id=self.next_id("A"),
            reason="r",
            sku=sku,
            location=location,
            by=difference,
            unit_cost=FOUND_COST if difference > 0 else None,
        )
        self._obey(command, stock.on_hand + difference >= stock.reserved, twice)

    @rule(sku=skus, location=locations, counted=st.integers(0, 12), twice=st.booleans())
    def count(self, sku: str, location: str, counted: int, twice: bool) -> None:
        """Somebody counts; fewer than are reserved are refused."""
        command = CountStock(
            command_id=self.next_id("N"),
            reason="r",
            sku=sku,
            location=location,
            counted=counted,
            unit_cost=FOUND_COST,
        )
        self._obey(command, counted >= self._stock(sku, location).reserved, twice)

    @rule(sku=skus, source=locations, goal=locations, quantity=units, twice=st.booleans())
    def transfer(self, sku: str, source: str, goal: str, quantity: int, twice: bool) -> None:
        """Goods move between locations at what they cost; what is reserved is refused."""
        if source == goal:
            return
        stock = self._stock(sku, source)
        command = TransferStock(
            command_id=self.next_id("T"),
            reason="r",
            sku=sku,
            from_location=source,
            to_location=goal,
            quantity=quantity,
        )
        self._obey(command, quantity <= stock.on_hand - stock.reserved, twice)

    def _obey(self, command: StockCommand, allowed: bool, twice: bool) -> None:
        """It is done where that can be, once however often it is asked for; else nothing is."""
        before = self._stock_and_books()
        done = execute_command.run(self.database, CommandStep(command=command))
        assert (done.refusal is None) == allowed, done
        after = self._stock_and_books()
        assert (before == after) == (not allowed)
        if twice:
            assert execute_command.run(self.database, CommandStep(command=command)) == done
            assert self._stock_and_books() == after

    def _stock_and_books(self) -> list[Any]:
        return [
            sorted(str(row.model_dump()) for row in self.read(select(table)))
            for table in (Stock, StockMovement, Shortage, Reservation, JournalPosting, ReturnLine)
        ]

    @rule(days=st.integers(1, 4))
    def wait(self, days: int) -> None:
        """Time goes by."""
        self.now += timedelta(days=days)

    # What is always true.

    @invariant()
    def counters_are_never_negative_and_add_up(self) -> None:
        """With the movements, in units and value; and with the reservations."""
        moved: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in self.read(select(StockMovement)):
            changes = (row.on_hand_change, row.reserved_change, row.value_change_minor)
            for number, change in enumerate(changes):
                moved[row.sku, row.location][number] += change
        held: dict[tuple[str, str], int] = defaultdict(int)
        for row in self.read(select(Reservation).where(col(Reservation.state).in_(HELD))):
            held[row.sku, row.location] += row.quantity
        for row in self.read(select(Stock)):
            place = (row.sku, row.location)
            assert 0 <= row.reserved <= row.on_hand
            assert row.value_minor >= 0
            assert moved.pop(place, [0, 0, 0]) == [row.on_hand, row.reserved, row.value_minor]
            assert held.pop(place, 0) == row.reserved
        assert not moved
        assert not held

    @invariant()
    def the_ledger_balances_and_is_worth_the_stock(self) -> None:
        """As the trial balance says."""
        assert self.database.read(ledger_reading.trial_balance).balanced

    @invariant()
    def nobody_overtakes(self) -> None:
        """Where somebody waits, nothing is free, and nobody who came later got anything since."""
        free = {(r.sku, r.location): r.on_hand - r.reserved for r in self.read(select(Stock))}
        taken = self.read(select(StockMovement).where(StockMovement.kind == MovementKind.RESERVE))
        for shortage in self.read(self._open()):
            place = (shortage.sku, shortage.location)
            assert free[place] == 0, (place, shortage.order_id)
            for row in taken:
                if (row.sku, row.location) == place and row.recorded_at > shortage.promised_at:
                    came = self.allocated_at[row.order_id or ""]
                    assert came <= shortage.promised_at, (row.order_id, shortage.order_id)

    @invariant()
    def what_is_reserved_and_short_is_what_was_ordered(self) -> None:
        """Of every line of every order that lives; what was lost on its way serves nobody."""
        found: dict[tuple[str, int], int] = defaultdict(int)
        for held in self.read(select(Reservation).where(col(Reservation.state).in_(SERVING))):
            found[held.order_id, held.line_no] += held.quantity
        for short in self.read(self._open()):
            assert short.filled < short.quantity
            found[short.order_id, short.line_no] += short.quantity - short.filled
        live = select(Order.order_id).where(Order.cancellation == Cancellation.NONE)
        lines = self.read(select(OrderLineRow).where(col(OrderLineRow.order_id).in_(live)))
        assert {(row.order_id, row.line_no): row.quantity for row in lines} == found

    @invariant()
    def an_order_that_is_over_holds_and_lacks_nothing(self) -> None:
        """As reconciliation asks."""
        over = select(Order.order_id).where(col(Order.stage).in_(OVER))
        held = select(Reservation).where(col(Reservation.state).in_(HELD))
        assert not self.read(held.where(col(Reservation.order_id).in_(over)))
        assert not self.read(self._open().where(col(Shortage.order_id).in_(over)))

    @invariant()
    def nothing_comes_back_that_was_not_delivered(self) -> None:
        """Of a line of an order, and nothing is inspected before it came."""
        delivered = self._delivered()
        came: dict[tuple[str, int], int] = defaultdict(int)
        returns = select(ReturnRow.order_id, ReturnLine).join(ReturnRow)
        for order_id, line in self.read(returns):
            assert 0 <= line.inspected <= line.received <= line.quantity - line.lost
            came[order_id, line.line_no] += line.quantity
        for place, count in came.items():
            assert count <= delivered[place], place

    @invariant()
    def an_order_owes_goods_for_what_was_invoiced(self) -> None:
        """Its contract liability: its invoice less what left, or was given up and credited. A
        cancelled one owes none."""
        net = self._order_sums(
            select(InvoiceRow.order_id, InvoiceRow.net_minor)
            .join(Order, col(Order.order_id) == col(InvoiceRow.order_id))
            .where(Order.cancellation == Cancellation.NONE)
        )
        gone = self._order_sums(
            select(Reservation.order_id, Reservation.revenue_minor).where(
                col(Reservation.state).in_([ReservationState.SHIPPED, ReservationState.FORGONE])
            )
        )
        posted = self._posted(Account.CONTRACT_LIABILITIES)
        for order_id in {*net, *gone, *posted}:
            owed_minor = net[order_id] - gone[order_id]
            assert owed_minor >= 0, order_id
            assert -posted[order_id] == owed_minor, order_id

    @invariant()
    def value_goes_nowhere(self) -> None:
        """All accounts together are zero; what was sold cost something until it is back, and
        nothing once all of it is; what carriers owe us is what is claimed, what they paid is in
        the bank."""
        sums: dict[str, int] = defaultdict(int)
        for row in self.read(select(JournalPosting)):
            sums[row.account] += row.amount_minor
        assert sum(sums.values()) == 0
        stock = self.read(select(Stock.value_minor))
        assert sums[Account.INVENTORY] == sum(stock)
        claims = self.read(select(Claim))
        open_now = [claim.amount_minor for claim in claims if claim.state is ClaimState.OPEN]
        assert sums[Account.CLAIMS_RECEIVABLE] == sum(open_now)
        assert sums[Account.BANK] == sum(claim.settled_minor or 0 for claim in claims)
        shipped, back = self._units_out(), self._units_back()
        for order_id, cost_minor in self._posted(Account.COST_OF_GOODS_SOLD).items():
            assert cost_minor >= 0, (order_id, cost_minor)
            assert cost_minor == 0 or shipped[order_id] > back[order_id], (order_id, cost_minor)

    @invariant()
    def what_an_exchange_sends_in_vain_is_settled_once(self) -> None:
        """By line, the units that its customer doesn't keep: given up, or back and settled, or
        all of them where it is cancelled. It has no credit notes of its own."""
        gone: dict[tuple[str, int], int] = defaultdict(int)
        for row in self.read(
            select(Reservation).where(Reservation.state == ReservationState.FORGONE)
        ):
            gone[row.order_id, row.line_no] += row.quantity
        for order_id, line in self.read(select(ReturnRow.order_id, ReturnLine).join(ReturnRow)):
            gone[order_id, line.line_no] += line.settled
        cancelled = select(Order.order_id).where(Order.cancellation == Cancellation.DONE)
        over, credited = set(self.read(cancelled)), set(self.read(select(CreditNoteRow.order_id)))
        for row in self.read(select(Settlement).where(col(Settlement.exchange_lines).is_not(None))):
            order_id = row.exchange_order_id
            assert order_id not in credited
            for line_no, kept in enumerate(row.exchange_lines, start=1):
                line = ExchangeLine.model_validate(kept)
                wanted = line.quantity if order_id in over else gone[order_id, line_no]
                assert line.settled == wanted, (order_id, line_no)
                self.happened["exchange settled"] += line.settled > 0

    @invariant()
    def no_more_is_taken_in_than_may_be(self) -> None:
        """Of a purchase order's line, and never one that wasn't sent."""
        came: dict[tuple[str, str], int] = defaultdict(int)
        for receipt in self.read(select(GoodsReceipt)):
            came[receipt.po_id, receipt.sku] += receipt.quantity - receipt.damaged
        for line in self.read(select(PurchaseOrderLine)):
            assert (
                came[line.po_id, line.sku]
                == line.received
                <= RULES.buying.most_units(line.quantity)
            )

    # What is there to choose from.

    def _open(self) -> Any:
        return select(Shortage).where(Shortage.state == ShortageState.OPEN)

    def _on_its_way(self, pick: int) -> Shipment | None:
        gone = select(Shipment).where(Shipment.state == ShipmentState.DISPATCHED)
        return self.pick(gone.order_by(Shipment.shipment_id), pick)

    def _claimed(self) -> list[str]:
        """The shipments for which something is claimed."""
        return self.read(select(Claim.shipment_id).where(Claim.state == ClaimState.OPEN))

    def _delivered(self) -> dict[tuple[str, int], int]:
        """Units that arrived, by order and line."""
        units: dict[tuple[str, int], int] = defaultdict(int)
        arrived = (
            select(Reservation)
            .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
            .where(Shipment.state == ShipmentState.DELIVERED)
        )
        for row in self.read(arrived):
            units[row.order_id, row.line_no] += row.quantity
        return units

    def _wanted(
        self, pick: int, quantity: int
    ) -> tuple[str, tuple[ReturnedUnits, ...], bool] | None:
        """Of which order so many units of which SKU are to come back, and whether they may."""
        delivered = self._delivered()
        if not delivered:
            return None
        order_id, line_no = sorted(delivered)[pick % len(delivered)]
        lines = {
            line.line_no: line.sku
            for line in self.read(select(OrderLineRow).where(OrderLineRow.order_id == order_id))
        }
        sku = lines[line_no]
        may = sum(n for (of, no), n in delivered.items() if of == order_id and lines[no] == sku)
        asked = select(ReturnLine.quantity).join(ReturnRow)
        coming = self.read(asked.where(ReturnRow.order_id == order_id, ReturnLine.sku == sku))
        allowed = quantity <= may - sum(coming)
        return order_id, (ReturnedUnits(sku=sku, quantity=quantity),), allowed

    def _return_line(self, which: Any, pick: int) -> ReturnLine | None:
        lines = select(ReturnLine).join(ReturnRow).where(col(ReturnRow.state).in_(COMING), which)
        return self.pick(lines.order_by(ReturnLine.return_id, col(ReturnLine.line_no)), pick)

    def _return_lines(self, return_id: str, sku: str) -> list[ReturnLine]:
        of = select(ReturnLine).where(ReturnLine.return_id == return_id, ReturnLine.sku == sku)
        return self.read(of)

    def _order_sums(self, query: Any) -> dict[str, int]:
        """Of rows of an order and a number."""
        sums: dict[str, int] = defaultdict(int)
        for order_id, number in self.read(query):
            sums[order_id] += number
        return sums

    def _posted(self, account: Account) -> dict[str, int]:
        """What an account has, by order."""
        return self._order_sums(
            select(JournalEntry.order_id, JournalPosting.amount_minor)
            .join(JournalPosting, col(JournalPosting.entry_id) == col(JournalEntry.entry_id))
            .where(JournalPosting.account == account, col(JournalEntry.order_id).is_not(None))
        )

    def _units_out(self) -> dict[str, int]:
        """Units that left, and weren't given up, by order."""
        return self._order_sums(
            select(Reservation.order_id, Reservation.quantity).where(
                Reservation.state == ReservationState.SHIPPED
            )
        )

    def _units_back(self) -> dict[str, int]:
        """Units that came back and were inspected, or were lost on their way, by order."""
        sums: dict[str, int] = defaultdict(int)
        for order_id, line in self.read(select(ReturnRow.order_id, ReturnLine).join(ReturnRow)):
            sums[order_id] += line.settled
        return sums

    def _pick_line(self, pick: int, *states: PurchaseOrderState) -> Any:
        lines = select(PurchaseOrderLine).order_by(PurchaseOrderLine.po_id, PurchaseOrderLine.sku)
        if states:
            sent = select(PurchaseOrder.po_id).where(col(PurchaseOrder.state).in_(states))
            lines = lines.where(col(PurchaseOrderLine.po_id).in_(sent))
        return self.pick(lines, pick)

    def _stock(self, sku: str, location: str) -> Stock:
        rows = self.read(select(Stock).where(Stock.sku == sku, Stock.location == location))
        return rows[0] if rows else Stock(sku=sku, location=location)

    def _short_and_coming(self, session: Session, place: StockKey) -> tuple[int, int]:
        missing = select(func.sum(col(Shortage.quantity) - col(Shortage.filled))).where(
            Shortage.sku == place.sku,
            Shortage.location == place.location,
            Shortage.state == ShortageState.OPEN,
        )
        coming = incoming(session, (place.sku, place.location), self.now.date())
        return int(session.exec(missing).one() or 0), sum(po.units for po in coming)
