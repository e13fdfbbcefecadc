"""The feed of events: the audit trail in the order of its numbers, without omissions.

On PostgreSQL a transaction may commit an entry after another one that has a higher number. A reader
that had passed that number would miss it. So only the entries below a mark are read: the highest
number at a moment, once all transactions that ran at that moment have ended.
"""

from typing import NamedTuple

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from models.events import TYPE_PREFIX, Event, Filter, event_of
from models.tables.operations import AuditRow
from models.views.audit import AuditEntryView

_POSTGRESQL_MARK = text(
    "SELECT (SELECT coalesce(max(audit_no), 0) FROM audit_trail),"
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)


class Mark(NamedTuple):
    """The highest number of an entry at a moment, and the transactions that ran then."""

    number: int
    oldest: int
    """All transactions below this one have ended."""
    next: int
    """The first transaction that had not begun."""

    def covers(self, earlier: "Mark") -> bool:
        """Check that all transactions that ran at an earlier mark have ended."""
        return self.oldest >= earlier.next


def read_mark(session: Session) -> Mark:
    """Read a mark. SQLite has one writer at a time: its numbers are in the order of commits."""
    if session.get_bind().dialect.name == "postgresql":
        return Mark(*session.execute(_POSTGRESQL_MARK).one())
    return Mark(session.exec(select(func.max(AuditRow.audit_no))).one() or 0, 0, 0)


def read_events(
    session: Session, after: int, until: int, limit: int, wanted: Filter | None = None
) -> list[Event]:
    """Read at most `limit` events with numbers above `after`, up to and including `until`."""
    query = select(AuditRow).where(col(AuditRow.audit_no).between(after + 1, until))
    if wanted and wanted.order_id is not None:
        query = query.where(AuditRow.order_id == wanted.order_id)
    if wanted and wanted.types:
        names = sorted(each.removeprefix(TYPE_PREFIX) for each in wanted.types)
        query = query.where(col(AuditRow.event).in_(names))
    rows = session.exec(query.order_by(col(AuditRow.audit_no)).limit(limit))
    return [event_of(AuditEntryView.model_validate(row.model_dump())) for row in rows]
