"""Test the simulated partners over real HTTP and SMTP."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook

from simulators.app import create_app
from simulators.contract import Partner, SimulatorConfig
from tests.support.pipeline.serving import served

PARTNERS: tuple[Partner, ...] = ("payments", "suppliers", "carriers")
SECRETS = {name: f"whsec_{base64.b64encode(name.encode() * 4).decode()}" for name in PARTNERS}
NEVER_SECONDS = 3600.0
WAIT_SECONDS = 10.0

Json = dict[str, Any]  # any JSON object of an answer

PAYMENT = {"order_id": "A-1", "amount": "10.50", "currency": "EUR", "due_date": "2030-01-31"}
PURCHASE = {
    "po_id": "PO-1",
    "supplier_id": "acme",
    "location": "berlin",
    "currency": "EUR",
    "lines": [
        {"sku": "CUP", "quantity": 3, "unit_cost": "1.20"},
        {"sku": "PLATE", "quantity": 2, "unit_cost": "0.80"},
    ],
}
BOOKING = {
    "shipment_id": "A-1-S1",
    "order_id": "A-1",
    "mode": "parcel",
    "weight_g": 1200,
    "billed_weight_g": 2000,
    "freight_class": None,
    "packages": [],
    "ready_on": "2026-03-02",
    "needed_by": None,
    "currency": "EUR",
    "quote": {"quote_id": "qt-A-1-S1-economy"},
    "choice": "the cheapest of 2 quotes",
    "ship_from": {"location": "berlin"},
    "ship_to": {"name": "Ada", "city": "Paris", "country": "FR"},
    "phone": "+33142685300",
}


@dataclass
class Receiver:
    """Receive webhooks: verify and queue callbacks, answer the given statuses, then 204."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: "asyncio.Queue[tuple[str, Json]]" = field(default_factory=asyncio.Queue)

    async def receive(self, request: Request, partner: Partner) -> Response:
        body = Webhook(SECRETS[partner]).verify(await request.body(), dict(request.headers))
        self.received.put_nowait((request.headers["webhook-id"], body))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 204)

    async def next(self) -> tuple[str, Json]:
        """Return the next callback's webhook-id and body."""
        return await asyncio.wait_for(self.received.get(), WAIT_SECONDS)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = FastAPI()
    app.add_api_route("/webhooks/{partner}", receiver.receive, methods=["POST"])
    async with served(app) as url:
        receiver.url = f"{url}/webhooks"
        yield receiver


@dataclass
class Simulators:
    """A client of running simulators."""

    http: httpx.AsyncClient
    smtp_port: int

    async def call(self, path: str, body: Json, key: str, **options: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key}, **options)

    async def add_fault(self, partner: Partner, operation: str, fault: str, **more: object) -> None:
        body = {"partner": partner, "operation": operation, "fault": fault, **more}
        (await self.http.post("/control/faults", json=body)).raise_for_status()

    async def books(self, partner: Partner) -> dict[str, list[Json]]:
        books: dict[str, list[Json]] = (await self.http.get(f"/control/books/{partner}")).json()
        return books


@asynccontextmanager
async def simulators(
    folder: Path, receiver: Receiver, *, auto: bool = True, delay_seconds: float = 0.0
) -> AsyncIterator[Simulators]:
    """Run the simulators with their data in `folder`."""
    app = create_app(
        SimulatorConfig(
            books=folder / "partners.db",
            mail_dir=folder / "mail",
            callback_url=receiver.url,
            secrets=SECRETS,
            auto=auto,
            delay_seconds=delay_seconds,
        )
    )
    async with served(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Simulators(http, app.state.smtp_port)


async def test_repeated_key_returns_first_answer_without_executing_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    """A repeated request appears in the call log only."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        first = await sim.call("/payments/requests", PAYMENT, "k1")
        again = await sim.call("/payments/requests", PAYMENT, "k1")
        books = await sim.books("payments")
    assert (first.status_code, first.json()) == (
        201,
        {"request_id": "req-A-1", "state": "requested"},
    )
    assert (again.status_code, again.json()) == (201, first.json())
    assert [(r["operation"], r["state"]) for r in books["requests"]] == [("request", "requested")]
    assert [call["body"] for call in books["calls"]] == [PAYMENT, PAYMENT]


async def test_key_reused_for_another_body_or_operation_is_a_conflict(
    tmp_path: Path, receiver: Receiver
) -> None:
    """An idempotency key identifies one request of one operation."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        other_body = await sim.call("/payments/requests", PAYMENT | {"amount": "11.00"}, "k1")
        other_call = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k1")
    for answer in (other_body, other_call):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "change",
    [{"amount": 10.5}, {"amount": "0.00"}, {"amount": "1e3"}, {"currency": "euro"}, {"more": 1}],
)
async def test_invalid_input_is_rejected_with_field_name(
    tmp_path: Path, receiver: Receiver, change: Json
) -> None:
    """Values are not converted and unknown fields are not ignored."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        answer = await sim.call("/payments/requests", PAYMENT | change, "k1")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert next(iter(change)) in answer.json()["message"]
        assert (await sim.books("payments"))["requests"] == []


async def test_missing_idempotency_key_is_rejected(tmp_path: Path, receiver: Receiver) -> None:
    """Every call needs the header Idempotency-Key."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        answer = await sim.http.post("/payments/requests", json=PAYMENT)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_received_payment_cannot_be_voided(tmp_path: Path, receiver: Receiver) -> None:
    """The callback is signed and has the requested amount and currency."""
    async with simulators(tmp_path, receiver) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        webhook_id, body = await receiver.next()
        void = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k2")
    assert (webhook_id, body["type"]) == ("msg_pay-A-1", "payment.received")
    assert body["data"].items() >= {"order_id": "A-1", "amount": "10.50", "currency": "EUR"}.items()
    assert body["data"]["payment_id"] == "pay-A-1"
    assert datetime.fromisoformat(body["data"]["received_at"]).tzinfo is not None
    assert void.json() == {"state": "paid"}


async def test_void_cancels_unpaid_request(tmp_path: Path, receiver: Receiver) -> None:
    """The answer is `voided`, or `unknown` without a request."""
    async with simulators(tmp_path, receiver, delay_seconds=NEVER_SECONDS) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        void = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k2")
        unknown = await sim.call("/payments/requests/void", {"order_id": "A-2"}, "k3")
        books = await sim.books("payments")
    assert (void.json(), unknown.json()) == ({"state": "voided"}, {"state": "unknown"})
    assert [callback["state"] for callback in books["callbacks"]] == ["cancelled"]
    assert books["requests"][0]["state"] == "voided"


async def test_paid_request_cannot_be_replaced(tmp_path: Path, receiver: Receiver) -> None:
    """The unpaid one can; the rest is requested without a replacement."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        first = (await sim.call("/payments/requests", PAYMENT, "k1")).json()["request_id"]
        more = PAYMENT | {"amount": "20.00"}
        replaced = await sim.call("/payments/requests", more | {"replaces": first}, "k2")
        second = replaced.json()["request_id"]
        data = {"payment_id": "p-1", "order_id": "A-1", "amount": "20.00", "currency": "EUR"}
        send = {"partner": "payments", "type": "payment.received", "data": data}
        await sim.http.post("/control/send", json=send)
        late = await sim.call("/payments/requests", more | {"replaces": second}, "k3")
        rest = await sim.call("/payments/requests", PAYMENT, "k4")
        books = await sim.books("payments")
    assert (replaced.status_code, rest.status_code) == (201, 201)
    assert (late.status_code, late.json()["code"]) == (409, "already_paid")
    states = [row["state"] for row in books["requests"] if row["state"]]
    assert states == ["replaced", "paid", "requested"]


async def test_refund_is_executed_once_per_key(tmp_path: Path, receiver: Receiver) -> None:
    """Another key makes another refund."""
    refund = {
        "order_id": "A-1",
        "payment_id": "P-1",
        "amount": "2.00",
        "currency": "EUR",
        "reason": "broken",
    }
    async with simulators(tmp_path, receiver, auto=False) as sim:
        answers = [await sim.call("/payments/refunds", refund, key) for key in ("k1", "k1", "k2")]
    assert [answer.json()["refund_id"] for answer in answers] == ["rf-A-1", "rf-A-1", "rf-A-1#2"]


async def test_supplier_acknowledges_ships_every_line_and_invoices(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Lead time is three days; one notice, one receipt per SKU and one invoice follow."""
    async with simulators(tmp_path, receiver) as sim:
        before = datetime.now(UTC).date()
        answer = await sim.call("/suppliers/purchase-orders", PURCHASE, "k1")
        bodies = [(await receiver.next())[1] for _ in range(5)]
        acknowledged, notice, *receipts, invoice = bodies
        again = await sim.call("/suppliers/purchase-orders", PURCHASE, "k2")
    assert (answer.status_code, answer.json()) == (202, {"reference": "so-PO-1"})
    assert acknowledged["type"] == "purchase_order.acknowledged"
    expected = datetime.fromisoformat(acknowledged["data"]["expected_date"]).date()
    assert expected - before in (timedelta(days=3), timedelta(days=4))
    assert [
        (receipt["data"]["receipt_id"], receipt["data"]["quantity"]) for receipt in receipts
    ] == [
        ("rc-PO-1-CUP", 3),
        ("rc-PO-1-PLATE", 2),
    ]
    assert (notice["type"], notice["data"]["notice_id"]) == ("purchase_order.shipped", "asn-PO-1")
    assert invoice["type"] == "purchase_order.invoiced"
    assert invoice["data"]["lines"] == PURCHASE["lines"]
    assert (again.status_code, again.json()["code"]) == (409, "already_ordered")


async def test_picked_up_shipment_cannot_be_cancelled(tmp_path: Path, receiver: Receiver) -> None:
    """The carrier reports dispatch, then delivery."""
    async with simulators(tmp_path, receiver) as sim:
        booked = await sim.call("/carriers/bookings", BOOKING, "k1")
        events = [await receiver.next() for _ in range(2)]
        cancel = await sim.call("/carriers/bookings/cancel", {"shipment_id": "A-1-S1"}, "k2")
    assert booked.status_code == 201
    assert (booked.json()["booking_id"], booked.json()["carrier"]) == ("bk-A-1-S1", "Swift Parcel")
    assert [name for name, _ in events] == ["msg_A-1-S1-dispatched", "msg_A-1-S1-delivered"]
    assert [body["data"]["order_id"] for _, body in events] == ["A-1", "A-1"]
    assert (cancel.status_code, cancel.json()["code"]) == (409, "already_picked_up")


async def test_cancelled_booking_sends_no_callback_and_new_shipment_can_be_booked(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The old key still returns the first answer."""
    async with simulators(tmp_path, receiver, delay_seconds=NEVER_SECONDS) as sim:
        first = await sim.call("/carriers/bookings", BOOKING, "k1")
        cancel = await sim.call("/carriers/bookings/cancel", {"shipment_id": "A-1-S1"}, "k2")
        again = await sim.call("/carriers/bookings", BOOKING, "k1")
        other = await sim.call("/carriers/bookings", BOOKING | {"shipment_id": "A-1-S2"}, "k3")
        books = await sim.books("carriers")
    assert cancel.json() == {"state": "cancelled"}
    assert (again.status_code, again.json()) == (201, first.json())
    assert other.status_code == 201
    assert other.json()["tracking_number"] != first.json()["tracking_number"]
    states = [callback["state"] for callback in books["callbacks"]]
    assert states == ["cancelled", "cancelled", "waiting", "waiting"]


async def test_retry_after_timeout_executes_nothing_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The request was executed although its answer was lost."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.add_fault("carriers", "booking", "timeout_after", seconds=1)
        with pytest.raises(httpx.ReadTimeout):
            await sim.call("/carriers/bookings", BOOKING, "k1", timeout=0.3)
        again = await sim.call("/carriers/bookings", BOOKING, "k1")
        books = await sim.books("carriers")
    assert again.status_code == 201
    assert (len(books["requests"]), len(books["calls"])) == (1, 2)


async def test_error_and_rejection_record_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """Each fault occurs as often as configured; then the same key succeeds."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.add_fault("payments", "request", "error", times=2, status=500)
        await sim.add_fault("payments", "request", "refuse")
        answers = [await sim.call("/payments/requests", PAYMENT, "k1") for _ in range(4)]
        pending = await sim.http.get("/control/faults")
        books = await sim.books("payments")
    assert [answer.status_code for answer in answers] == [500, 500, 422, 201]
    assert answers[2].json()["code"] == "refused"
    assert (pending.json(), len(books["requests"])) == ([], 1)


async def test_fault_lasts_until_cleared(tmp_path: Path, receiver: Receiver) -> None:
    """A fault with `times: null` never expires."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.add_fault("payments", "request", "error", times=None)
        failed = [await sim.call("/payments/requests", PAYMENT, "k1") for _ in range(3)]
        await sim.http.delete("/control/faults")
        done = await sim.call("/payments/requests", PAYMENT, "k1")
    assert {answer.status_code for answer in failed} == {503}
    assert done.status_code == 201


async def test_unknown_fault_of_operation_is_rejected(tmp_path: Path, receiver: Receiver) -> None:
    """A typing error in a test would otherwise go unnoticed."""
    wrong = {"partner": "suppliers", "operation": "booking", "fault": "delay"}
    async with simulators(tmp_path, receiver, auto=False) as sim:
        answer = await sim.http.post("/control/faults", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_delayed_call_blocks_no_other_call(tmp_path: Path, receiver: Receiver) -> None:
    """A delay fault applies to its own call only."""
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.add_fault("carriers", "booking", "delay", seconds=0.5)
        slow = asyncio.create_task(sim.call("/carriers/bookings", BOOKING, "k1"))
        quick = await sim.call("/payments/requests", PAYMENT, "k1")
        overtaken = not slow.done()
        assert (await slow).status_code == quick.status_code == 201
    assert overtaken


async def test_duplicate_callback_is_sent_twice_with_same_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Both copies are identical."""
    async with simulators(tmp_path, receiver) as sim:
        await sim.add_fault("payments", "callback", "duplicate")
        await sim.call("/payments/requests", PAYMENT, "k1")
        assert await receiver.next() == await receiver.next()


async def test_reordered_callbacks_arrive_in_reverse_order(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The delivery is reported before the dispatch."""
    async with simulators(tmp_path, receiver, delay_seconds=0.1) as sim:
        await sim.add_fault("carriers", "callback", "reorder")
        await sim.call("/carriers/bookings", BOOKING, "k1")
        types = [(await receiver.next())[1]["type"] for _ in range(2)]
        books = await sim.books("carriers")
    assert types == ["shipment.delivered", "shipment.dispatched"]
    assert books["requests"][0]["state"] == "delivered"


async def test_callback_is_retried_until_acknowledged(tmp_path: Path, receiver: Receiver) -> None:
    """Retries keep the webhook-id; the subject's later callbacks are sent afterwards."""
    receiver.statuses = [503, 404]
    async with simulators(tmp_path, receiver) as sim:
        await sim.call("/carriers/bookings", BOOKING, "k1")
        ids = [(await receiver.next())[0] for _ in range(4)]
    assert ids == ["msg_A-1-S1-dispatched"] * 3 + ["msg_A-1-S1-delivered"]


async def test_undelivered_callbacks_are_sent_after_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Idempotency keys and callbacks are stored on disk."""
    receiver.statuses = [503]
    async with simulators(tmp_path, receiver) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        before = await receiver.next()
    async with simulators(tmp_path, receiver) as sim:
        after = await receiver.next()
        again = await sim.call("/payments/requests", PAYMENT, "k1")
        books = await sim.books("payments")
    assert before == after
    assert again.status_code == 201
    assert (len(books["requests"]), len(books["callbacks"])) == (1, 1)


async def test_manual_callback_returns_receiver_response(
    tmp_path: Path, receiver: Receiver
) -> None:
    """In manual mode no other callback is sent, and a rejected one is not retried."""
    data = {"payment_id": "p-1", "order_id": "A-1", "amount": "10.50", "currency": "EUR"}
    send = {"partner": "payments", "type": "payment.received", "data": data}
    receiver.statuses = [409]
    async with simulators(tmp_path, receiver, auto=False) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        rejected = await sim.http.post("/control/send", json=send)
        accepted = await sim.http.post("/control/send", json=send | {"webhook_id": "mine"})
        books = await sim.books("payments")
    assert (rejected.json(), accepted.json()["status"]) == ({"status": 409, "body": ""}, 204)
    assert [(await receiver.next())[0] for _ in range(2)] == ["msg_p-1", "mine"]
    assert [callback["state"] for callback in books["callbacks"]] == ["sent", "delivered"]
    assert books["requests"][0]["state"] == "paid"


def mail_to(to: str) -> EmailMessage:
    """Build a mail with HTML in its text and a PDF attachment."""
    message = EmailMessage()
    message["From"], message["To"] = "orders@shop.example", to
    message["Subject"] = "Your invoice <b>1</b>"
    message["Message-ID"] = "<invoice/1@shop.example>"
    message.set_content("Thank you & <script>goodbye</script>")
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="i 1.pdf")
    return message


async def test_mail_is_stored_and_shown_with_attachments(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Mail is available as a file, as JSON and as pages with escaped content."""
    async with simulators(tmp_path, receiver) as sim:
        await aiosmtplib.send(mail_to("ada@x.example"), hostname="127.0.0.1", port=sim.smtp_port)
        (stored,) = (await sim.http.get("/control/mail")).json()
        index = await sim.http.get("/mail")
        page = await sim.http.get(f"/mail/{stored['file']}")
        pdf = await sim.http.get(f"/mail/{stored['file']}/1")
    assert stored == {
        "file": "000001-invoice_1@shop.example.eml",
        "message_id": "<invoice/1@shop.example>",
        "to": "ada@x.example",
        "subject": "Your invoice <b>1</b>",
        "attachments": ["i 1.pdf"],
    }
    assert (tmp_path / "mail" / stored["file"]).is_file()
    assert "Your invoice &lt;b&gt;1&lt;/b&gt;" in index.text
    assert "Thank you &amp; &lt;script&gt;goodbye" in page.text
    assert (pdf.content, pdf.headers["content-type"]) == (b"%PDF-1", "application/pdf")


@pytest.mark.parametrize("name", ["000009-none.eml", "..%2F1", "partners.db"])
async def test_mail_pages_serve_no_other_file(
    tmp_path: Path, receiver: Receiver, name: str
) -> None:
    """Only files with the name of a stored message are served."""
    async with simulators(tmp_path, receiver) as sim:
        assert (await sim.http.get(f"/mail/{name}")).status_code == 404


async def test_mail_to_rejected_recipient_is_not_stored(tmp_path: Path, receiver: Receiver) -> None:
    """Tests can provoke a permanent rejection by the mail server."""
    async with simulators(tmp_path, receiver) as sim:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
            to = "refused.ada@x.example"
            await aiosmtplib.send(mail_to(to), hostname="127.0.0.1", port=sim.smtp_port)
        assert [answer.code for answer in caught.value.recipients] == [550]
        assert (await sim.http.get("/control/mail")).json() == []
