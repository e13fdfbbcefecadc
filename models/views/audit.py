"""Views of the audit trail."""

from datetime import datetime

from models.base import Payload


class AuditEntryView(Payload):
    """An entry of an audit trail: see `models.audit`."""

    audit_no: int
    order_id: str
    entry_no: int
    recorded_at: datetime
    event: str
    detail: str
    actor: str
    source: str
    reason: str
    hash: str


class AuditTrailView(Payload):
    """The audit trail of an order; `problems`: where it differs from its chain of hashes."""

    order_id: str
    entries: tuple[AuditEntryView, ...]
    problems: tuple[str, ...] = ()


class AuditAnchorView(Payload):
    """An anchor over the entries from one number to another, both included."""

    anchor_no: int
    from_no: int
    to_no: int
    entries: int
    hash: str
    anchored_at: datetime


class AuditProblem(Payload):
    """A difference that a verification found. `subject`: an order or anchor."""

    subject: str
    message: str


class AuditVerification(Payload):
    """The result of a verification."""

    entries: int
    anchors: int
    problems: tuple[AuditProblem, ...]
