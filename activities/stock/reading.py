"""Stock as API, CLI and replenishment requests read it."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from sqlmodel import Session, col, select

from activities.database.company import get_company
from activities.stock.backorders import backordered, incoming, open_shortages
from models.messages.steps import StockKey
from models.money import format_amount
from models.replenishment import Promisable, available_to_promise
from models.tables.masterdata import Location, Product
from models.tables.stock import Shortage, Stock, StockMovement, StockPolicy
from models.tax import ProductKind
from models.views.stock import MovementView, ShortageView, StockAtLocation, StockView

LAST_MOVEMENTS = 20


def stock_of(session: Session, sku: str, today: date) -> StockView | None:
    """Read the stock of a SKU as of `today`; None for an unknown SKU."""
    product = session.get(Product, sku)
    if product is None:
        return None
    currency = get_company(session).currency
    keys = [StockKey(sku=sku, location=location) for location in locations_of(session, sku)]
    locations = [_at_location(session, key, currency, today) for key in keys]
    on_hand, reserved = sum(p.on_hand for p in locations), sum(p.reserved for p in locations)
    shortages = open_shortages(session, [sku])
    return StockView(
        sku=sku,
        name=product.name,
        currency=currency,
        on_hand=on_hand,
        reserved=reserved,
        available=on_hand - reserved,
        locations=tuple(locations),
        available_to_promise=_promisable(session, keys, on_hand - reserved, shortages, today),
        waiting=tuple(shortage_view(row) for row in shortages),
        movements=tuple(_movements(session, sku, currency)),
    )


def locations_of(session: Session, sku: str) -> list[str]:
    """Return the locations with stock or a policy of a SKU, in sorted order."""
    kept = session.exec(select(Stock.location).where(Stock.sku == sku)).all()
    reviewed = session.exec(select(StockPolicy.location).where(StockPolicy.sku == sku)).all()
    return sorted({*kept, *reviewed})


def is_service(session: Session, sku: str) -> bool:
    """Return whether a SKU is a service, which is never stocked or purchased."""
    product = session.get(Product, sku)
    return product is not None and product.kind is ProductKind.SERVICE


def sku_exists(session: Session, sku: str) -> bool:
    return session.get(Product, sku) is not None


def location_exists(session: Session, location: str) -> bool:
    return session.get(Location, location) is not None


def shortage_view(row: Shortage) -> ShortageView:
    """Return an open shortage as shown."""
    return ShortageView(
        order_id=row.order_id,
        location=row.location,
        quantity=row.quantity - row.filled,
        po_id=row.po_id,
        expected_date=row.expected_date,
        problem=row.problem,
    )


def _at_location(session: Session, key: StockKey, currency: str, today: date) -> StockAtLocation:
    stock = session.get(Stock, key.primary_key) or Stock(sku=key.sku, location=key.location)
    policy = session.get(StockPolicy, key.primary_key)
    return StockAtLocation(
        location=key.location,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        available=stock.on_hand - stock.reserved,
        on_order=sum(coming.units for coming in incoming(session, key, today)),
        backordered=backordered(session, key),
        value=format_amount(stock.value_minor, currency),
        reorder_point=policy.reorder_point if policy else None,
        safety_stock=policy.safety_stock if policy else None,
        order_quantity=policy.order_quantity if policy else None,
        demand_a_day=policy.demand_a_day if policy else None,
        lead_time_days=policy.lead_time_days if policy else None,
        reviewed_at=policy.reviewed_at if policy else None,
    )


def _promisable(
    session: Session,
    keys: Sequence[StockKey],
    available: int,
    shortages: Sequence[Shortage],
    today: date,
) -> tuple[Promisable, ...]:
    """Return the units available to promise over all locations.

    Purchased units without a date only cover shortages without a date; no new order gets them.
    """
    receipts: list[tuple[date, int]] = []
    undated = Counter[StockKey]()
    for key in keys:
        for coming in incoming(session, key, today):
            if coming.expected_date:
                receipts.append((coming.expected_date, coming.units))
            else:
                undated[key] += coming.units
    promised = []
    for row in shortages:
        units = row.quantity - row.filled
        covered = min(units, undated[row.key]) if row.expected_date is None else 0
        undated[row.key] -= covered
        promised.append((row.expected_date, units - covered))
    return tuple(available_to_promise(available, receipts, promised, today))


def _movements(session: Session, sku: str, currency: str) -> list[MovementView]:
    rows = session.exec(
        select(StockMovement)
        .where(StockMovement.sku == sku)
        .order_by(col(StockMovement.recorded_at).desc(), col(StockMovement.movement_id))
        .limit(LAST_MOVEMENTS)
    )
    return [
        MovementView(
            recorded_at=row.recorded_at,
            movement_id=row.movement_id,
            kind=row.kind,
            location=row.location,
            on_hand=row.on_hand_change,
            reserved=row.reserved_change,
            value=format_amount(row.value_change_minor, currency),
            order_id=row.order_id,
            reason=row.reason,
            actor=row.actor,
        )
        for row in rows
    ]
