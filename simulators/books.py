"""The partners' own books: one SQLite file, so that a restart loses nothing."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from simulators import clock
from simulators.contract import Data, Partner

TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    n INTEGER PRIMARY KEY, partner TEXT NOT NULL, operation TEXT NOT NULL,
    key TEXT, body TEXT NOT NULL, received_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    n INTEGER PRIMARY KEY, partner TEXT NOT NULL, operation TEXT NOT NULL,
    key TEXT NOT NULL, body TEXT NOT NULL, status INTEGER NOT NULL, answer TEXT NOT NULL,
    subject TEXT NOT NULL, state TEXT, answered_at TEXT NOT NULL, UNIQUE (partner, key));
CREATE INDEX IF NOT EXISTS requests_subject ON requests (partner, subject);
CREATE TABLE IF NOT EXISTS callbacks (
    webhook_id TEXT PRIMARY KEY, partner TEXT NOT NULL, path TEXT NOT NULL, type TEXT NOT NULL,
    body TEXT NOT NULL, subject TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
    due_at TEXT NOT NULL, delivered_at TEXT, attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS callbacks_due ON callbacks (due_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS callbacks_subject ON callbacks (partner, subject, position);
"""

# What a callback, once sent, makes of the request it is about.
CONSEQUENCES = {
    "payment.received": ("request", "paid"),
    "payment.authorised": ("request", "authorised"),
    "purchase_order.acknowledged": ("purchase_order", "acknowledged"),
    "purchase_order.shipped": ("purchase_order", "shipped"),
    "goods.received": ("purchase_order", "shipped"),
    "purchase_order.invoiced": ("purchase_order", "invoiced"),
    "shipment.dispatched": ("booking", "picked_up"),
    "shipment.delivered": ("booking", "delivered"),
}


JSON_COLUMNS = {"body", "answer"}


@dataclass(frozen=True)
class Answered:
    """The first answer under a key, and what it was an answer to."""

    operation: str
    body: str
    status: int
    answer: JsonValue


@dataclass(frozen=True)
class DueCallback:
    """A callback that waits to be sent; `attempts` were made so far."""

    webhook_id: str
    partner: Partner
    subject: str
    position: int
    body: str
    attempts: int


CONTENTS = {
    "requests": "SELECT * FROM requests WHERE partner=? ORDER BY n",
    "calls": "SELECT * FROM calls WHERE partner=? ORDER BY n",
    "callbacks": "SELECT * FROM callbacks WHERE partner=? ORDER BY position",
}


class Books:
    """Requests, calls and callbacks; for use by one event loop."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The app may be made in one thread and run in another; it is used by one at a time.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block is written, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            yield

    def note_call(self, partner: Partner, operation: str, key: str | None, body: str) -> None:
        """Log a call as it came, before anything is made of it."""
        self._db.execute(
            "INSERT INTO calls (partner, operation, key, body, received_at) VALUES (?,?,?,?,?)",
            (partner, operation, key, body, clock.stamp(clock.now())),
        )

    def first_answer(self, partner: Partner, key: str) -> Answered | None:
        """What this key was answered before, if it was."""
        row = self._db.execute(
            "SELECT operation, body, status, answer FROM requests WHERE partner=? AND key=?",
            (partner, key),
        ).fetchone()
        return Answered(row[0], row[1], row[2], json.loads(row[3])) if row else None

    def record(
        self, partner: Partner, key: str, subject: str, state: str | None, answered: Answered
    ) -> None:
        """Keep the first answer under a key."""
        self._db.execute(
            "INSERT INTO requests (partner, operation, key, body, status, answer, subject, state,"
            " answered_at) VALUES (?,?,?,?,?,?,?,?,?)",
            (partner, answered.operation, key, answered.body, answered.status,
             json.dumps(answered.answer), subject, state, clock.stamp(clock.now())),
        )  # fmt: skip

    def states(self, partner: Partner, operation: str, subject: str) -> list[str]:
        """The state of each such request about the subject that was granted, oldest first."""
        rows = self._db.execute(
            "SELECT state FROM requests WHERE partner=? AND operation=? AND subject=?"
            " AND state IS NOT NULL ORDER BY n",
            (partner, operation, subject),
        )
        return [row[0] for row in rows]

    def call_off(self, partner: Partner, operation: str, subject: str, old: str, new: str) -> None:
        """Move the subject's requests from state `old` to `new`; cancel its unsent callbacks."""
        self._db.execute(
            "UPDATE requests SET state=? WHERE partner=? AND operation=? AND subject=? AND state=?",
            (new, partner, operation, subject, old),
        )
        self._db.execute(
            "UPDATE callbacks SET state='cancelled'"
            " WHERE partner=? AND subject=? AND state='waiting' AND attempts=0",
            (partner, subject),
        )

    def plan(
        self, partner: Partner, subject: str, webhook_id: str, body: Data, due: datetime
    ) -> None:
        """File a callback to be sent at `due`, after the subject's earlier ones."""
        self._add(partner, subject, webhook_id, body, clock.stamp(due), "waiting")

    def note_sent(self, partner: Partner, subject: str, webhook_id: str, body: Data) -> None:
        """Count a callback sent on demand, which nothing repeats; filed if it is new."""
        self._add(partner, subject, webhook_id, body, clock.stamp(clock.now()), "sent")
        self._count_attempt(webhook_id)

    def _add(
        self, partner: Partner, subject: str, webhook_id: str, body: Data,
        due_at: str, state: str,
    ) -> None:  # fmt: skip
        self._db.execute(
            "INSERT INTO callbacks"
            " (webhook_id, partner, path, type, body, subject, due_at, state, position)"
            " VALUES (?,?,?,?,?,?,?,?, (SELECT COALESCE(MAX(rowid), 0) + 1 FROM callbacks))"
            " ON CONFLICT (webhook_id) DO UPDATE SET body=excluded.body, state=CASE"
            " callbacks.state WHEN 'delivered' THEN 'delivered' ELSE excluded.state END",
            (webhook_id, partner, f"/{partner}", body["type"], json.dumps(body), subject, due_at,
             state),
        )  # fmt: skip

    def due(self, moment: datetime, limit: int) -> list[DueCallback]:
        """Callbacks to be sent by now: of each subject only the first that still waits."""
        rows = self._db.execute(
            "SELECT webhook_id, partner, subject, position, body, attempts FROM callbacks AS c"
            " WHERE state='waiting' AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM callbacks AS e"
            " WHERE e.partner=c.partner AND e.subject=c.subject AND e.position < c.position"
            " AND e.state='waiting') ORDER BY due_at, position LIMIT ?",
            (clock.stamp(moment), limit),
        )
        return [DueCallback(*row) for row in rows]

    def next_due(self, moment: datetime) -> datetime | None:
        """When the next callback after `moment` is due."""
        (due_at,) = self._db.execute(
            "SELECT MIN(due_at) FROM callbacks WHERE state='waiting' AND due_at > ?",
            (clock.stamp(moment),),
        ).fetchone()
        return datetime.fromisoformat(due_at) if due_at else None

    def has_later(self, first: DueCallback) -> bool:
        """Whether the subject has another callback that waits behind this one."""
        return self._next(first) is not None

    def put_behind_next(self, first: DueCallback) -> None:
        """Swap a callback with the next of its subject, so that the later is sent earlier."""
        if (later := self._next(first)) is None:
            return
        with self.transaction():
            self._db.execute(
                "UPDATE callbacks SET position=?, due_at=? WHERE webhook_id=?",
                (later["position"], later["due_at"], first.webhook_id),
            )
            self._db.execute(
                "UPDATE callbacks SET position=? WHERE webhook_id=?",
                (first.position, later["webhook_id"]),
            )

    def _next(self, first: DueCallback) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT webhook_id, position, due_at FROM callbacks WHERE partner=? AND subject=?"
            " AND state='waiting' AND position > ? ORDER BY position LIMIT 1",
            (first.partner, first.subject, first.position),
        ).fetchone()
        return row

    def begin(self, webhook_id: str) -> bool:
        """Count an attempt, before it is made; False when the callback was called off."""
        with self.transaction():
            row = self._db.execute(
                "SELECT state FROM callbacks WHERE webhook_id=?", (webhook_id,)
            ).fetchone()
            waiting = bool(row["state"] == "waiting")
            if waiting:
                self._count_attempt(webhook_id)
        return waiting

    def _count_attempt(self, webhook_id: str) -> None:
        row = self._db.execute(
            "UPDATE callbacks SET attempts=attempts+1 WHERE webhook_id=?"
            " RETURNING partner, subject, type, attempts",
            (webhook_id,),
        ).fetchall()[0]
        if row["attempts"] > 1 or row["type"] not in CONSEQUENCES:
            return
        operation, state = CONSEQUENCES[row["type"]]
        self._db.execute(
            "UPDATE requests SET state=? WHERE n=(SELECT MIN(n) FROM requests WHERE partner=?"
            " AND operation=? AND subject=? AND state NOT IN ('paid', 'delivered'))",
            (state, row["partner"], operation, row["subject"]),
        )

    def delivered(self, webhook_id: str) -> None:
        """The receiver took it."""
        self._db.execute(
            "UPDATE callbacks SET state='delivered', delivered_at=COALESCE(delivered_at, ?)"
            " WHERE webhook_id=?",
            (clock.stamp(clock.now()), webhook_id),
        )

    def repeat_at(self, webhook_id: str, due: datetime) -> None:
        """The receiver did not take it: send it again then."""
        self._db.execute(
            "UPDATE callbacks SET due_at=? WHERE webhook_id=?", (clock.stamp(due), webhook_id)
        )

    def contents(self, partner: Partner) -> dict[str, list[Data]]:
        """All that is written about one partner, oldest first; JSON texts are opened."""
        return {
            table: [_opened(row) for row in self._db.execute(query, (partner,))]
            for table, query in CONTENTS.items()
        }


def _opened(row: sqlite3.Row) -> Data:
    return {
        name: _json(value) if name in JSON_COLUMNS else value for name, value in dict(row).items()
    }


def _json(text: str) -> JsonValue:
    try:
        opened: JsonValue = json.loads(text)
    except json.JSONDecodeError:
        return text  # a call that was no JSON is shown as it came
    return opened
