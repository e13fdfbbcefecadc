"""The audit trail: who did what, and each change of a recorded entry is found."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlmodel import col, select

from activities.database.engine import Database, with_driver
from activities.database.unit_of_work import UnitOfWork
from activities.operations import audit
from activities.order_record.audit import record_event
from activities.order_record.findings import record_findings
from models.audit import CLI, Anchor, Entry, Origin, anchor_hash, entry_hash
from models.errors import NotFound
from models.tables.operations import AuditAnchor, AuditRow
from models.views.audit import AuditAnchorView, AuditEntryView
from tests.conftest import DATABASES, new_database
from tests.support.database.rules import RULES

NOW = datetime(2026, 7, 6, 12, 30, 15, 250, tzinfo=UTC)
ANN = Origin(actor="ann", source=CLI, reason="the customer called")
ORDERS = ("O-1", "O-2", "O-3")
EVENTS = ("recorded", "allocated", "payment_received", "invoiced", "booked")


class Clock:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock of its own."""
    return Clock()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Database]:
    """A database with three trails of five entries, anchored twice, and one entry after that."""
    database = Database(new_database(request.param, request, tmp_path), RULES, clock)
    for event in EVENTS:
        for order_id in ORDERS:
            database.transaction(lambda work, o=order_id, e=event: write(work, o, e))  # type: ignore[misc]
        if event in {"payment_received", "booked"}:
            anchor(database, clock.now + timedelta(hours=1))
    clock.now += timedelta(hours=2)
    database.transaction(lambda work: write(work, "O-1", "delivered", ANN))
    yield database
    database.close()


def write(work: UnitOfWork, order_id: str, event: str, origin: Origin | None = None) -> None:
    """Record an event of an order."""
    if origin is not None:
        work.origin = origin
    record_event(work, order_id, event, f"{event} of {order_id}")


def anchor(database: Database, now: datetime) -> None:
    """Anchor what was recorded before `now`."""
    assert database.read(lambda session: audit.verify_recent(session, now)) == []
    found = database.read(lambda session: audit.next_anchor(session, now))
    assert found is not None
    database.transaction(lambda work: work.insert_new(AuditAnchor, **found.model_dump()))


def tamper(
    database: Database, change: Callable[[Connection], object], is_open: bool = False
) -> None:
    """Change the tables as the owner of the database can, without triggers.

    `is_open`: the triggers are dropped already.
    """
    engine = create_engine(with_driver(database.url))
    with engine.begin() as connection:
        for table in () if is_open else ("audit_trail", "audit_anchors"):
            for kind in ("update", "delete"):
                on = f" ON {table}" if engine.dialect.name == "postgresql" else ""
                connection.execute(text(f"DROP TRIGGER {table}_{kind}{on}"))
        change(connection)
    engine.dispose()


def statement(sql: str) -> Callable[[Connection], object]:
    """Return the change that executes a statement."""
    return lambda connection: connection.execute(text(sql))


def rehashed(sql: str, order_id: str) -> Callable[[Connection], object]:
    """Return the change that executes a statement and computes the order's hashes anew."""

    def change(connection: Connection) -> None:
        connection.execute(text(sql))
        columns = ", ".join(("audit_no", *Entry._fields))
        query = f"SELECT {columns} FROM audit_trail WHERE order_id = '{order_id}' ORDER BY entry_no"
        previous = ""
        for audit_no, *content in connection.execute(text(query)).all():
            entry = Entry(*content)
            if isinstance(entry.recorded_at, str):
                entry = entry._replace(recorded_at=datetime.fromisoformat(entry.recorded_at))
            if entry.recorded_at.tzinfo is None:
                entry = entry._replace(recorded_at=entry.recorded_at.replace(tzinfo=UTC))
            previous = entry_hash(entry, previous)
            update = "UPDATE audit_trail SET hash = :hash WHERE audit_no = :audit_no"
            connection.execute(text(update), {"hash": previous, "audit_no": audit_no})

    return change


INSERT = (
    "INSERT INTO audit_trail (audit_no, order_id, entry_no, event, detail, actor, source, reason, "
    "recorded_at, hash) SELECT {number}, order_id, {entry_no}, 'refunded', detail, actor, source, "
    "reason, recorded_at, hash FROM audit_trail WHERE order_id = 'O-2' AND entry_no = {copied}"
)
SWAP = (
    "UPDATE audit_trail SET detail = CASE entry_no WHEN 2 THEN 'invoiced of O-2' ELSE 'allocated "
    "of O-2' END WHERE order_id = 'O-2' AND entry_no IN (2, 4)"
)
OF_O2 = "WHERE order_id = 'O-2' AND entry_no"
TAMPERINGS = {
    "detail of the first entry": statement(f"UPDATE audit_trail SET detail = 'x' {OF_O2} = 1"),
    "detail in the middle": statement(f"UPDATE audit_trail SET detail = 'x' {OF_O2} = 3"),
    "detail of the last entry": statement(f"UPDATE audit_trail SET detail = 'x' {OF_O2} = 5"),
    "event": statement(f"UPDATE audit_trail SET event = 'x' {OF_O2} = 2"),
    "actor": statement(f"UPDATE audit_trail SET actor = 'bob' {OF_O2} = 2"),
    "source": statement(f"UPDATE audit_trail SET source = 'api' {OF_O2} = 2"),
    "reason": statement(f"UPDATE audit_trail SET reason = 'x' {OF_O2} = 2"),
    "time": statement(
        "UPDATE audit_trail SET recorded_at = '2026-07-06 12:30:15.000251+00:00' " + OF_O2 + " = 2"
    ),
    "hash": statement(f"UPDATE audit_trail SET hash = '{'0' * 64}' {OF_O2} = 5"),
    "details of two entries exchanged": statement(SWAP),
    "entry moved to another order": statement(
        f"UPDATE audit_trail SET order_id = 'O-9', entry_no = 1 {OF_O2} = 5"
    ),
    "first entry deleted": statement(f"DELETE FROM audit_trail {OF_O2} = 1"),
    "entry in the middle deleted": statement(f"DELETE FROM audit_trail {OF_O2} = 3"),
    "last entry deleted": statement(f"DELETE FROM audit_trail {OF_O2} = 5"),
    "trail deleted": statement("DELETE FROM audit_trail WHERE order_id = 'O-2'"),
    "entry inserted at the end": statement(INSERT.format(number=90, entry_no=6, copied=5)),
    "entry inserted with a gap": statement(INSERT.format(number=90, entry_no=9, copied=5)),
    "entries renumbered": statement(f"UPDATE audit_trail SET entry_no = 7 {OF_O2} = 5"),
    "entry inserted in the middle, later ones renumbered": lambda connection: [
        connection.execute(text(sql))
        for sql in (
            "UPDATE audit_trail SET entry_no = entry_no + 100 WHERE order_id = 'O-2' "
            "AND entry_no > 2",
            INSERT.format(number=90, entry_no=3, copied=2),
            "UPDATE audit_trail SET entry_no = entry_no - 99 WHERE order_id = 'O-2' "
            "AND entry_no > 100",
        )
    ],
    "entry deleted, later ones renumbered and hashes computed anew": rehashed(
        f"DELETE FROM audit_trail {OF_O2} = 5", "O-2"
    ),
    "numbers of two entries exchanged": lambda connection: [
        connection.execute(text(f"UPDATE audit_trail SET entry_no = {to} {OF_O2} = {no}"))
        for no, to in ((2, 99), (4, 2), (99, 4))
    ],
    "entry changed, hashes computed anew": rehashed(
        f"UPDATE audit_trail SET detail = 'x' {OF_O2} = 2", "O-2"
    ),
    "end of the trail deleted, hashes computed anew": rehashed(
        f"DELETE FROM audit_trail {OF_O2} > 2", "O-2"
    ),
    "anchor changed": statement(
        f"UPDATE audit_anchors SET hash = '{'0' * 64}' WHERE anchor_no = 2"
    ),
    "anchor of fewer entries": statement(
        "UPDATE audit_anchors SET entries = 1 WHERE anchor_no = 1"
    ),
    "time of an anchor's period": statement(
        "UPDATE audit_anchors SET to_no = to_no - 1 WHERE anchor_no = 2"
    ),
    "anchor inserted": statement(
        "INSERT INTO audit_anchors SELECT anchor_no + 1, from_no, to_no, entries, hash, anchored_at "
        "FROM audit_anchors WHERE anchor_no = 2"
    ),
    "first anchor deleted": statement("DELETE FROM audit_anchors WHERE anchor_no = 1"),
}


def test_recorded_trail_is_whole(database: Database) -> None:
    """Numbered without gaps, each entry with its origin."""
    found = database.read(audit.verify)
    assert (found.entries, found.anchors, found.problems) == (16, 2, ())
    trail = database.read(lambda session: audit.trail_of(session, "O-1"))
    assert [entry.entry_no for entry in trail.entries] == [1, 2, 3, 4, 5, 6]
    assert [entry.actor for entry in trail.entries] == [*["pipeline"] * 5, "ann"]
    assert trail.entries[-1].reason == "the customer called"
    assert trail.problems == ()


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_found(database: Database, name: str) -> None:
    """With the order or anchor that it concerns, and nothing said of the others."""
    tamper(database, TAMPERINGS[name])
    found = database.read(audit.verify)
    assert found.problems, name
    assert {problem.subject for problem in found.problems} <= {
        "O-2",
        "O-9",
        "anchor 1",
        "anchor 2",
        "anchor 3",
    }


@pytest.mark.parametrize("name", ["last anchor and all that it covers"])
def test_export_proves_what_no_hash_in_the_tables_can(database: Database, name: str) -> None:
    """Someone changes an entry, and computes all hashes and anchors anew."""
    exported = [
        line.model_dump_json() for line in database.read(lambda s: list(audit.export(s, 0)))
    ]

    def change(connection: Connection) -> None:
        rehashed(f"UPDATE audit_trail SET detail = '{name}' {OF_O2} = 5", "O-2")(connection)
        hashes = "SELECT hash FROM audit_trail WHERE audit_no BETWEEN {} AND {} ORDER BY audit_no"
        previous = ""
        query = "SELECT anchor_no, from_no, to_no FROM audit_anchors ORDER BY anchor_no"
        for anchor_no, first, last in connection.execute(text(query)).all():
            within = connection.execute(text(hashes.format(first, last))).scalars()
            previous = anchor_hash(previous, first, last, within)
            update = f"UPDATE audit_anchors SET hash = '{previous}' WHERE anchor_no = {anchor_no}"
            connection.execute(text(update))

    tamper(database, change)
    assert database.read(audit.verify).problems == ()
    lines = [
        (AuditAnchorView if '"anchor_no"' in line else AuditEntryView).model_validate_json(line)
        for line in exported
    ]
    differs = database.read(lambda session: list(audit.verify_against(session, lines)))
    assert [problem.subject for problem in differs] == ["O-2", "anchor 2"]


def test_export_continues_after_a_number(database: Database) -> None:
    """Each entry once, in the order of the numbers; all anchors with each export."""
    whole = database.read(lambda session: list(audit.export(session, 0)))
    rest = database.read(lambda session: list(audit.export(session, 10)))
    entries = [line.audit_no for line in whole if isinstance(line, AuditEntryView)]
    assert entries == sorted(entries)
    assert len(entries) == 16
    assert rest == whole[entries.index(11) :]
    assert all(json.loads(line.model_dump_json()) for line in whole)


def test_entries_that_may_still_be_joined_by_earlier_ones_are_not_anchored(
    database: Database, clock: Clock
) -> None:
    """A transaction in progress may commit a lower number."""
    soon = clock.now + audit.SETTLED_AFTER - timedelta(seconds=1)
    assert database.read(lambda session: audit.next_anchor(session, soon)) is None
    anchor(database, clock.now + audit.SETTLED_AFTER)
    rows = database.read(
        lambda s: [
            Anchor(**row.model_dump())
            for row in s.exec(select(AuditAnchor).order_by(col(AuditAnchor.anchor_no)))
        ]
    )
    assert [(row.from_no, row.to_no, row.entries) for row in rows] == [
        (1, 9, 9),
        (10, 15, 6),
        (16, 16, 1),
    ]


def test_changed_trail_is_a_finding_until_it_is_as_recorded(
    database: Database, clock: Clock
) -> None:
    """Of an order with new entries from its first one; and of an anchor over deleted entries."""
    much_later = clock.now + timedelta(days=9)

    def change_to(detail: str) -> None:
        where = "WHERE order_id = 'O-1' AND entry_no = 2"
        change = statement(f"UPDATE audit_trail SET detail = '{detail}' {where}")
        tamper(database, change, is_open=detail != "x")

    def found(since: datetime) -> list[str]:
        differences = database.read(lambda session: audit.verify_recent(session, since))
        database.transaction(lambda work: record_findings(work, differences, work.now))
        return [difference.finding_id for difference in differences]

    change_to("x")
    assert found(clock.now - timedelta(minutes=30)) == ["audit:O-1"]
    assert found(much_later) == ["audit:O-1"]  # without new entries
    change_to("allocated of O-1")
    assert found(much_later) == []
    tamper(database, TAMPERINGS["last entry deleted"], is_open=True)
    assert found(much_later) == ["audit:anchor 2"]


def test_entries_of_concurrent_transactions_follow_each_other(
    database: Database,
) -> None:
    """Of two that read the same end of a trail, the second is run again and follows the first."""
    attempts = 0

    def change(work: UnitOfWork) -> None:
        nonlocal attempts
        attempts += 1
        write(work, "O-3", "mailed")
        if attempts == 1 and database.url.startswith("postgresql"):
            database.transaction(lambda other: write(other, "O-3", "tracked"))

    database.transaction(change)
    trail = database.read(lambda session: audit.trail_of(session, "O-3"))
    assert trail.problems == ()
    events = [entry.event for entry in trail.entries[5:]]
    assert events == (["tracked", "mailed"] if attempts > 1 else ["mailed"])


def test_entries_undone_with_a_savepoint_leave_no_gap(database: Database) -> None:
    """A refused command records nothing; what is recorded after it follows."""

    def change(work: UnitOfWork) -> None:
        with pytest.raises(ValueError, match="refused"), work.savepoint():
            write(work, "O-1", "given_up")
            raise ValueError("refused")
        write(work, "O-1", "mailed")

    database.transaction(change)
    trail = database.read(lambda session: audit.trail_of(session, "O-1"))
    assert trail.problems == ()
    assert [entry.event for entry in trail.entries[6:]] == ["mailed"]


def test_trail_of_an_unknown_order_is_not_found(database: Database) -> None:
    """Instead of an empty trail."""
    with pytest.raises(NotFound, match="O-99"):
        database.read(lambda session: audit.trail_of(session, "O-99"))
    rows = database.read(lambda s: s.exec(select(AuditRow.audit_no)).all())
    assert len(rows) == 16
