"""Returns commands: returns are requested, authorised or rejected, received, inspected, closed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.exchanges import PaidOrder, lock_paid_order
from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.progress import save_progress
from activities.order_record.targets import target_location, target_order
from activities.returns.eligibility import LineUnits, assign_to_lines, returnable_by_line
from activities.returns.inspection import (
    Inspected,
    cost_of,
    inspect_units,
    restock_inspected,
    settle_inspected,
)
from activities.shipping.tracking import update_return
from models import ledger
from models.messages.commands.base import RETURN_REFUSED, UNKNOWN, refuse
from models.messages.commands.results import CommandResult
from models.messages.commands.returns import (
    AuthoriseReturn,
    CloseReturn,
    InspectedUnits,
    InspectReturn,
    MarkReturnSent,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ReturnCommand,
    ReturnedUnits,
)
from models.progress import ShipmentState
from models.returns import Disposition, RequestedOutcome, ReturnReason, ReturnState
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow
from models.tables.shipping import Shipment

EXPECTED = (ReturnState.AUTHORISED, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)
"""States of a return of which goods may arrive."""


@executes(RequestReturn)
def request_return(work: UnitOfWork, command: RequestReturn) -> CommandResult:
    """Request a return; authorise it at once, if so configured."""
    order = target_order(work, command.order_id)
    since = work.rules.returns.delivered_since(command.because, work.today)
    units = assign_to_lines(work.session, order.order_id, command.lines, since)
    row = _open_return(work, order, command.because, command.wish, command.location)
    row.note = command.reason
    work.session.add_all(_new_lines(row.return_id, units))
    detail = f"{row.return_id}, {command.because}: {_listed(command.lines)}"
    record_event(work, order.order_id, "return_requested", detail)
    if work.rules.returns.authorises_automatically:
        _authorise(work, row, "within the rules")
    return _done(work, command, order, row, f"{row.return_id} is {row.state}")


@executes(AuthoriseReturn)
def authorise_return(work: UnitOfWork, command: AuthoriseReturn) -> CommandResult:
    """Authorise a return until its expiry."""
    order, row = _lock_return(work, command.return_id, ReturnState.REQUESTED)
    until = _authorise(work, row, f"by {command.actor}: {command.reason}")
    message = f"{row.return_id} is authorised until {until}"
    return _done(work, command, order, row, message)


def _authorise(work: UnitOfWork, row: ReturnRow, why: str) -> date:
    """Authorise a return, and return its last day; its carrier may have reported before."""
    days = work.rules.returns.expires_days
    last_day = work.today + timedelta(days=days)
    row.state, row.authorised_at = ReturnState.AUTHORISED, work.now
    row.expires_at = work.end_of(last_day) if days else work.now
    record_event(work, row.order_id, "return_authorised", f"{row.return_id} {why}")
    update_return(work, row)
    return last_day


@executes(RejectReturn)
def reject_return(work: UnitOfWork, command: RejectReturn) -> CommandResult:
    """Reject a requested return."""
    order, row = _lock_return(work, command.return_id, ReturnState.REQUESTED)
    row.state, row.note, row.ended_at = ReturnState.REJECTED, command.reason, work.now
    record_event(work, order.order_id, "return_rejected", _detail(command))
    return _done(work, command, order, row, f"{row.return_id} is rejected")


@executes(MarkReturnSent)
def return_on_its_way(work: UnitOfWork, command: MarkReturnSent) -> CommandResult:
    """Record that the customer has sent the goods: the authorisation doesn't expire."""
    order, row = _lock_return(work, command.return_id, ReturnState.AUTHORISED)
    row.state, row.news_at = ReturnState.IN_TRANSIT, work.now
    record_event(work, order.order_id, "return_on_its_way", row.return_id)
    return _done(work, command, order, row, f"{row.return_id} is on its way")


@executes(CloseReturn)
def close_return(work: UnitOfWork, command: CloseReturn) -> CommandResult:
    """Close a return of which no more goods are expected."""
    order, row = _lock_return(work, command.return_id, ReturnState.REQUESTED, *EXPECTED)
    lines = _lines_of(work.session, row.return_id)
    uninspected = sum(line.here for line in lines)
    if uninspected:
        reason = f"{uninspected} units of {row.return_id} wait for inspection: inspect them first"
        refuse("return_id", reason, RETURN_REFUSED)
    settled = any(line.settled for line in lines)
    row.state = ReturnState.SETTLED if settled else ReturnState.EXPIRED
    row.note, row.ended_at = command.reason, work.now
    record_event(work, order.order_id, "return_closed", _detail(command))
    return _done(work, command, order, row, f"{row.return_id} is {row.state}")


@executes(ReceiveReturn)
def receive_return(work: UnitOfWork, command: ReceiveReturn) -> CommandResult:
    """Receive goods of a return; or of an order, where no return was requested."""
    if command.return_id is not None:
        return _receive_announced(work, command, command.return_id)
    return _receive_unannounced(work, command)


def _receive_announced(work: UnitOfWork, command: ReceiveReturn, return_id: str) -> CommandResult:
    order, row = _lock_return(work, return_id, *EXPECTED, ReturnState.EXPIRED)
    lines = _lines_of(work.session, return_id)
    is_expired = row.state is ReturnState.EXPIRED
    free = returnable_by_line(work.session, order.order_id) if is_expired else None
    for number, wanted in enumerate(command.lines):
        _receive(lines, wanted, f"lines.{number}.quantity", free)
    row.state, row.received_at, row.ended_at = ReturnState.RECEIVED, work.now, None
    row.location = target_location(work, command.location, RETURN_REFUSED) or row.location
    detail = f"{return_id}: {_listed(command.lines)}"
    record_event(work, order.order_id, "return_received", detail)
    return _done(work, command, order, row, f"{return_id} is received")


def _receive_unannounced(work: UnitOfWork, command: ReceiveReturn) -> CommandResult:
    order = target_order(work, command.order_id or "")
    units = assign_to_lines(work.session, order.order_id, command.lines, None)
    reason, wish = ReturnReason.UNANNOUNCED, RequestedOutcome.REFUND
    row = _open_return(work, order, reason, wish, command.location)
    row.state, row.received_at, row.note = ReturnState.RECEIVED, work.now, command.reason
    for line in _new_lines(row.return_id, units):
        line.received = line.quantity
        work.session.add(line)
    detail = f"{row.return_id}, unannounced: {_listed(command.lines)}"
    record_event(work, order.order_id, "return_received", detail)
    return _done(work, command, order, row, f"{row.return_id} is received, unannounced")


@executes(InspectReturn)
def inspect_return(work: UnitOfWork, command: InspectReturn) -> CommandResult:
    """Inspect units of a return: restock, scrap or send them to the supplier, and settle them.

    Units lost on the way back are inspected too, without having been received.
    """
    all_lost = all(line.disposition is Disposition.LOST for line in command.lines)
    unreceived = (ReturnState.IN_TRANSIT,) if all_lost else ()
    order, row = _lock_return(work, command.return_id, ReturnState.RECEIVED, *unreceived)
    payer = lock_paid_order(work, order)
    lines = _lines_of(work.session, row.return_id)
    cause = f"return:{row.return_id}:{command.command_id}"
    inspected = [
        one
        for number, wanted in enumerate(command.lines)
        for one in _inspect(work, payer, row, lines, wanted, f"lines.{number}.quantity")
    ]
    notified = restock_inspected(work, row, inspected, cause)
    entry = ledger.return_entry(
        f"{row.return_id}:{command.command_id}",
        order.order_id,
        order.currency,
        restocked_minor=cost_of(inspected, Disposition.RESTOCK),
        lost_minor=cost_of(inspected, Disposition.SCRAP, Disposition.LOST),
        sent_back_minor=cost_of(inspected, Disposition.TO_SUPPLIER),
    )
    post(work, entry)
    detail = ", ".join(f"{one.quantity} x {one.line.sku} {one.disposition}" for one in inspected)
    record_event(work, order.order_id, "return_inspected", f"{row.return_id}: {detail}")
    message = settle_inspected(work, payer, row, inspected, command.reason)
    if all(line.settled == line.quantity for line in lines):
        row.state, row.ended_at = ReturnState.SETTLED, work.now
    return _done(work, command, order, row, message, (payer.order.order_id, *notified))


def _inspect(
    work: UnitOfWork,
    payer: PaidOrder,
    row: ReturnRow,
    lines: Sequence[ReturnLine],
    wanted: InspectedUnits,
    field: str,
) -> list[Inspected]:
    """Inspect units of one SKU, over the lines that have it. Raises CommandRefused."""
    inspected, missing = [], wanted.quantity
    is_lost = wanted.disposition is Disposition.LOST
    for line in lines:
        available = line.expected if is_lost else line.here
        units = min(missing, available) if line.sku == wanted.sku else 0
        if units:
            inspected.append(inspect_units(work, payer, row, line, units, wanted))
            missing -= units
    if missing:
        state = "are still expected" if is_lost else "wait for inspection"
        reason = f"{wanted.quantity - missing} x {wanted.sku} of {row.return_id} {state}"
        refuse(field, reason, RETURN_REFUSED)
    return inspected


def _open_return(
    work: UnitOfWork,
    order: Order,
    reason: ReturnReason,
    wish: RequestedOutcome,
    location: str | None,
) -> ReturnRow:
    """Record a new return; without a location, to where the first shipment left."""
    count = select(func.count()).select_from(ReturnRow)
    number = work.session.exec(count.where(ReturnRow.order_id == order.order_id)).one() + 1
    origins = select(Shipment.location).where(
        Shipment.order_id == order.order_id, Shipment.state == ShipmentState.DELIVERED
    )
    row = ReturnRow(
        return_id=f"RMA-{order.order_id}-{number}",
        order_id=order.order_id,
        state=ReturnState.REQUESTED,
        reason=reason,
        wish=wish,
        location=target_location(work, location, RETURN_REFUSED)
        or work.session.exec(origins.order_by(col(Shipment.shipment_id))).first()
        or "",
        note="",
        requested_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    return row


def _new_lines(return_id: str, units: LineUnits) -> list[ReturnLine]:
    return [
        ReturnLine(return_id=return_id, line_no=line_no, sku=sku, quantity=quantity)
        for line_no, sku, quantity in units
    ]


def _lines_of(session: Session, return_id: str) -> Sequence[ReturnLine]:
    rows = select(ReturnLine).where(ReturnLine.return_id == return_id)
    return session.exec(rows.order_by(col(ReturnLine.line_no))).all()


def _receive(
    lines: Sequence[ReturnLine],
    wanted: ReturnedUnits,
    field: str,
    free: Mapping[int, int] | None,
) -> None:
    """Receive units of one SKU, at most those expected. Raises CommandRefused.

    An expired return takes at most the `free` units of each line: others may have come meanwhile.
    """
    missing = wanted.quantity
    for line in lines:
        units = min(missing, line.expected) if line.sku == wanted.sku else 0
        if free is not None:
            units = max(0, min(units, free.get(line.line_no, 0)))
        line.received += units
        missing -= units
    if missing:
        reason = (
            f"{wanted.quantity - missing} x {wanted.sku} are expected: receive the rest for the "
            "order, without a return"
        )
        refuse(field, reason, RETURN_REFUSED)


def _lock_return(work: UnitOfWork, return_id: str, *states: ReturnState) -> tuple[Order, ReturnRow]:
    """Lock the order of a return. Raises CommandRefused for one that isn't in one of `states`."""
    found = work.session.get(ReturnRow, return_id)
    if found is None:
        refuse("return_id", f"there is no return {return_id!r}", UNKNOWN)
    order = target_order(work, found.order_id)
    row = work.session.get_one(ReturnRow, return_id, populate_existing=True)
    if row.state not in states:
        refuse("return_id", f"{return_id} is {row.state.value.replace('_', ' ')}", RETURN_REFUSED)
    return order, row


def _listed(lines: Sequence[ReturnedUnits]) -> str:
    return ", ".join(f"{line.quantity} x {line.sku}" for line in lines)[:1_000]


def _detail(command: RejectReturn | CloseReturn) -> str:
    return f"{command.return_id} by {command.actor}: {command.reason}"


def _done(
    work: UnitOfWork,
    command: ReturnCommand,
    order: Order,
    row: ReturnRow,
    message: str,
    orders: Iterable[str] = (),
) -> CommandResult:
    save_progress(work, order)
    return CommandResult.done(command, message, orders=orders, returns=(row.return_id,))
