"""Returns control: a person's commands on goods that come back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import Payer, payer_of
from activities.database.engine import Clock
from activities.ledger.posting import post
from activities.order_record.audit import note
from activities.order_record.progress import touch
from activities.order_record.targets import location_of, order_of
from activities.returns.eligibility import Units, returnable, room
from activities.returns.inspection import Inspected, cost_of, restock, settle, value_units
from activities.shipping.tracking import heed_reports
from activities.stock.backorders import orders_served
from models import ledger
from models.messages.commands import (
    RETURN_REFUSED,
    UNKNOWN,
    AuthoriseReturn,
    CloseReturn,
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
from models.messages.steps import Echo
from models.orders import ShipmentState
from models.returns import (
    Disposition,
    ReturnReason,
    ReturnRules,
    ReturnState,
    ReturnWish,
)
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment

COMING = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)


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
            case CloseReturn():
                return self._close(session, command)
            case ReceiveReturn(return_id=None):
                return self._receive_unannounced(session, command)
            case ReceiveReturn():
                return self._receive(session, command)
            case InspectReturn():
                return self._inspect(session, command)

    def _request(self, session: Session, command: RequestReturn) -> Commanded:
        order, now = order_of(session, command.order_id), self._clock()
        since = self._rules.delivered_since(command.because, now)
        units = returnable(session, order, command.lines, since)
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
        heed_reports(session, row, now)

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
        row.state, row.news_at = ReturnState.IN_TRANSIT, now
        note(session, order.order_id, "return_on_its_way", row.return_id, now)
        return _done(session, command, order, row, f"{row.return_id} is on its way", now)

    def _close(self, session: Session, command: CloseReturn) -> Commanded:
        order, row = _return(session, command.return_id, ReturnState.REQUESTED, *COMING)
        now, lines = self._clock(), _lines_of(session, row.return_id)
        here = sum(line.here for line in lines)
        if here:
            reason = f"{here} units of {row.return_id} are here: inspect them first"
            refuse("return_id", reason, RETURN_REFUSED)
        settled = any(line.settled for line in lines)
        row.state = ReturnState.SETTLED if settled else ReturnState.EXPIRED
        row.note, row.ended_at = command.reason, now
        detail = f"{row.return_id} by {command.actor}: {command.reason}"
        note(session, order.order_id, "return_closed", detail, now)
        return _done(session, command, order, row, f"{row.return_id} is {row.state}", now)

    def _receive(self, session: Session, command: ReceiveReturn) -> Commanded:
        late = (ReturnState.EXPIRED,)
        order, row = _return(session, command.return_id or "", *COMING, *late)
        now, lines = self._clock(), _lines_of(session, row.return_id)
        free = room(session, order.order_id) if row.state is ReturnState.EXPIRED else None
        for number, wanted in enumerate(command.lines):
            _spread(lines, wanted, f"lines.{number}.quantity", free)
        row.state, row.received_at, row.ended_at = ReturnState.RECEIVED, now, None
        row.location = location_of(session, command.location, RETURN_REFUSED) or row.location
        detail = f"{row.return_id}: {_words(command.lines)}"
        note(session, order.order_id, "return_received", detail, now)
        return _done(session, command, order, row, f"{row.return_id} is here", now)

    def _receive_unannounced(self, session: Session, command: ReceiveReturn) -> Commanded:
        order, now = order_of(session, command.order_id or ""), self._clock()
        units = returnable(session, order, command.lines, None)
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
        late = (ReturnState.IN_TRANSIT,) if _all_lost(command) else ()
        order, row = _return(session, command.return_id, ReturnState.RECEIVED, *late)
        payer = payer_of(session, order)
        now, lines = self._clock(), _lines_of(session, row.return_id)
        cause = f"return:{row.return_id}:{command.command_id}"
        looked_at = [
            one
            for number, wanted in enumerate(command.lines)
            for one in self._look_at(session, payer, row, lines, wanted, f"lines.{number}.quantity")
        ]
        redated = restock(session, row, looked_at, cause, now)
        entry = ledger.return_entry(
            f"{row.return_id}:{command.command_id}",
            order.order_id,
            order.currency,
            restocked_minor=cost_of(looked_at, Disposition.RESTOCK),
            lost_minor=cost_of(looked_at, Disposition.SCRAP, Disposition.LOST),
            sent_back_minor=cost_of(looked_at, Disposition.TO_SUPPLIER),
        )
        post(session, entry, now)
        detail = ", ".join(
            f"{one.quantity} x {one.line.sku} {one.disposition}" for one in looked_at
        )
        note(session, order.order_id, "return_inspected", f"{row.return_id}: {detail}", now)
        message = settle(session, payer, row, looked_at, command, now)
        if all(line.settled == line.quantity for line in lines):
            row.state, row.ended_at = ReturnState.SETTLED, now
        served = orders_served(session, cause, redated)
        told = tuple(dict.fromkeys((payer.order.order_id, *served)))
        return _done(session, command, order, row, message, now, told)

    def _look_at(
        self,
        session: Session,
        payer: Payer,
        row: ReturnRow,
        lines: Sequence[ReturnLine],
        wanted: InspectedUnits,
        field: str,
    ) -> list[Inspected]:
        found, missing = [], wanted.quantity
        for line in lines:
            there = line.expected if wanted.disposition is Disposition.LOST else line.here
            units = min(missing, there) if line.sku == wanted.sku else 0
            if units:
                found.append(value_units(session, payer, row, line, units, wanted, self._rules))
                missing -= units
        if missing:
            reason = f"{wanted.quantity - missing} x {wanted.sku} of {row.return_id} wait for that"
            refuse(field, reason, RETURN_REFUSED)
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
        location=location_of(session, location, RETURN_REFUSED)
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


def _spread(
    lines: Sequence[ReturnLine],
    wanted: ReturnedUnits,
    field: str,
    free: Mapping[int, int] | None,
) -> None:
    """Count units in, at most what is expected of their SKU; of a return that had expired, at most
    what is `free` of each line: others may have come meanwhile. Raises NoChange."""
    missing = wanted.quantity
    for line in lines:
        units = min(missing, line.expected) if line.sku == wanted.sku else 0
        if free is not None:
            units = max(0, min(units, free.get(line.line_no, 0)))
        line.received += units
        missing -= units
    if missing:
        reason = (
            f"{wanted.quantity - missing} x {wanted.sku} are expected: receive the rest as "
            "unannounced, of the order"
        )
        refuse(field, reason, RETURN_REFUSED)


def _all_lost(command: InspectReturn) -> bool:
    """It is about goods that never came: they needn't have been received."""
    return all(line.disposition is Disposition.LOST for line in command.lines)


def _return(session: Session, return_id: str, *states: ReturnState) -> tuple[Order, ReturnRow]:
    """A return in one of `states`, and its order, locked. Raises NoChange."""
    found = session.get(ReturnRow, return_id)
    if found is None:
        refuse("return_id", f"there is no return {return_id!r}", UNKNOWN)
    order = order_of(session, found.order_id)
    row = session.get_one(ReturnRow, return_id, populate_existing=True)
    if row.state not in states:
        refuse("return_id", f"{return_id} is {row.state.value.replace('_', ' ')}", RETURN_REFUSED)
    return order, row


def _words(lines: Sequence[ReturnedUnits]) -> str:
    return ", ".join(f"{line.quantity} x {line.sku}" for line in lines)[:1_000]


def _done(
    session: Session,
    command: ReturnCommand,
    order: Order,
    row: ReturnRow,
    message: str,
    now: datetime,
    told: tuple[str, ...] = (),
) -> Commanded:
    touch(session, order, now)
    echo = Echo(cause=f"{command.kind}:{command.command_id}", orders=told, returns=(row.return_id,))
    return Commanded(command=command, message=message, echo=echo)
