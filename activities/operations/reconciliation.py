"""Reconciliation: whether counters, reservations, movements, ledger and workflows still agree.

What doesn't is written down and shown. Nothing is mended: whoever mends a difference has to know
where it came from.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from activities.order_record.progress import find_order
from activities.orders.acceptance import recorded
from activities.orders.steps import attend
from activities.purchasing.stock_review import next_skus
from activities.purchasing.supplier_invoices import asked_by
from models.findings import (
    Counted,
    Difference,
    asleep_difference,
    call_back_difference,
    failing_workflow,
    inventory_difference,
    invoice_difference,
    left_over_difference,
    line_difference,
    place_differences,
    receivable_difference,
    replenishment_difference,
    unused_fact,
    workflow_difference,
)
from models.ledger import Account
from models.messages.attention import WORKFLOW_ENDED, SetAttention
from models.messages.commands import after_workflow
from models.messages.nightly import CloseStep, ComparedBatch, CompareStep, OpenFindings
from models.messages.steps import StockKey
from models.orders import OVER, Cancellation, Stage
from models.purchasing import OPEN_STATES, PurchaseOrderState
from models.stock import SERVING, ReservationState, ShortageState
from models.tables.ledger import JournalPosting
from models.tables.operations import AttentionRow, FactRow, Finding
from models.tables.orders import Order, OrderLineRow
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.shipping import Shipment
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from models.visibility import CUT_OFF, FAILING

HELD = (ReservationState.HELD, ReservationState.PICKED)
ASKED_AT_ONCE = 10
"""Questions to the engine that are out at a time."""
EXAMPLES = 5
SOON_USED = timedelta(hours=1)
"""By then a fact is applied, whatever was busy."""
UNMATCHED_FOR = timedelta(days=14)
"""How long a supplier's invoice may wait for goods that are still due, before it is a finding."""
NOTHING_DUE = tuple(s for s in PurchaseOrderState if s.is_over or s is PurchaseOrderState.RECEIVED)


@dataclass(frozen=True)
class LiveOrder:
    """An order that isn't over, as seen at one moment."""

    order_id: str
    workflow_id: str
    stage: Stage
    version: int


def _close(work: UnitOfWork, step: CloseStep) -> OpenFindings:
    still = select(Finding).where(col(Finding.gone_at).is_(None))
    for finding in work.session.exec(still.where(Finding.last_seen_at < step.seen_at)):
        finding.gone_at = work.now
    over = (
        select(Order.order_id)
        .join(AttentionRow, col(AttentionRow.order_id) == col(Order.order_id))
        .where(
            AttentionRow.source == "",
            AttentionRow.code == WORKFLOW_ENDED.code,
            col(Order.stage).in_(OVER),
        )
    )
    for order_id in work.session.exec(over).all():
        attend(work, SetAttention(order_id=order_id, attention=None))
    work.session.flush()
    count = work.session.exec(
        select(func.count()).select_from(Finding).where(col(Finding.gone_at).is_(None))
    ).one()
    first = work.session.exec(still.order_by(col(Finding.finding_id)).limit(EXAMPLES))
    return OpenFindings(count=count, examples=tuple(row.message for row in first))


class Reconciliation:
    """The steps of reconciliation. Each looks at one moment of the tables."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    @activity.defn
    async def compare_stock(self, step: CompareStep) -> ComparedBatch:
        """Compare the counters of a batch of SKUs with movements and reservations, and these with
        the orders that are over; and ask the engine whether what is short or on order is seen to.
        """
        skus, places, differences = await self._database.read_async(
            lambda session: _compare_places(session, step)
        )
        await self._keep(differences, step.seen_at)
        awaited = await self._database.read_async(
            lambda session: _awaited(session, skus, step.seen_at - SOON_USED)
        )
        ends = await self._ends_of([place.workflow_id for place in awaited])
        unseen = [
            replenishment_difference(place.sku, place.location, end)
            for place, end in zip(awaited, ends, strict=True)
            if end is not None
        ]
        await self._keep(unseen, step.seen_at)
        last = skus[-1] if len(skus) == step.batch else None
        return ComparedBatch(last=last, compared=places)

    @activity.defn
    async def compare_orders(self, step: CompareStep) -> ComparedBatch:
        """Compare a batch of orders that aren't over with what they hold and lack, and ask the
        engine whether their workflows run; with the first batch, which workflows of any kind fail,
        and which orders were accepted and cut off before they were recorded.
        """
        if not step.after:
            unseen = [*await self._failing(), *await self._ended_unrecorded()]
            await self._keep(unseen, step.seen_at)
        orders, differences = await self._database.read_async(
            lambda session: _compare_orders(session, step)
        )
        await self._keep(differences, step.seen_at)
        ends = await self._ends_of([order.workflow_id for order in orders])
        for order, end in zip(orders, ends, strict=True):
            if end is not None:
                await asyncio.to_thread(self._keep_ended, order, end, step.seen_at)
        await self._compare_call_backs([order.order_id for order in orders], step.seen_at)
        last = orders[-1].order_id if len(orders) == step.batch else None
        return ComparedBatch(last=last, compared=len(orders))

    async def _failing(self) -> list[Difference]:
        """Workflows that don't go on; none where the engine is too old to know."""
        try:
            return [failing_workflow(run.id) async for run in self._client.list_workflows(FAILING)]
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return []

    async def _ended_unrecorded(self) -> list[Difference]:
        """Orders that have no row, and no workflow that would make it."""
        query = f"WorkflowType = 'OrderWorkflow' AND {CUT_OFF}"
        runs = self._client.list_workflows(query)
        ended = {run.id.removeprefix("order-") async for run in runs}
        known = await self._database.read_async(lambda session: recorded(session, ended))
        order_ids = sorted(ended - known)
        ends = await self._ends_of([f"order-{order_id}" for order_id in order_ids])
        return [
            workflow_difference(order_id, Stage.RECEIVED, end)
            for order_id, end in zip(order_ids, ends, strict=True)
            if end is not None
        ]

    async def _compare_call_backs(self, order_ids: Sequence[str], seen_at: datetime) -> None:
        """Whether the workflows run that ask carriers not to fetch shipments of these orders."""
        called_back = await self._database.read_async(
            lambda session: _called_back(session, order_ids, seen_at - SOON_USED)
        )
        ends = await self._ends_of([after_workflow(by) for _, _, by in called_back])
        unseen = [
            call_back_difference(order_id, shipment_id, end)
            for (order_id, shipment_id, _), end in zip(called_back, ends, strict=True)
            if end is not None
        ]
        await self._keep(unseen, seen_at)

    @activity.defn
    async def compare_ledger(self, step: CloseStep) -> None:
        """Compare the inventory account with the value of the stock, and what suppliers ask for
        with what came; and whether every fact that the doors took was used."""
        differences = await self._database.read_async(
            lambda session: [
                *_compare_ledger(session),
                *_compare_receivables(session, step.seen_at),
                *_compare_invoices(session, step.seen_at),
                *_unused_facts(session, step.seen_at),
            ],
        )
        await self._keep(differences, step.seen_at)

    @activity.defn
    async def close_findings(self, step: CloseStep) -> OpenFindings:
        """What wasn't seen this time is gone, and with it its attention; returns what isn't."""
        return await self._database.transaction_async(lambda work: _close(work, step))

    async def _keep(self, differences: Sequence[Difference], seen_at: datetime) -> None:
        if differences:
            await self._database.transaction_async(lambda work: _keep(work, differences, seen_at))

    async def _ends_of(self, workflow_ids: Sequence[str]) -> list[str | None]:
        gate = asyncio.Semaphore(ASKED_AT_ONCE)
        return await asyncio.gather(*(self._end_of(one, gate) for one in workflow_ids))

    async def _end_of(self, workflow_id: str, gate: asyncio.Semaphore) -> str | None:
        """How a workflow ended; None: it runs."""
        handle = self._client.get_workflow_handle(workflow_id)
        async with gate:
            try:
                description = await handle.describe()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return "not known to the engine"
        if description.status in (None, WorkflowExecutionStatus.RUNNING):
            return None
        return description.status.name.lower().replace("_", " ")

    def _keep_ended(self, seen: LiveOrder, end: str, seen_at: datetime) -> None:
        """Unless the order has moved on since we looked: it ended, or was placed again."""

        def change(work: UnitOfWork) -> None:
            order = find_order(work, seen.order_id)
            if order is None or order.version != seen.version:
                return
            _keep(work, [workflow_difference(seen.order_id, seen.stage, end)], seen_at)
            attend(work, SetAttention(order_id=seen.order_id, attention=WORKFLOW_ENDED))

        self._database.transaction(change)


def _called_back(
    session: Session, order_ids: Sequence[str], before: datetime
) -> list[tuple[str, str, str]]:
    """Orders with their shipments that are being called back, and for which command."""
    query = (
        select(Shipment.order_id, Shipment.shipment_id, Shipment.called_back_by)
        .join(Order, col(Order.order_id) == col(Shipment.order_id))
        .where(
            col(Shipment.order_id).in_(order_ids),
            col(Shipment.called_back_by).is_not(None),
            Order.updated_at < before,
        )
    )
    return [(order_id, shipment_id, by or "") for order_id, shipment_id, by in session.exec(query)]


def _compare_places(session: Session, step: CompareStep) -> tuple[list[str], int, list[Difference]]:
    skus = next_skus(session, step.after, step.batch)
    counters = {
        row.key: Counted(on_hand=row.on_hand, reserved=row.reserved, value_minor=row.value_minor)
        for row in session.exec(select(Stock).where(col(Stock.sku).in_(skus)))
    }
    moved, held, nothing = _moved(session, skus), _held(session, skus), Counted()
    places = sorted({*counters, *moved, *held})
    differences = [
        difference
        for place in places
        for difference in place_differences(
            place.sku,
            place.location,
            counters.get(place, nothing),
            moved.get(place, nothing),
            held.get(place, 0),
        )
    ]
    return skus, len(places), [*differences, *_left_over(session, skus)]


def _awaited(session: Session, skus: Sequence[str], before: datetime) -> list[StockKey]:
    """Places where something is short or on order, for longer than telling their replenishment
    takes."""
    short = (
        select(Shortage.location, Shortage.sku)
        .join(Order, col(Order.order_id) == col(Shortage.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            Order.placed_at < before,
        )
    )
    bought = (
        select(PurchaseOrder.location, PurchaseOrderLine.sku)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            col(PurchaseOrderLine.sku).in_(skus),
            col(PurchaseOrder.state).in_(OPEN_STATES),
            func.coalesce(PurchaseOrderLine.expected, PurchaseOrderLine.quantity)
            > col(PurchaseOrderLine.received),
            PurchaseOrder.created_at < before,
        )
    )
    places = {*session.exec(short), *session.exec(bought)}
    return [StockKey(location=location, sku=sku) for location, sku in sorted(places)]


def _moved(session: Session, skus: Sequence[str]) -> dict[StockKey, Counted]:
    rows = session.execute(
        select(StockMovement.sku, StockMovement.location)
        .add_columns(
            func.sum(StockMovement.on_hand_change),
            func.sum(StockMovement.reserved_change),
            func.sum(StockMovement.value_change_minor),
        )
        .where(col(StockMovement.sku).in_(skus))
        .group_by(col(StockMovement.sku), col(StockMovement.location))
    )
    return {
        StockKey(sku=sku, location=location): Counted(
            on_hand=int(on_hand), reserved=int(reserved), value_minor=int(value)
        )
        for sku, location, on_hand, reserved, value in rows
    }


def _held(session: Session, skus: Sequence[str]) -> dict[StockKey, int]:
    rows = session.exec(
        select(Reservation.sku, Reservation.location, func.sum(Reservation.quantity))
        .where(col(Reservation.sku).in_(skus), col(Reservation.state).in_(HELD))
        .group_by(col(Reservation.sku), col(Reservation.location))
    )
    return {StockKey(sku=sku, location=location): int(units) for sku, location, units in rows}


def _left_over(session: Session, skus: Sequence[str]) -> Iterable[Difference]:
    """What orders that are over still hold, or wait for."""
    held = session.exec(
        select(Order, Reservation)
        .join(Reservation, col(Reservation.order_id) == col(Order.order_id))
        .where(
            col(Reservation.sku).in_(skus),
            col(Reservation.state).in_(HELD),
            col(Order.stage).in_(OVER),
        )
    )
    short = session.exec(
        select(Order, Shortage)
        .join(Shortage, col(Shortage.order_id) == col(Order.order_id))
        .where(
            col(Shortage.sku).in_(skus),
            Shortage.state == ShortageState.OPEN,
            col(Order.stage).in_(OVER),
        )
    )
    units: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for order, reservation in held:
        place = (reservation.sku, reservation.location)
        units[order.order_id, order.stage, *place][0] += reservation.quantity
    for order, shortage in short:
        place = (shortage.sku, shortage.location)
        units[order.order_id, order.stage, *place][1] += shortage.quantity - shortage.filled
    for of_order, (reserved, missing) in sorted(units.items()):
        yield left_over_difference(*of_order, reserved, missing)


def _compare_ledger(session: Session) -> list[Difference]:
    accounts = session.exec(
        select(JournalPosting.currency, func.sum(JournalPosting.amount_minor))
        .where(JournalPosting.account == Account.INVENTORY.value)
        .group_by(col(JournalPosting.currency))
    ).all()
    stock_minor = int(session.exec(select(func.sum(Stock.value_minor))).one() or 0)
    found = [
        inventory_difference(currency, int(account_minor), stock_minor)
        for currency, account_minor in accounts or [("", 0)]
    ]
    return [difference for difference in found if difference]


def _compare_receivables(session: Session, seen_at: datetime) -> list[Difference]:
    report = ledger_reading.ageing(session, seen_at.date())
    return [
        receivable_difference(total.currency, total.ledger, total.total)
        for total in report.totals
        if total.ledger != total.total
    ]


def _unused_facts(session: Session, seen_at: datetime) -> list[Difference]:
    rows = session.exec(
        select(FactRow)
        .where(col(FactRow.applied_at).is_(None), FactRow.received_at < seen_at - SOON_USED)
        .order_by(col(FactRow.fact_no))
    )
    return [
        unused_fact(row.source, row.fact_id, row.type, row.order_id or row.po_id) for row in rows
    ]


def _compare_invoices(session: Session, now: datetime) -> list[Difference]:
    """The suppliers' invoices whose goods don't come any more, or haven't for long."""
    rows = session.exec(
        select(SupplierInvoice)
        .join(PurchaseOrder, col(PurchaseOrder.po_id) == col(SupplierInvoice.po_id))
        .where(
            col(SupplierInvoice.matched_at).is_(None),
            (col(SupplierInvoice.recorded_at) <= now - UNMATCHED_FOR)
            | col(PurchaseOrder.state).in_(NOTHING_DUE),
        )
        .order_by(col(SupplierInvoice.invoice_id))
    ).all()
    found = []
    for invoice in rows:
        lines = {}
        for sku, (asked, _) in asked_by(invoice).items():
            line = session.get_one(PurchaseOrderLine, (invoice.po_id, sku))
            lines[sku] = (asked, max(0, line.received - line.invoiced), line.damaged)
        found.append(invoice_difference(invoice.invoice_id, invoice.po_id, lines))
    return found


def _compare_orders(
    session: Session, step: CompareStep
) -> tuple[list[LiveOrder], list[Difference]]:
    rows = session.exec(
        select(Order)
        .where(Order.order_id > step.after, col(Order.stage).not_in(OVER))
        .order_by(Order.order_id)
        .limit(step.batch)
    ).all()
    allocated = [
        row.order_id for row in rows if row.allocated and row.cancellation is Cancellation.NONE
    ]
    orders = [LiveOrder(row.order_id, row.workflow_id, row.stage, row.version) for row in rows]
    return orders, [*_compare_lines(session, allocated), *_asleep(session, rows)]


def _asleep(session: Session, orders: Sequence[Order]) -> Iterable[Difference]:
    """Orders that show that they wait for stock, though nothing of theirs is short."""
    waiting = [row.order_id for row in orders if row.stage is Stage.AWAITING_STOCK]
    short = session.exec(
        select(Shortage.order_id).where(
            col(Shortage.order_id).in_(waiting), Shortage.state == ShortageState.OPEN
        )
    )
    for order_id in sorted({*waiting} - {*short}):
        yield asleep_difference(order_id)


def _compare_lines(session: Session, order_ids: Sequence[str]) -> Iterable[Difference]:
    held = session.exec(
        select(Reservation.order_id, Reservation.line_no, func.sum(Reservation.quantity))
        .where(
            col(Reservation.order_id).in_(order_ids),
            col(Reservation.state).in_(SERVING),
        )
        .group_by(col(Reservation.order_id), col(Reservation.line_no))
    )
    short = session.exec(
        select(
            Shortage.order_id,
            Shortage.line_no,
            func.sum(col(Shortage.quantity) - col(Shortage.filled)),
        )
        .where(col(Shortage.order_id).in_(order_ids), Shortage.state == ShortageState.OPEN)
        .group_by(col(Shortage.order_id), col(Shortage.line_no))
    )
    units_held = {(order_id, line_no): int(units) for order_id, line_no, units in held}
    units_short = {(order_id, line_no): int(units) for order_id, line_no, units in short}
    lines = select(OrderLineRow).where(col(OrderLineRow.order_id).in_(order_ids))
    for line in session.exec(lines):
        key = (line.order_id, line.line_no)
        difference = line_difference(
            *key, line.sku, line.quantity, units_held.get(key, 0), units_short.get(key, 0)
        )
        if difference:
            yield difference


def _keep(work: UnitOfWork, differences: Sequence[Difference], seen_at: datetime) -> None:
    """Each is kept once, however often it is seen; one that comes back isn't gone any more."""
    for difference in differences:
        row = work.session.get(Finding, difference.finding_id)
        if row is None:
            row = Finding(**difference.model_dump(), found_at=seen_at, last_seen_at=seen_at)
            work.session.add(row)
        row.message, row.gone_at = difference.message, None
        row.last_seen_at = max(row.last_seen_at, seen_at)
