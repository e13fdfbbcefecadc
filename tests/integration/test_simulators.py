"""What the simulated partners promise, over real HTTP and SMTP."""

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
from tests.support.serving import served

PARTNERS: tuple[Partner, ...] = ("payments", "suppliers", "carriers")
SECRETS = {name: f"whsec_{base64.b64encode(name.encode() * 4).decode()}" for name in PARTNERS}
NEVER_SECONDS = 3600.0
WAIT_SECONDS = 10.0

Json = dict[str, Any]  # what a test reads out of answers, whatever it is

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
}


@dataclass
class Receiver:
    """Our webhooks: keeps what is signed rightly, answers the statuses it is told to."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    arrived: "asyncio.Queue[tuple[str, Json]]" = field(default_factory=asyncio.Queue)

    async def take(self, request: Request, partner: Partner) -> Response:
        body = Webhook(SECRETS[partner]).verify(await request.body(), dict(request.headers))
        self.arrived.put_nowait((request.headers["webhook-id"], body))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 204)

    async def next(self) -> tuple[str, Json]:
        """The next callback's webhook-id and body."""
        return await asyncio.wait_for(self.arrived.get(), WAIT_SECONDS)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = FastAPI()
    app.add_api_route("/webhooks/{partner}", receiver.take, methods=["POST"])
    async with served(app) as url:
        receiver.url = f"{url}/webhooks"
        yield receiver


@dataclass
class Partners:
    """The simulators, as a client sees them."""

    http: httpx.AsyncClient
    smtp_port: int

    async def call(self, path: str, body: Json, key: str, **options: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key}, **options)

    async def fault(self, partner: Partner, operation: str, fault: str, **more: object) -> None:
        body = {"partner": partner, "operation": operation, "fault": fault, **more}
        (await self.http.post("/control/faults", json=body)).raise_for_status()

    async def books(self, partner: Partner) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = (await self.http.get(f"/control/books/{partner}")).json()
        return found


@asynccontextmanager
async def partners(
    at: Path, receiver: Receiver, *, auto: bool = True, delay_seconds: float = 0.0
) -> AsyncIterator[Partners]:
    app = create_app(
        SimulatorConfig(
            books=at / "partners.db",
            mail_dir=at / "mail",
            callback_url=receiver.url,
            secrets=SECRETS,
            auto=auto,
            delay_seconds=delay_seconds,
        )
    )
    async with served(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Partners(http, app.state.smtp_port)


async def test_same_key_gets_the_first_answer_and_nothing_is_done_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Repeats are seen in the call log only."""
    async with partners(tmp_path, receiver, auto=False) as sim:
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


async def test_key_of_another_body_or_operation_is_a_conflict(
    tmp_path: Path, receiver: Receiver
) -> None:
    """A key stands for one request of one kind."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        other_body = await sim.call("/payments/requests", PAYMENT | {"amount": "11.00"}, "k1")
        other_call = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k1")
    for answer in (other_body, other_call):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "change",
    [{"amount": 10.5}, {"amount": "0.00"}, {"amount": "1e3"}, {"currency": "euro"}, {"more": 1}],
)
async def test_bad_input_is_refused_and_named(
    tmp_path: Path, receiver: Receiver, change: Json
) -> None:
    """Types are not guessed, and unknown fields are not passed over."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        answer = await sim.call("/payments/requests", PAYMENT | change, "k1")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert next(iter(change)) in answer.json()["message"]
        assert (await sim.books("payments"))["requests"] == []


async def test_missing_key_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    """Every call carries an Idempotency-Key."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        answer = await sim.http.post("/payments/requests", json=PAYMENT)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_payment_is_received_in_full_and_then_cannot_be_voided(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The callback is signed, and carries what was asked for."""
    async with partners(tmp_path, receiver) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        webhook_id, body = await receiver.next()
        void = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k2")
    assert (webhook_id, body["type"]) == ("msg_pay-A-1", "payment.received")
    assert body["data"].items() >= {"order_id": "A-1", "amount": "10.50", "currency": "EUR"}.items()
    assert body["data"]["payment_id"] == "pay-A-1"
    assert datetime.fromisoformat(body["data"]["received_at"]).tzinfo is not None
    assert void.json() == {"state": "paid"}


async def test_voiding_cancels_the_payment_that_was_not_made(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Voiding says what it found: a request, or nothing."""
    async with partners(tmp_path, receiver, delay_seconds=NEVER_SECONDS) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        void = await sim.call("/payments/requests/void", {"order_id": "A-1"}, "k2")
        unknown = await sim.call("/payments/requests/void", {"order_id": "A-2"}, "k3")
        books = await sim.books("payments")
    assert (void.json(), unknown.json()) == ({"state": "voided"}, {"state": "unknown"})
    assert [callback["state"] for callback in books["callbacks"]] == ["cancelled"]
    assert books["requests"][0]["state"] == "voided"


async def test_refund_is_made_once_a_key(tmp_path: Path, receiver: Receiver) -> None:
    """Another key is another refund."""
    refund = {"order_id": "A-1", "amount": "2.00", "currency": "EUR", "reason": "broken"}
    async with partners(tmp_path, receiver, auto=False) as sim:
        answers = [await sim.call("/payments/refunds", refund, key) for key in ("k1", "k1", "k2")]
    assert [answer.json()["refund_id"] for answer in answers] == ["rf-A-1", "rf-A-1", "rf-A-1#2"]


async def test_supplier_acknowledges_ships_every_line_and_invoices(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Three days of lead time, a notice, a receipt for each SKU, and one invoice."""
    async with partners(tmp_path, receiver) as sim:
        before = datetime.now(UTC).date()
        answer = await sim.call("/suppliers/purchase-orders", PURCHASE, "k1")
        told = [(await receiver.next())[1] for _ in range(5)]
        acknowledged, notice, *received, invoice = told
        again = await sim.call("/suppliers/purchase-orders", PURCHASE, "k2")
    assert (answer.status_code, answer.json()) == (202, {"reference": "so-PO-1"})
    assert acknowledged["type"] == "purchase_order.acknowledged"
    expected = datetime.fromisoformat(acknowledged["data"]["expected_date"]).date()
    assert expected - before in (timedelta(days=3), timedelta(days=4))
    assert [(got["data"]["receipt_id"], got["data"]["quantity"]) for got in received] == [
        ("rc-PO-1-CUP", 3),
        ("rc-PO-1-PLATE", 2),
    ]
    assert (notice["type"], notice["data"]["notice_id"]) == ("purchase_order.shipped", "asn-PO-1")
    assert invoice["type"] == "purchase_order.invoiced"
    assert invoice["data"]["lines"] == PURCHASE["lines"]
    assert (again.status_code, again.json()["code"]) == (409, "already_ordered")


async def test_booking_that_was_picked_up_cannot_be_cancelled(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The carrier tells of dispatch and delivery, in this order."""
    async with partners(tmp_path, receiver) as sim:
        booked = await sim.call("/carriers/bookings", BOOKING, "k1")
        events = [await receiver.next() for _ in range(2)]
        cancel = await sim.call("/carriers/bookings/cancel", {"shipment_id": "A-1-S1"}, "k2")
    assert booked.status_code == 201
    assert (booked.json()["booking_id"], booked.json()["carrier"]) == ("bk-A-1-S1", "Swift Parcel")
    assert [name for name, _ in events] == ["msg_A-1-S1-dispatched", "msg_A-1-S1-delivered"]
    assert [body["data"]["order_id"] for _, body in events] == ["A-1", "A-1"]
    assert (cancel.status_code, cancel.json()["code"]) == (409, "already_picked_up")


async def test_cancelled_booking_tells_nothing_and_only_a_new_shipment_can_be_booked(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The old key still gets the old answer."""
    async with partners(tmp_path, receiver, delay_seconds=NEVER_SECONDS) as sim:
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


async def test_time_out_after_doing_is_mended_by_repeating_the_key(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The caller knows nothing, the books know all."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.fault("carriers", "booking", "timeout_after", seconds=1)
        with pytest.raises(httpx.ReadTimeout):
            await sim.call("/carriers/bookings", BOOKING, "k1", timeout=0.3)
        again = await sim.call("/carriers/bookings", BOOKING, "k1")
        books = await sim.books("carriers")
    assert again.status_code == 201
    assert (len(books["requests"]), len(books["calls"])) == (1, 2)


async def test_error_and_refusal_leave_nothing_behind(tmp_path: Path, receiver: Receiver) -> None:
    """Each happens as often as asked, then the same key goes through."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.fault("payments", "request", "error", times=2, status=500)
        await sim.fault("payments", "request", "refuse")
        answers = [await sim.call("/payments/requests", PAYMENT, "k1") for _ in range(4)]
        pending = await sim.http.get("/control/faults")
        books = await sim.books("payments")
    assert [answer.status_code for answer in answers] == [500, 500, 422, 201]
    assert answers[2].json()["code"] == "refused"
    assert (pending.json(), len(books["requests"])) == ([], 1)


async def test_fault_lasts_until_cleared(tmp_path: Path, receiver: Receiver) -> None:
    """`times: null` counts nothing down."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.fault("payments", "request", "error", times=None)
        failed = [await sim.call("/payments/requests", PAYMENT, "k1") for _ in range(3)]
        await sim.http.delete("/control/faults")
        done = await sim.call("/payments/requests", PAYMENT, "k1")
    assert {answer.status_code for answer in failed} == {503}
    assert done.status_code == 201


async def test_fault_that_no_operation_has_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    """A misspelt test would otherwise pass."""
    wrong = {"partner": "suppliers", "operation": "booking", "fault": "delay"}
    async with partners(tmp_path, receiver, auto=False) as sim:
        answer = await sim.http.post("/control/faults", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_delayed_call_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    """A waiting fault does not block the partners."""
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.fault("carriers", "booking", "delay", seconds=0.5)
        slow = asyncio.create_task(sim.call("/carriers/bookings", BOOKING, "k1"))
        quick = await sim.call("/payments/requests", PAYMENT, "k1")
        overtaken = not slow.done()
        assert (await slow).status_code == quick.status_code == 201
    assert overtaken


async def test_duplicate_callback_comes_twice_with_one_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Both are the same message."""
    async with partners(tmp_path, receiver) as sim:
        await sim.fault("payments", "callback", "duplicate")
        await sim.call("/payments/requests", PAYMENT, "k1")
        assert await receiver.next() == await receiver.next()


async def test_reordered_callbacks_come_last_first(tmp_path: Path, receiver: Receiver) -> None:
    """The delivery is told before the dispatch."""
    async with partners(tmp_path, receiver, delay_seconds=0.1) as sim:
        await sim.fault("carriers", "callback", "reorder")
        await sim.call("/carriers/bookings", BOOKING, "k1")
        types = [(await receiver.next())[1]["type"] for _ in range(2)]
        books = await sim.books("carriers")
    assert types == ["shipment.delivered", "shipment.dispatched"]
    assert books["requests"][0]["state"] == "delivered"


async def test_callback_is_repeated_until_it_is_taken(tmp_path: Path, receiver: Receiver) -> None:
    """The id stays, and later ones of the subject wait for their turn."""
    receiver.statuses = [503, 404]
    async with partners(tmp_path, receiver) as sim:
        await sim.call("/carriers/bookings", BOOKING, "k1")
        ids = [(await receiver.next())[0] for _ in range(4)]
    assert ids == ["msg_A-1-S1-dispatched"] * 3 + ["msg_A-1-S1-delivered"]


async def test_undelivered_callbacks_go_on_after_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The books are on disk: keys and callbacks survive."""
    receiver.statuses = [503]
    async with partners(tmp_path, receiver) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        before = await receiver.next()
    async with partners(tmp_path, receiver) as sim:
        after = await receiver.next()
        again = await sim.call("/payments/requests", PAYMENT, "k1")
        books = await sim.books("payments")
    assert before == after
    assert again.status_code == 201
    assert (len(books["requests"]), len(books["callbacks"])) == (1, 1)


async def test_callback_sent_by_hand_shows_the_receivers_answer(
    tmp_path: Path, receiver: Receiver
) -> None:
    """In manual mode nothing is told but this; nothing repeats what was refused."""
    data = {"payment_id": "p-1", "order_id": "A-1", "amount": "10.50", "currency": "EUR"}
    send = {"partner": "payments", "type": "payment.received", "data": data}
    receiver.statuses = [409]
    async with partners(tmp_path, receiver, auto=False) as sim:
        await sim.call("/payments/requests", PAYMENT, "k1")
        refused = await sim.http.post("/control/send", json=send)
        taken = await sim.http.post("/control/send", json=send | {"webhook_id": "mine"})
        books = await sim.books("payments")
    assert (refused.json(), taken.json()["status"]) == ({"status": 409, "body": ""}, 204)
    assert [(await receiver.next())[0] for _ in range(2)] == ["msg_p-1", "mine"]
    assert [callback["state"] for callback in books["callbacks"]] == ["sent", "delivered"]
    assert books["requests"][0]["state"] == "paid"


def letter(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "orders@shop.example", to
    message["Subject"] = "Your invoice <b>1</b>"
    message["Message-ID"] = "<invoice/1@shop.example>"
    message.set_content("Thank you & <script>goodbye</script>")
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="i 1.pdf")
    return message


async def test_mail_is_kept_and_shown_with_its_attachments(
    tmp_path: Path, receiver: Receiver
) -> None:
    """As a file, as JSON and as pages that escape what others wrote."""
    async with partners(tmp_path, receiver) as sim:
        await aiosmtplib.send(letter("ada@x.example"), hostname="127.0.0.1", port=sim.smtp_port)
        (kept,) = (await sim.http.get("/control/mail")).json()
        index = await sim.http.get("/mail")
        page = await sim.http.get(f"/mail/{kept['file']}")
        pdf = await sim.http.get(f"/mail/{kept['file']}/1")
    assert kept == {
        "file": "000001-invoice_1@shop.example.eml",
        "message_id": "<invoice/1@shop.example>",
        "to": "ada@x.example",
        "subject": "Your invoice <b>1</b>",
        "attachments": ["i 1.pdf"],
    }
    assert (tmp_path / "mail" / kept["file"]).is_file()
    assert "Your invoice &lt;b&gt;1&lt;/b&gt;" in index.text
    assert "Thank you &amp; &lt;script&gt;goodbye" in page.text
    assert (pdf.content, pdf.headers["content-type"]) == (b"%PDF-1", "application/pdf")


@pytest.mark.parametrize("name", ["000009-none.eml", "..%2F1", "partners.db"])
async def test_mail_pages_show_no_other_file(tmp_path: Path, receiver: Receiver, name: str) -> None:
    """Only names of kept messages are looked up."""
    async with partners(tmp_path, receiver) as sim:
        assert (await sim.http.get(f"/mail/{name}")).status_code == 404


async def test_mail_to_refused_recipients_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    """So that a definite no of a mail server can be tried."""
    async with partners(tmp_path, receiver) as sim:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            to = "refused.ada@x.example"
            await aiosmtplib.send(letter(to), hostname="127.0.0.1", port=sim.smtp_port)
        assert [answer.code for answer in refused.value.recipients] == [550]
        assert (await sim.http.get("/control/mail")).json() == []
