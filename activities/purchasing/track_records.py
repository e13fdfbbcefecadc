"""Track records of suppliers: observed lead times and fill rates."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from statistics import fmean

from sqlmodel import Session, col, select

from activities.database.company import day_of
from models.messages.steps import StockKey
from models.offers import ALL_PPM, TrackRecord
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine

LATEST = 50
"""The latest purchase orders of a supplier, or receipts of a SKU, that count."""


def track_records(session: Session, supplier_ids: Iterable[str]) -> dict[str, TrackRecord]:
    """Return a record for each supplier with purchase orders that were sent and aren't open."""
    records = {}
    for supplier_id in sorted(supplier_ids):
        orders = session.exec(
            select(PurchaseOrder)
            .where(
                PurchaseOrder.supplier_id == supplier_id,
                col(PurchaseOrder.acknowledge_by).is_not(None),
            )
            .order_by(col(PurchaseOrder.created_at).desc())
            .limit(LATEST)
        ).all()
        finished = {order.po_id: order for order in orders if not order.state.is_open}
        if finished:
            records[supplier_id] = _record(session, finished)
    return records


def _record(session: Session, orders: dict[str, PurchaseOrder]) -> TrackRecord:
    lines = session.exec(
        select(PurchaseOrderLine).where(col(PurchaseOrderLine.po_id).in_(orders))
    ).all()
    receipts = session.exec(select(GoodsReceipt).where(col(GoodsReceipt.po_id).in_(orders)))
    days: dict[str, int] = defaultdict(int)
    for receipt in receipts:
        sent_at = orders[receipt.po_id].sent_at
        if sent_at:
            passed = _days(session, sent_at, receipt.occurred_at)
            days[receipt.po_id] = max(days[receipt.po_id], passed)
    ordered = sum(line.quantity for line in lines)
    received = sum(min(line.received, line.quantity) for line in lines)
    return TrackRecord(
        orders=len(orders),
        mean_lead_time_days=fmean(days.values()) if days else None,
        fill_rate_ppm=received * ALL_PPM // ordered if ordered else None,
    )


def lead_times(session: Session, skus: Iterable[str]) -> dict[StockKey, list[int]]:
    """Return the days from sending to each of the latest receipts, the latest last."""
    rows = session.exec(
        select(
            GoodsReceipt.sku, GoodsReceipt.location, PurchaseOrder.sent_at, GoodsReceipt.occurred_at
        )
        .join(GoodsReceipt, col(GoodsReceipt.po_id) == col(PurchaseOrder.po_id))
        .where(col(GoodsReceipt.sku).in_(list(skus)), col(PurchaseOrder.sent_at).is_not(None))
        .order_by(col(GoodsReceipt.occurred_at))
    )
    days: dict[StockKey, list[int]] = defaultdict(list)
    for sku, location, sent_at, received_at in rows:
        if sent_at:
            days[StockKey(sku=sku, location=location)].append(_days(session, sent_at, received_at))
    return {key: observed[-LATEST:] for key, observed in days.items()}


def _days(session: Session, sent_at: datetime, received_at: datetime) -> int:
    """Count the company's calendar days, whatever the hours; never below zero."""
    return max(0, (day_of(session, received_at) - day_of(session, sent_at)).days)
