"""Purchasing: what is short is bought, and what arrives goes to who waits."""

import asyncio
from collections.abc import Sequence

from sqlmodel import Session, col, select
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.database.door import mark_applied
from activities.database.engine import Clock, Database
from activities.gateways.calls import once
from activities.gateways.suppliers import Suppliers
from activities.inventory import (
    Change,
    fill_shortages,
    lock_stock,
    move,
    open_shortages,
    orders_served,
)
from activities.ledger import draw_number, post
from activities.progress import note, note_odd_fact
from models import ledger
from models.messages import (
    NO_SUPPLY,
    GoodsReceived,
    OrderStep,
    Policy,
    PurchasePlan,
    PurchaseStep,
    ShortageReported,
    StockArrived,
    StockFreed,
    StockPlace,
    SupplierAcknowledged,
    SupplierLine,
    SupplierOrder,
    SupplyProblem,
)
from models.money import MAX_AMOUNT_MINOR, format_amount
from models.purchasing import Offer, Purchase, PurchaseOrderState, cheapest_purchase
from models.stock import MovementKind, ShortageState
from models.tables import (
    Company,
    GoodsReceipt,
    Order,
    PurchaseOrder,
    PurchaseOrderLine,
    Shortage,
    SupplierOffer,
)


class Purchasing:
    """The steps of replenishment."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        suppliers: Suppliers,
        client: Client,
        queue: str,
        policy: Policy,
    ) -> None:
        self._database = database
        self._clock = clock
        self._suppliers = suppliers
        self._client = client
        self._queue = queue
        self._policy = policy

    @activity.defn
    async def report_shortages(self, step: OrderStep) -> None:
        """Tell (and, where none runs, start) the replenishment of everything an order lacks.

        By the client: the server refuses signal-with-start from inside a workflow.
        """
        shortages = await asyncio.to_thread(
            self._database.read, lambda session: _shortages_of(session, step.order_id)
        )
        for shortage in shortages:
            place = StockPlace(location=shortage.location, sku=shortage.sku)
            await self._client.start_workflow(
                "ReplenishmentWorkflow",
                place,
                id=place.workflow_id,
                task_queue=self._queue,
                start_signal="shortage_reported",
                start_signal_args=[ShortageReported(shortage_id=shortage.shortage_id)],
                static_summary=f"Replenish {shortage.sku} at {shortage.location}",
                static_details="Buys what orders are short of here, and takes in what arrives.",
            )

    @activity.defn
    async def tell_orders(self, freed: StockFreed) -> None:
        """Tell orders that stock has arrived for them. One that is over needs no telling."""
        for order_id in freed.orders:
            handle = self._client.get_workflow_handle(f"order-{order_id}")
            try:
                await handle.signal("stock_arrived", StockArrived(receipt_id=_as_id(freed.cause)))
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    @activity.defn
    def plan_purchases(self, place: StockPlace) -> PurchasePlan:
        """Plan a purchase order for what is short here and not bought yet."""
        return self._database.transaction(lambda session: self._plan(session, place))

    @activity.defn
    async def send_purchase_order(self, step: PurchaseStep) -> None:
        """Send a planned purchase order to its supplier, once."""
        order = await asyncio.to_thread(
            self._database.read, lambda session: _as_sent(session, step.po_id)
        )
        if order is None:
            return
        _, reference = await once(
            self._database, f"{step.po_id}/send/1", order, self._suppliers.send
        )
        await asyncio.to_thread(
            self._database.transaction, lambda session: self._sent(session, step.po_id, reference)
        )

    @activity.defn
    def apply_acknowledgement(self, fact: SupplierAcknowledged) -> StockFreed:
        """The supplier confirms: who waits gets a date."""
        return self._database.transaction(lambda session: self._acknowledge(session, fact))

    @activity.defn
    def receive_goods(self, fact: GoodsReceived) -> StockFreed:
        """Take goods into stock, post them, and hand them to who waits; once per receipt."""
        return self._database.transaction(lambda session: self._receive(session, fact))

    @activity.defn
    def note_supply_problem(self, problem: SupplyProblem) -> StockFreed:
        """Say on every order that waits here that, and why, nobody is bringing its goods."""

        def work(session: Session) -> StockFreed:
            place = (problem.place.sku, problem.place.location)
            lock_stock(session, [place])
            waiting = [s for s in open_shortages(session, place) if s.po_id == problem.po_id]
            for shortage in waiting:
                shortage.problem = problem.message
            orders = tuple(dict.fromkeys(s.order_id for s in waiting))
            return StockFreed(cause="supply-problem", orders=orders)

        return self._database.transaction(work)

    def _plan(self, session: Session, place: StockPlace) -> PurchasePlan:
        lock_stock(session, [(place.sku, place.location)])
        waiting = open_shortages(session, (place.sku, place.location))
        uncovered = [shortage for shortage in waiting if shortage.po_id is None]
        short = sum(shortage.quantity - shortage.filled for shortage in uncovered)
        if not short:
            return self._plan_now(session, place, unmet=0)
        purchase = cheapest_purchase(short, _offers(session, place.sku))
        if purchase is None:
            return self._plan_now(session, place, unmet=short)
        self._order(session, place, purchase, uncovered)
        return self._plan_now(session, place, unmet=0)

    def _plan_now(self, session: Session, place: StockPlace, unmet: int) -> PurchasePlan:
        rows = _open_orders(session, place)
        return PurchasePlan(
            send=tuple(po_id for po_id, state in rows if state is PurchaseOrderState.PLANNED),
            open=tuple(po_id for po_id, _ in rows),
            unmet=unmet,
            mended=_mended(session, place),
            policy=self._policy,
        )

    def _order(
        self, session: Session, place: StockPlace, purchase: Purchase, covers: list[Shortage]
    ) -> None:
        offer, now = purchase.offer, self._clock()
        series = f"PO-{offer.supplier_id}-{place.location}"
        po_id = f"{series}-{draw_number(session, series)}"
        order_ids = ", ".join(dict.fromkeys(s.order_id for s in covers))
        session.add(
            PurchaseOrder(
                po_id=po_id,
                supplier_id=offer.supplier_id,
                location=place.location,
                currency=offer.currency,
                state=PurchaseOrderState.PLANNED,
                reason=f"short for {order_ids}"[:1_000],
                created_at=now,
            )
        )
        session.flush()
        session.add(
            PurchaseOrderLine(
                po_id=po_id,
                sku=place.sku,
                quantity=purchase.quantity,
                unit_cost_minor=offer.unit_cost_minor,
            )
        )
        for shortage in covers:
            shortage.po_id, shortage.problem = po_id, None
            detail = f"{po_id}: {purchase.quantity} x {place.sku} from {offer.supplier_id}"
            note(session, shortage.order_id, "bought", detail, now)

    def _sent(self, session: Session, po_id: str, reference: str) -> None:
        order = session.get_one(PurchaseOrder, po_id, with_for_update=True)
        order.reference = reference
        for shortage in session.exec(select(Shortage).where(Shortage.po_id == po_id)):
            shortage.problem = None
        if order.state is PurchaseOrderState.PLANNED:
            order.state = PurchaseOrderState.SENT

    def _acknowledge(self, session: Session, fact: SupplierAcknowledged) -> StockFreed:
        now = self._clock()
        mark_applied(session, fact, now)
        order = session.get(PurchaseOrder, fact.po_id or "", with_for_update=True)
        if order is None:
            note_odd_fact(session, fact.po_id or "", fact, "po_id: no such purchase order", now)
            return StockFreed(cause=fact.acknowledgement_id, orders=())
        if order.state in (PurchaseOrderState.PLANNED, PurchaseOrderState.SENT):
            order.state = PurchaseOrderState.ACKNOWLEDGED
        order.expected_date = fact.expected_date or order.expected_date
        for shortage in session.exec(select(Shortage).where(Shortage.po_id == order.po_id)):
            if shortage.expected_date == order.expected_date:
                continue
            shortage.expected_date = order.expected_date
            detail = f"{order.po_id} expected {order.expected_date}"
            note(session, shortage.order_id, "backorder_dated", detail, now)
        return StockFreed(cause=fact.acknowledgement_id, orders=())

    def _receive(self, session: Session, fact: GoodsReceived) -> StockFreed:
        now = self._clock()
        mark_applied(session, fact, now)
        order = session.get(PurchaseOrder, fact.po_id or "")
        line = session.get(PurchaseOrderLine, (fact.po_id or "", fact.sku or ""))
        nothing = StockFreed(cause=fact.receipt_id, orders=())
        if order is None or line is None:
            note_odd_fact(session, fact.po_id or "", fact, "po_id, sku: no such line", now)
            return nothing
        largest = MAX_AMOUNT_MINOR // max(1, line.unit_cost_minor)
        if fact.quantity is None or not 0 < fact.quantity <= min(MAX_RECEIPT, largest):
            note_odd_fact(
                session, fact.po_id or "", fact, "quantity: missing, or not possible", now
            )
            return nothing
        place = (line.sku, order.location)
        lock_stock(session, [place])
        cause = f"receipt:{fact.receipt_id}"
        known = session.get(GoodsReceipt, fact.receipt_id)
        if known is not None and (known.po_id, known.sku, known.quantity) != (
            fact.po_id,
            fact.sku,
            fact.quantity,
        ):
            reason = "receipt_id: known with other content"
            note_odd_fact(session, fact.po_id or "", fact, reason, now)
        if known is None:
            self._take_in(session, fact, order, line)
            fill_shortages(session, place, cause, now)
        return StockFreed(cause=fact.receipt_id, orders=orders_served(session, cause))

    def _take_in(
        self, session: Session, fact: GoodsReceived, order: PurchaseOrder, line: PurchaseOrderLine
    ) -> None:
        assert fact.quantity is not None
        now = self._clock()
        value_minor = fact.quantity * line.unit_cost_minor
        session.add(
            GoodsReceipt(
                receipt_id=fact.receipt_id,
                po_id=order.po_id,
                sku=line.sku,
                location=order.location,
                quantity=fact.quantity,
                value_minor=value_minor,
                occurred_at=fact.occurred_at or now,
            )
        )
        change = Change(
            movement_id=f"receipt:{fact.receipt_id}",
            cause=f"receipt:{fact.receipt_id}",
            kind=MovementKind.RECEIPT,
            sku=line.sku,
            location=order.location,
            on_hand=fact.quantity,
            value_minor=value_minor,
        )
        move(session, change, now)
        post(session, ledger.receipt_entry(fact.receipt_id, order.currency, value_minor), now)
        session.refresh(line, with_for_update=True)
        line.received += fact.quantity
        session.flush()
        if _all_received(session, order.po_id):
            order.state = PurchaseOrderState.RECEIVED


MAX_RECEIPT = 1_000_000_000


def _as_id(cause: str) -> str:
    return cause.replace(":", "-")[:64]


def _shortages_of(session: Session, order_id: str) -> list[Shortage]:
    rows = session.exec(
        select(Shortage)
        .where(Shortage.order_id == order_id, Shortage.state == ShortageState.OPEN)
        .order_by(col(Shortage.shortage_id))
    )
    return list(rows)


def _offers(session: Session, sku: str) -> list[Offer]:
    currency = session.exec(select(Company.currency)).one()
    rows = session.exec(
        select(SupplierOffer).where(SupplierOffer.sku == sku, SupplierOffer.currency == currency)
    )
    return [Offer.model_validate(row.model_dump()) for row in rows]


def _open_orders(session: Session, place: StockPlace) -> Sequence[tuple[str, PurchaseOrderState]]:
    session.flush()
    rows = session.exec(
        select(PurchaseOrder.po_id, PurchaseOrder.state)
        .join(PurchaseOrderLine, col(PurchaseOrderLine.po_id) == col(PurchaseOrder.po_id))
        .where(
            PurchaseOrderLine.sku == place.sku,
            PurchaseOrder.location == place.location,
            PurchaseOrder.state != PurchaseOrderState.RECEIVED,
        )
        .order_by(col(PurchaseOrder.created_at), col(PurchaseOrder.po_id))
    )
    return [(po_id, PurchaseOrderState(state)) for po_id, state in rows]


def _mended(session: Session, place: StockPlace) -> tuple[str, ...]:
    """Orders that still say that nobody brings their goods."""
    rows = session.exec(
        select(Order.order_id)
        .join(Shortage, col(Shortage.order_id) == col(Order.order_id))
        .where(
            Shortage.sku == place.sku,
            Shortage.location == place.location,
            Shortage.state == ShortageState.OPEN,
            col(Shortage.problem).is_(None),
            Order.attention_code == NO_SUPPLY,
        )
        .order_by(col(Order.order_id))
        .distinct()
    )
    return tuple(rows)


def _as_sent(session: Session, po_id: str) -> SupplierOrder | None:
    order = session.get_one(PurchaseOrder, po_id)
    if order.reference is not None:
        return None
    lines = session.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id))
    return SupplierOrder(
        po_id=po_id,
        supplier_id=order.supplier_id,
        location=order.location,
        currency=order.currency,
        lines=tuple(
            SupplierLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_cost=format_amount(line.unit_cost_minor, order.currency),
            )
            for line in lines
        ),
    )


def _all_received(session: Session, po_id: str) -> bool:
    lines = session.exec(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == po_id))
    return all(line.received >= line.quantity for line in lines)
