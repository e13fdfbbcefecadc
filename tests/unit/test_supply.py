"""The steps of buying and receiving, on SQLite and without an engine: what is let in, what becomes
of it, and who is told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from activities.database.inbox import store_fact
from activities.database.unit_of_work import UnitOfWork
from activities.operations.commands import execute_command
from activities.operations.reconciliation import Reconciliation
from activities.orders.steps import start_cancelling
from activities.purchasing import reading as purchasing_reading
from activities.purchasing.receiving import receive_goods, record_supplier_invoice
from activities.purchasing.steps import apply_acknowledgement, apply_ship_notice, plan_purchases
from activities.purchasing.stock_review import StockReview
from activities.purchasing.track_records import lead_times, track_records
from activities.stock.steps import allocate_stock, release_stock
from models.errors import PartnerRefused
from models.ledger import Account
from models.messages.commands import AdjustStock, ClosePurchase, CommandStep
from models.messages.facts import (
    Fact,
    GoodsReceived,
    GoodsShipped,
    InvoicedLine,
    PromisedLine,
    SupplierAcknowledged,
    SupplierInvoiced,
    business_id,
)
from models.messages.nightly import CloseStep, CompareStep, ReviewedBatch, ReviewStep
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
from models.money import format_amount
from models.orders import Delivery
from models.progress import Stage
from models.purchasing import Reason, Requirement
from models.replenishment import ReviewPolicy, lot_size
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.masterdata import SupplierOffer
from models.tables.operations import Finding, RejectedMessageRow
from models.tables.orders import Order
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine, SupplierInvoice
from models.tables.stock import Shortage, StockPolicy
from tests.support.machine import BEGIN, RULES, Partners, Warehouse

BERLIN_C = StockKey(location="BER", sku="C")
"""Nothing of it is there."""


def place(warehouse: Warehouse, quantity: int, sku: str = "C") -> str:
    """An order from Berlin; returns its id."""
    warehouse.reserve([(sku, quantity)], Delivery.COMPLETE, "DE", twice=False)
    return f"O{warehouse.number:04d}"


def buy(warehouse: Warehouse, quantity: int) -> PurchaseOrderLine:
    """An order is short of so many, and they are bought."""
    place(warehouse, quantity)
    warehouse._buy(BERLIN_C, sends=True, again=False)
    [line] = warehouse.read(select(PurchaseOrderLine))
    return line


def policy(sku: str, **found: int) -> StockPolicy:
    """What the nightly review found for Berlin."""
    return StockPolicy(
        sku=sku,
        location="BER",
        demand_a_day=2.0,
        demand_deviation=0.5,
        observed_days=90,
        lead_time_days=3.0,
        lead_time_deviation=0.0,
        reviewed_at=BEGIN,
        **{"safety_stock": 2, **found},
    )


def receipt(line: PurchaseOrderLine, quantity: int, **changes: Any) -> GoodsReceived:
    """Goods of a line."""
    said = {"receipt_id": "R", "po_id": line.po_id, "sku": line.sku, "quantity": quantity}
    return GoodsReceived.model_validate(said | changes)


def why_not(warehouse: Warehouse, fact: GoodsReceived) -> str | None:
    """What the door says to a person."""
    return warehouse.database.read(
        lambda session: purchasing_reading.why_not_receipt(
            session, fact, RULES.buying, warehouse.now
        )
    )


# What is let in.


def test_a_person_receives_nothing_that_is_still_to_come(warehouse: Warehouse) -> None:
    """A day is allowed for, as clocks and time zones go."""
    line = buy(warehouse, 4)
    late = receipt(line, 4, occurred_at=datetime(2099, 1, 1, tzinfo=UTC))
    refusal = why_not(warehouse, late)
    assert refusal
    assert refusal.startswith("occurred_at: 2099-01-01")
    for hours in (-100, 0, 23):
        fact = receipt(line, 4, occurred_at=warehouse.now + timedelta(hours=hours))
        assert why_not(warehouse, fact) is None


@pytest.mark.parametrize("days", [-30, 30_000])
def test_a_receipt_took_no_less_than_nothing_and_came_by_now(
    warehouse: Warehouse, days: int
) -> None:
    """Whatever date a partner gives it: no lead time is below zero, or beyond what has passed."""
    line = buy(warehouse, 4)
    fact = receipt(line, 4, occurred_at=warehouse.now + timedelta(days=days))
    receive_goods.run(warehouse.database, fact)
    [kept] = warehouse.read(select(GoodsReceipt))
    assert kept.occurred_at <= warehouse.now
    took = warehouse.database.read(lambda session: lead_times(session, ["C"]))
    assert took == {("C", "BER"): [0]}
    [supplier] = warehouse.read(select(PurchaseOrder.supplier_id))
    records = warehouse.database.read(lambda session: track_records(session, [supplier]))
    assert records[supplier].mean_lead_time_days == 0


def test_a_lead_time_counts_the_days_whatever_the_hours(warehouse: Warehouse) -> None:
    """Sent in the morning, here the day after tomorrow, an hour earlier: two days."""
    line = buy(warehouse, 4)
    warehouse.now += timedelta(days=2, hours=-1)
    receive_goods.run(warehouse.database, receipt(line, 4))
    took = warehouse.database.read(lambda session: lead_times(session, ["C"]))
    assert took == {("C", "BER"): [2]}
    [supplier] = warehouse.read(select(PurchaseOrder.supplier_id))
    records = warehouse.database.read(lambda session: track_records(session, [supplier]))
    assert records[supplier].mean_lead_time_days == 2


def tax_day(warehouse: Warehouse, entry_id: str) -> date:
    """The day for which an entry counts."""
    [day] = warehouse.read(select(JournalEntry.tax_date).where(JournalEntry.entry_id == entry_id))
    return day


def invoiced(line: PurchaseOrderLine, occurred_at: datetime) -> SupplierInvoiced:
    """Four units of a line, at ten cents more than was ordered."""
    cost = format_amount(line.unit_cost_minor + 10, "EUR")
    lines = (InvoicedLine(sku=line.sku, quantity=4, unit_cost=cost),)
    return SupplierInvoiced(
        invoice_id="SI", po_id=line.po_id, currency="EUR", lines=lines, occurred_at=occurred_at
    )


@pytest.mark.parametrize(("days", "counts"), [(-2, -2), (-400, 0), (1, 0)])
def test_goods_and_their_invoice_count_for_the_day_they_came(
    warehouse: Warehouse, days: int, counts: int
) -> None:
    """However late they are told; a day that can't be is today."""
    line = buy(warehouse, 4)
    at = warehouse.now + timedelta(days=days)
    day = warehouse.now.date() + timedelta(days=counts)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=at))
    record_supplier_invoice.run(warehouse.database, invoiced(line, at))
    assert tax_day(warehouse, "goods_receipt:R") == tax_day(warehouse, "supplier_invoice:SI") == day


def test_an_invoice_that_is_dated_before_its_goods_came_counts_for_the_day_they_did(
    warehouse: Warehouse,
) -> None:
    """Before that, nothing had been received that it could clear."""
    line = buy(warehouse, 4)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=warehouse.now))
    record_supplier_invoice.run(
        warehouse.database, invoiced(line, warehouse.now - timedelta(days=4))
    )
    assert tax_day(warehouse, "supplier_invoice:SI") == warehouse.now.date()


def test_an_invoice_that_waited_for_its_goods_counts_for_no_day_before_it_came(
    warehouse: Warehouse,
) -> None:
    """Both are of two days ago; it is told today, the goods tomorrow."""
    line = buy(warehouse, 4)
    came = warehouse.now
    before = came - timedelta(days=2)
    record_supplier_invoice.run(warehouse.database, invoiced(line, before))
    warehouse.wait(1)
    receive_goods.run(warehouse.database, receipt(line, 4, occurred_at=before))
    assert tax_day(warehouse, "goods_receipt:R") == before.date()
    assert tax_day(warehouse, "supplier_invoice:SI") == came.date()


def test_damaged_units_count_as_units_that_come(warehouse: Warehouse) -> None:
    """Twenty were ordered, so that twenty-two may come, of use or not; who sends others for the
    damaged ones isn't sent away."""
    line = buy(warehouse, 20)
    for quantity, damaged in ((1_000_000, 1_000_000), (23, 23), (23, 1), (23, 0)):
        refusal = why_not(warehouse, receipt(line, quantity, damaged=damaged))
        assert refusal
        assert refusal.startswith("quantity: 20 x C")
        assert f"22 more can be taken, not {quantity}" in refusal
    receive_goods.run(warehouse.database, receipt(line, 22, damaged=22))
    assert why_not(warehouse, receipt(line, 22, receipt_id="R2")) is None


@pytest.mark.parametrize("of_line", [True, False])
def test_a_date_that_has_passed_is_none(warehouse: Warehouse, of_line: bool) -> None:
    """From a partner: the offer's date stands in, and the purchase order is no sooner overdue. A
    person is refused it, naming the field."""
    line = buy(warehouse, 4)
    today = warehouse.now.date()
    passed = {"expected_date": (today - timedelta(days=40)).isoformat()}
    lines = [{"sku": "C", "quantity": 4, **passed}]
    said = {"acknowledgement_id": "K", "po_id": line.po_id}
    said |= {"lines": lines} if of_line else passed
    fact = SupplierAcknowledged.model_validate(said)
    refusal = warehouse.database.read(
        lambda session: purchasing_reading.why_not_acknowledged(session, fact, today)
    )
    field = "lines.0.expected_date" if of_line else "expected_date"
    assert refusal == f"{field}: {passed['expected_date']} has passed"
    apply_acknowledgement.run(warehouse.database, fact)
    notice = GoodsShipped.model_validate({"notice_id": "N", "po_id": line.po_id, **passed})
    apply_ship_notice.run(warehouse.database, notice)
    plan = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    assert plan.open == (line.po_id,)
    [line] = warehouse.read(select(PurchaseOrderLine))
    assert line.expected_date == today + timedelta(days=3)


# Who is told, though a step runs again after its commit and its first answer is lost.


@pytest.fixture
def kept(warehouse: Warehouse) -> Callable[[Fact], None]:
    """Keep a fact as the door does."""

    def keep(fact: Fact) -> None:
        warehouse.database.transaction(
            lambda work: store_fact(work, "partner", business_id(fact), fact)
        )

    return keep


def test_a_suppliers_word_that_is_applied_again_names_all_who_wait(
    warehouse: Warehouse, kept: Callable[[Fact], None]
) -> None:
    """A date, a better date, and a refusal, which is no odd fact for being said again."""
    line = buy(warehouse, 4)
    waits = {f"O{warehouse.number:04d}", place(warehouse, 5)}
    warehouse._buy(BERLIN_C, sends=False, again=False)
    today = warehouse.now.date()
    said: dict[str, Any] = {"po_id": line.po_id, "expected_date": today + timedelta(days=9)}
    dated = SupplierAcknowledged(acknowledgement_id="K", **said)
    shipped = GoodsShipped(notice_id="N", **said | {"expected_date": today + timedelta(days=2)})
    nothing = (PromisedLine(sku="C", quantity=0),)
    refused = SupplierAcknowledged(acknowledgement_id="K2", po_id=line.po_id, lines=nothing)
    for fact in (dated, shipped, refused):
        kept(fact)
        first, again = applied(warehouse, fact), applied(warehouse, fact)
        assert first.orders
        assert set(first.orders) <= waits == set(again.orders)
        assert set(again.places) == set(first.places) == {BERLIN_C}
    assert warehouse.read(select(RejectedMessageRow)) == []


def applied(warehouse: Warehouse, fact: GoodsShipped | SupplierAcknowledged) -> Notification:
    """Apply what a supplier reported."""
    if isinstance(fact, GoodsShipped):
        return apply_ship_notice.run(warehouse.database, fact)
    return apply_acknowledgement.run(warehouse.database, fact)


def test_a_receipt_that_is_taken_in_again_names_all_whose_date_it_moved(
    warehouse: Warehouse,
) -> None:
    """Who got goods, and who still waits."""
    line = buy(warehouse, 4)
    waits = f"O{warehouse.number:04d}"
    later = place(warehouse, 5)
    fact = receipt(line, 4)
    first = receive_goods.run(warehouse.database, fact)
    again = receive_goods.run(warehouse.database, fact)
    assert set(first.orders) <= {waits, later} == set(again.orders)


def test_a_plan_that_is_made_again_names_whom_the_first_one_meant(warehouse: Warehouse) -> None:
    """Nobody who has no news; the first plan of a run, all who wait."""
    line = buy(warehouse, 4)
    waits = f"O{warehouse.number:04d}"
    said = {"acknowledgement_id": "K", "po_id": line.po_id, "expected_date": warehouse.now.date()}
    apply_acknowledgement.run(warehouse.database, SupplierAcknowledged.model_validate(said))

    def plan(step: PlanStep) -> PurchasePlan:
        return plan_purchases.run(warehouse.database, step)

    calm = plan(PlanStep(place=BERLIN_C))
    assert calm.notification.orders == (waits,)
    assert plan(PlanStep(place=BERLIN_C, since=calm.made_at)).notification.orders == ()
    warehouse.wait(2)  # the day has passed: no date any more
    step = PlanStep(place=BERLIN_C, since=calm.made_at)
    first, again = plan(step), plan(step)
    assert first.notification.orders == again.notification.orders == (waits,)
    assert plan(PlanStep(place=BERLIN_C, since=again.made_at)).notification.orders == ()


def test_a_refusal_that_is_asked_for_again_names_the_places_that_look_elsewhere(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the step was lost, the purchase order is refused."""

    async def refuse(self: Partners, order: SupplierOrder, key: str) -> str:
        raise PartnerRefused("out_of_stock", "no")

    monkeypatch.setattr(Partners, "send", refuse)
    waits = place(warehouse, 4)
    [planned] = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C)).send
    step = PurchaseStep(po_id=planned.po_id, sku="C")
    first = asyncio.run(warehouse.purchasing.send_purchase_order(step))
    again = asyncio.run(warehouse.purchasing.send_purchase_order(step))
    assert first.places == again.places == (BERLIN_C,)
    assert again.orders == (waits,)


def test_a_cancelled_orders_stock_that_is_given_back_again_names_all_who_wait(
    warehouse: Warehouse,
) -> None:
    """The one after it gets its purchase order's date."""
    line = buy(warehouse, 4)
    first_id, second = f"O{warehouse.number:04d}", place(warehouse, 4)
    expected = warehouse.now.date() + timedelta(days=3)
    said = {"acknowledgement_id": "K", "po_id": line.po_id, "expected_date": expected}
    apply_acknowledgement.run(warehouse.database, SupplierAcknowledged.model_validate(said))
    step = OrderStep(order_id=first_id)
    request = CancelRequest(reason="r", actor="operator")
    assert start_cancelling.run(
        warehouse.database, CancelOrder(order_id=first_id, request=request)
    ).accepted
    first = release_stock.run(warehouse.database, step).notification
    again = release_stock.run(warehouse.database, step).notification
    assert first.orders == again.orders == (second,)
    assert first.places == again.places == (BERLIN_C,)


# Why it is bought.


def test_a_purchase_names_only_the_orders_that_it_covers(warehouse: Warehouse) -> None:
    """Those before them are served by what was bought before."""
    first = buy(warehouse, 4)
    assert Reason.model_validate(first.reason).orders == (f"O{warehouse.number:04d}",)
    covered_in_part = place(warehouse, first.quantity - 4 + 1)
    alone = place(warehouse, 2)
    warehouse._buy(BERLIN_C, sends=True, again=False)
    lines = warehouse.read(select(PurchaseOrderLine))
    [second] = [line for line in lines if line.po_id != first.po_id]
    reason = Reason.model_validate(second.reason)
    assert (reason.orders, reason.short) == ((covered_in_part, alone), 3)


def test_a_purchase_is_needed_by_the_first_promise_that_it_covers(warehouse: Warehouse) -> None:
    """What is bought already is in no hurry, nor is what nobody waits for."""
    first = buy(warehouse, 4)
    needed_by = warehouse.now.date() + timedelta(days=180)
    for days in (9, 0):
        order_id = place(warehouse, 5)
        promised = update(Order).where(col(Order.order_id) == order_id)
        promised = promised.values(promised_date=needed_by + timedelta(days=days))
        warehouse.database.transaction(lambda work, by=promised: work.session.execute(by))

    def requirement() -> Requirement:
        plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
        lines = warehouse.read(select(PurchaseOrderLine))
        [second] = [line for line in lines if line.po_id != first.po_id]
        return Reason.model_validate(second.reason).comparison.requirement

    assert (requirement().short, requirement().needed_by) == (10, needed_by)

    for shortage in warehouse.read(select(Shortage)):
        request = CancelRequest(reason="r", actor="operator")
        wish = CancelOrder(order_id=shortage.order_id, request=request)
        start_cancelling.run(warehouse.database, wish)
        release_stock.run(warehouse.database, OrderStep(order_id=shortage.order_id))
    place(warehouse, first.quantity)
    low = policy("C", reorder_point=5, order_quantity=20)
    warehouse.database.transaction(lambda work: work.session.add(low))
    assert (requirement().short, requirement().needed_by) == (0, None)


def test_what_runs_low_and_nobody_offers_needs_a_person(warehouse: Warehouse) -> None:
    """Orders that are served don't: the plan says what was tried, and is looked at every day."""
    order_id = place(warehouse, 2, sku="B")

    def lower(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer).where(col(SupplierOffer.sku) == "C"))
        work.session.add(policy("C", reorder_point=5, order_quantity=20))

    warehouse.database.transaction(lower)
    plan = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    assert plan.problem
    assert plan.problem.startswith("20 x C are to be restocked at BER and no supplier offers them")
    assert (plan.unmet, plan.open, plan.send, plan.notification.orders) == (0, (), (), ())
    assert plan.look_at
    assert timedelta(0) < plan.look_at - warehouse.now <= timedelta(days=1)
    assert order_id not in plan.notification.orders

    warehouse.database.transaction(
        lambda work: work.session.execute(delete(StockPolicy).where(col(StockPolicy.sku) == "C"))
    )
    plan = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    assert (plan.problem, plan.look_at) == (None, None)


@pytest.mark.parametrize(("lot", "units"), [(20, 20), (0, 7)])
def test_where_holding_costs_nothing_what_is_lacking_is_bought(
    warehouse: Warehouse, lot: int, units: int
) -> None:
    """Up to the reorder point and the safety stock: five and two; wherever somebody looks."""
    place(warehouse, 5, sku="B")
    line = policy("C", reorder_point=5, order_quantity=lot, safety_stock=2)
    held = policy("A", reorder_point=6, order_quantity=lot)
    warehouse.database.transaction(lambda work: work.session.add_all([line, held]))
    plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    [bought] = warehouse.read(select(PurchaseOrderLine))
    assert Reason.model_validate(bought.reason).restock == units

    order_id = place(warehouse, 1, sku="A")
    berlin_a = StockKey(location="BER", sku="A")
    again = allocate_stock.run(warehouse.database, OrderStep(order_id=order_id))
    assert again.notification.places == (berlin_a,)
    lost = AdjustStock(command_id="A", reason="r", sku="A", location="BER", by=-1)
    done = execute_command.run(warehouse.database, CommandStep(command=lost))
    assert done.notification.places == (berlin_a,)


REVIEW = ReviewPolicy(
    window_days=90,
    service_level_ppm=950_000,
    order_cost=Decimal("25.00"),
    holding_cost_ppm=200_000,
)


def reviewed(warehouse: Warehouse, rules: ReviewPolicy) -> tuple[StockPolicy, ReviewedBatch]:
    """What the review finds for A in Berlin, and the whole batch."""
    step = ReviewStep(after="", batch_skus=10)
    warehouse.database.rules = replace(warehouse.database.rules, review=rules)
    review = StockReview(warehouse.database)
    batch = asyncio.run(review.review_stock(step))
    found = select(StockPolicy).where(StockPolicy.sku == "A", StockPolicy.location == "BER")
    [row] = warehouse.read(found)
    return row, batch


def test_the_order_quantity_and_the_demand_are_of_the_same_days(warehouse: Warehouse) -> None:
    """Three were ordered yesterday; today, which isn't over yet, counts in neither."""
    place(warehouse, 3, sku="A")
    warehouse.wait(1)
    place(warehouse, 2, sku="A")
    found, _ = reviewed(warehouse, REVIEW)
    assert (found.demand_a_day, found.observed_days) == (3.0, 1)
    lot = lot_size(REVIEW, "EUR", units_ordered=3, days=1, value_minor=333, units=1)
    assert found.order_quantity == lot


def test_the_review_finds_low_what_costs_nothing_to_hold(warehouse: Warehouse) -> None:
    """No lot is better than another, and yet it runs low."""
    place(warehouse, 6, sku="A")
    warehouse.wait(1)
    found, batch = reviewed(warehouse, replace(REVIEW, holding_cost_ppm=0))
    assert (found.order_quantity, found.reorder_point) == (0, 18)
    assert StockKey(location="BER", sku="A") in batch.low


# What is given up.


def test_who_has_brought_a_part_needs_no_acknowledgement(warehouse: Warehouse) -> None:
    """The rest is waited for as any other, and bought elsewhere once it is overdue."""
    line = buy(warehouse, 10)
    receive_goods.run(warehouse.database, receipt(line, 6))
    warehouse.wait(4)  # acknowledged within two days, here within three
    plan = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    assert (plan.open, plan.send) == ((line.po_id,), ())
    assert plan.look_at
    warehouse.wait(4)
    plan = plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    assert len(plan.send) == 1
    order = warehouse.database.read(lambda s: s.get_one(PurchaseOrder, line.po_id))
    assert order.ended_reason == f"overdue: expected on {BEGIN.date() + timedelta(days=3)}"


@pytest.mark.parametrize("again", [False, True])
def test_what_is_promised_after_the_rest_was_given_up_is_odd(
    warehouse: Warehouse, again: bool
) -> None:
    """It was bought elsewhere, or of the same supplier, as a person said so: nothing of the purchase
    order changes, and a person is refused it."""
    line = buy(warehouse, 10)
    receive_goods.run(warehouse.database, receipt(line, 4))
    warehouse.wait(8)
    plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
    warehouse._buy(BERLIN_C, sends=True, again=again)
    [given_up] = warehouse.read(
        select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == line.po_id)
    )
    said = {"po_id": line.po_id, "expected_date": warehouse.now.date() + timedelta(days=5)}
    late = SupplierAcknowledged.model_validate(said | {"acknowledgement_id": "K"})
    today = warehouse.now.date()
    assert warehouse.database.read(
        lambda session: purchasing_reading.why_not_acknowledged(session, late, today)
    )
    apply_acknowledgement.run(warehouse.database, late)
    [after] = warehouse.read(select(PurchaseOrderLine).where(PurchaseOrderLine.po_id == line.po_id))
    assert after == given_up
    [odd] = warehouse.read(select(RejectedMessageRow))
    assert (odd.subject, odd.reason) == (
        line.po_id,
        f"too late: {line.po_id} is received: nothing more is expected of it",
    )


# Who isn't asked.


@pytest.mark.parametrize("how", ["is overdue", "is closed", "promises less"])
def test_a_supplier_rests_from_when_it_let_us_down(warehouse: Warehouse, how: str) -> None:
    """However long ago it was asked; the next offer is taken, and after the rest it is asked
    again."""
    line = buy(warehouse, 4)
    rests = warehouse.read(select(PurchaseOrder.supplier_id))[0]
    far = warehouse.now.date() + timedelta(days=20)
    said = {"po_id": line.po_id, "expected_date": far}
    apply_acknowledgement.run(
        warehouse.database, SupplierAcknowledged.model_validate(said | {"acknowledgement_id": "K"})
    )
    warehouse.wait(24)
    if how == "is closed":
        close = ClosePurchase(command_id="C", reason="bankrupt", po_id=line.po_id)
        execute_command.run(warehouse.database, CommandStep(command=close))
    elif how == "promises less":
        nothing = (PromisedLine(sku="C", quantity=0),)
        apply_acknowledgement.run(
            warehouse.database,
            SupplierAcknowledged(acknowledgement_id="K2", po_id=line.po_id, lines=nothing),
        )

    def why_not_asked() -> str | None:
        plan_purchases.run(warehouse.database, PlanStep(place=BERLIN_C))
        lines = warehouse.read(select(PurchaseOrderLine))
        [planned] = [other for other in lines if other.po_id != line.po_id]
        rows = Reason.model_validate(planned.reason).comparison.rows
        return {row.supplier_id: row.why_not for row in rows}[rests]

    assert (why_not_asked() or "").startswith(f"{line.po_id}: ")
    warehouse.wait(4)
    assert why_not_asked()
    warehouse.wait(2)
    assert why_not_asked() is None


# What it is worth.


def freight_of(warehouse: Warehouse) -> tuple[int, list[int]]:
    """The purchase order's, and what was posted of it, receipt by receipt."""
    postings = select(JournalPosting).where(JournalPosting.account == Account.ACCRUED_FREIGHT.value)
    posted = warehouse.read(postings.order_by(JournalPosting.entry_id))
    [freight_minor] = warehouse.read(select(PurchaseOrder.freight_minor))
    return freight_minor, [-row.amount_minor for row in posted]


def buy_with_freight(warehouse: Warehouse) -> str:
    """Ten C and a hundred A, which cost as much each, in one purchase order with freight; returns
    its id."""

    def offer(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer))
        for sku in "AC":
            work.session.add(
                SupplierOffer(
                    supplier_id="X",
                    sku=sku,
                    unit_cost_minor=100,
                    currency="EUR",
                    minimum_quantity=10 if sku == "C" else 100,
                    pack_size=1,
                    lead_time_days=3,
                    freight_cost_minor=5_500,
                )
            )

    warehouse.database.transaction(offer)
    for sku, quantity in (("C", 10), ("A", 20)):
        place(warehouse, quantity, sku=sku)
        plan = plan_purchases.run(
            warehouse.database, PlanStep(place=StockKey(location="BER", sku=sku))
        )
    po_id = plan.send[0].po_id
    asyncio.run(warehouse.purchasing.send_purchase_order(PurchaseStep(po_id=po_id, sku="A")))
    return po_id


def test_what_comes_bears_the_freight_of_what_was_not_promised(warehouse: Warehouse) -> None:
    """Nine units of ten in two parts; the tenth and the other line won't come."""
    po_id = buy_with_freight(warehouse)
    promised = (PromisedLine(sku="A", quantity=0), PromisedLine(sku="C", quantity=9))
    said = SupplierAcknowledged(acknowledgement_id="K", po_id=po_id, lines=promised)
    apply_acknowledgement.run(warehouse.database, said)
    fact = GoodsReceived(receipt_id="R1", po_id=po_id, sku="C", quantity=3)
    receive_goods.run(warehouse.database, fact)
    rest = fact.model_copy(update={"receipt_id": "R2", "quantity": 7, "damaged": 1})
    receive_goods.run(warehouse.database, rest)
    assert freight_of(warehouse) == (5_500, [1_833, 3_667])


def test_what_comes_last_bears_the_freight_of_what_is_promised_no_more(
    warehouse: Warehouse,
) -> None:
    """A tenth of C is here when the supplier takes the other line back."""
    po_id = buy_with_freight(warehouse)
    fact = GoodsReceived(receipt_id="R1", po_id=po_id, sku="C", quantity=1)
    receive_goods.run(warehouse.database, fact)
    assert freight_of(warehouse) == (5_500, [50])
    nothing = (PromisedLine(sku="A", quantity=0),)
    said = SupplierAcknowledged(acknowledgement_id="K", po_id=po_id, lines=nothing)
    apply_acknowledgement.run(warehouse.database, said)
    rest = fact.model_copy(update={"receipt_id": "R2", "quantity": 9})
    receive_goods.run(warehouse.database, rest)
    assert freight_of(warehouse) == (5_500, [50, 5_450])


# What suppliers ask for.


def test_two_suppliers_may_number_their_papers_alike(warehouse: Warehouse) -> None:
    """Delivery notes and invoices of both are taken in, once each; the same number of the same
    supplier for something else is odd."""
    units = buy(warehouse, 4).quantity
    first = select(PurchaseOrder.supplier_id).scalar_subquery()
    dear = delete(SupplierOffer).where(col(SupplierOffer.supplier_id) == first)
    warehouse.database.transaction(lambda work: work.session.execute(dear))
    for _ in range(2):
        place(warehouse, units)
        warehouse._buy(BERLIN_C, sends=True, again=False)
    orders = warehouse.read(select(PurchaseOrder).order_by(col(PurchaseOrder.created_at)))
    other = orders[1].supplier_id
    assert [o.supplier_id == other for o in orders] == [False, True, True]
    line = InvoicedLine(sku="C", quantity=units, unit_cost="0.10")
    for order in (*orders[:2], *orders[:2]):
        said: dict[str, Any] = {"po_id": order.po_id}
        goods = GoodsReceived(receipt_id="DN-1", sku="C", quantity=units, **said)
        receive_goods.run(warehouse.database, goods)
        asks = SupplierInvoiced(invoice_id="1", currency="EUR", lines=(line,), **said)
        record_supplier_invoice.run(warehouse.database, asks)
    receipts = warehouse.read(select(GoodsReceipt))
    kept = {row.receipt_id: row.po_id for row in receipts}
    assert kept == {"DN-1": orders[0].po_id, f"{other}:DN-1": orders[1].po_id}
    invoices = warehouse.read(select(SupplierInvoice))
    assert {row.invoice_id for row in invoices} == {"1", f"{other}:1"}
    assert all(row.matched_at for row in invoices)
    assert warehouse.read(select(RejectedMessageRow)) == []

    wrong = goods.model_copy(update={"po_id": orders[2].po_id})
    receive_goods.run(warehouse.database, wrong)
    [odd] = warehouse.read(select(RejectedMessageRow))
    assert odd.reason == "receipt_id: known with other content"


def test_an_invoice_that_waits_in_vain_for_its_goods_is_shown_and_found(
    warehouse: Warehouse,
) -> None:
    """Short, it waits two weeks; where nothing more is due, it is found at once."""
    line = buy(warehouse, 5)
    po_id = line.po_id
    asked = InvoicedLine(sku="C", quantity=line.quantity, unit_cost="0.11")
    fact = SupplierInvoiced(invoice_id="I", po_id=po_id, currency="EUR", lines=(asked,))
    receive_goods.run(warehouse.database, receipt(line, 3, damaged=1))
    record_supplier_invoice.run(warehouse.database, fact)

    def shown() -> bool:
        details = warehouse.database.read(lambda s: purchasing_reading.purchase_order(s, po_id))
        assert details
        [invoice] = details.invoices
        return invoice.matched_at is not None

    def found() -> list[str]:
        asyncio.run(reconciliation.compare_ledger(CloseStep(seen_at=warehouse.now)))
        return [row.message for row in warehouse.read(select(Finding))]

    unused: Any = None  # this step doesn't ask the engine
    reconciliation = Reconciliation(warehouse.database, unused)
    assert not shown()
    assert found() == []
    warehouse.wait(14)
    [message] = found()
    assert message.startswith(
        f"supplier invoice I of {po_id} asks for {line.quantity} x C, 2 came and 1 damaged ones: "
    )
    rest = receipt(line, line.quantity - 2, receipt_id="R2")
    receive_goods.run(warehouse.database, rest)
    assert shown()


def test_an_invoice_of_a_purchase_order_that_is_over_is_found_at_once(
    warehouse: Warehouse,
) -> None:
    """The supplier brings less and says so."""
    line = buy(warehouse, 5)
    asked = InvoicedLine(sku="C", quantity=line.quantity, unit_cost="0.11")
    fact = SupplierInvoiced(invoice_id="I", po_id=line.po_id, currency="EUR", lines=(asked,))
    record_supplier_invoice.run(warehouse.database, fact)
    receive_goods.run(warehouse.database, receipt(line, 3))
    promised = (PromisedLine(sku="C", quantity=3),)
    said = SupplierAcknowledged(acknowledgement_id="K", po_id=line.po_id, lines=promised)
    apply_acknowledgement.run(warehouse.database, said)
    unused: Any = None
    reconciliation = Reconciliation(warehouse.database, unused)
    asyncio.run(reconciliation.compare_ledger(CloseStep(seen_at=warehouse.now)))
    [finding] = warehouse.read(select(Finding))
    assert (finding.finding_id, finding.subject) == ("supplier_invoice:I", line.po_id)
    assert f"asks for {line.quantity} x C, 3 came: " in finding.message


# What is left over.


@pytest.mark.parametrize("stage", [Stage.CANCELLED, Stage.COMPLETED])
def test_what_an_order_that_is_over_holds_or_lacks_is_found(
    warehouse: Warehouse, stage: Stage
) -> None:
    """Nobody would ask for it again; orders that go on aren't found."""
    place(warehouse, 1, sku="A")
    warehouse.reserve([("A", 3), ("C", 4)], Delivery.PARTIAL, "DE", twice=False)
    order_id = f"O{warehouse.number:04d}"

    def found() -> dict[str, str]:
        asyncio.run(reconciliation.compare_stock(CompareStep(after="", batch=10, seen_at=BEGIN)))
        return {row.finding_id: row.message for row in warehouse.read(select(Finding))}

    unused: Any = None  # this step doesn't ask the engine
    reconciliation = Reconciliation(warehouse.database, unused)
    assert found() == {}
    over = update(Order).where(col(Order.order_id) == order_id).values(stage=stage)
    warehouse.database.transaction(lambda work: work.session.execute(over))
    still = f"order {order_id} is {stage}, and of"
    assert found() == {
        f"left_over:{order_id}:A:BER": f"{still} A at BER 3 are still reserved for it and 0 "
        "still short",
        f"left_over:{order_id}:C:BER": f"{still} C at BER 0 are still reserved for it and 4 "
        "still short",
    }
