"""Notifications: the orders and replenishments that a change of stock or of purchases concerns.

A step that runs again after its commit notifies the same orders, or more: its first answer may be
lost. An order without news ignores a notification.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.stock.backorders import open_shortages
from models.messages.steps import Notification, StockKey
from models.stock import MovementKind
from models.tables.stock import Shortage, StockMovement


@dataclass(frozen=True)
class OpenShortage:
    """An open shortage as its order's progress shows it."""

    order_id: str
    key: StockKey
    units: int
    expected_date: date | None
    problem: str | None


def read_shortages(session: Session, skus: Iterable[str]) -> dict[str, OpenShortage]:
    """Read the open shortages of `skus`, by shortage id: before a change, to compare after it."""
    return {
        row.shortage_id: OpenShortage(
            order_id=row.order_id,
            key=row.key,
            units=row.quantity - row.filled,
            expected_date=row.expected_date,
            problem=row.problem,
        )
        for row in open_shortages(session, skus)
    }


def changed_shortages(session: Session, before: Mapping[str, OpenShortage]) -> list[OpenShortage]:
    """Return the shortages that were closed, or changed, since `before` was read."""
    after = read_shortages(session, {shortage.key.sku for shortage in before.values()})
    return [short for shortage_id, short in before.items() if after.get(shortage_id) != short]


def notification_of_changes(
    work: UnitOfWork, cause: str, before: Mapping[str, OpenShortage], keys: Iterable[StockKey]
) -> Notification:
    """Build the notification of orders whose shortage changed, and of replenishments of `keys`."""
    changed = changed_shortages(work.session, before)
    orders = dict.fromkeys(shortage.order_id for shortage in changed)
    return Notification(cause=cause, orders=tuple(orders), stock_keys=tuple(keys))


def notification_of_fills(
    work: UnitOfWork, cause: str, rescheduled: Iterable[str], keys: Iterable[StockKey]
) -> Notification:
    """Build the notification of orders that `cause` gave stock, and of `rescheduled` orders.

    It includes the replenishments of `keys`, and of shortages filled from another location.
    """
    relieved = _keys_filled_elsewhere(work.session, cause)
    return Notification(
        cause=cause,
        orders=orders_filled_by(work, cause, rescheduled),
        stock_keys=tuple(dict.fromkeys((*keys, *relieved))),
    )


def orders_filled_by(
    work: UnitOfWork, cause: str, rescheduled: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the orders that `cause` gave stock, and then `rescheduled`, each once."""
    rows = work.session.exec(
        select(StockMovement.order_id)
        .where(StockMovement.cause == cause, StockMovement.kind == MovementKind.RESERVE)
        .order_by(col(StockMovement.order_id))
        .distinct()
    )
    return tuple(dict.fromkeys([*(order_id for order_id in rows if order_id), *rescheduled]))


def _keys_filled_elsewhere(session: Session, cause: str) -> list[StockKey]:
    """Return the stock keys of shortages that `cause` filled from another location."""
    rows = session.exec(
        select(Shortage.sku, Shortage.location)
        .join(StockMovement, col(StockMovement.order_id) == col(Shortage.order_id))
        .where(
            StockMovement.cause == cause,
            StockMovement.kind == MovementKind.RESERVE,
            StockMovement.sku == Shortage.sku,
            StockMovement.location != Shortage.location,
        )
        .order_by(col(Shortage.sku), col(Shortage.location))
        .distinct()
    )
    return [StockKey(sku=sku, location=location) for sku, location in rows]


def orders_short_of(
    session: Session, skus: Iterable[str], location: str | None = None
) -> tuple[str, ...]:
    """Return the orders with an open shortage of any of `skus`, everywhere or at a location."""
    short = open_shortages(session, skus)
    orders = [row.order_id for row in short if location in (None, row.location)]
    return tuple(dict.fromkeys(orders))
