"""Findings: problems that are shown to an operator until they are gone."""

from collections.abc import Sequence
from datetime import datetime

from activities.database.unit_of_work import UnitOfWork
from models.findings import Difference
from models.tables.operations import Finding


def record_findings(work: UnitOfWork, differences: Sequence[Difference], seen_at: datetime) -> None:
    """Record each difference once; reopen a closed finding."""
    for difference in differences:
        row = work.session.get(Finding, difference.finding_id)
        if row is None:
            row = Finding(**difference.model_dump(), found_at=seen_at, last_seen_at=seen_at)
            work.session.add(row)
        row.message, row.gone_at = difference.message, None
        row.last_seen_at = max(row.last_seen_at, seen_at)
