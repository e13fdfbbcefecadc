"""Bulks: the selection of their orders, and their outcomes, recorded once for each order."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, literal, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from activities.database.company import start_of
from activities.database.unit_of_work import UnitOfWork, table_of
from activities.operations.metrics import OPEN_STAGES
from models.messages.bulk import PAGE, BulkRequest, BulkState, Outcome
from models.progress import Stage
from models.selection import NONE, Condition, Field
from models.tables.operations import AttentionRow, BulkOutcome, BulkRun
from models.tables.orders import Order
from models.views.bulk import BulkOutcomeView, BulkView

_COLUMNS = {
    Field.STAGE: col(Order.stage),
    Field.CHANNEL: col(Order.channel),
    Field.TERMS: col(Order.terms),
    Field.CUSTOMER: col(Order.customer_id),
    Field.LOCATION: col(Order.location),
    Field.PLACED: col(Order.placed_at),
    Field.ENTERED: col(Order.stage_since),
}


def matching_orders(session: Session, conditions: Sequence[Condition], limit: int) -> list[str]:
    """Read the ids of the first orders that satisfy all conditions, in their order.

    Completed and cancelled orders are selected by a condition on the stage only.
    """
    query = select(Order.order_id).where(*_satisfy(session, conditions))
    return list(session.exec(query.order_by(Order.order_id).limit(limit)))


def count_orders(session: Session, conditions: Sequence[Condition]) -> int:
    """Count the orders that satisfy all conditions."""
    query = select(func.count()).select_from(Order)
    return session.exec(query.where(*_satisfy(session, conditions))).one()


def start_bulk(work: UnitOfWork, request: BulkRequest) -> None:
    """Record a bulk once, with the orders that satisfy its conditions now."""
    is_new = work.insert_new(
        BulkRun,
        **request.model_dump(include={"bulk_id", "where", "reason", "actor", "source"}),
        action=request.action.value,
        expected=count_orders(work.session, request.conditions),
        state=BulkState.RUNNING.value,
        started_at=work.now,
    )
    if not is_new:
        return
    table = table_of(BulkOutcome)
    selected = select_columns(
        literal(request.bulk_id),
        col(Order.order_id),
        literal(Outcome.WAITING.value),
        literal(""),
        literal(work.now, type_=table.c.recorded_at.type),
    ).where(*_satisfy(work.session, request.conditions))
    columns = ("bulk_id", "order_id", "outcome", "message", "recorded_at")
    work.session.connection().execute(table.insert().from_select(columns, selected))


def next_orders(session: Session, request: BulkRequest, after: str) -> list[str]:
    """Read the next orders of a bulk: selected at its start, and still matching."""
    query = (
        select(Order.order_id)
        .join(BulkOutcome, col(BulkOutcome.order_id) == col(Order.order_id))
        .where(
            BulkOutcome.bulk_id == request.bulk_id,
            BulkOutcome.outcome == Outcome.WAITING,
            BulkOutcome.order_id > after,
            *_satisfy(session, request.conditions),
        )
    )
    return list(session.exec(query.order_by(Order.order_id).limit(PAGE)))


def record_outcome(
    work: UnitOfWork, bulk_id: str, order_id: str, outcome: Outcome, message: str
) -> None:
    """Record the outcome for an order once."""
    row = work.session.get_one(BulkOutcome, (bulk_id, order_id))
    if row.outcome == Outcome.WAITING:
        row.outcome, row.message, row.recorded_at = outcome.value, message, work.now


def outcomes_of(session: Session, bulk_id: str, order_ids: Sequence[str]) -> dict[str, Outcome]:
    """Read the outcomes that are recorded for some orders."""
    rows = session.exec(
        select(BulkOutcome).where(
            BulkOutcome.bulk_id == bulk_id,
            col(BulkOutcome.order_id).in_(order_ids),
            BulkOutcome.outcome != Outcome.WAITING,
        )
    )
    return {row.order_id: Outcome(row.outcome) for row in rows}


def finish_bulk(work: UnitOfWork, bulk_id: str, state: BulkState) -> None:
    """Record the end of a bulk, and the orders that it left out."""
    row = work.session.get_one(BulkRun, bulk_id)
    if row.ended_at is not None:
        return
    row.state, row.ended_at = state.value, work.now
    table = table_of(BulkOutcome)
    why = "the bulk was stopped" if state is BulkState.STOPPED else "it did not match any more"
    work.session.connection().execute(
        table.update()
        .where(table.c.bulk_id == bulk_id, table.c.outcome == Outcome.WAITING.value)
        .values(outcome=Outcome.SKIPPED.value, message=why, recorded_at=work.now)
    )


def bulk_view(session: Session, bulk_id: str) -> BulkView | None:
    """Read a bulk with the number of its outcomes; None if there is none."""
    row = session.get(BulkRun, bulk_id)
    return _view(session, row) if row is not None else None


def list_bulks(session: Session, limit: int) -> list[BulkView]:
    """Read bulks, the latest first; `limit` 0 means all."""
    query = select(BulkRun).order_by(col(BulkRun.started_at).desc())
    rows = session.exec(query.limit(limit) if limit else query).all()
    return [_view(session, row) for row in rows]


def bulk_outcomes(
    session: Session,
    bulk_id: str,
    outcome: Outcome | None = None,
    after: str = "",
    limit: int = 0,
) -> list[BulkOutcomeView]:
    """Read the outcomes of a bulk by order id, those above `after`; `limit` 0 means all."""
    query = select(BulkOutcome).where(
        BulkOutcome.bulk_id == bulk_id,
        BulkOutcome.order_id > after,
        BulkOutcome.outcome != Outcome.WAITING,
    )
    if outcome is not None:
        query = query.where(BulkOutcome.outcome == outcome)
    query = query.order_by(BulkOutcome.order_id)
    rows = session.exec(query.limit(limit) if limit else query)
    return [BulkOutcomeView.model_validate(row.model_dump()) for row in rows]


def _view(session: Session, row: BulkRun) -> BulkView:
    counts = dict(
        session.exec(
            select(BulkOutcome.outcome, func.count())
            .where(BulkOutcome.bulk_id == row.bulk_id)
            .group_by(BulkOutcome.outcome)
        ).all()
    )
    return BulkView(
        **row.model_dump(), **{outcome.value: counts.get(outcome, 0) for outcome in Outcome}
    )


def _satisfy(session: Session, conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    """Build the conditions of a statement."""
    found = [_clause(session, condition) for condition in conditions]
    if all(condition.field is not Field.STAGE for condition in conditions):
        found.append(col(Order.stage).in_(OPEN_STAGES))
    return found


def _clause(session: Session, condition: Condition) -> ColumnElement[bool]:
    if condition.field in (Field.PLACED, Field.ENTERED):
        return _on_days(session, condition)
    if condition.field is Field.ATTENTION:
        clause = _with_attention(condition.values)
    elif condition.field is Field.STAGE:
        clause = col(Order.stage).in_([Stage(value) for value in condition.values])
    else:
        clause = _COLUMNS[condition.field].in_(condition.values)
    if condition.operator != "not in":
        return clause
    # an order without a location is at none of those named
    return (
        or_(col(Order.location).is_(None), ~clause)
        if condition.field is Field.LOCATION
        else ~clause
    )


def _with_attention(codes: Sequence[str]) -> ColumnElement[bool]:
    """Build the condition that an order has an attention of these codes, shown or not."""
    of_workflow = select(AttentionRow.order_id).where(
        col(AttentionRow.order_id) == col(Order.order_id), col(AttentionRow.code).in_(codes)
    )
    shown = col(Order.attention_code).is_not(None) & col(Order.attention_code).in_(codes)
    found = or_(shown, of_workflow.exists())
    return or_(col(Order.attention_code).is_(None), found) if NONE in codes else found


def _on_days(session: Session, condition: Condition) -> ColumnElement[bool]:
    """Build a condition on the day of a moment at the company."""
    moment = _COLUMNS[condition.field]
    bounds = [
        (start_of(session, day), start_of(session, day + timedelta(days=1)))
        for day in condition.days
    ]
    start, end = bounds[0]
    match condition.operator:
        case "<":
            return moment < start
        case "<=":
            return moment < end
        case ">":
            return moment >= end
        case ">=":
            return moment >= start
    within = or_(*((moment >= first) & (moment < last) for first, last in bounds))
    return ~within if condition.operator == "not in" else within
