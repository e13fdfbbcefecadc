"""Purchase orders and offers as API and CLI show them, and the checks of reported facts."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.company import get_company
from activities.purchasing.offers import read_offers
from activities.purchasing.purchase_orders import lines_of, reason_of, supplier_document_id
from activities.purchasing.receiving import receipt_problem
from activities.purchasing.track_records import track_records
from activities.stock.backorders import due_units, unless_passed
from activities.stock.reading import shortage_view
from models.approvals import ProposalState
from models.messages.facts import GoodsReceived, SupplierAcknowledged
from models.messages.steps import StockKey
from models.money import format_amount, format_percent, round_half_up
from models.offers import ComparedOffer, Offer, Requirement, TrackRecord, compare_offers
from models.purchasing import PurchaseOrderState, PurchasingPolicy
from models.stock import ShortageState
from models.tables.masterdata import Product, Supplier
from models.tables.operations import RejectedMessageRow
from models.tables.purchasing import (
    GoodsReceipt,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseProposal,
    SupplierInvoice,
)
from models.tables.stock import Shortage
from models.views.operations import RejectedMessageView
from models.views.purchasing import (
    ComparedView,
    OffersView,
    OfferView,
    PurchaseLineView,
    PurchaseOrderDetails,
    PurchaseOrderView,
    PurchaseProposalView,
    ReasonView,
    ReceiptView,
    SupplierInvoiceView,
    TrackRecordView,
)
from models.views.why import Explanation
from models.why_purchase import OpenPurchase, explain_purchase

CLOCK_TOLERANCE = timedelta(days=1)
"""The time by which an operator's clock may be fast, a wrong time zone included."""


def purchase_orders(
    session: Session, state: PurchaseOrderState | None = None, limit: int = 50
) -> list[PurchaseOrderView]:
    """Read purchase orders, the newest first; `limit` 0 means all."""
    query = select(PurchaseOrder).order_by(
        col(PurchaseOrder.created_at).desc(), col(PurchaseOrder.po_id).desc()
    )
    if state is not None:
        query = query.where(PurchaseOrder.state == state)
    if limit:
        query = query.limit(limit)
    orders = session.exec(query).all()
    lines = _lines_by_order(session, orders)
    return [_view(order, lines[order.po_id]) for order in orders]


def purchase_order(session: Session, po_id: str) -> PurchaseOrderDetails | None:
    """Read a purchase order with its reasons, shortages, receipts, invoices and rejected facts."""
    order = session.get(PurchaseOrder, po_id)
    if order is None:
        return None
    lines = lines_of(session, po_id)
    shortages = session.exec(
        select(Shortage)
        .where(Shortage.po_id == po_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.promised_at), col(Shortage.shortage_id))
    )
    rejected = select(RejectedMessageRow).where(RejectedMessageRow.subject == po_id)
    return PurchaseOrderDetails(
        **dict(_view(order, lines)),
        reference=order.reference,
        collects_until=order.collects_until,
        acknowledge_by=order.acknowledge_by,
        sent_at=order.sent_at,
        ended_at=order.ended_at,
        ended_reason=order.ended_reason,
        reasons=tuple(_reason(line) for line in lines),
        waiting=tuple(shortage_view(row) for row in shortages),
        receipts=tuple(_receipts(session, order)),
        invoices=tuple(_invoices(session, order)),
        odd_facts=tuple(
            RejectedMessageView.model_validate(row.model_dump())
            for row in session.exec(rejected.order_by(col(RejectedMessageRow.recorded_at)))
        ),
    )


def why_purchase(session: Session, po_id: str) -> Explanation | None:
    """Explain what a purchase order waits for; None if there is none."""
    order = session.get(PurchaseOrder, po_id)
    if order is None:
        return None
    due = {line.sku: units for line in lines_of(session, po_id) if (units := due_units(line))}
    fields = order.model_dump(exclude={"supplier_id"})
    return explain_purchase(OpenPurchase(**fields, supplier=order.supplier_id, due=due))


def receipt_refusal(
    session: Session, fact: GoodsReceived, policy: PurchasingPolicy, now: datetime
) -> str | None:
    """Return why a receipt is rejected, its field first.

    None where it is accepted, was recorded before, or names no known line.
    """
    order = session.get(PurchaseOrder, fact.po_id or "")
    line = session.get(PurchaseOrderLine, (fact.po_id or "", fact.sku or ""))
    if order is None or line is None:
        return None
    if supplier_document_id(session, GoodsReceipt, fact.receipt_id, order)[1] is not None:
        return None
    if fact.occurred_at and fact.occurred_at > now + CLOCK_TOLERANCE:
        return f"occurred_at: {fact.occurred_at:%Y-%m-%d %H:%M} UTC is in the future"
    return receipt_problem(fact, order, line, policy)


def acknowledgement_refusal(
    session: Session, fact: SupplierAcknowledged, today: date
) -> str | None:
    """Return why an acknowledgement is rejected, its field first; None where it is accepted."""
    order = session.get(PurchaseOrder, fact.po_id or "")
    if order is None:
        return None
    if order.state is PurchaseOrderState.PLANNED:
        return f"po_id: {order.po_id} hasn't been sent yet"
    if order.state.is_over or order.state is PurchaseOrderState.RECEIVED:
        return f"po_id: {order.po_id} is {order.state}: nothing more is expected of it"
    dates = {"expected_date": fact.expected_date}
    for number, promised in enumerate(fact.lines or ()):
        dates[f"lines.{number}.expected_date"] = promised.expected_date
    for field, expected in dates.items():
        if expected != unless_passed(expected, today):
            return f"{field}: {expected} has passed"
    if problem := fact.wrong_price(order.currency):
        return problem
    ordered = {line.sku: line.quantity for line in lines_of(session, order.po_id)}
    for number, promised in enumerate(fact.lines or ()):
        if promised.sku not in ordered:
            skus = ", ".join(ordered)
            return f"lines.{number}.sku: {order.po_id} is for {skus}, not for {promised.sku!r}"
        if promised.quantity > ordered[promised.sku]:
            units = ordered[promised.sku]
            return f"lines.{number}.quantity: {units} x {promised.sku} were ordered, no more"
    return None


def _lines_by_order(
    session: Session, orders: Sequence[PurchaseOrder]
) -> dict[str, list[PurchaseOrderLine]]:
    found: dict[str, list[PurchaseOrderLine]] = defaultdict(list)
    for batch in chunks(orders):
        some = [order.po_id for order in batch]
        rows = select(PurchaseOrderLine).where(col(PurchaseOrderLine.po_id).in_(some))
        for row in session.exec(rows.order_by(col(PurchaseOrderLine.sku))):
            found[row.po_id].append(row)
    return found


def _view(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine]) -> PurchaseOrderView:
    goods_minor = sum(line.quantity * line.unit_cost_minor for line in lines)
    return PurchaseOrderView(
        po_id=order.po_id,
        supplier_id=order.supplier_id,
        location=order.location,
        state=order.state,
        currency=order.currency,
        goods=format_amount(goods_minor, order.currency),
        freight=format_amount(order.freight_minor, order.currency),
        expected_date=order.expected_date,
        created_at=order.created_at,
        lines=tuple(
            PurchaseLineView(
                sku=line.sku,
                quantity=line.quantity,
                unit_cost=format_amount(line.unit_cost_minor, order.currency),
                acknowledged_unit_cost=None
                if line.acknowledged_unit_cost_minor is None
                else format_amount(line.acknowledged_unit_cost_minor, order.currency),
                due=due_units(line) if order.state.is_open else 0,
                received=line.received,
                damaged=line.damaged,
                invoiced=line.invoiced,
                expected_date=line.expected_date or order.expected_date,
            )
            for line in lines
        ),
    )


def _reason(line: PurchaseOrderLine) -> ReasonView:
    reason = reason_of(line)
    chosen = reason.comparison.chosen
    return ReasonView(
        **reason.model_dump(exclude={"comparison"}),
        sku=line.sku,
        in_words=reason.in_words(),
        offers=tuple(
            _compared(row, chosen is not None and row.supplier_id == chosen.supplier_id)
            for row in reason.comparison.rows
        ),
    )


def _compared(row: ComparedOffer, chosen: bool) -> ComparedView:
    return ComparedView(
        supplier_id=row.supplier_id,
        from_quantity=row.from_quantity,
        quantity=row.quantity,
        unit_cost=format_amount(row.unit_cost_minor, row.currency),
        landed_cost=format_amount(row.landed_minor, row.currency),
        expected_date=row.expected_date,
        on_time=row.on_time,
        fill_rate_percent=format_percent(row.fill_rate_ppm),
        chosen=chosen,
        why_not=row.why_not,
    )


def _receipts(session: Session, order: PurchaseOrder) -> list[ReceiptView]:
    rows = session.exec(
        select(GoodsReceipt)
        .where(GoodsReceipt.po_id == order.po_id)
        .order_by(col(GoodsReceipt.occurred_at), col(GoodsReceipt.receipt_id))
    )
    return [
        ReceiptView(
            receipt_id=row.receipt_id,
            sku=row.sku,
            quantity=row.quantity,
            damaged=row.damaged,
            value=format_amount(row.value_minor, order.currency),
            occurred_at=row.occurred_at,
        )
        for row in rows
    ]


def _invoices(session: Session, order: PurchaseOrder) -> list[SupplierInvoiceView]:
    rows = session.exec(
        select(SupplierInvoice)
        .where(SupplierInvoice.po_id == order.po_id)
        .order_by(col(SupplierInvoice.recorded_at), col(SupplierInvoice.invoice_id))
    )
    return [
        SupplierInvoiceView(
            invoice_id=row.invoice_id,
            amount=format_amount(row.amount_minor, row.currency),
            difference=format_amount(row.difference_minor, row.currency),
            lines=tuple(row.lines),
            recorded_at=row.recorded_at,
            matched_at=row.matched_at,
        )
        for row in rows
    ]


def purchase_proposals(
    session: Session, state: ProposalState | None = None
) -> list[PurchaseProposalView]:
    """List proposed purchases, the latest first."""
    query = select(PurchaseProposal)
    if state is not None:
        query = query.where(PurchaseProposal.state == state)
    latest = query.order_by(col(PurchaseProposal.proposed_at).desc(), col(PurchaseProposal.sku))
    return [
        PurchaseProposalView(
            **row.model_dump(exclude={"landed_minor"}),
            landed=format_amount(row.landed_minor, row.currency),
        )
        for row in session.exec(latest)
    ]


def offers_view(session: Session, sku: str, today: date) -> OffersView | None:
    """Compare the offers of a SKU, the best for a single unit first; None for an unknown SKU."""
    product = session.get(Product, sku)
    if product is None:
        return None
    currency = get_company(session).currency
    offers = read_offers(session, [sku])
    records = track_records(session, {offer.supplier_id for offer in offers})
    one_unit = Requirement(sku=sku, short=0, restock=1, needed_by=None)
    best = compare_offers(one_unit, offers, records, today, {}).rows
    rank = {row.supplier_id: number for number, row in enumerate(best)}
    offers.sort(key=lambda offer: (rank[offer.supplier_id], offer.from_quantity))
    return OffersView(
        sku=sku,
        name=product.name,
        currency=currency,
        offers=tuple(_offer_views(session, offers, records, today)),
    )


def _offer_views(
    session: Session, offers: list[Offer], records: dict[str, TrackRecord], today: date
) -> list[OfferView]:
    views = []
    for offer in offers:
        one_unit = Requirement(sku=offer.sku, short=0, restock=1, needed_by=None)
        (row,) = compare_offers(one_unit, [offer], records, today, {}).rows
        break_cost = offer.break_unit_cost_minor
        landed_unit_minor = round_half_up(row.landed_minor, row.quantity)
        views.append(
            OfferView(
                supplier_id=row.supplier_id,
                supplier=session.get_one(Supplier, row.supplier_id).name,
                from_quantity=offer.from_quantity,
                unit_cost=format_amount(offer.unit_cost_minor, offer.currency),
                break_quantity=offer.break_quantity,
                break_unit_cost=None
                if break_cost is None
                else format_amount(break_cost, offer.currency),
                freight_cost=format_amount(offer.freight_cost_minor, offer.currency),
                duty_percent=format_percent(offer.duty_ppm),
                minimum_quantity=offer.minimum_quantity,
                pack_size=offer.pack_size,
                lead_time_days=offer.lead_time_days,
                valid_until=offer.valid_until,
                smallest_purchase=row.quantity,
                landed_cost=format_amount(row.landed_minor, offer.currency),
                landed_unit_cost=format_amount(landed_unit_minor, offer.currency),
                why_not=row.why_not,
                track_record=_track_record(records.get(row.supplier_id)),
            )
        )
    return views


def _track_record(record: TrackRecord | None) -> TrackRecordView | None:
    if record is None:
        return None
    rate = record.fill_rate_ppm
    return TrackRecordView(
        purchase_orders=record.orders,
        mean_lead_time_days=record.mean_lead_time_days,
        fill_rate_percent=None if rate is None else format_percent(rate),
    )


def stock_key_of(session: Session, po_id: str, sku: str | None) -> StockKey | None:
    """Return the stock key whose replenishment applies a supplier's fact; None if unknown.

    The key of `sku` where it is on the purchase order, else of its first line.
    """
    order = session.get(PurchaseOrder, po_id)
    skus = [line.sku for line in lines_of(session, po_id)]
    if order is None or not skus:
        return None
    return StockKey(location=order.location, sku=sku if sku and sku in skus else skus[0])
