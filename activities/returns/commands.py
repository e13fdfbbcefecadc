"""Returns control: a person's commands on goods that come back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import Payer, payer_of
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.progress import save_progress
from activities.order_record.targets import location_of, order_of
from activities.returns.eligibility import Units, returnable, returnable_units
from activities.returns.inspection import Inspected, cost_of, restock, settle_units, value_units
from activities.shipping.tracking import apply_earlier_reports
from activities.stock.backorders import orders_served
from models import ledger
from models.messages.commands import (
    RETURN_REFUSED,
    UNKNOWN,
    AuthoriseReturn,
    CloseReturn,
    CommandResult,
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
from models.messages.steps import Notification
from models.progress import ShipmentState
from models.returns import (
    Disposition,
    RequestedOutcome,
    ReturnReason,
    ReturnState,
)
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment

COMING = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)


@executes(RequestReturn)
def request_return(work: UnitOfWork, command: RequestReturn) -> CommandResult:
    order = order_of(work, command.order_id)
    since = work.rules.returns.delivered_since(command.because, work.now)
    units = returnable(work.session, order, command.lines, since)
    row = _open(work, order, command.because, command.wish, command.location)
    row.note = command.reason
    work.session.add_all(_lines(row.return_id, units))
    detail = f"{row.return_id}, {command.because}: {_words(command.lines)}"
    record_event(work, order.order_id, "return_requested", detail)
    if work.rules.returns.by_itself:
        _allow(work, row, "within the rules")
    return _done(work, command, order, row, f"{row.return_id} is {row.state}")


@executes(AuthoriseReturn)
def authorise_return(work: UnitOfWork, command: AuthoriseReturn) -> CommandResult:
    order, row = _return(work, command.return_id, ReturnState.REQUESTED)
    _allow(work, row, f"by {command.actor}: {command.reason}")
    message = f"{row.return_id} may come until {row.expires_at:%Y-%m-%d}"
    return _done(work, command, order, row, message)


@executes(RejectReturn)
def reject_return(work: UnitOfWork, command: RejectReturn) -> CommandResult:
    order, row = _return(work, command.return_id, ReturnState.REQUESTED)
    row.state, row.note, row.ended_at = ReturnState.REJECTED, command.reason, work.now
    detail = f"{row.return_id} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "return_rejected", detail)
    return _done(work, command, order, row, f"{row.return_id} is rejected")


@executes(ReturnOnItsWay)
def return_on_its_way(work: UnitOfWork, command: ReturnOnItsWay) -> CommandResult:
    order, row = _return(work, command.return_id, ReturnState.AUTHORISED)
    row.state, row.news_at = ReturnState.IN_TRANSIT, work.now
    record_event(work, order.order_id, "return_on_its_way", row.return_id)
    return _done(work, command, order, row, f"{row.return_id} is on its way")


@executes(CloseReturn)
def close_return(work: UnitOfWork, command: CloseReturn) -> CommandResult:
    order, row = _return(work, command.return_id, ReturnState.REQUESTED, *COMING)
    lines = _lines_of(work.session, row.return_id)
    here = sum(line.here for line in lines)
    if here:
        reason = f"{here} units of {row.return_id} are here: inspect them first"
        refuse("return_id", reason, RETURN_REFUSED)
    settled = any(line.settled for line in lines)
    row.state = ReturnState.SETTLED if settled else ReturnState.EXPIRED
    row.note, row.ended_at = command.reason, work.now
    detail = f"{row.return_id} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "return_closed", detail)
    return _done(work, command, order, row, f"{row.return_id} is {row.state}")


@executes(InspectReturn)
def inspect_return(work: UnitOfWork, command: InspectReturn) -> CommandResult:
    late = (ReturnState.IN_TRANSIT,) if _all_lost(command) else ()
    order, row = _return(work, command.return_id, ReturnState.RECEIVED, *late)
    payer = payer_of(work, order)
    lines = _lines_of(work.session, row.return_id)
    cause = f"return:{row.return_id}:{command.command_id}"
    looked_at = [
        one
        for number, wanted in enumerate(command.lines)
        for one in _look_at(work, payer, row, lines, wanted, f"lines.{number}.quantity")
    ]
    redated = restock(work, row, looked_at, cause)
    entry = ledger.return_entry(
        f"{row.return_id}:{command.command_id}",
        order.order_id,
        order.currency,
        restocked_minor=cost_of(looked_at, Disposition.RESTOCK),
        lost_minor=cost_of(looked_at, Disposition.SCRAP, Disposition.LOST),
        sent_back_minor=cost_of(looked_at, Disposition.TO_SUPPLIER),
    )
    post(work, entry)
    detail = ", ".join(f"{one.quantity} x {one.line.sku} {one.disposition}" for one in looked_at)
    record_event(work, order.order_id, "return_inspected", f"{row.return_id}: {detail}")
    message = settle_units(work, payer, row, looked_at, command)
    if all(line.settled == line.quantity for line in lines):
        row.state, row.ended_at = ReturnState.SETTLED, work.now
    served = orders_served(work, cause, redated)
    told = tuple(dict.fromkeys((payer.order.order_id, *served)))
    return _done(work, command, order, row, message, told)


def _allow(work: UnitOfWork, row: ReturnRow, why: str) -> None:
    row.state, row.authorised_at = ReturnState.AUTHORISED, work.now
    row.expires_at = work.now + timedelta(days=work.rules.returns.expires_days)
    record_event(work, row.order_id, "return_authorised", f"{row.return_id} {why}")
    apply_earlier_reports(work, row)


@executes(ReceiveReturn)
def receive_return(work: UnitOfWork, command: ReceiveReturn) -> CommandResult:
    """Receive goods of a return or, where nobody announced them, of an order."""
    if command.return_id is None:
        return _receive_unannounced(work, command)
    return _receive_announced(work, command)


def _receive_announced(work: UnitOfWork, command: ReceiveReturn) -> CommandResult:
    late = (ReturnState.EXPIRED,)
    order, row = _return(work, command.return_id or "", *COMING, *late)
    lines = _lines_of(work.session, row.return_id)
    free = (
        returnable_units(work.session, order.order_id) if row.state is ReturnState.EXPIRED else None
    )
    for number, wanted in enumerate(command.lines):
        _spread(lines, wanted, f"lines.{number}.quantity", free)
    row.state, row.received_at, row.ended_at = ReturnState.RECEIVED, work.now, None
    row.location = location_of(work, command.location, RETURN_REFUSED) or row.location
    detail = f"{row.return_id}: {_words(command.lines)}"
    record_event(work, order.order_id, "return_received", detail)
    return _done(work, command, order, row, f"{row.return_id} is here")


def _receive_unannounced(work: UnitOfWork, command: ReceiveReturn) -> CommandResult:
    order = order_of(work, command.order_id or "")
    units = returnable(work.session, order, command.lines, None)
    wish = RequestedOutcome.REFUND
    row = _open(work, order, ReturnReason.UNANNOUNCED, wish, command.location)
    row.state, row.received_at, row.note = ReturnState.RECEIVED, work.now, command.reason
    for line in _lines(row.return_id, units):
        line.received = line.quantity
        work.session.add(line)
    detail = f"{row.return_id}, unannounced: {_words(command.lines)}"
    record_event(work, order.order_id, "return_received", detail)
    return _done(work, command, order, row, f"{row.return_id} is here, unannounced")


def _look_at(
    work: UnitOfWork,
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
            found.append(value_units(work, payer, row, line, units, wanted))
            missing -= units
    if missing:
        reason = f"{wanted.quantity - missing} x {wanted.sku} of {row.return_id} wait for that"
        refuse(field, reason, RETURN_REFUSED)
    return found


def _open(
    work: UnitOfWork,
    order: Order,
    because: ReturnReason,
    wish: RequestedOutcome,
    location: str | None,
) -> ReturnRow:
    count = select(func.count()).select_from(ReturnRow)
    number = work.session.exec(count.where(ReturnRow.order_id == order.order_id)).one() + 1
    first = select(Shipment.location).where(
        Shipment.order_id == order.order_id, Shipment.state == ShipmentState.DELIVERED
    )
    row = ReturnRow(
        return_id=f"RMA-{order.order_id}-{number}",
        order_id=order.order_id,
        state=ReturnState.REQUESTED,
        reason=because,
        wish=wish,
        location=location_of(work, location, RETURN_REFUSED)
        or work.session.exec(first.order_by(col(Shipment.shipment_id))).first()
        or "",
        note="",
        requested_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
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
    what is `free` of each line: others may have come meanwhile. Raises CommandRefused."""
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


def _return(work: UnitOfWork, return_id: str, *states: ReturnState) -> tuple[Order, ReturnRow]:
    """A return in one of `states`, and its order, locked. Raises CommandRefused."""
    found = work.session.get(ReturnRow, return_id)
    if found is None:
        refuse("return_id", f"there is no return {return_id!r}", UNKNOWN)
    order = order_of(work, found.order_id)
    row = work.session.get_one(ReturnRow, return_id, populate_existing=True)
    if row.state not in states:
        refuse("return_id", f"{return_id} is {row.state.value.replace('_', ' ')}", RETURN_REFUSED)
    return order, row


def _words(lines: Sequence[ReturnedUnits]) -> str:
    return ", ".join(f"{line.quantity} x {line.sku}" for line in lines)[:1_000]


def _done(
    work: UnitOfWork,
    command: ReturnCommand,
    order: Order,
    row: ReturnRow,
    message: str,
    told: tuple[str, ...] = (),
) -> CommandResult:
    save_progress(work, order)
    notification = Notification(
        cause=f"{command.kind}:{command.command_id}", orders=told, returns=(row.return_id,)
    )
    return CommandResult(command=command, message=message, notification=notification)
