"""Stock control: a person's commands on stock and purchases, each done once and with a reason."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NoReturn

from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.stock.backorders import (
    date_shortages,
    due_units,
    fill_shortages,
    open_shortages,
    position,
)
from activities.stock.counters import Change, lock_stock, move
from models import ledger
from models.messages.commands import (
    STOCK_REFUSED,
    UNKNOWN_PURCHASE_ORDER,
    UNKNOWN_SKU,
    AdjustStock,
    ClosePurchase,
    CommandResult,
    CountStock,
    StockChange,
    StockCommand,
    TransferStock,
    refuse,
)
from models.messages.steps import Notification, StockKey
from models.money import MAX_AMOUNT_MINOR, Money, parse_amount
from models.purchasing import PurchaseOrderState
from models.replenishment import is_reordered
from models.stock import MovementKind, ReservationState, issue_cost
from models.tables.masterdata import Company, Location, Product
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Reservation, Stock, StockPolicy

NAMED_ORDERS = 5
"""Orders that a refusal names, of those that hold what is to go."""
UNUSED_COST = "; its unit cost isn't used: only a gain where nothing is on hand is valued by it"

Waiting = Mapping[str, tuple[str, StockKey, object]]
"""Shortage id -> order, place, and what is known of it."""


@executes(AdjustStock)
def adjust_stock(work: UnitOfWork, command: AdjustStock) -> CommandResult:
    stock = _lock(work, command.sku, command.location)
    left = stock.on_hand + command.by
    if left < 0:
        reason = f"{stock.on_hand} are on hand {_at(stock)}, so no more than that can be lost"
        _refuse("by", reason)
    _check_reserved(work.session, stock, left, "by")
    return _change(work, command, stock, command.by, "by")


@executes(CountStock)
def count_stock(work: UnitOfWork, command: CountStock) -> CommandResult:
    stock = _lock(work, command.sku, command.location)
    _check_reserved(work.session, stock, command.counted, "counted")
    return _change(work, command, stock, command.counted - stock.on_hand, "counted")


@executes(TransferStock)
def transfer_stock(work: UnitOfWork, command: TransferStock) -> CommandResult:
    source = StockKey(sku=command.sku, location=command.from_location)
    target = StockKey(sku=command.sku, location=command.to_location)
    _check_place(work.session, source, "from_location")
    _check_place(work.session, target, "to_location")
    stock = lock_stock(work, [command.sku], [source, target])[source]
    available = stock.on_hand - stock.reserved
    if command.quantity > available:
        reason = (
            f"{available} are available {_at(stock)} ({stock.on_hand} on hand, "
            f"{stock.reserved} reserved): no more can be transferred"
        )
        _refuse("quantity", reason)
    cause = _cause(command)
    before = _waiting(work, [command.sku])
    value_minor = issue_cost(stock.value_minor, stock.on_hand, command.quantity)
    changes = [
        Change(
            movement_id=f"{cause}:{way}",
            cause=cause,
            kind=MovementKind.TRANSFER,
            sku=command.sku,
            location=location,
            on_hand=sign * command.quantity,
            value_minor=sign * value_minor,
            reason=command.reason,
            actor=command.actor,
        )
        for way, location, sign in (("out", source.location, -1), ("in", target.location, 1))
    ]
    move(work, changes)
    fill_shortages(work, [command.sku], cause)
    what = f"{command.quantity} x {command.sku}"
    message = f"{what} transferred from {source.location} to {target.location}"
    return _done(work, command, message, before, [source])


@executes(ClosePurchase)
def close_purchase(work: UnitOfWork, command: ClosePurchase) -> CommandResult:
    lines = work.session.exec(
        select(PurchaseOrderLine)
        .where(PurchaseOrderLine.po_id == command.po_id)
        .order_by(col(PurchaseOrderLine.sku))
    ).all()
    skus = [line.sku for line in lines]
    lock_stock(work, skus)
    order = work.session.get(
        PurchaseOrder, command.po_id, with_for_update=True, populate_existing=True
    )
    if order is None:
        reason = f"there is no purchase order {command.po_id!r}"
        _refuse("po_id", reason, UNKNOWN_PURCHASE_ORDER)
    if problem := _why_not_close(order):
        _refuse("po_id", problem)
    for line in lines:
        work.session.refresh(line)
    before = _waiting(work, skus)
    due = {line.sku: due_units(line) for line in lines if order.state.is_open}
    for line in lines:
        if due.get(line.sku):
            line.let_down_at = work.now
    order.state, order.ended_at = PurchaseOrderState.CLOSED, work.now
    order.ended_reason = f"closed by {command.actor}: {command.reason}"
    date_shortages(work, skus)
    rest = ", ".join(f"{units} x {sku}" for sku, units in due.items() if units)
    message = f"{order.po_id} is closed: {rest or 'nothing more'} was still to come"
    places = [StockKey(sku=sku, location=order.location) for sku in skus]
    notification = _echo(work, command, before, places)
    return CommandResult(command=command, message=message, notification=notification)


def _change(
    work: UnitOfWork,
    command: AdjustStock | CountStock,
    stock: Stock,
    by: int,
    field: str,
) -> CommandResult:
    """Put the books right by so many units, with their value; a count that found nothing
    wrong leaves its movement too."""
    cause, currency = _cause(command), _currency(work.session)
    told = command.unit_cost
    cost_minor = None if told is None else _cost_minor(told, currency)
    value_minor = _value(stock, by, cost_minor, field)
    is_used = cost_minor is None or (by > 0 and not stock.on_hand)
    before = _waiting(work, [stock.sku])
    on_hand, location = stock.on_hand, stock.location
    change = Change(
        movement_id=cause,
        cause=cause,
        kind=MovementKind(command.kind),
        sku=stock.sku,
        location=location,
        on_hand=by,
        value_minor=value_minor,
        reason=command.reason,
        actor=command.actor,
    )
    move(work, [change])
    entry = ledger.stock_gain_entry if value_minor > 0 else ledger.stock_loss_entry
    post(work, entry(cause, currency, abs(value_minor)))
    if by > 0:
        fill_shortages(work, [command.sku], cause)
    value = Money(amount_minor=abs(value_minor), currency=currency)
    what = f"{abs(by)} x {command.sku} {'found' if by > 0 else 'lost'} at {location} ({value})"
    message = what if by else f"{command.sku} at {location}: the count agrees with the books"
    return _done(
        work,
        command,
        f"{message}: {on_hand + by} on hand" + ("" if is_used else UNUSED_COST),
        before,
        [stock.key],
    )


def _done(
    work: UnitOfWork,
    command: StockChange,
    message: str,
    before: Waiting,
    places: Iterable[StockKey],
) -> CommandResult:
    """Tell whose wait has changed, and what dropped to its reorder point."""
    work.session.flush()
    today = work.now.date()
    low = [place for place in places if _runs_low(work.session, place, today)]
    return CommandResult(
        command=command, message=message, notification=_echo(work, command, before, low)
    )


def _refuse(field: str, reason: str, code: str = STOCK_REFUSED) -> NoReturn:
    refuse(field, reason, code)


def _cause(command: StockCommand) -> str:
    return f"{command.kind}:{command.command_id}"


def _at(stock: Stock) -> str:
    return f"of {stock.sku} at {stock.location}"


def _currency(session: Session) -> str:
    return session.exec(select(Company.currency)).one()


def _check_place(session: Session, key: StockKey, field: str) -> None:
    if session.get(Product, key.sku) is None:
        _refuse("sku", f"there is no SKU {key.sku!r}: is it imported?", UNKNOWN_SKU)
    if session.get(Location, key.location) is None:
        known = ", ".join(session.exec(select(Location.location).order_by(Location.location)))
        _refuse(field, f"there is no location {key.location!r}; there are {known[:500]}")


def _lock(work: UnitOfWork, sku: str, location: str) -> Stock:
    """The counters of a SKU at a location, made where they are missing."""
    key = StockKey(sku=sku, location=location)
    _check_place(work.session, key, "location")
    return lock_stock(work, [sku], [key])[key]


def _check_reserved(session: Session, stock: Stock, left: int, field: str) -> None:
    """What orders were promised stays theirs: a person decides whose is missing."""
    if left >= stock.reserved:
        return
    held = (ReservationState.HELD, ReservationState.PICKED)
    orders = session.exec(
        select(Reservation.order_id)
        .where(
            Reservation.sku == stock.sku,
            Reservation.location == stock.location,
            col(Reservation.state).in_(held),
        )
        .order_by(col(Reservation.order_id))
        .distinct()
        .limit(NAMED_ORDERS + 1)
    ).all()
    more = "..." if len(orders) > NAMED_ORDERS else ""
    _refuse(
        field,
        f"{stock.reserved} {_at(stock)} are reserved for orders, and {left} would be left: "
        f"cancel one of them first ({', '.join(orders[:NAMED_ORDERS])}{more})",
    )


def _value(stock: Stock, by: int, unit_cost_minor: int | None, field: str) -> int:
    """What so many units more (or fewer) are worth: their moving average; of a gain where nothing
    is on hand, what a unit is said to cost."""
    if by <= 0:
        return -issue_cost(stock.value_minor, stock.on_hand, -by) if by else 0
    if stock.on_hand:
        value_minor = issue_cost(stock.value_minor, stock.on_hand, by)
    elif unit_cost_minor is not None:
        value_minor = unit_cost_minor * by
    else:
        reason = f"nothing {_at(stock)} is on hand, so there is no average: say what a unit costs"
        _refuse("unit_cost", reason)
    if stock.value_minor + value_minor > MAX_AMOUNT_MINOR:
        _refuse(field, f"the value {_at(stock)} would be beyond the largest amount we take")
    return value_minor


def _cost_minor(unit_cost: str, currency: str) -> int:
    try:
        cost_minor = parse_amount(unit_cost, currency)
    except ValueError as error:
        _refuse("unit_cost", str(error))
    if cost_minor < 0:
        _refuse("unit_cost", "is below zero")
    return cost_minor


def _why_not_close(order: PurchaseOrder) -> str | None:
    if order.state is PurchaseOrderState.PLANNED:
        return f"{order.po_id} isn't sent yet: it still follows what is short, and vanishes with it"
    if order.state.is_over:
        return f"{order.po_id} is over already: {order.state}, {order.ended_reason or 'all came'}"
    return None


def _waiting(work: UnitOfWork, skus: Sequence[str]) -> Waiting:
    work.session.flush()
    return {
        row.shortage_id: (
            row.order_id,
            row.key,
            (row.quantity - row.filled, row.expected_date, row.po_id),
        )
        for row in open_shortages(work.session, skus)
    }


def _echo(
    work: UnitOfWork, command: StockCommand, before: Waiting, places: Iterable[StockKey]
) -> Notification:
    """Whoever waits otherwise than `before` looks; so do `places`."""
    skus = sorted({key.sku for _, key, _ in before.values()})
    after = _waiting(work, skus)
    changed = [row for shortage_id, row in before.items() if after.get(shortage_id) != row]
    look = dict.fromkeys([*places, *(key for _, key, _ in changed)])
    return Notification(
        cause=_cause(command),
        orders=tuple(dict.fromkeys(order_id for order_id, _, _ in changed)),
        places=tuple(look),
    )


def _runs_low(session: Session, key: StockKey, today: date) -> bool:
    review = session.get(StockPolicy, key.primary_key)
    if review is None or not is_reordered(review.reorder_point, review.order_quantity):
        return False
    return position(session, key, today) <= review.reorder_point
