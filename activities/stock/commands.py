"""The commands of operators on stock: adjust, count and transfer."""

from collections.abc import Iterable, Mapping
from typing import NoReturn

from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.company import get_company
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.stock.backorders import fill_shortages, low_keys
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import OpenShortage, changed_shortages, read_shortages
from models import ledger
from models.messages.commands.base import STOCK_REFUSED, UNKNOWN_SKU, refuse
from models.messages.commands.results import CommandResult
from models.messages.commands.stock import AdjustStock, CountStock, StockChange, TransferStock
from models.messages.steps import StockKey
from models.money import MAX_AMOUNT_MINOR, Money, parse_amount
from models.replenishment import is_reordered
from models.stock import RESERVED, MovementKind, issue_cost
from models.tables.masterdata import Location, Product
from models.tables.stock import Reservation, Stock, StockPolicy
from models.tax import ProductKind

NAMED_ORDERS = 5
"""Orders that a refusal lists, of those that hold the units."""
UNUSED_COST = "; the unit cost was ignored: it only values a gain when nothing is on hand"


@executes(AdjustStock)
def adjust_stock(work: UnitOfWork, command: AdjustStock) -> CommandResult:
    """Record a gain or a loss of units."""
    stock = _lock(work, StockKey(sku=command.sku, location=command.location))
    left = stock.on_hand + command.by
    if left < 0:
        _refuse("by", f"only {stock.on_hand} are on hand {_at(stock)}")
    _check_reserved(work.session, stock, left, "by")
    return _record_difference(work, command, stock, command.by, "by")


@executes(CountStock)
def count_stock(work: UnitOfWork, command: CountStock) -> CommandResult:
    """Record a stock count, with a stock movement even if nothing differs."""
    stock = _lock(work, StockKey(sku=command.sku, location=command.location))
    _check_reserved(work.session, stock, command.counted, "counted")
    return _record_difference(work, command, stock, command.counted - stock.on_hand, "counted")


@executes(TransferStock)
def transfer_stock(work: UnitOfWork, command: TransferStock) -> CommandResult:
    """Move available units with their value to another location."""
    source = StockKey(sku=command.sku, location=command.from_location)
    target = StockKey(sku=command.sku, location=command.to_location)
    _check_known(work.session, source, "from_location")
    _check_known(work.session, target, "to_location")
    stock = lock_stock(work, [command.sku], [source, target])[source]
    available = stock.on_hand - stock.reserved
    if command.quantity > available:
        _refuse(
            "quantity",
            f"{available} are available {_at(stock)} ({stock.on_hand} on hand, "
            f"{stock.reserved} reserved): no more can be transferred",
        )
    before = read_shortages(work.session, [command.sku])
    value_minor = issue_cost(stock.value_minor, stock.on_hand, command.quantity)
    changes = [
        Change(
            movement_id=f"{command.cause}:{way}",
            cause=command.cause,
            kind=MovementKind.TRANSFER,
            sku=command.sku,
            location=key.location,
            on_hand=sign * command.quantity,
            value_minor=sign * value_minor,
            reason=command.reason,
            actor=command.actor,
        )
        for way, key, sign in (("out", source, -1), ("in", target, 1))
    ]
    move(work, changes)
    fill_shortages(work, [command.sku], command.cause)
    what = f"{command.quantity} x {command.sku}"
    message = f"{what} transferred from {source.location} to {target.location}"
    return _done(work, command, message, before, _if_low(work, source))


def _record_difference(
    work: UnitOfWork, command: AdjustStock | CountStock, stock: Stock, by: int, field: str
) -> CommandResult:
    """Change the units on hand and their value, post the difference, and fill shortages."""
    currency = get_company(work.session).currency
    cost_minor = _unit_cost_minor(command.unit_cost, currency)
    value_minor = _value_minor(stock, by, cost_minor, field)
    is_cost_used = cost_minor is None or (by > 0 and not stock.on_hand)
    before = read_shortages(work.session, [stock.sku])
    key, on_hand = stock.key, stock.on_hand + by
    change = Change(
        movement_id=command.cause,
        cause=command.cause,
        kind=MovementKind(command.kind),
        sku=key.sku,
        location=key.location,
        on_hand=by,
        value_minor=value_minor,
        reason=command.reason,
        actor=command.actor,
    )
    move(work, [change])
    entry = ledger.stock_gain_entry if value_minor > 0 else ledger.stock_loss_entry
    post(work, entry(command.cause, currency, abs(value_minor)))
    if by > 0:
        fill_shortages(work, [key.sku], command.cause)
    value = Money(amount_minor=abs(value_minor), currency=currency)
    what = f"{abs(by)} x {key.sku} {'found' if by > 0 else 'lost'} at {key.location} ({value})"
    message = what if by else f"{key.sku} at {key.location}: the count agrees with the books"
    message += f": {on_hand} on hand" + ("" if is_cost_used else UNUSED_COST)
    return _done(work, command, message, before, _if_low(work, key))


def _done(
    work: UnitOfWork,
    command: StockChange,
    message: str,
    before: Mapping[str, OpenShortage],
    keys: Iterable[StockKey],
) -> CommandResult:
    """Return the result. It notifies the orders whose shortages changed since `before`, and the
    replenishments of these shortages and of `keys`."""
    changed = changed_shortages(work.session, before)
    return CommandResult.done(
        command,
        message,
        orders=(shortage.order_id for shortage in changed),
        stock_keys=[*keys, *(shortage.key for shortage in changed)],
    )


def _refuse(field: str, reason: str, code: str = STOCK_REFUSED) -> NoReturn:
    refuse(field, reason, code)


def _at(stock: Stock) -> str:
    return f"of {stock.sku} at {stock.location}"


def _check_known(session: Session, key: StockKey, field: str) -> None:
    product = session.get(Product, key.sku)
    if product is None:
        _refuse("sku", f"there is no SKU {key.sku!r}: is it imported?", UNKNOWN_SKU)
    if product.kind is ProductKind.SERVICE:
        _refuse("sku", f"{key.sku} is a service: it is never stocked")
    if session.get(Location, key.location) is None:
        locations = ", ".join(session.exec(select(Location.location).order_by(Location.location)))
        _refuse(field, f"there is no location {key.location!r}; there are {locations[:500]}")


def _lock(work: UnitOfWork, key: StockKey) -> Stock:
    """Lock the counters of a known SKU at a known location; add them where they are missing."""
    _check_known(work.session, key, "location")
    return lock_stock(work, [key.sku], [key])[key]


def _check_reserved(session: Session, stock: Stock, left: int, field: str) -> None:
    """Refuse to go below the reserved units: an operator decides which order lacks them."""
    if left >= stock.reserved:
        return
    orders = session.exec(
        select(Reservation.order_id)
        .where(
            Reservation.sku == stock.sku,
            Reservation.location == stock.location,
            col(Reservation.state).in_(RESERVED),
        )
        .order_by(col(Reservation.order_id))
        .distinct()
        .limit(NAMED_ORDERS + 1)
    ).all()
    more = "..." if len(orders) > NAMED_ORDERS else ""
    _refuse(
        field,
        f"only {left} would remain, but {stock.reserved} {_at(stock)} are reserved: first cancel "
        f"one of these orders: {', '.join(orders[:NAMED_ORDERS])}{more}",
    )


def _value_minor(stock: Stock, by: int, unit_cost_minor: int | None, field: str) -> int:
    """Value a difference of `by` units at their moving average.

    A gain where nothing is on hand is valued at `unit_cost_minor`.
    """
    if by <= 0:
        return -issue_cost(stock.value_minor, stock.on_hand, -by) if by else 0
    if stock.on_hand:
        value_minor = issue_cost(stock.value_minor, stock.on_hand, by)
    elif unit_cost_minor is not None:
        value_minor = unit_cost_minor * by
    else:
        reason = f"nothing {_at(stock)} is on hand, so there is no average cost: give a unit cost"
        _refuse("unit_cost", reason)
    if stock.value_minor + value_minor > MAX_AMOUNT_MINOR:
        _refuse(field, f"the value {_at(stock)} would exceed the largest accepted amount")
    return value_minor


def _unit_cost_minor(unit_cost: str | None, currency: str) -> int | None:
    if unit_cost is None:
        return None
    try:
        cost_minor = parse_amount(unit_cost, currency)
    except ValueError as error:
        _refuse("unit_cost", str(error))
    if cost_minor < 0:
        _refuse("unit_cost", "is below zero")
    return cost_minor


def _if_low(work: UnitOfWork, key: StockKey) -> list[StockKey]:
    """Return `key` where its position is at or below the reorder point."""
    policy = work.session.get(StockPolicy, key.primary_key)
    if policy is None or not is_reordered(policy.reorder_point, policy.order_quantity):
        return []
    return low_keys(work.session, {key: policy.reorder_point}, work.today)
