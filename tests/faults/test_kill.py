"""`kill -9` of the worker process at each phase of an order: nothing is lost, nothing happens twice.

One storyline for each database: orders are brought to their phases, the worker is killed, facts
arrive while none runs, another worker is started. Then every order must complete, and the partners'
own books must show everything once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from temporalio.api.enums.v1 import EventType

from tests.support.exactly_once import assert_asked_once, assert_completed_once, until_asked
from tests.support.processes import (
    WorkerProcess,
    direct_queries,
    mails_locked,
    poll_until,
)
from tests.support.shop import Document, order
from tests.support.waiting import until_history
from tests.support.world import World

TOTAL = "119.00"
HANGS_S = 3.0
"""Longer than PARTNER_TIMEOUT: the answer never arrives."""


@dataclass
class Case:
    """An order on its way to the phase in which it meets the kill."""

    world: World
    process: WorkerProcess
    on_hand: int
    sku: str = ""
    document: Document = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    """Facts that the world has sent already: they are not sent again."""

    @property
    def order_id(self) -> str:
        """The order's id."""
        return str(self.document["order_id"])

    @property
    def bought(self) -> str | None:
        """The SKU that has to be bought for the order."""
        return None if self.on_hand else self.sku

    def prepare(self) -> None:
        """A shop and an order of one unit."""
        self.sku, customer = self.world.shop(on_hand=self.on_hand)
        self.document = order(self.sku, customer)

    async def place(self) -> None:
        """Place it."""
        await self.world.place(self.document)

    async def sees(self, query: str) -> None:
        """Wait, without a pause, until the tables have an answer to `query`; then kill."""
        with direct_queries(self.world.settings.database) as ask:
            await asyncio.to_thread(poll_until, lambda: ask(query))
            self.process.kill()

    async def requested(self) -> None:
        """Placed, and the provider's answer to the payment request recorded."""
        await self.place()
        await self.world.until_event(self.order_id, "payment_requested")

    async def pay(self) -> None:
        """The provider reports the payment."""
        await self.world.pay(self.order_id, TOTAL)
        self.told.add("paid")

    async def booked(self) -> None:
        """Paid and booked."""
        await self.requested()
        await self.pay()
        await self.world.until_event(self.order_id, "booked")

    async def ship(self, what: str) -> None:
        """The carrier reports that the goods left or arrived."""
        await self.world.ship(self.order_id, what)
        self.told.add(what)

    async def po_id(self) -> str:
        """The purchase order for what is short, as the supplier has it."""
        shown = await self.world.until_event(self.order_id, "bought")
        return str(shown["backorders"][0]["po_id"])

    async def receive(self) -> None:
        """The supplier's goods arrive."""
        await self.world.receive(await self.po_id(), self.sku, 1)
        self.told.add("received")

    async def asked(self, partner: str, operation: str, subject: str) -> None:
        """A partner has done what it was asked, and its answer is still out."""
        await until_asked(self.world, partner, operation, subject)

    async def finish(self) -> None:
        """Tell the order everything that it wasn't told yet."""
        if self.bought and "received" not in self.told:
            await self.receive()
        if "paid" not in self.told:
            await self.world.until_event(self.order_id, "payment_requested")
            await self.pay()
        await self.world.until_event(self.order_id, "booked")
        for what in ("dispatched", "delivered"):
            if what not in self.told:
                await self.ship(what)


Act = Callable[[Case], Awaitable[None]]


async def nothing(case: Case) -> None:
    """Nobody says anything."""


async def row_is_there(case: Case) -> None:
    """The order's row was committed a moment ago."""
    await case.place()
    await case.sees(f"SELECT 1 FROM orders WHERE order_id = '{case.order_id}'")


async def reservation_is_there(case: Case) -> None:
    """The reservation was committed a moment ago."""
    await case.place()
    await case.sees(f"SELECT 1 FROM reservations WHERE order_id = '{case.order_id}'")


async def invoice_mail_is_out(case: Case) -> None:
    """The mail server has the invoice, and the database doesn't know."""
    await case.requested()
    url = case.world.settings.database
    kept = case.world.folder / "mail"
    with direct_queries(url) as ask:
        before = {path.name for path in kept.iterdir()}
        planned = f"SELECT 1 FROM shipments WHERE order_id = '{case.order_id}'"
        seen = asyncio.create_task(asyncio.to_thread(poll_until, lambda: ask(planned)))
        await case.pay()
        await seen
        with mails_locked(url):
            await asyncio.to_thread(
                poll_until,
                lambda: any(
                    "invoice" in path.name and path.name not in before
                    for path in kept.glob("*.eml")
                ),
            )
            case.process.kill()
        invoices = f"order_id = '{case.order_id}' AND kind = 'invoice'"
        assert not ask(f"SELECT 1 FROM mails WHERE {invoices}")


async def request_in_flight(case: Case) -> None:
    """The provider has the payment request, and we have no answer."""
    await case.place()
    await case.asked("payments", "request", case.order_id)


async def purchase_in_flight(case: Case) -> None:
    """The supplier has the purchase order, and we have no answer."""
    await case.place()
    await case.asked("suppliers", "purchase_order", case.sku)


async def booking_in_flight(case: Case) -> None:
    """The carrier has the booking, and we have no answer."""
    await case.pay()
    await case.asked("carriers", "booking", case.order_id)


async def quote_in_flight(case: Case) -> None:
    """The carriers have said what it costs, and we haven't heard it. Only now do these answers hang:
    no booking would be reached."""
    await hang(case.world, "carriers", "quote")
    await case.pay()
    await case.asked("carriers", "quote", case.order_id)


async def bought(case: Case) -> None:
    """The supplier's answer is recorded."""
    await case.place()
    await case.po_id()
    replenishment = case.world.client.get_workflow_handle(f"replenish-BER-{case.sku}")
    await until_history(
        replenishment,
        lambda event: event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    )


async def in_transit(case: Case) -> None:
    """The goods have left."""
    await case.booked()
    await case.ship("dispatched")
    await case.world.until(case.order_id, "in_transit")


@dataclass(frozen=True)
class Phase:
    """Where the order is when the worker is killed, and what is said while none runs."""

    reach: Act
    meanwhile: Act = nothing
    lead: Act = nothing
    """What has to be done while partners still answer."""
    on_hand: int = 1


CAUGHT_IN_THE_ACT = {
    "row there": Phase(row_is_there),
    "reservation there": Phase(reservation_is_there),
    "invoice mail out, not recorded": Phase(invoice_mail_is_out),
}
"""Each with a kill of its own, in the very moment."""
WAITING = {
    "paid while no worker runs": Phase(Case.requested, Case.pay),
    "goods received while no worker runs": Phase(bought, Case.receive, on_hand=0),
    "awaiting stock": Phase(bought, on_hand=0),
    "booked": Phase(Case.booked),
    "dispatched while no worker runs": Phase(Case.booked, lambda case: case.ship("dispatched")),
    "delivered while no worker runs": Phase(in_transit, lambda case: case.ship("delivered")),
    "in transit": Phase(in_transit),
}
"""All of them meet the same kill."""
IN_FLIGHT = {
    "payment request in flight": Phase(request_in_flight),
    "purchase order in flight": Phase(purchase_in_flight, on_hand=0),
    "booking in flight": Phase(booking_in_flight, lead=Case.requested),
}
"""The same kill again: every answer of these partners hangs until then."""
LAST = {"quote in flight": Phase(quote_in_flight, lead=Case.requested)}
"""Again the same kill, reached when all others are."""
HANGING = (("payments", "request"), ("suppliers", "purchase_order"), ("carriers", "booking"))
PHASES = CAUGHT_IN_THE_ACT | WAITING | IN_FLIGHT | LAST
Cases = dict[str, Case]


@pytest.fixture(scope="module")
async def killed(idle_world: World, worker_process: WorkerProcess) -> AsyncIterator[Cases]:
    """Every case after its kill, with a new worker running."""
    cases = {name: Case(idle_world, worker_process, p.on_hand) for name, p in PHASES.items()}
    for case in cases.values():
        case.prepare()
    for name, phase in CAUGHT_IN_THE_ACT.items():
        worker_process.start()
        await phase.reach(cases[name])
    worker_process.start()
    await asyncio.gather(
        *(phase.reach(cases[name]) for name, phase in WAITING.items()),
        *(phase.lead(cases[name]) for name, phase in (IN_FLIGHT | LAST).items()),
    )
    await hang_all(idle_world)
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


async def hang_all(world: World) -> None:
    """From now on partners do what they are asked and don't answer."""
    for partner, operation in HANGING:
        await hang(world, partner, operation)


async def hang(world: World, partner: str, operation: str) -> None:
    """From now on a partner does this and doesn't answer."""
    await world.misbehave(
        partner=partner, operation=operation, fault="timeout_after", times=None, seconds=HANGS_S
    )


@pytest.mark.parametrize("phase", PHASES)
async def test_killed_at_any_phase_the_order_completes_and_nothing_happens_twice(
    killed: Cases, worker_process: WorkerProcess, phase: str
) -> None:
    """One invoice, payment request, quote, booking, purchase order, receipt."""
    case = killed[phase]
    await case.finish()
    await assert_completed_once(case.world, case.order_id, purchased_sku=case.bought)
    await assert_asked_once(case.world, "carriers", "quote", f"SH-{case.order_id}-")
