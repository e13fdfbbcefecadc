"""Store the partners' requests, calls and callbacks in one SQLite file; restarts lose nothing."""

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

# Callback type: the operation whose request changes when it is first sent, and the new state.
REQUEST_STATE_AFTER = {
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
class RecordedAnswer:
    """The first answer under an idempotency key, with the request's operation and body."""

    operation: str
    body: str
    status: int
    answer: JsonValue


@dataclass(frozen=True)
class DueCallback:
    """A callback that is due; `attempts` counts the attempts so far."""

    webhook_id: str
    partner: Partner
    subject: str
    position: int
    body: str
    attempts: int


CONTENT_QUERIES = {
    "requests": "SELECT * FROM requests WHERE partner=? ORDER BY n",
    "calls": "SELECT * FROM calls WHERE partner=? ORDER BY n",
    "callbacks": "SELECT * FROM callbacks WHERE partner=? ORDER BY position",
}


class Books:
    """The database of all simulated partners. Use it from one event loop only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The app may be created in one thread and run in another, but never in both at a time.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + TABLES)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes of the block, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            yield

    def log_call(self, partner: Partner, operation: str, key: str | None, body: str) -> None:
        """Log a call as received, before it is validated."""
        self._db.execute(
            "INSERT INTO calls (partner, operation, key, body, received_at) VALUES (?,?,?,?,?)",
            (partner, operation, key, body, clock.stamp(clock.now())),
        )

    def first_answer(self, partner: Partner, key: str) -> RecordedAnswer | None:
        """Read the answer recorded under an idempotency key."""
        row = self._db.execute(
            "SELECT operation, body, status, answer FROM requests WHERE partner=? AND key=?",
            (partner, key),
        ).fetchone()
        return RecordedAnswer(row[0], row[1], row[2], json.loads(row[3])) if row else None

    def record_answer(
        self, partner: Partner, key: str, subject: str, state: str | None, answer: RecordedAnswer
    ) -> None:
        """Record the first answer under an idempotency key."""
        self._db.execute(
            "INSERT INTO requests (partner, operation, key, body, status, answer, subject, state,"
            " answered_at) VALUES (?,?,?,?,?,?,?,?,?)",
            (partner, answer.operation, key, answer.body, answer.status,
             json.dumps(answer.answer), subject, state, clock.stamp(clock.now())),
        )  # fmt: skip

    def states(self, partner: Partner, operation: str, subject: str) -> list[str]:
        """List the states of the subject's accepted requests, oldest first."""
        rows = self._db.execute(
            "SELECT state FROM requests WHERE partner=? AND operation=? AND subject=?"
            " AND state IS NOT NULL ORDER BY n",
            (partner, operation, subject),
        )
        return [row[0] for row in rows]

    def cancel_requests(
        self, partner: Partner, operation: str, subject: str, old: str, new: str
    ) -> None:
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

    def schedule_callback(
        self, partner: Partner, subject: str, webhook_id: str, body: Data, due: datetime
    ) -> None:
        """Schedule a callback for `due`, after the subject's earlier callbacks."""
        self._upsert_callback(partner, subject, webhook_id, body, clock.stamp(due), "waiting")

    def record_sent(self, partner: Partner, subject: str, webhook_id: str, body: Data) -> None:
        """Record one attempt of a manually sent callback, which is never retried."""
        self._upsert_callback(partner, subject, webhook_id, body, clock.stamp(clock.now()), "sent")
        self._count_attempt(webhook_id)

    def _upsert_callback(
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

    def due_callbacks(self, moment: datetime, limit: int) -> list[DueCallback]:
        """List callbacks due at `moment`: the earliest waiting one of each subject."""
        rows = self._db.execute(
            "SELECT webhook_id, partner, subject, position, body, attempts FROM callbacks AS c"
            " WHERE state='waiting' AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM callbacks AS e"
            " WHERE e.partner=c.partner AND e.subject=c.subject AND e.position < c.position"
            " AND e.state='waiting') ORDER BY due_at, position LIMIT ?",
            (clock.stamp(moment), limit),
        )
        return [DueCallback(*row) for row in rows]

    def next_due(self, moment: datetime) -> datetime | None:
        """Return the time of the next callback due after `moment`."""
        (due_at,) = self._db.execute(
            "SELECT MIN(due_at) FROM callbacks WHERE state='waiting' AND due_at > ?",
            (clock.stamp(moment),),
        ).fetchone()
        return datetime.fromisoformat(due_at) if due_at else None

    def has_later(self, callback: DueCallback) -> bool:
        """Return whether a later callback of the same subject is waiting."""
        return self._next(callback) is not None

    def swap_with_next(self, callback: DueCallback) -> None:
        """Swap a callback with the subject's next one, which is then sent first."""
        if (later := self._next(callback)) is None:
            return
        with self.transaction():
            self._db.execute(
                "UPDATE callbacks SET position=?, due_at=? WHERE webhook_id=?",
                (later["position"], later["due_at"], callback.webhook_id),
            )
            self._db.execute(
                "UPDATE callbacks SET position=? WHERE webhook_id=?",
                (callback.position, later["webhook_id"]),
            )

    def _next(self, callback: DueCallback) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT webhook_id, position, due_at FROM callbacks WHERE partner=? AND subject=?"
            " AND state='waiting' AND position > ? ORDER BY position LIMIT 1",
            (callback.partner, callback.subject, callback.position),
        ).fetchone()
        return row

    def begin_attempt(self, webhook_id: str) -> bool:
        """Count an attempt before it is made; False if the callback was cancelled."""
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
        if row["attempts"] > 1 or row["type"] not in REQUEST_STATE_AFTER:
            return
        operation, state = REQUEST_STATE_AFTER[row["type"]]
        self._db.execute(
            "UPDATE requests SET state=? WHERE n=(SELECT MIN(n) FROM requests WHERE partner=?"
            " AND operation=? AND subject=? AND state NOT IN ('paid', 'replaced', 'delivered'))",
            (state, row["partner"], operation, row["subject"]),
        )

    def mark_delivered(self, webhook_id: str) -> None:
        """Mark a callback as acknowledged by the receiver (2xx)."""
        self._db.execute(
            "UPDATE callbacks SET state='delivered', delivered_at=COALESCE(delivered_at, ?)"
            " WHERE webhook_id=?",
            (clock.stamp(clock.now()), webhook_id),
        )

    def retry_at(self, webhook_id: str, due: datetime) -> None:
        """Schedule the next attempt of a callback that the receiver rejected."""
        self._db.execute(
            "UPDATE callbacks SET due_at=? WHERE webhook_id=?", (clock.stamp(due), webhook_id)
        )

    def contents(self, partner: Partner) -> dict[str, list[Data]]:
        """List a partner's requests, calls and callbacks, oldest first, with decoded JSON."""
        return {
            table: [_decoded_row(row) for row in self._db.execute(query, (partner,))]
            for table, query in CONTENT_QUERIES.items()
        }


def _decoded_row(row: sqlite3.Row) -> Data:
    return {
        name: _decoded_json(value) if name in JSON_COLUMNS else value
        for name, value in dict(row).items()
    }


def _decoded_json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except json.JSONDecodeError:
        return text  # a logged call may have an invalid body
    return value
