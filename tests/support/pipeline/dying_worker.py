"""`dying_worker.py LOG WORKFLOW [POINT]`: a worker that kills itself at a point of a workflow.

A point is the moment before a statement or a COMMIT of its steps, after a COMMIT, or before or
after a call to a partner. Each is written to LOG when it is reached. The worker dies by SIGKILL at
POINT, or never.
"""

import os
import re
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from temporalio import activity

from activities.database.engine import Database, KeepingSession
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.carriers import HttpCarriers
from activities.gateways.payments import HttpPayments
from activities.gateways.smtp import SmtpMailer
from activities.phases import partners

Result = TypeVar("Result")

WORKER = Path(__file__).resolve().parents[3] / "worker.py"
CALLS = ((HttpPayments, "request"), (HttpCarriers, "quote"), (HttpCarriers, "book"))
MAIL = (SmtpMailer, "send")
_TABLE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM|FROM) (\w+)")


class Points:
    """The points that the steps of a workflow reach."""

    def __init__(self, log: Path, workflow_id: str, fatal: str | None) -> None:
        self._log = log
        self._workflow_id = workflow_id
        self._fatal = fatal
        self._counts: Counter[str] = Counter()
        self._of_thread = threading.local()

    def install(self) -> None:
        """Listen to the transactions and calls of this process.

        Partners get more time: on a loaded machine they may answer too late for a phase.
        """
        partners.ANSWER_WITHIN_S = 5.0
        self._follow_transactions()
        event.listen(Engine, "before_cursor_execute", self._before_statement)
        event.listen(Engine, "commit", lambda _connection: self._in_transaction("before COMMIT"))
        event.listen(
            KeepingSession, "after_commit", lambda _session: self._in_transaction("after COMMIT")
        )
        for gateway, name in (*CALLS, MAIL):
            self._follow_call(gateway, name)

    def reach(self, workflow_id: str | None, name: str) -> None:
        """Reach a point; die there if it is the fatal one."""
        if workflow_id != self._workflow_id:
            return
        self._counts[name] += 1
        point = f"{name} ({self._counts[name]})"
        with self._log.open("a") as log:
            log.write(f"{point}\n")
        if point == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _follow_transactions(self) -> None:
        """Let the thread of a transaction know its workflow."""
        transaction_async = Database.transaction_async

        @wraps(transaction_async)
        async def follow(database: Database, change: Callable[[UnitOfWork], Result]) -> Result:
            workflow_id = activity.info().workflow_id

            def known(work: UnitOfWork) -> Result:
                self._of_thread.workflow_id = workflow_id
                return change(work)

            return await transaction_async(database, known)

        setattr(Database, transaction_async.__name__, follow)

    def _follow_call(self, gateway: type, name: str) -> None:
        call: Callable[..., Any] = getattr(gateway, name)
        label = f"{gateway.__name__}.{name}"

        @wraps(call)
        async def follow(*arguments: Any) -> Any:
            workflow_id = activity.info().workflow_id
            self.reach(workflow_id, f"before {label}")
            answer = await call(*arguments)
            self.reach(workflow_id, f"after {label}")
            return answer

        setattr(gateway, name, follow)

    def _before_statement(
        self, _connection: object, _cursor: object, statement: str, *_more: object
    ) -> None:
        table = _TABLE.search(statement)
        verb = statement.split(maxsplit=1)[0]
        if verb == "BEGIN":  # repeated until it gets the lock
            return
        self._in_transaction(f"before {verb} {table.group(1)}" if table else f"before {verb}")

    def _in_transaction(self, name: str) -> None:
        self.reach(getattr(self._of_thread, "workflow_id", None), name)


if __name__ == "__main__":
    path, workflow_id, *point = sys.argv[1:]
    Points(Path(path), workflow_id, point[0] if point else None).install()
    sys.argv = [str(WORKER)]
    runpy.run_path(str(WORKER), run_name="__main__")
