"""Comparison of the ledger with stock, orders and supplier invoices, and facts not applied."""

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.company import day_of
from activities.ledger import reading as ledger_reading
from activities.operations.money_comparison import compare_money, compare_payouts
from activities.purchasing.supplier_invoices import invoiced_by_sku
from models.findings import (
    Difference,
    acknowledged_price_difference,
    inventory_difference,
    invoice_difference,
    receivable_difference,
    unapplied_fact,
)
from models.ledger import Account
from models.money import format_amount
from models.purchasing import OPEN_STATES, PurchaseOrderState
from models.tables.ledger import JournalPosting
from models.tables.operations import FactRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Stock

UNMATCHED_FOR = timedelta(days=14)
"""How long a supplier invoice may wait for goods that are still due, before it is a finding."""
UNCOLLECTED_FOR = timedelta(days=1)
"""How long a payout may be reported before its payments: each is compared by a later night."""
NOTHING_DUE = tuple(s for s in PurchaseOrderState if s.is_over or s is PurchaseOrderState.RECEIVED)


def compare_ledger(session: Session, seen_at: datetime, before: datetime) -> list[Difference]:
    """Compare the ledger as of `seen_at`, and find facts from before `before` not applied."""
    return [
        *_compare_inventory(session),
        *_compare_receivables(session, seen_at),
        *compare_money(session),
        *compare_payouts(session, seen_at - UNCOLLECTED_FOR),
        *_compare_invoices(session, seen_at),
        *_compare_acknowledged_prices(session),
        *_unapplied_facts(session, before),
    ]


def _compare_inventory(session: Session) -> list[Difference]:
    accounts = session.exec(
        select(JournalPosting.currency, func.sum(JournalPosting.amount_minor))
        .where(JournalPosting.account == Account.INVENTORY.value)
        .group_by(col(JournalPosting.currency))
    ).all()
    stock_minor = int(session.exec(select(func.sum(Stock.value_minor))).one() or 0)
    differences = [
        inventory_difference(currency, int(account_minor), stock_minor)
        for currency, account_minor in accounts or [("", 0)]
    ]
    return [difference for difference in differences if difference]


def _compare_receivables(session: Session, seen_at: datetime) -> list[Difference]:
    report = ledger_reading.ageing(session, day_of(session, seen_at))
    return [
        receivable_difference(total.currency, total.ledger, total.total)
        for total in report.totals
        if total.ledger != total.total
    ]


def _compare_invoices(session: Session, seen_at: datetime) -> list[Difference]:
    """Find supplier invoices without goods: no more are due, or none arrived for UNMATCHED_FOR."""
    rows = session.exec(
        select(SupplierInvoice)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(SupplierInvoice.po_id))
        .where(
            col(SupplierInvoice.matched_at).is_(None),
            (col(SupplierInvoice.recorded_at) <= seen_at - UNMATCHED_FOR)
            | col(PurchaseOrder.state).in_(NOTHING_DUE),
        )
        .order_by(col(SupplierInvoice.invoice_id))
    ).all()
    differences = []
    for invoice in rows:
        lines = {}
        for sku, (invoiced, _) in invoiced_by_sku(invoice).items():
            line = session.get_one(PurchaseOrderLine, (invoice.po_id, sku))
            lines[sku] = (invoiced, max(0, line.received - line.invoiced), line.damaged)
        differences.append(invoice_difference(invoice.invoice_id, invoice.po_id, lines))
    return differences


def _compare_acknowledged_prices(session: Session) -> list[Difference]:
    """Find lines of open purchase orders that are acknowledged at another price."""
    rows = session.exec(
        select(PurchaseOrder, PurchaseOrderLine)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            col(PurchaseOrder.state).in_(OPEN_STATES),
            col(PurchaseOrderLine.acknowledged_unit_cost_minor)
            != col(PurchaseOrderLine.unit_cost_minor),
        )
        .order_by(col(PurchaseOrderLine.po_id), col(PurchaseOrderLine.sku))
    )
    return [
        acknowledged_price_difference(
            order.po_id,
            line.sku,
            format_amount(line.unit_cost_minor, order.currency),
            format_amount(line.acknowledged_unit_cost_minor or 0, order.currency),
            order.currency,
        )
        for order, line in rows
    ]


def _unapplied_facts(session: Session, before: datetime) -> list[Difference]:
    rows = session.exec(
        select(FactRow)
        .where(col(FactRow.applied_at).is_(None), FactRow.received_at < before)
        .order_by(col(FactRow.fact_no))
    )
    return [
        unapplied_fact(row.source, row.fact_id, row.type, row.order_id or row.po_id) for row in rows
    ]
