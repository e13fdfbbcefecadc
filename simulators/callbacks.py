"""Sends the callbacks in the books: signed, each until it is taken, a subject's in order."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx
from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook

from simulators import clock
from simulators.books import Books, DueCallback
from simulators.contract import BusinessId, Data, Partner, SimulatorConfig, Text, message
from simulators.faults import Faults

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RECEIVER_TIMEOUT_SECONDS = 10.0
AT_ONCE = 100
SUBJECT_FIELD: dict[Partner, str] = {
    "payments": "order_id",
    "suppliers": "po_id",
    "carriers": "shipment_id",
}
ID_FIELDS = (
    "reversal_id", "authorisation_id", "payout_id", "payment_id",
    "acknowledgement_id", "notice_id", "receipt_id", "invoice_id", "event_id",
)  # fmt: skip


class Send(BaseModel):
    """One callback to send at once; its webhook-id is derived from the id in its data."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    partner: Partner
    type: Text
    data: Data
    webhook_id: BusinessId | None = None

    def derived_id(self) -> str:
        """The given webhook-id, else `msg_<id of the event>`, else one of the whole data."""
        event_id = next((self.data[name] for name in ID_FIELDS if name in self.data), None)
        whole = json.dumps([self.type, self.data], sort_keys=True)
        return self.webhook_id or f"msg_{event_id or hashlib.sha256(whole.encode()).hexdigest()}"


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: doubled each time, up to 5 s."""
    doublings = min(attempts - 1, 10)
    return timedelta(seconds=min(FIRST_PAUSE_SECONDS * 2**doublings, LONGEST_PAUSE_SECONDS))


class Callbacks:
    """The sender; `wake` it when the books have a new callback."""

    def __init__(self, books: Books, faults: Faults, config: SimulatorConfig) -> None:
        self._books = books
        self._faults = faults
        self._url = config.callback_url.rstrip("/")
        self._signers = {partner: Webhook(config.secrets[partner]) for partner in SUBJECT_FIELD}
        # The receiver is next door: no proxy of the environment is in between.
        self._client = httpx.AsyncClient(timeout=RECEIVER_TIMEOUT_SECONDS, trust_env=False)
        self._wake = asyncio.Event()
        self._sending: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send what is due for as long as the block lasts, beginning with what was left over."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._client.aclose()

    def wake(self) -> None:
        """Look into the books again."""
        self._wake.set()

    async def send_now(self, send: Send) -> httpx.Response:
        """Send one callback, once, whatever the receiver says.

        Raises httpx.HTTPError when there is no answer.
        """
        body = message(send.type, clock.now(), send.data)
        webhook_id = send.derived_id()
        subject = str(send.data.get(SUBJECT_FIELD[send.partner], ""))
        self._books.note_sent(send.partner, subject, webhook_id, body)
        response = await self._post(send.partner, webhook_id, json.dumps(body))
        if response.is_success:
            self._books.delivered(webhook_id)
        return response

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                pause_seconds = self._start_due(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_seconds):
                        await self._wake.wait()

    def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start what is due; return the seconds until something else is."""
        now = clock.now()
        for due in self._books.due(now, AT_ONCE):
            subject = (due.partner, due.subject)
            if subject not in self._sending and not self._reordered(due):
                self._sending.add(subject)
                tasks.create_task(self._send(due))
        next_due = self._books.next_due(now)
        return max((next_due - now).total_seconds(), 0.001) if next_due else None

    def _reordered(self, due: DueCallback) -> bool:
        """Whether a fault puts this callback behind the next one of its subject."""
        if due.attempts or not self._books.has_later(due):
            return False
        if self._faults.take(due.partner, "callback", "reorder") is None:
            return False
        self._books.put_behind_next(due)
        self.wake()
        return True

    async def _send(self, due: DueCallback) -> None:
        """Send one callback that is due, and write down what came of it."""
        try:
            fault = self._faults.take(due.partner, "callback", "delay", "duplicate")
            if fault and fault.fault == "delay":
                await asyncio.sleep(fault.seconds)
            if not self._books.begin(due.webhook_id):
                return
            copies = 2 if fault and fault.fault == "duplicate" else 1
            taken = [await self._is_taken(due) for _ in range(copies)]
            if any(taken):
                self._books.delivered(due.webhook_id)
            else:
                again = clock.now() + pause_after(due.attempts + 1)
                self._books.repeat_at(due.webhook_id, again)
        finally:
            self._sending.discard((due.partner, due.subject))
            self.wake()

    async def _is_taken(self, due: DueCallback) -> bool:
        try:
            response = await self._post(due.partner, due.webhook_id, due.body)
        except httpx.HTTPError:
            return False
        return response.is_success

    async def _post(self, partner: Partner, webhook_id: str, text: str) -> httpx.Response:
        now = clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signers[partner].sign(webhook_id, now, text),
        }
        return await self._client.post(f"{self._url}/{partner}", content=text, headers=headers)
