"""Returns steps: what the workflow of a return calls."""

from sqlmodel import Session, col, select

from activities.billing.exchanges import exchange_lines_of
from activities.database.step import read_step, step
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.order_record.progress import lock_order, save_progress
from models.messages.steps import ReturnStep, SettlementStep
from models.orders import OrderDocument
from models.returns import PendingSettlement, ReturnProgress, ReturnState
from models.tables.orders import Order
from models.tables.returns import ReturnRow, Settlement


@read_step
def read_return_progress(session: Session, step: ReturnStep) -> ReturnProgress:
    """Read the progress of a return, with its pending settlements."""
    row = session.get_one(ReturnRow, step.return_id)
    pending = session.exec(
        select(Settlement)
        .where(Settlement.return_id == step.return_id, col(Settlement.done_at).is_(None))
        .order_by(col(Settlement.settlement_id))
    )
    return ReturnProgress(
        return_id=step.return_id,
        order_id=row.order_id,
        state=row.state,
        expires_at=row.expires_at,
        tracking=row.tracking,
        news_at=row.news_at,
        pending=tuple(PendingSettlement.model_validate(one.model_dump()) for one in pending),
    )


@step
def expire_return(work: UnitOfWork, step: ReturnStep) -> ReturnProgress:
    """Expire an authorised return whose time is over; not one that is in transit or received."""
    found = work.session.get_one(ReturnRow, step.return_id)
    order = lock_order(work, found.order_id)
    row = work.session.get_one(ReturnRow, step.return_id, populate_existing=True)
    is_due = row.expires_at is not None and row.expires_at <= work.now
    if row.state is ReturnState.AUTHORISED and is_due:
        row.state, row.ended_at = ReturnState.EXPIRED, work.now
        record_event(work, order.order_id, "return_expired", step.return_id)
        save_progress(work, order)
    work.session.flush()
    return read_return_progress(work.session, step)


@step
def finish_settlement(work: UnitOfWork, step: SettlementStep) -> None:
    """Record that a settlement's refund was paid, or its exchange order started."""
    row = work.session.get_one(Settlement, step.settlement_id, with_for_update=True)
    row.done_at = row.done_at or work.now


@read_step
def write_exchange(session: Session, step: SettlementStep) -> OrderDocument:
    """Write the order document of an exchange: the returned goods again, at no charge."""
    settlement = session.get_one(Settlement, step.settlement_id)
    row = session.get_one(ReturnRow, settlement.return_id)
    order = session.get_one(Order, row.order_id)
    lines = [
        {"sku": line.sku, "quantity": line.quantity, "unit_price": "0"}
        for line in exchange_lines_of(settlement)
    ]
    return OrderDocument.model_validate(
        {
            "order_id": settlement.exchange_order_id,
            "channel": order.channel,
            "customer": order.customer_id,
            "ship_to": order.ship_to,
            "bill_to": order.bill_to,
            "currency": order.currency,
            "terms": "prepaid",
            "lines": lines,
        }
    )
