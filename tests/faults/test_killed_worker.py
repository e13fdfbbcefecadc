"""The worker process is killed at each phase of an order: nothing is lost, nothing happens twice.

One sequence for each database: orders are brought to their phases, the worker is killed with
SIGKILL, facts arrive while none runs, another worker is started. Then every order must complete,
and the partners' records must show every request once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from temporalio.api.enums.v1 import EventType

from tests.support.orders.exactly_once import assert_asked_once, assert_completed_once, until_asked
from tests.support.orders.stages import TOTAL, NewOrder, new_order, pay_and_book, until_purchased
from tests.support.pipeline.processes import WorkerProcess, direct_queries, mails_locked, poll_until
from tests.support.pipeline.waiting import until_history
from tests.support.pipeline.world import World

HANGS_S = 3.0
"""Longer than PARTNER_TIMEOUT: the answer never arrives."""


@dataclass
class Case:
    """An order on its way to the phase in which the worker is killed."""

    world: World
    process: WorkerProcess
    on_hand: int
    reported: set[str] = field(default_factory=set)
    """Facts that were sent already and aren't sent again."""
    new: NewOrder = field(init=False)

    def __post_init__(self) -> None:
        self.new = new_order(self.world, self.on_hand)

    @property
    def order_id(self) -> str:
        """The order's id."""
        return self.new.order_id

    @property
    def purchased_sku(self) -> str | None:
        """The SKU that must be purchased for the order."""
        return None if self.on_hand else self.new.sku

    async def place(self) -> None:
        """Place the order."""
        await self.world.place(self.new.document)

    async def kill_when(self, query: str) -> None:
        """Kill the worker as soon as a query of the tables has rows."""
        with direct_queries(self.world.settings.database) as read:
            await asyncio.to_thread(poll_until, lambda: read(query))
            self.process.kill()

    async def requested(self) -> None:
        """Place the order and wait until its payment is requested."""
        await self.place()
        await self.world.until_event(self.order_id, "payment_requested")

    async def pay(self) -> None:
        """Report the payment."""
        await self.world.pay(self.order_id, TOTAL)
        self.reported.add("paid")

    async def booked(self) -> None:
        """Pay the order and wait until its carrier is booked."""
        await self.place()
        await pay_and_book(self.world, self.order_id)
        self.reported.add("paid")

    async def ship(self, event: str) -> None:
        """Report dispatch or delivery."""
        await self.world.ship(self.order_id, event)
        self.reported.add(event)

    async def receive(self) -> None:
        """Report the goods receipt of the purchase order."""
        po_id = await until_purchased(self.world, self.order_id)
        await self.world.receive(po_id, self.new.sku, 1)
        self.reported.add("received")

    async def until_asked(self, partner: str, operation: str, subject: str) -> None:
        """Wait until a partner has processed a request whose answer hangs."""
        await until_asked(self.world, partner, operation, subject)

    async def finish(self) -> None:
        """Send the order every fact that it still waits for."""
        if self.purchased_sku and "received" not in self.reported:
            await self.receive()
        if "paid" not in self.reported:
            await self.world.until_event(self.order_id, "payment_requested")
            await self.pay()
        await self.world.until_event(self.order_id, "booked")
        for event in ("dispatched", "delivered"):
            if event not in self.reported:
                await self.ship(event)


Act = Callable[[Case], Awaitable[None]]


async def nothing(case: Case) -> None:
    """Do nothing."""


async def order_row_committed(case: Case) -> None:
    """Kill the worker just after the order's row is committed."""
    await case.place()
    await case.kill_when(f"SELECT 1 FROM orders WHERE order_id = '{case.order_id}'")


async def reservation_committed(case: Case) -> None:
    """Kill the worker just after the reservation is committed."""
    await case.place()
    await case.kill_when(f"SELECT 1 FROM reservations WHERE order_id = '{case.order_id}'")


async def invoice_mail_sent(case: Case) -> None:
    """Kill the worker when the mail server has the invoice and the database doesn't know it."""
    await case.requested()
    url = case.world.settings.database
    mails = case.world.folder / "mail"
    with direct_queries(url) as read:
        before = {path.name for path in mails.iterdir()}
        planned = f"SELECT 1 FROM shipments WHERE order_id = '{case.order_id}'"
        shipment = asyncio.create_task(asyncio.to_thread(poll_until, lambda: read(planned)))
        await case.pay()
        await shipment
        with mails_locked(url):
            await asyncio.to_thread(
                poll_until,
                lambda: any(
                    "invoice" in path.name and path.name not in before
                    for path in mails.glob("*.eml")
                ),
            )
            case.process.kill()
        invoices = f"order_id = '{case.order_id}' AND kind = 'invoice'"
        assert not read(f"SELECT 1 FROM mails WHERE {invoices}")


async def payment_request_in_flight(case: Case) -> None:
    """Place the order; the provider's answer to the payment request hangs."""
    await case.place()
    await case.until_asked("payments", "request", case.order_id)


async def purchase_in_flight(case: Case) -> None:
    """Place the order; the supplier's answer to the purchase order hangs."""
    await case.place()
    await case.until_asked("suppliers", "purchase_order", case.new.sku)


async def booking_in_flight(case: Case) -> None:
    """Pay the order; the carrier's answer to the booking hangs."""
    await case.pay()
    await case.until_asked("carriers", "booking", case.order_id)


async def quote_in_flight(case: Case) -> None:
    """Pay the order; the carriers' answers hang from now on: with them no booking is reached."""
    await hang(case.world, "carriers", "quote")
    await case.pay()
    await case.until_asked("carriers", "quote", case.order_id)


async def purchased(case: Case) -> None:
    """Wait until the supplier's answer to the purchase order is recorded."""
    await case.place()
    await until_purchased(case.world, case.order_id)
    replenishment = case.world.replenishment(case.new.sku)
    await until_history(
        replenishment,
        lambda event: event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    )


async def in_transit(case: Case) -> None:
    """Wait until the goods have left."""
    await case.booked()
    await case.ship("dispatched")
    await case.world.until(case.order_id, "in_transit")


@dataclass(frozen=True)
class Phase:
    """The phase in which the worker is killed, and the facts that arrive while none runs."""

    reach: Act
    meanwhile: Act = nothing
    lead: Act = nothing
    """The steps that need partners' answers."""
    on_hand: int = 1


SEPARATE_KILLS = {
    "order row committed": Phase(order_row_committed),
    "reservation committed": Phase(reservation_committed),
    "invoice mail sent, not recorded": Phase(invoice_mail_sent),
}
"""Each has a kill of its own, at the exact moment."""
WAITING = {
    "paid while no worker runs": Phase(Case.requested, Case.pay),
    "goods received while no worker runs": Phase(purchased, Case.receive, on_hand=0),
    "awaiting stock": Phase(purchased, on_hand=0),
    "booked": Phase(Case.booked),
    "dispatched while no worker runs": Phase(Case.booked, lambda case: case.ship("dispatched")),
    "delivered while no worker runs": Phase(in_transit, lambda case: case.ship("delivered")),
    "in transit": Phase(in_transit),
}
"""All share one kill."""
IN_FLIGHT = {
    "payment request in flight": Phase(payment_request_in_flight),
    "purchase order in flight": Phase(purchase_in_flight, on_hand=0),
    "booking in flight": Phase(booking_in_flight, lead=Case.requested),
}
"""The same kill, with all answers of HANGING held back until then."""
LAST = {"quote in flight": Phase(quote_in_flight, lead=Case.requested)}
"""The same kill, reached after all others."""
HANGING = (("payments", "request"), ("suppliers", "purchase_order"), ("carriers", "booking"))
PHASES = SEPARATE_KILLS | WAITING | IN_FLIGHT | LAST
Cases = dict[str, Case]


@pytest.fixture(scope="module")
async def killed(idle_world: World, worker_process: WorkerProcess) -> AsyncIterator[Cases]:
    """Bring each case to its phase and kill the worker; then a new worker runs."""
    cases = {name: Case(idle_world, worker_process, p.on_hand) for name, p in PHASES.items()}
    for name, phase in SEPARATE_KILLS.items():
        worker_process.start()
        await phase.reach(cases[name])
    worker_process.start()
    await asyncio.gather(
        *(phase.reach(cases[name]) for name, phase in WAITING.items()),
        *(phase.lead(cases[name]) for name, phase in (IN_FLIGHT | LAST).items()),
    )
    for partner, operation in HANGING:
        await hang(idle_world, partner, operation)
    await asyncio.gather(*(phase.reach(cases[name]) for name, phase in IN_FLIGHT.items()))
    for name, phase in LAST.items():
        await phase.reach(cases[name])
    worker_process.kill()
    await idle_world.partners.delete("/control/faults")
    for name, phase in WAITING.items():
        await phase.meanwhile(cases[name])
    worker_process.start()
    yield cases
    worker_process.kill()


async def hang(world: World, partner: str, operation: str) -> None:
    """Hold back a partner's answers to an operation from now on; it processes the requests."""
    await world.misbehave(
        partner=partner, operation=operation, fault="timeout_after", times=None, seconds=HANGS_S
    )


@pytest.mark.parametrize("phase", PHASES)
async def test_order_completes_exactly_once_after_a_kill_at_any_phase(
    killed: Cases, worker_process: WorkerProcess, phase: str
) -> None:
    """One invoice, payment request, quote, booking, purchase order, receipt."""
    case = killed[phase]
    await case.finish()
    await assert_completed_once(case.world, case.order_id, purchased_sku=case.purchased_sku)
    await assert_asked_once(case.world, "carriers", "quote", f"SH-{case.order_id}-")
