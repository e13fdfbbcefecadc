"""Cancel and amend at every point of an order's way: money, goods and partners agree afterwards.

A first order counts the points: before and after each transaction of its steps and of its
replenishment, each call to a partner, and each mail. Then each point has an order of its own, which
is held there while the command is sent. Its customer and partners then go on as in real life.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
import pytest

from activities.database.unit_of_work import utc_now
from models.purchasing import PurchaseOrderState
from models.tables.stock import Stock
from tests.conftest import DATABASES, new_world
from tests.support.gateways.messages import carrier_event, payment
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.exactly_once import refunded_by_provider
from tests.support.orders.points import Gate, Gates, installed_gates
from tests.support.orders.stages import NewOrder, events, new_order
from tests.support.pipeline.command_line import reconciled
from tests.support.pipeline.waiting import PATIENCE_S, until
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import accepted_by_suppliers, bought

ON_HAND, ORDERED, AMENDED = 1, 3, 2
"""Two of three units are purchased; the customer then wants one less."""
PRICE, NET_MINOR = Decimal("119.00"), 10_000
EXPECTED_POINTS = 30
"""Fewer would mean that points are no longer found."""
SPREAD = 7
"""Without --full the command is sent at every seventh point."""
UNREACHED = 4
"""An order may have fewer points than the first one: a notification in time saves a transaction."""
ORDER_S = 5 * PATIENCE_S
"""The time after which an order counts as stuck: AT_ONCE of them share the machine."""
AT_ONCE = 8
"""Orders that are played at the same time."""
ANSWER_S = 0.5
"""The longest time that an order is held: a cancellation is answered after its step."""
OPEN_ACCOUNTS = (
    "ACCOUNTS_RECEIVABLE",
    "CONTRACT_LIABILITIES",
    "REFUNDS_PAYABLE",
)
Command = Callable[["Played"], Awaitable[httpx.Response]]


@dataclass
class Played:
    """An order, and what its customer and partners do."""

    world: World
    terms: Document
    gate: Gate
    new: NewOrder = field(init=False)
    answer: httpx.Response | None = None
    paid: Decimal = Decimal(0)
    received: int = 0
    reported: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.new = new_order(self.world, ON_HAND, ORDERED, **self.terms)

    @property
    def order_id(self) -> str:
        """The order's id."""
        return self.new.order_id

    async def play(self, gates: Gates, command: Command | None) -> None:
        """Play the order to its end; the command is sent while it is held."""
        sku = self.new.sku
        gates.add(self.gate, f"order-{self.order_id}", f"replenish-BER-{sku}")
        commanding = asyncio.create_task(self._command(command)) if command else None
        try:
            async with asyncio.timeout(ORDER_S):
                await self.world.place(self.new.document)
                await until(self._has_ended, patience_s=ORDER_S)
                await self.world.ended(self.order_id)
                if commanding is not None and self.gate.reached.is_set():
                    await commanding
        except TimeoutError:
            shown = await self.world.order(self.order_id)
            raise AssertionError(f"{self.gate.points}: still {shown}") from None
        finally:
            self.gate.open.set()
            if commanding is not None:
                commanding.cancel()

    async def _command(self, command: Command) -> None:
        await self.gate.reached.wait()
        sent = asyncio.ensure_future(command(self))
        await asyncio.wait({sent}, timeout=ANSWER_S)
        self.gate.open.set()
        self.answer = await sent

    async def _has_ended(self) -> bool:
        """Do what the partners and the customer owe next; return whether the order has ended."""
        if self.gate.reached.is_set() and not self.gate.open.is_set():
            return False
        response = await self.world.api.get(f"/orders/{self.order_id}")
        shown = response.json()
        await self._receive()
        if shown["stage"] in ("completed", "cancelled"):
            return self._all_received()
        await self._pay(shown)
        for shipment in shown["shipments"]:
            for event, state in (("dispatched", "booked"), ("delivered", "dispatched")):
                await self._report(shipment, event, state)
        return False

    async def _receive(self) -> None:
        for purchase in bought(self.world.database, self.new.sku):
            line = purchase.lines[self.new.sku]
            po_id = purchase.order.po_id
            if purchase.order.state is PurchaseOrderState.SENT and (po_id, "") not in self.reported:
                self.reported.add((po_id, ""))
                self.received += line.quantity
                await self.world.receive(po_id, self.new.sku, line.quantity)

    def _all_received(self) -> bool:
        purchases = bought(self.world.database, self.new.sku)
        lines = [purchase.lines[self.new.sku] for purchase in purchases]
        return all(line.received == line.quantity for line in lines)

    async def _pay(self, shown: Document) -> None:
        """Pay what was asked for last, once; the customer doesn't pay a replaced request."""
        requests = await self.world.requests("payments", "request", self.order_id)
        asked = events(shown).count("payment_requested")
        if len(requests) != asked or not asked or self.paid:
            return
        if requests[-1]["state"] != "requested":
            return
        amount = str(requests[-1]["body"]["amount"])
        self.paid = Decimal(amount)
        await self._send("payments", "payment.received", payment(self.order_id, amount=amount))

    async def _report(self, shipment: Document, event: str, state: str) -> None:
        shipment_id = str(shipment["shipment_id"])
        if shipment["state"] != state or (shipment_id, event) in self.reported:
            return
        if event == "dispatched" and self._carrier_waits():
            return
        [booking] = await self.world.requests("carriers", "booking", shipment_id)
        if booking["state"] == "cancelled":
            return
        self.reported.add((shipment_id, event))
        data = carrier_event(self.order_id) | {"shipment_id": shipment_id}
        data["occurred_at"] = utc_now().isoformat()
        await self._send("carriers", f"shipment.{event}", data)

    def _carrier_waits(self) -> bool:
        """Return whether the booking may be cancelled: the carrier fetches nothing meanwhile."""
        if not self.gate.reached.is_set():
            return False
        return self.answer is None or "being cancelled" in self.answer.text

    async def _send(self, partner: str, type_: str, data: Document) -> None:
        """Let a partner record and report what happened."""
        sent = {"partner": partner, "type": type_, "data": data}
        answer = await self.world.partners.post("/control/send", json=sent)
        if answer.json()["status"] != 204:  # the database was busy
            await self.world.report(type_, data)


async def cancel(played: Played) -> httpx.Response:
    """Cancel the order by API."""
    body = {"reason": "changed my mind"}
    return await played.world.api.post(f"/orders/{played.order_id}/cancellation", json=body)


async def amend(played: Played) -> httpx.Response:
    """Amend the order to fewer units by API."""
    lines = [{"sku": played.new.sku, "quantity": AMENDED}]
    body = {"command_id": unique("cmd"), "reason": "one less", "lines": lines}
    return await played.world.api.post(f"/orders/{played.order_id}/lines", json=body)


COMMANDS: dict[str, Command] = {"cancel": cancel, "amend": amend}
TERMS: dict[str, Document] = {
    "prepaid": {},
    "net30": {"terms": "net30", "channel": "phone"},
}


@pytest.fixture(params=DATABASES)
async def own_world(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline whose orders are all of this test."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


@pytest.mark.sized
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("name", COMMANDS)
async def test_command_at_any_point_leaves_all_books_in_agreement(
    own_world: World, full: bool, name: str, terms: str
) -> None:
    """Whether it is accepted or refused; the customer gets each mail once. What the customer pays
    while the order is amended stays a deposit, which `payments unmatched` lists."""
    with installed_gates() as gates:
        first = Played(own_world, TERMS[terms], Gate())
        await first.play(gates, None)
        points = first.gate.points
        assert len(points) >= EXPECTED_POINTS, points
        chosen = points if full else points[::SPREAD]
        orders = {
            point: Played(own_world, TERMS[terms], Gate(point)) for point in dict.fromkeys(chosen)
        }
        slots = asyncio.Semaphore(AT_ONCE)

        async def play(played: Played) -> None:
            async with slots:
                await played.play(gates, COMMANDS[name])

        await asyncio.gather(*(play(played) for played in orders.values()))
    answered = Counter[bool]()
    reached = {point: played for point, played in orders.items() if played.answer is not None}
    assert len(orders) - len(reached) <= UNREACHED, orders.keys() - reached.keys()
    for point, played in reached.items():
        answered[await has_agreed(played, point, name)] += 1
    assert answered[True], "no command was accepted"
    assert answered[False], "no command was refused"
    findings = await reconciled(own_world)
    assert not findings, findings


async def has_agreed(played: Played, point: str, name: str) -> bool:
    """Assert that all books agree about an order; return whether its command was accepted."""
    world, order_id, answer = played.world, played.order_id, played.answer
    assert answer is not None
    about = f"{name} at {point}: {answer.status_code} {answer.text}"
    is_accepted = answer.status_code == 200
    assert is_accepted or answer.status_code in (404, 409, 422), about
    shown = await world.order(order_id)
    about += f" {shown}"
    is_cancelled = shown["stage"] == "cancelled"
    delivered = sum(line["delivered"] for line in shown["lines"])
    if name == "amend":
        wanted = AMENDED if is_accepted else ORDERED
    else:
        wanted = 0 if is_cancelled else ORDERED
        assert is_accepted or not is_cancelled, about
    assert (delivered, shown["attention"]) == (wanted, None), about
    kept, overpaid = PRICE * delivered, Decimal(shown["overpaid"])
    assert not overpaid or (name == "amend" and is_accepted), about
    try:
        await until(
            lambda: refunded_by_provider(world, order_id),
            lambda refunded: played.paid - refunded == kept + overpaid,
        )
        accounts = await until(
            lambda: accounts_of(world, order_id),
            lambda found: (
                not any(account in found for account in OPEN_ACCOUNTS)
                and found.get("CUSTOMER_DEPOSITS", 0) == -100 * overpaid
            ),
        )
    except AssertionError as error:
        raise AssertionError(f"{error}; {about}") from None
    assert accounts.get("REVENUE", 0) == -NET_MINOR * delivered, about
    stock = world.database.read(lambda session: session.get_one(Stock, (played.new.sku, "BER")))
    assert (stock.on_hand, stock.reserved) == (ON_HAND + played.received - delivered, 0), about
    accepted = await accepted_by_suppliers(world, played.new.sku)
    assert sum(quantity for _, quantity in accepted) == played.received, about
    await _assert_carrier(played, shown, about)
    await _assert_mails(played, shown, about)
    return is_accepted


async def _assert_carrier(played: Played, shown: Document, about: str) -> None:
    """Assert that the carrier carries the delivered shipments and no others."""
    bookings = await played.world.requests("carriers", "booking", f"SH-{played.order_id}-")
    carried = sorted(row["body"]["shipment_id"] for row in bookings if row["state"] != "cancelled")
    delivered = [row["shipment_id"] for row in shown["shipments"] if row["state"] == "delivered"]
    assert carried == sorted(delivered), about


async def _assert_mails(played: Played, shown: Document, about: str) -> None:
    """Assert that no mail came twice, and that each document was mailed."""
    numbers = [row["number"] for row in shown["invoices"]] if "invoices" in shown else []
    mails = [
        row
        for row in await played.world.mails("")
        if played.order_id in row["subject"] or any(n in row["subject"] for n in numbers)
    ]
    kinds = Counter(str(row["message_id"]).strip("<").split(".")[0] for row in mails)
    ids = Counter(str(row["message_id"]) for row in mails)
    assert set(ids.values()) <= {1}, (about, ids)
    assert all(kinds[kind] <= 1 for kind in ("confirmation", "dispatch")), (about, kinds)
    assert kinds["dispatch"] == (1 if shown["stage"] == "completed" else 0), (about, kinds)
