"""The numbers of operation: open orders by stage, attentions by code, what needs an operator."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, SQLModel, col, select

from models.approvals import ProposalState
from models.messages.facts import FACT_TYPES
from models.progress import FINAL_STAGES, Stage
from models.tables.operations import AttentionRow, Finding, RejectedMessageRow
from models.tables.orders import Order
from models.tables.purchasing import PurchaseProposal

FACTS = tuple(name.replace(".", "_") for name in FACT_TYPES)
"""The kinds of rejected messages that are always counted, so that the first one is an increase."""
OPEN_STAGES = tuple(stage for stage in Stage if stage not in FINAL_STAGES)


class Numbers(NamedTuple):
    """The numbers of operation at one moment. Open means: neither completed nor cancelled."""

    orders: dict[str, int]
    """Open orders, by stage: all stages."""
    oldest_in_stage: dict[str, datetime]
    """When the oldest open order of a stage entered it."""
    attentions: dict[str, int]
    """Orders in attention, by code."""
    oldest_attention: dict[str, datetime]
    """Since when the oldest attention of a code waits."""
    proposals: int
    """Purchases that wait for approval."""
    findings: int
    """Open findings of reconciliation."""
    rejected: dict[str, int]
    """Messages that no step could apply, of all time, by kind: all kinds of facts."""


def read_numbers(session: Session) -> Numbers:
    """Read the numbers: the cost grows with open orders and with what waits, not with all rows."""
    staged = session.exec(
        select(Order.stage, func.count(), func.min(Order.stage_since))
        .where(col(Order.stage).in_(OPEN_STAGES))
        .group_by(col(Order.stage))
    ).all()
    attended = session.exec(
        select(Order.attention_code, func.count())
        .where(col(Order.attention_code).is_not(None))
        .group_by(col(Order.attention_code))
    )
    since = session.exec(
        select(AttentionRow.code, func.min(AttentionRow.since)).group_by(AttentionRow.code)
    )
    rejected = session.exec(
        select(RejectedMessageRow.name, func.count()).group_by(RejectedMessageRow.name)
    )
    return Numbers(
        orders=dict.fromkeys(OPEN_STAGES, 0) | {stage: count for stage, count, _ in staged},
        oldest_in_stage={stage: entered for stage, _, entered in staged},
        attentions={code: count for code, count in attended if code is not None},
        oldest_attention=dict(since.all()),
        proposals=_count(
            session, PurchaseProposal, col(PurchaseProposal.state) == ProposalState.OPEN
        ),
        findings=_count(session, Finding, col(Finding.gone_at).is_(None)),
        rejected=dict.fromkeys(FACTS, 0) | dict(rejected.all()),
    )


def _count(session: Session, table: type[SQLModel], which: ColumnElement[bool]) -> int:
    """Count rows."""
    return session.exec(select(func.count()).select_from(table).where(which)).one()
