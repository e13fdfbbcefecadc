"""Send scheduled callbacks: signed, retried until acknowledged, in order for each subject."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

import aiohttp
from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook

from simulators import clock
from simulators.books import Books, DueCallback
from simulators.contract import BusinessId, Data, Partner, SimulatorConfig, Text, callback_body
from simulators.faults import Faults

FIRST_RETRY_DELAY_SECONDS = 0.2
MAX_RETRY_DELAY_SECONDS = 5.0
RECEIVER_TIMEOUT_SECONDS = 10.0
BATCH_SIZE = 100
SUBJECT_FIELD: dict[Partner, str] = {
    "payments": "order_id",
    "suppliers": "po_id",
    "carriers": "shipment_id",
}
ID_FIELDS = (
    "reversal_id", "authorisation_id", "payout_id", "payment_id",
    "acknowledgement_id", "notice_id", "receipt_id", "invoice_id", "event_id",
)  # fmt: skip


class SendCallback(BaseModel):
    """A request to send one callback now, under the given or a derived webhook-id."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    partner: Partner
    type: Text
    data: Data
    webhook_id: BusinessId | None = None

    def effective_webhook_id(self) -> str:
        """Return the given id, else `msg_<event id>`, else `msg_<hash of type and data>`."""
        event_id = next((self.data[name] for name in ID_FIELDS if name in self.data), None)
        content = json.dumps([self.type, self.data], sort_keys=True)
        return self.webhook_id or f"msg_{event_id or hashlib.sha256(content.encode()).hexdigest()}"


def retry_delay(attempts: int) -> timedelta:
    """Return the delay after `attempts` failed attempts: 0.2 s, doubled each time, up to 5 s."""
    doublings = min(attempts - 1, 10)
    return timedelta(seconds=min(FIRST_RETRY_DELAY_SECONDS * 2**doublings, MAX_RETRY_DELAY_SECONDS))


class Response(NamedTuple):
    """What a receiver answered."""

    status: int
    content_type: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the receiver has accepted the callback."""
        return 200 <= self.status < 300


class Callbacks:
    """Send callbacks in a background task; call `wake` after scheduling one."""

    def __init__(self, books: Books, faults: Faults, config: SimulatorConfig) -> None:
        self._books = books
        self._faults = faults
        self._url = config.callback_url.rstrip("/")
        self._signers = {partner: Webhook(config.secrets[partner]) for partner in SUBJECT_FIELD}
        self._wake = asyncio.Event()
        self._sending: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send due callbacks while the block runs, including those left by an earlier run."""
        timeout = aiohttp.ClientTimeout(total=RECEIVER_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            task = asyncio.create_task(self._run())
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def wake(self) -> None:
        """Check for due callbacks at once."""
        self._wake.set()

    async def send_now(self, command: SendCallback) -> Response:
        """Send one callback without retries; return the receiver's response.

        Raises aiohttp.ClientError or TimeoutError if the receiver does not answer.
        """
        body = callback_body(command.type, clock.now(), command.data)
        webhook_id = command.effective_webhook_id()
        subject = str(command.data.get(SUBJECT_FIELD[command.partner], ""))
        self._books.record_sent(command.partner, subject, webhook_id, body)
        response = await self._post(command.partner, webhook_id, json.dumps(body))
        if response.is_success:
            self._books.mark_delivered(webhook_id)
        return response

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                idle_seconds = self._start_due(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(idle_seconds):
                        await self._wake.wait()

    def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start sending due callbacks; return the seconds until the next one is due."""
        now = clock.now()
        for due in self._books.due_callbacks(now, BATCH_SIZE):
            subject = (due.partner, due.subject)
            if subject not in self._sending and not self._reordered(due):
                self._sending.add(subject)
                tasks.create_task(self._send(due))
        next_due = self._books.next_due(now)
        return max((next_due - now).total_seconds(), 0.001) if next_due else None

    def _reordered(self, due: DueCallback) -> bool:
        """Apply a `reorder` fault; return whether the callback was moved behind the next one."""
        if due.attempts or not self._books.has_later(due):
            return False
        if self._faults.take(due.partner, "callback", "reorder") is None:
            return False
        self._books.swap_with_next(due)
        self.wake()
        return True

    async def _send(self, due: DueCallback) -> None:
        """Send one due callback; mark it delivered or schedule its retry."""
        try:
            fault = self._faults.take(due.partner, "callback", "delay", "duplicate")
            if fault and fault.fault == "delay":
                await asyncio.sleep(fault.seconds)
            if not self._books.begin_attempt(due.webhook_id):
                return
            copies = 2 if fault and fault.fault == "duplicate" else 1
            acknowledged = [await self._acknowledged(due) for _ in range(copies)]
            if any(acknowledged):
                self._books.mark_delivered(due.webhook_id)
            else:
                retry_at = clock.now() + retry_delay(due.attempts + 1)
                self._books.retry_at(due.webhook_id, retry_at)
        finally:
            self._sending.discard((due.partner, due.subject))
            self.wake()

    async def _acknowledged(self, due: DueCallback) -> bool:
        try:
            response = await self._post(due.partner, due.webhook_id, due.body)
        except (aiohttp.ClientError, TimeoutError):
            return False
        return response.is_success

    async def _post(self, partner: Partner, webhook_id: str, text: str) -> Response:
        now = clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signers[partner].sign(webhook_id, now, text),
        }
        url = f"{self._url}/{partner}"
        async with self._session.post(url, data=text.encode(), headers=headers) as response:
            return Response(response.status, response.content_type, await response.read())
