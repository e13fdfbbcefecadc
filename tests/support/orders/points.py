"""Hold an order at a point of its way: before or after a transaction of its workflow, or a call.

A point is the moment before or after a transaction of the order's steps, a call to a partner, or
the sending of a mail. The worker of this process waits there until the gate is opened.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from temporalio import activity

from activities.database.engine import Database
from activities.gateways.carriers import HttpCarriers
from activities.gateways.payments import HttpPayments
from activities.gateways.smtp import SmtpMailer
from activities.gateways.suppliers import HttpSuppliers
from activities.phases import partners

CALLS = (
    (Database, "transaction_async"),
    (HttpPayments, "request"),
    (HttpCarriers, "quote"),
    (HttpCarriers, "book"),
    (HttpSuppliers, "send"),
    (SmtpMailer, "send"),
)


class Gate:
    """Counts the points of some workflows, and holds them at one of these."""

    def __init__(self, point: str | None = None) -> None:
        self.points: list[str] = []
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._point = point
        self._counts: Counter[str] = Counter()

    async def reach(self, name: str) -> None:
        """Reach a point, and wait if it is the one to hold at."""
        self._counts[name] += 1
        point = f"{name} ({self._counts[name]})"
        self.points.append(point)
        if point == self._point:
            self.reached.set()
            await self.open.wait()


class Gates:
    """The gates of workflows by their ids."""

    def __init__(self) -> None:
        self._by_workflow: dict[str, Gate] = {}

    def add(self, gate: Gate, *workflow_ids: str) -> None:
        """Let workflows pass a gate."""
        self._by_workflow.update(dict.fromkeys(workflow_ids, gate))

    async def reach(self, name: str) -> None:
        """Reach a point of the workflow whose step this is."""
        workflow_id = activity.info().workflow_id if activity.in_activity() else None
        if gate := self._by_workflow.get(workflow_id or ""):
            await gate.reach(name)


@contextmanager
def installed_gates() -> Iterator[Gates]:
    """Follow the transactions and calls of the worker in this process during a block.

    Partners get more time in a phase: an order that is held must not make them slow for others.
    """
    gates = Gates()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partners, "ANSWER_WITHIN_S", 5.0)
        for owner, name in CALLS:
            patch.setattr(owner, name, _followed(gates, owner, name))
        yield gates


def _followed(gates: Gates, owner: type, name: str) -> Callable[..., Awaitable[Any]]:
    call: Callable[..., Awaitable[Any]] = getattr(owner, name)
    label = f"{owner.__name__}.{name}"

    @wraps(call)
    async def follow(*arguments: Any, **named: Any) -> Any:
        await gates.reach(f"before {label}")
        answer = await call(*arguments, **named)
        await gates.reach(f"after {label}")
        return answer

    return follow
