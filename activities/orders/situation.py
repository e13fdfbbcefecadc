"""Reading of what an order waits for, as `models.situation` has it."""

from datetime import date

from sqlmodel import Session, col, select

from activities.billing.refunds import unpaid_refunds
from activities.order_record.open_invoices import invoice_rows, open_by_invoice
from activities.order_record.progress import read_progress
from models.approvals import ProposalState
from models.messages.attention import Attention, OpenAttention
from models.messages.policy import Policy
from models.money import Money
from models.returns import ReturnState
from models.situation import OpenRefund, OpenReturn, Situation, Supply
from models.stock import ShortageState
from models.tables.operations import AttentionRow
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseProposal
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.tables.stock import Shortage

OPEN_RETURNS = tuple(state for state in ReturnState if not state.is_over)


def read_situation(session: Session, order_id: str, policy: Policy) -> Situation | None:
    """Read what an order waits for, apart from what only its workflow knows; None if it isn't
    recorded."""
    order = session.get(Order, order_id)
    if order is None:
        return None
    progress = read_progress(session, order)
    return Situation(
        order_id=order_id,
        progress=progress,
        since=order.stage_since,
        policy=policy,
        attentions=_attentions(session, order),
        supplies=_supplies(session, order_id) if progress.backordered else (),
        carriers=_carriers(session, order_id),
        refunds=_refunds(session, order),
        returns=_returns(session, order_id),
        due_on=_due_on(session, order) if progress.receivable_minor else None,
    )


def order_of(session: Session, subject: str) -> tuple[str, str] | None:
    """Find the order of a shipment or a return, and the state of that part; None: no such part."""
    shipment = session.get(Shipment, subject)
    if shipment is not None:
        return shipment.order_id, shipment.state.value
    row = session.get(ReturnRow, subject)
    return (row.order_id, row.state.value) if row is not None else None


def _attentions(session: Session, order: Order) -> tuple[OpenAttention, ...]:
    query = select(AttentionRow).where(AttentionRow.order_id == order.order_id)
    rows = session.exec(query.order_by(col(AttentionRow.since), col(AttentionRow.source)))
    return tuple(
        OpenAttention(
            attention=Attention(code=row.code, message=row.message, subject=row.subject),
            since=row.since,
            source=row.source,
        )
        for row in rows
    )


def _supplies(session: Session, order_id: str) -> tuple[Supply, ...]:
    """List the units that are short, by purchase order."""
    is_proposed = (
        select(PurchaseProposal.sku)
        .where(
            PurchaseProposal.sku == Shortage.sku,
            PurchaseProposal.location == Shortage.location,
            PurchaseProposal.state == ProposalState.OPEN,
        )
        .exists()
    )
    query = (
        select(Shortage, PurchaseOrder.supplier_id, is_proposed)
        .outerjoin(PurchaseOrder, col(PurchaseOrder.po_id) == Shortage.po_id)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.line_no), col(Shortage.shortage_id))
    )
    return tuple(
        Supply(
            sku=row.sku,
            quantity=row.quantity - row.filled,
            location=row.location,
            po_id=row.po_id,
            supplier=supplier,
            expected_date=row.expected_date,
            is_proposed=proposed and row.po_id is None,
        )
        for row, supplier, proposed in session.exec(query)
    )


def _carriers(session: Session, order_id: str) -> dict[str, str]:
    query = select(Shipment.shipment_id, Shipment.carrier).where(Shipment.order_id == order_id)
    return {shipment_id: carrier for shipment_id, carrier in session.exec(query) if carrier}


def _refunds(session: Session, order: Order) -> tuple[OpenRefund, ...]:
    return tuple(
        OpenRefund(
            number=row.number,
            payment_id=row.payment_id,
            amount=str(Money(amount_minor=row.amount_minor, currency=row.currency)),
            paid_by=row.paid_by,
            state=row.state,
            asked_at=row.asked_at,
        )
        for row in reversed(unpaid_refunds(session, order))
    )


def _returns(session: Session, order_id: str) -> tuple[OpenReturn, ...]:
    query = select(ReturnRow).where(
        ReturnRow.order_id == order_id, col(ReturnRow.state).in_(OPEN_RETURNS)
    )
    return tuple(
        OpenReturn(
            return_id=row.return_id,
            state=row.state,
            since=row.received_at or row.news_at or row.authorised_at or row.requested_at,
            expires_at=row.expires_at,
            news_at=row.news_at,
        )
        for row in session.exec(query.order_by(col(ReturnRow.return_id)))
    )


def _due_on(session: Session, order: Order) -> date | None:
    """Return the due date of the oldest unpaid invoice of an order."""
    open_minor = open_by_invoice(session, order)
    rows = invoice_rows(session, [order.order_id])[order.order_id]
    due = (row.due_on for row in rows if row.due_on is not None and open_minor[row.number])
    return min(due, default=None)
