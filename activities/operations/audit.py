"""The audit trail as a whole: read, verified, exported and anchored."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, islice

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from activities.database.chunks import CHUNK, chunks
from models.audit import (
    FIRST,
    Anchor,
    ChainedEntry,
    Entry,
    anchor_hash,
    broken_anchor,
    broken_links,
)
from models.errors import NotFound
from models.findings import AUDIT_FINDING, Difference, audit_difference
from models.tables.operations import AuditAnchor, AuditRow, Finding
from models.tables.orders import Order
from models.views.audit import (
    AuditAnchorView,
    AuditEntryView,
    AuditProblem,
    AuditTrailView,
    AuditVerification,
)

AuditLine = AuditEntryView | AuditAnchorView
"""A line of an export."""
SETTLED_AFTER = timedelta(minutes=10)
"""The age from which no transaction is still about to commit an entry with a lower number."""
ROWS_AT_A_TIME = 1_000
ENTRIES_PER_ANCHOR = 200_000
RECENT_ANCHORS = 31
"""Anchors that are verified each night: those of a month."""
_ANCHOR = "anchor "
_IN_ORDER = select(AuditRow).order_by(col(AuditRow.order_id), col(AuditRow.entry_no))
_ANCHORS = select(AuditAnchor).order_by(col(AuditAnchor.anchor_no))


def trail_of(session: Session, order_id: str) -> AuditTrailView:
    """Read an order's audit trail, and whether its chain is whole. Raises NotFound."""
    rows = session.exec(_IN_ORDER.where(AuditRow.order_id == order_id)).all()
    if not rows and session.get(Order, order_id) is None:
        raise NotFound("order_unknown", f"there is no order {order_id}")
    problems = [
        *broken_links(map(_chained, rows)),
        *(() if rows else ("all entries are missing",)),
    ]
    return AuditTrailView(
        order_id=order_id,
        entries=tuple(AuditEntryView.model_validate(row.model_dump()) for row in rows),
        problems=tuple(problems),
    )


def verify(session: Session) -> AuditVerification:
    """Compare all trails with their chains, all anchors with their entries, and orders with trails.

    Reads the whole table by order and by number, some rows at a time.
    """
    counted = Counter[str]()
    problems = [*_verify_trails(session, counted), *_verify_anchors(session, counted)]
    return AuditVerification(
        entries=counted["entries"], anchors=counted["anchors"], problems=tuple(problems)
    )


def verify_against(session: Session, exported: Iterable[AuditLine]) -> Iterator[AuditProblem]:
    """Compare an export with the tables: each exported entry and anchor must still be there."""
    for kind, lines in groupby(exported, key=type):
        known = _known_entries if kind is AuditEntryView else _known_anchors
        for some in _batches(lines):
            recorded = known(session, some)
            for line in some:
                number, subject, name = _identity(line)
                if number not in recorded:
                    yield AuditProblem(
                        subject=subject, message=f"{name} was exported and is missing"
                    )
                elif recorded[number] != line:
                    yield AuditProblem(subject=subject, message=f"{name} differs from the export")


def export(session: Session, after: int) -> Iterator[AuditLine]:
    """Read all entries with a number above `after`, then all anchors."""
    later = select(AuditRow).where(col(AuditRow.audit_no) > after).order_by(col(AuditRow.audit_no))
    for row in _stream(session, later):
        yield AuditEntryView.model_validate(row.model_dump())
    for anchor in session.exec(_ANCHORS):
        yield AuditAnchorView.model_validate(anchor.model_dump())


def next_anchor(session: Session, now: datetime) -> AuditAnchor | None:
    """Compute the anchor over the entries since the last one; None without entries.

    At most `ENTRIES_PER_ANCHOR`: the next anchor has the rest. Entries younger than
    `SETTLED_AFTER` wait.
    """
    last = session.exec(
        select(AuditAnchor).order_by(col(AuditAnchor.anchor_no).desc()).limit(1)
    ).one_or_none()
    first_no = last.to_no + 1 if last else 1
    new = select(AuditRow.audit_no, AuditRow.hash, AuditRow.recorded_at)
    new = new.where(col(AuditRow.audit_no) >= first_no).order_by(col(AuditRow.audit_no))
    new = new.limit(ENTRIES_PER_ANCHOR).execution_options(yield_per=ROWS_AT_A_TIME)
    last_no, hashes = 0, list[str]()
    for number, chained, recorded_at in session.exec(new):
        if recorded_at > now - SETTLED_AFTER:
            break
        last_no = number or 0
        hashes.append(chained)
    if not hashes:
        return None
    return AuditAnchor(
        anchor_no=last.anchor_no + 1 if last else 1,
        from_no=first_no,
        to_no=last_no,
        entries=len(hashes),
        hash=anchor_hash(last.hash if last else FIRST, first_no, last_no, hashes),
        anchored_at=now,
    )


def verify_recent(session: Session, since: datetime) -> list[Difference]:
    """Verify the latest anchors, and the orders with entries since a moment.

    Orders and anchors with an open finding are verified again until they are as recorded.
    """
    suspects = set(
        session.exec(
            select(Finding.subject).where(
                col(Finding.finding_id).startswith(AUDIT_FINDING), col(Finding.gone_at).is_(None)
            )
        )
    )
    anchored = session.exec(
        select(AuditAnchor.to_no)
        .where(AuditAnchor.anchored_at < since)
        .order_by(col(AuditAnchor.anchor_no).desc())
        .limit(1)
    ).one_or_none()
    recent = select(AuditRow.order_id).distinct().where(col(AuditRow.audit_no) > (anchored or 0))
    order_ids = {*session.exec(recent), *(name for name in suspects if not _is_anchor(name))}
    problems = list(_verify_anchors(session, Counter(), suspects))
    return [
        *_differences(session, sorted(order_ids)),
        *(audit_difference(problem.subject, [problem.message]) for problem in problems),
    ]


def _is_anchor(subject: str) -> bool:
    return subject.startswith(_ANCHOR)


def _differences(session: Session, order_ids: Sequence[str]) -> Iterator[Difference]:
    for some in chunks(order_ids):
        rows = _stream(session, _IN_ORDER.where(col(AuditRow.order_id).in_(some)))
        found = {order_id: ["all entries are missing"] for order_id in some}
        for order_id, trail in groupby(rows, key=lambda row: row.order_id):
            found[order_id] = list(broken_links(map(_chained, trail)))
        for order_id, problems in found.items():
            if problems:
                yield audit_difference(order_id, problems)


def _verify_trails(session: Session, counted: Counter[str]) -> Iterator[AuditProblem]:
    for order_id, rows in groupby(_stream(session, _IN_ORDER), key=lambda row: row.order_id):
        trail = list(rows)
        counted["entries"] += len(trail)
        for text in broken_links(map(_chained, trail)):
            yield AuditProblem(subject=order_id, message=f"{order_id}: {text}")
    without = select(Order.order_id).where(
        ~select(AuditRow.audit_no).where(col(AuditRow.order_id) == col(Order.order_id)).exists()
    )
    for order_id in session.exec(without.order_by(Order.order_id)):
        yield AuditProblem(subject=order_id, message=f"{order_id}: all entries are missing")


def _verify_anchors(
    session: Session, counted: Counter[str], suspects: Collection[str] | None = None
) -> Iterator[AuditProblem]:
    """Verify anchors: all of them, or the latest and `suspects`."""
    rows = session.exec(_ANCHORS).all()
    latest = len(rows) if suspects is None else RECENT_ANCHORS
    previous = None
    for number, row in enumerate(rows):
        anchor = Anchor(**row.model_dump())
        name = f"{_ANCHOR}{anchor.anchor_no}"
        if number < len(rows) - latest and name not in (suspects or ()):
            previous = anchor
            continue
        within = select(AuditRow.hash).where(
            col(AuditRow.audit_no).between(anchor.from_no, anchor.to_no)
        )
        hashes = session.exec(within.order_by(col(AuditRow.audit_no))).all()
        problem = broken_anchor(anchor, previous, hashes)
        if problem is not None:
            yield AuditProblem(subject=name, message=problem)
        previous = anchor
        counted["anchors"] += 1


def _batches(lines: Iterable[AuditLine]) -> Iterator[list[AuditLine]]:
    """Cut lines into parts for one statement each."""
    lines = iter(lines)
    while some := list(islice(lines, CHUNK)):
        yield some


def _known_entries(session: Session, lines: Sequence[AuditLine]) -> dict[int, AuditLine]:
    numbers = [_identity(line)[0] for line in lines]
    rows = session.exec(select(AuditRow).where(col(AuditRow.audit_no).in_(numbers)))
    return {row.audit_no or 0: AuditEntryView.model_validate(row.model_dump()) for row in rows}


def _known_anchors(session: Session, lines: Sequence[AuditLine]) -> dict[int, AuditLine]:
    numbers = [_identity(line)[0] for line in lines]
    rows = session.exec(select(AuditAnchor).where(col(AuditAnchor.anchor_no).in_(numbers)))
    return {row.anchor_no: AuditAnchorView.model_validate(row.model_dump()) for row in rows}


def _identity(line: AuditLine) -> tuple[int, str, str]:
    """Return the number of an exported line, its subject and its name."""
    if isinstance(line, AuditAnchorView):
        return line.anchor_no, f"anchor {line.anchor_no}", f"anchor {line.anchor_no}"
    return line.audit_no, line.order_id, f"{line.order_id}: entry {line.entry_no} ({line.event})"


def _chained(row: AuditRow) -> ChainedEntry:
    return ChainedEntry(
        audit_no=row.audit_no or 0,
        entry=Entry(**row.model_dump(include=set(Entry._fields))),
        hash=row.hash,
    )


def _stream(session: Session, query: SelectOfScalar[AuditRow]) -> Iterator[AuditRow]:
    """Read rows, some at a time, without keeping them in memory."""
    for row in session.exec(query.execution_options(yield_per=ROWS_AT_A_TIME)):
        yield row
        session.expunge(row)
