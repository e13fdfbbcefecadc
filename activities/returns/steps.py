"""Returns: the steps of the workflow that follows one."""

from sqlmodel import Session, col, select

from activities.billing.exchanges import lines_of
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
    """How far the return has come, and what its customer is still to get."""
    return _progress(session, step.return_id)


@step
def expire_return(work: UnitOfWork, step: ReturnStep) -> ReturnProgress:
    """The authorisation has run out, unless the goods have come or are on their way. What came
    of them stays settled."""
    found = work.session.get_one(ReturnRow, step.return_id)
    order = lock_order(work, found.order_id)
    row = work.session.get_one(ReturnRow, step.return_id, populate_existing=True)
    due = row.expires_at is not None and row.expires_at <= work.now
    if row.state is ReturnState.AUTHORISED and due:
        row.state, row.ended_at = ReturnState.EXPIRED, work.now
        record_event(work, order.order_id, "return_expired", step.return_id)
        save_progress(work, order)
    work.session.flush()
    return _progress(work.session, step.return_id)


@step
def finish_settlement(work: UnitOfWork, step: SettlementStep) -> None:
    """The customer has got it."""
    row = work.session.get_one(Settlement, step.settlement_id, with_for_update=True)
    row.done_at = row.done_at or work.now


@read_step
def write_exchange(session: Session, step: SettlementStep) -> OrderDocument:
    """The order that sends returned goods once more, for nothing."""
    return _exchange(session, step.settlement_id)


def _progress(session: Session, return_id: str) -> ReturnProgress:
    row = session.get_one(ReturnRow, return_id)
    pending = session.exec(
        select(Settlement)
        .where(Settlement.return_id == return_id, col(Settlement.done_at).is_(None))
        .order_by(col(Settlement.settlement_id))
    )
    return ReturnProgress(
        return_id=return_id,
        order_id=row.order_id,
        state=row.state,
        expires_at=row.expires_at,
        tracking=row.tracking,
        news_at=row.news_at,
        note=row.note,
        pending=tuple(PendingSettlement.model_validate(one.model_dump()) for one in pending),
    )


def _exchange(session: Session, settlement_id: str) -> OrderDocument:
    settlement = session.get_one(Settlement, settlement_id)
    row = session.get_one(ReturnRow, settlement.return_id)
    order = session.get_one(Order, row.order_id)
    lines = [
        {"sku": line.sku, "quantity": line.quantity, "unit_price": "0"}
        for line in lines_of(settlement)
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
