"""The nightly stock review: what customers wanted, how long suppliers took, and so when to order
each SKU at each location again, and how much."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import delete, func, insert
from sqlmodel import Session, col, select
from temporalio import activity

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.purchasing.steps import offers_of
from activities.purchasing.track_records import lead_times, track_records
from activities.stock.backorders import positions
from models.messages.nightly import ReviewedBatch, ReviewStep
from models.messages.steps import StockKey
from models.purchasing import Offer, Requirement, compare
from models.replenishment import (
    Demand,
    demand_of_window,
    is_reordered,
    lead_time,
    lot_size,
    observed_window,
    reorder_point,
    service_factor,
)
from models.stock import SERVING, ReservationState, ShortageState
from models.tables.masterdata import Company, Product
from models.tables.orders import Order
from models.tables.stock import Reservation, Shortage, Stock, StockPolicy

DaysUnits = dict[date, int]
"""Units by the day on which they were ordered."""


@dataclass
class Seen:
    """What the tables say about a batch of SKUs."""

    stock: dict[StockKey, Stock]
    demand: dict[StockKey, DaysUnits]
    lead_times: dict[StockKey, list[int]]
    best_offers: dict[str, Offer]
    reviewed_before: set[StockKey]

    @property
    def keys(self) -> list[StockKey]:
        """Where there is stock, demand or a policy."""
        return sorted({*self.stock, *self.demand, *self.reviewed_before})


class StockReview:
    """The steps of the stock review."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def review_stock(self, step: ReviewStep) -> ReviewedBatch:
        """Review a batch of SKUs at all locations. Read first, then written in one transaction:
        nobody waits for what is computed. Again gives the same."""
        now = self._database.clock()
        batch, policies = await self._database.read_async(
            lambda session: self._review(session, step, now)
        )
        if policies:
            await self._database.transaction_async(lambda work: _write(work, policies))
        return batch

    def _review(
        self, session: Session, step: ReviewStep, now: datetime
    ) -> tuple[ReviewedBatch, list[StockPolicy]]:
        skus = next_skus(session, step.after, step.batch_skus)
        last_day, days = self._window(session, now.date())
        seen = _look(session, skus, last_day - timedelta(days=days - 1), now)
        currency = session.exec(select(Company.currency)).one_or_none() or "EUR"
        policies = [self._policy_of(key, seen, last_day, days, currency, now) for key in seen.keys]
        batch = ReviewedBatch(
            last_sku=skus[-1] if len(skus) == step.batch_skus else None,
            skus=len(skus),
            places=len(policies),
            low=_low(session, policies, seen.stock, now.date()),
        )
        return batch, policies

    def _window(self, session: Session, today: date) -> tuple[date, int]:
        first_order = session.exec(select(func.min(Order.placed_at))).one()
        return observed_window(
            first_order.date() if first_order else None,
            today,
            self._database.rules.review.window_days,
        )

    def _policy_of(
        self, key: StockKey, seen: Seen, last_day: date, days: int, currency: str, now: datetime
    ) -> StockPolicy:
        ordered = seen.demand.get(key, {})
        wanted: Demand = demand_of_window(ordered, last_day, days)
        offer = seen.best_offers.get(key.sku)
        lead = lead_time(seen.lead_times.get(key, ()), offer.lead_time_days if offer else None)
        point = reorder_point(
            service_factor(self._database.rules.review.service_level_ppm), wanted, lead
        )
        value_minor, units = _worth(seen, key)
        lot = lot_size(
            self._database.rules.review,
            currency,
            units_ordered=sum(units for day, units in ordered.items() if day <= last_day),
            days=days,
            value_minor=value_minor,
            units=units,
        )
        return StockPolicy(
            sku=key.sku,
            location=key.location,
            demand_a_day=wanted.mean,
            demand_deviation=wanted.deviation,
            observed_days=wanted.days,
            lead_time_days=lead.mean_days,
            lead_time_deviation=lead.deviation_days,
            safety_stock=point.safety_units,
            reorder_point=point.units,
            order_quantity=0 if lead.mean_days is None else lot,
            reviewed_at=now,
        )


def next_skus(session: Session, after: str, count: int) -> list[str]:
    """The next `count` SKUs, sorted; fewer where there are no more."""
    query = select(Product.sku).where(Product.sku > after).order_by(Product.sku).limit(count)
    return list(session.exec(query))


def _look(session: Session, skus: Sequence[str], first_day: date, now: datetime) -> Seen:
    stock = session.exec(select(Stock).where(col(Stock.sku).in_(skus)))
    reviewed = select(StockPolicy.sku, StockPolicy.location).where(col(StockPolicy.sku).in_(skus))
    return Seen(
        stock={row.key: row for row in stock},
        demand=_demand(session, skus, datetime.combine(first_day, time(), now.tzinfo)),
        lead_times=lead_times(session, skus),
        best_offers=_best_offers(session, skus, now.date()),
        reviewed_before={
            StockKey(sku=sku, location=location) for sku, location in session.exec(reviewed)
        },
    )


def _demand(session: Session, skus: Sequence[str], since: datetime) -> dict[StockKey, DaysUnits]:
    """What was ordered since then and not cancelled, where it was reserved or is short."""
    reserved = (
        select(Reservation.sku, Reservation.location, Order.placed_at, Reservation.quantity)
        .join(Order, col(Order.order_id) == col(Reservation.order_id))
        .where(
            col(Reservation.sku).in_(skus),
            col(Reservation.state).in_(SERVING),
            (col(Reservation.state) != ReservationState.FORGONE)
            | col(Reservation.shipment_id).is_not(None),  # else it was cancelled before it left
            Order.placed_at >= since,
        )
    )
    short = (
        select(
            Shortage.sku,
            Shortage.location,
            Order.placed_at,
            col(Shortage.quantity) - col(Shortage.filled),
        )
        .join(Order, col(Order.order_id) == col(Shortage.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            Order.placed_at >= since,
        )
    )
    demand: dict[StockKey, DaysUnits] = defaultdict(lambda: defaultdict(int))
    for query in (reserved, short):
        for sku, location, placed_at, units in session.exec(query):
            demand[StockKey(sku=sku, location=location)][placed_at.date()] += units
    return demand


def _best_offers(session: Session, skus: Sequence[str], today: date) -> dict[str, Offer]:
    """The offer by which each SKU would be bought today, where there is one."""
    offers = offers_of(session, skus)
    records = track_records(session, {offer.supplier_id for offer in offers})
    by_sku: dict[str, dict[str, Offer]] = defaultdict(dict)
    for offer in offers:
        by_sku[offer.sku][offer.supplier_id] = offer
    best = {}
    for sku, rivals in by_sku.items():
        need = Requirement(sku=sku, short=0, restock=1, needed_by=None)
        chosen = compare(need, rivals.values(), records, today, {}).chosen
        if chosen is not None:
            best[sku] = rivals[chosen.supplier_id]
    return best


def _worth(seen: Seen, key: StockKey) -> tuple[int, int]:
    """What so many units are worth: those on hand here, those elsewhere, or one as offered."""
    here = [seen.stock[key]] if key in seen.stock else []
    elsewhere = [row for other, row in seen.stock.items() if other.sku == key.sku]
    for rows in (here, elsewhere):
        units = sum(row.on_hand for row in rows)
        if units:
            return sum(row.value_minor for row in rows), units
    offer = seen.best_offers.get(key.sku)
    return (offer.unit_cost_minor, 1) if offer else (0, 1)


def _low(
    session: Session, policies: Sequence[StockPolicy], stock: Mapping[StockKey, Stock], today: date
) -> tuple[StockKey, ...]:
    """The places at or below their reorder point. Counters alone say that most aren't: where units
    are available, no order is short."""
    points = {
        policy.key: policy.reorder_point
        for policy in policies
        if is_reordered(policy.reorder_point, policy.order_quantity)
        and _available(stock.get(policy.key)) <= policy.reorder_point
    }
    levels = positions(session, points, today)
    return tuple(sorted(key for key, units in levels.items() if units <= points[key]))


def _available(stock: Stock | None) -> int:
    return stock.on_hand - stock.reserved if stock else 0


def _write(work: UnitOfWork, policies: Sequence[StockPolicy]) -> None:
    skus = {policy.sku for policy in policies}
    work.session.execute(delete(StockPolicy).where(col(StockPolicy.sku).in_(skus)))
    work.session.execute(insert(StockPolicy), [policy.model_dump() for policy in policies])
