"""Shipping: consignments planned, carriers booked, goods issued, delivery recorded."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.door import mark_applied
from activities.database.engine import Clock, Database
from activities.gateways.calls import once
from activities.gateways.carriers import Carriers
from activities.ledger import post
from activities.progress import lock_order, look, note, note_odd_fact, touch
from activities.stock import Change, lock_stock, move
from models import ledger
from models.errors import Refused
from models.messages import (
    Attention,
    BookedFreight,
    DeliveryStep,
    DispatchStep,
    FreightBooking,
    OrderStep,
    ShipmentFact,
    ShipmentStep,
    TrackingStep,
    arrived_after_all,
    called_back_in_vain,
)
from models.money import round_half_up
from models.orders import Cancellation, Progress, ShipmentState
from models.packing import Piece
from models.shipping import choose_freight
from models.stock import MovementKind, ReservationState, issue_cost
from models.tables import (
    Location,
    Order,
    OrderLineRow,
    Product,
    Reservation,
    Shipment,
    TrackingRow,
)
from models.tracking import TrackingEvent, TrackingStatus, fold

NOTED_ANYWAY = (TrackingStatus.PICKED_UP, TrackingStatus.DELIVERED)


class Shipping:
    """The steps of the dispatch phase."""

    def __init__(self, database: Database, clock: Clock, carriers: Carriers) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers

    @activity.defn
    def plan_shipments(self, step: OrderStep) -> Progress:
        """Put everything held into consignments, one for each location, before a carrier is
        asked: so that whatever is booked is known here, and can be called back."""
        return self._database.transaction(lambda session: self._plan(session, step.order_id))

    @activity.defn
    async def book_shipment(self, step: ShipmentStep) -> Progress:
        """Book a planned shipment with a carrier, once."""
        booking = await asyncio.to_thread(
            self._database.read, lambda session: _booking(session, step.shipment_id)
        )
        if booking is not None:
            _, booked = await once(
                self._database,
                f"{step.order_id}/book/{step.shipment_id}",
                booking,
                self._carriers.book,
            )
            await asyncio.to_thread(
                self._database.transaction, lambda session: self._booked(session, step, booked)
            )
        return await asyncio.to_thread(
            self._database.read,
            lambda session: look(session, session.get_one(Order, step.order_id)),
        )

    @activity.defn
    async def cancel_booking(self, step: ShipmentStep) -> Progress:
        """Undo of `book_shipment`, also where it may or may not have been booked. Refused where
        the carrier has the goods."""
        await once(
            self._database,
            f"{step.order_id}/cancel-booking/{step.shipment_id}",
            step,
            lambda asked, key: self._carriers.cancel(asked.shipment_id, key),
        )
        return await asyncio.to_thread(
            self._database.transaction, lambda session: self._called_back(session, step)
        )

    @activity.defn
    def apply_dispatch(self, step: DispatchStep) -> Progress:
        """Goods have left: goods issue, once per shipment."""
        return self._take(step, step.fact, TrackingStatus.PICKED_UP)

    @activity.defn
    def apply_delivery(self, step: DeliveryStep) -> Progress:
        """Goods have arrived; where nobody said that they left, they have left now."""
        return self._take(step, step.fact, TrackingStatus.DELIVERED)

    @activity.defn
    def apply_tracking(self, step: TrackingStep) -> Progress:
        """Where goods are on their way; where nobody said that they left, they have left now."""
        return self._take(step, step.fact, step.fact.status)

    def _take(
        self,
        step: DispatchStep | DeliveryStep | TrackingStep,
        fact: ShipmentFact,
        status: TrackingStatus | None,
    ) -> Progress:
        return self._database.transaction(
            lambda session: self._apply(session, step.order_id, fact, status)
        )

    def _plan(self, session: Session, order_id: str) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        held: dict[str, list[Reservation]] = defaultdict(list)
        for row in session.exec(
            select(Reservation).where(
                Reservation.order_id == order_id, Reservation.state == ReservationState.HELD
            )
        ):
            held[row.location].append(row)
        if not held or order.cancellation is not Cancellation.NONE:
            return look(session, order)
        count = select(func.count()).select_from(Shipment).where(col(Shipment.order_id) == order_id)
        first = session.exec(count).one() + 1
        for number, location in enumerate(sorted(held), start=first):
            _plan_one(session, order, f"SH-{order_id}-{number}", held[location], now)
        return touch(session, order, now)

    def _booked(self, session: Session, step: ShipmentStep, booked: BookedFreight) -> None:
        order, now = lock_order(session, step.order_id), self._clock()
        shipment = session.get_one(Shipment, step.shipment_id)
        if shipment.booking_id is not None:
            return
        shipment.booking_id = booked.booking_id
        shipment.carrier = booked.carrier
        shipment.tracking_number = booked.tracking_number
        shipment.news_at = now
        if shipment.state is ShipmentState.PLANNED:
            shipment.state = ShipmentState.BOOKED
        detail = f"{shipment.shipment_id} with {booked.carrier}, tracking {booked.tracking_number}"
        note(session, order.order_id, "booked", detail, now)
        touch(session, order, now)

    def _called_back(self, session: Session, step: ShipmentStep) -> Progress:
        order, now = lock_order(session, step.order_id), self._clock()
        shipment = session.get_one(Shipment, step.shipment_id)
        if shipment.state not in (ShipmentState.PLANNED, ShipmentState.BOOKED):
            return look(session, order)
        shipment.state = ShipmentState.CANCELLED
        for row in _reservations(session, shipment.shipment_id):
            row.state, row.shipment_id = ReservationState.HELD, None
        note(session, order.order_id, "booking_cancelled", shipment.shipment_id, now)
        return touch(session, order, now)

    def _apply(
        self, session: Session, order_id: str, fact: ShipmentFact, status: TrackingStatus | None
    ) -> Progress:
        order, now = lock_order(session, order_id), self._clock()
        mark_applied(session, fact, now)
        ours = fact.order_id in (None, order.order_id)
        shipment = _find(session, order.order_id, fact.shipment_id) if ours else None
        if shipment is None or status is None:
            reason = "status: missing" if shipment else "shipment_id: not one of its own"
            note_odd_fact(session, order.order_id, fact, reason, now)
            return touch(session, order, now)
        if shipment.state is ShipmentState.CANCELLED:
            note_odd_fact(session, order.order_id, fact, "its booking was cancelled", now)
            if status.has_goods:
                _attend(order, called_back_in_vain(shipment.shipment_id))
            return touch(session, order, now)
        if keep_report(session, shipment, fact, status, now):
            self._move_on(session, order, shipment, now)
        return touch(session, order, now)

    def _move_on(self, session: Session, order: Order, shipment: Shipment, now: datetime) -> None:
        """What all reports together make of a shipment, whatever their order."""
        tracked = fold(reports_of(session, shipment.shipment_id))
        assert tracked is not None, "a report was kept"
        shipment.tracking, shipment.news_at = tracked.status, now
        if tracked.left_at is None:
            return
        shipment.dispatched_at, shipment.delivered_at = tracked.left_at, tracked.arrived_at
        if not shipment.state.has_left:
            issue_goods(session, order, shipment, now)
            shipment.state = ShipmentState.DISPATCHED
            note(session, order.order_id, "dispatched", shipment.shipment_id, now)
        if tracked.arrived_at is None:
            return
        if shipment.state is ShipmentState.DISPATCHED:
            shipment.state = ShipmentState.DELIVERED
            note(session, order.order_id, "delivered", shipment.shipment_id, now)
        elif shipment.state is ShipmentState.FAILED:
            _attend(order, arrived_after_all(shipment.shipment_id))


def keep_report(
    session: Session,
    shipment: Shipment,
    fact: ShipmentFact,
    status: TrackingStatus,
    now: datetime,
) -> bool:
    """Keep a carrier's report, once; False where it was kept before."""
    if session.get(TrackingRow, (shipment.shipment_id, fact.event_id)) is not None:
        return False
    session.add(
        TrackingRow(
            shipment_id=shipment.shipment_id,
            event_id=fact.event_id,
            status=status,
            occurred_at=fact.occurred_at or now,
            place=fact.place,
            detail=fact.detail,
            signed_by=fact.signed_by,
            reference=fact.reference,
            recorded_at=now,
        )
    )
    session.flush()
    if status not in NOTED_ANYWAY:
        said = [shipment.shipment_id, status.words, fact.place, fact.detail]
        note(session, shipment.order_id, "tracked", ", ".join(filter(None, said)), now)
    return True


def reports_of(session: Session, shipment_id: str) -> list[TrackingEvent]:
    """All that the carrier said of a shipment."""
    rows = session.exec(select(TrackingRow).where(TrackingRow.shipment_id == shipment_id))
    return [
        TrackingEvent(event_id=row.event_id, status=row.status, at=row.occurred_at) for row in rows
    ]


def _attend(order: Order, attention: Attention) -> None:
    order.attention_code, order.attention_message = attention.code, attention.message


def issue_goods(session: Session, order: Order, shipment: Shipment, now: datetime) -> None:
    """Goods issue: stock down, reservation shipped, revenue and cost posted in one entry."""
    rows = sorted(_reservations(session, shipment.shipment_id), key=lambda r: (r.sku, r.line_no))
    stock = lock_stock(session, {row.sku for row in rows})
    there = {place: (row.value_minor, row.on_hand) for place, row in stock.items()}
    _recognise(session, order.order_id, rows)
    changes = []
    for row in rows:
        value_minor, on_hand = there[row.sku, row.location]
        row.cost_minor = issue_cost(value_minor, on_hand, row.quantity)
        there[row.sku, row.location] = (value_minor - row.cost_minor, on_hand - row.quantity)
        changes.append(_issued(row, shipment.shipment_id))
        row.state = ReservationState.SHIPPED
    move(session, changes, now)
    entry = ledger.goods_issue_entry(
        shipment.shipment_id,
        order.order_id,
        order.currency,
        revenue_minor=sum(row.revenue_minor for row in rows),
        cost_minor=sum(row.cost_minor for row in rows),
    )
    post(session, entry, now)


def _issued(row: Reservation, shipment_id: str) -> Change:
    return Change(
        movement_id=f"issue:{shipment_id}:{row.line_no}:{row.part}",
        cause=f"issue:{shipment_id}",
        kind=MovementKind.ISSUE,
        sku=row.sku,
        location=row.location,
        on_hand=-row.quantity,
        reserved=-row.quantity,
        value_minor=-row.cost_minor,
        order_id=row.order_id,
    )


def _recognise(session: Session, order_id: str, leaving: Sequence[Reservation]) -> None:
    """The revenue of what leaves: over all units of a line exactly the line's net."""
    lines = {
        line.line_no: line
        for line in session.exec(select(OrderLineRow).where(OrderLineRow.order_id == order_id))
    }
    gone: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    posted = (ReservationState.SHIPPED, ReservationState.FORGONE)
    for row in session.exec(
        select(Reservation).where(
            Reservation.order_id == order_id, col(Reservation.state).in_(posted)
        )
    ):
        units, revenue_minor = gone[row.line_no]
        gone[row.line_no] = (units + row.quantity, revenue_minor + row.revenue_minor)
    for row in leaving:
        line, (units, revenue_minor) = lines[row.line_no], gone[row.line_no]
        units += row.quantity
        row.revenue_minor = round_half_up(line.net_minor * units, line.quantity) - revenue_minor
        gone[row.line_no] = (units, revenue_minor + row.revenue_minor)


def _plan_one(
    session: Session, order: Order, shipment_id: str, rows: list[Reservation], now: datetime
) -> None:
    skus = {row.sku for row in rows}
    products = {p.sku: p for p in session.exec(select(Product).where(col(Product.sku).in_(skus)))}
    pieces = [
        Piece.model_validate(products[row.sku].model_dump() | {"quantity": row.quantity})
        for row in rows
    ]
    choice = choose_freight(pieces)
    session.add(
        Shipment(
            shipment_id=shipment_id,
            order_id=order.order_id,
            location=rows[0].location,
            mode=choice.mode,
            mode_reason=choice.reason,
            weight_g=choice.weight_g,
            state=ShipmentState.PLANNED,
        )
    )
    for row in rows:
        row.state, row.shipment_id = ReservationState.PICKED, shipment_id
    detail = f"{shipment_id} from {rows[0].location} by {choice.mode}: {choice.reason}"
    note(session, order.order_id, "consigned", detail, now)


def _booking(session: Session, shipment_id: str) -> FreightBooking | None:
    """What to ask the carrier; None where it was booked or nothing is to be booked any more."""
    shipment = session.get_one(Shipment, shipment_id)
    order = session.get_one(Order, shipment.order_id)
    if shipment.booking_id is not None or shipment.state is not ShipmentState.PLANNED:
        return None
    if order.cancellation is not Cancellation.NONE:
        return None
    location = session.get(Location, shipment.location)
    if location is None:
        raise Refused("no_location", f"there is no location {shipment.location}: import it, retry")
    return FreightBooking(
        shipment_id=shipment_id,
        order_id=shipment.order_id,
        mode=shipment.mode,
        weight_g=shipment.weight_g,
        ship_from=location.model_dump(include={"location", "name", "country", "postal_code"}),
        ship_to=order.ship_to,
    )


def _reservations(session: Session, shipment_id: str) -> list[Reservation]:
    return list(
        session.exec(
            select(Reservation).where(
                Reservation.shipment_id == shipment_id,
                col(Reservation.state).in_([ReservationState.HELD, ReservationState.PICKED]),
            )
        )
    )


def _find(session: Session, order_id: str, shipment_id: str | None) -> Shipment | None:
    """The order's shipment by that id; without an id the only one there is."""
    query = select(Shipment).where(Shipment.order_id == order_id)
    if shipment_id is not None:
        return session.exec(query.where(Shipment.shipment_id == shipment_id)).one_or_none()
    over = (ShipmentState.CANCELLED, ShipmentState.FAILED)
    alive = session.exec(query.where(col(Shipment.state).not_in(over))).all()
    return alive[0] if len(alive) == 1 else None
