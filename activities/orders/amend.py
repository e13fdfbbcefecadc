"""The command that amends an order: other lines before it is billed, fewer units after that."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlmodel import Session, col, func, select

from activities.billing.exchanges import lock_paid_order
from activities.billing.payment_requests import renew_request
from activities.database.command import executes
from activities.database.kept import keep
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.customers import lock_customer
from activities.order_record.audit import record_event
from activities.order_record.balance import money_of
from activities.order_record.lines import LINES, order_lines
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.standing import judge_customer
from activities.order_record.targets import target_order, why_paused
from activities.orders.acceptance import price_order
from activities.orders.lower import Surplus, lower_lines
from activities.stock.amending import change_units
from activities.stock.surplus import lock_waiting
from models.amendments import amend_lines
from models.errors import Refused
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import Amend
from models.messages.commands.results import CommandResult, FollowUp
from models.orders import OrderDocument
from models.pricing import PricedLine, total
from models.progress import Cancellation, Progress, ShipmentState
from models.stock import ReservationState
from models.tables.masterdata import Customer
from models.tables.orders import Order, OrderLineRow
from models.tables.stock import Reservation, Shortage

UNDER_WAY = (ShipmentState.PLANNED, ShipmentState.BOOKED)


@executes(Amend)
def amend(work: UnitOfWork, command: Amend) -> CommandResult:
    """Amend the lines of an order, and what follows from them; a billed one is credited."""
    order = target_order(work, command.order_id)
    progress = read_progress(work.session, order)
    rows = order_lines(work.session, order.order_id)
    if problem := _why_not_amend(order, progress, rows):
        refuse("order_id", problem, ORDER_REFUSED)
    wanted = {change.sku: change.quantity for change in command.lines}
    given_up = _given_up(work.session, order) if progress.given_up else Counter[str]()
    before = {row.sku: row.quantity - given_up[row.sku] for row in rows}
    _check_changes(order, before, wanted)
    if reason := _why_credited(order, progress):
        return _lower(work, command, order, progress, before, reason)
    new_skus = [sku for sku in wanted if sku not in before]
    added = _price_added(work, order, {sku: wanted[sku] for sku in new_skus})
    used_no = _used_line_no(work.session, order) if added else 0
    lines = amend_lines(_priced(rows), wanted, added, order.discount_ppm, used_no=used_no)
    total_before_minor = order.total_minor
    total_before = money_of(order, total_before_minor)
    _replace_lines(work.session, order, rows, lines)
    totals = total(lines)
    order.net_minor, order.total_minor = totals.net_minor, totals.total_minor
    work.session.flush()
    if order.total_minor > total_before_minor:
        _judge_credit(work, order)
    described = ", ".join(f"{sku} {before.get(sku, 0)} -> {wanted[sku]}" for sku in wanted)
    detail = f"{described}, {total_before} -> {money_of(order, order.total_minor)}"
    record_event(work, order.order_id, "amended", f"{detail}, by {command.actor}: {command.reason}")
    notification = change_units(work, order, lines, before, wanted, command.cause)
    has_changed = order.total_minor != total_before_minor
    is_requested = has_changed and renew_request(work.session, order)
    save_progress(work, order)
    follow_up = FollowUp(order_id=order.order_id, requests_payment=True) if is_requested else None
    return CommandResult.done(
        command,
        f"{order.order_id}: {detail}",
        orders=(order.order_id, *notification.orders),
        stock_keys=notification.stock_keys,
        follow_up=follow_up,
    )


def _lower(
    work: UnitOfWork,
    command: Amend,
    order: Order,
    progress: Progress,
    before: Mapping[str, int],
    reason: str,
) -> CommandResult:
    """Lower the quantities of an order that is billed or being delivered, by credit note."""
    rows = {row.sku: row for row in order_lines(work.session, order.order_id)}
    payer = lock_paid_order(work, order)  # before stock
    surplus = []
    for change in sorted(command.lines, key=lambda change: change.sku):
        units = before.get(change.sku, 0) - change.quantity
        if units < 0:
            refuse(
                "lines",
                f"{order.order_id} {reason}: place another order for {-units} x {change.sku}",
                ORDER_REFUSED,
            )
        waiting = lock_waiting(work, order, rows[change.sku])
        if units > waiting.units:
            problem = (
                f"{units - waiting.units} of the {units} x {change.sku} are packed or have left: "
                "recall the shipment (`shipment refund`), or authorise a return"
            )
            refuse("lines", problem, ORDER_REFUSED)
        surplus.append(Surplus(waiting, units))
    described = ", ".join(
        f"{change.sku} {before[change.sku]} -> {change.quantity}" for change in command.lines
    )
    detail = f"{described}, by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "amended", detail)
    message = f"{order.order_id}: {described}"
    return lower_lines(work, order, payer, progress, command, surplus, message)


def _given_up(session: Session, order: Order) -> Counter[str]:
    """Count the units of each SKU that were cancelled before they left."""
    rows = select(Reservation).where(
        Reservation.order_id == order.order_id,
        Reservation.state == ReservationState.WRITTEN_OFF,
        col(Reservation.shipment_id).is_(None),
    )
    units = Counter[str]()
    for row in session.exec(rows):
        units[row.sku] += row.quantity
    return units


def _why_credited(order: Order, progress: Progress) -> str | None:
    """Return why an order can only be lowered, by credit note; None: it is amended directly."""
    if progress.invoices:
        return f"is billed with {progress.invoices[0]}"
    if order.invoiced_by_delivery and (progress.shipments or progress.written_off):
        return "is being delivered"
    return None


def _why_not_amend(order: Order, progress: Progress, rows: Sequence[OrderLineRow]) -> str | None:
    """Return why an order can't be amended."""
    order_id = order.order_id
    if progress.cancellation is not Cancellation.NONE:
        return f"{order_id} is (being) cancelled"
    if progress.is_paused:
        return why_paused(order_id)
    if progress.fulfilled:
        return f"{order_id} is delivered: authorise a return, and place another order"
    if _why_credited(order, progress) is None:
        if progress.received_minor or progress.authorised_until is not None:
            return (
                f"{order_id} is paid in part, or its card is authorised for what it costs now: "
                "cancel it and place another order"
            )
        if progress.in_state(*UNDER_WAY):
            return f"goods of {order_id} are packed: cancel it and place another order"
    if not all(row.is_goods for row in rows):
        return f"{order_id} has services, whose price follows the goods: cancel and place it again"
    if len({row.sku for row in rows}) < len(rows):
        return f"{order_id} has a SKU in two lines: cancel it and place another order"
    return None


def _check_changes(order: Order, before: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """Check that each change changes something, and that lines are left."""
    for sku, quantity in wanted.items():
        if before.get(sku, 0) == quantity:
            has = f"has {quantity} x {sku} already" if quantity else f"has no {sku} to remove"
            refuse("lines", f"{order.order_id} {has}", ORDER_REFUSED)
    if not any({**before, **wanted}.values()):
        reason = f"nothing of {order.order_id} would be left: cancel it instead"
        refuse("lines", reason, ORDER_REFUSED)


def _priced(rows: Sequence[OrderLineRow]) -> list[PricedLine]:
    return [PricedLine.model_validate(row.model_dump()) for row in rows]


def _price_added(work: UnitOfWork, order: Order, wanted: Mapping[str, int]) -> Sequence[PricedLine]:
    """Price SKUs that the order doesn't have yet, as in an order that is placed now."""
    if not wanted:
        return ()
    placed = OrderDocument.model_validate(order.document)
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
    document = OrderDocument.model_validate(
        placed.model_dump(mode="json")
        | {
            "lines": lines,
            "ship_to": order.ship_to if placed.ship_to else None,
            "discount_percent": None,
            "prices_include_tax": order.prices_include_tax,
        }
    )
    customer = work.session.get_one(Customer, order.customer_id)
    try:
        accepted = price_order(work.session, document, customer, work.rules.billing.invoice_at)
    except Refused as refusal:
        refuse("lines", refusal.message, ORDER_REFUSED)
    if accepted.tax_case is not order.tax_case or not all(line.is_goods for line in accepted.lines):
        reason = f"{', '.join(wanted)} can't be billed with the rest of {order.order_id}"
        refuse("lines", f"{reason}: place another order", ORDER_REFUSED)
    return accepted.lines


def _used_line_no(session: Session, order: Order) -> int:
    """Return the highest line number of an order that stock was reserved for, or short of."""
    numbers = [
        session.exec(select(func.max(table.line_no)).where(table.order_id == order.order_id)).one()
        for table in (Reservation, Shortage)
    ]
    return max(number or 0 for number in numbers)


def _replace_lines(
    session: Session, order: Order, rows: Sequence[OrderLineRow], lines: Sequence[PricedLine]
) -> None:
    """Write the lines of an order; those that are removed are deleted."""
    by_number = {line.line_no: line for line in lines}
    kept = []
    for row in rows:
        line = by_number.pop(row.line_no, None)
        if line is None:
            session.delete(row)
            continue
        for name, value in line.model_dump(exclude={"line_no"}).items():
            setattr(row, name, value)
        row.order_discount_minor = line.order_discount_minor
        row.gross_minor, row.gross_discount_minor = line.gross_minor, line.gross_discount_minor
        kept.append(row)
    added = [
        OrderLineRow(order_id=order.order_id, **line.model_dump()) for line in by_number.values()
    ]
    session.add_all(added)
    session.flush()
    keep(session, LINES, order.order_id, [*kept, *added])
    document = OrderDocument.model_validate(order.document)
    sent = {line.sku: line for line in document.lines}
    order.document = document.model_dump(mode="json") | {
        "lines": [
            (sent[line.sku].model_dump(mode="json") if line.sku in sent else {"sku": line.sku})
            | {"quantity": line.quantity}
            for line in lines
        ]
    }


def _judge_credit(work: UnitOfWork, order: Order) -> None:
    """Judge the credit of an order on credit again: its customer owes another amount."""
    if not (order.terms.on_credit and order.credit_accepted):
        return
    customer = lock_customer(work.session, order.customer_id)
    if attention := judge_customer(work.session, order, customer):
        refuse("lines", attention.message, ORDER_REFUSED)
