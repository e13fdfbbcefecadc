"""The steps of purchasing, on SQLite and without an engine: plans, reports and notifications."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Update, delete, update
from sqlmodel import col, select

from activities.database.inbox import store_fact
from activities.database.unit_of_work import UnitOfWork
from activities.operations.commands import execute_command
from activities.operations.reconciliation import Reconciliation
from activities.orders.steps import start_cancelling
from activities.purchasing import reading as purchasing_reading
from activities.purchasing.receiving import receive_goods
from activities.purchasing.steps import plan_purchases
from activities.purchasing.stock_review import StockReview
from activities.purchasing.supplier_reports import apply_acknowledgement, apply_ship_notice
from activities.stock.steps import allocate_stock, release_stock
from models.errors import PartnerRefused
from models.messages.commands.purchasing import ClosePurchaseOrder
from models.messages.commands.registry import CommandStep
from models.messages.commands.stock import AdjustStock
from models.messages.facts import (
    Fact,
    GoodsShipped,
    PromisedLine,
    SupplierAcknowledged,
    business_id,
)
from models.messages.nightly import CompareStep, ReviewedBatch, ReviewStep
from models.messages.partners import SupplierOrder
from models.messages.requests import CancelRequest
from models.messages.steps import (
    CancelOrder,
    Notification,
    OrderStep,
    PlanStep,
    PurchasePlan,
    PurchaseStep,
    StockKey,
)
from models.offers import Requirement
from models.orders import Delivery
from models.progress import Stage
from models.purchasing import Reason
from models.replenishment import ReviewPolicy, lot_size
from models.tables.masterdata import Product, SupplierOffer
from models.tables.operations import Finding, RejectedMessageRow
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Shortage, StockPolicy
from tests.support.database.stateful import BEGIN
from tests.support.gateways.partners import Partners
from tests.support.purchasing.supply import BERLIN_C, buy, place, policy, receipt
from tests.support.stock.machine import Warehouse

# Notifications of a step that runs again after its commit, as its first answer is lost.


@pytest.fixture
def store(warehouse: Warehouse) -> Callable[[Fact], None]:
    """Store facts as the webhook endpoint does."""

    def store_from_partner(fact: Fact) -> None:
        warehouse.database.transaction(
            lambda work: store_fact(work, "partner", business_id(fact), fact)
        )

    return store_from_partner


def test_repeated_supplier_report_notifies_all_short_orders(
    warehouse: Warehouse, store: Callable[[Fact], None]
) -> None:
    """A date, a better date, and a refusal; none is rejected for being repeated."""
    line = buy(warehouse, 4)
    short = {f"O{warehouse.number:04d}", place(warehouse, 5)}
    warehouse._buy(BERLIN_C, sends=False, again=False)
    today = warehouse.now.date()
    fields: dict[str, Any] = {"po_id": line.po_id, "expected_date": today + timedelta(days=9)}
    dated = SupplierAcknowledged(acknowledgement_id="K", **fields)
    shipped = GoodsShipped(notice_id="N", **fields | {"expected_date": today + timedelta(days=2)})
    nothing = (PromisedLine(sku="C", quantity=0),)
    refused = SupplierAcknowledged(acknowledgement_id="K2", po_id=line.po_id, lines=nothing)
    for fact in (dated, shipped, refused):
        store(fact)
        first, again = applied(warehouse, fact), applied(warehouse, fact)
        assert first.orders
        assert set(first.orders) <= short == set(again.orders)
        assert set(again.stock_keys) == set(first.stock_keys) == {BERLIN_C}
    assert warehouse.read(select(RejectedMessageRow)) == []


def applied(warehouse: Warehouse, fact: GoodsShipped | SupplierAcknowledged) -> Notification:
    """Apply a supplier's report."""
    if isinstance(fact, GoodsShipped):
        return apply_ship_notice.run(warehouse.database, fact)
    return apply_acknowledgement.run(warehouse.database, fact)


def test_repeated_receipt_notifies_all_short_orders(warehouse: Warehouse) -> None:
    """The orders that it filled, and those that are still short."""
    line = buy(warehouse, 4)
    order_id = f"O{warehouse.number:04d}"
    later = place(warehouse, 5)
    fact = receipt(line, 4)
    first = receive_goods.run(warehouse.database, fact)
    again = receive_goods.run(warehouse.database, fact)
    assert set(first.orders) <= {order_id, later} == set(again.orders)


def test_repeated_plan_notifies_the_same_orders(warehouse: Warehouse) -> None:
    """Only orders with news; the first plan of a run notifies all short orders."""
    line = buy(warehouse, 4)
    order_id = f"O{warehouse.number:04d}"
    fields = {"acknowledgement_id": "K", "po_id": line.po_id, "expected_date": warehouse.now.date()}
    apply_acknowledgement.run(warehouse.database, SupplierAcknowledged.model_validate(fields))

    def plan(step: PlanStep) -> PurchasePlan:
        return plan_purchases.run(warehouse.database, step)

    initial = plan(PlanStep(key=BERLIN_C))
    assert initial.notification.orders == (order_id,)
    assert plan(PlanStep(key=BERLIN_C, since=initial.made_at)).notification.orders == ()
    warehouse.wait(2)  # the day has passed: no date any more
    step = PlanStep(key=BERLIN_C, since=initial.made_at)
    first, again = plan(step), plan(step)
    assert first.notification.orders == again.notification.orders == (order_id,)
    assert plan(PlanStep(key=BERLIN_C, since=again.made_at)).notification.orders == ()


def test_repeated_refusal_notifies_replenishments_and_short_orders(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the step is lost, the purchase order is refused."""

    async def refuse(self: Partners, order: SupplierOrder, key: str) -> str:
        raise PartnerRefused("out_of_stock", "no")

    monkeypatch.setattr(Partners, "send", refuse)
    order_id = place(warehouse, 4)
    [planned] = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C)).send
    step = PurchaseStep(po_id=planned.po_id, sku="C")
    first = asyncio.run(warehouse.purchasing.send_purchase_order(step))
    again = asyncio.run(warehouse.purchasing.send_purchase_order(step))
    assert first.stock_keys == again.stock_keys == (BERLIN_C,)
    assert again.orders == (order_id,)


def test_repeated_release_notifies_all_short_orders(warehouse: Warehouse) -> None:
    """The next order takes over the units on order, and their date."""
    line = buy(warehouse, 4)
    first_id, second = f"O{warehouse.number:04d}", place(warehouse, 4)
    expected = warehouse.now.date() + timedelta(days=3)
    fields = {"acknowledgement_id": "K", "po_id": line.po_id, "expected_date": expected}
    apply_acknowledgement.run(warehouse.database, SupplierAcknowledged.model_validate(fields))
    step = OrderStep(order_id=first_id)
    request = CancelRequest(reason="r", actor="operator")
    assert start_cancelling.run(
        warehouse.database, CancelOrder(order_id=first_id, request=request)
    ).accepted
    first = release_stock.run(warehouse.database, step).notification
    again = release_stock.run(warehouse.database, step).notification
    assert first.orders == again.orders == (second,)
    assert first.stock_keys == again.stock_keys == (BERLIN_C,)


# Reasons and quantities of purchases.


def test_purchase_names_only_the_orders_that_it_covers(warehouse: Warehouse) -> None:
    """Earlier orders are covered by the earlier purchase."""
    first = buy(warehouse, 4)
    assert Reason.model_validate(first.reason).orders == (f"O{warehouse.number:04d}",)
    covered_in_part = place(warehouse, first.quantity - 4 + 1)
    alone = place(warehouse, 2)
    warehouse._buy(BERLIN_C, sends=True, again=False)
    lines = warehouse.read(select(PurchaseOrderLine))
    [second] = [line for line in lines if line.po_id != first.po_id]
    reason = Reason.model_validate(second.reason)
    assert (reason.orders, reason.short) == ((covered_in_part, alone), 3)


def execute(warehouse: Warehouse, statement: Update) -> None:
    """Execute a statement in a transaction of its own."""
    warehouse.database.transaction(lambda work: work.session.execute(statement))


def test_purchase_is_needed_by_the_earliest_promise_that_it_covers(warehouse: Warehouse) -> None:
    """Promises covered by other purchases do not count; restocking has no such day."""
    first = buy(warehouse, 4)
    needed_by = warehouse.now.date() + timedelta(days=180)
    for days in (9, 0):
        order_id = place(warehouse, 5)
        promised = update(Order).where(col(Order.order_id) == order_id)
        execute(warehouse, promised.values(promised_date=needed_by + timedelta(days=days)))

    def requirement() -> Requirement:
        plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
        lines = warehouse.read(select(PurchaseOrderLine))
        [second] = [line for line in lines if line.po_id != first.po_id]
        return Reason.model_validate(second.reason).comparison.requirement

    assert (requirement().short, requirement().needed_by) == (10, needed_by)

    for shortage in warehouse.read(select(Shortage)):
        request = CancelRequest(reason="r", actor="operator")
        step = CancelOrder(order_id=shortage.order_id, request=request)
        start_cancelling.run(warehouse.database, step)
        release_stock.run(warehouse.database, OrderStep(order_id=shortage.order_id))
    place(warehouse, first.quantity)
    low = policy("C", reorder_point=5, order_quantity=20)
    warehouse.database.transaction(lambda work: work.session.add(low))
    assert (requirement().short, requirement().needed_by) == (0, None)


def test_low_stock_without_an_offer_is_a_problem_of_the_plan_only(warehouse: Warehouse) -> None:
    """Orders that are not short are not notified; the plan is reviewed every day."""
    order_id = place(warehouse, 2, sku="B")

    def lower(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer).where(col(SupplierOffer.sku) == "C"))
        work.session.add(policy("C", reorder_point=5, order_quantity=20))

    warehouse.database.transaction(lower)
    plan = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    assert plan.problem
    assert plan.problem.startswith("20 x C are to be restocked at BER and no supplier offers them")
    assert (plan.unmet, plan.open, plan.send, plan.notification.orders) == (0, (), (), ())
    assert plan.review_at
    assert timedelta(0) < plan.review_at - warehouse.now <= timedelta(days=1)
    assert order_id not in plan.notification.orders

    warehouse.database.transaction(
        lambda work: work.session.execute(delete(StockPolicy).where(col(StockPolicy.sku) == "C"))
    )
    plan = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    assert (plan.problem, plan.review_at) == (None, None)


@pytest.mark.parametrize(("lot", "units"), [(20, 20), (0, 7)])
def test_missing_units_are_bought_where_there_is_no_order_quantity(
    warehouse: Warehouse, lot: int, units: int
) -> None:
    """Up to reorder point and safety stock, five and two; planning, allocation and command agree."""
    place(warehouse, 5, sku="B")
    line = policy("C", reorder_point=5, order_quantity=lot, safety_stock=2)
    held = policy("A", reorder_point=6, order_quantity=lot)
    warehouse.database.transaction(lambda work: work.session.add_all([line, held]))
    plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    [bought] = warehouse.read(select(PurchaseOrderLine))
    assert Reason.model_validate(bought.reason).restock == units

    order_id = place(warehouse, 1, sku="A")
    berlin_a = StockKey(location="BER", sku="A")
    again = allocate_stock.run(warehouse.database, OrderStep(order_id=order_id))
    assert again.notification is not None
    assert again.notification.stock_keys == (berlin_a,)
    lost = AdjustStock(command_id="A", reason="r", sku="A", location="BER", by=-1)
    done = execute_command.run(warehouse.database, CommandStep(command=lost))
    assert done.notification.stock_keys == (berlin_a,)


REVIEW = ReviewPolicy(
    window_days=90,
    service_level_ppm=950_000,
    order_cost=Decimal("25.00"),
    holding_cost_ppm=200_000,
)


def reviewed(warehouse: Warehouse, rules: ReviewPolicy) -> tuple[StockPolicy, ReviewedBatch]:
    """Review the stock; return the policy of A in Berlin, and the batch."""
    step = ReviewStep(after="", batch_skus=10)
    warehouse.database.rules = replace(warehouse.database.rules, review=rules)
    review = StockReview(warehouse.database)
    batch = asyncio.run(review.review_stock(step))
    query = select(StockPolicy).where(StockPolicy.sku == "A", StockPolicy.location == "BER")
    [row] = warehouse.read(query)
    return row, batch


def test_order_quantity_and_demand_cover_the_same_days(warehouse: Warehouse) -> None:
    """Three units were ordered yesterday; today counts in neither."""
    place(warehouse, 3, sku="A")
    warehouse.wait(1)
    place(warehouse, 2, sku="A")
    reviewed_policy, _ = reviewed(warehouse, REVIEW)
    assert (reviewed_policy.demand_a_day, reviewed_policy.observed_days) == (3 / 28, 28)
    lot = lot_size(REVIEW, "EUR", units_ordered=3, days=28, value_minor=333, units=1)
    assert reviewed_policy.order_quantity == lot


def test_stock_review_reports_low_stock_without_order_quantity(warehouse: Warehouse) -> None:
    """Holding costs nothing, so there is no economic order quantity."""
    place(warehouse, 28, sku="A")
    warehouse.wait(1)
    reviewed_policy, batch = reviewed(warehouse, replace(REVIEW, holding_cost_ppm=0))
    assert (reviewed_policy.order_quantity, reviewed_policy.demand_a_day) == (0, 1.0)
    assert StockKey(location="BER", sku="A") in batch.low


@pytest.mark.parametrize("column", ["is_sold", "is_bought"])
def test_product_no_longer_sold_or_bought_is_not_restocked(
    warehouse: Warehouse, column: str
) -> None:
    """Neither by the reorder point of the last review nor by the next one."""
    place(warehouse, 28, sku="A")
    warehouse.wait(1)
    berlin_a = StockKey(location="BER", sku="A")
    before, batch = reviewed(warehouse, REVIEW)
    assert (before.reorder_point > 0, berlin_a in batch.low) == (True, True)
    warehouse.database.transaction(
        lambda work: setattr(work.session.get_one(Product, "A"), column, False)
    )
    short = plan_purchases.run(warehouse.database, PlanStep(key=berlin_a)).unmet
    lines = select(PurchaseOrderLine).where(PurchaseOrderLine.sku == "A")
    reasons = [Reason.model_validate(line.reason) for line in warehouse.read(lines)]
    assert [reason.restock for reason in reasons] == ([0] if column == "is_sold" else [])
    assert bool(short) == (column == "is_bought")
    after, batch = reviewed(warehouse, REVIEW)
    assert (after.demand_a_day, after.reorder_point, after.order_quantity) == (0.0, 0, 0)
    assert berlin_a not in batch.low


# Overdue units.


def test_partly_received_purchase_order_needs_no_acknowledgement(warehouse: Warehouse) -> None:
    """The rest is expected until it is overdue, and then bought elsewhere."""
    line = buy(warehouse, 10)
    receive_goods.run(warehouse.database, receipt(line, 6))
    warehouse.wait(4)  # to be acknowledged within two days, and received within three
    plan = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    assert (plan.open, plan.send) == ((line.po_id,), ())
    assert plan.review_at
    warehouse.wait(4)
    plan = plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    assert len(plan.send) == 1
    order = warehouse.database.read(lambda s: s.get_one(PurchaseOrder, line.po_id))
    assert order.ended_reason == f"overdue: expected on {BEGIN.date() + timedelta(days=3)}"


@pytest.mark.parametrize("again", [False, True])
def test_acknowledgement_of_a_given_up_rest_is_rejected(warehouse: Warehouse, again: bool) -> None:
    """The rest was bought again, of another supplier or, by a retry, of the same one. The purchase
    order stays unchanged, and API and CLI refuse the acknowledgement."""
    line = buy(warehouse, 10)
    receive_goods.run(warehouse.database, receipt(line, 4))
    warehouse.wait(8)
    plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
    warehouse._buy(BERLIN_C, sends=True, again=again)
    [given_up] = warehouse.read(
        select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == line.po_id)
    )
    fields = {"po_id": line.po_id, "expected_date": warehouse.now.date() + timedelta(days=5)}
    late = SupplierAcknowledged.model_validate(fields | {"acknowledgement_id": "K"})
    today = warehouse.now.date()
    assert warehouse.database.read(
        lambda session: purchasing_reading.acknowledgement_refusal(session, late, today)
    )
    apply_acknowledgement.run(warehouse.database, late)
    [after] = warehouse.read(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == line.po_id))
    assert after == given_up
    [rejected] = warehouse.read(select(RejectedMessageRow))
    assert (rejected.subject, rejected.reason) == (
        line.po_id,
        f"too late: {line.po_id} is received: nothing more is expected of it",
    )


# Failed suppliers.


@pytest.mark.parametrize("how", ["is overdue", "is closed", "promises less"])
def test_failed_supplier_rests_from_its_failure(warehouse: Warehouse, how: str) -> None:
    """However old the purchase order is; the next offer is used, and after the rest this one."""
    line = buy(warehouse, 4)
    failed = warehouse.read(select(PurchaseOrder.supplier_id))[0]
    far = warehouse.now.date() + timedelta(days=20)
    fields = {"po_id": line.po_id, "expected_date": far}
    apply_acknowledgement.run(
        warehouse.database,
        SupplierAcknowledged.model_validate(fields | {"acknowledgement_id": "K"}),
    )
    warehouse.wait(24)
    if how == "is closed":
        close = ClosePurchaseOrder(command_id="C", reason="bankrupt", po_id=line.po_id)
        execute_command.run(warehouse.database, CommandStep(command=close))
    elif how == "promises less":
        nothing = (PromisedLine(sku="C", quantity=0),)
        apply_acknowledgement.run(
            warehouse.database,
            SupplierAcknowledged(acknowledgement_id="K2", po_id=line.po_id, lines=nothing),
        )

    def why_not_asked() -> str | None:
        plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
        lines = warehouse.read(select(PurchaseOrderLine))
        [planned] = [other for other in lines if other.po_id != line.po_id]
        rows = Reason.model_validate(planned.reason).comparison.rows
        return {row.supplier_id: row.why_not for row in rows}[failed]

    assert (why_not_asked() or "").startswith(f"{line.po_id}: ")
    warehouse.wait(4)
    assert why_not_asked()
    warehouse.wait(2)
    assert why_not_asked() is None


# Left-over stock.


@pytest.mark.parametrize("stage", [Stage.CANCELLED, Stage.COMPLETED])
def test_stock_and_shortages_of_a_finished_order_are_findings(
    warehouse: Warehouse, stage: Stage
) -> None:
    """Those of an order in progress are none."""
    place(warehouse, 1, sku="A")
    warehouse.reserve([("A", 3), ("C", 4)], Delivery.PARTIAL, "DE", twice=False)
    order_id = f"O{warehouse.number:04d}"

    def findings() -> dict[str, str]:
        asyncio.run(reconciliation.compare_stock(CompareStep(after="", batch=10, seen_at=BEGIN)))
        return {row.finding_id: row.message for row in warehouse.read(select(Finding))}

    unused: Any = None  # this step doesn't ask the engine
    reconciliation = Reconciliation(warehouse.database, unused)
    assert findings() == {}
    over = update(Order).where(col(Order.order_id) == order_id).values(stage=stage)
    warehouse.database.transaction(lambda work: work.session.execute(over))
    still = f"order {order_id} is {stage}, and of"
    assert findings() == {
        f"left_over:{order_id}:A:BER": f"{still} A at BER 3 are still reserved for it and 0 "
        "still short",
        f"left_over:{order_id}:C:BER": f"{still} C at BER 0 are still reserved for it and 4 "
        "still short",
    }
