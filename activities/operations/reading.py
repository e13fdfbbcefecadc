"""Reading of what needs an operator: background workflows, findings, rejected messages."""

from sqlmodel import Session, col, select

from activities.order_record.progress import read_progress
from activities.orders.retries import retry_id
from models.messages.commands.results import follow_up_workflow_id, refund_workflow_id
from models.messages.steps import ReturnStep
from models.progress import Stage
from models.tables.billing import Refund
from models.tables.operations import (
    AttentionRow,
    CommandRow,
    FactRow,
    Finding,
    RejectedMessageRow,
)
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import Shipment
from models.views.operations import FindingView, RejectedMessageView


def background_workflows(session: Session, order_id: str) -> list[str]:
    """Read the ids of the workflows, except its own, that may wait for an operator about an order.

    These are workflows with an attention, and those of its refunds, recalls, returns and, once
    it is cancelled, payments.
    """
    attended = select(AttentionRow.source).where(
        AttentionRow.order_id == order_id, AttentionRow.source != ""
    )
    refunds = select(Refund.refund_key).where(Refund.order_id == order_id)
    returns = select(ReturnRow.return_id).where(ReturnRow.order_id == order_id)
    recalled = select(Shipment.called_back_by).where(Shipment.order_id == order_id)
    workflow_ids = [
        *session.exec(attended.order_by(col(AttentionRow.since))),
        *(refund_workflow_id(key) for key in session.exec(refunds.order_by(Refund.refund_key))),
        *(follow_up_workflow_id(command_id) for command_id in session.exec(recalled) if command_id),
        *(
            ReturnStep(return_id=return_id).workflow_id
            for return_id in session.exec(returns.order_by(ReturnRow.return_id))
        ),
    ]
    order = session.get(Order, order_id)
    if order is not None and order.stage is Stage.CANCELLED:
        facts = (
            select(FactRow.source, FactRow.fact_id)
            .where(FactRow.order_id == order_id, FactRow.type == "payment.received")
            .order_by(col(FactRow.fact_no))
        )
        workflow_ids += (f"fact-{source}-{fact_id}" for source, fact_id in session.exec(facts))
    return list(dict.fromkeys(workflow_ids))


def refund_workflows(session: Session, refund_key: str) -> list[str]:
    """Read the ids of the workflows, except its order's, that may wait for a refund."""
    order_id = session.get_one(Refund, refund_key).order_id
    if order_id is None:
        return [refund_workflow_id(refund_key)]
    return background_workflows(session, order_id)


def needs_acknowledgement(session: Session, order_id: str) -> bool:
    """Return whether an order has a problem that is not acknowledged."""
    order = session.get(Order, order_id)
    if order is None:
        return False
    progress = read_progress(session, order)
    return bool(progress.money_problem or progress.goods_problem)


def acknowledgement_id(key: str) -> str:
    """Return the id of the command with which a retry acknowledges problems."""
    return f"seen-{key}"


def messages_of_retry(session: Session, order_id: str, key: str) -> list[str]:
    """Read what a retry under this key has done: its acknowledgement, and its recorded updates."""
    workflow_ids = [f"order-{order_id}", *background_workflows(session, order_id)]
    command_ids = [
        acknowledgement_id(key),
        *(retry_id(workflow_id, key) for workflow_id in workflow_ids),
    ]
    query = select(CommandRow.outcome).where(col(CommandRow.command_id).in_(command_ids))
    outcomes = session.exec(query.order_by(col(CommandRow.recorded_at)))
    return [str(outcome["message"]) for outcome in outcomes]


def rejected_messages(session: Session, limit: int) -> list[RejectedMessageView]:
    """Read rejected messages, the latest first; `limit` 0 means all."""
    query = select(RejectedMessageRow).order_by(col(RejectedMessageRow.recorded_at).desc())
    rows = session.exec(query.limit(limit) if limit else query)
    return [RejectedMessageView.model_validate(row.model_dump()) for row in rows]


def findings(session: Session, gone: bool = False) -> list[FindingView]:
    """Read the findings of reconciliation; `gone`: also resolved ones."""
    query = select(Finding).order_by(col(Finding.found_at), col(Finding.finding_id))
    if not gone:
        query = query.where(col(Finding.gone_at).is_(None))
    return [FindingView.model_validate(row.model_dump()) for row in session.exec(query)]
