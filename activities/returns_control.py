"""Returns control: a person's commands on goods that come back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.backorders import fill_shortages, orders_served
from activities.database.engine import Clock
from activities.invoicing import credit_units
from activities.ledger import post
from activities.progress import balance_of, find_order, money_of, note, touch
from activities.refunds import ask_back
from activities.stock import Change, lock_stock, move
from models import ledger
from models.billing import units_of
from models.commands import (
    RETURN_REFUSED,
    UNKNOWN,
    AuthoriseReturn,
    Commanded,
    InspectedUnits,
    InspectReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnCommand,
    ReturnedUnits,
    ReturnOnItsWay,
    refuse,
)
from models.messages import Echo
from models.money import round_half_up
from models.orders import PricedLine, ShipmentState
from models.returns import (
    Disposition,
    ReturnReason,
    ReturnRules,
    ReturnState,
    ReturnWish,
    exchange_order_id,
)
from models.stock import MovementKind, ReservationState
from models.tables import (
    Location,
    Order,
    OrderLineRow,
    Reservation,
    ReturnLine,
    ReturnRow,
    Settlement,
    Shipment,
    TrackingRow,
)
from models.tracking import TrackingStatus

COMING = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)


class _Inspected(NamedTuple):
    """Units of a line that somebody looked at: their disposition, cost and worth."""

    line: ReturnLine
    disposition: Disposition
    quantity: int
    cost_minor: int
    credited: PricedLine


class ReturnsControl:
    """What people command on returns."""

    def __init__(self, clock: Clock, rules: ReturnRules) -> None:
        self._clock = clock
        self._rules = rules

    def do(self, session: Session, command: ReturnCommand) -> Commanded:
        """Do it, in the caller's transaction. Raises NoChange."""
        match command:
            case RequestReturn():
                return self._request(session, command)
            case AuthoriseReturn():
                return self._authorise(session, command)
            case RejectReturn():
                return self._reject(session, command)
            case ReturnOnItsWay():
                return self._send(session, command)
            case ReceiveReturn(return_id=None):
                return self._receive_unannounced(session, command)
            case ReceiveReturn():
                return self._receive(session, command)
            case InspectReturn():
                return self._inspect(session, command)

    def _request(self, session: Session, command: RequestReturn) -> Commanded:
        order, now = _order(session, command.order_id), self._clock()
        since = self._rules.delivered_since(command.because, now)
        units = _returnable(session, order, command.lines, since)
        row = _open(session, order, command.because, command.wish, command.location, now)
        row.note = command.reason
        session.add_all(_lines(row.return_id, units))
        detail = f"{row.return_id}, {command.because}: {_words(command.lines)}"
        note(session, order.order_id, "return_requested", detail, now)
        if self._rules.by_itself:
            self._allow(session, row, now, "within the rules")
        return _done(session, command, order, row, f"{row.return_id} is {row.state}", now)

    def _authorise(self, session: Session, command: AuthoriseReturn) -> Commanded:
        order, row = _return(session, command.return_id, ReturnState.REQUESTED)
        now = self._clock()
        self._allow(session, row, now, f"by {command.actor}: {command.reason}")
        message = f"{row.return_id} may come until {row.expires_at:%Y-%m-%d}"
        return _done(session, command, order, row, message, now)

    def _allow(self, session: Session, row: ReturnRow, now: datetime, why: str) -> None:
        row.state, row.authorised_at = ReturnState.AUTHORISED, now
        row.expires_at = now + timedelta(days=self._rules.expires_days)
        note(session, row.order_id, "return_authorised", f"{row.return_id} {why}", now)

    def _reject(self, session: Session, command: RejectReturn) -> Commanded:
        order, row = _return(session, command.return_id, ReturnState.REQUESTED)
        now = self._clock()
        row.state, row.note, row.ended_at = ReturnState.REJECTED, command.reason, now
        detail = f"{row.return_id} by {command.actor}: {command.reason}"
        note(session, order.order_id, "return_rejected", detail, now)
        return _done(session, command, order, row, f"{row.return_id} is rejected", now)

    def _send(self, session: Session, command: ReturnOnItsWay) -> Commanded:
        order, row = _return(session, command.return_id, ReturnState.AUTHORISED)
        now = self._clock()
        row.state = ReturnState.IN_TRANSIT
        note(session, order.order_id, "return_on_its_way", row.return_id, now)
        return _done(session, command, order, row, f"{row.return_id} is on its way", now)

    def _receive(self, session: Session, command: ReceiveReturn) -> Commanded:
        late = (ReturnState.EXPIRED,)
        order, row = _return(session, command.return_id or "", *COMING, *late)
        now, lines = self._clock(), _lines_of(session, row.return_id)
        for number, wanted in enumerate(command.lines):
            _spread(lines, wanted, f"lines.{number}.quantity")
        row.state, row.received_at, row.ended_at = ReturnState.RECEIVED, now, None
        row.location = _location(session, command.location) or row.location
        detail = f"{row.return_id}: {_words(command.lines)}"
        note(session, order.order_id, "return_received", detail, now)
        return _done(session, command, order, row, f"{row.return_id} is here", now)

    def _receive_unannounced(self, session: Session, command: ReceiveReturn) -> Commanded:
        order, now = _order(session, command.order_id or ""), self._clock()
        units = _returnable(session, order, command.lines, None)
        wish = ReturnWish.REFUND
        row = _open(session, order, ReturnReason.UNANNOUNCED, wish, command.location, now)
        row.state, row.received_at, row.note = ReturnState.RECEIVED, now, command.reason
        for line in _lines(row.return_id, units):
            line.received = line.quantity
            session.add(line)
        detail = f"{row.return_id}, unannounced: {_words(command.lines)}"
        note(session, order.order_id, "return_received", detail, now)
        return _done(session, command, order, row, f"{row.return_id} is here, unannounced", now)

    def _inspect(self, session: Session, command: InspectReturn) -> Commanded:
        order, row = _return(session, command.return_id, ReturnState.RECEIVED)
        now, lines = self._clock(), _lines_of(session, row.return_id)
        cause = f"return:{row.return_id}:{command.command_id}"
        looked_at = [
            one
            for number, wanted in enumerate(command.lines)
            for one in self._look_at(session, order, row, lines, wanted, f"lines.{number}.quantity")
        ]
        redated = _restock(session, row, looked_at, cause, now)
        entry = ledger.return_entry(
            f"{row.return_id}:{command.command_id}",
            order.order_id,
            order.currency,
            restocked_minor=_cost(looked_at, Disposition.RESTOCK),
            scrapped_minor=_cost(looked_at, Disposition.SCRAP),
            sent_back_minor=_cost(looked_at, Disposition.TO_SUPPLIER),
        )
        post(session, entry, now)
        detail = ", ".join(
            f"{one.quantity} x {one.line.sku} {one.disposition}" for one in looked_at
        )
        note(session, order.order_id, "return_inspected", f"{row.return_id}: {detail}", now)
        message = _settle(session, order, row, looked_at, command, now)
        if all(line.inspected == line.quantity for line in lines):
            row.state, row.ended_at = ReturnState.SETTLED, now
        served = orders_served(session, cause, redated)
        return _done(session, command, order, row, message, now, served)

    def _look_at(
        self,
        session: Session,
        order: Order,
        row: ReturnRow,
        lines: Sequence[ReturnLine],
        wanted: InspectedUnits,
        field: str,
    ) -> list[_Inspected]:
        found, missing = [], wanted.quantity
        for line in lines:
            units = min(missing, line.received - line.inspected) if line.sku == wanted.sku else 0
            if units:
                found.append(_value(session, order, row, line, units, wanted, self._rules))
                missing -= units
        if missing:
            reason = f"{wanted.quantity - missing} x {wanted.sku} of {row.return_id} wait for that"
            refuse(field, reason, RETURN_REFUSED)
        return found


def _value(
    session: Session,
    order: Order,
    row: ReturnRow,
    line: ReturnLine,
    units: int,
    wanted: InspectedUnits,
    rules: ReturnRules,
) -> _Inspected:
    """What `units` of a line cost us, and what the customer gets for them: over all units of the
    line, exactly what was posted when they left. Its parts come back in the order in which we heard
    that they arrived, each at what it cost: what leaves later changes nothing of what is back."""
    before = _inspected_before(session, order.order_id, line.line_no)
    cost_minor = net_minor = 0
    for part in _arrived(session, order.order_id, line.line_no):
        first, until = max(0, before), min(part.quantity, before + units)
        if first < until:
            cost_minor += _part(part.cost_minor, first, until - first, part.quantity)
            net_minor += _part(part.revenue_minor, first, until - first, part.quantity)
        before -= part.quantity
    match wanted.disposition:
        case Disposition.RESTOCK:
            line.restocked += units
        case Disposition.SCRAP:
            line.scrapped += units
        case Disposition.TO_SUPPLIER:
            line.sent_back += units
    session.flush()
    net_minor = round_half_up(net_minor * rules.percent(row.reason, wanted.condition), 100)
    priced = session.get_one(OrderLineRow, (order.order_id, line.line_no))
    return _Inspected(
        line=line,
        disposition=wanted.disposition,
        quantity=units,
        cost_minor=cost_minor,
        credited=units_of(PricedLine.model_validate(priced.model_dump()), units, net_minor),
    )


def _arrived(session: Session, order_id: str, line_no: int) -> Sequence[Reservation]:
    """The parts of a line that were delivered, in the order in which we heard of it."""
    heard = (
        select(TrackingRow.shipment_id, func.min(col(TrackingRow.recorded_at)).label("heard_at"))
        .where(TrackingRow.status == TrackingStatus.DELIVERED)
        .group_by(col(TrackingRow.shipment_id))
        .subquery()
    )
    parts = (
        select(Reservation)
        .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
        .outerjoin(heard, heard.c.shipment_id == col(Shipment.shipment_id))
        .where(
            Reservation.order_id == order_id,
            Reservation.line_no == line_no,
            Reservation.state == ReservationState.SHIPPED,
            Shipment.state == ShipmentState.DELIVERED,
        )
        .order_by(
            func.coalesce(heard.c.heard_at, col(Shipment.delivered_at)),
            col(Reservation.location),
            col(Reservation.part),
        )
    )
    return session.exec(parts).all()


def _part(amount_minor: int, before: int, units: int, of: int) -> int:
    """What `units` are of an amount, after `before` others: all of them are all of it."""
    until = round_half_up(amount_minor * (before + units), of)
    return until - round_half_up(amount_minor * before, of)


def _restock(
    session: Session, row: ReturnRow, looked_at: Sequence[_Inspected], cause: str, now: datetime
) -> tuple[str, ...]:
    """Put what can be sold again on the shelf; who waits for it gets it. Returns the orders whose
    date is another now."""
    back = [one for one in looked_at if one.disposition is Disposition.RESTOCK]
    if not back:
        return ()
    skus = {one.line.sku for one in back}
    lock_stock(session, skus, {(sku, row.location) for sku in skus})
    changes = [
        Change(
            movement_id=f"{cause}:{number}",
            cause=cause,
            kind=MovementKind.RETURN,
            sku=one.line.sku,
            location=row.location,
            on_hand=one.quantity,
            value_minor=one.cost_minor,
            order_id=row.order_id,
        )
        for number, one in enumerate(back)
    ]
    move(session, changes, now)
    return fill_shortages(session, skus, cause, now)


def _settle(
    session: Session,
    order: Order,
    row: ReturnRow,
    looked_at: Sequence[_Inspected],
    command: InspectReturn,
    now: datetime,
) -> str:
    """What the customer gets: the price back, or the same goods once more."""
    count = select(func.count()).select_from(Settlement)
    number = session.exec(count.where(Settlement.return_id == row.return_id)).one() + 1
    settlement = Settlement(
        settlement_id=f"{row.return_id}/{number}", return_id=row.return_id, settled_at=now
    )
    message = f"{row.return_id} is inspected"
    if row.wish is ReturnWish.EXCHANGE:
        of_order = select(func.count()).select_from(Settlement).join(ReturnRow)
        exchanges = of_order.where(
            ReturnRow.order_id == order.order_id, col(Settlement.exchange_order_id).is_not(None)
        )
        number = session.exec(exchanges).one() + 1
        settlement.exchange_order_id = exchange_order_id(order.order_id, number)
        settlement.exchange_lines = [
            {"sku": one.line.sku, "quantity": one.quantity} for one in looked_at
        ]
        message += f"; {settlement.exchange_order_id} replaces it"
    else:
        lines = [one.credited for one in looked_at]
        reason = f"{row.return_id}: {command.reason}"
        credit_note = credit_units(session, order, lines, reason, now, delivered=True)
        if credit_note is None:
            return f"{message}; nothing of its price is left to give back"
        settlement.credit_note = credit_note.number
        owed_minor = min(credit_note.total_minor, balance_of(session, order).owed_payable_minor)
        refund = ask_back(session, order, reason, now, owed_minor) if owed_minor else None
        message += f"; {credit_note.number} credits {money_of(order, credit_note.total_minor)}"
        if refund is not None:
            settlement.refund_key = refund.refund_key
            message += f", {money_of(order, refund.amount_minor)} are being given back"
    session.add(settlement)
    return message


def _cost(looked_at: Sequence[_Inspected], disposition: Disposition) -> int:
    return sum(one.cost_minor for one in looked_at if one.disposition is disposition)


def _inspected_before(session: Session, order_id: str, line_no: int) -> int:
    rows = session.exec(
        select(ReturnLine)
        .join(ReturnRow, col(ReturnRow.return_id) == col(ReturnLine.return_id))
        .where(ReturnRow.order_id == order_id, ReturnLine.line_no == line_no)
    )
    return sum(row.inspected for row in rows)


Units = list[tuple[int, str, int]]
"""Line, SKU and how many of it."""


def _returnable(
    session: Session, order: Order, wanted: Sequence[ReturnedUnits], since: datetime | None
) -> Units:
    """Which units of which lines come back: at most what was delivered (`since` then), less what
    came back already, or is on its way. Raises NoChange."""
    delivered = _delivered(session, order.order_id, since)
    ever = _delivered(session, order.order_id, None)
    coming = _coming(session, order.order_id)
    units: dict[tuple[int, str], int] = {}
    for number, one in enumerate(wanted):
        missing = one.quantity
        for (line_no, sku), count in sorted(delivered.items()):
            if sku != one.sku:
                continue
            free = count - coming.get(line_no, 0) - units.get((line_no, sku), 0)
            taken = max(0, min(missing, free))
            if taken:
                units[line_no, sku] = units.get((line_no, sku), 0) + taken
                missing -= taken
        if missing:
            were = sum(count for (_, sku), count in ever.items() if sku == one.sku)
            fitting = one.quantity - missing
            reason = f"{fitting} x {one.sku} of {order.order_id} may come back"
            if (
                were
                and since is not None
                and were > sum(count for (_, sku), count in delivered.items() if sku == one.sku)
            ):
                reason += f": what was delivered before {since:%Y-%m-%d} may not any more"
            elif not were:
                reason += ": none was delivered"
            refuse(
                f"lines.{number}.quantity" if were else f"lines.{number}.sku",
                reason,
                RETURN_REFUSED,
            )
    return [(line_no, sku, count) for (line_no, sku), count in sorted(units.items())]


def _delivered(
    session: Session, order_id: str, since: datetime | None
) -> dict[tuple[int, str], int]:
    arrived = (
        select(Reservation.line_no, Reservation.sku, func.sum(Reservation.quantity))
        .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
        .where(
            Reservation.order_id == order_id,
            Reservation.state == ReservationState.SHIPPED,
            Shipment.state == ShipmentState.DELIVERED,
        )
        .group_by(col(Reservation.line_no), col(Reservation.sku))
    )
    if since is not None:
        arrived = arrived.where(col(Shipment.delivered_at) >= since)
    return {(line_no, sku): int(units) for line_no, sku, units in session.exec(arrived)}


def _coming(session: Session, order_id: str) -> dict[int, int]:
    """By line, units that came back, or are to come."""
    found: dict[int, int] = {}
    rows = session.exec(
        select(ReturnLine, ReturnRow.state)
        .join(ReturnRow, col(ReturnRow.return_id) == col(ReturnLine.return_id))
        .where(ReturnRow.order_id == order_id)
    )
    for line, state in rows:
        given_up = state in (ReturnState.REJECTED, ReturnState.EXPIRED)
        units = line.received if given_up else line.quantity
        found[line.line_no] = found.get(line.line_no, 0) + units
    return found


def _open(
    session: Session,
    order: Order,
    because: ReturnReason,
    wish: ReturnWish,
    location: str | None,
    now: datetime,
) -> ReturnRow:
    count = select(func.count()).select_from(ReturnRow)
    number = session.exec(count.where(ReturnRow.order_id == order.order_id)).one() + 1
    first = select(Shipment.location).where(
        Shipment.order_id == order.order_id, Shipment.state == ShipmentState.DELIVERED
    )
    row = ReturnRow(
        return_id=f"RMA-{order.order_id}-{number}",
        order_id=order.order_id,
        state=ReturnState.REQUESTED,
        reason=because,
        wish=wish,
        location=_location(session, location)
        or session.exec(first.order_by(col(Shipment.shipment_id))).first()
        or "",
        note="",
        requested_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _lines(return_id: str, units: Units) -> list[ReturnLine]:
    return [
        ReturnLine(return_id=return_id, line_no=line_no, sku=sku, quantity=quantity)
        for line_no, sku, quantity in units
    ]


def _lines_of(session: Session, return_id: str) -> Sequence[ReturnLine]:
    rows = select(ReturnLine).where(ReturnLine.return_id == return_id)
    return session.exec(rows.order_by(col(ReturnLine.line_no))).all()


def _spread(lines: Sequence[ReturnLine], wanted: ReturnedUnits, field: str) -> None:
    """Count units in, at most what is expected of their SKU. Raises NoChange."""
    missing = wanted.quantity
    for line in lines:
        units = min(missing, line.quantity - line.received) if line.sku == wanted.sku else 0
        line.received += units
        missing -= units
    if missing:
        reason = (
            f"{wanted.quantity - missing} x {wanted.sku} are expected: receive the rest as "
            "unannounced, of the order"
        )
        refuse(field, reason, RETURN_REFUSED)


def _order(session: Session, order_id: str) -> Order:
    order = find_order(session, order_id)
    if order is None:
        refuse("order_id", f"there is no order {order_id!r}", UNKNOWN)
    return order


def _return(session: Session, return_id: str, *states: ReturnState) -> tuple[Order, ReturnRow]:
    """A return in one of `states`, and its order, locked. Raises NoChange."""
    found = session.get(ReturnRow, return_id)
    if found is None:
        refuse("return_id", f"there is no return {return_id!r}", UNKNOWN)
    order = _order(session, found.order_id)
    row = session.get_one(ReturnRow, return_id, populate_existing=True)
    if row.state not in states:
        refuse("return_id", f"{return_id} is {row.state.value.replace('_', ' ')}", RETURN_REFUSED)
    return order, row


def _location(session: Session, location: str | None) -> str | None:
    if location is not None and session.get(Location, location) is None:
        refuse("location", f"there is no location {location!r}", RETURN_REFUSED)
    return location


def _words(lines: Sequence[ReturnedUnits]) -> str:
    return ", ".join(f"{line.quantity} x {line.sku}" for line in lines)[:1_000]


def _done(
    session: Session,
    command: ReturnCommand,
    order: Order,
    row: ReturnRow,
    message: str,
    now: datetime,
    served: tuple[str, ...] = (),
) -> Commanded:
    touch(session, order, now)
    echo = Echo(
        cause=f"{command.kind}:{command.command_id}", orders=served, returns=(row.return_id,)
    )
    return Commanded(command=command, message=message, echo=echo)
