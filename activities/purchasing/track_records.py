"""What was observed of suppliers: how long they take, and how much of what was ordered comes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from statistics import fmean

from sqlmodel import Session, col, select

from models.messages.steps import StockKey
from models.purchasing import ALL_PPM, TrackRecord
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine

LATEST = 50
"""Purchase orders of a supplier that are looked at: what it did years ago says little."""


def track_records(session: Session, supplier_ids: Iterable[str]) -> dict[str, TrackRecord]:
    """A record for each supplier that was ever sent a purchase order which is decided by now."""
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
        decided = {o.po_id: o for o in orders if not o.state.is_open}
        if decided:
            records[supplier_id] = _record(session, decided)
    return records


def lead_times(session: Session, skus: Iterable[str]) -> dict[StockKey, list[int]]:
    """By SKU and location, the days from sending to each of the last receipts, the latest last."""
    rows = session.exec(
        select(
            GoodsReceipt.sku, GoodsReceipt.location, PurchaseOrder.sent_at, GoodsReceipt.occurred_at
        )
        .join(GoodsReceipt, col(GoodsReceipt.po_id) == col(PurchaseOrder.po_id))
        .where(col(GoodsReceipt.sku).in_(list(skus)), col(PurchaseOrder.sent_at).is_not(None))
        .order_by(col(GoodsReceipt.occurred_at))
    )
    days: dict[StockKey, list[int]] = defaultdict(list)
    for sku, location, sent, came in rows:
        if sent:
            days[StockKey(sku=sku, location=location)].append(_days(sent, came))
    return {key: took[-LATEST:] for key, took in days.items()}


def _record(session: Session, orders: dict[str, PurchaseOrder]) -> TrackRecord:
    lines = session.exec(
        select(PurchaseOrderLine).where(col(PurchaseOrderLine.po_id).in_(orders))
    ).all()
    receipts = session.exec(select(GoodsReceipt).where(col(GoodsReceipt.po_id).in_(orders)))
    days: dict[str, int] = defaultdict(int)
    for receipt in receipts:
        sent = orders[receipt.po_id].sent_at
        if sent:
            days[receipt.po_id] = max(days[receipt.po_id], _days(sent, receipt.occurred_at))
    ordered = sum(line.quantity for line in lines)
    came = sum(min(line.received, line.quantity) for line in lines)
    return TrackRecord(
        orders=len(orders),
        mean_lead_time_days=fmean(days.values()) if days else None,
        fill_rate_ppm=came * ALL_PPM // ordered if ordered else None,
    )


def _days(sent: datetime, came: datetime) -> int:
    """From one day to another, whatever the hours; never below zero."""
    return max(0, (came.date() - sent.date()).days)
